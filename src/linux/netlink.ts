/**
 * @module Netlink: messages of nested attributes, sent and answered synchronously (linux/netlink.h).
 *
 * The kernel works a request off inside `send`, so when `send` returns, every answer already waits in the socket.
 */
import { OpError } from "../base/errors.ts";
import {
  AF_NETLINK,
  EAGAIN,
  EINTR,
  ENOBUFS,
  MSG_DONTWAIT,
  MSG_TRUNC,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_RCVTIMEO,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SOCK_CLOEXEC,
  SOCK_RAW,
  SOL_SOCKET,
} from "./constants.ts";
import { checked, errno, errnoName, libc } from "./libc.ts";
import type { Netns } from "./netns.ts";
import { inNamespace } from "./netns.ts";

export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;

export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_DUMP = 0x300;
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;

export const NLMSG_ERROR = 0x2;
export const NLMSG_DONE = 0x3;
const NLM_F_ACK_TLVS = 0x200;
const NLM_F_CAPPED = 0x100;
const NLMSGERR_ATTR_MSG = 1;

const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;

export const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;
export const NLMSG_HEADER = 16;

/** Writes messages one behind the other into one growing buffer. Host byte order is little-endian on all we run on. */
export class NetlinkWriter {
  #buffer: Buffer;
  #length = 0;
  #message = -1;

  constructor(capacity = 4096) {
    this.#buffer = Buffer.allocUnsafeSlow(capacity);
  }

  get length(): number {
    return this.#length;
  }

  /** The messages so far; valid until the next write. */
  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  #reserve(size: number): number {
    const start = this.#length;
    const end = start + size;
    if (end > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(end, this.#buffer.length * 2));
      this.#buffer.copy(larger, 0, 0, start);
      this.#buffer = larger;
    }
    this.#length = end;
    return start;
  }

  begin(type: number, flags: number, sequence: number): void {
    const start = this.#reserve(NLMSG_HEADER);
    this.#message = start;
    this.#buffer.writeUInt32LE(0, start);
    this.#buffer.writeUInt16LE(type, start + 4);
    this.#buffer.writeUInt16LE(flags, start + 6);
    this.#buffer.writeUInt32LE(sequence, start + 8);
    this.#buffer.writeUInt32LE(0, start + 12);
  }

  end(): void {
    this.#buffer.writeUInt32LE(this.#length - this.#message, this.#message);
  }

  /** Bytes of a fixed header (`ifinfomsg`, `nfgenmsg` …), padded to 4. */
  raw(bytes: Uint8Array): void {
    const padded = (bytes.length + 3) & ~3;
    const start = this.#reserve(padded);
    this.#buffer.set(bytes, start);
    this.#buffer.fill(0, start + bytes.length, start + padded);
  }

  #attribute(type: number, size: number): number {
    const padded = (size + 3) & ~3;
    const start = this.#reserve(4 + padded);
    this.#buffer.writeUInt16LE(4 + size, start);
    this.#buffer.writeUInt16LE(type, start + 2);
    if (padded !== size) this.#buffer.fill(0, start + 4 + size, start + 4 + padded);
    return start + 4;
  }

  attribute(type: number, bytes: Uint8Array): void {
    const start = this.#attribute(type, bytes.length);
    this.#buffer.set(bytes, start);
  }

  /** With the terminating zero that nla_strscpy and netfilter expect. */
  string(type: number, text: string): void {
    const size = Buffer.byteLength(text, "latin1") + 1;
    const start = this.#attribute(type, size);
    this.#buffer.write(text, start, "latin1");
    this.#buffer[start + size - 1] = 0;
  }

  u8(type: number, value: number): void {
    this.#buffer[this.#attributeAt(type, 1)] = value;
  }

  u16(type: number, value: number): void {
    const start = this.#attributeAt(type, 2);
    this.#buffer.writeUInt16LE(value, start);
  }

  u32(type: number, value: number): void {
    const start = this.#attributeAt(type, 4);
    this.#buffer.writeUInt32LE(value >>> 0, start);
  }

  /** Netfilter has its numbers in network byte order. */
  be32(type: number, value: number): void {
    const start = this.#attributeAt(type, 4);
    this.#buffer.writeUInt32BE(value >>> 0, start);
  }

  be64(type: number, value: bigint): void {
    const start = this.#attributeAt(type, 8);
    this.#buffer.writeBigUInt64BE(value, start);
  }

  /** Reserves first, so that `this.#buffer` is read after it may have grown. */
  #attributeAt(type: number, size: number): number {
    return this.#attribute(type, size);
  }

  /** Opens a nested attribute; give the result to {@link close}. An attribute's length is 16 bits wide. */
  open(type: number): number {
    const start = this.#reserve(4);
    this.#buffer.writeUInt16LE(type | NLA_F_NESTED, start + 2);
    return start;
  }

  close(start: number): void {
    this.#buffer.writeUInt16LE(this.#length - start, start);
  }
}

export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly payload: Buffer;
}

export function* parseMessages(buffer: Buffer): Generator<NetlinkMessage> {
  for (let at = 0; at + NLMSG_HEADER <= buffer.length; ) {
    const length = buffer.readUInt32LE(at);
    if (length < NLMSG_HEADER || at + length > buffer.length) return;
    yield {
      type: buffer.readUInt16LE(at + 4),
      flags: buffer.readUInt16LE(at + 6),
      sequence: buffer.readUInt32LE(at + 8),
      payload: buffer.subarray(at + NLMSG_HEADER, at + length),
    };
    at += (length + 3) & ~3;
  }
}

/** Attributes by type; of repeated ones the last. */
export function parseAttributes(buffer: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (const [type, value] of eachAttribute(buffer)) found.set(type, value);
  return found;
}

/** Attributes in order, repeated ones too. */
export function* eachAttribute(buffer: Buffer): Generator<readonly [number, Buffer]> {
  for (let at = 0; at + 4 <= buffer.length; ) {
    const length = buffer.readUInt16LE(at);
    if (length < 4 || at + length > buffer.length) return;
    yield [buffer.readUInt16LE(at + 2) & NLA_TYPE_MASK, buffer.subarray(at + 4, at + length)];
    at += (length + 3) & ~3;
  }
}

/** One refusal: which message, and the kernel's errno and words. */
export interface NetlinkRefusal {
  readonly sequence: number;
  readonly errno: number;
  readonly message: string | undefined;
}

function parseError(message: NetlinkMessage): NetlinkRefusal {
  const { payload } = message;
  const error = -payload.readInt32LE(0);
  let text: string | undefined;
  if ((message.flags & NLM_F_ACK_TLVS) !== 0) {
    // The refused message follows the error, whole unless capped to its header.
    const echoed = (message.flags & NLM_F_CAPPED) !== 0 ? NLMSG_HEADER : payload.readUInt32LE(4);
    const attribute = parseAttributes(payload.subarray(4 + ((echoed + 3) & ~3))).get(NLMSGERR_ATTR_MSG);
    text = attribute?.toString("latin1").replace(/\0.*$/s, "");
  }
  return { sequence: message.sequence, errno: error, message: text };
}

function int32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

const RECEIVE_SIZE = 1 << 18;
/** Shared by all sockets: every read is done with before the next one starts. */
let receiveBuffer: Buffer | undefined;

/** `struct timeval`: an answer that never comes is an error, not a process that hangs. */
const ANSWER_TIMEOUT: Buffer = Buffer.alloc(16);
ANSWER_TIMEOUT.writeBigInt64LE(5n, 0);

export class NetlinkSocket {
  readonly fd: number;
  #sequence = 1;

  private constructor(fd: number) {
    this.fd = fd;
  }

  /** A socket that stays in `ns`, whatever namespace it is used from. */
  static open(ns: Netns, protocol: number): NetlinkSocket {
    const fd = inNamespace(ns, () =>
      checked(libc().socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), "open a netlink socket"),
    );
    const socket = new NetlinkSocket(fd);
    libc().setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, int32(1), 4);
    libc().setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, int32(1), 4);
    libc().setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, ANSWER_TIMEOUT, 16);
    return socket;
  }

  /** A number for a message's header, by which its refusal is known again. */
  nextSequence(): number {
    return this.#sequence++;
  }

  /**
   * Makes room for one send of `bytes` and as many answers. One sendmsg must fit into the socket's send buffer whole.
   * Beyond net.core.wmem_max only CAP_NET_ADMIN in the machine's first user namespace helps.
   */
  reserve(bytes: number): void {
    for (const [force, plain] of [
      [SO_SNDBUFFORCE, SO_SNDBUF],
      [SO_RCVBUFFORCE, SO_RCVBUF],
    ] as const) {
      if (libc().setsockopt(this.fd, SOL_SOCKET, force, int32(bytes), 4) < 0) {
        libc().setsockopt(this.fd, SOL_SOCKET, plain, int32(bytes), 4);
      }
    }
  }

  /** @returns 0, or the errno of the send as a whole */
  send(bytes: Uint8Array): number {
    for (;;) {
      if (libc().send(this.fd, bytes, bytes.length, 0) >= 0) return 0;
      const number = errno();
      if (number !== EINTR) return number;
    }
  }

  /** One datagram of messages; undefined when none waits. The messages are valid until the next call. */
  receive(flags: number): Buffer | undefined {
    receiveBuffer ??= Buffer.allocUnsafeSlow(RECEIVE_SIZE);
    for (;;) {
      const length = libc().recv(this.fd, receiveBuffer, receiveBuffer.length, flags | MSG_TRUNC);
      if (length >= 0) {
        if (length <= receiveBuffer.length) return receiveBuffer.subarray(0, length);
        throw new OpError("a netlink answer was larger than its buffer", {
          code: "netlink-failed",
          facts: { length },
        });
      }
      const number = errno();
      if (number === EAGAIN) return undefined;
      // ENOBUFS says that answers were lost after those we already have; what we have is judged first.
      if (number === EINTR || number === ENOBUFS) continue;
      throw new OpError(`cannot read from netlink: ${errnoName(number)}`, { code: "netlink-failed" });
    }
  }

  /**
   * Sends messages, of which at least the last asks for an acknowledgement, and reads what is answered.
   * @returns refusals in the order in which the kernel met them
   */
  transact(bytes: Uint8Array): {
    readonly refusals: readonly NetlinkRefusal[];
    readonly acknowledged: number;
  } {
    while (this.receive(MSG_DONTWAIT)) {
      // Left-overs of an interrupted dump.
    }
    const failed = this.send(bytes);
    if (failed !== 0)
      return { refusals: [{ sequence: 0, errno: failed, message: undefined }], acknowledged: 0 };
    const refusals: NetlinkRefusal[] = [];
    let acknowledged = 0;
    for (let answer = this.receive(MSG_DONTWAIT); answer; answer = this.receive(MSG_DONTWAIT)) {
      for (const message of parseMessages(answer)) {
        if (message.type !== NLMSG_ERROR) continue;
        const refusal = parseError(message);
        if (refusal.errno === 0) acknowledged++;
        else refusals.push(refusal);
      }
    }
    return { refusals, acknowledged };
  }

  /**
   * Sends one request with NLM_F_DUMP, or for one object, and hands over each answer.
   * @returns whether the dump was consistent: false when things changed while it ran
   * @throws OpError `netlink-failed`, with `errno` in its facts
   */
  dump(bytes: Uint8Array, attempt: string, visit: (message: NetlinkMessage) => void): boolean {
    const failed = this.send(bytes);
    if (failed !== 0) {
      throw new OpError(`cannot ${attempt}: ${errnoName(failed)}`, {
        code: "netlink-failed",
        facts: { errno: errnoName(failed) },
      });
    }
    let consistent = true;
    for (;;) {
      const answer = this.receive(0);
      if (!answer) throw new OpError(`cannot ${attempt}: no answer`, { code: "netlink-failed" });
      for (const message of parseMessages(answer)) {
        if ((message.flags & NLM_F_DUMP_INTR) !== 0) consistent = false;
        if (message.type === NLMSG_DONE) return consistent;
        if (message.type === NLMSG_ERROR) {
          const refusal = parseError(message);
          if (refusal.errno === 0) return consistent;
          throw new OpError(`cannot ${attempt}: ${errnoName(refusal.errno)}`, {
            code: "netlink-failed",
            facts: { errno: errnoName(refusal.errno), kernel: refusal.message },
          });
        }
        visit(message);
      }
    }
  }

  close(): void {
    libc().close(this.fd);
  }
}
