/**
 * @module Staged policies as if they were enforced: each stands exactly where its target stands, and one that deletes
 * takes its target away. In force they say nothing; this is what a preview is asked of.
 * @see https://docs.tigera.io/calico/latest/network-policy/staged-network-policies
 */
import type {
  CalicoNetworkPolicy,
  GlobalNetworkPolicy,
  StagedGlobalNetworkPolicy,
  StagedKubernetesNetworkPolicy,
  StagedNetworkPolicy,
} from "../resources/calico/types.ts";
import type { NetworkPolicy } from "../resources/networking/types.ts";
import { type KubernetesObject, objectName } from "../resources/object.ts";

export type StagedPolicy = StagedNetworkPolicy | StagedGlobalNetworkPolicy | StagedKubernetesNetworkPolicy;
type Enforced = CalicoNetworkPolicy | GlobalNetworkPolicy | NetworkPolicy;

export function isStaged(object: KubernetesObject): object is StagedPolicy {
  return (
    object.kind === "StagedNetworkPolicy" ||
    object.kind === "StagedGlobalNetworkPolicy" ||
    object.kind === "StagedKubernetesNetworkPolicy"
  );
}

/** The policy that a staged one would be. */
export function enforcedFrom(staged: StagedPolicy): Enforced {
  const { stagedAction: _, ...head } = staged;
  const stagedBy = objectName(staged);
  switch (head.kind) {
    case "StagedNetworkPolicy":
      return { ...head, kind: "CalicoNetworkPolicy", stagedBy };
    case "StagedGlobalNetworkPolicy":
      return { ...head, kind: "GlobalNetworkPolicy", stagedBy };
    case "StagedKubernetesNetworkPolicy":
      return { ...head, kind: "NetworkPolicy", stagedBy };
  }
}

/** Equal staged objects give the same policy, so that who compares objects sees no change. */
const previews = new WeakMap<StagedPolicy, Enforced>();

function previewOf(staged: StagedPolicy): Enforced {
  const known = previews.get(staged);
  if (known) return known;
  const preview = enforcedFrom(staged);
  previews.set(staged, preview);
  return preview;
}

/**
 * The objects as they would be. Learn and Ignore preview nothing.
 * @param objects - by name; not changed
 */
export function withStaged(objects: ReadonlyMap<string, KubernetesObject>): Map<string, KubernetesObject> {
  const result = new Map(objects);
  for (const object of objects.values()) {
    if (!isStaged(object)) continue;
    const preview = previewOf(object);
    const target = objectName(preview);
    if (object.stagedAction === "Set") result.set(target, preview);
    if (object.stagedAction === "Delete") result.delete(target);
  }
  return result;
}
