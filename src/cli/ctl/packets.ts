/** @module The packets that a policy's rules name: what its effect is looked for with. */
import type { PolicyState } from "../../calc/types.ts";
import { hasPorts, PROTOCOL, protocolName } from "../../policy/model.ts";

export interface Packet {
  readonly protocol: number;
  /** Absent for protocols without ports. */
  readonly port?: number | string;
  /** Stands for all ports that nothing names. */
  readonly isOther?: boolean;
}

/** Any port that no rule of the folder is likely to name. */
export const OTHER_PORT: Packet = { protocol: PROTOCOL.TCP, port: 64_738, isOther: true };

export function packetKey({ protocol, port, isOther }: Packet): string {
  return `${protocol} ${typeof port} ${port ?? ""} ${isOther === true}`;
}

/** `TCP 5432`, `ICMP`, `any other TCP port`. */
export function packetText({ protocol, port, isOther }: Packet): string {
  if (isOther) return `any other ${protocolName(protocol)} port`;
  return `${protocolName(protocol)}${port === undefined ? "" : ` ${port}`}`;
}

/** In the order of the rules, each once. Of a range of ports, the first. */
export function packetsOf(state: PolicyState): readonly Packet[] {
  const packets = new Map<string, Packet>();
  const add = (packet: Packet): void => {
    packets.set(packetKey(packet), packet);
  };
  for (const { rule } of [...(state.ingress ?? []), ...(state.egress ?? [])]) {
    const { protocol = PROTOCOL.TCP, destination } = rule.match;
    if (protocol === PROTOCOL.ICMP || protocol === PROTOCOL.ICMPv6) add({ protocol: PROTOCOL.ICMP });
    if (!hasPorts(protocol)) continue;
    for (const port of [...(destination.ports ?? []), ...(destination.notPorts ?? [])])
      add({ protocol, port: port.kind === "named" ? port.name : port.first });
  }
  return [...packets.values()];
}
