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
  readonly groups: readonly MatrixGroup[];
  /** By source, then destination. */
  readonly cells: readonly (readonly CellVerdict[])[];
  /** Groups with equal numbers are made of the same units: others treat them alike, and they treat others alike. */
  readonly kinds: readonly number[];
}

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

/** @param byPod - a row for each pod, not for each workload. Cost: groups squared × units a group */
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
  const numbers = new Map<string, number>();
  const samples: Row[] = [];
  const kinds = groups.map((group) => {
    const key = [...group.units.keys()].sort((a, b) => a - b).join(",");
    const known = numbers.get(key);
    if (known !== undefined) return known;
    numbers.set(key, samples.length);
    samples.push(group);
    return samples.length - 1;
  });
  const between = samples.map((from) => samples.map((to) => verdictBetween(from, to, rows)));
  const cells = groups.map((from, row) =>
    groups.map((to, column) =>
      from === to ? verdictWithin(from, rows) : (between[kinds[row] ?? 0]?.[kinds[column] ?? 0] ?? "deny"),
    ),
  );
  return { groups: groups.map(({ name, kind, pods }) => ({ name, kind, pods })), cells, kinds };
}

/** Of two different groups. */
function verdictBetween(from: Row, to: Row, rows: Connectivity["rows"]): CellVerdict {
  let allowed = false;
  let denied = false;
  for (const destination of to.units.keys()) {
    const row = rows[destination];
    for (const source of from.units.keys()) {
      if (row && hasBit(row, source)) allowed = true;
      else denied = true;
    }
  }
  return allowed && denied ? "mixed" : allowed ? "allow" : "deny";
}

/** Of a group's different pods. A lone pod reaches itself, as every pod does. */
function verdictWithin(group: Row, rows: Connectivity["rows"]): CellVerdict {
  if (group.pods.length === 1) return "allow";
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
  return allowed && denied ? "mixed" : allowed ? "allow" : "deny";
}

export interface MatrixClass {
  readonly members: readonly MatrixGroup[];
}

export interface Quotient {
  readonly classes: readonly MatrixClass[];
  readonly cells: readonly (readonly CellVerdict[])[];
}

const VERDICTS: readonly CellVerdict[] = ["allow", "deny", "mixed"];

/**
 * Merges groups that nobody can tell apart by who reaches them and whom they reach.
 *
 * Two groups belong together when their rows and columns agree, with one thing to mind: each stands at its own place
 * in its row. If both places are filled with what the two say of each other, the rows are equal; so each of the three
 * verdicts is tried there. A group of several pods must say that of its own pods too.
 * Cost: groups × kinds of groups.
 */
export function quotient(matrix: Matrix): Quotient {
  const { groups, cells } = matrix;
  const samples = samplesOf(matrix);
  const classOf = new Map<number, number[]>();
  for (const own of VERDICTS) {
    const alike = new Map<string, number[]>();
    for (const [index, group] of groups.entries()) {
      if (group.pods.length > 1 && cells[index]?.[index] !== own) continue;
      const key = signature(matrix, samples, index, own);
      const known = alike.get(key);
      if (known) known.push(index);
      else alike.set(key, [index]);
    }
    for (const members of alike.values())
      if (members.length > 1) for (const index of members) classOf.set(index, members);
  }
  const merged = [...new Set(groups.map((_, index) => classOf.get(index) ?? [index]))];
  const between = (from: readonly number[], to: readonly number[]): CellVerdict => {
    const source = from[0] ?? 0;
    const target = from === to ? (to[1] ?? source) : (to[0] ?? 0);
    return cells[source]?.[target] ?? "deny";
  };
  return {
    classes: merged.map((indexes) => ({ members: indexes.flatMap((index) => groups[index] ?? []) })),
    cells: merged.map((from) => merged.map((to) => between(from, to))),
  };
}

/** For each kind, up to two groups of it: one of them is never the group that is looked at. */
function samplesOf({ kinds }: Matrix): readonly (readonly number[])[] {
  const samples: number[][] = [];
  for (const [index, kind] of kinds.entries()) {
    const known = samples[kind];
    if (!known) samples[kind] = [index];
    else if (known.length < 2) known.push(index);
  }
  return samples;
}

function signature(
  { cells }: Matrix,
  samples: readonly (readonly number[])[],
  index: number,
  own: CellVerdict,
): string {
  let letters = "";
  for (const sample of samples) {
    const other = sample.find((candidate) => candidate !== index);
    letters += (other === undefined ? own : (cells[index]?.[other] ?? "deny")).charAt(0);
    letters += (other === undefined ? own : (cells[other]?.[index] ?? "deny")).charAt(0);
  }
  return letters;
}
