import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { channelPair, DescriptorChannel } from "./descriptor-channel.ts";
import { koffiProblem, libc } from "./libc.ts";
import { Poller } from "./poller.ts";

const HAS_KERNEL = process.platform === "linux" && koffiProblem() === undefined;

interface Received {
  readonly message: unknown;
  readonly descriptor: number | undefined;
}

interface Pair {
  readonly channel: DescriptorChannel;
  /** The other end, as a descriptor. */
  readonly other: number;
  readonly received: Received[];
  readonly ends: number[];
  readonly poller: Poller;
}

const pairs: Pair[] = [];
afterEach(() => {
  for (const { channel, poller } of pairs.splice(0)) {
    channel.close();
    poller.closeAll();
  }
});

function open(descriptor: number, other: number): Pair {
  const poller = new Poller();
  const received: Received[] = [];
  const ends: number[] = [];
  const channel = new DescriptorChannel({
    poller,
    descriptor,
    received: (message, found) => received.push({ message, descriptor: found }),
    closed: () => ends.push(1),
  });
  const pair = { channel, other, received, ends, poller };
  pairs.push(pair);
  return pair;
}

function connected(): readonly [Pair, Pair] {
  const [a, b] = channelPair();
  return [open(a, b), open(b, a)];
}

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 500 && !holds(); tries++) await sleep(2);
  expect(holds()).toBe(true);
}

test.runIf(HAS_KERNEL)("a message arrives with its descriptor", async () => {
  const [near, far] = connected();
  const file = openSync(import.meta.filename, "r");
  near.channel.send({ what: "a file" }, file);
  await until(() => far.received.length === 1);
  const [{ message, descriptor } = { message: "", descriptor: undefined }] = far.received;
  expect(message).toEqual({ what: "a file" });
  expect(descriptor).not.toBe(file);
  expect(readFileSync(descriptor ?? -1, "utf8")).toContain("arrives with its descriptor");
  closeSync(descriptor ?? -1);
  closeSync(file);
});

test.runIf(HAS_KERNEL)("a descriptor that is handed over is the receiver's alone", async () => {
  const [near, far] = connected();
  near.channel.send({}, openSync(import.meta.filename, "r"), true);
  await until(() => far.received.length === 1);
  const isOurs = (fd: string): boolean => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === import.meta.filename;
    } catch {
      return false;
    }
  };
  expect(readdirSync("/proc/self/fd").filter(isOurs)).toEqual([String(far.received[0]?.descriptor)]);
  closeSync(far.received[0]?.descriptor ?? -1);
});

test.runIf(HAS_KERNEL)("a message longer than a packet is one message, and order is kept", async () => {
  const [near, far] = connected();
  const long = "x".repeat(3_000_000);
  near.channel.send({ long });
  near.channel.send({ next: true });
  // More than the socket holds: the rest waits for who reads.
  expect(near.channel.queuedBytes).toBeGreaterThan(0);
  await until(() => far.received.length === 2);
  expect(far.received.map(({ message }) => message)).toEqual([{ long }, { next: true }]);
  expect(near.channel.queuedBytes).toBe(0);
});

test.runIf(HAS_KERNEL)("the end of the other side is heard once, and sending to it is no error", async () => {
  const [near, far] = connected();
  far.channel.close();
  await until(() => near.ends.length === 1);
  near.channel.send({ what: "nothing" });
  expect(near.ends).toHaveLength(1);
});

test.runIf(HAS_KERNEL).each([
  ["what is no JSON", Buffer.from("\x01{nope")],
  ["an empty packet's place", Buffer.from("\x01")],
])("%s ends the channel", async (_what, bytes) => {
  const [a, b] = channelPair();
  const near = open(a, b);
  expect(libc().send(b, bytes, bytes.length, 0)).toBe(bytes.length);
  await until(() => near.ends.length === 1);
  expect(near.received).toEqual([]);
  closeSync(b);
});

test.runIf(HAS_KERNEL)("a message without an end is not kept for ever", async () => {
  const [a, b] = channelPair();
  const near = open(a, b);
  const part = Buffer.alloc(32 * 1024, 0x20);
  part[0] = 0;
  for (let count = 0; count < 2000 && near.ends.length === 0; count++) {
    libc().send(b, part, part.length, 0x4000);
    if (count % 4 === 0) await sleep(1);
  }
  await until(() => near.ends.length === 1);
  closeSync(b);
});
