/**
 * @module What a CustomResourceDefinition has defined goes with it: its objects are deleted, each as its finalizers want,
 * before the definition is gone. None is made meanwhile. Source: apiextensions' finalizer controller.
 */
import { at } from "./json.ts";
import { CLEANUP } from "./kinds/custom-resource-definition.ts";
import { deleteCollection } from "./operations.ts";
import type { Draft } from "./served.ts";
import { StatusError } from "./status-error.ts";
import type { Caller, Storage } from "./storage.ts";

const CALLER: Caller = { manager: "tortie", dryRun: false };
/** Objects wait for whoever holds their finalizers: so often it is looked whether any are left. */
const LOOK_AGAIN_MS = 250;
const PAGE = 500;
const ALL = { namespace: undefined, test: undefined, continue: undefined, revision: undefined };

export interface CleanupPlaces {
  readonly definitions: Storage;
  /** Where the objects of a definition are. @returns undefined when they are not its own */
  readonly storageOf: (definition: Readonly<Draft>) => Storage | undefined;
}

export class CustomResourceCleanup {
  readonly #places: CleanupPlaces;
  readonly #under = new Set<string>();
  #isStopped = false;

  constructor(places: CleanupPlaces) {
    this.#places = places;
  }

  /** Looks at a definition that has changed; a deletion that is under way goes on. */
  see(definition: Readonly<Draft>): void {
    const { name, deletionTimestamp, finalizers = [] } = definition.metadata;
    if (deletionTimestamp === undefined || !finalizers.includes(CLEANUP) || this.#under.has(name)) return;
    this.#under.add(name);
    void this.#clean(definition).finally(() => this.#under.delete(name));
  }

  async #clean(definition: Readonly<Draft>): Promise<void> {
    const storage = this.#places.storageOf(definition);
    if (storage) {
      // Twice nothing: a creation that was under way when the deletion began has ended by then.
      await this.#untilNothing(2, () => this.#deleteAll(storage));
      // Those that finalizers hold are told already: it is only asked whether there is one.
      await this.#untilNothing(1, async () => (await storage.list({ ...ALL, limit: 1 })).entries.length);
    }
    while (!this.#isStopped && !(await this.#release(definition.metadata.name))) await pause();
  }

  /** Looks until nothing was found so many times in a row; a store that fails is asked again. */
  async #untilNothing(times: number, look: () => Promise<number>): Promise<void> {
    for (let empty = 0; !this.#isStopped; ) {
      const found = await look().catch(() => 1);
      empty = found === 0 ? empty + 1 : 0;
      if (empty === times) return;
      await pause();
    }
  }

  /** @returns how many there were that go only now */
  async #deleteAll(storage: Storage): Promise<number> {
    let count = 0;
    let next: string | undefined;
    do {
      const page = await storage.list({ ...ALL, test: isStaying, limit: PAGE, continue: next });
      await deleteCollection(storage, page.entries, {}, CALLER);
      count += page.entries.length;
      next = page.continue;
    } while (next !== undefined && !this.#isStopped);
    return count;
  }

  /** @returns whether the definition is held by this no more */
  async #release(name: string): Promise<boolean> {
    try {
      await this.#places.definitions.change(
        { namespace: undefined, name },
        (now) => {
          now.metadata.finalizers = (now.metadata.finalizers ?? []).filter((one) => one !== CLEANUP);
          return now;
        },
        CALLER,
        "finalize",
      );
      return true;
    } catch (error) {
      return error instanceof StatusError && error.code === 404;
    }
  }

  stop(): void {
    this.#isStopped = true;
  }
}

function isStaying(object: unknown): boolean {
  return at(object, "metadata", "deletionTimestamp") === undefined;
}

function pause(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, LOOK_AGAIN_MS).unref();
  });
}
