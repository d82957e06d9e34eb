/** @module What translations of policies share: the facts of the cluster that some rules name, and small helpers. */
import { type Cidr, hostCidr, type Ip, parseCidr } from "../base/ip.ts";
import type { Labels } from "../resources/object.ts";
import type { Match, Origin, Rule } from "./model.ts";

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
