/** @module One HTTP server for all containers: connections come from wherever they were accepted. */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { Socket } from "node:net";
import { porterValue } from "../agnhost-plan.ts";
import { agnhostPage } from "./agnhost.ts";
import type { Served } from "./context.ts";
import { plainAddress } from "./context.ts";
import type { Page } from "./page.ts";
import { pageFor } from "./page.ts";

const connections: WeakMap<Socket, Served> = new WeakMap();
let shared: Server | undefined;

/** The image's tag where it is a version, as `nginx:1.27` is. */
function serverHeader({ context }: Served): string {
  const { server } = context.image;
  const version = /^\d+(\.\d+)*/.exec(context.tag ?? "")?.[0];
  return server === "nginx" ? `nginx/${version ?? "1.29.3"}` : server;
}

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

function two(number: number): string {
  return String(number).padStart(2, "0");
}

/** `21/Nov/2026:08:00:00 +0000`. */
export function accessTime(date: Date): string {
  const day = `${two(date.getUTCDate())}/${MONTHS[date.getUTCMonth()] ?? ""}/${date.getUTCFullYear()}`;
  return `${day}:${date.toISOString().slice(11, 19)} +0000`;
}

function quoted(header: string | undefined): string {
  return `"${(header ?? "-").replaceAll('"', "'")}"`;
}

function logAccess(request: IncomingMessage, response: ServerResponse, served: Served, bytes: number): void {
  const client = plainAddress(request.socket.remoteAddress);
  const line = `"${request.method ?? "-"} ${request.url ?? "/"} HTTP/${request.httpVersion}" ${response.statusCode} ${bytes}`;
  const { referer, "user-agent": agent } = request.headers;
  const forwarded = request.headers["x-forwarded-for"];
  served.context.log(
    `${client} - - [${accessTime(new Date())}] ${line} ${quoted(referer)} ${quoted(agent)} ${quoted(forwarded?.toString())}`,
  );
}

async function page(request: IncomingMessage, served: Served): Promise<Page> {
  const value = porterValue(served.port.body);
  if (value !== undefined) return { status: 200, type: "text/plain; charset=utf-8", body: value };
  const special = await agnhostPage(request, served);
  if (special) return special;
  const client = plainAddress(request.socket.remoteAddress);
  return pageFor({ method: request.method ?? "GET", path: request.url ?? "/", client }, served);
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const served = connections.get(request.socket);
  if (!served) {
    response.destroy();
    return;
  }
  request.resume();
  const { status, type, body } = await page(request, served);
  const bytes = Buffer.byteLength(body);
  const server = serverHeader(served);
  if (server !== "") response.setHeader("Server", server);
  response.writeHead(status, { "Content-Type": type, "Content-Length": bytes });
  response.end(request.method === "HEAD" ? undefined : body);
  logAccess(request, response, served, request.method === "HEAD" ? 0 : bytes);
}

function makeServer(): Server {
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : undefined);
    });
  });
  server.keepAliveTimeout = 65_000;
  return server;
}

export function serveHttp(socket: Socket, served: Served): void {
  connections.set(socket, served);
  shared ??= makeServer();
  shared.emit("connection", socket);
}

const REQUEST = /^(?:GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|TRACE|CONNECT) /;

/** HTTP to those who speak it, an echo to all others. */
export function serveAny(socket: Socket, served: Served): void {
  socket.once("data", (first: Buffer) => {
    if (REQUEST.test(first.subarray(0, 8).toString("latin1"))) {
      serveHttp(socket, served);
      // The parser reads what was read already first.
      socket.unshift(first);
      return;
    }
    socket.write(first);
    socket.pipe(socket);
  });
}
