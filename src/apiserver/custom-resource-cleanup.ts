/**
 * @module What a CustomResourceDefinition has defined goes with it: its objects are deleted, each as its finalizers want,
 * before the definition is gone. None is made meanwhile. Source: apiextensions' finalizer controller.
 */
import { CLEANUP } from "./kinds/custom-resource-definition.ts";
import { deleteCollection } from "./operations.ts";
import type { Draft } from "./served.ts";
import { StatusError } from "./status-error.ts";
import type { Caller, Storage } from "./storage.ts";

const CALLER: Caller = { manager: "tortie", dryRun: false };
/** Objects wait for whoever holds their finalizers: so often it is looked whether any are left. */
const LOOK_AGAIN_MS = 250;
const PAGE = 500;

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
    // Twice nothing: a creation that was under way when the deletion began has ended by then.
    for (let empty = 0; empty < 2 && !this.#isStopped; ) {
      const left = storage ? await this.#deleteAll(storage) : 0;
      empty = left === 0 ? empty + 1 : 0;
      if (empty < 2) await pause();
    }
    while (!this.#isStopped && !(await this.#release(definition.metadata.name))) await pause();
  }

  /** @returns how many there are still; a store that fails is asked again */
  async #deleteAll(storage: Storage): Promise<number> {
    try {
      const request = { namespace: undefined, test: undefined, continue: undefined, revision: undefined };
      const { entries } = await storage.list({ ...request, limit: PAGE });
      await deleteCollection(storage, entries, {}, CALLER);
      return (await storage.list({ ...request, limit: 1 })).entries.length;
    } catch {
      return 1;
    }
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

function pause(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, LOOK_AGAIN_MS).unref();
  });
}
