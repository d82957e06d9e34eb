/** @module What all objects share, and the union of the kinds that bear on policy. */
import type { CronJob, DaemonSet, Deployment, Job, ReplicaSet, StatefulSet } from "./apps/types.ts";
import type { CalicoObject } from "./calico/types.ts";
import type { EndpointSlice, Namespace, Node, Pod, Service, ServiceAccount } from "./core/types.ts";
import type { NetworkPolicy } from "./networking/types.ts";
import type { ClusterPolicy } from "./policy-api/types.ts";

export type { Labels, ObjectHead } from "./object-head.ts";

export type KubernetesObject =
  | Namespace
  | Node
  | Pod
  | Service
  | EndpointSlice
  | ServiceAccount
  | Deployment
  | ReplicaSet
  | StatefulSet
  | DaemonSet
  | Job
  | CronJob
  | NetworkPolicy
  | CalicoObject
  | ClusterPolicy;

export type ObjectKind = KubernetesObject["kind"];

/** `Pod default/web`, `Namespace prod`: how an object is named to people, and its key among objects of a cluster. */
export function objectName(object: { kind: string; namespace: string; name: string }): string {
  return object.namespace === ""
    ? `${object.kind} ${object.name}`
    : `${object.kind} ${object.namespace}/${object.name}`;
}
