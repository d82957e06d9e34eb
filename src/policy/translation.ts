/** @module What translations of policies share: the facts of the cluster that some rules name, and small helpers. */
import { type Cidr, hostCidr, type Ip, parseCidr } from "../base/ip.ts";
import type { Labels } from "../resources/object.ts";
import type { Match, Origin, PortMatch, Rule } from "./model.ts";

/** An address and port behind a Service, ready or not. */
export interface ServiceBackend {
  readonly address: Ip;
  readonly protocol: number;
  readonly port: number;
}

export interface NodeFacts {
  readonly name: string;
  readonly labels: Labels;
  readonly addresses: readonly Ip[];
}

/**
 * What rules may name that is neither label nor address. A policy that asked must be translated anew when the answer
 * changes.
 */
export interface TranslationFacts {
  readonly serviceBackends: (namespace: string, name: string) => readonly ServiceBackend[];
  readonly nodes: () => readonly NodeFacts[];
}

export const NO_FACTS: TranslationFacts = { serviceBackends: () => [], nodes: () => [] };

/** Decoding has refused what is no CIDR. */
export function parseCidrs(texts: readonly string[]): Cidr[] {
  return texts.flatMap((text) => parseCidr(text)?.cidr ?? []);
}

export function hostCidrs(addresses: readonly Ip[]): Cidr[] {
  return addresses.map(hostCidr);
}

const EVERYTHING: Match = { source: {}, destination: {} };

/** What is left of a Deny or a Pass that could not be read. */
export function malformedRule(origin: Origin): Rule {
  return {
    action: "deny",
    match: EVERYTHING,
    origin,
    remark: "a rule that cannot be read denies everything",
  };
}

/** Ports of one protocol. Without ports: all of them; without a protocol too: any packet. */
export interface PortGroup {
  readonly protocol?: number;
  readonly ports?: readonly PortMatch[];
}

/** One entry of an API's list of ports. */
export interface PortEntry {
  readonly path: string;
  /** IANA protocol number; undefined for a name, which means a port of any protocol. */
  readonly protocol?: number;
  readonly port:
    | { readonly kind: "all" }
    | { readonly kind: "range"; readonly first: number; readonly last: number }
    | { readonly kind: "named"; readonly name: string };
}

/** One group a protocol, since a rule of the model has one: an entry for all ports swallows the others. */
export function groupPorts(origin: Origin, entries: "any" | readonly PortEntry[]): PortGroup[] {
  if (entries === "any") return [{}];
  const groups = new Map<number | undefined, PortMatch[] | "all">();
  for (const { path, protocol, port } of entries) {
    const group = groups.get(protocol) ?? [];
    if (port.kind === "all" || group === "all") groups.set(protocol, "all");
    else groups.set(protocol, [...group, { ...port, origin: { ...origin, path } }]);
  }
  return [...groups].map(([protocol, ports]) => ({
    ...(protocol !== undefined && { protocol }),
    ...(ports !== "all" && { ports }),
  }));
}
