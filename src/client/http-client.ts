/** @module A client over HTTP: TCP with TLS, or a Unix socket. */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { isIP } from "node:net";
import { OpError } from "../base/errors.ts";
import {
  ApiError,
  type At,
  type Client,
  type DeleteOptions,
  type List,
  type ListOptions,
  type PatchOptions,
  type PatchType,
  type WatchEvent,
  type WatchOptions,
} from "./client.ts";
import { linesOf } from "./lines.ts";
import type { KubeObject, ResourceType } from "./objects.ts";
import { pathOf } from "./objects.ts";

/** Where the API is and who we are there. */
export interface Connection {
  /** `https://127.0.0.1:6443`, or any `http://` with `socketPath`. */
  readonly server: string;
  readonly socketPath?: string;
  /** A function is asked before each request: tokens in files are replaced while we run. */
  readonly token?: string | (() => string);
  /** PEM of who signs the server's certificate; the system's, when left out. */
  readonly authority?: string;
  readonly insecure?: boolean;
  readonly certificate?: string;
  readonly key?: string;
  /** Names us in field ownership. */
  readonly userAgent?: string;
}

const PATCH_TYPES: Readonly<Record<PatchType, string>> = {
  json: "application/json-patch+json",
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
  apply: "application/apply-patch+yaml",
};
const PAGE = 500;
const MAX_SOCKETS = 32;

interface Call {
  readonly method: string;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly accept?: string;
  readonly signal?: AbortSignal;
}

/** meta.k8s.io/v1 Table, with as much of each object as servers give by default. */
interface Table {
  readonly columnDefinitions: readonly { readonly name: string }[];
  readonly rows: readonly { readonly cells: readonly unknown[]; readonly object: KubeObject }[];
}

export interface TableRow {
  /** Its metadata alone. */
  readonly object: KubeObject;
  readonly cells: ReadonlyMap<string, string>;
}

export class HttpClient implements Client {
  readonly #connection: Connection;
  readonly #isTls: boolean;
  readonly #agent: HttpAgent;
  readonly #base: URL;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#base = new URL(connection.server);
    this.#isTls = this.#base.protocol === "https:" && connection.socketPath === undefined;
    this.#agent = this.#isTls
      ? new HttpsAgent({
          keepAlive: true,
          maxSockets: MAX_SOCKETS,
          ...(connection.authority !== undefined && { ca: connection.authority }),
          ...(connection.certificate !== undefined && { cert: connection.certificate, key: connection.key }),
          rejectUnauthorized: connection.insecure !== true,
        })
      : new HttpAgent({ keepAlive: true, maxSockets: MAX_SOCKETS });
  }

  get server(): string {
    return this.#connection.server;
  }

  get<T extends KubeObject>(type: ResourceType<T>, at: At): Promise<T> {
    return this.#json({ method: "GET", path: pathOf(type, at) });
  }

  async list<T extends KubeObject>(type: ResourceType<T>, options: ListOptions = {}): Promise<List<T>> {
    const items: T[] = [];
    let next = options.continue;
    for (;;) {
      const page = await this.#page(type, options, next);
      for (const item of page.items) items.push(item);
      next = page.metadata.continue || undefined;
      if (next !== undefined && options.limit === undefined) continue;
      return {
        items,
        resourceVersion: page.metadata.resourceVersion,
        ...(next !== undefined && { continue: next }),
      };
    }
  }

  async #page<T extends KubeObject>(
    type: ResourceType<T>,
    options: ListOptions,
    next: string | undefined,
  ): Promise<{ items: T[]; metadata: { resourceVersion: string; continue?: string } }> {
    const { labelSelector, fieldSelector, resourceVersion, limit } = options;
    const page = await this.#json<{
      kind: string;
      items: T[];
      metadata: { resourceVersion: string; continue?: string };
    }>({
      method: "GET",
      path: pathOf(type, { namespace: options.namespace }),
      query: { labelSelector, fieldSelector, resourceVersion, limit: String(limit ?? PAGE), continue: next },
    });
    const apiVersion = type.group === "" ? type.version : `${type.group}/${type.version}`;
    // Servers leave these out of the items of a list.
    return { ...page, items: page.items.map((item) => ({ ...item, apiVersion, kind: type.kind })) };
  }

  create<T extends KubeObject>(type: ResourceType<T>, object: T, subresource?: string): Promise<T> {
    const { namespace, name } = object.metadata;
    const path =
      subresource === undefined
        ? pathOf(type, { namespace })
        : pathOf(type, { namespace, name, subresource });
    return this.#json({ method: "POST", path, body: object });
  }

  update<T extends KubeObject>(type: ResourceType<T>, object: T, subresource?: string): Promise<T> {
    const { namespace, name } = object.metadata;
    return this.#json({ method: "PUT", path: pathOf(type, { namespace, name, subresource }), body: object });
  }

  patch<T extends KubeObject>(
    type: ResourceType<T>,
    at: At,
    patch: unknown,
    options: PatchOptions,
  ): Promise<T> {
    return this.#json({
      method: "PATCH",
      path: pathOf(type, { ...at, subresource: options.subresource }),
      query: { fieldManager: options.fieldManager, force: options.force ? "true" : undefined },
      body: patch,
      contentType: PATCH_TYPES[options.type],
    });
  }

  async delete<T extends KubeObject>(
    type: ResourceType<T>,
    at: At,
    options: DeleteOptions = {},
  ): Promise<void> {
    const { uid, resourceVersion, ...rest } = options;
    await this.#json({
      method: "DELETE",
      path: pathOf(type, at),
      body: {
        kind: "DeleteOptions",
        apiVersion: "v1",
        ...rest,
        ...((uid ?? resourceVersion) !== undefined && { preconditions: { uid, resourceVersion } }),
      },
    });
  }

  async *watch<T extends KubeObject>(
    type: ResourceType<T>,
    options: WatchOptions,
  ): AsyncIterable<WatchEvent<T>> {
    const { labelSelector, fieldSelector, resourceVersion, signal } = options;
    const response = await this.#send({
      method: "GET",
      path: pathOf(type, { namespace: options.namespace }),
      query: { watch: "true", allowWatchBookmarks: "true", labelSelector, fieldSelector, resourceVersion },
      signal,
    });
    if (response.statusCode !== 200) throw errorOf(response.statusCode ?? 0, await textOf(response));
    const lines = linesOf(response);
    const stop = (): void => {
      response.destroy();
      lines.close();
    };
    signal.addEventListener("abort", stop, { once: true });
    // The end of the connection is the end of the watch: whoever watches comes back.
    response.on("error", () => lines.close());
    try {
      for await (const line of lines) {
        if (line === "") continue;
        const event = JSON.parse(line) as { type: string; object: T };
        if (event.type === "ERROR") throw errorOf(410, JSON.stringify(event.object));
        if (event.type === "BOOKMARK")
          yield { type: "BOOKMARK", resourceVersion: event.object.metadata.resourceVersion ?? "" };
        else yield event as WatchEvent<T>;
      }
    } finally {
      signal.removeEventListener("abort", stop);
      stop();
    }
  }

  /** What `kubectl get -A -o wide` prints, by column. Cost: the objects of the type. */
  async table(type: ResourceType): Promise<readonly TableRow[]> {
    const { columnDefinitions, rows } = await this.#json<Table>({
      method: "GET",
      path: pathOf(type, {}),
      accept: "application/json;as=Table;v=v1;g=meta.k8s.io",
    });
    return rows.map(({ object, cells }) => ({
      object,
      cells: new Map(columnDefinitions.map(({ name }, index) => [name, String(cells[index] ?? "")])),
    }));
  }

  /** Any request, for what has no method of its own. */
  async raw(method: string, path: string, body?: unknown): Promise<unknown> {
    return this.#json({ method, path, body });
  }

  async #json<T>(call: Call): Promise<T> {
    const response = await this.#send(call);
    const text = await textOf(response);
    const code = response.statusCode ?? 0;
    if (code < 200 || code > 299) throw errorOf(code, text);
    return (text === "" ? {} : JSON.parse(text)) as T;
  }

  #send(call: Call): Promise<IncomingMessage> {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(call.query ?? {}))
      if (value !== undefined && value !== "") query.set(name, value);
    const path = query.size > 0 ? `${call.path}?${query}` : call.path;
    const body = call.body === undefined ? undefined : JSON.stringify(call.body);
    const { token, socketPath, userAgent } = this.#connection;
    const send = this.#isTls ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      const request = send(
        {
          ...(socketPath === undefined ? addressOf(this.#base) : { socketPath }),
          agent: this.#agent,
          path: this.#base.pathname === "/" ? path : this.#base.pathname + path,
          method: call.method,
          ...(call.signal && { signal: call.signal }),
          headers: {
            accept: call.accept ?? "application/json",
            "user-agent": userAgent ?? "tortie",
            ...(token !== undefined && {
              authorization: `Bearer ${typeof token === "string" ? token : token()}`,
            }),
            ...(body !== undefined && {
              "content-type": call.contentType ?? "application/json",
              "content-length": Buffer.byteLength(body),
            }),
          },
        },
        resolve,
      );
      request.on("error", (cause) => {
        reject(
          new OpError(
            `the API at ${socketPath ?? this.#connection.server} cannot be reached: ${cause.message}`,
            {
              code: "api-unreachable",
              cause,
            },
          ),
        );
      });
      request.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** An address has no name that TLS could be told (RFC 6066); the certificate is held against it all the same. */
function addressOf(base: URL): {
  readonly host: string;
  readonly port: string;
  readonly servername?: string;
} {
  const host = base.hostname.replace(/^\[|\]$/g, "");
  return { host, port: base.port === "" ? "443" : base.port, ...(isIP(host) !== 0 && { servername: "" }) };
}

function textOf(response: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    response.on("end", () => resolve(Buffer.concat(chunks).toString()));
    response.on("error", (cause) => {
      reject(new OpError(`the API broke off: ${cause.message}`, { code: "api-unreachable", cause }));
    });
  });
}

function errorOf(code: number, text: string): ApiError {
  try {
    const status = JSON.parse(text) as {
      message?: string;
      reason?: string;
      code?: number;
      details?: unknown;
    };
    return new ApiError(status.message ?? text, {
      code: status.code ?? code,
      reason: status.reason ?? "Unknown",
      details: status.details,
    });
  } catch {
    return new ApiError(`the API answered ${code}: ${text.slice(0, 200)}`, { code, reason: "Unknown" });
  }
}
