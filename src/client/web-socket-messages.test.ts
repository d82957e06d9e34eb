import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { Duplex, Writable } from "node:stream";
import { expect, test } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { PENDING_BYTES, sendMessage } from "./web-socket-messages.ts";

/** A connection that takes nothing, and fails when it is told to. */
class Stuck extends Duplex {
  #fail: ((error: Error) => void) | undefined;

  override _read(): void {
    // Nothing comes.
  }

  override _write(_chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#fail = done;
  }

  override _writev(_chunks: unknown, done: (error?: Error | null) => void): void {
    this.#fail = done;
  }

  fail(): void {
    this.#fail?.(new Error("write EPIPE"));
  }
}

async function stuckSocket(): Promise<{ readonly transport: Stuck; readonly webSocket: WebSocket }> {
  const request = new IncomingMessage(new Socket());
  request.method = "GET";
  request.headers = {
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
  };
  const transport = new Stuck();
  const server = new WebSocketServer({ noServer: true, perMessageDeflate: false, clientTracking: false });
  const webSocket = await new Promise<WebSocket>((resolve) =>
    server.handleUpgrade(request, transport, Buffer.alloc(0), resolve),
  );
  webSocket.on("error", () => webSocket.terminate());
  return { transport, webSocket };
}

test("writers to a client that has gone with more than the limit unsent are called back once", async () => {
  const { transport, webSocket } = await stuckSocket();
  const faults: Error[] = [];
  const sinks = Array.from({ length: 4 }, () => {
    const sink = new Writable({
      highWaterMark: 4 * PENDING_BYTES,
      write: (chunk: Buffer, _encoding, done) => sendMessage(webSocket, chunk, done),
    });
    return sink.on("error", (error) => faults.push(error));
  });
  const closed = new Promise((resolve) => webSocket.once("close", resolve));
  for (const sink of sinks) for (let sent = 0; sent < 8; sent++) sink.write(Buffer.alloc(64 * 1024));
  expect(webSocket.bufferedAmount).toBeGreaterThan(PENDING_BYTES);
  transport.fail();
  await closed;
  expect(faults).toEqual([]);
  // Nobody waits: what is written now goes nowhere.
  await Promise.all(sinks.map((sink) => new Promise<void>((resolve) => sink.end(resolve))));
});

test("what waits on a connection is bounded by its writers, who wait", async () => {
  const { transport, webSocket } = await stuckSocket();
  let taken = 0;
  const send = (): void =>
    sendMessage(webSocket, Buffer.alloc(64 * 1024), () => {
      taken++;
      if (taken < 100) send();
    });
  send();
  expect(taken).toBeLessThan(6);
  expect(webSocket.bufferedAmount).toBeLessThan(PENDING_BYTES + 2 * 64 * 1024);
  transport.destroy();
});
