/** @module How many replicas each ReplicaSet of a Deployment is to have: pure arithmetic, after kube-controller-manager. */
import type { Deployment, ReplicaSet } from "../client/kinds.ts";
import { amountOf } from "./amounts.ts";

export interface Limits {
  readonly maxSurge: number;
  readonly maxUnavailable: number;
}

const DEFAULT_SHARE = "25%";

export function limitsOf({ spec }: Deployment): Limits {
  const wanted = spec.replicas ?? 1;
  if (spec.strategy?.type === "Recreate") return { maxSurge: 0, maxUnavailable: 0 };
  const rolling = spec.strategy?.rollingUpdate;
  const maxSurge = amountOf(rolling?.maxSurge ?? DEFAULT_SHARE, wanted, "up") ?? 0;
  const down = amountOf(rolling?.maxUnavailable ?? DEFAULT_SHARE, wanted, "down") ?? 0;
  // Both nothing would never come to an end.
  return { maxSurge, maxUnavailable: Math.min(wanted, maxSurge === 0 && down === 0 ? 1 : down) };
}

export function replicasOf({ spec }: ReplicaSet): number {
  return spec.replicas ?? 1;
}

function total(sets: readonly ReplicaSet[], read: (set: ReplicaSet) => number): number {
  return sets.reduce((sum, set) => sum + read(set), 0);
}

/** What the new set is to have at this step of a rolling update. */
export function freshReplicas(
  deployment: Deployment,
  fresh: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
): number {
  const wanted = deployment.spec.replicas ?? 1;
  if (deployment.spec.strategy?.type === "Recreate") return wanted;
  const present = fresh ? replicasOf(fresh) : 0;
  if (present >= wanted) return wanted;
  const room = wanted + limitsOf(deployment).maxSurge - total(old, replicasOf) - present;
  return present + Math.max(0, Math.min(room, wanted - present));
}

/** What the old sets are to have at this step: those that do not work go first, and then as many as may be missing. */
export function oldReplicas(
  deployment: Deployment,
  fresh: ReplicaSet,
  old: readonly ReplicaSet[],
): Map<ReplicaSet, number> {
  const steps = new Map<ReplicaSet, number>();
  const sets = old.filter((set) => replicasOf(set) > 0).sort(byAge);
  if (sets.length === 0) return steps;
  const wanted = deployment.spec.replicas ?? 1;
  const least = wanted - limitsOf(deployment).maxUnavailable;
  const available = (set: ReplicaSet): number => set.status?.availableReplicas ?? 0;
  const missing = Math.max(0, replicasOf(fresh) - available(fresh));
  let mayGo = total(sets, replicasOf) + replicasOf(fresh) - least - missing;
  if (mayGo <= 0) return steps;
  for (const set of sets) {
    const unhealthy = Math.min(mayGo, Math.max(0, replicasOf(set) - available(set)));
    if (unhealthy === 0) continue;
    steps.set(set, replicasOf(set) - unhealthy);
    mayGo -= unhealthy;
  }
  let spare = total([...sets, fresh], available) - least;
  for (const set of sets) {
    const present = steps.get(set) ?? replicasOf(set);
    const going = Math.min(present, spare);
    if (going <= 0) continue;
    steps.set(set, present - going);
    spare -= going;
  }
  return steps;
}

export function byAge(a: ReplicaSet, b: ReplicaSet): number {
  const times =
    Date.parse(a.metadata.creationTimestamp ?? "") - Date.parse(b.metadata.creationTimestamp ?? "");
  return times || (a.metadata.name < b.metadata.name ? -1 : 1);
}

/**
 * When a Deployment is scaled in the middle of a rollout, each set gets its part, and the largest what is left over.
 * @param most - replicas with the surge
 */
export function proportional(sets: readonly ReplicaSet[], most: number): Map<ReplicaSet, number> {
  const steps = new Map<ReplicaSet, number>();
  const present = total(sets, replicasOf);
  let change = most - present;
  const largestFirst = [...sets].sort((a, b) => replicasOf(b) - replicasOf(a) || byAge(b, a));
  for (const set of largestFirst) {
    const share = present === 0 ? 0 : Math.round((replicasOf(set) * (most - present)) / present);
    const step = change > 0 ? Math.min(Math.max(share, 0), change) : Math.max(Math.min(share, 0), change);
    steps.set(set, Math.max(0, replicasOf(set) + step));
    change -= step;
  }
  const largest = largestFirst[0];
  if (largest && change !== 0) steps.set(largest, Math.max(0, (steps.get(largest) ?? 0) + change));
  return steps;
}
