/**
 * @module A resource kept in step in memory: listed once, then watched, listed again when the watch cannot go on. What
 * was missed meanwhile is told as what it amounts to: handlers see every object's latest state, never its history.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, isReason, type ListOptions } from "./client.ts";
import type { KubeObject, ResourceType } from "./objects.ts";
import { keyOf } from "./objects.ts";

export interface Handlers<T> {
  /** `before` is undefined when the object is new to us. */
  readonly changed?: (object: T, before: T | undefined) => void;
  readonly deleted?: (last: T) => void;
}

export interface InformerOptions extends Omit<ListOptions, "limit" | "continue" | "resourceVersion"> {
  /** Told of failures that are tried again. */
  readonly onError?: (error: unknown) => void;
  /** Told after each batch: the resource version up to which all is known. */
  readonly onVersion?: (resourceVersion: string) => void;
}

const MIN_PAUSE_MS = 50;
const MAX_PAUSE_MS = 5000;

export class Informer<T extends KubeObject> {
  readonly type: ResourceType<T>;
  readonly #client: Client;
  readonly #options: InformerOptions;
  readonly #objects = new Map<string, T>();
  readonly #handlers: Handlers<T>[] = [];
  readonly #abort = new AbortController();
  #synced: () => void = () => undefined;
  /** Resolves when the first list is in. */
  readonly ready: Promise<void>;
  #isReady = false;

  constructor(client: Client, type: ResourceType<T>, options: InformerOptions = {}) {
    this.#client = client;
    this.type = type;
    this.#options = options;
    this.ready = new Promise((resolve) => {
      this.#synced = resolve;
    });
  }

  /** Adds handlers; those added after the start are told of what is there already. */
  on(handlers: Handlers<T>): this {
    this.#handlers.push(handlers);
    for (const object of this.#objects.values()) handlers.changed?.(object, undefined);
    return this;
  }

  start(): this {
    void this.#run();
    return this;
  }

  get(namespace: string | undefined, name: string): T | undefined {
    return this.#objects.get(namespace ? `${namespace}/${name}` : name);
  }

  byKey(key: string): T | undefined {
    return this.#objects.get(key);
  }

  values(): IterableIterator<T> {
    return this.#objects.values();
  }

  get size(): number {
    return this.#objects.size;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  stop(): void {
    this.#abort.abort();
  }

  #isStopped(): boolean {
    return this.#abort.signal.aborted;
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    let pause = MIN_PAUSE_MS;
    let version: string | undefined;
    while (!signal.aborted) {
      try {
        version ??= await this.#list();
        pause = MIN_PAUSE_MS;
        version = await this.#watch(version);
      } catch (error) {
        if (this.#isStopped()) return;
        // The API server was asked from a version that it has forgotten: only a list helps.
        if (isReason(error, "Expired", "Gone", "Timeout")) version = undefined;
        else {
          this.#options.onError?.(error);
          await sleep(pause, undefined, { signal }).catch(() => undefined);
          pause = Math.min(pause * 2, MAX_PAUSE_MS);
          // What was written while there was no API is found by listing.
          version = undefined;
        }
      }
    }
  }

  async #list(): Promise<string> {
    const { items, resourceVersion } = await this.#client.list(this.type, this.#options);
    const found = new Set<string>();
    for (const item of items) {
      found.add(keyOf(item));
      this.#set(item);
    }
    for (const [key, object] of this.#objects) if (!found.has(key)) this.#delete(key, object);
    this.#isReady = true;
    this.#options.onVersion?.(resourceVersion);
    this.#synced();
    return resourceVersion;
  }

  /** @returns where to go on when the server ended the watch */
  async #watch(from: string): Promise<string> {
    let version = from;
    const options = { ...this.#options, resourceVersion: from, signal: this.#abort.signal };
    for await (const event of this.#client.watch(this.type, options)) {
      if (event.type === "BOOKMARK") {
        version = event.resourceVersion;
        this.#options.onVersion?.(version);
        continue;
      }
      const { object } = event;
      version = object.metadata.resourceVersion ?? version;
      if (event.type === "DELETED") this.#delete(keyOf(object), object);
      else this.#set(object);
      this.#options.onVersion?.(version);
    }
    return version;
  }

  #set(object: T): void {
    const key = keyOf(object);
    const before = this.#objects.get(key);
    const isSame =
      before !== undefined &&
      before.metadata.resourceVersion === object.metadata.resourceVersion &&
      before.metadata.uid === object.metadata.uid;
    if (isSame) return;
    this.#objects.set(key, object);
    for (const { changed } of this.#handlers) changed?.(object, before);
  }

  #delete(key: string, last: T): void {
    if (!this.#objects.delete(key)) return;
    for (const { deleted } of this.#handlers) deleted?.(last);
  }
}
