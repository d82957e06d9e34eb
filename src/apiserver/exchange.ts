/** @module One request in the hands of the server: what was sent, whose it is, and the ways to answer it. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Entry } from "../store/store.ts";
import type { Api } from "./api.ts";
import type { Authorizer } from "./authorize.ts";
import { checkValues, decodeBody, objectBody, readBody } from "./body.ts";
import { accessOf } from "./caller-access.ts";
import type { Connections } from "./connections.ts";
import type { DeleteRequest } from "./deletion.ts";
import { at, stringAt } from "./json.ts";
import type { NodeStreams } from "./node-streams.ts";
import type { CheckFields, PatchKind, Place } from "./operations.ts";
import { isTrue, type ResourceRequest } from "./request-info.ts";
import { type Cells, encodeEntry, type Form, formOf, sendJson } from "./respond.ts";
import type { Reviews } from "./reviews.ts";
import type { Draft } from "./served.ts";
import type { Documents } from "./served-documents.ts";
import { errors } from "./status-error.ts";
import type { Caller, Storage } from "./storage.ts";
import type { CheckToken, User } from "./users.ts";

/** How strictly a body's fields are looked at. */
export interface FieldCheck {
  readonly mode: "Strict" | "Warn" | "Ignore";
  readonly warn: (text: string) => void;
  /** What has been found wrong in the body's text. */
  readonly duplicates: readonly string[];
}

export interface HandlerOptions {
  readonly api: Api;
  readonly authorizer: Authorizer;
  readonly checkToken: CheckToken;
  readonly connections: Connections;
  readonly reviews: Reviews;
  readonly streams: NodeStreams;
  /** Looks at fields that the schema does not know. */
  readonly checkFields: (check: FieldCheck) => CheckFields;
  readonly documents: Documents;
  readonly enforcement: (object: Draft) => string;
}

export const PATCH_KINDS: Readonly<Record<string, PatchKind>> = {
  "application/json-patch+json": "json",
  "application/merge-patch+json": "merge",
  "application/strategic-merge-patch+json": "strategic",
  // kubectl rollout restart says so.
  "application/strategic-merge-patch": "strategic",
  "application/apply-patch+yaml": "apply",
  "application/apply-patch": "apply",
};

/** As kube-apiserver: what is beyond is not told. Clients take headers up to a limit only. */
const MAX_WARNINGS = 4096;

export class Exchange {
  readonly options: HandlerOptions;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly user: User;
  readonly form: Form;
  /** Of the body that was read last. */
  #duplicates: readonly string[] = [];
  #warned = 0;

  constructor(
    options: HandlerOptions,
    { request, response, url, user }: Pick<Exchange, "request" | "response" | "url" | "user">,
  ) {
    this.options = options;
    this.request = request;
    this.response = response;
    this.url = url;
    this.user = user;
    this.form = formOf(request);
  }

  get query(): URLSearchParams {
    return this.url.searchParams;
  }

  get cells(): Cells {
    const { api, enforcement } = this.options;
    return { now: api.now().getTime(), enforcement };
  }

  get contentType(): string {
    return (this.request.headers["content-type"] ?? "").split(";")[0]?.trim() ?? "";
  }

  caller(dryRun = false): Caller {
    const { query, request } = this;
    const agent = String(request.headers["user-agent"] ?? "").split("/")[0] ?? "";
    return {
      manager: query.get("fieldManager") || agent || "unknown",
      dryRun: dryRun || query.getAll("dryRun").includes("All"),
      access: accessOf(this.options.authorizer, this.user),
      warn: (text) => this.#warn(text),
    };
  }

  /** An object, or an empty one where nothing is sent. @throws StatusError 400, 413, 415 */
  async anyBody(): Promise<Record<string, unknown>> {
    const bytes = await readBody(this.request);
    return bytes.length === 0 ? {} : objectBody(this.#decode(bytes));
  }

  /** An object of a resource, of fields that it has. */
  async body(storage: Storage): Promise<Record<string, unknown>> {
    const body = await this.anyBody();
    this.check(storage.resource, body);
    return body;
  }

  /** Whatever a patch is. */
  async patchBody(): Promise<unknown> {
    return this.#decode(await readBody(this.request));
  }

  #decode(bytes: Buffer): unknown {
    const { value, duplicates } = decodeBody(bytes, this.request.headers["content-type"]);
    this.#duplicates = duplicates;
    return value;
  }

  readonly check: CheckFields = (resource, object) => {
    checkValues(object);
    const asked = this.query.get("fieldValidation");
    const mode = asked === "Strict" || asked === "Ignore" ? asked : "Warn";
    const warn = (text: string): void => this.#warn(text);
    this.options.checkFields({ mode, warn, duplicates: this.#duplicates })(resource, object);
  };

  #warn(text: string): void {
    const header = `299 - ${JSON.stringify(text)}`;
    this.#warned += header.length;
    if (this.#warned > MAX_WARNINGS) return;
    // A header is bytes: UTF-8, without the one control character that JSON leaves as it is.
    const bytes = Buffer.from(header.replaceAll("\u007f", "?"));
    this.response.appendHeader("warning", bytes.toString("latin1"));
  }

  isAsked(name: string): boolean {
    return isTrue(this.query.get(name));
  }

  send(value: unknown, code = 200): void {
    sendJson(this.response, code, JSON.stringify(value));
  }

  sendEntry(storage: Storage, entry: Entry, code = 200): void {
    const { form, response } = this;
    sendJson(response, code, encodeEntry(storage.resource, entry, form, this.cells), form.contentType);
  }

  /** What a deletion says of itself, in its body and its query. */
  async deleteOptions(): Promise<{ readonly request: DeleteRequest; readonly dryRun: boolean }> {
    const body = await this.anyBody();
    const { query } = this;
    const seconds = query.has("gracePeriodSeconds") ? Number(query.get("gracePeriodSeconds")) : undefined;
    const { request, dryRun } = deleteRequestOf(body);
    const policy = request.propagationPolicy ?? query.get("propagationPolicy") ?? undefined;
    return {
      request: {
        ...request,
        gracePeriodSeconds: request.gracePeriodSeconds ?? seconds,
        propagationPolicy: policy ?? (at(body, "orphanDependents") === true ? "Orphan" : undefined),
      },
      dryRun,
    };
  }
}

/** `DeleteOptions` as they come in a body. */
export function deleteRequestOf(options: unknown): {
  readonly request: DeleteRequest;
  readonly dryRun: boolean;
} {
  const grace = at(options, "gracePeriodSeconds");
  const dryRun = at(options, "dryRun");
  return {
    request: {
      gracePeriodSeconds: typeof grace === "number" ? grace : undefined,
      propagationPolicy: stringAt(options, "propagationPolicy"),
      uid: stringAt(options, "preconditions", "uid"),
      resourceVersion: stringAt(options, "preconditions", "resourceVersion"),
    },
    dryRun: Array.isArray(dryRun) && dryRun.includes("All"),
  };
}

export function nameOf(info: ResourceRequest): string {
  if (info.name === undefined) throw errors.methodNotAllowed();
  return info.name;
}

export function placeOf(info: ResourceRequest): Place {
  return { namespace: info.namespace, name: nameOf(info) };
}
