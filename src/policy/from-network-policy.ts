/**
 * @module Translates networking.k8s.io/v1 NetworkPolicy into the model.
 *
 * A NetworkPolicy is a policy of the `default` tier, which denies what no rule of it allows: that is isolation. All its
 * rules allow, and all NetworkPolicies have one order, so their rules add up and their sequence does not matter.
 * @see https://kubernetes.io/docs/concepts/services-networking/network-policies/
 */
import type {
  LabelRequirement,
  LabelSelector,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyRule,
} from "../resources/networking/types.ts";
import { objectName } from "../resources/object.ts";
import {
  ANY_ENTITY,
  type DirectionRules,
  type EntityMatch,
  type Origin,
  type Policy,
  PROTOCOL,
  type Rule,
} from "./model.ts";
import { allOf, type LabelScope, type Selector } from "./selector.ts";
import { groupPorts, parseCidrs } from "./translation.ts";

/** Calico's order for Kubernetes policies, so that ordered policies can stand before and behind them. */
const KUBERNETES_POLICY_ORDER = 1_000;

export const PODS: Selector = { kind: "subject-kind", kinds: ["pod"] };

function requirementSelector(of: LabelScope, requirement: LabelRequirement): Selector {
  const { key, operator, values } = requirement;
  switch (operator) {
    case "In":
      return { kind: "label", of, key, test: { op: "in", values } };
    case "NotIn":
      return { kind: "label", of, key, test: { op: "not-in", values } };
    case "Exists":
      return { kind: "label", of, key, test: { op: "exists" } };
    case "DoesNotExist":
      return { kind: "not", term: { kind: "label", of, key, test: { op: "exists" } } };
  }
}

/** A Kubernetes label selector over the labels of `of`. An empty one selects everything. */
export function fromLabelSelector(of: LabelScope, selector: LabelSelector): Selector {
  return allOf(selector.requirements.map((requirement) => requirementSelector(of, requirement)));
}

function translatePeer(namespace: string, peer: NetworkPolicyPeer): EntityMatch {
  if (peer.kind === "ipBlock") {
    const notNets = parseCidrs(peer.except);
    return { nets: parseCidrs([peer.cidr]), ...(notNets.length > 0 && { notNets }) };
  }
  const namespaces: Selector =
    peer.namespaceSelector === undefined
      ? { kind: "namespace", names: [namespace] }
      : fromLabelSelector("namespace", peer.namespaceSelector);
  const pods = peer.podSelector === undefined ? [] : [fromLabelSelector("endpoint", peer.podSelector)];
  // Network sets have namespaces too, but a Kubernetes peer means pods and nothing else.
  return { selector: allOf([PODS, namespaces, ...pods]) };
}

function translateRule(
  policy: NetworkPolicy,
  origin: Origin,
  rule: NetworkPolicyRule,
  peerSide: "source" | "destination",
): Rule[] {
  const peers =
    rule.peers === "any"
      ? [{ match: ANY_ENTITY, path: rule.path }]
      : rule.peers.map((peer) => ({ match: translatePeer(policy.namespace, peer), path: peer.path }));
  const groups = groupPorts(
    origin,
    rule.ports === "any"
      ? "any"
      : rule.ports.map(({ path, protocol, port }) => ({ path, protocol: PROTOCOL[protocol], port })),
  );
  return peers.flatMap((peer) =>
    groups.map((group): Rule => {
      const ports = group.ports ? { ports: group.ports } : {};
      return {
        action: "allow",
        match: {
          ...(group.protocol !== undefined && { protocol: group.protocol }),
          source: peerSide === "source" ? peer.match : ANY_ENTITY,
          destination: peerSide === "source" ? ports : { ...peer.match, ...ports },
        },
        origin: { ...origin, path: peer.path },
      };
    }),
  );
}

/** Cost: peers × protocols of each rule. */
export function fromNetworkPolicy(policy: NetworkPolicy): Policy {
  const object = objectName(policy);
  const origin: Origin = { object: policy.stagedBy ?? object, path: "", source: policy.source };
  const { spec } = policy;
  const direction = (
    governs: boolean,
    rules: readonly NetworkPolicyRule[],
    peerSide: "source" | "destination",
  ): DirectionRules =>
    governs
      ? { governs, rules: rules.flatMap((rule) => translateRule(policy, origin, rule, peerSide)) }
      : { governs };
  return {
    id: object,
    tier: "default",
    order: KUBERNETES_POLICY_ORDER,
    subject: allOf([
      PODS,
      { kind: "namespace", names: [policy.namespace] },
      fromLabelSelector("endpoint", spec.podSelector),
    ]),
    ingress: direction(spec.policyTypes.ingress, spec.ingress, "source"),
    egress: direction(spec.policyTypes.egress, spec.egress, "destination"),
    origin,
    tie: `${policy.name}/${policy.namespace}/KubernetesNetworkPolicy`,
  };
}
