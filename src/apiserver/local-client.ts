/** @module The API for the controllers in its own process: the same operations, with no HTTP between. */
import {
  ApiError,
  type At,
  type Client,
  type DeleteOptions,
  type List,
  type ListOptions,
  type PatchOptions,
  type WatchEvent,
  type WatchOptions,
} from "../client/client.ts";
import type { KubeObject, ResourceType } from "../client/objects.ts";
import type { Entry } from "../store/store.ts";
import type { Api } from "./api.ts";
import { evict } from "./eviction.ts";
import { freshObject, objectOf } from "./objects.ts";
import { bind, changeScale, draftOf, finalize, patch, update } from "./operations.ts";
import type { Reviews } from "./reviews.ts";
import { parseFieldSelector, parseLabelSelector, type Test } from "./selectors.ts";
import { errors, StatusError } from "./status-error.ts";
import type { Caller, Storage } from "./storage.ts";
import { eventOf } from "./watching.ts";

export class LocalClient implements Client {
  readonly #api: Api;
  readonly #caller: Caller;
  readonly #reviews: Reviews;

  constructor(api: Api, reviews: Reviews, manager: string) {
    this.#api = api;
    this.#reviews = reviews;
    this.#caller = { manager, dryRun: false };
  }

  #storage(type: ResourceType): Storage {
    const storage = this.#api.storage(type.group, type.version, type.plural);
    if (!storage) throw errors.noSuchPath();
    return storage;
  }

  get<T extends KubeObject>(type: ResourceType<T>, at: At): Promise<T> {
    return told(async () => fresh<T>(await this.#storage(type).entry(at.namespace, at.name)));
  }

  list<T extends KubeObject>(type: ResourceType<T>, options: ListOptions = {}): Promise<List<T>> {
    return told(async () => {
      const storage = this.#storage(type);
      const answer = await storage.list({
        namespace: options.namespace,
        test: testOf(storage, options),
        limit: options.limit,
        continue: options.continue,
        revision: undefined,
      });
      return {
        items: answer.entries.map((entry) => objectOf(entry) as unknown as T),
        resourceVersion: String(answer.revision),
        ...(answer.continue !== undefined && { continue: answer.continue }),
      };
    });
  }

  create<T extends KubeObject>(type: ResourceType<T>, object: T, subresource?: string): Promise<T> {
    return told(async () => {
      const storage = this.#storage(type);
      const body = structuredClone(object) as unknown as Record<string, unknown>;
      const place = { namespace: object.metadata.namespace, name: object.metadata.name };
      switch (subresource) {
        case undefined:
          return fresh<T>(
            await storage.create(
              draftOf(storage.resource, { namespace: place.namespace }, body),
              this.#caller,
            ),
          );
        case "binding":
          return fresh<T>(await bind(storage, place, body, this.#caller));
        case "eviction":
          return (await evict(this.#api, storage, place, body, this.#caller)).object as unknown as T;
        case "token":
          return (await this.#reviews.issueToken(
            await storage.get(place.namespace, place.name),
            body,
          )) as unknown as T;
        default:
          throw errors.noSuchPath();
      }
    });
  }

  update<T extends KubeObject>(type: ResourceType<T>, object: T, subresource?: string): Promise<T> {
    return told(async () => {
      const storage = this.#storage(type);
      const body = structuredClone(object) as unknown as Record<string, unknown>;
      const place = { namespace: object.metadata.namespace, name: object.metadata.name };
      if (subresource === "scale")
        return (await changeScale(storage, place, () => body, this.#caller)) as unknown as T;
      if (subresource === "finalize") return fresh<T>(await finalize(storage, place, body, this.#caller));
      return fresh<T>(
        await update(storage, place, draftOf(storage.resource, place, body), this.#caller, subresource),
      );
    });
  }

  patch<T extends KubeObject>(
    type: ResourceType<T>,
    at: At,
    body: unknown,
    options: PatchOptions,
  ): Promise<T> {
    return told(async () => {
      const caller =
        options.fieldManager === undefined
          ? this.#caller
          : { ...this.#caller, manager: options.fieldManager };
      const request = { kind: options.type, body, force: options.force ?? false, check: () => undefined };
      const place = { namespace: at.namespace, name: at.name };
      return fresh<T>((await patch(this.#storage(type), place, request, caller, options.subresource)).entry);
    });
  }

  delete<T extends KubeObject>(type: ResourceType<T>, at: At, options: DeleteOptions = {}): Promise<void> {
    return told(async () => {
      await this.#storage(type).delete({ namespace: at.namespace, name: at.name }, options, this.#caller);
    });
  }

  async *watch<T extends KubeObject>(
    type: ResourceType<T>,
    options: WatchOptions,
  ): AsyncIterable<WatchEvent<T>> {
    const storage = this.#storage(type);
    const test = testOf(storage, options);
    const queue: WatchEvent<T>[] = [];
    let wake: () => void = () => undefined;
    let failure: Error | undefined;
    const from = options.resourceVersion === undefined ? undefined : Number(options.resourceVersion);
    const watch = this.#api.store.watch(storage.prefix(options.namespace), from, {
      events: (events) => {
        // Whatever a test meets in an object ends this watch, and nobody else's.
        try {
          for (const event of events) {
            const seen = eventOf(storage.view.event(event), test);
            if (seen) queue.push(seen as unknown as WatchEvent<T>);
          }
        } catch (error) {
          failure = error as Error;
        }
        wake();
      },
      failed: (error) => {
        failure = error;
        wake();
      },
    });
    options.signal.addEventListener("abort", () => wake(), { once: true });
    try {
      for (;;) {
        yield* queue.splice(0);
        if (options.signal.aborted) return;
        if (failure) throw new ApiError(failure.message, { code: 410, reason: "Expired" });
        if (queue.length > 0) continue;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      watch.close();
    }
  }
}

function fresh<T>(entry: Entry): T {
  return freshObject(entry) as unknown as T;
}

function testOf(storage: Storage, options: ListOptions): Test | undefined {
  const tests = [
    parseLabelSelector(options.labelSelector ?? ""),
    parseFieldSelector(options.fieldSelector ?? "", storage.resource.strategy.fields ?? {}),
  ].filter((test) => test !== undefined);
  return tests.length === 0 ? undefined : (object) => tests.every((test) => test(object));
}

/** Refusals in the words of a client. */
async function told<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    throw asApiError(error);
  }
}

function asApiError({ message, code, reason, details }: StatusError): ApiError {
  return new ApiError(message, { code, reason, details });
}
