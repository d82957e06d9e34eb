/** @module All that verdicts depend on, as plain values, in the form that the reference evaluator reads. */
import type { Ip } from "../base/ip.ts";
import type { Labels } from "../resources/object.ts";
import { BUILT_IN_TIERS, type Endpoint, type NetworkSet, type Policy, type Tier } from "./model.ts";
import type { Selectable } from "./selector.ts";

export interface World {
  readonly tiers: readonly Tier[];
  readonly policies: readonly Policy[];
  /** Labels by namespace name. */
  readonly namespaces: ReadonlyMap<string, Labels>;
  /** Labels by `namespace/name`. */
  readonly serviceAccounts: ReadonlyMap<string, Labels>;
  /** By endpoint id. */
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  readonly networkSets: readonly NetworkSet[];
  /** Addresses by node name. */
  readonly nodes: ReadonlyMap<string, readonly Ip[]>;
}

const NO_LABELS: Labels = {};

/** Every namespace has this label, whether anyone gave the namespace or not. */
export function assumedNamespaceLabels(name: string): Labels {
  return { "kubernetes.io/metadata.name": name };
}

type Lookups = Pick<World, "namespaces" | "serviceAccounts">;

/** What is in no namespace has the labels of none. */
function namespaceLabels(world: Lookups, namespace: string): Labels {
  if (namespace === "") return NO_LABELS;
  return world.namespaces.get(namespace) ?? assumedNamespaceLabels(namespace);
}

export function selectableEndpoint(world: Lookups, endpoint: Endpoint): Selectable {
  return {
    kind: endpoint.kind ?? "pod",
    namespace: endpoint.namespace,
    labels: endpoint.labels,
    namespaceLabels: namespaceLabels(world, endpoint.namespace),
    serviceAccount: endpoint.serviceAccount,
    serviceAccountLabels:
      world.serviceAccounts.get(`${endpoint.namespace}/${endpoint.serviceAccount}`) ?? NO_LABELS,
  };
}

export function selectableNetworkSet(world: Lookups, set: NetworkSet): Selectable {
  return {
    kind: "network-set",
    namespace: set.namespace,
    labels: set.labels,
    namespaceLabels: namespaceLabels(world, set.namespace),
    serviceAccount: "",
    serviceAccountLabels: NO_LABELS,
  };
}

export function compareTiers(a: Tier, b: Tier): number {
  return compareOrder(a.order, b.order) || compareText(a.name, b.name);
}

export function comparePolicies(a: Policy, b: Policy): number {
  return (
    compareOrder(a.order, b.order) || compareText(a.tie ?? a.id, b.tie ?? b.id) || compareText(a.id, b.id)
  );
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Ascending; Infinity (unset) is last and equal to itself, which subtraction would not have. */
function compareOrder(a: number, b: number): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

/**
 * The tiers that exist: built-in, given (which win over built-in ones of the same name), and for policies that name
 * one which nobody gave, a tier that comes last and denies. A policy whose tier is missing is still enforced.
 */
export function completeTiers(given: readonly Tier[], policies: readonly Pick<Policy, "tier">[]): Tier[] {
  const tiers = new Map<string, Tier>();
  for (const tier of [...BUILT_IN_TIERS, ...given]) tiers.set(tier.name, tier);
  for (const { tier } of policies) {
    if (!tiers.has(tier))
      tiers.set(tier, { name: tier, order: Number.POSITIVE_INFINITY, defaultAction: "deny" });
  }
  return [...tiers.values()].sort(compareTiers);
}
