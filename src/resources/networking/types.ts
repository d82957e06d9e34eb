/**
 * @module networking.k8s.io/v1 NetworkPolicy, decoded. Absent, empty and present are different values here, because
 * they mean different things.
 * @see https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/
 */
import type { Protocol } from "../core/types.ts";
import type { ObjectHead } from "../object-head.ts";

export interface NetworkPolicy extends ObjectHead {
  readonly kind: "NetworkPolicy";
  readonly spec: NetworkPolicySpec;
}

/**
 * What could be read of the spec. Fails closed: where the subject could not be read, `podSelector` selects all
 * and there are no rules; where the directions could not be read, both are governed; a rule that could not be read is
 * left out (rules only allow).
 */
export interface NetworkPolicySpec {
  readonly podSelector: LabelSelector;
  /** Directions that the policy governs, after defaulting (Ingress always; Egress where there are egress rules). */
  readonly policyTypes: { readonly ingress: boolean; readonly egress: boolean };
  readonly ingress: readonly NetworkPolicyRule[];
  readonly egress: readonly NetworkPolicyRule[];
}

export interface LabelSelector {
  /** All must hold; none selects everything. matchLabels come first, in the order written, as `In` with one value. */
  readonly requirements: readonly LabelRequirement[];
}

export interface LabelRequirement {
  readonly key: string;
  readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
  readonly values: readonly string[];
  /** Path inside the object: `spec.podSelector.matchLabels.app`. */
  readonly path: string;
}

export interface NetworkPolicyRule {
  /** Path inside the object: `spec.ingress[0]`. */
  readonly path: string;
  /** "any": the field was absent or empty, every peer. */
  readonly peers: "any" | readonly NetworkPolicyPeer[];
  /** "any": the field was absent or empty, every port of every protocol. */
  readonly ports: "any" | readonly NetworkPolicyPort[];
}

export type NetworkPolicyPeer =
  | {
      readonly kind: "pods";
      readonly path: string;
      /** undefined: all pods of the namespaces. */
      readonly podSelector?: LabelSelector;
      /** undefined: the policy's own namespace; without requirements: all namespaces. */
      readonly namespaceSelector?: LabelSelector;
    }
  | {
      readonly kind: "ipBlock";
      readonly path: string;
      /** Canonical text, masked. */
      readonly cidr: string;
      readonly except: readonly string[];
    };

export interface NetworkPolicyPort {
  readonly path: string;
  readonly protocol: Protocol;
  readonly port:
    | { readonly kind: "all" }
    | { readonly kind: "range"; readonly first: number; readonly last: number }
    | { readonly kind: "named"; readonly name: string };
}
