/** @module One informer a resource for all controllers, and indexes of what they hold. */
import type { Client } from "../client/client.ts";
import { Informer } from "../client/informer.ts";
import type { KubeObject, ResourceType } from "../client/objects.ts";
import { keyOf } from "../client/objects.ts";

const NOTHING: ReadonlyMap<string, never> = new Map<string, never>();

/** Objects by keys that are read off them. Always in step with its informer. */
export class Index<T extends KubeObject> {
  readonly #buckets = new Map<string, Map<string, T>>();

  constructor(informer: Informer<T>, keysOf: (object: T) => readonly string[]) {
    informer.on({
      changed: (object, before) => {
        const name = keyOf(object);
        const keys = keysOf(object);
        if (before) for (const key of keysOf(before)) if (!keys.includes(key)) this.#remove(key, name);
        for (const key of keys) this.#add(key, name, object);
      },
      deleted: (last) => {
        const name = keyOf(last);
        for (const key of keysOf(last)) this.#remove(key, name);
      },
    });
  }

  #add(key: string, name: string, object: T): void {
    let bucket = this.#buckets.get(key);
    if (!bucket) {
      bucket = new Map();
      this.#buckets.set(key, bucket);
    }
    bucket.set(name, object);
  }

  #remove(key: string, name: string): void {
    const bucket = this.#buckets.get(key);
    if (bucket?.delete(name) && bucket.size === 0) this.#buckets.delete(key);
  }

  /** By the objects' own keys (`namespace/name`). */
  get(key: string): ReadonlyMap<string, T> {
    return this.#buckets.get(key) ?? NOTHING;
  }

  /** As {@link get}, as a list of one's own. */
  list(key: string): T[] {
    return [...this.get(key).values()];
  }
}

function nameOf(type: ResourceType): string {
  return `${type.group}/${type.version}/${type.plural}`;
}

export class Informers {
  readonly #client: Client;
  readonly #onError: (error: unknown, type: ResourceType) => void;
  readonly #informers = new Map<string, Informer<KubeObject>>();
  readonly #indexes = new Map<string, Index<KubeObject>>();

  constructor(client: Client, onError: (error: unknown, type: ResourceType) => void) {
    this.#client = client;
    this.#onError = onError;
  }

  /** Started when it is asked for the first time. */
  of<T extends KubeObject>(type: ResourceType<T>): Informer<T> {
    const name = nameOf(type);
    const known = this.#informers.get(name);
    // A name stands for one type of objects.
    if (known) return known as unknown as Informer<T>;
    const informer = new Informer(this.#client, type, { onError: (error) => this.#onError(error, type) });
    this.#informers.set(name, informer as unknown as Informer<KubeObject>);
    return informer.start();
  }

  /** @param name - stands for `keysOf`: an index of the same name is shared */
  index<T extends KubeObject>(
    type: ResourceType<T>,
    name: string,
    keysOf: (object: T) => readonly string[],
  ): Index<T> {
    const full = `${nameOf(type)} ${name}`;
    const known = this.#indexes.get(full);
    if (known) return known as unknown as Index<T>;
    const index = new Index(this.of(type), keysOf);
    this.#indexes.set(full, index as unknown as Index<KubeObject>);
    return index;
  }

  /** Resolves when all that there is of these is known: before that, nothing may be concluded from what is missing. */
  async ready(...types: readonly ResourceType[]): Promise<void> {
    await Promise.all(types.map((type) => this.of(type).ready));
  }

  /** Of a resource that is served no more. */
  drop(type: ResourceType): void {
    const name = nameOf(type);
    this.#informers.get(name)?.stop();
    this.#informers.delete(name);
    for (const key of this.#indexes.keys()) if (key.startsWith(`${name} `)) this.#indexes.delete(key);
  }

  stop(): void {
    for (const informer of this.#informers.values()) informer.stop();
  }
}
