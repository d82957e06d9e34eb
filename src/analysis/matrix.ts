/** @module The truth table that people read: workloads instead of pods, and workloads that behave alike as one. */
import { hasBit } from "../base/bitset.ts";
import type { Endpoint } from "../policy/model.ts";
import type { Connectivity } from "./connectivity.ts";

export type CellVerdict = "allow" | "deny" | "mixed";

export interface MatrixGroup {
  /** `default/go-demo-2-api`, or the pod's own name. */
  readonly name: string;
  /** `Deployment`; "Pod" for pods of no workload. */
  readonly kind: string;
  /** Ids, sorted. */
  readonly pods: readonly string[];
}

export interface Matrix {
  /** Sorted by name. */
  readonly groups: readonly MatrixGroup[];
  /** @param from - index of the source's group. Cells are not stored: thousands of groups have millions of them. */
  cell(from: number, to: number): CellVerdict;
  /** Groups with equal numbers are made of the same units: others treat them alike, and they treat others alike. */
  readonly kinds: readonly number[];
  /** By the source's kind, then the destination's: the verdict between two groups, as index into {@link VERDICTS}. */
  readonly between: readonly Uint8Array[];
}

const VERDICTS: readonly CellVerdict[] = ["allow", "deny", "mixed"];
const ALLOW = 0;
const DENY = 1;
const MIXED = 2;
type Code = typeof ALLOW | typeof DENY | typeof MIXED;

interface Row {
  readonly name: string;
  readonly kind: string;
  readonly pods: string[];
  /** Units, with how many of the group's pods are in each. */
  readonly units: Map<number, number>;
}

function groupName(endpoint: Endpoint, byPod: boolean): { name: string; kind: string } {
  const [kind, workload] = endpoint.workload?.split("/") ?? [];
  if (byPod || kind === undefined || workload === undefined) return { name: endpoint.id, kind: "Pod" };
  return { name: `${endpoint.namespace}/${workload}`, kind };
}

/** @param byPod - a row for each pod, not for each workload. Cost: kinds of groups squared × units a kind */
export function matrixOf({ units, rows }: Connectivity, byPod: boolean): Matrix {
  const byKey = new Map<string, Row>();
  for (const [index, { endpoints }] of units.entries()) {
    for (const endpoint of endpoints) {
      const { name, kind } = groupName(endpoint, byPod);
      const key = `${name} ${kind}`;
      const group: Row = byKey.get(key) ?? { name, kind, pods: [], units: new Map() };
      byKey.set(key, group);
      group.pods.push(endpoint.id);
      group.units.set(index, (group.units.get(index) ?? 0) + 1);
    }
  }
  const groups = [...byKey.values()].sort((a, b) =>
    a.name < b.name ? -1 : a.name > b.name ? 1 : a.kind < b.kind ? -1 : 1,
  );
  for (const group of groups) group.pods.sort();
  const { kinds, samples } = kindsOf(groups);
  const between = samples.map((from) => {
    const codes = new Uint8Array(samples.length);
    for (const [index, to] of samples.entries()) codes[index] = codeBetween(from, to, rows);
    return codes;
  });
  const within = Uint8Array.from(groups, (group) => codeWithin(group, rows));
  return {
    groups: withNamesOfTheirOwn(groups),
    cell: (from, to) =>
      VERDICTS[(from === to ? within[from] : between[kinds[from] ?? 0]?.[kinds[to] ?? 0]) ?? DENY] ?? "deny",
    kinds,
    between,
  };
}

/** A Deployment and a StatefulSet may have one name: then the kind is part of it, in the form that questions take. */
function withNamesOfTheirOwn(groups: readonly Row[]): MatrixGroup[] {
  const counts = new Map<string, number>();
  for (const { name } of groups) counts.set(name, (counts.get(name) ?? 0) + 1);
  return groups.map(({ name, kind, pods }) => ({
    name: counts.get(name) === 1 || kind === "Pod" ? name : name.replace("/", `/${kind.toLowerCase()}/`),
    kind,
    pods,
  }));
}

/** @returns the kind of each group, and each kind's units */
function kindsOf(groups: readonly Row[]): {
  kinds: readonly number[];
  samples: readonly (readonly number[])[];
} {
  const numbers = new Map<string, number>();
  const samples: number[][] = [];
  const kinds = groups.map((group) => {
    const units = [...group.units.keys()].sort((a, b) => a - b);
    const key = units.join(",");
    const known = numbers.get(key);
    if (known !== undefined) return known;
    numbers.set(key, samples.length);
    samples.push(units);
    return samples.length - 1;
  });
  return { kinds, samples };
}

function codeOf(allowed: boolean, denied: boolean): Code {
  return allowed && denied ? MIXED : allowed ? ALLOW : DENY;
}

/** Of two different groups. */
function codeBetween(from: readonly number[], to: readonly number[], rows: Connectivity["rows"]): Code {
  let allowed = false;
  let denied = false;
  for (const destination of to) {
    const row = rows[destination];
    for (const source of from) {
      if (row && hasBit(row, source)) allowed = true;
      else denied = true;
    }
  }
  return codeOf(allowed, denied);
}

/** Of a group's different pods. A lone pod reaches itself, as every pod does. */
function codeWithin(group: Row, rows: Connectivity["rows"]): Code {
  if (group.pods.length === 1) return ALLOW;
  let allowed = false;
  let denied = false;
  for (const destination of group.units.keys()) {
    const row = rows[destination];
    for (const [source, count] of group.units) {
      // The only pod of a unit has no other pod there.
      if (source === destination && count === 1) continue;
      if (row && hasBit(row, source)) allowed = true;
      else denied = true;
    }
  }
  return codeOf(allowed, denied);
}

export interface MatrixClass {
  readonly members: readonly MatrixGroup[];
}

export interface Quotient {
  readonly classes: readonly MatrixClass[];
  readonly cells: readonly (readonly CellVerdict[])[];
}

/**
 * Merges groups that nobody can tell apart by who reaches them and whom they reach.
 *
 * Two groups belong together when their rows and columns agree, with one thing to mind: each stands at its own place
 * in its row. If both places are filled with what the two say of each other, the rows are equal; so each of the three
 * verdicts is tried there. A group of several pods must say that of its own pods too.
 * Cost: kinds of groups squared.
 */
export function quotient(matrix: Matrix): Quotient {
  const { groups, kinds } = matrix;
  const signatures = new Signatures(matrix);
  const classOf = new Map<number, number[]>();
  for (const own of [ALLOW, DENY, MIXED] as const) {
    const classes = signatures.classes(own);
    const alike = new Map<number, number[]>();
    for (const [index, group] of groups.entries()) {
      if (group.pods.length > 1 && matrix.cell(index, index) !== VERDICTS[own]) continue;
      const number = classes[kinds[index] ?? 0] ?? 0;
      const known = alike.get(number);
      if (known) known.push(index);
      else alike.set(number, [index]);
    }
    for (const members of alike.values())
      if (members.length > 1) for (const index of members) classOf.set(index, members);
  }
  const merged = [...new Set(groups.map((_, index) => classOf.get(index) ?? [index]))];
  const between = (from: readonly number[], to: readonly number[]): CellVerdict => {
    const source = from[0] ?? 0;
    return matrix.cell(source, from === to ? (to[1] ?? source) : (to[0] ?? 0));
  };
  return {
    classes: merged.map((indexes) => ({ members: indexes.flatMap((index) => groups[index] ?? []) })),
    cells: merged.map((from) => merged.map((to) => between(from, to))),
  };
}

/** Rows and columns of kinds, compared by a sum first, which leaves few to compare cell by cell. */
class Signatures {
  readonly #between: readonly Uint8Array[];
  /** Kinds with one group: nobody but the group itself stands at its place. */
  readonly #lone: Uint8Array;
  /** Sums over a kind's row and column, its own place left out. */
  readonly #sums: Int32Array;

  constructor({ kinds, between }: Matrix) {
    this.#between = between;
    const counts = new Uint32Array(between.length);
    for (const kind of kinds) counts[kind] = (counts[kind] ?? 0) + 1;
    this.#lone = Uint8Array.from(counts, (count) => (count === 1 ? 1 : 0));
    this.#sums = new Int32Array(between.length);
    for (const [from, row] of between.entries()) {
      for (const [to, code] of row.entries()) {
        if (from === to) continue;
        this.#add(from, term(to, code, 1));
        this.#add(to, term(from, code, 2));
      }
    }
  }

  /** @param own - what stands at a lone kind's own place. @returns a number a kind, equal where row and column are */
  classes(own: Code): Int32Array {
    const bySum = new Map<number, number[]>();
    const numbers = new Int32Array(this.#between.length);
    for (let kind = 0; kind < numbers.length; kind++) {
      const code = this.#at(kind, kind, own);
      const sum = ((this.#sums[kind] ?? 0) + term(kind, code, 1) + term(kind, code, 2)) | 0;
      const rivals = bySum.get(sum) ?? [];
      bySum.set(sum, rivals);
      const equal = rivals.find((rival) => this.#isEqual(rival, kind, own));
      numbers[kind] = equal ?? kind;
      if (equal === undefined) rivals.push(kind);
    }
    return numbers;
  }

  #add(kind: number, amount: number): void {
    this.#sums[kind] = ((this.#sums[kind] ?? 0) + amount) | 0;
  }

  #at(from: number, to: number, own: Code): number {
    return from === to && this.#lone[from] === 1 ? own : (this.#between[from]?.[to] ?? DENY);
  }

  #isEqual(a: number, b: number, own: Code): boolean {
    for (let other = 0; other < this.#between.length; other++) {
      if (this.#at(a, other, own) !== this.#at(b, other, own)) return false;
      if (this.#at(other, a, own) !== this.#at(other, b, own)) return false;
    }
    return true;
  }
}

/** A cell's part in a sum. Two sums of different cells are rarely equal, and it does no harm if they are. */
function term(place: number, code: number, side: number): number {
  const mixed = Math.imul((place * 6 + code * 2 + side) | 0, 0x9e3779b1);
  return Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b);
}
