/**
 * @module The store embedded on disk (lmdb): objects in memory, every write on disk before anybody hears of it. What was
 * acknowledged is there after `kill -9`; what the machine's own crash may cost is the last moments, never the rest.
 *
 * Writes of one turn of the event loop are one transaction. History is not kept over a restart: a watch from before it is
 * told that it is compacted. When the disk refuses a write nobody knows what is on it: no write is taken any more, and
 * whoever opened the store is told, so that the process ends and begins again with what is there.
 */
import { open } from "lmdb";
import { OpError } from "../base/errors.ts";
import { MemoryStore } from "./memory-store.ts";
import type {
  Entry,
  Expected,
  ListOptions,
  ListResult,
  Revision,
  Store,
  StoreEvent,
  Watch,
  WatchSink,
  WriteResult,
} from "./store.ts";

/** Beside the objects, whose keys begin with a slash. */
const REVISION = "revision";
const MOST_BYTES = 16 * 1024 ** 3;

/** The part of the database that is written while it is open. */
export interface Disk {
  put(key: string, value: string): Promise<boolean>;
  remove(key: string): Promise<boolean>;
  close(): Promise<void>;
}

export interface DiskStoreOptions {
  /** Called once, when the disk has refused a write: the process is to end. */
  readonly onFailure?: (error: OpError) => void;
}

export class DiskStore implements Store {
  readonly #database: Disk;
  readonly #options: DiskStoreOptions;
  readonly #memory: MemoryStore;
  /** Writes on their way to the disk, as they will be; null: deleted. */
  readonly #pending = new Map<string, Entry | null>();
  readonly #queue: StoreEvent[] = [];
  #next: Revision;
  #failure: OpError | undefined;
  /** Resolves when all writes up to now are on disk: they get there in order. */
  #lastWrite: Promise<void> = Promise.resolve();

  /** @param memory - what is on the disk; `open` reads it */
  constructor(database: Disk, memory: MemoryStore, options: DiskStoreOptions = {}) {
    this.#database = database;
    this.#memory = memory;
    this.#options = options;
    this.#next = memory.currentRevision + 1;
  }

  /** @throws OpError `file-unreadable` when the folder cannot be used */
  static open(folder: string, options: DiskStoreOptions = {}): DiskStore {
    try {
      const database = open<string, string>({
        path: folder,
        encoding: "string",
        mapSize: MOST_BYTES,
        maxReaders: 16,
      });
      let revision = Number(database.get(REVISION) ?? 0);
      const entries: Entry[] = [];
      for (const { key, value } of database.getRange({ start: "/" })) {
        if (!key.startsWith("/")) continue;
        const entry = parse(key, value);
        entries.push(entry);
        revision = Math.max(revision, entry.modified);
      }
      return new DiskStore(database, new MemoryStore({ entries, revision }), options);
    } catch (cause) {
      const words = cause instanceof Error ? cause.message : String(cause);
      throw new OpError(`cannot keep objects in ${folder}: ${words}`, { code: "file-unreadable", cause });
    }
  }

  revision(): Promise<Revision> {
    return this.#memory.revision();
  }

  get(key: string): Promise<Entry | undefined> {
    return this.#memory.get(key);
  }

  list(prefix: string, options?: ListOptions): Promise<ListResult> {
    return this.#memory.list(prefix, options);
  }

  #latest(key: string): Entry | undefined {
    const pending = this.#pending.get(key);
    return pending === undefined ? this.#memory.entry(key) : (pending ?? undefined);
  }

  async put(key: string, value: string, expected: Expected): Promise<WriteResult> {
    if (this.#failure) throw this.#failure;
    const before = this.#latest(key);
    if ("absent" in expected ? before !== undefined : before?.modified !== expected.modified)
      return this.#refused(key, before);
    const revision = this.#next++;
    const entry: Entry = { key, value, created: before?.created ?? revision, modified: revision };
    this.#pending.set(key, entry);
    const written = this.#database.put(key, `${entry.created} ${entry.modified} ${value}`);
    return this.#settle({ type: "put", entry, ...(before && { before }) }, written);
  }

  async delete(key: string, expected: { readonly modified: Revision }): Promise<WriteResult> {
    if (this.#failure) throw this.#failure;
    const before = this.#latest(key);
    if (before?.modified !== expected.modified) return this.#refused(key, before);
    const revision = this.#next++;
    this.#pending.set(key, null);
    return this.#settle({ type: "delete", key, revision, before }, this.#database.remove(key));
  }

  /** Told when what stands in the way can be read: whoever tries again would meet the same refusal before. */
  async #refused(key: string, current: Entry | undefined): Promise<WriteResult> {
    if (this.#pending.has(key)) await this.#lastWrite;
    if (this.#failure) throw this.#failure;
    return { ok: false, current };
  }

  /** Readers and watchers see a write when it is on disk, and all before it. */
  async #settle(event: StoreEvent, written: Promise<boolean>): Promise<WriteResult> {
    const revision = event.type === "put" ? event.entry.modified : event.revision;
    this.#queue.push(event);
    // In the same transaction: the count of a deletion would be lost with the key.
    const counted = this.#database.put(REVISION, String(revision));
    const both = Promise.all([written, counted]);
    this.#lastWrite = both.then(
      () => undefined,
      () => undefined,
    );
    try {
      await both;
    } catch (error) {
      throw this.#fail(error);
    }
    // One before it is not on disk: neither this one nor those behind it have happened.
    if (this.#failure) throw this.#failure;
    this.#publish(revision);
    return { ok: true, revision };
  }

  #fail(cause: unknown): OpError {
    if (this.#failure) return this.#failure;
    const words = cause instanceof Error ? cause.message : String(cause);
    this.#failure = new OpError(`the disk refused a write, and no more are taken: ${words}`, {
      code: "output-failed",
      cause,
    });
    this.#options.onFailure?.(this.#failure);
    return this.#failure;
  }

  #publish(upTo: Revision): void {
    while (this.#queue.length > 0) {
      const event = this.#queue[0] as StoreEvent;
      const revision = event.type === "put" ? event.entry.modified : event.revision;
      if (revision > upTo) return;
      this.#queue.shift();
      const key = event.type === "put" ? event.entry.key : event.key;
      const pending = this.#pending.get(key);
      // A later write of the same key is still on its way.
      if (
        pending === null
          ? event.type === "delete"
          : pending === (event.type === "put" ? event.entry : undefined)
      )
        this.#pending.delete(key);
      this.#memory.apply(event);
    }
  }

  watch(prefix: string, from: Revision | undefined, sink: WatchSink): Watch {
    return this.#memory.watch(prefix, from, sink);
  }

  compact(revision: Revision): Promise<void> {
    return this.#memory.compact(revision);
  }

  async close(): Promise<void> {
    await this.#memory.close();
    await this.#database.close();
  }
}

function parse(key: string, text: string): Entry {
  const first = text.indexOf(" ");
  const second = text.indexOf(" ", first + 1);
  return {
    key,
    created: Number(text.slice(0, first)),
    modified: Number(text.slice(first + 1, second)),
    value: text.slice(second + 1),
  };
}
