/**
 * @module Raw ICMP and SCTP sockets, at most one of each kind for a namespace and family. They send probes, hear
 * answers and ICMP errors, and answer SCTP for pods that "listen": the kernel needs no SCTP of its own.
 */
import { formatIp } from "../base/ip.ts";
import {
  EPOLLERR,
  EPOLLIN,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_SCTP,
  MSG_DONTWAIT,
  SOCK_RAW,
} from "./constants.ts";
import { errno, libc } from "./libc.ts";
import type { Netns } from "./netns.ts";
import { inNamespace } from "./netns.ts";
import { parseSctp, SCTP_ABORT, SCTP_INIT, SCTP_INIT_ACK, sctpPacket } from "./packets.ts";
import type { Poller } from "./poller.ts";
import type { QueuedError } from "./sockets.ts";
import {
  ipOf,
  openSocket,
  parseSocketAddress,
  queuedError,
  receiveErrors,
  socketAddress,
  socketError,
} from "./sockets.ts";

export type RawProtocol = "icmp" | "sctp";

/** Hears what arrives at any raw socket; `bytes` start at the ICMP or SCTP header and are valid during the call only. */
export interface RawListener {
  arrived(ns: Netns, protocol: RawProtocol, from: string, bytes: Buffer): void;
  refused(ns: Netns, protocol: RawProtocol, error: QueuedError): void;
}

interface RawSocket {
  readonly fd: number;
}

const buffer: Buffer = Buffer.allocUnsafeSlow(65_536);
const fromAddress: Buffer = Buffer.alloc(28);
const fromLength: Int32Array = new Int32Array([28]);

export class RawSockets {
  readonly #poller: Poller;
  readonly #sockets = new Map<Netns, Map<string, RawSocket>>();
  readonly #sctpPorts = new Map<Netns, Set<number>>();
  readonly #listener: RawListener;

  constructor(poller: Poller, listener: RawListener) {
    this.#poller = poller;
    this.#listener = listener;
  }

  /** The namespace's socket for sending from `source`, which is opened at the first use. */
  #socket(ns: Netns, protocol: RawProtocol, family: 4 | 6, source: string | undefined): number {
    const sockets = this.#sockets.get(ns) ?? new Map<string, RawSocket>();
    this.#sockets.set(ns, sockets);
    // A namespace with many addresses (the outside) gets a socket for each: a raw socket sends from what it is bound to.
    const name = `${protocol}${family} ${source ?? ""}`;
    const known = sockets.get(name);
    if (known) return known.fd;
    const number = protocol === "sctp" ? IPPROTO_SCTP : family === 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
    const fd = inNamespace(ns, () => openSocket(family, SOCK_RAW, number));
    receiveErrors(fd, family);
    if (source !== undefined) {
      const bytes = socketAddress(ipOf(source), 0);
      libc().bind(fd, bytes, bytes.length);
    }
    sockets.set(name, { fd });
    this.#poller.add(fd, EPOLLIN, (events) => this.#ready(ns, protocol, family, fd, events));
    return fd;
  }

  /** Makes sure that packets to this address of the namespace are heard. */
  hear(ns: Netns, protocol: RawProtocol, address: string): void {
    this.#socket(ns, protocol, ipOf(address).family, address);
  }

  /** @returns 0, or the errno with which the kernel did not take the packet */
  send(
    ns: Netns,
    protocol: RawProtocol,
    packet: { readonly from: string; readonly to: string; readonly bytes: Buffer },
  ): number {
    const to = ipOf(packet.to);
    const fd = this.#socket(ns, protocol, to.family, packet.from);
    const bytes = socketAddress(to, 0);
    const attempt = (): number =>
      libc().sendto(fd, packet.bytes, packet.bytes.length, MSG_DONTWAIT, bytes, bytes.length) >= 0
        ? 0
        : errno();
    const failed = attempt();
    if (failed === 0) return 0;
    // It may be an earlier packet's ICMP error, which the kernel reports to the next send and then forgets.
    socketError(fd);
    return attempt();
  }

  listenSctp(ns: Netns, addresses: readonly string[], port: number): void {
    const ports = this.#sctpPorts.get(ns) ?? new Set();
    ports.add(port);
    this.#sctpPorts.set(ns, ports);
    for (const address of addresses) this.hear(ns, "sctp", address);
  }

  #ready(ns: Netns, protocol: RawProtocol, family: 4 | 6, fd: number, events: number): void {
    if ((events & EPOLLERR) !== 0) {
      for (let error = queuedError(fd); error; error = queuedError(fd))
        this.#listener.refused(ns, protocol, error);
    }
    for (let count = 0; count < 64; count++) {
      fromLength[0] = 28;
      const length = libc().recvfrom(fd, buffer, buffer.length, MSG_DONTWAIT, fromAddress, fromLength);
      if (length < 0) return;
      const sender = parseSocketAddress(fromAddress);
      if (!sender) continue;
      // Raw IPv4 sockets hand over the IP header too (raw(7)); raw IPv6 sockets don't (RFC 3542 §3).
      const header = family === 4 ? ((buffer[0] ?? 0) & 15) * 4 : 0;
      const bytes = buffer.subarray(header, length);
      const from = formatIp(sender.ip);
      if (protocol === "sctp" && this.#answer(ns, fd, bytes)) continue;
      this.#listener.arrived(ns, protocol, from, bytes);
    }
  }

  /** Answers an INIT: INIT ACK where the port listens, else ABORT, as an SCTP stack would (RFC 9260 §5.1, §8.4). */
  #answer(ns: Netns, fd: number, bytes: Buffer): boolean {
    const packet = parseSctp(bytes);
    if (packet?.chunk !== SCTP_INIT) return false;
    const listening = this.#sctpPorts.get(ns)?.has(packet.destinationPort) ?? false;
    const reply = sctpPacket({
      sourcePort: packet.destinationPort,
      destinationPort: packet.sourcePort,
      verificationTag: packet.initiateTag ?? 0,
      chunk: listening ? SCTP_INIT_ACK : SCTP_ABORT,
      initiateTag: 1,
    });
    // Port 0: for raw IPv6 sockets the kernel takes a protocol number there.
    fromAddress.writeUInt16BE(0, 2);
    libc().sendto(fd, reply, reply.length, MSG_DONTWAIT, fromAddress, fromLength[0] ?? 0);
    return true;
  }

  closeNamespace(ns: Netns): void {
    for (const { fd } of this.#sockets.get(ns)?.values() ?? []) this.#poller.close(fd);
    this.#sockets.delete(ns);
    this.#sctpPorts.delete(ns);
  }

  closeAll(): void {
    for (const ns of [...this.#sockets.keys()]) this.closeNamespace(ns);
  }
}
