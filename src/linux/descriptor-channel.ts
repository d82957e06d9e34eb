/**
 * @module Messages between two processes of ours, with a file descriptor each where one is sent along. A message is JSON; a
 * long one is several packets, the descriptor with the last. @see unix(7), SCM_RIGHTS; cmsg(3)
 */
import { closeSync } from "node:fs";
import {
  AF_UNIX,
  EAGAIN,
  EPOLLIN,
  EPOLLOUT,
  MSG_CMSG_CLOEXEC,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  SCM_RIGHTS,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_SEQPACKET,
  SOL_SOCKET,
} from "./constants.ts";
import { checked, errno, koffiModule, libc } from "./libc.ts";
import type { Poller } from "./poller.ts";

/** A channel's two ends. Both are closed on exec, and whoever is to have one gets it as one of its streams. */
export function channelPair(): readonly [number, number] {
  const ends = new Int32Array(2);
  const type = SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC;
  checked(libc().socketpair(AF_UNIX, type, 0, ends), "make a channel", "kernel-refused");
  return [ends[0] ?? -1, ends[1] ?? -1];
}

const PACKET_BYTES = 32 * 1024;
/** Of one message. A peer that sends more is not one of ours, or not well. */
const MOST_MESSAGE_BYTES = 8 * 1024 * 1024;
/** Packets read before others get their turn. */
const MOST_PACKETS = 64;
const IS_LAST = 1;
/** `struct cmsghdr` and one descriptor, padded. */
const CONTROL_BYTES = 24;
const CONTROL_LENGTH = 20;

/** `struct msghdr` over buffers that live as long as the channel: their addresses are taken once. */
class Packet {
  readonly header: Buffer = Buffer.allocUnsafeSlow(56).fill(0);
  readonly bytes: Buffer = Buffer.allocUnsafeSlow(PACKET_BYTES + 1);
  readonly control: Buffer = Buffer.allocUnsafeSlow(CONTROL_BYTES).fill(0);
  readonly #vector = Buffer.allocUnsafeSlow(16).fill(0);

  constructor() {
    const { address } = koffiModule();
    this.#vector.writeBigUInt64LE(address(this.bytes), 0);
    this.header.writeBigUInt64LE(address(this.#vector), 16);
    this.header.writeBigUInt64LE(1n, 24);
    this.header.writeBigUInt64LE(address(this.control), 32);
  }

  prepare(length: number, controlLength: number): void {
    this.#vector.writeBigUInt64LE(BigInt(length), 8);
    this.header.writeBigUInt64LE(BigInt(controlLength), 40);
  }
}

interface Queued {
  readonly bytes: Buffer;
  readonly isLast: boolean;
  readonly descriptor: number | undefined;
  /** The descriptor is closed once it is sent. */
  readonly handOver: boolean;
}

export interface ChannelOptions {
  readonly poller: Poller;
  readonly descriptor: number;
  /** @param descriptor - the receiver's to close */
  readonly received: (message: unknown, descriptor: number | undefined) => void;
  /** The other end is gone, or sent what is no message. */
  readonly closed: () => void;
}

export class DescriptorChannel {
  readonly #options: ChannelOptions;
  readonly #sending = new Packet();
  readonly #receiving = new Packet();
  readonly #queue: Queued[] = [];
  #queuedBytes = 0;
  #parts: Buffer[] = [];
  #partBytes = 0;
  #isOpen = true;

  constructor(options: ChannelOptions) {
    this.#options = options;
    options.poller.add(options.descriptor, EPOLLIN, (events) => {
      if ((events & EPOLLOUT) !== 0) this.#flush();
      if (this.#isOpen && (events & ~EPOLLOUT) !== 0) this.#receive();
    });
  }

  /** What the other side has not taken yet. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /**
   * @param descriptor - sent along; it stays the caller's, who keeps it open as long as the channel is
   * @param handOver - it is closed here once it is sent, or cannot be
   */
  send(message: unknown, descriptor?: number, handOver = false): void {
    if (!this.#isOpen) {
      if (handOver && descriptor !== undefined) closeSync(descriptor);
      return;
    }
    const bytes = Buffer.from(JSON.stringify(message));
    for (let at = 0; at < bytes.length; at += PACKET_BYTES) {
      const part = bytes.subarray(at, at + PACKET_BYTES);
      const isLast = at + PACKET_BYTES >= bytes.length;
      this.#queuedBytes += part.length;
      this.#queue.push({ bytes: part, isLast, descriptor: isLast ? descriptor : undefined, handOver });
    }
    this.#flush();
  }

  #flush(): void {
    while (this.#queue[0]) {
      const [packet] = this.#queue;
      const result = this.#write(packet);
      if (result < 0) {
        const number = errno();
        if (number === EAGAIN) this.#options.poller.change(this.#options.descriptor, EPOLLIN | EPOLLOUT);
        else this.#fail();
        return;
      }
      this.#queue.shift();
      this.#queuedBytes -= packet.bytes.length;
      if (packet.handOver && packet.descriptor !== undefined) closeSync(packet.descriptor);
    }
    this.#options.poller.change(this.#options.descriptor, EPOLLIN);
  }

  #write({ bytes, isLast, descriptor }: Queued): number {
    const { header, bytes: buffer, control } = this.#sending;
    buffer[0] = isLast ? IS_LAST : 0;
    bytes.copy(buffer, 1);
    if (descriptor !== undefined) {
      control.writeBigUInt64LE(BigInt(CONTROL_LENGTH), 0);
      control.writeInt32LE(SOL_SOCKET, 8);
      control.writeInt32LE(SCM_RIGHTS, 12);
      control.writeInt32LE(descriptor, 16);
    }
    this.#sending.prepare(bytes.length + 1, descriptor === undefined ? 0 : CONTROL_BYTES);
    return libc().sendmsg(this.#options.descriptor, header, MSG_DONTWAIT | MSG_NOSIGNAL);
  }

  #receive(): void {
    const { header, bytes, control } = this.#receiving;
    for (let count = 0; count < MOST_PACKETS && this.#isOpen; count++) {
      this.#receiving.prepare(bytes.length, CONTROL_BYTES);
      const length = libc().recvmsg(this.#options.descriptor, header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
      if (length < 0 && errno() === EAGAIN) return;
      if (length <= 0) {
        this.#fail();
        return;
      }
      const hasDescriptor = Number(header.readBigUInt64LE(40)) >= CONTROL_LENGTH;
      const descriptor = hasDescriptor ? control.readInt32LE(16) : undefined;
      this.#take(Buffer.from(bytes.subarray(1, length)), bytes[0] === IS_LAST, descriptor);
    }
  }

  #take(part: Buffer, isLast: boolean, descriptor: number | undefined): void {
    this.#parts.push(part);
    this.#partBytes += part.length;
    if (this.#partBytes > MOST_MESSAGE_BYTES) {
      if (descriptor !== undefined) closeSync(descriptor);
      this.#fail();
      return;
    }
    if (!isLast) return;
    const whole = Buffer.concat(this.#parts);
    this.#parts = [];
    this.#partBytes = 0;
    let message: unknown;
    try {
      message = JSON.parse(whole.toString());
    } catch {
      if (descriptor !== undefined) closeSync(descriptor);
      this.#fail();
      return;
    }
    this.#options.received(message, descriptor);
  }

  #fail(): void {
    if (!this.#isOpen) return;
    this.close();
    this.#options.closed();
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#options.poller.close(this.#options.descriptor);
    for (const { descriptor, handOver } of this.#queue)
      if (handOver && descriptor !== undefined) closeSync(descriptor);
    this.#queue.length = 0;
    this.#parts = [];
  }
}
