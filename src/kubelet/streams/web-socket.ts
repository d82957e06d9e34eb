/** @module WebSockets by the `ws` package: which subprotocols, and reading and writing without growing. */
import type { IncomingMessage } from "node:http";
import type { Duplex, Writable } from "node:stream";
import { createWebSocketStream, type ServerOptions, type WebSocket, WebSocketServer } from "ws";

/** SPDY inside binary messages: its slash makes it no token, so `ws` would refuse it. */
export const TUNNEL_PROTOCOL = "SPDY/3.1+portforward.k8s.io";
/** Newest first. */
const CHANNEL_PROTOCOLS = ["v5.channel.k8s.io", "v4.channel.k8s.io", "channel.k8s.io"];
/** Messages are of 32 KiB usually. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;
/** So much may wait in a connection's buffer before the writer does. */
const PENDING_BYTES = 256 * 1024;
/** The client still reads what is on its way; one that never answers is let go. */
const CLOSE_TIMEOUT_MS = 60_000;

const OPTIONS = {
  noServer: true,
  perMessageDeflate: false,
  maxPayload: MAX_MESSAGE_BYTES,
  closeTimeout: CLOSE_TIMEOUT_MS,
  clientTracking: false,
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
  return new Promise((resolve) => channelServer.handleUpgrade(request, socket, head, resolve));
}

/** The bytes inside a tunnel. */
export function acceptTunnel({ request, socket, head }: Upgrade): Promise<Duplex> {
  delete request.headers["sec-websocket-protocol"];
  return new Promise((resolve) =>
    tunnelServer.handleUpgrade(request, socket, head, (webSocket) => {
      resolve(createWebSocketStream(webSocket, { readableHighWaterMark: PENDING_BYTES }));
    }),
  );
}

/** Calls back when there is room for more, also when the connection is closed. */
export function sendMessage(webSocket: WebSocket, message: Buffer, done: () => void): void {
  if (webSocket.readyState !== webSocket.OPEN) {
    done();
    return;
  }
  if (webSocket.bufferedAmount < PENDING_BYTES) {
    webSocket.send(message);
    done();
  } else webSocket.send(message, () => done());
}

/** Holds up a connection while any of several readers is full. */
export class Brake {
  readonly #webSocket: WebSocket;
  readonly #full = new Set<object>();

  constructor(webSocket: WebSocket) {
    this.#webSocket = webSocket;
  }

  hold(reader: object): void {
    this.#full.add(reader);
    this.#webSocket.pause();
  }

  release(reader: object): void {
    if (this.#full.delete(reader) && this.#full.size === 0) this.#webSocket.resume();
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
