/**
 * @module All pairs: for one kind of packet, which units can open a connection to which.
 *
 * Units are bits. A selector is a set of bits, found once. An endpoint's ingress program gives the set of sources it
 * admits, its egress program the set of destinations it may open; programs that are equal are computed once. The
 * answer for a destination is (sources that its ingress admits) AND (sources whose egress opens it), word by word.
 *
 * A pod always reaches itself; that is not in the sets, which speak of different pods.
 * Cost: programs × their rules' words, plus units × words; memory: a row of bits for each distinct program.
 */
import {
  andInto,
  andNotInto,
  countBits,
  eachBit,
  emptyWords,
  hasBit,
  isEmpty,
  orInto,
  setBit,
  unsetBit,
  type Words,
} from "../base/bitset.ts";
import type { PolicyGraph } from "../calc/graph.ts";
import type { DirectionProgram } from "../calc/types.ts";
import { HostSpace } from "./host-space.ts";
import type { HostStages } from "./node-programs.ts";
import { PairSpace } from "./pair-space.ts";
import { type Asked, type PacketKind, ProgramSolver } from "./program-solver.ts";

export type { PacketKind };

import type { Unit } from "./units.ts";

export interface Connectivity {
  readonly units: readonly Unit[];
  /** By destination: the units that reach it. Equal rows may be one object. */
  readonly rows: readonly Words[];
}

/** Destinations are done in blocks, so that the transposed egress sets stay small. */
const BLOCK = 2048;

/** @param space - what several kinds of packets share; made anew where left out */
export function allPairs(
  graph: PolicyGraph,
  kind: PacketKind,
  space: PairSpace = new PairSpace(graph, kind.family),
): Connectivity {
  const solver = new Solver(graph, kind, space);
  const rows: Words[] = [];
  for (let first = 0; first < space.units.length; first += BLOCK) {
    solver.block(first, Math.min(space.units.length, first + BLOCK), (_, row) => rows.push(row.slice()));
  }
  return { units: space.units, rows };
}

/** The same, a row at a time, for clusters whose rows would not fit in memory together. Each row is written over. */
export function eachRow(
  graph: PolicyGraph,
  kind: PacketKind,
  visit: (destination: number, sources: Words) => void,
  space: PairSpace = new PairSpace(graph, kind.family),
): void {
  const solver = new Solver(graph, kind, space);
  const count = space.units.length;
  for (let first = 0; first < count; first += BLOCK) {
    solver.block(first, Math.min(count, first + BLOCK), visit);
  }
}

/** Who may open what, for the sources of one egress program: told by what is fewer, the opened or the closed. */
interface EgressGroup {
  readonly sources: number[];
  readonly kind: "opens" | "closes";
  readonly destinations: Words;
}

class Solver {
  readonly #graph: PolicyGraph;
  readonly #kind: PacketKind;
  readonly #space: PairSpace;
  readonly #ingress = new Map<string, Words>();
  /** Destinations that have the port asked about at all. */
  readonly #askable: Words;
  /** Sources that may open everything, and those of groups that tell what they close. */
  readonly #open: Words;
  readonly #groups: EgressGroup[] = [];
  readonly #hosts: HostSpace;
  /** Destinations whose port is a failsafe of host endpoints. */
  readonly #failsafe: Words;
  readonly #programs: ProgramSolver;

  constructor(graph: PolicyGraph, kind: PacketKind, space: PairSpace) {
    this.#graph = graph;
    this.#kind = kind;
    this.#space = space;
    this.#hosts = new HostSpace(graph, space);
    this.#programs = new ProgramSolver(kind, space);
    this.#failsafe = this.#hosts.failsafeUnits(kind);
    this.#askable = typeof kind.port === "string" ? this.#holders(kind.port) : space.all;
    this.#open = emptyWords(space.units.length);
    this.#groupEgress();
  }

  /** Rows of the destinations from `first` up to but not including `end`. Each is told once, and written over later. */
  block(first: number, end: number, visit: (destination: number, sources: Words) => void): void {
    const columns: (Words | undefined)[] = Array.from({ length: end - first }, () => undefined);
    for (const { sources, kind, destinations } of this.#groups) {
      const mark = kind === "opens" ? setBit : unsetBit;
      this.#eachInRange(destinations, first, end, (destination) => {
        let column = columns[destination - first];
        if (!column) {
          column = this.#space.scratch(destination - first, this.#open);
          columns[destination - first] = column;
        }
        for (const source of sources) mark(column, source);
      });
    }
    for (let destination = first; destination < end; destination++) {
      const row = columns[destination - first] ?? this.#space.scratch(BLOCK, this.#open);
      if (hasBit(this.#askable, destination)) andInto(row, this.#admitted(destination));
      else row.fill(0);
      if (this.#hosts.hasUntracked) this.#hosts.askOneByOne(row, this.#kind, destination);
      visit(destination, row);
    }
  }

  #eachInRange(words: Words, first: number, end: number, visit: (index: number) => void): void {
    // Blocks begin on a word's boundary.
    const slice = words.subarray(first >>> 5, (end + 31) >>> 5);
    eachBit(slice, (index) => visit(first + index));
  }

  #groupEgress(): void {
    const byProgram = new Map<string, number[]>();
    for (const [index, { identity }] of this.#space.units.entries()) {
      const program = this.#graph.programOf(identity).egress;
      if (program.key === "" && !this.#hosts.concern(index)) {
        setBit(this.#open, index);
        continue;
      }
      const matters = this.#space.ownSideMatters(program, "egress");
      const key = matters || this.#hosts.concern(index) ? `${program.key} ${index}` : program.key;
      const known = byProgram.get(key);
      if (known) known.push(index);
      else byProgram.set(key, [index]);
    }
    for (const sources of byProgram.values()) {
      const unit = this.#space.units[sources[0] ?? 0];
      if (!unit) continue;
      const source = sources[0] ?? 0;
      const opens = this.#opened(this.#graph.programOf(unit.identity).egress, source);
      if (this.#hosts.concern(source)) this.#limitLeaving(opens, source);
      if (countBits(opens) * 2 <= this.#space.units.length) {
        if (!isEmpty(opens)) this.#groups.push({ sources, kind: "opens", destinations: opens });
        continue;
      }
      for (const member of sources) setBit(this.#open, member);
      const closed = this.#space.without(opens);
      if (!isEmpty(closed)) this.#groups.push({ sources, kind: "closes", destinations: closed });
    }
  }

  #opened(program: DirectionProgram, source: number): Words {
    if (program.key === "") return this.#space.all.slice();
    return this.#programs.solve(program, { direction: "egress", own: "source", subject: source });
  }

  #admitted(destination: number): Words {
    const byPod = this.#admittedByPod(destination);
    if (!this.#hosts.concern(destination)) return byPod;
    const admitted = byPod.slice();
    this.#limitEntering(admitted, destination);
    return admitted;
  }

  #admittedByPod(destination: number): Words {
    const unit = this.#space.units[destination];
    if (!unit) return this.#space.all;
    const program = this.#graph.programOf(unit.identity).ingress;
    if (program.key === "") return this.#space.all;
    const key = `${program.key} ${this.#programs.portsText(destination)} ${this.#space.ownSideMatters(program, "ingress") ? destination : ""}`;
    const known = this.#ingress.get(key);
    if (known) return known;
    const admitted = this.#programs.solve(program, {
      direction: "ingress",
      own: "destination",
      subject: destination,
    });
    this.#ingress.set(key, admitted);
    return admitted;
  }

  // ── host endpoints ────────────────────────────────────────────────────────────────────────────────────────────

  /** Takes away what the interface of the source's node does not let out, and what its own link does not let in. */
  #limitLeaving(opens: Words, source: number): void {
    const asked: Asked = { direction: "egress", own: "source", subject: source };
    const { forward, links } = this.#hosts.programs(source);
    if (forward) {
      const leaving = this.#programs.solve(forward.egress, asked);
      orInto(leaving, this.#hosts.neighbours(source));
      andInto(opens, leaving);
    }
    if (links) andInto(opens, this.#stages(links, { ...asked, direction: "ingress" }, this.#failsafe));
  }

  /** The same for what comes in by the interface of the destination's node, and goes out by its own link. */
  #limitEntering(admitted: Words, destination: number): void {
    const asked: Asked = { direction: "ingress", own: "destination", subject: destination };
    const { forward, preDnat, links } = this.#hosts.programs(destination);
    if (forward && preDnat) {
      const { all } = this.#space;
      const spared = hasBit(this.#failsafe, destination) ? all : emptyWords(this.#space.units.length);
      const entering = this.#stages({ forward, preDnat }, asked, spared);
      orInto(entering, this.#hosts.neighbours(destination));
      andInto(admitted, entering);
    }
    if (links)
      andInto(admitted, this.#programs.solve(links.forward.egress, { ...asked, direction: "egress" }));
  }

  /**
   * Units for which the stages before and behind translation allow what comes in: an early Allow skips the later one.
   * @param spared - those of which the early stage is not asked
   */
  #stages({ forward, preDnat }: HostStages, asked: Asked, spared: Words): Words {
    const allowed = emptyWords(this.#space.units.length);
    const undecided = this.#programs.walk(preDnat, asked, this.#space.all, allowed).slice();
    andNotInto(allowed, spared);
    orInto(undecided, spared);
    orInto(allowed, this.#programs.finish(forward.ingress, asked, undecided));
    return allowed;
  }

  #holders(name: string): Words {
    const words = emptyWords(this.#space.units.length);
    for (const [index, { identity }] of this.#space.units.entries()) {
      if (
        identity.sample.ports.some((named) => named.name === name && named.protocol === this.#kind.protocol)
      )
        setBit(words, index);
    }
    return words;
  }
}
