/**
 * @module What no policy closes. Ports of a node: a mistake must not cut the API server, etcd, BGP or ssh. And what IPv6
 * needs to find a link's other end at all.
 * @see https://docs.tigera.io/calico/latest/reference/felix/configuration FailsafeInboundHostPorts, FailsafeOutboundHostPorts
 */
import { type Direction, type Flow, PROTOCOL } from "./model.ts";

export interface FailsafePort {
  readonly protocol: number;
  readonly port: number;
}

const tcp = (port: number): FailsafePort => ({ protocol: PROTOCOL.TCP, port });
const udp = (port: number): FailsafePort => ({ protocol: PROTOCOL.UDP, port });

export const FAILSAFE_PORTS: Readonly<Record<Direction, readonly FailsafePort[]>> = {
  ingress: [...[22, 179, 2379, 2380, 5473, 6443, 6666, 6667].map(tcp), udp(68)],
  egress: [...[179, 2379, 2380, 5473, 6443, 6666, 6667].map(tcp), udp(53), udp(67)],
};

/** ICMPv6 types that links need to work: listener and neighbour discovery. @see RFC 4861, RFC 2710 */
export const NEIGHBOUR_DISCOVERY = { first: 130, last: 136 } as const;

export function isNeighbourDiscovery({ protocol, icmp }: Pick<Flow, "protocol" | "icmp">): boolean {
  const { first, last } = NEIGHBOUR_DISCOVERY;
  return protocol === PROTOCOL.ICMPv6 && icmp !== undefined && first <= icmp.type && icmp.type <= last;
}
