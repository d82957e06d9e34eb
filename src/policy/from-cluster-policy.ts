/**
 * @module Translates policy.networking.k8s.io into the model: ClusterNetworkPolicy, AdminNetworkPolicy and
 * BaselineAdminNetworkPolicy are policies of the tiers `kube-admin` and `kube-baseline`, which pass on what no rule
 * decides, so that selecting a pod does not isolate it.
 * @see https://network-policy-api.sigs.k8s.io/api-overview/
 */
import { unreachable } from "../base/errors.ts";
import { matchesLabels } from "../resources/labels.ts";
import type { LabelSelector } from "../resources/networking/types.ts";
import { objectName } from "../resources/object.ts";
import type { ClusterPolicy, ClusterPolicyPeer, ClusterPolicyRule } from "../resources/policy-api/types.ts";
import { fromLabelSelector, PODS } from "./from-network-policy.ts";
import {
  type Action,
  ANY_ENTITY,
  type Direction,
  type DirectionRules,
  type EntityMatch,
  type Origin,
  type Policy,
  type Rule,
} from "./model.ts";
import { ALL, allOf, type Selector } from "./selector.ts";
import { groupPorts, hostCidrs, malformedRule, parseCidrs, type TranslationFacts } from "./translation.ts";

const ACTION: Readonly<Record<ClusterPolicyRule["action"], Action>> = {
  Accept: "allow",
  Deny: "deny",
  Pass: "pass",
};

const TIER = { Admin: "kube-admin", Baseline: "kube-baseline" } as const;

/** Cost: peers × protocols of each rule. */
export function fromClusterPolicy(policy: ClusterPolicy, facts: TranslationFacts): Policy {
  const object = objectName(policy);
  const origin: Origin = { object, path: "", source: policy.source };
  const { spec } = policy;
  const direction = (which: Direction): DirectionRules =>
    spec[which].length === 0
      ? { governs: false }
      : {
          governs: true,
          rules: spec[which].flatMap((rule) => translateRule(rule, { direction: which, origin, facts })),
        };
  return {
    id: object,
    tier: TIER[spec.tier],
    order: spec.priority,
    subject: podsSelector(spec.subject),
    ingress: direction("ingress"),
    egress: direction("egress"),
    origin,
    tie: `${policy.name}//${policy.kind}`,
  };
}

function podsSelector(pods: {
  readonly namespaceSelector: LabelSelector;
  readonly podSelector?: LabelSelector;
}): Selector {
  return allOf([
    PODS,
    fromLabelSelector("namespace", pods.namespaceSelector),
    pods.podSelector ? fromLabelSelector("endpoint", pods.podSelector) : ALL,
  ]);
}

interface Reading {
  readonly direction: Direction;
  readonly origin: Origin;
  readonly facts: TranslationFacts;
}

function translateRule(rule: ClusterPolicyRule, reading: Reading): Rule[] {
  const origin: Origin = { ...reading.origin, path: rule.path };
  if (rule.malformed) return [malformedRule(origin)];
  const groups = groupPorts(reading.origin, rule.protocols);
  return rule.peers.flatMap((peer) => {
    const match = peerMatch(peer, reading.facts);
    return groups.map(({ protocol, ports }): Rule => {
      const where: EntityMatch = ports ? { ports } : {};
      return {
        action: ACTION[rule.action],
        match: {
          ...(protocol !== undefined && { protocol }),
          source: reading.direction === "ingress" ? match : ANY_ENTITY,
          destination: reading.direction === "ingress" ? where : { ...match, ...where },
        },
        origin: { ...origin, path: peer.path },
        ...(rule.name !== "" && { remark: rule.name }),
      };
    });
  });
}

function peerMatch(peer: ClusterPolicyPeer, facts: TranslationFacts): EntityMatch {
  switch (peer.kind) {
    case "pods":
      return { selector: podsSelector(peer) };
    case "networks":
      return { nets: parseCidrs(peer.cidrs) };
    case "nodes":
      // Nodes are not endpoints: their labels are asked when the policy is translated.
      return {
        nets: hostCidrs(
          facts.nodes().flatMap((node) => (matchesLabels(peer.selector, node.labels) ? node.addresses : [])),
        ),
      };
    default:
      return unreachable(peer);
  }
}
