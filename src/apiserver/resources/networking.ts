/** @module Network policy of every API, Ingress, EndpointSlices. */
import { arrayAt, at, stringAt } from "../json.ts";
import { CALICO_SCHEMAS, type CalicoKind } from "../schema/policies/calico.ts";
import { CLUSTER_POLICY_SCHEMAS } from "../schema/policies/cluster-policy.ts";
import { type Column, type Draft, READ_VERBS, type ServedResource } from "../served.ts";
import { strategyOf } from "../strategies.ts";
import { column, define, noneIfEmpty, numberAt, selectorText, statusOf } from "./define.ts";

/** Where a policy is in force: the agents of the nodes say so. */
const ENFORCED: Column = column("In force", (object, { enforcement }) => enforcement(object), { wide: true });

function slicePorts(object: Draft): string {
  const ports = arrayAt(object, "ports").map((port) =>
    at(port, "port") === undefined ? "*" : numberAt(port, "port"),
  );
  return ports.length === 0 ? "<unset>" : ports.join(",");
}

function sliceEndpoints(object: Draft): string {
  const addresses = arrayAt(object, "endpoints").flatMap((one) => arrayAt(one, "addresses").map(String));
  if (addresses.length === 0) return "<unset>";
  const more = addresses.length > 3 ? ` + ${addresses.length - 3} more...` : "";
  return addresses.slice(0, 3).join(",") + more;
}

export const NETWORKING: readonly ServedResource[] = [
  define({
    group: "networking.k8s.io",
    kind: "NetworkPolicy",
    plural: "networkpolicies",
    short: ["netpol"],
    columns: [column("Pod-Selector", (object) => selectorText(at(object, "spec", "podSelector")))],
    wide: [ENFORCED],
    strategy: { ...strategyOf("NetworkPolicy"), hasGeneration: true },
  }),
  // No controller here serves one, so none can be made.
  define({
    group: "networking.k8s.io",
    kind: "Ingress",
    plural: "ingresses",
    short: ["ing"],
    verbs: READ_VERBS,
  }),
  define({
    group: "discovery.k8s.io",
    kind: "EndpointSlice",
    plural: "endpointslices",
    columns: [
      column("AddressType", (object) => stringAt(object, "addressType") ?? ""),
      column("Ports", slicePorts),
      column("Endpoints", sliceEndpoints),
    ],
    strategy: { hasGeneration: true },
  }),
  define({
    group: "policy",
    kind: "PodDisruptionBudget",
    plural: "poddisruptionbudgets",
    short: ["pdb"],
    subresources: [statusOf("PodDisruptionBudget")],
    columns: [
      column("Min Available", (object) => String(at(object, "spec", "minAvailable") ?? "N/A")),
      column("Max Unavailable", (object) => String(at(object, "spec", "maxUnavailable") ?? "N/A")),
      column("Allowed Disruptions", (object) => numberAt(object, "status", "disruptionsAllowed"), {
        type: "integer",
      }),
    ],
    strategy: { hasStatus: true, hasGeneration: true },
  }),
  define({
    group: "policy.networking.k8s.io",
    version: "v1alpha2",
    kind: "ClusterNetworkPolicy",
    plural: "clusternetworkpolicies",
    cluster: true,
    short: ["cnp"],
    openApiSchema: CLUSTER_POLICY_SCHEMAS.ClusterNetworkPolicy,
    columns: [
      column("Tier", (object) => stringAt(object, "spec", "tier") ?? ""),
      column("Priority", (object) => numberAt(object, "spec", "priority"), { type: "integer" }),
    ],
    wide: [ENFORCED],
    strategy: { ...strategyOf("policy"), hasGeneration: true },
  }),
  define({
    group: "policy.networking.k8s.io",
    version: "v1alpha1",
    kind: "AdminNetworkPolicy",
    plural: "adminnetworkpolicies",
    cluster: true,
    short: ["anp"],
    openApiSchema: CLUSTER_POLICY_SCHEMAS.AdminNetworkPolicy,
    columns: [column("Priority", (object) => numberAt(object, "spec", "priority"), { type: "integer" })],
    wide: [ENFORCED],
    strategy: { ...strategyOf("policy"), hasGeneration: true },
  }),
  define({
    group: "policy.networking.k8s.io",
    version: "v1alpha1",
    kind: "BaselineAdminNetworkPolicy",
    plural: "baselineadminnetworkpolicies",
    cluster: true,
    short: ["banp"],
    openApiSchema: CLUSTER_POLICY_SCHEMAS.BaselineAdminNetworkPolicy,
    wide: [ENFORCED],
    strategy: { ...strategyOf("policy"), hasGeneration: true },
  }),
];

interface CalicoResource {
  readonly kind: CalicoKind;
  readonly plural: string;
  readonly short?: readonly string[];
  readonly cluster?: true;
  readonly columns?: readonly Column[];
  readonly policy?: true;
}

const ORDER: Column = column("Order", (object) => {
  const order = at(object, "spec", "order");
  return typeof order === "number" ? String(order) : "<none>";
});
const TIER: Column = column("Tier", (object) => stringAt(object, "spec", "tier") ?? "default");
const SELECTOR: Column = column("Selector", (object) =>
  noneIfEmpty(stringAt(object, "spec", "selector") ?? ""),
);

/** With the short names of Calico's API server, but for `cnp`, which is that of ClusterNetworkPolicy. */
const CALICO_KINDS: readonly CalicoResource[] = [
  {
    kind: "NetworkPolicy",
    plural: "networkpolicies",
    short: ["caliconetworkpolicy", "caliconetworkpolicies"],
    policy: true,
    columns: [TIER, ORDER, SELECTOR],
  },
  {
    kind: "GlobalNetworkPolicy",
    plural: "globalnetworkpolicies",
    short: ["gnp", "cgnp", "calicoglobalnetworkpolicies"],
    cluster: true,
    policy: true,
    columns: [TIER, ORDER, SELECTOR],
  },
  {
    kind: "StagedNetworkPolicy",
    plural: "stagednetworkpolicies",
    short: ["snp"],
    policy: true,
    columns: [TIER, ORDER, SELECTOR],
  },
  {
    kind: "StagedGlobalNetworkPolicy",
    plural: "stagedglobalnetworkpolicies",
    short: ["sgnp"],
    cluster: true,
    policy: true,
    columns: [TIER, ORDER, SELECTOR],
  },
  {
    kind: "StagedKubernetesNetworkPolicy",
    plural: "stagedkubernetesnetworkpolicies",
    short: ["sknp"],
    policy: true,
  },
  {
    kind: "Tier",
    plural: "tiers",
    cluster: true,
    columns: [
      ORDER,
      column("Default Action", (object) => stringAt(object, "spec", "defaultAction") ?? "Deny"),
    ],
  },
  {
    kind: "NetworkSet",
    plural: "networksets",
    short: ["netset", "netsets"],
    columns: [column("Nets", (object) => arrayAt(object, "spec", "nets").length, { type: "integer" })],
  },
  {
    kind: "GlobalNetworkSet",
    plural: "globalnetworksets",
    short: ["gns"],
    cluster: true,
    columns: [column("Nets", (object) => arrayAt(object, "spec", "nets").length, { type: "integer" })],
  },
  {
    kind: "HostEndpoint",
    plural: "hostendpoints",
    short: ["hep", "heps"],
    cluster: true,
    columns: [
      column("Node", (object) => stringAt(object, "spec", "node") ?? ""),
      column("Interface", (object) => stringAt(object, "spec", "interfaceName") ?? ""),
    ],
  },
  { kind: "Profile", plural: "profiles", cluster: true },
  {
    kind: "IPPool",
    plural: "ippools",
    cluster: true,
    columns: [column("CIDR", (object) => stringAt(object, "spec", "cidr") ?? "")],
  },
];

export const CALICO: readonly ServedResource[] = CALICO_KINDS.map(
  ({ kind, plural, short, cluster, columns, policy }) =>
    define({
      group: "projectcalico.org",
      version: "v3",
      kind,
      plural,
      ...(short && { short }),
      ...(cluster && { cluster }),
      ...(columns && { columns }),
      ...(policy && { wide: [ENFORCED] }),
      openApiSchema: CALICO_SCHEMAS[kind],
      strategy: { ...strategyOf("policy"), hasGeneration: true },
    }),
);
