/**
 * @module policy.networking.k8s.io, decoded: ClusterNetworkPolicy v1alpha2, and AdminNetworkPolicy and
 * BaselineAdminNetworkPolicy v1alpha1, which say the same in other words and share one form here.
 * @see https://network-policy-api.sigs.k8s.io/
 */
import type { LabelSelector } from "../networking/types.ts";
import type { ObjectHead } from "../object-head.ts";

export interface ClusterPolicy extends ObjectHead {
  readonly kind: "ClusterNetworkPolicy" | "AdminNetworkPolicy" | "BaselineAdminNetworkPolicy";
  readonly spec: ClusterPolicySpec;
}

export interface ClusterPolicySpec {
  readonly tier: "Admin" | "Baseline";
  /** Ascending, 0–1000; 0 for BaselineAdminNetworkPolicy, which has none. */
  readonly priority: number;
  readonly subject: ClusterPolicySubject;
  readonly ingress: readonly ClusterPolicyRule[];
  readonly egress: readonly ClusterPolicyRule[];
}

/** Pods of namespaces. Without `podSelector`: all of them. */
export interface ClusterPolicySubject {
  readonly path: string;
  readonly namespaceSelector: LabelSelector;
  readonly podSelector?: LabelSelector;
}

export interface ClusterPolicyRule {
  /** Path inside the object: `spec.ingress[0]`. */
  readonly path: string;
  /** "" where the rule has none. */
  readonly name: string;
  readonly action: "Accept" | "Deny" | "Pass";
  /** OR-ed; never empty, except for a malformed rule, which means everything. */
  readonly peers: readonly ClusterPolicyPeer[];
  /** "any": every port of every protocol. */
  readonly protocols: "any" | readonly ClusterPolicyPort[];
  /** The rule could not be read: a Deny or a Pass that became a Deny of everything. */
  readonly malformed: boolean;
}

export type ClusterPolicyPeer =
  | {
      readonly kind: "pods";
      readonly path: string;
      readonly namespaceSelector: LabelSelector;
      /** undefined: all pods of the namespaces. */
      readonly podSelector?: LabelSelector;
    }
  /** Egress only. Canonical text, masked. */
  | { readonly kind: "networks"; readonly path: string; readonly cidrs: readonly string[] }
  /** Egress only: the addresses of nodes, and of pods on their network. */
  | { readonly kind: "nodes"; readonly path: string; readonly selector: LabelSelector };

export interface ClusterPolicyPort {
  readonly path: string;
  /** IANA protocol number; undefined: a named port of any protocol. */
  readonly protocol?: number;
  readonly port:
    | { readonly kind: "all" }
    | { readonly kind: "range"; readonly first: number; readonly last: number }
    | { readonly kind: "named"; readonly name: string };
}
