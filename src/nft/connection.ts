/**
 * @module Follows a new connection's first packet through the tables of the nodes on its way: out of the source pod's
 * node, into the destination pod's. This is how the ruleset judge answers the question that the model answers.
 */
import { must } from "../base/errors.ts";
import { formatIp, type Ip } from "../base/ip.ts";
import type { Flow, Party } from "../policy/model.ts";
import { type Hook, type Packet, runHook } from "./interpret.ts";
import type { NftTable } from "./table.ts";

export interface Topology {
  /** The tables by node name. */
  readonly tables: ReadonlyMap<string, NftTable>;
  readonly interfaceOf: (endpointId: string) => string;
  /** The node's link to the others and to the world. */
  readonly uplink: string;
  /** Who has an address; for what a Service's translation leads to. */
  readonly partyAt: (address: Ip) => Party;
}

export interface ConnectionOutcome {
  readonly allowed: boolean;
  /** Rules that decided, hop by hop. */
  readonly because: readonly string[];
}

interface Hop {
  readonly node: string;
  readonly hook: Hook;
  readonly inInterface: string;
  readonly outInterface: string;
}

function nodeOf(party: Party): string | undefined {
  if (party.kind === "endpoint") return party.endpoint.node;
  return party.kind === "node" ? party.node : undefined;
}

/** Where the packet meets a table. A node's own packets to its own pods meet none: output is not filtered. */
function hops(topology: Topology, source: Party, destination: Party): Hop[] {
  const { uplink, interfaceOf } = topology;
  const from = nodeOf(source);
  const to = nodeOf(destination);
  const inside = (party: Party): string =>
    party.kind === "endpoint" ? interfaceOf(party.endpoint.id) : uplink;
  if (from !== undefined && from === to) {
    if (source.kind === "node") return [];
    const hook = destination.kind === "node" ? "input" : "forward";
    return [
      {
        node: from,
        hook,
        inInterface: inside(source),
        outInterface: hook === "input" ? "" : inside(destination),
      },
    ];
  }
  const way: Hop[] = [];
  if (source.kind === "endpoint") {
    way.push({
      node: source.endpoint.node,
      hook: "forward",
      inInterface: inside(source),
      outInterface: uplink,
    });
  }
  if (to !== undefined) {
    const hook = destination.kind === "node" ? "input" : "forward";
    way.push({
      node: to,
      hook,
      inInterface: uplink,
      outInterface: hook === "input" ? "" : inside(destination),
    });
  }
  return way;
}

function firstPacket(flow: Flow): Packet {
  return {
    inInterface: "",
    outInterface: "",
    source: flow.source.address,
    destination: flow.destination.address,
    protocol: flow.protocol,
    // Any client port: rules on source ports are asked about with a flow that names one.
    sourcePort: flow.sourcePort ?? 32768,
    ...(flow.destinationPort !== undefined && { destinationPort: flow.destinationPort }),
    ...(flow.icmp && { icmp: flow.icmp }),
    state: "new",
  };
}

/** @param flow - its addresses as the client sees them: a Service's address is translated on the source's node */
export function simulateConnection(
  topology: Topology,
  flow: Flow,
  pick: (count: number) => number = () => 0,
): ConnectionOutcome {
  const { source } = flow;
  let { destination } = flow;
  if (
    source.kind === "endpoint" &&
    destination.kind === "endpoint" &&
    source.endpoint.id === destination.endpoint.id
  ) {
    return { allowed: true, because: ["a pod reaches itself without leaving"] };
  }
  let packet = firstPacket(flow);
  const because: string[] = [];
  const start = nodeOf(source);
  if (start !== undefined) {
    const hook = source.kind === "node" ? "output" : "prerouting";
    const table = must(topology.tables.get(start), `table of ${start}`);
    const inInterface = source.kind === "endpoint" ? topology.interfaceOf(source.endpoint.id) : "";
    const translated = runHook(table, hook, { ...packet, inInterface }, pick);
    if (translated.verdict === "drop")
      return { allowed: false, because: [...because, ...translated.because] };
    packet = translated.packet;
    if (packet.translated) {
      destination = topology.partyAt(packet.destination);
      because.push(`translated to ${formatIp(packet.destination)}:${packet.destinationPort}`);
    }
  }
  for (const { node, hook, inInterface, outInterface } of hops(topology, source, destination)) {
    const table = must(topology.tables.get(node), `table of ${node}`);
    const outcome = runHook(table, hook, { ...packet, inInterface, outInterface }, pick);
    because.push(...outcome.because.map((reason) => `${node}: ${reason}`));
    if (outcome.verdict === "drop") return { allowed: false, because };
    packet = { ...outcome.packet, inInterface: "", outInterface: "" };
  }
  return { allowed: true, because };
}
