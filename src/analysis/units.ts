/**
 * @module What all-pairs answers are about: endpoints that policy treats alike for one address family. Mostly these are
 * identities; where rules name CIDRs that cut through an identity's addresses, its parts.
 */
import { type Cidr, cidrRange, type Family, WIDTH } from "../base/ip.ts";
import type { PolicyGraph } from "../calc/graph.ts";
import type { Identity, PolicyState } from "../calc/types.ts";
import type { Endpoint } from "../policy/model.ts";
import { nodePrograms } from "./node-programs.ts";

export interface Unit {
  readonly identity: Identity;
  /** At least one; all with an address of the family, in one cell of the address space. */
  readonly endpoints: Endpoint[];
  /** Any of their addresses: CIDRs of rules do not tell them apart. */
  readonly address: bigint;
}

function ruleNets(state: PolicyState): Cidr[] {
  return [...(state.ingress ?? []), ...(state.egress ?? [])].flatMap(({ rule: { match } }) =>
    [match.source, match.destination].flatMap((side) => [...(side.nets ?? []), ...(side.notNets ?? [])]),
  );
}

/** First addresses of the cells into which all CIDRs in force cut the address space, ascending. */
function cuts(graph: PolicyGraph, family: Family): bigint[] {
  const edges = new Set<bigint>([0n]);
  const add = (net: Cidr): void => {
    if (net.family !== family) return;
    const { first, last } = cidrRange(net);
    edges.add(first);
    edges.add(last + 1n);
  };
  for (const state of graph.policies.values()) for (const net of ruleNets(state)) add(net);
  for (const selector of graph.selectors.values())
    for (const set of selector.networkSets) for (const net of set.nets) add(net);
  edges.delete(1n << BigInt(WIDTH[family]));
  return [...edges].sort((a, b) => (a < b ? -1 : 1));
}

function cellOf(edges: readonly bigint[], bits: bigint): number {
  let low = 0;
  let high = edges.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if ((edges[middle] ?? 0n) <= bits) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Tells addresses apart as far as the CIDRs in force do: equal numbers, equal treatment. Cost: CIDRs, then their logarithm a call. */
export function addressCells(graph: PolicyGraph, family: Family): (bits: bigint) => number {
  const edges = cuts(graph, family);
  return (bits) => cellOf(edges, bits);
}

/** Sorted by namespace, so that one namespace's units are a run of bits. Cost: endpoints × log(CIDRs). */
export function unitsOf(graph: PolicyGraph, family: Family): Unit[] {
  const edges = cuts(graph, family);
  // A node's interface may have its own say in what comes to its pods and leaves them.
  const withSay = nodePrograms(graph);
  const units: Unit[] = [];
  for (const identity of graph.identities.values()) {
    if (identity.selectable.kind === "host") continue;
    const byCell = new Map<string, Unit>();
    for (const { endpoints } of identity.classes) {
      for (const { endpoint } of endpoints) {
        const ip = endpoint.addresses.find((address) => address.family === family);
        if (!ip) continue;
        const cell = `${edges.length === 1 ? 0 : cellOf(edges, ip.bits)} ${withSay.has(endpoint.node) ? endpoint.node : ""}`;
        const known = byCell.get(cell);
        if (known) known.endpoints.push(endpoint);
        else byCell.set(cell, { identity, endpoints: [endpoint], address: ip.bits });
      }
    }
    units.push(...byCell.values());
  }
  return units.sort((a, b) =>
    a.identity.selectable.namespace < b.identity.selectable.namespace
      ? -1
      : a.identity.selectable.namespace > b.identity.selectable.namespace
        ? 1
        : 0,
  );
}
