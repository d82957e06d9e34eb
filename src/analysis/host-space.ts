/**
 * @module Host endpoints over units: which units stand behind an interface that has a say, and what it says. The units
 * of one identity are told apart by such a node.
 */
import { eachBit, emptyWords, setBit, unsetBit, type Words } from "../base/bitset.ts";
import { BugError } from "../base/errors.ts";
import type { PolicyGraph } from "../calc/graph.ts";
import { verdict } from "../calc/verdict.ts";
import { FAILSAFE_PORTS, isNeighbourDiscovery } from "../policy/failsafe.ts";
import type { Party } from "../policy/model.ts";
import { type NodePrograms, nodePrograms } from "./node-programs.ts";
import type { PairSpace } from "./pair-space.ts";
import type { PacketKind } from "./program-solver.ts";

const NOTHING: NodePrograms = {};

export class HostSpace {
  readonly hasUntracked: boolean;
  readonly #graph: PolicyGraph;
  readonly #space: PairSpace;
  readonly #byNode: ReadonlyMap<string, NodePrograms>;
  readonly #neighbours = new Map<string, Words>();

  constructor(graph: PolicyGraph, space: PairSpace) {
    this.#graph = graph;
    this.#space = space;
    this.#byNode = nodePrograms(graph);
    this.hasUntracked = [...this.#byNode.values()].some(({ untracked }) => untracked !== undefined);
  }

  /** Whether an interface of the unit's node has a say in its connections. */
  concern(unit: number): boolean {
    if (this.#byNode.size === 0) return false;
    const { forward, links } = this.programs(unit);
    return forward !== undefined || links !== undefined;
  }

  programs(unit: number): NodePrograms {
    return this.#byNode.get(this.#nodeOf(unit)) ?? NOTHING;
  }

  /** Units on the same node: between them no interface of the node is crossed. */
  neighbours(unit: number): Words {
    const node = this.#nodeOf(unit);
    const known = this.#neighbours.get(node);
    if (known) return known;
    const words = emptyWords(this.#space.units.length);
    for (const [index, { endpoints }] of this.#space.units.entries())
      if (endpoints[0]?.node === node) setBit(words, index);
    this.#neighbours.set(node, words);
    return words;
  }

  /** Destinations of which no early stage is asked: their port is a failsafe, or the packet finds neighbours. */
  failsafeUnits(kind: PacketKind): Words {
    if (isNeighbourDiscovery(kind)) return this.#space.all;
    const words = emptyWords(this.#space.units.length);
    if (this.#byNode.size === 0) return words;
    for (const index of this.#space.units.keys()) {
      const port = this.#portOf(kind, index);
      if (FAILSAFE_PORTS.ingress.some((entry) => entry.protocol === kind.protocol && entry.port === port))
        setBit(words, index);
    }
    return words;
  }

  /** Untracked policies look at replies too, which sets of sources cannot say. Cost: a verdict for each of the sources. */
  askOneByOne(row: Words, kind: PacketKind, destination: number): void {
    const port = this.#portOf(kind, destination);
    eachBit(row.slice(), (source) => {
      if (!this.programs(source).untracked && !this.programs(destination).untracked) return;
      const flow = {
        source: this.#party(source, kind),
        destination: this.#party(destination, kind),
        protocol: kind.protocol,
        ...(port !== undefined && { destinationPort: port }),
        ...(kind.icmp && { icmp: kind.icmp }),
      };
      if (!verdict(this.#graph, flow).allowed) unsetBit(row, source);
    });
  }

  #nodeOf(unit: number): string {
    return this.#space.units[unit]?.endpoints[0]?.node ?? "";
  }

  #portOf({ port, protocol }: PacketKind, destination: number): number | undefined {
    if (typeof port !== "string") return port;
    const ports = this.#space.units[destination]?.identity.sample.ports ?? [];
    return ports.find((named) => named.name === port && named.protocol === protocol)?.port;
  }

  #party(unit: number, { family }: PacketKind): Party {
    const [endpoint] = this.#space.units[unit]?.endpoints ?? [];
    const address = endpoint?.addresses.find((ip) => ip.family === family);
    if (!endpoint || !address) throw new BugError(`unit ${unit} has no address of IPv${family}`);
    return { kind: "endpoint", endpoint, address };
  }
}
