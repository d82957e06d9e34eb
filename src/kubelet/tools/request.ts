/** @module One HTTP request to an address that is known already. */
import type { ClientRequest, IncomingMessage } from "node:http";
import { request as plainRequest } from "node:http";
import { isIP } from "node:net";

export interface Request {
  readonly url: URL;
  readonly address: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  /** Until the connection is made. */
  readonly connectTimeoutMs: number | undefined;
  /** Without anything arriving. */
  readonly idleTimeoutMs: number | undefined;
  readonly insecure: boolean;
  /** PEM of who signs for servers, in place of those that everybody knows. */
  readonly authority?: string | undefined;
}

/** The time given ran out. */
export class TimedOut extends Error {
  override readonly name = "TimedOut";
  readonly phase: "connect" | "transfer";
  constructor(phase: "connect" | "transfer") {
    super("timed out");
    this.phase = phase;
  }
}

export function portOf(url: URL): number {
  return Number(url.port || (url.protocol === "https:" ? 443 : 80));
}

/** Resolves with the response when its head has arrived. Rejects with {@link TimedOut} or the socket's error. */
export async function send(what: Request): Promise<IncomingMessage> {
  const secure = what.url.protocol === "https:";
  const make = secure ? (await import("node:https")).request : plainRequest;
  const hostname = what.url.hostname.replace(/^\[|\]$/g, "");
  return new Promise((resolve, reject) => {
    const request: ClientRequest = make({
      host: what.address,
      port: portOf(what.url),
      method: what.method,
      path: what.url.pathname + what.url.search,
      headers: { Host: what.url.host, ...what.headers, Connection: "close" },
      agent: false,
      ...(secure && {
        // Addresses are no server names (RFC 6066); the certificate is held against them all the same.
        ...(isIP(hostname) === 0 && { servername: hostname }),
        rejectUnauthorized: !what.insecure,
        ...(what.authority !== undefined && { ca: what.authority }),
      }),
    });
    let response: IncomingMessage | undefined;
    const stop = (phase: "connect" | "transfer"): void => {
      const error = new TimedOut(phase);
      if (response) response.destroy(error);
      else request.destroy(error);
    };
    const connecting =
      what.connectTimeoutMs === undefined
        ? undefined
        : setTimeout(() => stop("connect"), Math.max(what.connectTimeoutMs, 1));
    request.on("socket", (socket) => {
      socket.once("connect", () => {
        clearTimeout(connecting);
        if (what.idleTimeoutMs !== undefined) socket.setTimeout(what.idleTimeoutMs, () => stop("transfer"));
      });
    });
    request.on("response", (arrived) => {
      response = arrived;
      resolve(arrived);
    });
    request.on("error", (error) => {
      clearTimeout(connecting);
      reject(error);
    });
    request.end(what.body);
  });
}

/** The headers as they came, without the blank line. */
export function rawHeaders(response: IncomingMessage): readonly string[] {
  const lines = [
    `HTTP/${response.httpVersion} ${response.statusCode ?? 0} ${response.statusMessage ?? ""}`.trim(),
  ];
  for (let index = 0; index + 1 < response.rawHeaders.length; index += 2)
    lines.push(`${response.rawHeaders[index] ?? ""}: ${response.rawHeaders[index + 1] ?? ""}`);
  return lines;
}
