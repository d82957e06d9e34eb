/** @module What probes and flows share: source ports, sockets on their way, and ICMP packets that are known again. */
import { OpError } from "../base/errors.ts";
import {
  EADDRINUSE,
  ECONNREFUSED,
  ECONNRESET,
  EINPROGRESS,
  IPPROTO_TCP,
  IPPROTO_UDP,
  SOCK_DGRAM,
  SOCK_STREAM,
} from "./constants.ts";
import { errno, errnoName, libc } from "./libc.ts";
import type { Netns } from "./netns.ts";
import { inNamespace } from "./netns.ts";
import { icmpPacket } from "./packets.ts";
import type { ProbeRequest, ProbeResult } from "./probe.ts";
import { refusalOf, result } from "./probe.ts";
import { ipOf, openSocket, queuedError, receiveErrors, socketAddress, socketError } from "./sockets.ts";

const FIRST_PORT = 20_000;
const LAST_PORT = 59_999;
/** Tries of a port that something in the namespace has already. */
const PORT_TRIES = 100;

/** Sent over TCP and UDP. */
export const PAYLOAD: Buffer = Buffer.from("tortie");
/** Starts the payload of ICMP probes; four bytes of the probe's number follow. */
const COOKIE: Buffer = Buffer.from("tort");

const ICMP_ECHO = 8;
const ICMPV6_ECHO_REQUEST = 128;

/** Where what is received and not looked at goes. */
export const SCRATCH: Buffer = Buffer.allocUnsafeSlow(65_536);

/** @throws OpError `input-invalid` when the request has no port */
export function portOf(request: ProbeRequest): number {
  if (request.port !== undefined) return request.port;
  throw new OpError(`a ${request.protocol} probe needs a port`, { code: "input-invalid" });
}

/** An echo request, or what the request asks for, that carries a number. */
export function icmpProbe(
  request: ProbeRequest,
  header: { readonly id: number; readonly sequence: number; readonly number: number },
): Buffer {
  const { family } = ipOf(request.to);
  const echo = { type: family === 4 ? ICMP_ECHO : ICMPV6_ECHO_REQUEST, code: 0 };
  const payload = Buffer.alloc(8);
  payload.set(COOKIE);
  payload.writeUInt32BE(header.number, 4);
  return icmpPacket(family, { ...(request.icmp ?? echo), id: header.id, sequence: header.sequence, payload });
}

/** The number that a packet's payload carries; undefined when it is none of ours. */
export function numberOf(payload: Buffer): number | undefined {
  if (payload.length < 8 || !payload.subarray(0, 4).equals(COOKIE)) return undefined;
  return payload.readUInt32BE(4);
}

/** What a TCP socket's attempt has come to, once epoll says that it is over. */
export function tcpOutcome(fd: number): ProbeResult {
  const number = socketError(fd);
  if (number === 0) return result("open");
  // A RST leaves no ICMP error in the queue; "port unreachable", which has the same errno, does.
  const error = queuedError(fd);
  if (error && error.offender !== undefined) {
    return result(
      "rejected",
      `${errnoName(number)}, ICMP ${error.type}/${error.code} from ${error.offender}`,
    );
  }
  if (number === ECONNREFUSED || number === ECONNRESET) return result("refused", errnoName(number));
  return refusalOf(number);
}

export class ProbeSockets {
  readonly #ports = new Map<Netns, number>();
  #number = 0;

  /** Numbers of ICMP probes and flows, 31 bits. */
  nextNumber(): number {
    this.#number = (this.#number + 1) & 0x7fffffff;
    return this.#number;
  }

  /** Ports go round, so that no five-tuple comes again before its conntrack entry is gone. */
  nextPort(ns: Netns): number {
    const port = this.#ports.get(ns) ?? FIRST_PORT;
    this.#ports.set(ns, port === LAST_PORT ? FIRST_PORT : port + 1);
    return port;
  }

  /** @returns a socket bound to the source, with the connection under way; or the errno of connect */
  connect(request: ProbeRequest): { readonly fd: number; readonly failed: number } {
    const { from } = request;
    const [type, protocol] =
      request.protocol === "tcp" ? [SOCK_STREAM, IPPROTO_TCP] : [SOCK_DGRAM, IPPROTO_UDP];
    const source = ipOf(from.address);
    const fd = inNamespace(from.namespace, () => openSocket(source.family, type, protocol));
    receiveErrors(fd, source.family);
    for (let attempt = 0; ; attempt++) {
      const bytes = socketAddress(source, this.nextPort(from.namespace));
      if (libc().bind(fd, bytes, bytes.length) >= 0) break;
      const number = errno();
      if (number === EADDRINUSE && attempt < PORT_TRIES) continue;
      libc().close(fd);
      throw new OpError(`cannot probe from ${from.address} in ${from.namespace.name}: ${errnoName(number)}`, {
        code: "kernel-refused",
        facts: { address: from.address, errno: errnoName(number) },
      });
    }
    const to = socketAddress(ipOf(request.to), portOf(request));
    const failed = libc().connect(fd, to, to.length) >= 0 ? 0 : errno();
    return { fd, failed: failed === EINPROGRESS ? 0 : failed };
  }
}
