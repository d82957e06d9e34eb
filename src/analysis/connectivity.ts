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
import type { Family } from "../base/ip.ts";
import type { PolicyGraph } from "../calc/graph.ts";
import type { CompiledRule, DirectionProgram } from "../calc/types.ts";
import { clientPortMatches } from "../policy/evaluate.ts";
import {
  type Direction,
  type EntityMatch,
  hasPorts,
  type Match,
  type PortMatch,
  type Rule,
} from "../policy/model.ts";
import { HostSpace } from "./host-space.ts";
import { PairSpace } from "./pair-space.ts";
import type { Unit } from "./units.ts";

export interface PacketKind {
  readonly family: Family;
  readonly protocol: number;
  /** A number, or a name that each destination resolves for itself; absent for protocols without ports. */
  readonly port?: number | string;
  readonly icmp?: { readonly type: number; readonly code: number };
}

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

/** A program asked for one unit, on one side of the connection; it says which units may be on the other. */
interface Asked {
  /** Whose rules of the program. */
  readonly direction: Direction;
  readonly own: "source" | "destination";
  readonly subject: number;
}

/** Its way through the tiers. */
interface Walk extends Asked {
  readonly undecided: Words;
  readonly allowed: Words;
}

/** How far some tiers have come, for every unit at once. */
interface Prefix {
  readonly tiers: number;
  readonly allowed: Words;
  readonly undecided: Words;
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
  readonly #prefixes = new Map<string, Prefix>();

  constructor(graph: PolicyGraph, kind: PacketKind, space: PairSpace) {
    this.#graph = graph;
    this.#kind = kind;
    this.#space = space;
    this.#hosts = new HostSpace(graph, space);
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
    return this.#solve(program, { direction: "egress", own: "source", subject: source });
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
    const key = `${program.key} ${this.#portsText(destination)} ${this.#space.ownSideMatters(program, "ingress") ? destination : ""}`;
    const known = this.#ingress.get(key);
    if (known) return known;
    const admitted = this.#solve(program, { direction: "ingress", own: "destination", subject: destination });
    this.#ingress.set(key, admitted);
    return admitted;
  }

  // ── host endpoints ────────────────────────────────────────────────────────────────────────────────────────────

  /** Takes away what the interface of the source's node does not let out, and what any of its interfaces stops. */
  #limitLeaving(opens: Words, source: number): void {
    const asked: Asked = { direction: "egress", own: "source", subject: source };
    const { forward, wildcardPreDnat } = this.#hosts.programs(source);
    if (forward) {
      const leaving = this.#solve(forward.egress, asked);
      orInto(leaving, this.#hosts.neighbours(source));
      andInto(opens, leaving);
    }
    if (wildcardPreDnat) andInto(opens, this.#solve(wildcardPreDnat, { ...asked, direction: "ingress" }));
  }

  /** The same for what comes in by the interface of the destination's node: what an early stage allows skips the later. */
  #limitEntering(admitted: Words, destination: number): void {
    const asked: Asked = { direction: "ingress", own: "destination", subject: destination };
    const { forward, preDnat } = this.#hosts.programs(destination);
    if (!forward || !preDnat) return;
    const entering = emptyWords(this.#space.units.length);
    const spared = this.#hosts.isFailsafe(this.#kind, destination);
    const undecided = spared ? this.#space.all : this.#walk(preDnat, asked, this.#space.all, entering);
    orInto(entering, this.#finish(forward.ingress, asked, undecided));
    orInto(entering, this.#hosts.neighbours(destination));
    andInto(admitted, entering);
  }

  /** The other side's units for which the program allows. */
  #solve(program: DirectionProgram, asked: Asked): Words {
    return this.#finish(program, asked, this.#space.all);
  }

  #finish(program: DirectionProgram, asked: Asked, undecided: Words): Words {
    const allowed = emptyWords(this.#space.units.length);
    const rest = this.#walk(program, asked, undecided, allowed);
    // What a stage without a last word leaves open goes on.
    if (program.profile !== "deny") orInto(allowed, rest);
    return allowed;
  }

  /** Adds to `allowed` what tiers and profiles allow of `first`. @returns what they leave undecided */
  #walk(program: DirectionProgram, asked: Asked, first: Words, allowed: Words): Words {
    const { direction } = asked;
    const shared = first === this.#space.all ? this.#sharedPrefix(program, asked) : undefined;
    let undecided = shared?.undecided ?? first;
    if (shared) orInto(allowed, shared.allowed);
    for (const tier of program.tiers.slice(shared?.tiers ?? 0)) {
      // Rules that only allow, in a tier that denies the rest: their sets add up, in any order.
      const adds =
        tier.defaultAction === "deny" &&
        tier.policies.every((state) =>
          (state[direction] ?? []).every(({ rule: { action } }) => action === "allow"),
        );
      if (adds && undecided === this.#space.all) {
        for (const state of tier.policies)
          for (const rule of state[direction] ?? []) this.#addPeers(allowed, rule, asked);
        return emptyWords(this.#space.units.length);
      }
      undecided = this.#walkTier(tier, { ...asked, undecided, allowed });
    }
    for (const profile of program.profiles) {
      const tier = { tier: "", key: "", defaultAction: "pass" as const, policies: [profile] };
      undecided = this.#walkTier(tier, { ...asked, undecided, allowed });
    }
    return undecided;
  }

  /**
   * What all tiers but the last come to. Cluster-wide tiers are the same for thousands of programs, which differ in the
   * last one, where namespaces' own policies stand.
   * @returns undefined where the answer depends on the unit that is asked
   */
  #sharedPrefix(program: DirectionProgram, asked: Asked): Prefix | undefined {
    const tiers = program.tiers.length - 1;
    const { direction, own, subject } = asked;
    if (tiers < 1 || own !== (direction === "ingress" ? "destination" : "source")) return undefined;
    if (this.#space.ownSideMatters(program, direction)) return undefined;
    const keys = program.tiers.slice(0, tiers).map(({ key }) => key);
    const key = `${direction} ${own === "destination" ? this.#portsText(subject) : ""} ${keys.join("|")}`;
    const known = this.#prefixes.get(key);
    if (known) return known;
    const allowed = emptyWords(this.#space.units.length);
    let undecided = this.#space.all;
    for (const tier of program.tiers.slice(0, tiers))
      undecided = this.#walkTier(tier, { ...asked, undecided, allowed });
    const prefix = { tiers, allowed, undecided };
    this.#prefixes.set(key, prefix);
    return prefix;
  }

  #portsText(unit: number): string {
    const ports = this.#space.units[unit]?.identity.sample.ports ?? [];
    return ports.map(({ name, protocol, port }) => `${name}/${protocol}/${port}`).join(",");
  }

  /** Adds to `allowed` what the tier allows of `undecided`. @returns what it passes on */
  #walkTier(tier: DirectionProgram["tiers"][number], walk: Walk): Words {
    const { direction, undecided, allowed } = walk;
    const rest = undecided.slice();
    const passed = emptyWords(this.#space.units.length);
    for (const state of tier.policies) {
      for (const compiled of state[direction] ?? []) {
        if (compiled.rule.action === "log") continue;
        const matched = emptyWords(this.#space.units.length);
        this.#addPeers(matched, compiled, walk);
        andInto(matched, rest);
        if (compiled.rule.action === "allow") orInto(allowed, matched);
        if (compiled.rule.action === "pass") orInto(passed, matched);
        andNotInto(rest, matched);
      }
    }
    if (tier.defaultAction === "pass") orInto(passed, rest);
    return passed;
  }

  /** Adds the units of the other side that the rule matches, seen from one subject. */
  #addPeers(target: Words, compiled: CompiledRule, { own, subject }: Asked): void {
    const { match } = compiled.rule;
    if (!this.#packetMatches(match) || !this.#clientMatches(compiled.rule)) return;
    const other = own === "destination" ? "source" : "destination";
    if (!this.#ownSideMatches(match[own], compiled, own, subject)) return;
    const ports = this.#portHolders(match.destination, own === "destination" ? subject : undefined);
    if (ports === undefined) return;
    const sets = [...this.#peerSets(match[other], compiled, other), ...(ports === "any" ? [] : [ports])];
    const [first, ...rest] = sets;
    if (!first) {
      orInto(target, this.#space.all);
      return;
    }
    if (rest.length === 0) {
      orInto(target, first);
      return;
    }
    const matched = first.slice();
    for (const set of rest) andInto(matched, set);
    orInto(target, matched);
  }

  #packetMatches(match: Match): boolean {
    const { family, protocol, icmp } = this.#kind;
    if (match.family !== undefined && match.family !== family) return false;
    if (match.protocol !== undefined && match.protocol !== protocol) return false;
    if (match.notProtocol === protocol) return false;
    const same = (wanted: NonNullable<Match["icmp"]>): boolean =>
      icmp !== undefined &&
      icmp.type === wanted.type &&
      (wanted.code === undefined || icmp.code === wanted.code);
    if (match.icmp && !same(match.icmp)) return false;
    if (match.notIcmp && same(match.notIcmp)) return false;
    return true;
  }

  /** Which port a client connects from is not asked. */
  #clientMatches({ match: { source }, action }: Rule): boolean {
    if (!source.ports && !source.notPorts) return true;
    return hasPorts(this.#kind.protocol) && clientPortMatches(source, action);
  }

  #ownSideMatches(
    match: EntityMatch,
    compiled: CompiledRule,
    side: "source" | "destination",
    subject: number,
  ): boolean {
    return this.#peerSets(match, compiled, side).every((set) => hasBit(set, subject));
  }

  /** Sets that the units of one side must all be in. */
  #peerSets(match: EntityMatch, compiled: CompiledRule, side: "source" | "destination"): Words[] {
    const selector = side === "source" ? compiled.sourceSelector : compiled.destinationSelector;
    const notSelector = side === "source" ? compiled.sourceNotSelector : compiled.destinationNotSelector;
    const sets: Words[] = [];
    if (selector) sets.push(this.#space.selected(selector));
    if (notSelector) sets.push(this.#space.without(this.#space.selected(notSelector)));
    if (match.nets) sets.push(this.#space.inAny(match.nets));
    if (match.notNets) sets.push(this.#space.without(this.#space.inAny(match.notNets)));
    return sets;
  }

  /** "any": the rule names no ports. undefined: no destination's port can match. A set: the destinations where it does. */
  #portHolders(match: EntityMatch, subject: number | undefined): Words | "any" | undefined {
    if (!match.ports && !match.notPorts) return "any";
    const { port, protocol } = this.#kind;
    if (port === undefined || !hasPorts(protocol)) return undefined;
    const byNumber = typeof port === "number";
    const names = [...(match.ports ?? []), ...(match.notPorts ?? [])].some((entry) => entry.kind === "named");
    if (byNumber && !names) return this.#covers(match, port, undefined) ? "any" : undefined;
    if (subject !== undefined) return this.#coversAt(match, subject) ? "any" : undefined;
    const words = emptyWords(this.#space.units.length);
    for (let index = 0; index < this.#space.units.length; index++)
      if (this.#coversAt(match, index)) setBit(words, index);
    return words;
  }

  #coversAt(match: EntityMatch, destination: number): boolean {
    const ports = this.#space.units[destination]?.identity.sample.ports ?? [];
    const { port, protocol } = this.#kind;
    const number =
      typeof port === "number"
        ? port
        : ports.find((named) => named.name === port && named.protocol === protocol)?.port;
    return number !== undefined && this.#covers(match, number, destination);
  }

  #covers(match: EntityMatch, port: number, destination: number | undefined): boolean {
    const holds = (entry: PortMatch): boolean => {
      if (entry.kind === "range") return entry.first <= port && port <= entry.last;
      const ports =
        destination === undefined ? [] : (this.#space.units[destination]?.identity.sample.ports ?? []);
      return ports.some(
        (named) => named.name === entry.name && named.protocol === this.#kind.protocol && named.port === port,
      );
    };
    if (match.notPorts?.some(holds)) return false;
    return match.ports === undefined || match.ports.some(holds);
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
