/** @module Sockets in namespaces: addresses as bytes, non-blocking sockets, and what ICMP says about them. */

import { must } from "../base/errors.ts";
import type { Ip } from "../base/ip.ts";
import { formatIp, ipBytes, ipFromBytes, parseIp } from "../base/ip.ts";
import {
  AF_INET,
  AF_INET6,
  IP_RECVERR,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_RECVERR,
  IPV6_V6ONLY,
  MSG_DONTWAIT,
  MSG_ERRQUEUE,
  RLIMIT_NOFILE,
  SO_ERROR,
  SO_LINGER,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOL_SOCKET,
} from "./constants.ts";
import { checked, koffiModule, libc } from "./libc.ts";

const SOCKADDR_IN = 16;
const SOCKADDR_IN6 = 28;

/** `struct sockaddr_in` or `sockaddr_in6` (linux/in.h, linux/in6.h). */
export function socketAddress(ip: Ip, port: number): Buffer {
  const bytes = Buffer.alloc(ip.family === 4 ? SOCKADDR_IN : SOCKADDR_IN6);
  bytes.writeUInt16LE(ip.family === 4 ? AF_INET : AF_INET6);
  bytes.writeUInt16BE(port, 2);
  bytes.set(ipBytes(ip), ip.family === 4 ? 4 : 8);
  return bytes;
}

/** The inverse of {@link socketAddress}; a mapped address is the IPv4 address. */
export function parseSocketAddress(bytes: Buffer): { readonly ip: Ip; readonly port: number } | undefined {
  const family = bytes.readUInt16LE(0);
  if (family !== AF_INET && family !== AF_INET6) return undefined;
  const raw = family === AF_INET ? bytes.subarray(4, 8) : bytes.subarray(8, 24);
  const ip = must(ipFromBytes(raw), "an address");
  const plain =
    ip.family === 6 && ip.bits >> 32n === 0xffffn ? { family: 4 as const, bits: ip.bits & 0xffffffffn } : ip;
  return { ip: plain, port: bytes.readUInt16BE(2) };
}

export function ipOf(text: string): Ip {
  return must(parseIp(text), `an IP address, not ${text}`);
}

const ONE = Buffer.from([1, 0, 0, 0]);
const ZERO = Buffer.alloc(4);
/** `struct linger { on, 0 }`: close sends RST, and neither side keeps state. */
const LINGER_RESET = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);

export function openSocket(family: 4 | 6, type: number, protocol: number): number {
  return checked(
    libc().socket(family === 4 ? AF_INET : AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol),
    `open a socket (IPv${family}, protocol ${protocol})`,
    "kernel-refused",
  );
}

/** ICMP errors about this socket's packets are queued, with who sent them. */
export function receiveErrors(fd: number, family: 4 | 6): void {
  if (family === 4) libc().setsockopt(fd, IPPROTO_IP, IP_RECVERR, ONE, 4);
  else libc().setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, ONE, 4);
}

/** One IPv6 socket takes IPv4 as well. */
export function bothFamilies(fd: number): void {
  libc().setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, ZERO, 4);
}

export function resetOnClose(fd: number): void {
  libc().setsockopt(fd, SOL_SOCKET, SO_LINGER, LINGER_RESET, 8);
}

const errorValue = new Int32Array(1);
const errorLength = new Int32Array([4]);

/** The pending error, which is thereby cleared; 0 when there is none. */
export function socketError(fd: number): number {
  errorLength[0] = 4;
  if (libc().getsockopt(fd, SOL_SOCKET, SO_ERROR, errorValue, errorLength) < 0) return 0;
  return errorValue[0] ?? 0;
}

/** An entry of the error queue (linux/errqueue.h). */
export interface QueuedError {
  readonly errno: number;
  readonly type: number;
  readonly code: number;
  /** Who sent the ICMP message. */
  readonly offender: string | undefined;
  /** The refused packet, from its transport header on. */
  readonly payload: Buffer;
}

const SO_EE_ORIGIN_ICMP = 2;
const SO_EE_ORIGIN_ICMP6 = 3;
const CMSG_HEADER = 16;
const SOCK_EXTENDED_ERR = 16;

/** `struct msghdr` over three buffers that live as long as the process: their addresses are taken once. */
class ErrorReader {
  readonly #header = Buffer.allocUnsafeSlow(56).fill(0);
  readonly #vector = Buffer.allocUnsafeSlow(16).fill(0);
  readonly #payload = Buffer.allocUnsafeSlow(2048);
  readonly #control = Buffer.allocUnsafeSlow(512);
  readonly #name = Buffer.allocUnsafeSlow(128);

  constructor() {
    const { address } = koffiModule();
    this.#vector.writeBigUInt64LE(address(this.#payload), 0);
    this.#vector.writeBigUInt64LE(BigInt(this.#payload.length), 8);
    this.#header.writeBigUInt64LE(address(this.#name), 0);
    this.#header.writeBigUInt64LE(address(this.#vector), 16);
    this.#header.writeBigUInt64LE(1n, 24);
    this.#header.writeBigUInt64LE(address(this.#control), 32);
  }

  read(fd: number): QueuedError | undefined {
    this.#header.writeUInt32LE(this.#name.length, 8);
    this.#header.writeBigUInt64LE(BigInt(this.#control.length), 40);
    const length = libc().recvmsg(fd, this.#header, MSG_ERRQUEUE | MSG_DONTWAIT);
    if (length < 0) return undefined;
    const controlLength = Number(this.#header.readBigUInt64LE(40));
    if (controlLength < CMSG_HEADER + SOCK_EXTENDED_ERR) return undefined;
    const error = this.#control.subarray(CMSG_HEADER);
    const origin = error[4];
    if (origin !== SO_EE_ORIGIN_ICMP && origin !== SO_EE_ORIGIN_ICMP6) {
      return {
        errno: error.readUInt32LE(0),
        type: 0,
        code: 0,
        offender: undefined,
        payload: Buffer.alloc(0),
      };
    }
    const offender = parseSocketAddress(error.subarray(SOCK_EXTENDED_ERR));
    return {
      errno: error.readUInt32LE(0),
      type: error[5] ?? 0,
      code: error[6] ?? 0,
      offender: offender && formatIp(offender.ip),
      payload: Buffer.from(this.#payload.subarray(0, length)),
    };
  }
}

let reader: ErrorReader | undefined;

/** The next ICMP error about this socket; undefined when none is queued. */
export function queuedError(fd: number): QueuedError | undefined {
  reader ??= new ErrorReader();
  return reader.read(fd);
}

/** Lets this process have as many files as it may. @returns the limit */
export function raiseFileLimit(): number {
  const limit = new BigUint64Array(2);
  if (libc().prlimit(0, RLIMIT_NOFILE, null, limit) < 0) return 1024;
  const [soft = 1024n, hard = 1024n] = limit;
  if (soft < hard) {
    limit[0] = hard;
    if (libc().prlimit(0, RLIMIT_NOFILE, limit, null) < 0) return Number(soft);
  }
  return Number(hard);
}
