/**
 * @module Stored objects as one version of their resource tells them. Custom resources are stored in one version and told
 * in each that is served; only `apiVersion` differs (conversion strategy None). What is built in has one version, but for
 * events, which two groups tell in words of their own.
 */
import type { Entry, StoreEvent } from "../store/store.ts";
import type { Draft, ServedResource } from "./served.ts";

const HEAD = /^\{"apiVersion":"[^"]*"/;

/** Cost: for built-in kinds none; else once an entry, a replaced prefix, or its text parsed where there are defaults. */
export class VersionView {
  /** Where the objects are in the store. */
  readonly prefix: string;
  readonly #resource: ServedResource;
  readonly #apiVersion: string;
  readonly #isStored: boolean;
  readonly #entries = new WeakMap<Entry, WeakRef<Entry>>();
  readonly #events = new WeakMap<StoreEvent, WeakRef<StoreEvent>>();

  constructor(resource: ServedResource) {
    this.#resource = resource;
    const { group } = resource.conversion ?? resource;
    this.prefix = `/registry/${group === "" ? "core" : group}/${resource.plural}/`;
    this.#isStored = resource.storedVersion === undefined && !resource.conversion;
    this.#apiVersion = `${resource.group}/${resource.version}`;
  }

  entry(stored: Entry): Entry {
    if (this.#isStored) return stored;
    const known = this.#entries.get(stored)?.deref();
    if (known) return known;
    const value = this.#told(stored.value);
    const entry = value === stored.value ? stored : { ...stored, value };
    this.#entries.set(stored, new WeakRef(entry));
    return entry;
  }

  event(stored: StoreEvent): StoreEvent {
    if (this.#isStored) return stored;
    const known = this.#events.get(stored)?.deref();
    if (known) return known;
    const event: StoreEvent =
      stored.type === "put"
        ? {
            ...stored,
            entry: this.entry(stored.entry),
            ...(stored.before && { before: this.entry(stored.before) }),
          }
        : { ...stored, before: this.entry(stored.before) };
    this.#events.set(stored, new WeakRef(event));
    return event;
  }

  /** The object in the version that is stored. */
  stored(object: Draft): Draft {
    const { group, storedVersion, conversion } = this.#resource;
    if (conversion) return conversion.stored(object);
    return storedVersion === undefined ? object : { ...object, apiVersion: `${group}/${storedVersion}` };
  }

  #told(value: string): string {
    const { complete, conversion } = this.#resource;
    if (conversion) return JSON.stringify(conversion.told(JSON.parse(value) as Draft));
    const text = value.replace(HEAD, `{"apiVersion":${JSON.stringify(this.#apiVersion)}`);
    if (!complete) return text;
    const object = JSON.parse(text) as Draft;
    complete(object);
    return JSON.stringify(object);
  }
}
