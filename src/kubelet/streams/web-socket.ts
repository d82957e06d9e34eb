/** @module WebSockets by the `ws` package: which subprotocols, and reading and writing without growing. */
import type { IncomingMessage } from "node:http";
import { Duplex, type Writable } from "node:stream";
import { type ServerOptions, type WebSocket, WebSocketServer } from "ws";
import { bytesOf, PENDING_BYTES, sendMessage } from "../../client/web-socket-messages.ts";

/** SPDY inside binary messages: its slash makes it no token, so `ws` would refuse it. */
export const TUNNEL_PROTOCOL = "SPDY/3.1+portforward.k8s.io";
/** Newest first. */
const CHANNEL_PROTOCOLS = ["v5.channel.k8s.io", "v4.channel.k8s.io", "channel.k8s.io"];
/** Messages are of 32 KiB usually. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;
/** The client still reads what is on its way; one that never answers is let go. */
const CLOSE_TIMEOUT_MS = 60_000;
/** A connection that is not read does not say that its client has gone: writing to it does. */
export const PROBE_MS = 5_000;

const OPTIONS = {
  noServer: true,
  perMessageDeflate: false,
  maxPayload: MAX_MESSAGE_BYTES,
  closeTimeout: CLOSE_TIMEOUT_MS,
  clientTracking: false,
  // Answers to pings would wait without end for a client that asks and does not read.
  autoPong: false,
} satisfies ServerOptions & { readonly closeTimeout: number };

const channelServer = new WebSocketServer({
  ...OPTIONS,
  handleProtocols: (offered) => CHANNEL_PROTOCOLS.find((one) => offered.has(one)) ?? false,
});

const tunnelServer = new WebSocketServer(OPTIONS);
tunnelServer.on("headers", (lines) => lines.push(`Sec-WebSocket-Protocol: ${TUNNEL_PROTOCOL}`));

export interface Upgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

export function isWebSocket({ request }: Upgrade): boolean {
  return request.headers.upgrade?.toLowerCase() === "websocket";
}

export function offersTunnel({ request }: Upgrade): boolean {
  const offered = request.headers["sec-websocket-protocol"] ?? "";
  return offered.split(",").some((one) => one.trim() === TUNNEL_PROTOCOL);
}

/** Never resolves when the client's handshake is wrong: `ws` has answered it then. */
export function acceptChannels({ request, socket, head }: Upgrade): Promise<WebSocket> {
  return new Promise((resolve) =>
    channelServer.handleUpgrade(request, socket, head, (webSocket) => resolve(answeringPings(webSocket))),
  );
}

/** The bytes inside a tunnel. */
export function acceptTunnel({ request, socket, head }: Upgrade): Promise<Duplex> {
  delete request.headers["sec-websocket-protocol"];
  return new Promise((resolve) =>
    tunnelServer.handleUpgrade(request, socket, head, (webSocket) => {
      resolve(new Tunnel(answeringPings(webSocket)));
    }),
  );
}

function answeringPings(webSocket: WebSocket): WebSocket {
  webSocket.on("ping", (data) => {
    if (webSocket.readyState === webSocket.OPEN && webSocket.bufferedAmount < PENDING_BYTES)
      webSocket.pong(data, false, () => undefined);
  });
  return webSocket;
}

/** A connection's messages as one stream of bytes: it ends when the client has closed. */
class Tunnel extends Duplex {
  readonly #webSocket: WebSocket;

  constructor(webSocket: WebSocket) {
    super({ readableHighWaterMark: PENDING_BYTES });
    this.#webSocket = webSocket;
    webSocket.on("message", (data) => {
      if (!this.push(bytesOf(data))) webSocket.pause();
    });
    webSocket.on("error", () => webSocket.terminate());
    webSocket.on("close", () => this.push(null));
  }

  override _read(): void {
    if (this.#webSocket.isPaused) this.#webSocket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    sendMessage(this.#webSocket, chunk, () => {
      // Nobody hears it: who writes is to know, also while nothing is read.
      if (this.#webSocket.readyState !== this.#webSocket.OPEN) this.destroy();
      done();
    });
  }

  override _final(done: () => void): void {
    this.#webSocket.resume();
    this.#webSocket.close(1000);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#webSocket.terminate();
    done(error);
  }
}

/** Holds up a connection while any of several readers is full. */
export class Brake {
  readonly #webSocket: WebSocket;
  readonly #full = new Set<object>();
  #probe: NodeJS.Timeout | undefined;

  constructor(webSocket: WebSocket) {
    this.#webSocket = webSocket;
    webSocket.on("close", () => clearInterval(this.#probe));
  }

  hold(reader: object): void {
    this.#full.add(reader);
    this.#webSocket.pause();
    if (this.#webSocket.readyState === this.#webSocket.OPEN)
      this.#probe ??= setInterval(() => this.#ask(), PROBE_MS);
  }

  release(reader: object): void {
    if (!this.#full.delete(reader) || this.#full.size > 0) return;
    clearInterval(this.#probe);
    this.#probe = undefined;
    this.#webSocket.resume();
  }

  #ask(): void {
    const { readyState, OPEN, bufferedAmount } = this.#webSocket;
    if (readyState === OPEN && bufferedAmount < PENDING_BYTES)
      this.#webSocket.ping(undefined, false, () => undefined);
  }

  /** Writes, and holds the connection up until it is taken. */
  write(target: Writable, bytes: Buffer): void {
    if (target.destroyed || target.writableEnded || target.write(bytes)) return;
    this.hold(target);
    const go = (): void => {
      target.off("drain", go);
      target.off("close", go);
      this.release(target);
    };
    target.on("drain", go);
    target.on("close", go);
  }
}
