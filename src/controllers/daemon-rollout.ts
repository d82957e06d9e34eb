/** @module How a DaemonSet's pods are replaced: old ones first, or new ones beside them (surge). Pure. Source: pkg/controller/daemon/update.go. */
import type { DaemonSet, Pod } from "../client/kinds.ts";
import { amountOf } from "./amounts.ts";
import { REVISION_HASH } from "./controller-revisions.ts";

export interface NodePods {
  readonly name: string;
  /** Without those that are on their way out. */
  readonly pods: readonly Pod[];
}

export interface Limits {
  /** So many nodes may be without a pod that works. */
  readonly maxUnavailable: number;
  /** So many nodes may have a new pod beside the old one. */
  readonly maxSurge: number;
}

interface Rollout extends Limits {
  readonly hash: string;
  readonly isAvailable: (pod: Pod) => boolean;
}

export interface RolloutPlan {
  readonly delete: readonly Pod[];
  /** Nodes that get a new pod beside the old one. */
  readonly surge: readonly string[];
}

/** @param nodes - how many the set is for */
export function limitsOf({ spec }: DaemonSet, nodes: number): Limits {
  const { maxUnavailable = 1, maxSurge = 0 } = spec.updateStrategy?.rollingUpdate ?? {};
  const surge = amountOf(maxSurge, nodes, "up") ?? 0;
  const unavailable = amountOf(maxUnavailable, nodes, "up") ?? 1;
  // With neither nothing would ever change.
  return { maxSurge: surge, maxUnavailable: surge === 0 ? Math.max(1, unavailable) : unavailable };
}

/** Those too many on a node. @param pods - oldest first */
export function surplusOf(set: DaemonSet, hash: string, pods: readonly Pod[]): Pod[] {
  if (limitsOf(set, 1).maxSurge === 0) return pods.slice(1);
  // While a new one comes up the old one works on.
  const fresh = pods.filter((pod) => isFresh(pod, hash));
  const old = pods.filter((pod) => !isFresh(pod, hash));
  return [...fresh.slice(1), ...old.slice(1)];
}

function isFresh({ metadata }: Pod, hash: string): boolean {
  return metadata.labels?.[REVISION_HASH] === hash;
}

export function planRollout(nodes: readonly NodePods[], rollout: Rollout): RolloutPlan {
  return rollout.maxSurge > 0 ? planSurge(nodes, rollout) : planReplacement(nodes, rollout);
}

/** Old pods go as long as few enough nodes are without one that works. */
function planReplacement(
  nodes: readonly NodePods[],
  { hash, maxUnavailable, isAvailable }: Rollout,
): RolloutPlan {
  let unavailable = 0;
  const working: Pod[] = [];
  const broken: Pod[] = [];
  for (const { pods } of nodes) {
    const isWorking = pods.some(isAvailable);
    if (!isWorking) unavailable++;
    for (const pod of pods) if (!isFresh(pod, hash)) (isWorking ? working : broken).push(pod);
  }
  const going = working.slice(0, Math.max(0, maxUnavailable - unavailable));
  return { delete: [...broken, ...going], surge: [] };
}

/** Old pods go when the new one beside them works. */
function planSurge(nodes: readonly NodePods[], { hash, maxSurge, isAvailable }: Rollout): RolloutPlan {
  const going: Pod[] = [];
  const broken: string[] = [];
  const candidates: string[] = [];
  let surging = 0;
  for (const { name, pods } of nodes) {
    const fresh = pods.find((pod) => isFresh(pod, hash));
    const old = pods.filter((pod) => !isFresh(pod, hash));
    if (old.length === 0) continue;
    if (!fresh) {
      // One that does not work is not waited for.
      (old.some(isAvailable) ? candidates : broken).push(name);
      continue;
    }
    surging++;
    if (isAvailable(fresh)) going.push(...old);
  }
  return { delete: going, surge: [...broken, ...candidates.slice(0, Math.max(0, maxSurge - surging))] };
}
