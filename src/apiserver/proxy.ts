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
import { type Exchange, type HandlerOptions, nameOf } from "./exchange.ts";
import { stringAt } from "./json.ts";
import { targetOf } from "./proxy-target.ts";
import type { ResourceRequest } from "./request-info.ts";
import { errors, type StatusError } from "./status-error.ts";

/** Of one connection, not of the request; and what tells the API who asks, which is not for pods to know. */
const KEPT_BACK =
  /^(connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|host|authorization|impersonate-.*)$/;

function unreachable(error: Error): StatusError {
  return errors.unavailable(`error trying to reach service: ${error.message}`);
}

function onwardHeaders(request: IncomingMessage, host: string): OutgoingHttpHeaders {
  const { headers, socket } = request;
  const kept = Object.entries(headers).filter(([name]) => !KEPT_BACK.test(name));
  const via = [headers["x-forwarded-for"], socket.remoteAddress].filter(Boolean).join(", ");
  return {
    ...Object.fromEntries(kept),
    host,
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

/** The request as it came, and then the bytes of both sides. @throws StatusError 400, 404, 503 */
export async function upgradeProxy(
  info: ResourceRequest,
  { request, url, options }: Pick<Exchange, "request" | "url" | "options">,
  client: Duplex,
  head: Buffer,
): Promise<void> {
  const reached = await reach(info, options);
  const { connection, host } = reached;
  const pod = secured(reached);
  const lines = [`${request.method} ${info.rest || "/"}${url.search} HTTP/1.1`, `host: ${host}`];
  for (let place = 0; place < request.rawHeaders.length; place += 2) {
    const name = request.rawHeaders[place] ?? "";
    const isHopsOwn = /^(connection|upgrade)$/i.test(name);
    if (isHopsOwn || !KEPT_BACK.test(name.toLowerCase()))
      lines.push(`${name}: ${request.rawHeaders[place + 1]}`);
  }
  pod.write(`${lines.join("\r\n")}\r\n\r\n`);
  if (head.length > 0) pod.write(head);
  return new Promise((resolve, reject) => {
    let isAnswered = false;
    const fail = (error: Error): void => {
      if (isAnswered) client.destroy();
      else reject(unreachable(error));
    };
    connection.on("error", fail);
    pod.on("error", fail);
    pod.once("readable", () => {
      if (pod.readableLength === 0) return;
      isAnswered = true;
      pod.pipe(client);
      client.pipe(pod);
    });
    pod.on("close", () => {
      if (isAnswered) client.end();
      else fail(new Error("EOF"));
      resolve();
    });
    // A port-forward cannot say that one side has said all: who ends their side is gone.
    client.on("end", () => connection.destroy());
    client.on("close", () => connection.destroy());
  });
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
