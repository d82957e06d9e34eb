/**
 * @module The store embedded on disk (lmdb): objects in memory, every write on disk before anybody hears of it. What was
 * acknowledged is there after `kill -9`; what the machine's own crash may cost is the last moments, never the rest.
 *
 * Writes of one turn of the event loop are one transaction. History is not kept over a restart: a watch from before it is
 * told that it is compacted.
 */
import { OpError } from "../base/errors.ts";
import { type Change, type Disk, LmdbDisk } from "./lmdb-disk.ts";
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
/** Of one transaction: room for it is taken before. */
const MOST_WRITES = 64;

/** A write that waits for the disk. */
class Write {
  readonly event: StoreEvent;
  readonly result: Promise<WriteResult>;
  resolve: (result: WriteResult) => void = () => undefined;
  reject: (error: OpError) => void = () => undefined;

  constructor(event: StoreEvent) {
    this.event = event;
    this.result = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  get key(): string {
    return this.event.type === "put" ? this.event.entry.key : this.event.key;
  }

  get revision(): Revision {
    return this.event.type === "put" ? this.event.entry.modified : this.event.revision;
  }

  /** What is there when it is done. */
  get entry(): Entry | undefined {
    return this.event.type === "put" ? this.event.entry : undefined;
  }

  get change(): Change {
    const { key, entry } = this;
    return { key, value: entry && `${entry.created} ${entry.modified} ${entry.value}` };
  }
}

/**
 * Writes go to the disk one transaction after the other; what comes meanwhile makes the next one. One that the disk
 * refuses has not happened, nor has any that came behind it and builds upon it: their callers are told why, and what
 * comes then begins from what is on disk. So a full disk takes writes again as soon as there is room.
 */
export class DiskStore implements Store {
  readonly #disk: Disk;
  readonly #memory: MemoryStore;
  /** The last write of a key that is not on disk yet. */
  readonly #pending = new Map<string, Write>();
  #waiting: Write[] = [];
  #isWriting = false;
  #next: Revision;

  /** @param memory - what is on the disk; `open` reads it */
  constructor(disk: Disk, memory: MemoryStore) {
    this.#disk = disk;
    this.#memory = memory;
    this.#next = memory.currentRevision + 1;
  }

  /** @throws OpError `file-unreadable` when the folder cannot be used */
  static open(folder: string): DiskStore {
    try {
      const disk = new LmdbDisk(folder);
      let revision = Number(disk.get(REVISION) ?? 0);
      const entries: Entry[] = [];
      for (const { key, value } of disk.entries("/")) {
        if (!key.startsWith("/")) continue;
        const entry = parse(key, value);
        entries.push(entry);
        revision = Math.max(revision, entry.modified);
      }
      return new DiskStore(disk, new MemoryStore({ entries, revision }));
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

  async put(key: string, value: string, expected: Expected): Promise<WriteResult> {
    for (;;) {
      const before = this.#latest(key);
      if ("absent" in expected ? before === undefined : before?.modified === expected.modified) {
        const revision = this.#next++;
        const entry: Entry = { key, value, created: before?.created ?? revision, modified: revision };
        return this.#write({ type: "put", entry, ...(before && { before }) });
      }
      if (!(await this.#settled(key))) return { ok: false, current: before };
    }
  }

  async delete(key: string, expected: { readonly modified: Revision }): Promise<WriteResult> {
    for (;;) {
      const before = this.#latest(key);
      if (before?.modified === expected.modified)
        return this.#write({ type: "delete", key, revision: this.#next++, before });
      if (!(await this.#settled(key))) return { ok: false, current: before };
    }
  }

  /** With what is on its way to the disk. */
  #latest(key: string): Entry | undefined {
    const pending = this.#pending.get(key);
    return pending ? pending.entry : this.#memory.entry(key);
  }

  /**
   * Waits for the write of a key that stands in the way of another one: that is told when what is there can be read, lest
   * whoever tries again meets the same refusal; and it stands when the disk has refused what was in its way.
   * @returns false when there is none to wait for
   */
  async #settled(key: string): Promise<boolean> {
    const pending = this.#pending.get(key);
    if (!pending) return false;
    await pending.result.catch(() => undefined);
    return true;
  }

  #write(event: StoreEvent): Promise<WriteResult> {
    const write = new Write(event);
    this.#pending.set(write.key, write);
    this.#waiting.push(write);
    if (!this.#isWriting) {
      this.#isWriting = true;
      queueMicrotask(() => void this.#commitAll());
    }
    return write.result;
  }

  async #commitAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const writes = this.#waiting.splice(0, MOST_WRITES);
      const revision = writes.at(-1)?.revision ?? 0;
      try {
        // In the same transaction: the count of a deletion would be lost with the key.
        const count: Change = { key: REVISION, value: String(revision) };
        await this.#disk.commit([...writes.map(({ change }) => change), count]);
      } catch (cause) {
        // Told as failed, but there.
        if (this.#disk.get(REVISION) !== String(revision)) {
          this.#refuse([...writes, ...this.#waiting], cause);
          continue;
        }
      }
      for (const write of writes) this.#publish(write);
    }
    this.#isWriting = false;
  }

  /** Readers and watchers see a write when it is on disk, and all before it. */
  #publish(write: Write): void {
    // A later write of the same key is still on its way.
    if (this.#pending.get(write.key) === write) this.#pending.delete(write.key);
    this.#memory.apply(write.event);
    write.resolve({ ok: true, revision: write.revision });
  }

  #refuse(writes: readonly Write[], cause: unknown): void {
    const words = cause instanceof Error ? cause.message : String(cause);
    const error = new OpError(`the disk refused the write: ${words}`, { code: "output-failed", cause });
    this.#waiting = [];
    this.#pending.clear();
    this.#next = this.#memory.currentRevision + 1;
    for (const write of writes) write.reject(error);
  }

  watch(prefix: string, from: Revision | undefined, sink: WatchSink): Watch {
    return this.#memory.watch(prefix, from, sink);
  }

  compact(revision: Revision): Promise<void> {
    return this.#memory.compact(revision);
  }

  async close(): Promise<void> {
    await this.#memory.close();
    await this.#disk.close();
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
