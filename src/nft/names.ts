/** @module Names of chains and sets: readable where they can be, short and stable always. */
import { shortHash } from "../base/hash.ts";
import type { Direction } from "../policy/model.ts";

/** nft's own limit on an identifier is 128; room is left for what it appends. */
const LONGEST = 110;

const SHORT: Readonly<Record<Direction, string>> = { ingress: "in", egress: "out" };

/**
 * `in/NetworkPolicy/default/db-policy`, so that `nft list ruleset` can be read. Distinct ids give distinct names: what is
 * too long, or not in letters that nft knows, ends with `_` and a hash, and no other name has a `_`.
 */
export function policyChain(direction: Direction, policyId: string): string {
  const readable = `${SHORT[direction]}/${policyId.replace(" ", "/")}`;
  if (/^[A-Za-z0-9/.-]*$/.test(readable) && readable.length <= LONGEST) return readable;
  const clean = readable.replace(/[^A-Za-z0-9/.-]/g, "_");
  return `${clean.slice(0, LONGEST - 14)}_${shortHash(policyId)}`;
}

/** The chain of all endpoints for which the same policies hold in this direction. */
export function programChain(direction: Direction, programKey: string): string {
  return `program-${SHORT[direction]}-${shortHash(programKey)}`;
}

/** One tier of one program; never shared, so that it goes when its program goes. */
export function tierChain(direction: Direction, programKey: string, tier: string): string {
  return `tier-${SHORT[direction]}-${shortHash(`${programKey} ${tier}`)}`;
}

export function selectorSet(selectorKey: string, family: 4 | 6): string {
  return `pods${family}-${shortHash(selectorKey)}`;
}

export function selectorNetsSet(selectorKey: string, family: 4 | 6): string {
  return `nets${family}-${shortHash(selectorKey)}`;
}

export function cidrSet(cidrs: readonly string[], family: 4 | 6): string {
  return `cidrs${family}-${shortHash(cidrs.join(","))}`;
}

export function portSet(ports: readonly number[]): string {
  return `ports-${shortHash(ports.join(","))}`;
}

/** @param key - `6:http`, the protocol's number and the port's name */
export function namedPortSet(key: string, family: 4 | 6): string {
  return `named${family}-${key.replace(/[^A-Za-z0-9_.-]/g, "_")}-${shortHash(key)}`;
}

export function serviceChain(key: string): string {
  return `service-${shortHash(key)}`;
}

export const BASE = {
  forwardEgress: "forward-egress",
  forwardIngress: "forward-ingress",
  input: "input",
  servicesIn: "services-prerouting",
  servicesOut: "services-output",
  hairpin: "services-postrouting",
  hostRawIn: "host-untracked-in",
  hostRawOut: "host-untracked-out",
  hostPreDnat: "host-pre-dnat",
  hostIn: "host-input",
  hostOut: "host-output",
  hostForwardIn: "host-forward-in",
  hostForwardOut: "host-forward-out",
  egressMap: "egress",
  ingressMap: "ingress",
} as const;

export function selfSet(family: 4 | 6): string {
  return `self${family}`;
}

/** Which source addresses each pod's interface may use. */
export function sourceSet(family: 4 | 6): string {
  return `source${family}`;
}

export function serviceMap(family: 4 | 6): string {
  return `services${family}`;
}
