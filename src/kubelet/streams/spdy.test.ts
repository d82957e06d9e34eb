import { Duplex, PassThrough } from "node:stream";
import { createDeflate, createInflate, constants as zlib } from "node:zlib";
import { expect, test } from "vitest";
import { SPDY_DICTIONARY } from "./spdy-dictionary.ts";
import { controlFrame, dataFrame, FLAG_FIN, FRAME, FrameReader, numbers } from "./spdy-frames.ts";
import { HeaderReader, HeaderWriter } from "./spdy-headers.ts";
import { SpdySession, type SpdyStream } from "./spdy-session.ts";

/** As a client writes them: compressed, one zlib stream for all blocks. */
class Compressor {
  readonly #deflate = createDeflate({ dictionary: SPDY_DICTIONARY, flush: zlib.Z_SYNC_FLUSH });

  block(headers: Readonly<Record<string, string>>): Promise<Buffer> {
    const words = Object.entries(headers).flat();
    const parts = words.flatMap((word) => [numbers(word.length), Buffer.from(word)]);
    return new Promise((resolve) => {
      this.#deflate.write(Buffer.concat([numbers(words.length / 2), ...parts]), () =>
        setImmediate(() => resolve(this.#deflate.read() as Buffer)),
      );
    });
  }

  async open(id: number, headers: Readonly<Record<string, string>>, flags = 0): Promise<Buffer> {
    const head = Buffer.concat([numbers(id, 0), Buffer.alloc(2)]);
    return controlFrame(FRAME.synStream, Buffer.concat([head, await this.block(headers)]), flags);
  }
}

test("the dictionary is the one whose sum zlib's streams name", async () => {
  const { block } = { block: await new Compressor().block({ a: "b" }) };
  expect(block.subarray(0, 6).toString("hex")).toMatch(/^78..e3c6a7c2$/);
});

test("header blocks are read in their order, as one stream", async () => {
  const [client, reader] = [new Compressor(), new HeaderReader()];
  for (const headers of [{ streamtype: "data", port: "80" }, { streamtype: "error", port: "80" }, {}])
    expect(Object.fromEntries(await reader.read(await client.block(headers)))).toEqual(headers);
  reader.close();
});

test("header blocks that are written can be inflated, each when it comes", async () => {
  const [writer, reader] = [new HeaderWriter(), new HeaderReader()];
  for (const headers of [new Map(), new Map([["a", "b"]]), new Map([["long", "x".repeat(40_000)]])])
    expect(await reader.read(writer.write(headers))).toEqual(headers);
  reader.close();
  const inflate = createInflate({ dictionary: SPDY_DICTIONARY, finishFlush: zlib.Z_SYNC_FLUSH });
  inflate.end(new HeaderWriter().write(new Map()));
  expect(Buffer.concat(await inflate.toArray())).toEqual(Buffer.alloc(4));
});

test("a header block that is none is an error, as is all after it", async () => {
  const reader = new HeaderReader();
  await expect(reader.read(Buffer.from("no zlib"))).rejects.toThrow();
  await expect(reader.read(Buffer.alloc(3))).rejects.toThrow();
});

test("frames are the same however they are cut", () => {
  const bytes = Buffer.concat([
    controlFrame(FRAME.ping, numbers(7)),
    dataFrame(1, Buffer.from("hello")),
    dataFrame(3, Buffer.alloc(0), FLAG_FIN),
    dataFrame(5, Buffer.from("the end"), FLAG_FIN),
    controlFrame(FRAME.rstStream, numbers(1, 5)),
  ]);
  for (let step = 1; step <= bytes.length; step++) {
    const reader = new FrameReader();
    const told: string[] = [];
    const data = new Map<number, string>();
    for (let at = 0; at < bytes.length; at += step)
      for (const frame of reader.read(bytes.subarray(at, at + step))) {
        if (frame.kind === "control") told.push(`control ${frame.type} ${frame.payload.toString("hex")}`);
        else {
          data.set(frame.stream, (data.get(frame.stream) ?? "") + frame.bytes.toString());
          if (frame.isLast) told.push(`end of ${frame.stream}`);
        }
      }
    expect(told).toEqual(["control 6 00000007", "end of 3", "end of 5", "control 3 0000000100000005"]);
    expect([...data]).toEqual([
      [1, "hello"],
      [3, ""],
      [5, "the end"],
    ]);
  }
});

test.each([
  ["another version", Buffer.from([0x80, 2, 0, 6, 0, 0, 0, 4, 0, 0, 0, 1])],
  ["a control frame beyond all measure", Buffer.from([0x80, 3, 0, 1, 0, 0xff, 0, 0])],
])("%s ends the connection", (_why, bytes) => {
  expect(() => [...new FrameReader().read(bytes)]).toThrow();
});

interface Pair {
  readonly toServer: PassThrough;
  readonly toClient: PassThrough;
  readonly streams: SpdyStream[];
  readonly transport: Duplex;
}

function session(probeMs?: number): Pair {
  const [toServer, toClient] = [new PassThrough(), new PassThrough({ highWaterMark: 64 * 1024 })];
  const transport = Duplex.from({ readable: toServer, writable: toClient });
  const streams: SpdyStream[] = [];
  new SpdySession(transport, {
    onStream: (stream) => streams.push(stream),
    onEnd: () => undefined,
    log: () => undefined,
    ...(probeMs !== undefined && { probeMs }),
  });
  return { toServer, toClient, streams, transport };
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

test("a stream is opened, read and written, and ends in both directions", async () => {
  const { toServer, streams } = session();
  const client = new Compressor();
  toServer.write(await client.open(1, { streamtype: "data" }));
  toServer.write(dataFrame(1, Buffer.from("question"), FLAG_FIN));
  await turn();
  const [stream] = streams;
  expect(stream?.headers.get("streamtype")).toBe("data");
  expect(Buffer.concat(await stream!.toArray()).toString()).toBe("question");
});

test("pings are answered, and the answers of others are not", async () => {
  const { toServer, toClient } = session();
  toServer.write(controlFrame(FRAME.ping, numbers(2)));
  toServer.write(controlFrame(FRAME.ping, numbers(3)));
  await turn();
  expect(toClient.read()).toEqual(controlFrame(FRAME.ping, numbers(3)));
});

test("a stream that nobody reads holds up the connection; a reset one does not", async () => {
  const { toServer, streams } = session();
  const client = new Compressor();
  toServer.write(await client.open(1, {}));
  for (let sent = 0; sent < 8; sent++) toServer.write(dataFrame(1, Buffer.alloc(128 * 1024)));
  await turn();
  expect(streams[0]?.readableLength).toBeLessThan(512 * 1024);
  expect(toServer.readableLength + toServer.writableLength).toBeGreaterThan(256 * 1024);
  streams[0]?.destroy();
  await turn();
  expect(toServer.readableLength + toServer.writableLength).toBe(0);
});

test("who writes waits for the client", async () => {
  const { toServer, toClient, streams } = session();
  toServer.write(await new Compressor().open(1, {}));
  await turn();
  const [stream] = streams;
  let written = 0;
  const more = (): void => {
    for (let goes = true; goes && written < 100; written++) goes = stream!.write(Buffer.alloc(64 * 1024));
  };
  stream!.on("drain", more);
  more();
  await turn();
  expect(written).toBeLessThan(20);
  toClient.resume();
  await turn();
  await turn();
  expect(written).toBe(100);
});

test("when the client is gone, streams read as ended and swallow what is written", async () => {
  const { toServer, streams } = session();
  toServer.write(await new Compressor().open(1, {}));
  await turn();
  let isGone = false;
  streams[0]?.once("gone", () => {
    isGone = true;
  });
  toServer.end();
  await turn();
  expect(isGone).toBe(true);
  expect(await streams[0]!.toArray()).toEqual([]);
  streams[0]!.write("nobody");
});

test("a client that asks without reading is not listened to further", async () => {
  const { toServer, toClient } = session();
  for (let asked = 0; asked < 50_000; asked++)
    toServer.write(controlFrame(FRAME.ping, numbers(2 * asked + 1)));
  await turn();
  // Twelve bytes an answer: the connection's own buffers, and not all fifty thousand.
  expect(toClient.readableLength + toClient.writableLength).toBeLessThan(160 * 1024);
  expect(toServer.readableLength + toServer.writableLength).toBeGreaterThan(100 * 1024);
  let answered = 0;
  toClient.on("data", (chunk: Buffer) => {
    answered += chunk.length;
  });
  for (let turns = 0; turns < 50 && answered < 600_000; turns++) await turn();
  expect(answered).toBe(12 * 50_000);
});

test("a connection has so many streams and no more", async () => {
  const { toServer, toClient, streams } = session();
  toClient.resume();
  const writer = new HeaderWriter();
  for (let id = 1; id < 5000; id += 2) {
    const block = writer.write(new Map([["streamtype", "data"]]));
    toServer.write(controlFrame(FRAME.synStream, Buffer.concat([numbers(id, 0), Buffer.alloc(2), block])));
  }
  for (let turns = 0; turns < 100 && streams.length < 2000; turns++) await turn();
  for (let turns = 0; turns < 5; turns++) await turn();
  expect(streams).toHaveLength(2000);
});

test("a client that is held up is asked whether it is there", async () => {
  const { toServer, toClient, streams } = session(10);
  toServer.write(await new Compressor().open(1, {}));
  await turn();
  toClient.read();
  await turn();
  expect(toClient.read()).toBeNull();
  for (let sent = 0; sent < 8; sent++) toServer.write(dataFrame(1, Buffer.alloc(128 * 1024)));
  await turn();
  await turn();
  const asked = toClient.read() as Buffer;
  expect(asked.subarray(0, 12)).toEqual(controlFrame(FRAME.ping, numbers(2)));
  // It has left without a word: the next question breaks the connection, and the stream with it.
  const gone = new Promise((resolve) => streams[0]?.once("gone", () => resolve("gone")));
  toClient.destroy();
  expect(await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, 2000))])).toBe("gone");
});
