/** @module `pods/NAME/proxy` and `services/NAME/proxy`: a request, handed on to a port of a pod as it came, and its answer. */
import type {
  ClientRequest,
  IncomingHttpHeaders,
  IncomingMessage,
  OutgoingHttpHeaders,
  RequestOptions,
} from "node:http";
import { request as send } from "node:http";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { OpError } from "../base/errors.ts";
import { endConnection } from "./end-connection.ts";
import { type Exchange, type HandlerOptions, nameOf } from "./exchange.ts";
import { stringAt } from "./json.ts";
import { targetOf } from "./proxy-target.ts";
import type { ResourceRequest } from "./request-info.ts";
import { errors, type StatusError } from "./status-error.ts";
import { WEBSOCKET_TOKEN } from "./users.ts";

/** Of one connection, not of the request; and what tells the API who asks, which is not for pods to know. */
const KEPT_BACK =
  /^(connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|host|authorization|impersonate-.*)$/;

const PROTOCOLS = "sec-websocket-protocol";

function unreachable(error: Error): StatusError {
  return errors.unavailable(`error trying to reach service: ${error.message}`);
}

/** Subprotocols of a WebSocket, without the one that is a browser's token for the API. */
function subprotocols(offered: string | undefined): string | undefined {
  const others = (offered ?? "").split(",").filter((one) => !one.trim().startsWith(WEBSOCKET_TOKEN));
  return others.join(",").trim() || undefined;
}

function onwardHeaders(request: IncomingMessage, host: string): OutgoingHttpHeaders {
  const { headers, socket } = request;
  const kept = Object.entries(headers).filter(([name]) => !KEPT_BACK.test(name) && name !== PROTOCOLS);
  const offered = subprotocols(headers[PROTOCOLS]);
  const via = [headers["x-forwarded-for"], socket.remoteAddress].filter(Boolean).join(", ");
  return {
    ...Object.fromEntries(kept),
    host,
    ...(offered !== undefined && { [PROTOCOLS]: offered }),
    ...(via !== "" && { "x-forwarded-for": via }),
    // Of a body without a length, this says that there is one.
    ...(headers["transfer-encoding"] !== undefined && { "transfer-encoding": "chunked" }),
  };
}

/** Where a pod sends its client on to itself, the way is through here. */
function answerHeaders(headers: IncomingHttpHeaders, host: string, root: string): OutgoingHttpHeaders {
  const kept = Object.entries(headers).filter(([name]) => !KEPT_BACK.test(name));
  const { location } = headers;
  const [, own, path] = /^(?:https?:\/\/([^/]+))?(\/.*)$/.exec(location ?? "") ?? [];
  const isOwn = path !== undefined && (own === undefined || own === host) && !path.startsWith("//");
  return { ...Object.fromEntries(kept), ...(isOwn && { location: `${root}${path}` }) };
}

interface Reached {
  /** As the pod is called in a request. */
  readonly host: string;
  readonly isTls: boolean;
  /** To the pod's port, without TLS. */
  readonly connection: Duplex;
}

/** @throws StatusError 400, 404, 503 */
async function reach(info: ResourceRequest, { api, streams }: HandlerOptions): Promise<Reached> {
  const kind = info.plural === "services" ? "services" : "pods";
  const { pod, port, isTls } = await targetOf(api, kind, info.namespace ?? "", nameOf(info));
  const address = stringAt(pod, "status", "podIP") ?? pod.metadata.name;
  const host = `${address.includes(":") ? `[${address}]` : address}:${port}`;
  try {
    const connection = await streams.connect(pod, { address, port });
    if (connection.errored) throw unreachable(connection.errored);
    return { host, isTls, connection };
  } catch (error) {
    throw error instanceof OpError ? unreachable(error) : error;
  }
}

/** The API vouches for nobody's certificate but its own, and pods have none that it knows. */
function secured({ connection, isTls }: Reached): Duplex {
  return isTls ? connectTls({ socket: connection, rejectUnauthorized: false }) : connection;
}

/** @throws StatusError 400, 404, 503 */
export async function serveProxy(info: ResourceRequest, exchange: Exchange): Promise<void> {
  const { request, response, url, options } = exchange;
  const { search, pathname } = url;
  if (info.rest === "") {
    response.writeHead(301, { location: `${pathname}/${search}` }).end();
    return;
  }
  const reached = await reach(info, options);
  const { connection, host } = reached;
  if (response.destroyed) {
    connection.destroy();
    return;
  }
  const how: RequestOptions = {
    method: request.method,
    path: `${info.rest}${search}`,
    headers: onwardHeaders(request, host),
    createConnection: () => secured(reached),
  };
  const root = pathname.slice(0, pathname.length - info.rest.length);
  try {
    await handOn(send(how), connection, { request, response, host, root });
  } finally {
    connection.destroy();
  }
}

/**
 * The request as it came; when the pod agrees, the bytes of both sides. When it does not, its one answer: whoever may ask
 * one thing is not to ask another over the same connection.
 * @throws StatusError 400, 404, 503
 */
export async function upgradeProxy(
  info: ResourceRequest,
  { request, url, options }: Pick<Exchange, "request" | "url" | "options">,
  client: Duplex,
  head: Buffer,
): Promise<void> {
  const reached = await reach(info, options);
  const { connection, host } = reached;
  const { connection: hop, upgrade } = request.headers;
  const onward = send({
    method: request.method,
    path: `${info.rest || "/"}${url.search}`,
    headers: { ...onwardHeaders(request, host), connection: hop, upgrade },
    createConnection: () => secured(reached),
  });
  return new Promise((resolve, reject) => {
    let isAnswered = false;
    const fail = (error: Error): void => {
      connection.destroy();
      if (isAnswered) client.destroy();
      else reject(unreachable(error));
    };
    const end = (): void => {
      connection.destroy();
      resolve();
    };
    connection.on("error", fail);
    onward.on("error", fail);
    onward.on("upgrade", (answer, pod, first) => {
      isAnswered = true;
      client.write(headOf(answer));
      if (first.length > 0) client.write(first);
      if (head.length > 0) pod.write(head);
      pod.on("error", fail);
      pod.on("close", () => endConnection(client));
      pod.pipe(client);
      client.pipe(pod);
    });
    onward.on("response", (answer) => {
      if (answer.statusCode === 101) {
        fail(new Error("101 without a word of what to upgrade to"));
        return;
      }
      isAnswered = true;
      client.resume();
      client.write(headOf(answer));
      answer.on("error", fail);
      answer.pipe(client);
    });
    // A port-forward cannot say that one side has said all: who ends their side is gone.
    client.on("end", end).on("close", end);
    if (client.destroyed) end();
    onward.end();
  });
}

/** An answer's first lines. One that is no upgrade ends with its connection, and needs no chunks. */
function headOf({ statusCode = 502, statusMessage = "", rawHeaders }: IncomingMessage): string {
  const isUpgrade = statusCode === 101;
  const lines = [`HTTP/1.1 ${statusCode} ${statusMessage}`];
  for (let place = 0; place < rawHeaders.length; place += 2) {
    const name = rawHeaders[place] ?? "";
    if (isUpgrade || !KEPT_BACK.test(name.toLowerCase())) lines.push(`${name}: ${rawHeaders[place + 1]}`);
  }
  if (!isUpgrade) lines.push("connection: close");
  return `${lines.join("\r\n")}\r\n\r\n`;
}

function handOn(
  onward: ClientRequest,
  connection: Duplex,
  { request, response, host, root }: Pick<Exchange, "request" | "response"> & { host: string; root: string },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      if (response.headersSent) response.destroy();
      reject(unreachable(error));
    };
    // Why there is no connection is told before what the request makes of it.
    connection.on("error", fail);
    onward.on("error", fail);
    onward.on("response", (answer) => {
      response.writeHead(answer.statusCode ?? 502, answerHeaders(answer.headers, host, root));
      response.flushHeaders();
      answer.on("error", () => response.destroy());
      answer.pipe(response);
    });
    response.on("close", () => {
      onward.destroy();
      resolve();
    });
    request.pipe(onward);
  });
}
