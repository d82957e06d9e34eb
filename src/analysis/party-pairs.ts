/**
 * @module Which of many pods must be asked about: of those that policy treats alike, one is enough. What tells parties
 * apart is their identity, the CIDRs in force that their address is in, and for connections from nodes and past host endpoints the
 * pod's node.
 */
import type { Family } from "../base/ip.ts";
import type { PolicyGraph } from "../calc/graph.ts";
import type { Identity } from "../calc/types.ts";
import { isSelf, nodeOf, type Party } from "../policy/model.ts";
import { nodePrograms } from "./node-programs.ts";
import { addressCells } from "./units.ts";

export interface PartyPair {
  readonly source: Party;
  readonly destination: Party;
}

/** A pod, node or address, as a party for each address that it has. */
type Addressed = readonly Party[];

/**
 * One pair for each way in which a connection between any two of them can be treated. A pod is paired with itself only
 * where there is no other to pair it with.
 * @returns undefined where some two have no address of the same family; IPv4 where both have it, as a client's resolver
 *   would prefer here
 * Cost: one pair of lists with one entry each is answered at once; else the lists, and the square of their kinds
 */
export function distinctPairs(
  graph: PolicyGraph,
  from: readonly Addressed[],
  to: readonly Addressed[],
): readonly PartyPair[] | undefined {
  const kinds = new Kinds(graph);
  const placeOf = placing(graph, [...from, ...to]);
  const sources = from.length === 1 ? from : kinds.sample(from, placeOf);
  const destinations = to.length === 1 ? to : kinds.sample(to, placeOf);
  const pairs = new Map<string, PartyPair>();
  for (const fromParties of sources) {
    for (const toParties of destinations) {
      const pair = commonFamily(fromParties, toParties);
      if (!pair) return undefined;
      if (sources.length * destinations.length === 1) return [pair];
      if (isSelf(pair) && sources.length + destinations.length > 2) continue;
      const [source, destination] = [placeOf(pair.source), placeOf(pair.destination)];
      // Host endpoints tell nodes apart; without any, only whether it is one node matters.
      const places = graph.hosts.isEmpty ? String(source === destination) : `${source} ${destination}`;
      const key = `${kinds.of(pair.source)} ${kinds.of(pair.destination)} ${places}`;
      if (!pairs.has(key)) pairs.set(key, pair);
    }
  }
  return [...pairs.values()];
}

/**
 * The party's node, as far as it matters: where nodes are among the parties, and where the node's interface has its own
 * say in what pods do; else "".
 */
function placing(graph: PolicyGraph, all: readonly Addressed[]): (party: Party) => string {
  const hasNodes = all.some((parties) => parties[0]?.kind === "node");
  const withSay = nodePrograms(graph);
  return (party) => {
    const node = nodeOf(party) ?? "";
    return hasNodes || withSay.has(node) ? node : "";
  };
}

/** One party for each kind, and each node, of one family. @returns undefined where one has no address of it */
export function distinctParties(
  graph: PolicyGraph,
  from: readonly Addressed[],
  family: Family,
): readonly Party[] | undefined {
  const kinds = new Kinds(graph);
  const found = new Map<string, Party>();
  for (const parties of from) {
    const party = parties.find(({ address }) => address.family === family);
    if (!party) return undefined;
    const byNode = party.kind === "node" || !graph.hosts.isEmpty;
    const key = from.length === 1 ? "" : `${kinds.of(party)} ${byNode ? (nodeOf(party) ?? "") : ""}`;
    if (!found.has(key)) found.set(key, party);
  }
  return [...found.values()];
}

function commonFamily(from: Addressed, to: Addressed): PartyPair | undefined {
  for (const family of [4, 6]) {
    const source = from.find(({ address }) => address.family === family);
    const destination = to.find(({ address }) => address.family === family);
    if (source && destination) return { source, destination };
  }
  return undefined;
}

/** Kinds of parties, as text. */
class Kinds {
  readonly #graph: PolicyGraph;
  readonly #cells = new Map<Family, (bits: bigint) => number>();
  readonly #identities = new Map<Identity, number>();

  constructor(graph: PolicyGraph) {
    this.#graph = graph;
  }

  of(party: Party): string {
    const { family, bits } = party.address;
    const cells = this.#cells.get(family) ?? addressCells(this.#graph, family);
    this.#cells.set(family, cells);
    return `${this.#identityOf(party)}/${family}/${cells(bits)}`;
  }

  /** Two of each kind, so that each has another to be paired with. */
  sample(all: readonly Addressed[], placeOf: (party: Party) => string): readonly Addressed[] {
    const counts = new Map<string, number>();
    return all.filter((parties) => {
      const key = parties.map((party) => `${this.of(party)}${placeOf(party)}`).join(" ");
      const count = (counts.get(key) ?? 0) + 1;
      counts.set(key, count);
      return count <= 2;
    });
  }

  #identityOf(party: Party): number | string {
    if (party.kind !== "endpoint") return party.kind;
    const identity = this.#graph.endpoints.get(party.endpoint.id)?.labelClass.identity;
    if (!identity) return party.endpoint.id;
    const known = this.#identities.get(identity) ?? this.#identities.size;
    this.#identities.set(identity, known);
    return known;
  }
}
