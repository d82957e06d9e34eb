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
import type {
  ClusterPolicy,
  ClusterPolicyPeer,
  ClusterPolicyPort,
  ClusterPolicyRule,
} from "../resources/policy-api/types.ts";
import { fromLabelSelector, PODS } from "./from-network-policy.ts";
import {
  type Action,
  ANY_ENTITY,
  type Direction,
  type DirectionRules,
  type EntityMatch,
  type Origin,
  type Policy,
  type PortMatch,
  type Rule,
} from "./model.ts";
import { ALL, allOf, type Selector } from "./selector.ts";
import { hostCidrs, malformedRule, parseCidrs, type TranslationFacts } from "./translation.ts";

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
  const groups = groupPorts(rule.protocols, reading.origin);
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

interface PortGroup {
  readonly protocol?: number;
  readonly ports?: readonly PortMatch[];
}

/** One group a protocol, and one for names, which mean a port of any protocol. */
function groupPorts(protocols: ClusterPolicyRule["protocols"], origin: Origin): PortGroup[] {
  if (protocols === "any") return [{}];
  const groups = new Map<number | undefined, PortMatch[] | "all">();
  for (const entry of protocols) {
    const group = groups.get(entry.protocol) ?? [];
    const match = portMatch(entry, origin);
    groups.set(entry.protocol, match === "all" || group === "all" ? "all" : [...group, match]);
  }
  return [...groups].map(([protocol, ports]) => ({
    ...(protocol !== undefined && { protocol }),
    ...(ports !== "all" && { ports }),
  }));
}

function portMatch({ path, port }: ClusterPolicyPort, origin: Origin): PortMatch | "all" {
  const at = { ...origin, path };
  switch (port.kind) {
    case "all":
      return "all";
    case "range":
      return { kind: "range", first: port.first, last: port.last, origin: at };
    case "named":
      return { kind: "named", name: port.name, origin: at };
    default:
      return unreachable(port);
  }
}
