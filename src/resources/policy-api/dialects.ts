/** @module In which words each kind of policy.networking.k8s.io says the same. */
import { fieldNames } from "../decode/cursor.ts";
import type { ClusterPolicy, ClusterPolicyRule } from "./types.ts";

export interface Dialect {
  readonly kind: ClusterPolicy["kind"];
  readonly specFields: ReadonlySet<string>;
  /** The word for each action that the kind has. */
  readonly actions: ReadonlyMap<string, ClusterPolicyRule["action"]>;
  /** The field of a rule that holds its protocols and ports. */
  readonly ports: "protocols" | "ports";
  /** Of rules in a direction, of peers in a rule, of ports in a rule. */
  readonly maxItems: number;
}

const SHARED = "egress ingress subject";
const DENY = ["Deny", "Deny"] as const;
const PASS = ["Pass", "Pass"] as const;

export const CLUSTER_NETWORK_POLICY: Dialect = {
  kind: "ClusterNetworkPolicy",
  specFields: fieldNames(`${SHARED} priority tier`),
  actions: new Map([["Accept", "Accept"], DENY, PASS]),
  ports: "protocols",
  maxItems: 25,
};

export const ADMIN_NETWORK_POLICY: Dialect = {
  kind: "AdminNetworkPolicy",
  specFields: fieldNames(`${SHARED} priority`),
  actions: new Map([["Allow", "Accept"], DENY, PASS]),
  ports: "ports",
  maxItems: 100,
};

export const BASELINE_ADMIN_NETWORK_POLICY: Dialect = {
  kind: "BaselineAdminNetworkPolicy",
  specFields: fieldNames(SHARED),
  actions: new Map([["Allow", "Accept"], DENY]),
  ports: "ports",
  maxItems: 100,
};
