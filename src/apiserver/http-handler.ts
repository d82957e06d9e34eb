/** @module One HTTP request: who asks, whether they may, and who sees to it. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { refusal } from "./authorize.ts";
import { endConnection } from "./end-connection.ts";
import { Exchange, type HandlerOptions } from "./exchange.ts";
import { actingUser } from "./impersonate.ts";
import type { NodeStreams } from "./node-streams.ts";
import { serveDiscovery } from "./paths.ts";
import { upgradeProxy } from "./proxy.ts";
import { parseRequest, type ResourceRequest } from "./request-info.ts";
import { serveResource } from "./resource-requests.ts";
import { sendStatus } from "./respond.ts";
import { errors, StatusError } from "./status-error.ts";
import type { Storage } from "./storage.ts";
import { serveSubresource } from "./subresources.ts";
import { authenticate, type User } from "./users.ts";

export class HttpHandler {
  readonly #options: HandlerOptions;

  constructor(options: HandlerOptions) {
    this.#options = options;
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      await this.#serve(request, response);
    } catch (error) {
      if (response.headersSent) response.destroy();
      else sendStatus(response, asStatus(error));
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://tortie");
    const isOpen = url.pathname === "/healthz" || url.pathname === "/livez" || url.pathname === "/readyz";
    if (isOpen) {
      response.writeHead(200, { "content-type": "text/plain" }).end("ok");
      return;
    }
    const user = await this.#userOf(request);
    const info = parseRequest(request.method ?? "GET", url);
    const exchange = new Exchange(this.#options, { request, response, url, user });
    if (!info.isResource) {
      if (!(await this.#options.authorizer.allowsPath(user, info.verb, url.pathname)))
        throw errors.pathForbidden(user.name, info.verb, url.pathname);
      serveDiscovery(this.#options.api, this.#options.documents, exchange);
      return;
    }
    const storage = this.#storageOf(info);
    const wanted = { ...info, name: info.name ?? info.selectedName };
    if (!(await this.#options.authorizer.allows(user, wanted)))
      throw errors.forbidden(storage.resource, wanted.name ?? "", refusal(user, wanted));
    await (info.subresource === undefined ? serveResource : serveSubresource)(info, storage, exchange);
  }

  /** @throws StatusError 401 when nobody is known to ask, 403 when who asks may not act as another */
  async #userOf(request: IncomingMessage): Promise<User> {
    const user = await authenticate(request, this.#options.checkToken);
    if (!user) throw errors.unauthorized();
    this.#options.connections.authenticated(request.socket);
    return actingUser(user, request.headersDistinct, this.#options.authorizer);
  }

  /** The upgrade of a connection: exec, attach, port-forward, and what a pod makes of it. */
  async upgrade(
    request: IncomingMessage,
    connection: Parameters<NodeStreams["upgrade"]>[1],
    head: Buffer,
  ): Promise<void> {
    try {
      const url = new URL(request.url ?? "/", "http://tortie");
      const user = await this.#userOf(request);
      const info = parseRequest(request.method ?? "GET", url);
      if (!info.isResource || info.subresource === undefined || info.name === undefined)
        throw errors.noSuchPath();
      const isProxy = info.subresource === "proxy";
      // As kube-apiserver: to open a stream is to create it, whatever the method.
      const wanted = isProxy ? info : { ...info, verb: "create" };
      const storage = this.#storageOf(info);
      // Of pods and Services, that is: another kind's roles say nothing of pods.
      const part = storage.resource.subresources.find(({ name }) => name === info.subresource);
      if (!part || storage.resource.group !== "") throw errors.noSuchPath();
      if (!part.verbs.includes(wanted.verb)) throw errors.methodNotAllowed();
      if (!(await this.#options.authorizer.allows(user, wanted)))
        throw errors.forbidden(storage.resource, info.name, refusal(user, wanted));
      if (isProxy) {
        await upgradeProxy(info, { request, url, options: this.#options }, connection, head);
        return;
      }
      const pod = await storage.get(info.namespace, info.name);
      await this.#options.streams.upgrade(request, connection, head, {
        pod,
        subresource: info.subresource,
        url,
      });
    } catch (error) {
      const status = asStatus(error);
      const body = JSON.stringify(status.toStatus());
      endConnection(
        connection,
        `HTTP/1.1 ${status.code} ${status.reason}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
      );
    }
  }

  /** @throws StatusError 404 when nothing of that name is served there */
  #storageOf(info: ResourceRequest): Storage {
    const storage = this.#options.api.storage(info.group, info.version, info.plural);
    if (!storage || !isPlace(info, storage.resource.namespaced)) throw errors.noSuchPath();
    return storage;
  }
}

/**
 * Whether objects of a resource are where a path says. Roles are asked about the namespace of the path: what belongs to
 * the cluster must not be in one, and what belongs to a namespace is listed without one, never named nor written.
 */
function isPlace({ namespace, name, verb }: ResourceRequest, namespaced: boolean): boolean {
  if (!namespaced) return namespace === undefined;
  if (namespace !== undefined) return namespace !== "";
  return name === undefined && (verb === "list" || verb === "watch");
}

export function asStatus(error: unknown): StatusError {
  if (error instanceof StatusError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return errors.internal(message);
}
