/** @module Workloads: objects whose template becomes pods. */
import type { PodSpec } from "../core/types.ts";
import type { Labels, ObjectHead } from "../object-head.ts";

export interface PodTemplate {
  readonly labels: Labels;
  readonly spec: PodSpec;
}

interface WorkloadHead extends ObjectHead {
  readonly template: PodTemplate;
  /** The controlling owner, where there is one (a ReplicaSet's Deployment, a Job's CronJob). */
  readonly owner?: { readonly kind: string; readonly name: string };
}

export interface Deployment extends WorkloadHead {
  readonly kind: "Deployment";
  readonly replicas: number;
}
export interface ReplicaSet extends WorkloadHead {
  readonly kind: "ReplicaSet";
  readonly replicas: number;
}
export interface StatefulSet extends WorkloadHead {
  readonly kind: "StatefulSet";
  readonly replicas: number;
}
export interface DaemonSet extends WorkloadHead {
  readonly kind: "DaemonSet";
}
export interface Job extends WorkloadHead {
  readonly kind: "Job";
  readonly parallelism: number;
}
export interface CronJob extends WorkloadHead {
  readonly kind: "CronJob";
}

export type Workload = Deployment | ReplicaSet | StatefulSet | DaemonSet | Job | CronJob;
