/** @module The fields of v1 and discovery.k8s.io/v1 objects that bear on networking and policy. */
import type { Labels, ObjectHead } from "../object-head.ts";

export type Protocol = "TCP" | "UDP" | "SCTP";

/** Always carries the label `kubernetes.io/metadata.name`, as the API server sees to. */
export interface Namespace extends ObjectHead {
  readonly kind: "Namespace";
}

export interface Node extends ObjectHead {
  readonly kind: "Node";
  /** InternalIP addresses, IPv4 first; may be empty. */
  readonly addresses: readonly string[];
  readonly podCIDRs: readonly string[];
}

export interface ContainerPort {
  readonly name?: string;
  readonly port: number;
  readonly protocol: Protocol;
  /** The port of the pod's node that leads here; not for pods on the host's network. */
  readonly hostPort?: number;
  /** At this address of the node only. */
  readonly hostIp?: string;
}

/** What a pod and a pod template share. */
export interface PodSpec {
  readonly nodeName?: string;
  readonly hostNetwork: boolean;
  /** "default" where left out. */
  readonly serviceAccountName: string;
  /** Ports of all containers, init containers included, in the order written. */
  readonly ports: readonly ContainerPort[];
  readonly nodeSelector: Labels;
}

export interface Pod extends ObjectHead {
  readonly kind: "Pod";
  readonly spec: PodSpec;
  readonly phase: "Pending" | "Running" | "Succeeded" | "Failed" | "Unknown";
  /** Addresses that the status gives; empty when the pod has none yet. */
  readonly podIPs: readonly string[];
  /** The workload that people know the pod by: the Deployment, not its ReplicaSet. */
  readonly workload?: WorkloadRef;
}

export interface WorkloadRef {
  readonly kind: string;
  readonly name: string;
}

export interface ServicePort {
  readonly name?: string;
  readonly protocol: Protocol;
  readonly port: number;
  /** A number, or the name of a container port. */
  readonly targetPort: number | string;
  readonly nodePort?: number;
}

export interface Service extends ObjectHead {
  readonly kind: "Service";
  readonly type: "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName";
  /** Empty for headless Services and where none was given. */
  readonly clusterIPs: readonly string[];
  readonly headless: boolean;
  /** undefined: no selector, endpoints are written by hand. */
  readonly selector?: Labels;
  readonly ports: readonly ServicePort[];
  /** Addresses besides the cluster's own: external ones, and those of its load balancer. Only where there are some. */
  readonly externalAddresses?: readonly string[];
  /** Whether connections of one client go to one backend. */
  readonly sessionAffinity?: true;
  /** Only backends on the node itself: of connections from inside, and of those to node ports and external addresses. */
  readonly localOnly?: { readonly internal: boolean; readonly external: boolean };
}

export interface EndpointSlice extends ObjectHead {
  readonly kind: "EndpointSlice";
  readonly addressType: "IPv4" | "IPv6" | "FQDN";
  /** The Service's name, from the label `kubernetes.io/service-name`. */
  readonly serviceName?: string;
  readonly endpoints: readonly { readonly addresses: readonly string[]; readonly ready: boolean }[];
  readonly ports: readonly { readonly name: string; readonly protocol: Protocol; readonly port?: number }[];
}

export interface ServiceAccount extends ObjectHead {
  readonly kind: "ServiceAccount";
}
