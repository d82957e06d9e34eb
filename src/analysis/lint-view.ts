/** @module What every check of `lint.ts` reads, made once, and the form of a finding. */
import type { Issue } from "../base/issue.ts";
import type { CompiledRule, Identity, PolicyState, SelectorState } from "../calc/types.ts";
import { type Endpoint, type Origin, PROFILE_TIER, type Tier } from "../policy/model.ts";
import { type KubernetesObject, objectName } from "../resources/object.ts";
import type { Cluster } from "./cluster.ts";

/** A host endpoint, and the identity that its program hangs on. */
export interface HostState {
  readonly host: Endpoint;
  readonly identity: Identity;
}

/** A selector where a rule uses it. */
export interface SelectorUse {
  readonly policy: PolicyState;
  readonly rule: CompiledRule;
  readonly side: "source" | "destination";
  readonly selector: SelectorState;
}

export interface LintView {
  readonly cluster: Cluster;
  readonly objects: readonly KubernetesObject[];
  readonly names: ReadonlySet<string>;
  /** Policies in force; the rules of profiles are none. */
  readonly policies: readonly PolicyState[];
  readonly tiers: ReadonlyMap<string, Tier>;
  readonly hosts: readonly HostState[];
  readonly selectorUses: readonly SelectorUse[];
}

/** Cost: objects, endpoints, and the rules of all policies, once each. */
export function viewOf(cluster: Cluster): LintView {
  const { graph } = cluster;
  const objects = [...cluster.objects];
  const policies = [...graph.policies.values()].filter(({ policy }) => policy.tier !== PROFILE_TIER);
  const hosts: HostState[] = [];
  for (const { endpoint, labelClass } of graph.endpoints.values())
    if (endpoint.kind === "host") hosts.push({ host: endpoint, identity: labelClass.identity });
  return {
    cluster,
    objects,
    names: new Set(objects.map(objectName)),
    policies,
    tiers: new Map(graph.orderedTiers().map((tier) => [tier.name, tier])),
    hosts,
    selectorUses: policies.flatMap(usesOf),
  };
}

/** Negations are not among them: what they leave out, they do not select. */
function usesOf(policy: PolicyState): SelectorUse[] {
  const uses: SelectorUse[] = [];
  for (const rule of [...(policy.ingress ?? []), ...(policy.egress ?? [])]) {
    const { sourceSelector, destinationSelector } = rule;
    if (sourceSelector) uses.push({ policy, rule, side: "source", selector: sourceSelector });
    if (destinationSelector) uses.push({ policy, rule, side: "destination", selector: destinationSelector });
  }
  return uses;
}

export function originOf(object: KubernetesObject): Origin {
  return { object: objectName(object), path: "", source: object.source };
}

/** @param origin - the object; `path` in it, where the origin's own is not meant */
export function finding(
  origin: Origin,
  { path = origin.path, ...rest }: Pick<Issue, "code" | "message" | "hint"> & { readonly path?: string },
): Issue {
  const position = origin.source.locate(path);
  return {
    ...rest,
    severity: "warning",
    object: origin.object,
    ...(path !== "" && { path }),
    ...(position && { position }),
  };
}

/** `NetworkPolicy`, `GlobalNetworkPolicy`: the kind that a policy stands for, staged or not. */
export function kindOf({ policy }: PolicyState): string {
  return policy.id.slice(0, policy.id.indexOf(" "));
}

export function isNamespaced({ policy }: PolicyState): boolean {
  return policy.id.includes("/");
}

/** `a, b, c and 4 more`. */
export function listed(names: readonly string[], most = 3): string {
  const rest = names.length - most;
  return rest > 0 ? `${names.slice(0, most).join(", ")} and ${rest} more` : names.join(", ");
}
