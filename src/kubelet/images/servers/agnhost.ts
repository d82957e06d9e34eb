/** @module agnhost netexec and serve-hostname: what they answer to HTTP and to datagrams. */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { HOSTNAME, NETEXEC, porterValue } from "../agnhost-plan.ts";
import type { Served } from "./context.ts";
import { plainAddress } from "./context.ts";
import type { Page } from "./page.ts";

const DIAL_MS = 5_000;
const MAX_TRIES = 1_000;
const MOST_RESPONSE_BYTES = 64 * 1024;

function text(body: string, status = 200): Page {
  return { status, type: "text/plain; charset=utf-8", body };
}

/** A request from inside the pod; resolves with the body. */
async function getHttp(served: Served, host: string, port: number, path: string): Promise<string> {
  const socket = await served.context.dial(host, port, DIAL_MS);
  socket.setTimeout(DIAL_MS, () => socket.destroy(new Error("i/o timeout")));
  socket.write(`GET /${path} HTTP/1.0\r\nHost: ${host}:${port}\r\nConnection: close\r\n\r\n`);
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of socket) {
    chunks.push(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    if (bytes > MOST_RESPONSE_BYTES) break;
  }
  socket.destroy();
  const all = Buffer.concat(chunks).toString();
  return all.slice(all.indexOf("\r\n\r\n") + 4);
}

async function dial(query: URLSearchParams, served: Served): Promise<Page> {
  const [host = "", port = ""] = [query.get("host") ?? "", query.get("port") ?? ""];
  const request = query.get("request") ?? "";
  const protocol = (query.get("protocol") ?? "").toLowerCase() || "http";
  const tries = Number(query.get("tries") ?? 1);
  if (!Number.isInteger(tries)) return text("tries parameter is invalid.\n", 400);
  if (request === "") return text("request parameter not specified.\n", 400);
  if (protocol !== "http" && protocol !== "udp") return text(`unsupported protocol. ${protocol}\n`, 400);
  const number = Number(port);
  if (host === "" || !(number > 0 && number < 65_536))
    return text("host and/or port param are invalid.\n", 400);
  const responses: string[] = [];
  const errors: string[] = [];
  for (let count = 0; count < Math.min(tries, MAX_TRIES); count++) {
    try {
      responses.push(
        protocol === "http"
          ? await getHttp(served, host, number, request)
          : await served.context.ask(host, number, request, DIAL_MS),
      );
    } catch (error) {
      errors.push(error instanceof Error ? error.message : String(error));
    }
  }
  const output = {
    ...(errors.length > 0 ? { errors } : {}),
    ...(responses.length > 0 ? { responses } : {}),
  };
  return text(JSON.stringify(output));
}

function echo(query: URLSearchParams): Page {
  const code = query.get("code") ?? "";
  if (code !== "" && !/^\d+$/.test(code))
    return text(`argument 'code' must be an integer or empty, got "${code}"\n`);
  const status = Number(code || 200);
  return text(query.get("msg") ?? "", status >= 100 && status <= 999 ? status : 200);
}

/** @returns undefined where the port is not agnhost's */
export async function agnhostPage(request: IncomingMessage, served: Served): Promise<Page | undefined> {
  const { body } = served.port;
  const { context } = served;
  if (body === HOSTNAME) return text(context.hostname);
  if (body !== NETEXEC) return undefined;
  const url = new URL(request.url ?? "/", "http://pod");
  const query = url.searchParams;
  context.log(`GET ${url.pathname}${url.search}`);
  switch (url.pathname) {
    case "/echo":
      return echo(query);
    case "/clientip":
      return text(`${plainAddress(request.socket.remoteAddress)}:${request.socket.remotePort ?? 0}`);
    case "/hostname":
    case "/hostName":
      return text(context.hostname);
    case "/healthz":
      return text("");
    case "/dial":
      return dial(query, served);
    case "/exit":
      setTimeout(() => context.exit(Number(query.get("code") ?? 0) & 127), 0);
      return text("");
    case "/shutdown":
      setTimeout(() => context.exit(0), 0);
      return text("");
    default:
      return text(`NOW: ${new Date().toISOString().replace("T", " ").replace("Z", " +0000 UTC")}`);
  }
}

/** Says the name and closes: `serve-hostname --tcp`. */
export function serveHostname(socket: Socket, { context }: Served): void {
  socket.end(context.hostname);
}

/** What a datagram is answered with; other containers echo. */
export function datagramAnswer(
  message: Buffer,
  client: { address: string; port: number },
  served: Served,
): Buffer {
  const { body } = served.port;
  const value = porterValue(body);
  if (value !== undefined) return Buffer.from(value);
  if (body === HOSTNAME) return Buffer.from(served.context.hostname);
  if (body !== NETEXEC) return message;
  const words = message.toString().trim();
  const [command = "", ...rest] = words.split(" ");
  switch (command.toLowerCase()) {
    case "hostname":
      return Buffer.from(served.context.hostname);
    case "echo":
      return Buffer.from(rest.join(" "));
    case "clientip":
      return Buffer.from(`${client.address}:${client.port}`);
    default:
      return Buffer.from("");
  }
}
