/** @module The API server's doors: TLS on TCP, and a Unix socket for the cluster's own parts. Tokens are asked at both. */
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
} from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { OpError } from "../base/errors.ts";
import type { Connections } from "./connections.ts";
import type { HttpHandler } from "./http-handler.ts";

export interface TlsFiles {
  readonly certificate: string;
  readonly key: string;
  /** Who signs clients' certificates. */
  readonly authority: string;
}

/** A client that connects and says nothing is shown the door after this. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 60_000;
const MAX_CONNECTIONS = 5000;

export type Door =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "fd"; readonly fd: number }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number };

export interface OpenDoor {
  readonly server: Server;
  close(): Promise<void>;
}

/** @throws OpError `api-refused` when it cannot listen there */
export function openDoor(
  { handler, connections }: { readonly handler: HttpHandler; readonly connections: Connections },
  door: Door,
  tls?: TlsFiles,
): Promise<OpenDoor> {
  const listener: RequestListener = (request, response) => void handler.handle(request, response);
  const limits = {
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionsCheckingInterval: 2000,
    keepAliveTimeout: 120_000,
  };
  const server = tls
    ? createHttpsServer(
        {
          ...limits,
          cert: tls.certificate,
          key: tls.key,
          ca: tls.authority,
          requestCert: true,
          rejectUnauthorized: false,
          handshakeTimeout: HEADERS_TIMEOUT_MS,
        },
        listener,
      )
    : createHttpServer(limits, listener);
  server.maxConnections = MAX_CONNECTIONS;
  // Upgraded connections are not the server's to close any more.
  const open = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    connections.add(socket);
  });
  server.on("upgrade", (request: IncomingMessage, connection: Duplex, head: Buffer) => {
    connection.on("error", () => connection.destroy());
    void handler.upgrade(request, connection, head);
  });
  server.on("clientError", (_error, socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      reject(
        new OpError(`cannot listen on ${nameOf(door)}: ${error.message}`, {
          code: "api-refused",
          cause: error,
        }),
      );
    });
    const ready = (): void => {
      resolve({
        server,
        close: () =>
          new Promise((done) => {
            server.close(() => done());
            server.closeAllConnections();
            for (const socket of open) socket.destroy();
          }),
      });
    };
    switch (door.kind) {
      case "unix":
        server.listen(door.path, ready);
        return;
      case "fd":
        server.listen({ fd: door.fd }, ready);
        return;
      case "tcp":
        server.listen(door.port, door.host, ready);
        return;
      default:
        door satisfies never;
    }
  });
}

function nameOf(door: Door): string {
  switch (door.kind) {
    case "unix":
      return door.path;
    case "fd":
      return `file descriptor ${door.fd}`;
    case "tcp":
      return `${door.host}:${door.port}`;
    default:
      return door satisfies never;
  }
}
