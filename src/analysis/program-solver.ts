/**
 * @module What one program says to all units at once, for one kind of packet: tiers, policies and rules as sets of bits.
 *
 * Cost of a program: its rules × words of a set; tiers that programs share are walked once.
 */
import { andInto, andNotInto, emptyWords, hasBit, orInto, setBit, type Words } from "../base/bitset.ts";
import type { Family } from "../base/ip.ts";
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
import type { PairSpace } from "./pair-space.ts";

export interface PacketKind {
  readonly family: Family;
  readonly protocol: number;
  /** A number, or a name that each destination resolves for itself; absent for protocols without ports. */
  readonly port?: number | string;
  readonly icmp?: { readonly type: number; readonly code: number };
}

/** A program asked for one unit, on one side of the connection; it says which units may be on the other. */
export interface Asked {
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

export class ProgramSolver {
  readonly #kind: PacketKind;
  readonly #space: PairSpace;
  readonly #prefixes = new Map<string, Prefix>();

  constructor(kind: PacketKind, space: PairSpace) {
    this.#kind = kind;
    this.#space = space;
  }

  /** The other side's units for which the program allows. */
  solve(program: DirectionProgram, asked: Asked): Words {
    return this.finish(program, asked, this.#space.all);
  }

  finish(program: DirectionProgram, asked: Asked, undecided: Words): Words {
    const allowed = emptyWords(this.#space.units.length);
    const rest = this.walk(program, asked, undecided, allowed);
    // What a stage without a last word leaves open goes on.
    if (program.profile !== "deny") orInto(allowed, rest);
    return allowed;
  }

  /** Adds to `allowed` what tiers and profiles allow of `first`. @returns what they leave undecided */
  walk(program: DirectionProgram, asked: Asked, first: Words, allowed: Words): Words {
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
    const key = `${direction} ${own === "destination" ? this.portsText(subject) : ""} ${keys.join("|")}`;
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

  portsText(unit: number): string {
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
}
