/**
 * @module The store in memory: a map, its keys in order, and the log of writes since the last compaction.
 *
 * Cost: get O(1); put and delete O(log n) comparisons and one move inside an array of keys; a list costs what it gives,
 * and for an older revision the writes since then; an event costs the prefixes that are watched, and their watchers.
 */
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
import { CompactedError } from "./store.ts";

interface Watcher {
  readonly prefix: string;
  readonly sink: WatchSink;
}

/** The end of the range of keys that begin with a prefix: no key has a character above this one. */
const LAST = "\uffff";

/** Of writes that are remembered, compacted or not. */
const MOST_LOG_BYTES = 64 * 1024 ** 2;

/** What the log alone may hold of it. */
function bytesOf(event: StoreEvent): number {
  return (event.type === "put" ? event.entry : event.before).value.length;
}

function revisionOf(event: StoreEvent): Revision {
  return event.type === "put" ? event.entry.modified : event.revision;
}

function keyOfEvent(event: StoreEvent): string {
  return event.type === "put" ? event.entry.key : event.key;
}

/** The first place whose key is not before `key`. */
function placeOf(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] as string) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

export class MemoryStore implements Store {
  readonly #entries = new Map<string, Entry>();
  readonly #keys: string[] = [];
  #revision: Revision = 0;
  #compacted: Revision = 0;
  /** Writes after #compacted, oldest first. */
  #log: StoreEvent[] = [];
  #logBytes = 0;
  readonly #watchers = new Map<string, Set<Watcher>>();

  /** @param start - what was there before, in any order, and the revision it was read at */
  constructor(
    start: { readonly entries: Iterable<Entry>; readonly revision: Revision } = { entries: [], revision: 0 },
  ) {
    for (const entry of start.entries) {
      this.#entries.set(entry.key, entry);
      this.#keys.push(entry.key);
    }
    this.#keys.sort((a, b) => (a < b ? -1 : 1));
    this.#revision = start.revision;
    this.#compacted = start.revision;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** As {@link revision}, without waiting. */
  get currentRevision(): Revision {
    return this.#revision;
  }

  revision(): Promise<Revision> {
    return Promise.resolve(this.#revision);
  }

  /** As {@link get}, without waiting. */
  entry(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  get(key: string): Promise<Entry | undefined> {
    return Promise.resolve(this.#entries.get(key));
  }

  list(prefix: string, options: ListOptions = {}): Promise<ListResult> {
    try {
      return Promise.resolve(this.#list(prefix, options));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #list(prefix: string, { after, limit, revision = this.#revision }: ListOptions): ListResult {
    if (revision < this.#compacted) throw new CompactedError(this.#compacted);
    const entries =
      revision >= this.#revision
        ? this.#entriesNow(prefix, after, limit)
        : this.#entriesAt(prefix, after, revision);
    const at = Math.min(revision, this.#revision);
    if (limit === undefined || entries.length <= limit) return { entries, revision: at };
    const page = entries.slice(0, limit);
    const last = page.at(-1);
    if (!last) return { entries: page, revision: at };
    const all = revision >= this.#revision ? this.#countAfter(prefix, last.key) : entries.length - limit;
    return { entries: page, revision: at, next: last.key, remaining: all };
  }

  #range(prefix: string, after: string | undefined): [from: number, to: number] {
    const first = placeOf(this.#keys, prefix);
    let from = after === undefined ? first : Math.max(first, placeOf(this.#keys, after));
    if (after !== undefined && this.#keys[from] === after) from++;
    return [from, placeOf(this.#keys, prefix + LAST)];
  }

  #countAfter(prefix: string, after: string): number {
    const [from, to] = this.#range(prefix, after);
    return to - from;
  }

  /** One more than the limit, where there is one more. */
  #entriesNow(prefix: string, after: string | undefined, limit: number | undefined): Entry[] {
    const [from, to] = this.#range(prefix, after);
    const end = limit === undefined ? to : Math.min(to, from + limit + 1);
    const entries: Entry[] = [];
    for (let place = from; place < end; place++) {
      const entry = this.#entries.get(this.#keys[place] as string);
      if (entry) entries.push(entry);
    }
    return entries;
  }

  /** What was there, by undoing the writes since. */
  #entriesAt(prefix: string, after: string | undefined, revision: Revision): Entry[] {
    const state = new Map(this.#entriesNow(prefix, undefined, undefined).map((entry) => [entry.key, entry]));
    for (let place = this.#log.length - 1; place >= 0; place--) {
      const event = this.#log[place] as StoreEvent;
      if (revisionOf(event) <= revision) break;
      const key = keyOfEvent(event);
      if (!key.startsWith(prefix)) continue;
      if (event.before) state.set(key, event.before);
      else state.delete(key);
    }
    return [...state.values()]
      .filter((entry) => after === undefined || entry.key > after)
      .sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  put(key: string, value: string, expected: Expected): Promise<WriteResult> {
    return Promise.resolve(this.putNow(key, value, expected));
  }

  /** As {@link put}, without waiting. */
  putNow(key: string, value: string, expected: Expected): WriteResult {
    const before = this.#entries.get(key);
    if ("absent" in expected ? before !== undefined : before?.modified !== expected.modified)
      return { ok: false, current: before };
    const revision = this.#revision + 1;
    this.apply({
      type: "put",
      entry: { key, value, created: before?.created ?? revision, modified: revision },
      ...(before && { before }),
    });
    return { ok: true, revision };
  }

  delete(key: string, expected: { readonly modified: Revision }): Promise<WriteResult> {
    return Promise.resolve(this.deleteNow(key, expected));
  }

  /** As {@link delete}, without waiting. */
  deleteNow(key: string, expected: { readonly modified: Revision }): WriteResult {
    const before = this.#entries.get(key);
    if (before?.modified !== expected.modified) return { ok: false, current: before };
    const revision = this.#revision + 1;
    this.apply({ type: "delete", key, revision, before });
    return { ok: true, revision };
  }

  /** Takes a write that was decided already. Its revision must be the next one. */
  apply(event: StoreEvent): void {
    const key = keyOfEvent(event);
    const place = placeOf(this.#keys, key);
    if (event.type === "put") {
      if (this.#keys[place] !== key) this.#keys.splice(place, 0, key);
      this.#entries.set(key, event.entry);
    } else {
      if (this.#keys[place] === key) this.#keys.splice(place, 1);
      this.#entries.delete(key);
    }
    this.#revision = revisionOf(event);
    this.#log.push(event);
    this.#logBytes += bytesOf(event);
    if (this.#logBytes > MOST_LOG_BYTES) this.#halveLog();
    const one = [event];
    for (const [prefix, watchers] of this.#watchers) {
      if (key.startsWith(prefix)) for (const watcher of watchers) tell(watchers, watcher, one);
    }
  }

  watch(prefix: string, from: Revision | undefined, sink: WatchSink): Watch {
    if (from !== undefined && from < this.#compacted) {
      const error = new CompactedError(this.#compacted);
      queueMicrotask(() => sink.failed(error));
      return { close: () => undefined };
    }
    const missed = from === undefined || from >= this.#revision ? [] : this.#logAfter(from);
    const wanted = missed.filter((event) => keyOfEvent(event).startsWith(prefix));
    if (wanted.length > 0) sink.events(wanted);
    const watcher: Watcher = { prefix, sink };
    const watchers = this.#watchers.get(prefix) ?? new Set();
    this.#watchers.set(prefix, watchers);
    watchers.add(watcher);
    return {
      close: () => {
        watchers.delete(watcher);
        if (watchers.size === 0 && this.#watchers.get(prefix) === watchers) this.#watchers.delete(prefix);
      },
    };
  }

  /** Revisions follow one another, so a place in the log is a difference of revisions. */
  #logAfter(revision: Revision): StoreEvent[] {
    return this.#log.slice(revision - this.#compacted);
  }

  compact(revision: Revision): Promise<void> {
    this.#compactNow(Math.min(revision, this.#revision));
    return Promise.resolve();
  }

  #compactNow(upTo: Revision): void {
    if (upTo <= this.#compacted) return;
    this.#log = this.#logAfter(upTo);
    this.#logBytes = this.#log.reduce((sum, event) => sum + bytesOf(event), 0);
    this.#compacted = upTo;
  }

  /** Large objects that change often are not to be held in all their states: whoever is behind reads them anew. */
  #halveLog(): void {
    let bytes = this.#logBytes;
    for (const event of this.#log) {
      bytes -= bytesOf(event);
      if (bytes > MOST_LOG_BYTES / 2) continue;
      this.#compactNow(revisionOf(event));
      return;
    }
  }

  close(): Promise<void> {
    this.#watchers.clear();
    return Promise.resolve();
  }
}

/** A watcher that fails to listen is let go; the write stands, and the others hear all the same. */
function tell(watchers: Set<Watcher>, watcher: Watcher, events: readonly StoreEvent[]): void {
  try {
    watcher.sink.events(events);
  } catch (error) {
    watchers.delete(watcher);
    watcher.sink.failed(error instanceof Error ? error : new Error(String(error)));
  }
}
