/**
 * @module Follows a new connection's first packet through the tables of the nodes on its way: out of the source's node,
 * into the destination's, and the answer back where a table looks at packets without connections. This is how the
 * ruleset judge answers the question that the model answers.
 */
import { must } from "../base/errors.ts";
import { formatIp, type Ip } from "../base/ip.ts";
import { type Flow, icmpReply, isSelf, nodeOf, type Party } from "../policy/model.ts";
import { type Hook, type Packet, runHook } from "./interpret.ts";
import { BASE } from "./names.ts";
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
  /** Whether a Service's address was translated on the way. */
  readonly translated: boolean;
  /** Rules that decided, hop by hop. */
  readonly because: readonly string[];
}

const LOOPBACK = "lo";
/** Sockets and other tables mark packets as they like: ours must not take it for their own. */
const ANY_MARK = 0xffff_ffff;

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
  const { source, destination } = flow;
  if (isSelf(flow)) {
    return { allowed: true, translated: false, because: ["a pod reaches itself without leaving"] };
  }
  const journey = new Journey(topology, pick);
  const there = journey.travel(firstPacket(flow), source, destination);
  const translated = there.packet.translated === true;
  if (!there.arrived || !journey.asksReplies())
    return { allowed: there.arrived, translated, because: journey.because };
  const back = journey.travel(replyTo(there.packet), there.destination, source, journey.states());
  return { allowed: back.arrived, translated, because: journey.because };
}

function replyTo({ source, destination, sourcePort, destinationPort, icmp, protocol }: Packet): Packet {
  return {
    inInterface: "",
    outInterface: "",
    source: destination,
    destination: source,
    protocol,
    ...(destinationPort !== undefined && { sourcePort: destinationPort }),
    ...(sourcePort !== undefined && { destinationPort: sourcePort }),
    ...(icmp && { icmp: icmpReply(icmp) }),
    state: "established",
  };
}

interface Arrival {
  readonly arrived: boolean;
  /** As it was last seen. */
  readonly packet: Packet;
  readonly destination: Party;
}

/** What a node made of the connection's first packet. */
type TrackedStates = ReadonlyMap<string, Packet["state"]>;

class Journey {
  readonly because: string[] = [];
  readonly #topology: Topology;
  readonly #pick: (count: number) => number;
  readonly #states = new Map<string, Packet["state"]>();

  constructor(topology: Topology, pick: (count: number) => number) {
    this.#topology = topology;
    this.#pick = pick;
  }

  /** Whether a table on the way looks at replies by themselves. */
  asksReplies(): boolean {
    return [...this.#states.keys()].some((node) => {
      const { chains } = this.#table(node);
      return chains.has(BASE.hostRawIn) || chains.has(BASE.hostRawOut);
    });
  }

  states(): TrackedStates {
    return new Map(this.#states);
  }

  /** @param known - for replies: a node that did not track the first packet takes the reply for a new connection */
  travel(packet: Packet, source: Party, destination: Party, known?: TrackedStates): Arrival {
    const start = nodeOf(source);
    let arrival: Arrival = { arrived: true, packet, destination };
    const enter = (node: string, from: Party | undefined): void => {
      const state = known ? (known.get(node) === "untracked" ? "new" : "established") : "new";
      arrival = this.#cross(node, from, { ...arrival, packet: { ...arrival.packet, state, mark: ANY_MARK } });
    };
    if (start !== undefined) enter(start, source);
    const end = nodeOf(arrival.destination);
    if (arrival.arrived && end !== undefined && end !== start) enter(end, undefined);
    return arrival;
  }

  /** One node's hooks. @param from - who on the node sent the packet; undefined: it came by the uplink */
  #cross(node: string, from: Party | undefined, { packet, destination: meant }: Arrival): Arrival {
    const isLocalProcess = from?.kind === "node";
    const inInterface =
      from === undefined
        ? this.#topology.uplink
        : from.kind === "endpoint"
          ? this.#topology.interfaceOf(from.endpoint.id)
          : "";
    let arrival = this.#hook(node, isLocalProcess ? "output" : "prerouting", {
      ...packet,
      inInterface,
      outInterface: isLocalProcess ? this.#wayTo(node, meant) : "",
    });
    const destination = arrival.translated ? this.#topology.partyAt(arrival.packet.destination) : meant;
    const isHere = destination.kind === "node" && destination.node === node;
    const links = {
      inInterface: isLocalProcess ? "" : inInterface,
      outInterface: this.#wayTo(node, destination),
    };
    const rest: readonly Hook[] = isLocalProcess
      ? isHere
        ? []
        : ["postrouting"]
      : isHere
        ? ["input"]
        : ["forward", "postrouting"];
    for (const hook of rest) {
      if (!arrival.arrived) break;
      const outInterface = hook === "input" ? "" : links.outInterface;
      arrival = this.#hook(node, hook, { ...arrival.packet, inInterface: links.inInterface, outInterface });
    }
    this.#states.set(node, arrival.packet.state);
    return { arrived: arrival.arrived, packet: arrival.packet, destination };
  }

  #hook(
    node: string,
    hook: Hook,
    packet: Packet,
  ): { readonly arrived: boolean; readonly packet: Packet; readonly translated: boolean } {
    const outcome = runHook(this.#table(node), hook, packet, this.#pick);
    const translated = outcome.packet.translated === true && packet.translated !== true;
    if (translated)
      this.because.push(
        `translated to ${formatIp(outcome.packet.destination)}:${outcome.packet.destinationPort}`,
      );
    this.because.push(...outcome.because.map((reason) => `${node}: ${reason}`));
    return { arrived: outcome.verdict === "accept", packet: outcome.packet, translated };
  }

  #table(node: string): NftTable {
    return must(this.#topology.tables.get(node), `table of ${node}`);
  }

  #wayTo(node: string, destination: Party): string {
    if (nodeOf(destination) !== node) return this.#topology.uplink;
    return destination.kind === "endpoint" ? this.#topology.interfaceOf(destination.endpoint.id) : LOOPBACK;
  }
}
