/**
 * @module Ports of a node that no policy closes: a mistake must not cut the API server, etcd, BGP or ssh.
 * @see https://docs.tigera.io/calico/latest/reference/felix/configuration FailsafeInboundHostPorts, FailsafeOutboundHostPorts
 */
import { type Direction, PROTOCOL } from "./model.ts";

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
