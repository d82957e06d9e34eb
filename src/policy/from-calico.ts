/**
 * @module Translates projectcalico.org/v3 policies, tiers and profiles into the model.
 * @see https://docs.tigera.io/calico/latest/reference/resources/globalnetworkpolicy
 */
import { unreachable } from "../base/errors.ts";
import type { Cidr, Family } from "../base/ip.ts";
import type {
  CalicoEntity,
  CalicoIcmp,
  CalicoNetworkPolicy,
  CalicoNetworkSet,
  CalicoPolicySpec,
  CalicoPort,
  CalicoRule,
  CalicoTier,
  GlobalNetworkPolicy,
  Profile,
} from "../resources/calico/types.ts";
import { objectName } from "../resources/object.ts";
import {
  fromEndpointSelector,
  fromNamespaceSelector,
  fromServiceAccountSelector,
  NAMESPACED,
} from "./calico-selector.ts";
import {
  type Action,
  type Direction,
  type DirectionRules,
  type EntityMatch,
  type IcmpMatch,
  type Match,
  type NetworkSet,
  type Origin,
  type Policy,
  type PortMatch,
  PROFILE_TIER,
  PROTOCOL,
  type Rule,
  type Tier,
} from "./model.ts";
import { ALL, allOf, NONE, negate, type Selector } from "./selector.ts";
import { hostCidrs, malformedRule, parseCidrs, type TranslationFacts } from "./translation.ts";

const ACTION: Readonly<Record<CalicoRule["action"], Action>> = {
  Allow: "allow",
  Deny: "deny",
  Pass: "pass",
  Log: "log",
};

/** Where a rule stands, and what it may ask. */
interface Reading {
  readonly direction: Direction;
  /** undefined: of a policy or profile that is in no namespace. */
  readonly namespace: string | undefined;
  readonly origin: Origin;
  readonly facts: TranslationFacts;
}

export function fromCalicoTier(tier: CalicoTier): Tier {
  return {
    name: tier.name,
    order: tier.order,
    defaultAction: tier.defaultAction === "Deny" ? "deny" : "pass",
  };
}

export function fromCalicoNetworkSet(set: CalicoNetworkSet): NetworkSet {
  return { id: objectName(set), namespace: set.namespace, labels: set.labels, nets: parseCidrs(set.nets) };
}

export function fromCalicoNetworkPolicy(policy: CalicoNetworkPolicy, facts: TranslationFacts): Policy {
  const { spec, name, namespace } = policy;
  return {
    ...translatePolicy(policy, namespace, facts),
    subject: allOf([
      { kind: "namespace", names: [namespace] },
      fromEndpointSelector(spec.selector) ?? ALL,
      fromServiceAccountSelector(spec.serviceAccountSelector) ?? ALL,
    ]),
    tie: `${name}/${namespace}/NetworkPolicy`,
  };
}

/** A policy that is asked before or without connection tracking applies to forwarded traffic too. */
export function fromGlobalNetworkPolicy(policy: GlobalNetworkPolicy, facts: TranslationFacts): Policy {
  const { spec, name } = policy;
  const namespaces = fromNamespaceSelector(spec.namespaceSelector);
  return {
    ...translatePolicy(policy, undefined, facts),
    subject: allOf([
      // Calico rewrites `all()` in the whole of a policy's selection once there is a namespace selector.
      fromEndpointSelector(spec.selector, namespaces ? NAMESPACED : ALL) ?? ALL,
      namespaces ?? ALL,
      fromServiceAccountSelector(spec.serviceAccountSelector) ?? ALL,
    ]),
    tie: `${name}//GlobalNetworkPolicy`,
    ...(spec.doNotTrack && { stage: "untracked" as const }),
    ...(spec.preDNAT && { stage: "pre-dnat" as const }),
    ...(spec.applyOnForward && { applyOnForward: true }),
  };
}

/** A profile is no tier's: endpoints name it, nothing selects it. */
export function fromProfile(profile: Profile, facts: TranslationFacts): Policy {
  const object = objectName(profile);
  const origin: Origin = { object, path: "", source: profile.source };
  const rules = (direction: Direction): DirectionRules => ({
    governs: true,
    rules: profile[direction].flatMap((rule) =>
      translateRule(rule, { direction, namespace: undefined, origin, facts }),
    ),
  });
  return {
    id: object,
    tier: PROFILE_TIER,
    order: 0,
    subject: NONE,
    ingress: rules("ingress"),
    egress: rules("egress"),
    origin,
  };
}

function translatePolicy(
  policy: CalicoNetworkPolicy | GlobalNetworkPolicy,
  namespace: string | undefined,
  facts: TranslationFacts,
): Omit<Policy, "subject" | "tie"> {
  const object = objectName(policy);
  const origin: Origin = { object: policy.stagedBy ?? object, path: "", source: policy.source };
  const spec: CalicoPolicySpec = policy.spec;
  const direction = (which: Direction): DirectionRules =>
    spec.types[which]
      ? {
          governs: true,
          rules: spec[which].flatMap((rule) =>
            translateRule(rule, { direction: which, namespace, origin, facts }),
          ),
        }
      : { governs: false };
  return {
    id: object,
    tier: spec.tier,
    order: spec.order,
    ingress: direction("ingress"),
    egress: direction("egress"),
    origin,
  };
}

/** One rule, or one for each port of a Service that it names. */
function translateRule(rule: CalicoRule, reading: Reading): Rule[] {
  const origin: Origin = { ...reading.origin, path: rule.path };
  if (rule.malformed) return [malformedRule(origin)];
  const source = translateEntity(rule.source, reading);
  const destination = translateEntity(rule.destination, reading);
  const packet = packetMatch(rule, [source, destination]);
  const base = { action: ACTION[rule.action], origin, ...remark(rule) };
  const services = rule.destination.services;
  if (reading.direction === "egress" && services) {
    return serviceMatches(services, reading).map(({ protocol, ...backends }) => ({
      ...base,
      match: {
        ...packet,
        protocol,
        source,
        // The API has no other protocol beside a Service's; should one be there, both must hold.
        destination:
          packet.protocol === undefined || packet.protocol === protocol
            ? backends
            : { ...backends, nets: [] },
      },
    }));
  }
  return [{ ...base, match: { ...packet, source, destination } }];
}

function remark(rule: CalicoRule): Pick<Rule, "remark"> {
  const notes: string[] = [];
  for (const { services } of [rule.source, rule.destination])
    if (services) notes.push(`service ${services.namespace}/${services.name}`);
  if (rule.http) notes.push("its http match is not enforced in the kernel");
  return notes.length === 0 ? {} : { remark: notes.join("; ") };
}

/** A rule whose CIDRs are all of one family says nothing about the other, even by its exceptions. */
function packetMatch(rule: CalicoRule, sides: readonly EntityMatch[]): Omit<Match, "source" | "destination"> {
  const families = new Set(
    sides.flatMap(({ nets, notNets }) => [...(nets ?? []), ...(notNets ?? [])]).map(({ family }) => family),
  );
  const [only] = families;
  const family = rule.ipVersion ?? icmpFamily(rule.protocol) ?? (families.size === 1 ? only : undefined);
  const icmp = icmpMatch(rule.icmp);
  const notIcmp = icmpMatch(rule.notICMP);
  return {
    ...(family !== undefined && { family }),
    ...(rule.protocol !== undefined && { protocol: rule.protocol }),
    ...(rule.notProtocol !== undefined && { notProtocol: rule.notProtocol }),
    ...(icmp && { icmp }),
    ...(notIcmp && { notIcmp }),
  };
}

function icmpFamily(protocol: number | undefined): Family | undefined {
  return protocol === PROTOCOL.ICMP ? 4 : protocol === PROTOCOL.ICMPv6 ? 6 : undefined;
}

function icmpMatch(icmp: CalicoIcmp | undefined): IcmpMatch | undefined {
  if (icmp?.type === undefined) return undefined;
  return { type: icmp.type, ...(icmp.code !== undefined && { code: icmp.code }) };
}

function translateEntity(entity: CalicoEntity, reading: Reading): EntityMatch {
  const ports = entity.ports && portMatches(entity.ports, reading.origin);
  const notPorts = entity.notPorts && portMatches(entity.notPorts, reading.origin);
  return {
    ...selectorMatch(entity, reading),
    ...netsMatch(entity, reading),
    ...(entity.notNets && { notNets: parseCidrs(entity.notNets) }),
    ...(ports && { ports }),
    ...(notPorts && { notPorts }),
  };
}

/** A Service as the source of ingress means its addresses; its ports are where it listens, not where it calls from. */
function netsMatch(entity: CalicoEntity, { direction, facts }: Reading): { nets?: readonly Cidr[] } {
  if (entity.services && direction === "ingress") {
    const backends = facts.serviceBackends(entity.services.namespace, entity.services.name);
    return { nets: hostCidrs(backends.map(({ address }) => address)) };
  }
  return entity.nets ? { nets: parseCidrs(entity.nets) } : {};
}

/**
 * Calico limits a namespaced policy's rule to its own namespace only where the rule selects by labels; a negation then
 * takes away from what is selected. Without any of that, a negation holds for all addresses that it does not name.
 */
function selectorMatch(
  entity: CalicoEntity,
  { namespace }: Reading,
): Pick<EntityMatch, "selector" | "notSelector"> {
  const { serviceAccounts } = entity;
  const labels = fromEndpointSelector(entity.selector);
  const notSelector = fromEndpointSelector(entity.notSelector);
  const byAccount = fromServiceAccountSelector(serviceAccounts?.selector);
  const names = serviceAccounts?.names ?? [];
  const accounts: Selector[] = [
    ...(names.length > 0 ? [{ kind: "service-account" as const, names }] : []),
    ...(byAccount ? [byAccount] : []),
  ];
  const selects = labels !== undefined || accounts.length > 0 || notSelector !== undefined;
  const namespaces =
    fromNamespaceSelector(entity.namespaceSelector) ??
    (namespace !== undefined && selects ? { kind: "namespace" as const, names: [namespace] } : undefined);
  const positive = [...(namespaces ? [namespaces] : []), ...(labels ? [labels] : []), ...accounts];
  if (positive.length === 0) return notSelector ? { notSelector } : {};
  return { selector: allOf([...positive, ...(notSelector ? [negate(notSelector)] : [])]) };
}

function portMatches(ports: readonly CalicoPort[], origin: Origin): PortMatch[] {
  return ports.map(({ path, port }): PortMatch => {
    const at = { ...origin, path };
    switch (port.kind) {
      case "range":
        return { kind: "range", first: port.first, last: port.last, origin: at };
      case "named":
        return { kind: "named", name: port.name, origin: at };
      default:
        return unreachable(port);
    }
  });
}

/** Each port that the Service's endpoints listen on, with their addresses; a Service without any matches nothing. */
function serviceMatches(
  services: { readonly namespace: string; readonly name: string },
  { facts, origin }: Reading,
): (EntityMatch & { readonly protocol: number })[] {
  const groups = new Map<string, { protocol: number; port: number; nets: Cidr[] }>();
  for (const { address, protocol, port } of facts.serviceBackends(services.namespace, services.name)) {
    const key = `${protocol}:${port}`;
    const group = groups.get(key) ?? { protocol, port, nets: [] };
    group.nets.push(...hostCidrs([address]));
    groups.set(key, group);
  }
  if (groups.size === 0) return [{ protocol: PROTOCOL.TCP, nets: [] }];
  return [...groups.values()].map(({ protocol, port, nets }) => ({
    protocol,
    nets,
    ports: [{ kind: "range", first: port, last: port, origin }],
  }));
}
