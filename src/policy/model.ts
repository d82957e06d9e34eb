/**
 * @module What every policy API is translated into: tiers, policies, rules, endpoints. Kubernetes NetworkPolicy is one
 * translation (`from-network-policy.ts`).
 *
 * A connection from A to B is allowed when A's egress and B's ingress both allow it. For each direction of an
 * endpoint: the tiers in order; in a tier, the policies that select the endpoint and govern the direction, in order;
 * in a policy, the rules in order. The first Allow or Deny that matches decides, Pass goes on to the next tier, Log
 * goes on to the next rule. A tier in which some policy applied but no rule decided ends with its default action. No
 * tier decided: the endpoint's profile does, which allows for pods.
 */
import type { Cidr, Family, Ip } from "../base/ip.ts";
import type { Labels } from "../resources/object.ts";
import type { Source } from "../resources/source.ts";
import type { Selector } from "./selector.ts";

export type Direction = "ingress" | "egress";

/** The object, and the path in it, that something comes from. Its position in the file is looked up when shown. */
export interface Origin {
  /** `NetworkPolicy default/db-policy` */
  readonly object: string;
  /** `spec.ingress[0].from[0]`; "" for the object as a whole. */
  readonly path: string;
  readonly source: Source;
}

export interface Tier {
  readonly name: string;
  /** Ascending; Infinity where unset. Ties by name. */
  readonly order: number;
  /** What happens when policies of this tier apply and none of their rules decides. */
  readonly defaultAction: "deny" | "pass";
}

/** Tiers that exist without anyone creating them, with Calico's orders. */
export const BUILT_IN_TIERS: readonly Tier[] = [
  { name: "kube-admin", order: 1_000, defaultAction: "pass" },
  { name: "default", order: 1_000_000, defaultAction: "deny" },
  { name: "kube-baseline", order: 10_000_000, defaultAction: "pass" },
];

/** The tier of profiles, which are asked after all others, and only at endpoints that name them. */
export const PROFILE_TIER = "";

/** A policy says nothing about a direction that it does not govern, which differs from governing it with no rules. */
export type DirectionRules =
  | { readonly governs: false }
  | { readonly governs: true; readonly rules: readonly Rule[] };

export interface Policy {
  /** Unique among policies: `NetworkPolicy default/db-policy`. */
  readonly id: string;
  readonly tier: string;
  /** Ascending; Infinity where unset. Ties by id. */
  readonly order: number;
  readonly subject: Selector;
  readonly ingress: DirectionRules;
  readonly egress: DirectionRules;
  readonly origin: Origin;
  /** What decides between policies of equal order, before the id does: Calico's `name/namespace/kind`. */
  readonly tie?: string;
  /** Where it applies at host endpoints, if not with the rest; such a policy says nothing about workloads. */
  readonly stage?: "pre-dnat" | "untracked";
  /** Whether it applies to what host endpoints forward, too. */
  readonly applyOnForward?: boolean;
}

export type Action = "allow" | "deny" | "pass" | "log";

export interface Rule {
  readonly action: Action;
  readonly match: Match;
  readonly origin: Origin;
  /** What the match cannot say of itself: `service shop/cart`, `an http match that the kernel cannot enforce`. */
  readonly remark?: string;
}

/** All that is present must hold. */
export interface Match {
  readonly family?: Family;
  /** IANA protocol number. */
  readonly protocol?: number;
  readonly notProtocol?: number;
  readonly icmp?: IcmpMatch;
  readonly notIcmp?: IcmpMatch;
  readonly source: EntityMatch;
  readonly destination: EntityMatch;
}

export interface IcmpMatch {
  readonly type: number;
  /** Absent: any code of the type. */
  readonly code?: number;
}

/** One side of a rule. All that is present must hold; an empty `nets` or `ports` matches nothing. */
export interface EntityMatch {
  readonly selector?: Selector;
  /** Holds for every party that the selector does not select, addresses outside the cluster included. */
  readonly notSelector?: Selector;
  readonly nets?: readonly Cidr[];
  readonly notNets?: readonly Cidr[];
  readonly ports?: readonly PortMatch[];
  readonly notPorts?: readonly PortMatch[];
}

export type PortMatch =
  | { readonly kind: "range"; readonly first: number; readonly last: number; readonly origin: Origin }
  /** A name resolves on the endpoint of that side: the numbers that its containers give that name. */
  | { readonly kind: "named"; readonly name: string; readonly origin: Origin };

export const ANY_ENTITY: EntityMatch = {};

/** IANA numbers of the protocols with a name in the APIs. */
export const PROTOCOL = { ICMP: 1, TCP: 6, UDP: 17, ICMPv6: 58, SCTP: 132, UDPLite: 136 } as const;

const PROTOCOL_NAME: ReadonlyMap<number, string> = new Map(
  Object.entries(PROTOCOL).map(([name, n]) => [n, name]),
);

/** `TCP`, or `protocol 47` for a protocol without a name. */
export function protocolName(protocol: number): string {
  return PROTOCOL_NAME.get(protocol) ?? `protocol ${protocol}`;
}

/** The protocols whose packets carry ports. */
export function hasPorts(protocol: number): boolean {
  return (
    protocol === PROTOCOL.TCP ||
    protocol === PROTOCOL.UDP ||
    protocol === PROTOCOL.SCTP ||
    protocol === PROTOCOL.UDPLite
  );
}

export interface NamedPort {
  readonly name: string;
  readonly protocol: number;
  readonly port: number;
}

/**
 * A pod with an address of its own (pods on the host's network are their node and have no endpoint), a workload that is
 * no pod, or a host endpoint: a node's interface.
 */
export interface Endpoint {
  /** `namespace/name`; `HostEndpoint name` for those. */
  readonly id: string;
  /** Absent: a pod. */
  readonly kind?: "workload" | "host";
  /** Of a host endpoint: `*` for all interfaces of the node; "" where its addresses tell which. */
  readonly interfaceName?: string;
  readonly namespace: string;
  readonly labels: Labels;
  readonly serviceAccount: string;
  /** "" until the pod is placed. */
  readonly node: string;
  readonly addresses: readonly Ip[];
  readonly ports: readonly NamedPort[];
  /** What decides when no tier does. Pods get `allow` from their namespace's profile. */
  readonly profile: { readonly ingress: "allow" | "deny"; readonly egress: "allow" | "deny" };
  /**
   * Policies that are asked before that, in this order, where no tier decides: profiles with rules. By id; one that does
   * not exist denies.
   */
  readonly profiles?: readonly string[];
  /** `Deployment/go-demo-2-api`: what people know the pod by. */
  readonly workload?: string;
}

export const OPEN_PROFILE: Endpoint["profile"] = { ingress: "allow", egress: "allow" };

/** Named addresses that selectors can mean. Namespaced sets carry their namespace, global ones "". */
export interface NetworkSet {
  /** `NetworkSet default/partners`. */
  readonly id: string;
  readonly namespace: string;
  readonly labels: Labels;
  readonly nets: readonly Cidr[];
}

/** One end of a connection. */
export type Party =
  | { readonly kind: "endpoint"; readonly endpoint: Endpoint; readonly address: Ip }
  | { readonly kind: "node"; readonly node: string; readonly address: Ip }
  | { readonly kind: "outside"; readonly address: Ip };

/** undefined outside the cluster. */
export function nodeOf(party: Party): string | undefined {
  switch (party.kind) {
    case "endpoint":
      return party.endpoint.node;
    case "node":
      return party.node;
    case "outside":
      return undefined;
  }
}

/** A new connection, as seen after Service translation. */
export interface Flow {
  readonly source: Party;
  readonly destination: Party;
  readonly protocol: number;
  /** For protocols with ports. */
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  /** For ICMP and ICMPv6. */
  readonly icmp?: { readonly type: number; readonly code: number };
  /** What the client asked for, where a Service's translation on its node led to the destination. */
  readonly untranslated?: { readonly address: Ip; readonly port: number };
}

/** Whether a pod connects to itself. */
export function isSelf({ source, destination }: Pick<Flow, "source" | "destination">): boolean {
  return (
    source.kind === "endpoint" &&
    destination.kind === "endpoint" &&
    source.endpoint.id === destination.endpoint.id
  );
}

/** Echo replies answer echo requests; other ICMP has no answer of its own. */
const ICMP_REPLY: ReadonlyMap<number, number> = new Map([
  [8, 0],
  [128, 129],
]);

/** What answers an ICMP message. */
export function icmpReply({ type, code }: NonNullable<Flow["icmp"]>): NonNullable<Flow["icmp"]> {
  return { type: ICMP_REPLY.get(type) ?? type, code };
}
