/**
 * @module One resource over the store: what create, read, update and delete mean for objects, whoever asks. Knows no
 * HTTP. Sources: Kubernetes' API conventions, and apiserver's registry/generic.
 */

import { randomUUID } from "node:crypto";
import { ownValue } from "../base/own.ts";
import { timeText } from "../client/objects.ts";
import type { Entry, Revision, Store } from "../store/store.ts";
import { CompactedError } from "../store/store.ts";
import { decodeToken, encodeToken } from "./continue-token.ts";
import { checkPreconditions, type DeleteRequest, isFinallyGone, markDeleted } from "./deletion.ts";
import { validateMeta, validateNoNewFinalizers } from "./metadata.ts";
import { freshObject, objectOf, peekObject, storedText } from "./objects.ts";
import { jsonEqual } from "./patch/json-value.ts";
import type { Test } from "./selectors.ts";
import type { Draft, ServedResource } from "./served.ts";
import { errors } from "./status-error.ts";
import { VersionView } from "./version-view.ts";
import {
  checkIdentity,
  generateName,
  keepServersFields,
  newCauses,
  withoutBookkeeping,
} from "./written-object.ts";

export interface Caller {
  /** Whose change it is, for field ownership. */
  readonly manager: string;
  /** Answer as if, and write nothing. */
  readonly dryRun: boolean;
  /** The object says itself whose its fields are: it comes from server-side apply. */
  readonly isApply?: boolean;
  /** What else it must be allowed. Undefined: it is of this process, and trusted. */
  readonly access?: CallerAccess;
  /** Told beside the answer. */
  readonly warn?: (text: string) => void;
}

/** Questions about a caller that only the objects of its request raise. */
export interface CallerAccess {
  /** Asked where another verb turns out to create. @throws StatusError 403 */
  mayCreate(
    resource: ServedResource,
    at: { readonly namespace: string | undefined; readonly name: string },
  ): Promise<void>;
  /** @param before - undefined on create. @throws StatusError 403 */
  mayWrite(
    resource: ServedResource,
    after: Readonly<Draft>,
    before: Readonly<Draft> | undefined,
  ): Promise<void>;
}

/** What was taken for an object that is to be written: one of both is called, once it is known how that went. */
export interface Admitted {
  /** Gives back what the object had before and has no more. */
  written(): Promise<void>;
  /** Gives back what was taken for it. */
  undone(): Promise<void>;
}

/** What happens to an object between the request and the store, beyond its own kind's rules. */
export interface Admission {
  /** May change the object. @throws StatusError; nothing is taken then */
  create(resource: ServedResource, object: Draft, caller: Caller): Promise<Admitted>;
  update(resource: ServedResource, object: Draft, before: Readonly<Draft>, caller: Caller): Promise<Admitted>;
  /** When the object is gone. */
  release(resource: ServedResource, object: Readonly<Draft>): Promise<void>;
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

export type DeleteAnswer =
  | { readonly gone: true; readonly object: Draft }
  | { readonly gone: false; readonly object: Draft };

/** How often a change without a resource version is tried on what somebody else has just written. */
const MAX_RETRIES = 8;
const LIST_PAGE = 500;

export class Storage {
  readonly resource: ServedResource;
  readonly #context: StorageContext;
  /** Entries as this version of the resource tells them. */
  readonly view: VersionView;

  constructor(resource: ServedResource, context: StorageContext) {
    this.resource = resource;
    this.#context = context;
    this.view = new VersionView(resource);
  }

  /** Of all objects, or of those in a namespace. */
  prefix(namespace?: string): string {
    const { prefix } = this.view;
    return namespace === undefined || namespace === "" ? prefix : `${prefix}${namespace}/`;
  }

  #key(namespace: string | undefined, name: string): string {
    return `${this.view.prefix}${this.resource.namespaced ? `${namespace ?? ""}/` : ""}${name}`;
  }

  /** @throws StatusError 404 */
  async entry(namespace: string | undefined, name: string): Promise<Entry> {
    return this.view.entry(await this.#stored(namespace, name));
  }

  /** As it is in the store: in the version that is stored. */
  async #stored(namespace: string | undefined, name: string): Promise<Entry> {
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
      for (const [place, stored] of page.entries.entries()) {
        const entry = this.view.entry(stored);
        if (test && !test(peekObject(entry))) continue;
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
    const { strategy } = this.resource;
    if (this.resource.isEnding)
      throw errors.methodNotAllowed("create not allowed while custom resource definition is terminating");
    if (metadata.resourceVersion)
      throw errors.badRequest("resourceVersion should not be set on objects to be created");
    const isGenerated = !metadata.name && Boolean(metadata.generateName);
    const time = timeText(now());
    metadata.uid = randomUUID();
    metadata.creationTimestamp = time;
    delete metadata.deletionTimestamp;
    delete metadata.deletionGracePeriodSeconds;
    if (strategy.hasGeneration) metadata.generation = 1;
    else delete metadata.generation;
    if (isGenerated) metadata.name = generateName(metadata.generateName ?? "");
    strategy.prepareCreate?.(object);
    strategy.setDefaults?.(object);
    await caller.access?.mayWrite(this.resource, object, undefined);
    const admitted = await admission.create(this.resource, object, caller);
    try {
      const causes = [
        ...validateMeta(this.resource, object),
        ...(strategy.validate?.(object) ?? []),
        ...(strategy.validateCreate?.(object) ?? []),
      ];
      if (causes.length > 0) throw errors.invalid(this.resource, metadata.name, causes);
      metadata.managedFields = this.#context.trackFields(
        { before: undefined, after: object, subresource: undefined },
        caller,
        time,
      );
      const entry = await this.#put(object, isGenerated, caller.dryRun);
      for (const text of strategy.warnings?.(object) ?? []) caller.warn?.(text);
      return this.view.entry(entry);
    } catch (error) {
      await admitted.undone();
      throw error;
    }
  }

  /** Writes what was not there; a generated name that is taken is generated anew. */
  async #put(object: Draft, isGenerated: boolean, dryRun: boolean): Promise<Entry> {
    const { store } = this.#context;
    const { metadata } = object;
    for (let attempt = 0; ; attempt++) {
      const key = this.#key(metadata.namespace, metadata.name);
      const value = storedText(this.view.stored(object));
      if (dryRun) {
        if (!(await store.get(key))) return { key, value, created: 0, modified: 0 };
      } else {
        const result = await store.put(key, value, { absent: true });
        if (result.ok) return { key, value, created: result.revision, modified: result.revision };
      }
      if (!isGenerated || attempt >= MAX_RETRIES) throw errors.alreadyExists(this.resource, metadata.name);
      metadata.name = generateName(metadata.generateName ?? "");
    }
  }

  /**
   * Reads, lets `change` make something new of it, checks and writes that. Tries anew on what others wrote meanwhile,
   * unless the new object says which version it is made of.
   * @param subresource - "status", or one of the strategy's parts: only that is taken from what `change` makes; "binding",
   *   "finalize": all is
   */
  async change(
    at: { readonly namespace: string | undefined; readonly name: string },
    change: (before: Draft) => Draft | Promise<Draft>,
    caller: Caller,
    subresource?: string,
  ): Promise<Entry> {
    for (let attempt = 0; ; attempt++) {
      const stored = await this.#stored(at.namespace, at.name);
      const entry = this.view.entry(stored);
      const made = await change(freshObject(entry));
      const given = made.metadata.resourceVersion;
      if (given && given !== String(stored.modified)) throw errors.conflict(this.resource, at.name);
      const after = await this.#prepareChange(objectOf(entry), made, caller, subresource);
      const { admission } = this.#context;
      const admitted = await admission.update(this.resource, after, objectOf(entry), caller);
      try {
        this.#check(objectOf(entry), after, subresource);
        const written = await this.#replace(stored, after, caller, subresource);
        if (written) {
          if (!caller.dryRun) await admitted.written();
          for (const text of this.resource.strategy.warnings?.(after) ?? []) caller.warn?.(text);
          return this.view.entry(written);
        }
      } catch (error) {
        await admitted.undone();
        throw error;
      }
      await admitted.undone();
      if (attempt >= MAX_RETRIES) throw errors.conflict(this.resource, at.name);
    }
  }

  /** @returns undefined when somebody else has written it meanwhile */
  async #replace(
    stored: Entry,
    after: Draft,
    caller: Caller,
    subresource: string | undefined,
  ): Promise<Entry | undefined> {
    const { store, admission, now, trackFields } = this.#context;
    after.metadata.managedFields = trackFields(
      { before: objectOf(this.view.entry(stored)) as Draft, after, subresource },
      caller,
      timeText(now()),
    );
    const value = storedText(this.view.stored(after));
    if (value === stored.value || caller.dryRun) return { ...stored, value };
    const isReleased = isFinallyGone(after);
    const expected = { modified: stored.modified };
    const result = isReleased
      ? await store.delete(stored.key, expected)
      : await store.put(stored.key, value, expected);
    if (!result.ok) return undefined;
    if (isReleased) await admission.release(this.resource, after);
    return { key: stored.key, value, created: stored.created, modified: result.revision };
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
    const part = subresource === undefined ? undefined : ownValue(strategy.parts, subresource);
    if (part) {
      after = part.take(made, before as Draft);
      if (made.metadata.managedFields) after.metadata.managedFields = made.metadata.managedFields;
    } else if (subresource === "status") {
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
    if (subresource === undefined) await caller.access?.mayWrite(this.resource, after, before);
    return after;
  }

  /** @throws StatusError 422 */
  #check(before: Readonly<Draft>, after: Draft, subresource: string | undefined): void {
    const { strategy } = this.resource;
    const causes = [
      ...validateMeta(this.resource, after),
      ...validateNoNewFinalizers(before, after),
      ...newCauses(strategy, before, after),
      ...((subresource === undefined ? strategy : ownValue(strategy.parts, subresource))?.validateUpdate?.(
        after,
        before as Draft,
      ) ?? []),
    ];
    if (causes.length > 0) throw errors.invalid(this.resource, after.metadata.name, causes);
  }

  /** Deletes, or says so on the object and leaves the rest to whoever holds a finalizer or ends its processes. */
  async delete(
    at: { readonly namespace: string | undefined; readonly name: string },
    request: DeleteRequest,
    caller: Caller,
  ): Promise<DeleteAnswer> {
    for (let attempt = 0; ; attempt++) {
      const entry = await this.#stored(at.namespace, at.name);
      const before = objectOf(this.view.entry(entry));
      const refused = this.resource.strategy.undeletable?.(before);
      if (refused !== undefined) throw errors.forbidden(this.resource, at.name, refused);
      checkPreconditions(this.resource, before, request);
      const after = markDeleted(
        this.resource,
        freshObject(this.view.entry(entry)),
        request,
        this.#context.now(),
      );
      const isGone = isFinallyGone(after);
      if (caller.dryRun) return { gone: isGone, object: after };
      const value = storedText(this.view.stored(after));
      if (!isGone && value === entry.value) return { gone: false, object: before as Draft };
      const result = isGone
        ? await this.#context.store.delete(entry.key, { modified: entry.modified })
        : await this.#context.store.put(entry.key, value, { modified: entry.modified });
      if (result.ok) {
        if (isGone) await this.#context.admission.release(this.resource, before);
        after.metadata.resourceVersion = String(result.revision);
        return { gone: isGone, object: after };
      }
      if (attempt >= MAX_RETRIES) throw errors.conflict(this.resource, at.name);
    }
  }
}
