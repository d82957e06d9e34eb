/** @module What any client may send: nothing of it may stop a stand-in, or make it keep more than it has to. */

import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ANSWERS, type Answer, NO_IMAGE } from "../image.ts";
import type { ServerContext } from "./context.ts";
import { serveTcp } from "./tcp.ts";

const context: ServerContext = {
  pod: "p",
  namespace: "n",
  hostname: "p",
  address: "10.0.0.1",
  image: { ...NO_IMAGE, pattern: "x", kind: "unknown" },
  imageName: "x",
  tag: "7",
  env: new Map(),
  log: () => undefined,
  readFile: () => Promise.resolve(undefined),
  dial: () => Promise.reject(new Error("unused")),
  ask: () => Promise.reject(new Error("unused")),
  exit: () => undefined,
};

/** A client's connection, whose answers are read or not. */
class Connection extends Duplex {
  answered = 0;
  readonly #isRead: boolean;

  constructor(isRead: boolean) {
    super({ allowHalfOpen: true });
    this.#isRead = isRead;
    this.on("error", () => undefined);
  }

  override _read(): void {
    // Pushed by the test.
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.answered += chunk.length;
    if (this.#isRead) done();
  }
}

function connect(answers: Answer, isRead = true): Connection {
  const connection = new Connection(isRead);
  serveTcp(connection as unknown as Socket, { context, port: { port: 1, protocol: "TCP", answers } });
  return connection;
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

/** Openings of the protocols, so that random bytes come beyond the first check. */
const OPENINGS = [
  "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
  "*99999999\r\n",
  "$-7\r\n",
  "*-1\r\n",
  "*3\r\n$5\r\n",
  "get k\r\nstats\r\n",
  "\x08\0\0\0\x04\xd2\x16\x2f",
  "\0\0\0\x29\0\x03\0\0",
  "Q\0\0\0\x04",
  "\x3a\0\0\0\x01\0\0\0\0\0\0\0\xd4\x07\0\0",
  "\x3a\0\0\0\x01\0\0\0\0\0\0\0\xdd\x07\0\0",
  "\xff\xff\xff\x01",
  "\x01\0\0\x00\x01",
  "GET /index.html HTTP/1.1\r\nHost: x\r\n\r\n",
  "GET /%ff%00../../etc/passwd HTTP/1.1\r\n",
].map((text) => Buffer.from(text, "latin1"));

const sent = fc.array(
  fc.oneof(
    fc.constantFrom(...OPENINGS),
    fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
    fc.integer({ min: -9, max: 2 ** 31 }).map((number) => Buffer.from(`${number}\r\n`)),
  ),
  { minLength: 1, maxLength: 12 },
);

test.each(ANSWERS)("no bytes stop a stand-in that answers %s", async (answers) => {
  await fc.assert(
    fc.asyncProperty(sent, async (chunks) => {
      const connection = connect(answers);
      for (const chunk of chunks) connection.push(chunk);
      await settled();
      connection.destroy();
    }),
    { numRuns: 400 },
  );
});

test.each([
  ["redis", "*99999999\r\n$-7\r\n"],
  ["redis", "*99999999\r\n"],
  ["redis", "*1\r\n$-1\r\n"],
  ["redis", "*1\r\n:1\r\n"],
  ["mysql", "\xff\xff\xff\0"],
  ["postgres", "\x7f\xff\xff\xff\0\0\0\0"],
  ["postgres", "\0\0\0\0\0\0\0\0"],
  ["mongo", "\xff\xff\xff\x7f\0\0\0\0\0\0\0\0\0\0\0\0"],
  ["mongo", "\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"],
] as const)("%s closes the connection of a client that sends %j", async (answers, text) => {
  const connection = connect(answers);
  connection.push(Buffer.from(text, "latin1"));
  await settled();
  expect(connection.destroyed).toBe(true);
});

test.each(["redis", "memcached", "mysql", "postgres"] as const)(
  "%s reads no more from a client that does not read",
  async (answers) => {
    const connection = connect(answers, false);
    const command = {
      redis: "PING\r\n",
      memcached: "stats\r\n",
      mysql: "\x01\0\0\0\x0e",
      postgres: "S\0\0\0\x04",
    };
    if (answers === "postgres") connection.push(Buffer.from("\0\0\0\x08\0\x03\0\0", "latin1"));
    const many = Buffer.from(command[answers].repeat(10_000), "latin1");
    for (let count = 0; count < 100; count++) {
      connection.push(many);
      await settled();
    }
    expect(connection.writableLength).toBeLessThan(400 * 1024);
    connection.destroy();
  },
);

test("Redis keeps no more than it has room for", async () => {
  const connection = connect("redis");
  const value = "v".repeat(100_000);
  for (let count = 0; count < 200; count++) {
    connection.push(
      Buffer.from(`*3\r\n$3\r\nSET\r\n$3\r\n${String(count).padStart(3, "0")}\r\n$100000\r\n${value}\r\n`),
    );
    await settled();
  }
  const before = connection.answered;
  connection.push(Buffer.from("KEYS *\r\n"));
  await settled();
  // 4 MiB of values, not 20.
  expect(connection.answered - before).toBeLessThan(500);
  connection.destroy();
});
