/**
 * @module Versioned objects under keys: what the API server keeps its objects in. One revision counts all writes, as in
 * etcd; a write says which revision it builds upon; a watch goes on from any revision that is not compacted.
 */

/** Counts every write of the store; the first write makes revision 1. */
export type Revision = number;

export interface Entry {
  readonly key: string;
  /** The object as JSON text. */
  readonly value: string;
  /** The write that created the key. */
  readonly created: Revision;
  /** The write that gave it this value. */
  readonly modified: Revision;
}

export type StoreEvent =
  | { readonly type: "put"; readonly entry: Entry; readonly before?: Entry }
  /** `revision` is that of the deletion; `before` is what was there. */
  | { readonly type: "delete"; readonly key: string; readonly revision: Revision; readonly before: Entry };

/** What a write expects to find: nothing, or the key as some write left it. */
export type Expected = { readonly absent: true } | { readonly modified: Revision };

export type WriteResult =
  | { readonly ok: true; readonly revision: Revision }
  /** What is there instead; undefined: nothing. */
  | { readonly ok: false; readonly current: Entry | undefined };

export interface ListOptions {
  /** Start behind this key: what `next` said. */
  readonly after?: string;
  readonly limit?: number;
  /** List as of this revision; now, when left out. */
  readonly revision?: Revision;
}

export interface ListResult {
  /** In the order of their keys. */
  readonly entries: readonly Entry[];
  /** The revision at which this was true. */
  readonly revision: Revision;
  /** Where to go on, when the limit cut the list. */
  readonly next?: string;
  /** How many more there are behind `next`. */
  readonly remaining?: number;
}

export interface Watch {
  /** Stops; no event is given after this. */
  close(): void;
}

export interface WatchSink {
  /** Each write once, in order. Synchronous: a slow reader must queue for itself. `events` share one call where they can. */
  readonly events: (events: readonly StoreEvent[]) => void;
  /** The watch cannot go on: compacted past it, or the store was lost. No more events come. */
  readonly failed: (error: Error) => void;
}

/** The wanted revision is older than what is kept. */
export class CompactedError extends Error {
  override readonly name = "CompactedError";
  readonly compacted: Revision;
  constructor(compacted: Revision) {
    super(`revisions up to ${compacted} are compacted`);
    this.compacted = compacted;
  }
}

export interface Store {
  /** The latest write. */
  revision(): Promise<Revision>;
  get(key: string): Promise<Entry | undefined>;
  /** All keys that begin with `prefix`. @throws CompactedError */
  list(prefix: string, options?: ListOptions): Promise<ListResult>;
  /** Resolves when the write is as safe as this store makes it. */
  put(key: string, value: string, expected: Expected): Promise<WriteResult>;
  delete(key: string, expected: { readonly modified: Revision }): Promise<WriteResult>;
  /**
   * Every write after `from` to keys that begin with `prefix`; from now on, when left out.
   * Fails with {@link CompactedError} when `from` is compacted.
   */
  watch(prefix: string, from: Revision | undefined, sink: WatchSink): Watch;
  /** Forgets what was overwritten or deleted at or before `revision`. */
  compact(revision: Revision): Promise<void>;
  close(): Promise<void>;
}
