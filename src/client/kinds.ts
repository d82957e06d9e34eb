/** @module The resources that Tortie's own parts speak of, with the shapes of their objects. */
import type {
  DaemonSetSpec,
  DaemonSetStatus,
  DeploymentSpec,
  DeploymentStatus,
  ReplicaSetSpec,
  ReplicaSetStatus,
  StatefulSetSpec,
  StatefulSetStatus,
} from "kubernetes-types/apps/v1.js";
import type { CronJobSpec, CronJobStatus, JobSpec, JobStatus } from "kubernetes-types/batch/v1.js";
import type { LeaseSpec } from "kubernetes-types/coordination/v1.js";
import type {
  EndpointSubset,
  EventSource,
  NamespaceStatus,
  NodeSpec,
  NodeStatus,
  ObjectReference,
  PodSpec,
  PodStatus,
  ServiceSpec,
  ServiceStatus,
} from "kubernetes-types/core/v1.js";
import type { Endpoint, EndpointPort } from "kubernetes-types/discovery/v1.js";
import type { NetworkPolicySpec } from "kubernetes-types/networking/v1.js";
import type { KubeObject, ResourceType } from "./objects.ts";

export interface Pod extends KubeObject {
  spec: PodSpec;
  status?: PodStatus;
}
export interface Node extends KubeObject {
  spec?: NodeSpec;
  status?: NodeStatus;
}
export interface Namespace extends KubeObject {
  spec?: { finalizers?: string[] };
  status?: NamespaceStatus;
}
export interface Service extends KubeObject {
  spec: ServiceSpec;
  status?: ServiceStatus;
}
export interface Endpoints extends KubeObject {
  subsets?: EndpointSubset[];
}
export interface EndpointSlice extends KubeObject {
  addressType: "IPv4" | "IPv6" | "FQDN";
  endpoints: Endpoint[];
  ports?: EndpointPort[];
}
export interface ConfigMap extends KubeObject {
  data?: Record<string, string>;
  binaryData?: Record<string, string>;
  immutable?: boolean;
}
export interface Secret extends KubeObject {
  /** Values are base64. */
  data?: Record<string, string>;
  type?: string;
  immutable?: boolean;
}
export interface ServiceAccount extends KubeObject {
  secrets?: ObjectReference[];
  automountServiceAccountToken?: boolean;
}
export interface Event extends KubeObject {
  involvedObject: ObjectReference;
  reason?: string;
  message?: string;
  type?: string;
  count?: number;
  firstTimestamp?: string | null;
  lastTimestamp?: string | null;
  eventTime?: string | null;
  source?: EventSource;
  reportingComponent?: string;
  reportingInstance?: string;
  action?: string;
}
export interface Lease extends KubeObject {
  spec?: LeaseSpec;
}
export interface Deployment extends KubeObject {
  spec: DeploymentSpec;
  status?: DeploymentStatus;
}
export interface ReplicaSet extends KubeObject {
  spec: ReplicaSetSpec;
  status?: ReplicaSetStatus;
}
export interface StatefulSet extends KubeObject {
  spec: StatefulSetSpec;
  status?: StatefulSetStatus;
}
export interface DaemonSet extends KubeObject {
  spec: DaemonSetSpec;
  status?: DaemonSetStatus;
}
export interface Job extends KubeObject {
  spec: JobSpec;
  status?: JobStatus;
}
export interface CronJob extends KubeObject {
  spec: CronJobSpec;
  status?: CronJobStatus;
}
export interface NetworkPolicy extends KubeObject {
  spec: NetworkPolicySpec;
}

function core<T extends KubeObject>(kind: T["kind"], plural: string, namespaced = true): ResourceType<T> {
  return { group: "", version: "v1", kind, plural, namespaced };
}
function grouped<T extends KubeObject>(group: string, kind: T["kind"], plural: string): ResourceType<T> {
  return { group, version: "v1", kind, plural, namespaced: true };
}

export const PODS: ResourceType<Pod> = core("Pod", "pods");
export const NODES: ResourceType<Node> = core("Node", "nodes", false);
export const NAMESPACES: ResourceType<Namespace> = core("Namespace", "namespaces", false);
export const SERVICES: ResourceType<Service> = core("Service", "services");
export const ENDPOINTS: ResourceType<Endpoints> = core("Endpoints", "endpoints");
export const CONFIG_MAPS: ResourceType<ConfigMap> = core("ConfigMap", "configmaps");
export const SECRETS: ResourceType<Secret> = core("Secret", "secrets");
export const SERVICE_ACCOUNTS: ResourceType<ServiceAccount> = core("ServiceAccount", "serviceaccounts");
export const EVENTS: ResourceType<Event> = core("Event", "events");
export const LEASES: ResourceType<Lease> = grouped("coordination.k8s.io", "Lease", "leases");
export const ENDPOINT_SLICES: ResourceType<EndpointSlice> = grouped(
  "discovery.k8s.io",
  "EndpointSlice",
  "endpointslices",
);
export const DEPLOYMENTS: ResourceType<Deployment> = grouped("apps", "Deployment", "deployments");
export const REPLICA_SETS: ResourceType<ReplicaSet> = grouped("apps", "ReplicaSet", "replicasets");
export const STATEFUL_SETS: ResourceType<StatefulSet> = grouped("apps", "StatefulSet", "statefulsets");
export const DAEMON_SETS: ResourceType<DaemonSet> = grouped("apps", "DaemonSet", "daemonsets");
export const JOBS: ResourceType<Job> = grouped("batch", "Job", "jobs");
export const CRON_JOBS: ResourceType<CronJob> = grouped("batch", "CronJob", "cronjobs");
export const NETWORK_POLICIES: ResourceType<NetworkPolicy> = grouped(
  "networking.k8s.io",
  "NetworkPolicy",
  "networkpolicies",
);
