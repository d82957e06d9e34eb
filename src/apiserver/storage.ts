/**
 * @module One resource over the store: what create, read, update and delete mean for objects, whoever asks. Knows no
 * HTTP. Sources: Kubernetes' API conventions, and apiserver's registry/generic.
 */
import { randomUUID } from "node:crypto";
import { timeText } from "../client/objects.ts";
import type { Entry, Revision, Store } from "../store/store.ts";
import { CompactedError } from "../store/store.ts";
import { stringAt } from "./json.ts";
import { validateMeta } from "./metadata.ts";
import { freshObject, objectOf, storedText } from "./objects.ts";
import { jsonEqual } from "./patch/json-value.ts";
import type { Test } from "./selectors.ts";
import type { Draft, ServedResource } from "./served.ts";
import { errors, StatusError } from "./status-error.ts";

export interface Caller {
  /** Whose change it is, for field ownership. */
  readonly manager: string;
  /** Answer as if, and write nothing. */
  readonly dryRun: boolean;
  /** The object says itself whose its fields are: it comes from server-side apply. */
  readonly isApply?: boolean;
}

/** What happens to an object between the request and the store, beyond its own kind's rules. */
export interface Admission {
  /** May change the object. @throws StatusError */
  create(resource: ServedResource, object: Draft, caller: Caller): Promise<void> | void;
  update(resource: ServedResource, object: Draft, before: Draft, caller: Caller): Promise<void> | void;
  /** When the object is gone, or was not written after all: gives back what `create` took. */
  release(resource: ServedResource, object: Readonly<Draft>): void;
}

/** Keeps account of whose fields are whose. */
export type TrackFields = (
  change: {
    readonly before: Draft | undefined;
    readonly after: Draft;
    readonly subresource: string | undefined;
  },
  caller: Caller,
  now: string,
) => unknown[];

export interface StorageContext {
  readonly store: Store;
  readonly admission: Admission;
  readonly trackFields: TrackFields;
  readonly now: () => Date;
}

export interface ListRequest {
  readonly namespace: string | undefined;
  readonly test: Test | undefined;
  readonly limit: number | undefined;
  readonly continue: string | undefined;
  /** Exactly then; now, when left out. */
  readonly revision: Revision | undefined;
}

export interface ListAnswer {
  readonly entries: readonly Entry[];
  readonly revision: Revision;
  readonly continue?: string;
  readonly remaining?: number;
}

export interface DeleteRequest {
  readonly gracePeriodSeconds?: number | undefined;
  readonly propagationPolicy?: string | undefined;
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
}

export type DeleteAnswer =
  | { readonly gone: true; readonly object: Draft }
  | { readonly gone: false; readonly object: Draft };

/** How often a change without a resource version is tried on what somebody else has just written. */
const MAX_RETRIES = 8;
const GENERATED = "bcdfghjklmnpqrstvwxz2456789";
const LIST_PAGE = 500;

export class Storage {
  readonly resource: ServedResource;
  readonly #context: StorageContext;
  readonly #prefix: string;

  constructor(resource: ServedResource, context: StorageContext) {
    this.resource = resource;
    this.#context = context;
    this.#prefix = `/registry/${resource.group === "" ? "core" : resource.group}/${resource.plural}/`;
  }

  /** Of all objects, or of those in a namespace. */
  prefix(namespace?: string): string {
    return namespace === undefined || namespace === "" ? this.#prefix : `${this.#prefix}${namespace}/`;
  }

  #key(namespace: string | undefined, name: string): string {
    return this.resource.namespaced ? `${this.#prefix}${namespace ?? ""}/${name}` : `${this.#prefix}${name}`;
  }

  /** @throws StatusError 404 */
  async entry(namespace: string | undefined, name: string): Promise<Entry> {
    const entry = await this.#context.store.get(this.#key(namespace, name));
    if (!entry) throw errors.notFound(this.resource, name);
    return entry;
  }

  async get(namespace: string | undefined, name: string): Promise<Readonly<Draft>> {
    return objectOf(await this.entry(namespace, name));
  }

  /** Cost: what is listed; with a test, what is there to be tested. */
  async list(request: ListRequest): Promise<ListAnswer> {
    const { limit, test } = request;
    const token = request.continue === undefined ? undefined : decodeToken(request.continue);
    const revision = token?.revision ?? request.revision;
    const found: Entry[] = [];
    let after = token?.after;
    let at = revision;
    for (;;) {
      const page = await this.#page(request.namespace, {
        ...(after !== undefined && { after }),
        ...(limit !== undefined && { limit: test ? LIST_PAGE : limit }),
        ...(at !== undefined && { revision: at }),
      });
      at = page.revision;
      for (const [place, entry] of page.entries.entries()) {
        if (test && !test(objectOf(entry))) continue;
        found.push(entry);
        const isLast = place === page.entries.length - 1 && page.next === undefined;
        if (limit !== undefined && found.length === limit && !isLast) {
          const rest = page.entries.length - 1 - place + (page.remaining ?? 0);
          return {
            entries: found,
            revision: at,
            continue: encodeToken({ revision: at, after: entry.key }),
            ...(!test && { remaining: rest }),
          };
        }
      }
      if (page.next === undefined) return { entries: found, revision: at };
      after = page.next;
    }
  }

  async #page(
    namespace: string | undefined,
    options: Parameters<Store["list"]>[1],
  ): ReturnType<Store["list"]> {
    try {
      return await this.#context.store.list(this.prefix(namespace), options);
    } catch (error) {
      if (!(error instanceof CompactedError)) throw error;
      throw errors.expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results.",
      );
    }
  }

  /** @throws StatusError 409 when it exists, 422 when it is invalid */
  async create(object: Draft, caller: Caller): Promise<Entry> {
    const { metadata } = object;
    const { admission, now } = this.#context;
    if (metadata.resourceVersion)
      throw errors.badRequest("resourceVersion should not be set on objects to be created");
    const isGenerated = !metadata.name && Boolean(metadata.generateName);
    const time = timeText(now());
    metadata.uid = randomUUID();
    metadata.creationTimestamp = time;
    delete metadata.deletionTimestamp;
    delete metadata.deletionGracePeriodSeconds;
    if (this.resource.strategy.hasGeneration) metadata.generation = 1;
    else delete metadata.generation;
    if (isGenerated) metadata.name = generateName(metadata.generateName ?? "");
    this.resource.strategy.prepareCreate?.(object);
    this.resource.strategy.setDefaults?.(object);
    // A name that is not there is told before anything is asked of admission.
    const early = validateMeta(this.resource, object);
    if (early.length > 0) throw errors.invalid(this.resource, metadata.name, early);
    await admission.create(this.resource, object, caller);
    try {
      const causes = this.resource.strategy.validate?.(object) ?? [];
      if (causes.length > 0) throw errors.invalid(this.resource, metadata.name, causes);
      metadata.managedFields = this.#context.trackFields(
        { before: undefined, after: object, subresource: undefined },
        caller,
        time,
      );
      for (let attempt = 0; ; attempt++) {
        const key = this.#key(metadata.namespace, metadata.name);
        const value = storedText(object);
        const existing = caller.dryRun ? await this.#context.store.get(key) : undefined;
        if (caller.dryRun && !existing) {
          admission.release(this.resource, object);
          return { key, value, created: 0, modified: 0 };
        }
        const result = existing
          ? ({ ok: false } as const)
          : await this.#context.store.put(key, value, { absent: true });
        if (result.ok) return { key, value, created: result.revision, modified: result.revision };
        if (!isGenerated || attempt >= MAX_RETRIES) throw errors.alreadyExists(this.resource, metadata.name);
        metadata.name = generateName(metadata.generateName ?? "");
      }
    } catch (error) {
      admission.release(this.resource, object);
      throw error;
    }
  }

  /**
   * Reads, lets `change` make something new of it, checks and writes that. Tries anew on what others wrote meanwhile,
   * unless the new object says which version it is made of.
   * @param subresource - "status": only the status is taken from what `change` makes; "binding": all is
   */
  async change(
    at: { readonly namespace: string | undefined; readonly name: string },
    change: (before: Draft) => Draft | Promise<Draft>,
    caller: Caller,
    subresource?: string,
  ): Promise<Entry> {
    for (let attempt = 0; ; attempt++) {
      const entry = await this.entry(at.namespace, at.name);
      const before = objectOf(entry);
      const made = await change(freshObject(entry));
      const given = made.metadata.resourceVersion;
      if (given && given !== String(entry.modified)) throw errors.conflict(this.resource, at.name);
      const after = await this.#prepareChange(before, made, caller, subresource);
      const value = storedText(after);
      if (value === entry.value || caller.dryRun) return { ...entry, value };
      const isReleased = isFinallyGone(after);
      const expected = { modified: entry.modified };
      const result = isReleased
        ? await this.#context.store.delete(entry.key, expected)
        : await this.#context.store.put(entry.key, value, expected);
      if (result.ok) {
        if (isReleased) this.#context.admission.release(this.resource, after);
        return { key: entry.key, value, created: entry.created, modified: result.revision };
      }
      if (attempt >= MAX_RETRIES) throw errors.conflict(this.resource, at.name);
    }
  }

  async #prepareChange(
    before: Readonly<Draft>,
    made: Draft,
    caller: Caller,
    subresource: string | undefined,
  ): Promise<Draft> {
    const { strategy } = this.resource;
    let after = made;
    checkIdentity(this.resource, before, made);
    if (subresource === "status") {
      after = { ...structuredClone(before as Draft) };
      if (made["status"] === undefined) delete after["status"];
      else after["status"] = made["status"];
      if (made.metadata.managedFields) after.metadata.managedFields = made.metadata.managedFields;
    } else if (strategy.hasStatus && subresource !== "binding") {
      if (before["status"] === undefined) delete after["status"];
      else after["status"] = before["status"];
    }
    keepServersFields(before, after);
    strategy.setDefaults?.(after);
    if (subresource === undefined) strategy.prepareUpdate?.(after, before as Draft);
    if (strategy.hasGeneration && !jsonEqual(withoutBookkeeping(before), withoutBookkeeping(after)))
      after.metadata.generation = (before.metadata.generation ?? 0) + 1;
    await this.#context.admission.update(this.resource, after, before as Draft, caller);
    const causes = [
      ...validateMeta(this.resource, after),
      ...(strategy.validate?.(after) ?? []),
      ...((subresource === undefined ? strategy.validateUpdate : strategy.validateStatus)?.(
        after,
        before as Draft,
      ) ?? []),
    ];
    if (causes.length > 0) throw errors.invalid(this.resource, after.metadata.name, causes);
    after.metadata.managedFields = this.#context.trackFields(
      { before: before as Draft, after, subresource },
      caller,
      timeText(this.#context.now()),
    );
    return after;
  }

  /** Deletes, or says so on the object and leaves the rest to whoever holds a finalizer or ends its processes. */
  async delete(
    at: { readonly namespace: string | undefined; readonly name: string },
    request: DeleteRequest,
    caller: Caller,
  ): Promise<DeleteAnswer> {
    for (let attempt = 0; ; attempt++) {
      const entry = await this.entry(at.namespace, at.name);
      const before = objectOf(entry);
      checkPreconditions(this.resource, before, request);
      const after = markDeleted(this.resource, freshObject(entry), request, this.#context.now());
      const isGone = isFinallyGone(after);
      if (caller.dryRun) return { gone: isGone, object: after };
      const value = storedText(after);
      if (!isGone && value === entry.value) return { gone: false, object: before as Draft };
      const result = isGone
        ? await this.#context.store.delete(entry.key, { modified: entry.modified })
        : await this.#context.store.put(entry.key, value, { modified: entry.modified });
      if (result.ok) {
        if (isGone) this.#context.admission.release(this.resource, before);
        after.metadata.resourceVersion = String(result.revision);
        return { gone: isGone, object: after };
      }
      if (attempt >= MAX_RETRIES) throw errors.conflict(this.resource, at.name);
    }
  }
}

function generateName(base: string): string {
  let suffix = "";
  for (let place = 0; place < 5; place++) suffix += GENERATED[Math.floor(Math.random() * GENERATED.length)];
  // As apiserver's names.SimpleNameGenerator: 63 characters at most.
  return `${base.slice(0, 58)}${suffix}`;
}

function checkIdentity(resource: ServedResource, before: Readonly<Draft>, made: Draft): void {
  const { uid } = made.metadata;
  if (uid && uid !== before.metadata.uid) {
    throw errors.conflict(
      resource,
      before.metadata.name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${before.metadata.uid}`,
    );
  }
}

function keepServersFields(before: Readonly<Draft>, after: Draft): void {
  const kept = before.metadata;
  const { metadata } = after;
  metadata.name = kept.name;
  if (kept.namespace !== undefined) metadata.namespace = kept.namespace;
  for (const name of [
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "generateName",
  ] as const) {
    if (kept[name] === undefined) delete metadata[name];
    else Object.assign(metadata, { [name]: kept[name] });
  }
}

function withoutBookkeeping(object: Readonly<Draft>): Record<string, unknown> {
  const { metadata: _, ["status"]: __, ...rest } = object;
  return rest;
}

function checkPreconditions(resource: ServedResource, object: Readonly<Draft>, request: DeleteRequest): void {
  const { name, uid, resourceVersion } = object.metadata;
  if (request.uid && request.uid !== uid) {
    throw errors.conflict(
      resource,
      name,
      `Precondition failed: UID in precondition: ${request.uid}, UID in object meta: ${uid}`,
    );
  }
  if (request.resourceVersion && request.resourceVersion !== resourceVersion) {
    throw errors.conflict(
      resource,
      name,
      `Precondition failed: ResourceVersion in precondition: ${request.resourceVersion}, ResourceVersion in object meta: ${resourceVersion}`,
    );
  }
}

function markDeleted(resource: ServedResource, object: Draft, request: DeleteRequest, now: Date): Draft {
  const { metadata } = object;
  const policy = request.propagationPolicy;
  const finalizers = new Set(metadata.finalizers);
  if (policy === "Foreground") finalizers.add("foregroundDeletion");
  if (policy === "Orphan") finalizers.add("orphan");
  if (finalizers.size > 0) metadata.finalizers = [...finalizers];
  const asked = request.gracePeriodSeconds;
  const own = resource.strategy.gracePeriodSeconds?.(object) ?? 0;
  const grace = own === 0 ? 0 : Math.max(0, asked ?? own);
  const known = metadata.deletionGracePeriodSeconds;
  // A deletion that is under way can be made sooner, never later.
  if (metadata.deletionTimestamp === undefined || (known !== undefined && grace < known)) {
    metadata.deletionTimestamp = timeText(new Date(now.getTime() + grace * 1000));
    metadata.deletionGracePeriodSeconds = grace;
    if (metadata.generation !== undefined) metadata.generation++;
  }
  if (object.kind === "Namespace" && object.apiVersion === "v1") object["status"] = { phase: "Terminating" };
  return object;
}

/** Whether a deletion was asked for and nobody has anything left to do. */
function isFinallyGone(object: Draft): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds, finalizers } = object.metadata;
  if (deletionTimestamp === undefined) return false;
  if ((finalizers?.length ?? 0) > 0 || (deletionGracePeriodSeconds ?? 0) > 0) return false;
  const own =
    object.kind === "Namespace"
      ? (object["spec"] as { finalizers?: string[] } | undefined)?.finalizers
      : undefined;
  return (own?.length ?? 0) === 0;
}

function encodeToken(token: { readonly revision: number; readonly after: string }): string {
  return Buffer.from(
    JSON.stringify({ v: "meta.k8s.io/v1", rv: token.revision, start: token.after }),
  ).toString("base64url");
}

function decodeToken(text: string): { revision: number; after: string } {
  try {
    const token: unknown = JSON.parse(Buffer.from(text, "base64url").toString());
    const after = stringAt(token, "start");
    const revision = (token as { rv?: unknown }).rv;
    if (after !== undefined && typeof revision === "number") return { revision, after };
  } catch {
    // Told below.
  }
  throw new StatusError(400, "BadRequest", "continue key is not valid: encoded continue token is not valid");
}
