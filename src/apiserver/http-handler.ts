/**
 * @module One HTTP request: who asks, whether they may, what they ask for, and the answer in the form they accept.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Entry } from "../store/store.ts";
import type { Api } from "./api.ts";
import { type Authorizer, refusal } from "./authorize.ts";
import { decodeBody, objectBody, readBody } from "./body.ts";
import { actingUser } from "./impersonate.ts";
import { at, stringAt } from "./json.ts";
import type { NodeStreams } from "./node-streams.ts";
import {
  bind,
  type CheckFields,
  changeScale,
  deleteCollection,
  draftOf,
  evict,
  finalize,
  getScale,
  type PatchKind,
  type Place,
  patch,
  update,
} from "./operations.ts";
import { applyJsonPatch } from "./patch/json-patch.ts";
import { applyMergePatch } from "./patch/merge-patch.ts";
import { serveDiscovery } from "./paths.ts";
import { isTrue, parseRequest, type ResourceRequest } from "./request-info.ts";
import { encodeEntry, encodeList, type Form, formOf, sendJson, sendStatus } from "./respond.ts";
import type { Reviews } from "./reviews.ts";
import { parseFieldSelector, parseLabelSelector, type Test } from "./selectors.ts";
import type { Draft } from "./served.ts";
import type { Documents } from "./served-documents.ts";
import { errors, StatusError } from "./status-error.ts";
import type { Caller, DeleteRequest, Storage } from "./storage.ts";
import { authenticate, type CheckToken, type User } from "./users.ts";
import { watchOf } from "./watch-request.ts";
import { serveWatch } from "./watching.ts";

export interface HandlerOptions {
  readonly api: Api;
  readonly authorizer: Authorizer;
  readonly checkToken: CheckToken;
  readonly reviews: Reviews;
  readonly streams: NodeStreams;
  /** Looks at fields that the schema does not know. */
  readonly checkFields: (mode: "Strict" | "Warn" | "Ignore", warn: (text: string) => void) => CheckFields;
  readonly documents: Documents;
  readonly enforcement: (object: Draft) => string;
}

const PATCH_KINDS: Readonly<Record<string, PatchKind>> = {
  "application/json-patch+json": "json",
  "application/merge-patch+json": "merge",
  "application/strategic-merge-patch+json": "strategic",
  // kubectl rollout restart says so.
  "application/strategic-merge-patch": "strategic",
  "application/apply-patch+yaml": "apply",
  "application/apply-patch": "apply",
};

/** One request in the hands of the server. */
interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly query: URLSearchParams;
  readonly user: User;
  readonly form: Form;
}

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
    const exchange: Exchange = {
      request,
      response,
      url,
      query: url.searchParams,
      user,
      form: formOf(request),
    };
    if (!info.isResource) {
      if (!(await this.#options.authorizer.allowsPath(user, info.verb, url.pathname)))
        throw errors.pathForbidden(user.name, info.verb, url.pathname);
      serveDiscovery(this.#options.api, this.#options.documents, exchange);
      return;
    }
    await this.#serveResource(info, exchange);
  }

  /** @throws StatusError 401 when nobody is known to ask, 403 when who asks may not act as another */
  #userOf(request: IncomingMessage): Promise<User> {
    const user = authenticate(request, this.#options.checkToken);
    if (!user) throw errors.unauthorized();
    return actingUser(user, request.headersDistinct, this.#options.authorizer);
  }

  /** The upgrade of a connection: exec, attach, port-forward. */
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
      // As kube-apiserver: to open a stream is to create it, whatever the method.
      const wanted = { ...info, verb: "create" };
      const storage = this.#storageOf(info);
      if (!(await this.#options.authorizer.allows(user, wanted)))
        throw errors.forbidden(storage.resource, info.name, refusal(user, wanted));
      const pod = await storage.get(info.namespace, info.name);
      await this.#options.streams.upgrade(request, connection, head, {
        pod,
        subresource: info.subresource,
        url,
      });
    } catch (error) {
      const status = asStatus(error);
      const body = JSON.stringify(status.toStatus());
      connection.end(
        `HTTP/1.1 ${status.code} ${status.reason}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
      );
    }
  }

  #storageOf(info: ResourceRequest): Storage {
    const storage = this.#options.api.storage(info.group, info.version, info.plural);
    if (!storage) throw errors.noSuchPath();
    return storage;
  }

  async #serveResource(info: ResourceRequest, exchange: Exchange): Promise<void> {
    const { authorizer } = this.#options;
    const storage = this.#storageOf(info);
    const { resource } = storage;
    if (!(await authorizer.allows(exchange.user, info)))
      throw errors.forbidden(resource, info.name ?? "", refusal(exchange.user, info));
    if (info.subresource !== undefined) {
      await this.#serveSubresource(info, storage, exchange);
      return;
    }
    if (!resource.verbs.includes(info.verb)) throw errors.methodNotAllowed();
    switch (info.verb) {
      case "get":
        this.#sendEntry(exchange, storage, await storage.entry(info.namespace, nameOf(info)));
        return;
      case "list":
        await this.#list(info, storage, exchange);
        return;
      case "watch":
        await this.#watch(info, storage, exchange);
        return;
      case "create":
        await this.#create(info, storage, exchange);
        return;
      case "update": {
        const caller = this.#caller(exchange);
        const body = await this.#body(storage, exchange);
        const place = placeOf(info);
        const entry = await update(storage, place, draftOf(resource, place, body), caller);
        this.#sendEntry(exchange, storage, entry);
        return;
      }
      case "patch":
        await this.#patch(info, storage, exchange, undefined);
        return;
      case "delete":
        await this.#delete(info, storage, exchange);
        return;
      case "deletecollection":
        await this.#deleteCollection(info, storage, exchange);
        return;
      default:
        throw errors.methodNotAllowed();
    }
  }

  async #create(info: ResourceRequest, storage: Storage, exchange: Exchange): Promise<void> {
    const { resource } = storage;
    if (info.name !== undefined) throw errors.methodNotAllowed();
    const body = await this.#body(storage, exchange);
    const draft = draftOf(resource, { namespace: info.namespace }, body);
    const review = await this.#options.reviews.answer(resource, draft, exchange.user);
    if (review) {
      sendJson(exchange.response, 201, JSON.stringify(review));
      return;
    }
    const entry = await storage.create(draft, this.#caller(exchange));
    this.#sendEntry(exchange, storage, entry, 201);
  }

  async #patch(
    info: ResourceRequest,
    storage: Storage,
    exchange: Exchange,
    subresource: string | undefined,
  ): Promise<void> {
    const { request, query } = exchange;
    const type = (request.headers["content-type"] ?? "").split(";")[0]?.trim() ?? "";
    const kind = PATCH_KINDS[type];
    if (!kind) throw errors.unsupportedMediaType(type);
    const body = decodeBody(await readBody(request), type);
    const { entry, created } = await patch(
      storage,
      placeOf(info),
      { kind, body, force: isTrue(query.get("force")), check: this.#check(exchange) },
      this.#caller(exchange),
      subresource,
    );
    this.#sendEntry(exchange, storage, entry, created ? 201 : 200);
  }

  async #delete(info: ResourceRequest, storage: Storage, exchange: Exchange): Promise<void> {
    const { resource } = storage;
    const options = await deleteOptions(exchange);
    const { gone, object } = await storage.delete(
      placeOf(info),
      options.request,
      this.#caller(exchange, options.dryRun),
    );
    if (!gone) {
      sendJson(exchange.response, 200, JSON.stringify(object));
      return;
    }
    const { name, uid = "" } = object.metadata;
    sendJson(
      exchange.response,
      200,
      JSON.stringify({
        kind: "Status",
        apiVersion: "v1",
        metadata: {},
        status: "Success",
        details: {
          name,
          ...(resource.group !== "" && { group: resource.group }),
          kind: resource.plural,
          uid,
        },
      }),
    );
  }

  async #deleteCollection(info: ResourceRequest, storage: Storage, exchange: Exchange): Promise<void> {
    const options = await deleteOptions(exchange);
    const found = await storage.list({
      namespace: info.namespace,
      test: testOf(storage, exchange.query),
      limit: undefined,
      continue: undefined,
      revision: undefined,
    });
    await deleteCollection(storage, found.entries, options.request, this.#caller(exchange, options.dryRun));
    sendJson(
      exchange.response,
      200,
      encodeList(storage.resource, { entries: [], revision: found.revision }, exchange.form, this.#cells()),
    );
  }

  async #list(info: ResourceRequest, storage: Storage, exchange: Exchange): Promise<void> {
    const { query, form, response } = exchange;
    const asked = query.get("resourceVersion") ?? "";
    const match = query.get("resourceVersionMatch");
    const limit = Number(query.get("limit") ?? 0);
    const revision = asked === "" ? 0 : Number(asked);
    if (!Number.isInteger(revision) || revision < 0)
      throw errors.badRequest(
        `resourceVersion: Invalid value: ${JSON.stringify(asked)}: strconv.ParseUint: parsing ${JSON.stringify(asked)}: invalid syntax`,
      );
    if (revision > (await this.#options.api.store.revision()))
      throw errors.timeout(
        `Too large resource version: ${asked}, current: ${await this.#options.api.store.revision()}`,
      );
    const answer = await storage.list({
      namespace: info.namespace,
      test: testOf(storage, query, info.name),
      limit: Number.isInteger(limit) && limit > 0 ? limit : undefined,
      continue: query.get("continue") || undefined,
      revision: match === "Exact" ? revision : undefined,
    });
    sendJson(response, 200, encodeList(storage.resource, answer, form, this.#cells()), form.contentType);
  }

  async #watch(info: ResourceRequest, storage: Storage, exchange: Exchange): Promise<void> {
    const { query, form, response } = exchange;
    const { request, format } = watchOf(storage, query, {
      namespace: info.namespace,
      test: testOf(storage, query, info.name),
      form,
      context: this.#cells(),
    });
    await serveWatch(this.#options.api.store, request, format, response);
  }

  async #serveSubresource(info: ResourceRequest, storage: Storage, exchange: Exchange): Promise<void> {
    const { resource } = storage;
    const part = resource.subresources.find(({ name }) => name === info.subresource);
    if (!part) throw errors.noSuchPath();
    if (!part.verbs.includes(info.verb)) throw errors.methodNotAllowed();
    const place = placeOf(info);
    const caller = this.#caller(exchange);
    switch (info.subresource) {
      case "status":
        if (info.verb === "get")
          this.#sendEntry(exchange, storage, await storage.entry(place.namespace, place.name));
        else if (info.verb === "patch") await this.#patch(info, storage, exchange, "status");
        else {
          const draft = draftOf(resource, place, await this.#body(storage, exchange));
          this.#sendEntry(exchange, storage, await update(storage, place, draft, caller, "status"));
        }
        return;
      case "scale":
        await this.#scale(info, storage, exchange);
        return;
      case "binding": {
        const body = await this.#anyBody(exchange);
        await bind(storage, place, body, caller);
        sendJson(
          exchange.response,
          201,
          JSON.stringify({ kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 }),
        );
        return;
      }
      case "eviction": {
        const body = await this.#anyBody(exchange);
        await evict(this.#options.api, storage, place, body, caller);
        sendJson(
          exchange.response,
          201,
          JSON.stringify({ kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 }),
        );
        return;
      }
      case "finalize": {
        const entry = await finalize(storage, place, await this.#anyBody(exchange), caller);
        this.#sendEntry(exchange, storage, entry);
        return;
      }
      case "token": {
        const account = await storage.get(place.namespace, place.name);
        const answer = await this.#options.reviews.issueToken(account, await this.#anyBody(exchange));
        sendJson(exchange.response, 201, JSON.stringify(answer));
        return;
      }
      default: {
        const pod = await storage.get(place.namespace, place.name);
        await this.#options.streams.forward(exchange.request, exchange.response, {
          pod,
          subresource: info.subresource ?? "",
          url: exchange.url,
        });
      }
    }
  }

  async #scale(info: ResourceRequest, storage: Storage, exchange: Exchange): Promise<void> {
    const place = placeOf(info);
    if (info.verb === "get") {
      sendJson(exchange.response, 200, JSON.stringify(await getScale(storage, place)));
      return;
    }
    const type = (exchange.request.headers["content-type"] ?? "").split(";")[0]?.trim() ?? "";
    const body = decodeBody(await readBody(exchange.request), type);
    const scale = await changeScale(
      storage,
      place,
      (before) => {
        if (info.verb === "update") return objectBody(body);
        return objectBody(
          PATCH_KINDS[type] === "json" ? applyJsonPatch(before, body) : applyMergePatch(before, body),
        );
      },
      this.#caller(exchange),
    );
    sendJson(exchange.response, 200, JSON.stringify(scale));
  }

  async #anyBody({ request }: Exchange): Promise<Record<string, unknown>> {
    const bytes = await readBody(request);
    return bytes.length === 0 ? {} : objectBody(decodeBody(bytes, request.headers["content-type"]));
  }

  async #body(storage: Storage, exchange: Exchange): Promise<Record<string, unknown>> {
    const body = await this.#anyBody(exchange);
    this.#check(exchange)(storage.resource, body);
    return body;
  }

  #check({ query, response }: Exchange): CheckFields {
    const asked = query.get("fieldValidation");
    const mode = asked === "Strict" || asked === "Ignore" ? asked : "Warn";
    return this.#options.checkFields(mode, (text) => {
      response.appendHeader("warning", `299 - ${JSON.stringify(text)}`);
    });
  }

  #caller({ query, request }: Exchange, dryRun = false): Caller {
    const agent = String(request.headers["user-agent"] ?? "").split("/")[0] ?? "";
    return {
      manager: query.get("fieldManager") || agent || "unknown",
      dryRun: dryRun || query.getAll("dryRun").includes("All"),
    };
  }

  #cells(): { now: number; enforcement: (object: Draft) => string } {
    return { now: this.#options.api.now().getTime(), enforcement: this.#options.enforcement };
  }

  #sendEntry({ response, form }: Exchange, storage: Storage, entry: Entry, code = 200): void {
    sendJson(response, code, encodeEntry(storage.resource, entry, form, this.#cells()), form.contentType);
  }
}

function nameOf(info: ResourceRequest): string {
  if (info.name === undefined) throw errors.methodNotAllowed();
  return info.name;
}

function placeOf(info: ResourceRequest): Place {
  return { namespace: info.namespace, name: nameOf(info) };
}

/** What a request's selectors, and a watch of one name, ask of an object. */
function testOf(storage: Storage, query: URLSearchParams, name?: string): Test | undefined {
  const tests = [
    parseLabelSelector(query.get("labelSelector") ?? ""),
    parseFieldSelector(query.get("fieldSelector") ?? "", storage.resource.strategy.fields ?? {}),
    name === undefined ? undefined : (object: unknown) => stringAt(object, "metadata", "name") === name,
  ].filter((test) => test !== undefined);
  if (tests.length === 0) return undefined;
  return (object) => tests.every((test) => test(object));
}

async function deleteOptions({
  request,
  query,
}: Exchange): Promise<{ request: DeleteRequest; dryRun: boolean }> {
  const bytes = await readBody(request);
  const body = bytes.length === 0 ? {} : objectBody(decodeBody(bytes, request.headers["content-type"]));
  const grace =
    at(body, "gracePeriodSeconds") ??
    (query.has("gracePeriodSeconds") ? Number(query.get("gracePeriodSeconds")) : undefined);
  const orphan = at(body, "orphanDependents");
  const dryRun = at(body, "dryRun");
  const policy = stringAt(body, "propagationPolicy") ?? query.get("propagationPolicy") ?? undefined;
  return {
    request: {
      gracePeriodSeconds: typeof grace === "number" ? grace : undefined,
      propagationPolicy: policy ?? (orphan === true ? "Orphan" : undefined),
      uid: stringAt(body, "preconditions", "uid"),
      resourceVersion: stringAt(body, "preconditions", "resourceVersion"),
    },
    dryRun: Array.isArray(dryRun) && dryRun.includes("All"),
  };
}

export function asStatus(error: unknown): StatusError {
  if (error instanceof StatusError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return errors.internal(message);
}
