/**
 * @module The store in etcd, over the JSON gateway that every etcd v3 has beside gRPC. Revisions are etcd's own, so
 * several API servers may share one: what one of them writes, the others see, and a write that builds upon something
 * older is refused wherever it comes from.
 *
 *   API server ── range, txn ─────────► etcd      reads and writes: the first endpoint that answers
 *        ▲───── one watch of all keys ◄──┘        told on to this process's watchers, from a short history
 *
 * A compaction is of the whole etcd: other clusters in it lose history too, and list again.
 */
import { createInterface } from "node:readline";
import type { EtcdAddress } from "./etcd-address.ts";
import { EtcdConnection, EtcdError, type EtcdTimes } from "./etcd-connection.ts";
import { EtcdWatches } from "./etcd-watches.ts";
import { base64, Keys, type RangeAnswer, type TxnAnswer, type WatchAnswer } from "./etcd-wire.ts";
import type {
  Entry,
  Expected,
  ListOptions,
  ListResult,
  Revision,
  Store,
  Watch,
  WatchSink,
  WriteResult,
} from "./store.ts";
import { CompactedError } from "./store.ts";

export { type Endpoint, type EtcdAddress, parseEtcdAddress } from "./etcd-address.ts";

const PAGE = 10_000;
const IS_COMPACTED = /required revision has been compacted/;
const IS_FUTURE = /required revision is a future revision/;

export class EtcdStore implements Store {
  readonly #connection: EtcdConnection;
  readonly #keys: Keys;
  readonly #watches: EtcdWatches;

  private constructor({ endpoints, prefix }: EtcdAddress, times: EtcdTimes) {
    this.#connection = new EtcdConnection(endpoints, times);
    this.#keys = new Keys(prefix);
    this.#watches = new EtcdWatches(this.#connection, this.#keys);
  }

  /** @throws OpError `input-invalid`; `api-unreachable` when no endpoint answers */
  static async open(address: EtcdAddress, times: EtcdTimes = {}): Promise<EtcdStore> {
    const store = new EtcdStore(address, times);
    await store.revision();
    return store;
  }

  async revision(): Promise<Revision> {
    const { header } = await this.#connection.ask<RangeAnswer>("kv/range", {
      key: this.#keys.encode(""),
      count_only: true,
    });
    return Number(header.revision);
  }

  async get(key: string): Promise<Entry | undefined> {
    const { kvs } = await this.#connection.ask<RangeAnswer>("kv/range", { key: this.#keys.encode(key) });
    return kvs?.[0] && this.#keys.entry(kvs[0]);
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListResult> {
    const entries: Entry[] = [];
    let { after, revision } = options;
    for (;;) {
      const limit = Math.min(PAGE, (options.limit ?? Number.POSITIVE_INFINITY) - entries.length);
      const page = await this.#page(prefix, { after, limit, revision });
      for (const entry of page.entries) entries.push(entry);
      revision = page.revision;
      after = entries.at(-1)?.key;
      if (page.remaining === 0 || after === undefined) return { entries, revision };
      if (entries.length === options.limit)
        return { entries, revision, next: after, remaining: page.remaining };
    }
  }

  async #page(
    prefix: string,
    { after, limit, revision }: { after?: string | undefined; limit: number; revision?: number | undefined },
  ): Promise<{ entries: Entry[]; revision: Revision; remaining: number }> {
    const start = after === undefined || after < prefix ? prefix : `${after}\0`;
    const body = {
      ...this.#keys.range(prefix),
      key: this.#keys.encode(start),
      limit: String(limit),
    };
    try {
      const answer = await this.#connection.ask<RangeAnswer>(
        "kv/range",
        revision === undefined ? body : { ...body, revision: String(revision) },
      );
      const { kvs = [], count = "0", header } = answer;
      return {
        entries: kvs.map((kv) => this.#keys.entry(kv)),
        revision: revision ?? Number(header.revision),
        remaining: Number(count) - kvs.length,
      };
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      if (IS_FUTURE.test(error.message)) return this.#page(prefix, { after, limit });
      throw IS_COMPACTED.test(error.message) ? new CompactedError(await this.#compactedAt()) : error;
    }
  }

  /** etcd tells it only to who watches from before. */
  async #compactedAt(): Promise<Revision> {
    const body = { create_request: { key: this.#keys.encode(""), start_revision: "1" } };
    const response = await this.#connection.stream("watch", body);
    try {
      for await (const line of createInterface(response)) {
        const { result } = JSON.parse(line) as WatchAnswer;
        if (result?.compact_revision !== undefined) return Number(result.compact_revision);
        if (result?.canceled === true) break;
      }
    } finally {
      response.destroy();
    }
    return this.#connection.latest;
  }

  put(key: string, value: string, expected: Expected): Promise<WriteResult> {
    const put = { request_put: { key: this.#keys.encode(key), value: base64(value) } };
    return this.#write(key, expected, put, (current) => current?.value === value);
  }

  delete(key: string, expected: { readonly modified: Revision }): Promise<WriteResult> {
    const del = { request_delete_range: { key: this.#keys.encode(key) } };
    return this.#write(key, expected, del, (current) => current === undefined);
  }

  /** @param isDone - whether what is there is what the write would have left */
  async #write(
    key: string,
    expected: Expected,
    operation: unknown,
    isDone: (current: Entry | undefined) => boolean,
  ): Promise<WriteResult> {
    const name = this.#keys.encode(key);
    const compare =
      "absent" in expected
        ? { key: name, target: "CREATE", result: "EQUAL", create_revision: "0" }
        : { key: name, target: "MOD", result: "EQUAL", mod_revision: String(expected.modified) };
    const attempt = { isLost: false };
    const body = { compare: [compare], success: [operation], failure: [{ request_range: { key: name } }] };
    const { succeeded, header, responses } = await this.#connection.ask<TxnAnswer>("kv/txn", body, () => {
      attempt.isLost = true;
    });
    const revision = Number(header.revision);
    if (succeeded) return { ok: true, revision };
    const kv = responses?.[0]?.response_range?.kvs?.[0];
    const current = kv && this.#keys.entry(kv);
    // The connection broke, and the second try finds what the first one wrote.
    if (attempt.isLost && isDone(current)) return { ok: true, revision: current?.modified ?? revision };
    return { ok: false, current };
  }

  async compact(revision: Revision): Promise<void> {
    try {
      await this.#connection.ask("kv/compaction", { revision: String(revision) });
    } catch (error) {
      // Another API server was there before us.
      if (!(error instanceof EtcdError && IS_COMPACTED.test(error.message))) throw error;
    }
  }

  watch(prefix: string, from: Revision | undefined, sink: WatchSink): Watch {
    return this.#watches.watch(prefix, from, sink);
  }

  close(): Promise<void> {
    this.#connection.close();
    this.#watches.close();
    return Promise.resolve();
  }
}
