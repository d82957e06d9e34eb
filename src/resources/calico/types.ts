/**
 * @module projectcalico.org/v3, decoded: what bears on a verdict. Absent, empty and present are different values here,
 * because they mean different things.
 * @see https://docs.tigera.io/calico/latest/reference/resources/
 */
import type { NetworkPolicySpec } from "../networking/types.ts";
import type { Labels, ObjectHead } from "../object-head.ts";
import type { SelectorNode } from "./selector-syntax.ts";

export type CalicoAction = "Allow" | "Deny" | "Pass" | "Log";

/** A selector as written, and its syntax tree. */
export interface CalicoSelector {
  readonly text: string;
  readonly root: SelectorNode;
  /** Path inside the object: `spec.selector`. */
  readonly path: string;
}

export interface CalicoPort {
  readonly path: string;
  readonly port:
    | { readonly kind: "range"; readonly first: number; readonly last: number }
    | { readonly kind: "named"; readonly name: string };
}

/** One side of a rule. All that is present must hold. */
export interface CalicoEntity {
  /** Path inside the object: `spec.ingress[0].source`. */
  readonly path: string;
  readonly selector?: CalicoSelector;
  readonly notSelector?: CalicoSelector;
  readonly namespaceSelector?: CalicoSelector;
  /** Canonical text, masked; never empty where present. */
  readonly nets?: readonly string[];
  readonly notNets?: readonly string[];
  readonly ports?: readonly CalicoPort[];
  readonly notPorts?: readonly CalicoPort[];
  readonly serviceAccounts?: { readonly names: readonly string[]; readonly selector?: CalicoSelector };
  readonly services?: { readonly name: string; readonly namespace: string };
}

export interface CalicoIcmp {
  /** Absent: any type, which the API allows for a field that says nothing. */
  readonly type?: number;
  readonly code?: number;
}

export interface CalicoRule {
  /** Path inside the object: `spec.ingress[0]`. */
  readonly path: string;
  readonly action: CalicoAction;
  readonly ipVersion?: 4 | 6;
  /** IANA protocol number. */
  readonly protocol?: number;
  readonly notProtocol?: number;
  readonly icmp?: CalicoIcmp;
  readonly notICMP?: CalicoIcmp;
  readonly source: CalicoEntity;
  readonly destination: CalicoEntity;
  /** Whether there is an `http` match, which nothing in the kernel can enforce. */
  readonly http: boolean;
  /** The rule could not be read: a Deny or a Pass that became a Deny of everything. */
  readonly malformed: boolean;
}

/** What NetworkPolicy and GlobalNetworkPolicy share. */
export interface CalicoPolicySpec {
  /** "default" where left out. */
  readonly tier: string;
  /** Infinity where left out. */
  readonly order: number;
  /** undefined: everything in the policy's scope. */
  readonly selector?: CalicoSelector;
  readonly serviceAccountSelector?: CalicoSelector;
  /** After defaulting. */
  readonly types: { readonly ingress: boolean; readonly egress: boolean };
  readonly ingress: readonly CalicoRule[];
  readonly egress: readonly CalicoRule[];
}

export interface GlobalPolicySpec extends CalicoPolicySpec {
  readonly namespaceSelector?: CalicoSelector;
  readonly doNotTrack: boolean;
  readonly preDNAT: boolean;
  readonly applyOnForward: boolean;
}

/** Set: as if the policy were enforced. Delete: as if its target were gone. Learn and Ignore: not previewed. */
export type StagedAction = "Set" | "Delete" | "Learn" | "Ignore";

/** `NetworkPolicy` of projectcalico.org; named apart from the Kubernetes kind, as Calico's short name does. */
export interface CalicoNetworkPolicy extends ObjectHead {
  readonly kind: "CalicoNetworkPolicy";
  readonly spec: CalicoPolicySpec;
}

export interface GlobalNetworkPolicy extends ObjectHead {
  readonly kind: "GlobalNetworkPolicy";
  readonly spec: GlobalPolicySpec;
}

export interface StagedNetworkPolicy extends ObjectHead {
  readonly kind: "StagedNetworkPolicy";
  readonly stagedAction: StagedAction;
  readonly spec: CalicoPolicySpec;
}

export interface StagedGlobalNetworkPolicy extends ObjectHead {
  readonly kind: "StagedGlobalNetworkPolicy";
  readonly stagedAction: StagedAction;
  readonly spec: GlobalPolicySpec;
}

export interface StagedKubernetesNetworkPolicy extends ObjectHead {
  readonly kind: "StagedKubernetesNetworkPolicy";
  readonly stagedAction: StagedAction;
  readonly spec: NetworkPolicySpec;
}

export interface CalicoTier extends ObjectHead {
  readonly kind: "Tier";
  /** Infinity where left out. */
  readonly order: number;
  readonly defaultAction: "Deny" | "Pass";
}

/** NetworkSet (namespaced) and GlobalNetworkSet. */
export interface CalicoNetworkSet extends ObjectHead {
  readonly kind: "NetworkSet" | "GlobalNetworkSet";
  /** Canonical text, masked, each once. */
  readonly nets: readonly string[];
}

/** A port with a name on an endpoint. */
export interface EndpointPort {
  readonly name: string;
  /** IANA protocol number. */
  readonly protocol: number;
  readonly port: number;
}

export interface HostEndpoint extends ObjectHead {
  readonly kind: "HostEndpoint";
  readonly node: string;
  /** `*` for all interfaces; undefined: found by `expectedIPs`. */
  readonly interfaceName?: string;
  readonly expectedIPs: readonly string[];
  readonly profiles: readonly string[];
  readonly ports: readonly EndpointPort[];
}

export interface Profile extends ObjectHead {
  readonly kind: "Profile";
  readonly labelsToApply: Labels;
  readonly ingress: readonly CalicoRule[];
  readonly egress: readonly CalicoRule[];
}

/** A workload that is no pod (orchestrator other than `k8s`), or a pod seen from Calico's side. */
export interface WorkloadEndpoint extends ObjectHead {
  readonly kind: "WorkloadEndpoint";
  readonly orchestrator: string;
  readonly workload: string;
  readonly node: string;
  readonly pod: string;
  /** "" where none is named. */
  readonly serviceAccountName: string;
  /** Single addresses, without prefix length. */
  readonly ipNetworks: readonly string[];
  readonly profiles: readonly string[];
  readonly interfaceName: string;
  readonly ports: readonly EndpointPort[];
}

export interface IPPool extends ObjectHead {
  readonly kind: "IPPool";
  /** Canonical text, masked. */
  readonly cidr: string;
  readonly disabled: boolean;
  readonly natOutgoing: boolean;
}

export type CalicoObject =
  | CalicoNetworkPolicy
  | GlobalNetworkPolicy
  | StagedNetworkPolicy
  | StagedGlobalNetworkPolicy
  | StagedKubernetesNetworkPolicy
  | CalicoTier
  | CalicoNetworkSet
  | HostEndpoint
  | Profile
  | WorkloadEndpoint
  | IPPool;
