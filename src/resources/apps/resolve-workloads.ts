/** @module From pods to the workload that people know, through owners that are in the input. */
import type { Pod } from "../core/types.ts";
import type { KubernetesObject } from "../object.ts";

/** Pods of a ReplicaSet whose Deployment owns it become the Deployment's; pods of a Job likewise its CronJob's. */
export function resolveWorkloads(objects: readonly KubernetesObject[]): readonly KubernetesObject[] {
  const owners = new Map<string, { readonly kind: string; readonly name: string }>();
  for (const object of objects) {
    if ((object.kind === "ReplicaSet" || object.kind === "Job") && object.owner) {
      owners.set(`${object.kind}/${object.namespace}/${object.name}`, object.owner);
    }
  }
  if (owners.size === 0) return objects;
  return objects.map((object) => (object.kind === "Pod" ? resolvePod(object, owners) : object));
}

function resolvePod(
  pod: Pod,
  owners: ReadonlyMap<string, { readonly kind: string; readonly name: string }>,
): Pod {
  if (!pod.workload) return pod;
  const owner = owners.get(`${pod.workload.kind}/${pod.namespace}/${pod.workload.name}`);
  return owner ? { ...pod, workload: owner } : pod;
}
