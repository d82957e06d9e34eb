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
import { setMaxListeners } from "node:events";
import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { must, OpError } from "../base/errors.ts";
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

/** A Unix socket, or a host and its port. */
export type Endpoint = { readonly socketPath: string } | { readonly host: string; readonly port: number };

export interface EtcdAddress {
  readonly endpoints: readonly Endpoint[];
  /** What all keys begin with; no slash at its end. */
  readonly prefix: string;
}

const DEFAULT_PORT = 2379;
const DEFAULT_PREFIX = "/tortie";
/** How long etcd may be away, to elect a leader or to be started again, before a request fails. */
const PATIENCE_MS = 10_000;
const PAUSE_MS = 50;
const PAGE = 10_000;
const MAX_SOCKETS = 64;
/** Events that a new watch may begin behind without a stream of its own. */
const HISTORY = 10_000;

/**
 * `etcd://host:port[,host:port][/prefix]`, or `etcd+unix:///path/to/etcd.sock[/prefix]`, where the path ends with the
 * first part that ends in `.sock`, or in `:PORT` as etcd 3.4 names its sockets.
 * @throws OpError `input-invalid`
 */
export function parseEtcdAddress(text: string): EtcdAddress {
  const [, scheme, rest = ""] = /^(etcd|etcd\+unix):\/\/(.+)$/.exec(text) ?? [];
  const refused = new OpError(
    `${JSON.stringify(text)} is no address of etcd: etcd://host:port[,host:port][/prefix] or etcd+unix:///path/etcd.sock[/prefix]`,
    { code: "input-invalid", facts: { store: text } },
  );
  if (scheme === "etcd+unix") {
    const [, socketPath = rest, prefix = ""] = /^(\/.*?(?:\.sock|:\d+))(\/.*)?$/.exec(rest) ?? [];
    if (!path.isAbsolute(socketPath)) throw refused;
    return { endpoints: [{ socketPath }], prefix: prefixOf(prefix) };
  }
  const slash = rest.indexOf("/");
  const hosts = slash < 0 ? rest : rest.slice(0, slash);
  const endpoints = hosts.split(",").map((one) => {
    const [, bracketed, plain, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]@]+))(?::(\d+))?$/.exec(one) ?? [];
    const host = bracketed ?? plain;
    if (host === undefined) throw refused;
    return { host, port: Number(port ?? DEFAULT_PORT) };
  });
  return { endpoints, prefix: prefixOf(slash < 0 ? "" : rest.slice(slash)) };
}

function prefixOf(text: string): string {
  const trimmed = text.replace(/\/+$/, "");
  return trimmed === "" ? DEFAULT_PREFIX : trimmed;
}

/** As the gateway writes it: bytes in base64, 64-bit numbers as text, what is zero left out. */
interface KeyValue {
  readonly key: string;
  readonly value?: string;
  readonly create_revision: string;
  readonly mod_revision: string;
}

interface Header {
  readonly revision: string;
}

interface RangeAnswer {
  readonly header: Header;
  readonly kvs?: readonly KeyValue[];
  readonly count?: string;
}

interface TxnAnswer {
  readonly header: Header;
  readonly succeeded?: boolean;
  readonly responses?: readonly { readonly response_range?: { readonly kvs?: readonly KeyValue[] } }[];
}

interface WatchAnswer {
  readonly result?: {
    readonly canceled?: boolean;
    readonly cancel_reason?: string;
    readonly compact_revision?: string;
    readonly events?: readonly {
      readonly type?: string;
      readonly kv: KeyValue;
      readonly prev_kv?: KeyValue;
    }[];
  };
  readonly error?: { readonly message?: string };
}

interface Failure {
  readonly error?: string;
  readonly message?: string;
  readonly code?: number;
}

/** etcd took the request and refused it. */
class EtcdError extends Error {
  override readonly name = "EtcdError";
}

/** Of gRPC, which the gateway hands on. */
const DEADLINE_EXCEEDED = 4;
const INTERNAL = 13;
const UNAVAILABLE = 14;
const IS_COMPACTED = /required revision has been compacted/;
const IS_FUTURE = /required revision is a future revision/;

const base64 = (text: string | Buffer): string => Buffer.from(text).toString("base64");
const revisionOf = (event: StoreEvent): Revision =>
  event.type === "put" ? event.entry.modified : event.revision;
const keyOf = (event: StoreEvent): string => (event.type === "put" ? event.entry.key : event.key);

/** The end of the range of keys that begin with this. UTF-8 has no byte 0xff, so the last one can be counted up. */
function endOf(prefix: string): Buffer {
  const bytes = Buffer.from(prefix);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) + 1;
  return bytes;
}

interface Watcher {
  readonly prefix: string;
  readonly sink: WatchSink;
  /** What it has heard, or need not hear. */
  seen: Revision;
}

export class EtcdStore implements Store {
  readonly #endpoints: readonly Endpoint[];
  readonly #prefix: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: MAX_SOCKETS });
  readonly #streams = new Agent({ keepAlive: false });
  readonly #end = new AbortController();
  readonly #watchers = new Set<Watcher>();
  #endpoint = 0;
  /** The latest revision that we have heard of. */
  #latest: Revision = 0;
  /** The common watch: events after #historyFrom, oldest first. */
  #history: StoreEvent[] = [];
  #historyFrom: Revision | undefined;

  private constructor({ endpoints, prefix }: EtcdAddress) {
    // Every request ends with the store.
    setMaxListeners(0, this.#end.signal);
    this.#endpoints = endpoints;
    this.#prefix = prefix;
  }

  /** @throws OpError `input-invalid`; `api-unreachable` when no endpoint answers */
  static async open(address: EtcdAddress): Promise<EtcdStore> {
    const store = new EtcdStore(address);
    await store.revision();
    return store;
  }

  // ── requests ──────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Asks one endpoint after the other until one answers.
   * @param lost - told when a request may have been done though nobody said so
   */
  async #ask<T>(call: string, body: unknown, lost?: () => void): Promise<T> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const chosen = this.#endpoint;
      try {
        const response = await this.#post(this.#agent, call, body);
        const text = await textOf(response);
        const answer = JSON.parse(text) as T & Failure & { readonly header?: Header };
        if (response.statusCode === 200) {
          if (answer.header) this.#heardOf(Number(answer.header.revision));
          return answer;
        }
        const message = answer.message ?? answer.error ?? text;
        if (answer.code !== UNAVAILABLE && answer.code !== DEADLINE_EXCEEDED && answer.code !== INTERNAL)
          throw new EtcdError(message);
        throw new Error(message);
      } catch (cause) {
        if (cause instanceof EtcdError || this.#end.signal.aborted) throw cause;
        const { code, message } = cause as NodeJS.ErrnoException;
        if (code !== "ECONNREFUSED" && code !== "ENOENT") lost?.();
        if (Date.now() > deadline) {
          throw new OpError(`etcd at ${this.#names()} does not answer: ${message}`, {
            code: "api-unreachable",
            cause,
          });
        }
        this.#leave(chosen);
        if (this.#endpoint === 0) await sleep(PAUSE_MS);
      }
    }
  }

  #names(): string {
    return this.#endpoints
      .map((one) => ("socketPath" in one ? one.socketPath : `${one.host}:${one.port}`))
      .join(", ");
  }

  /** On to the next one, unless somebody has gone there already. */
  #leave(endpoint: number): void {
    if (this.#endpoint === endpoint) this.#endpoint = (endpoint + 1) % this.#endpoints.length;
  }

  #heardOf(revision: Revision): void {
    if (revision > this.#latest) this.#latest = revision;
  }

  #post(agent: Agent, call: string, body: unknown): Promise<IncomingMessage> {
    const endpoint = must(this.#endpoints[this.#endpoint], "an endpoint of etcd");
    const text = Buffer.from(JSON.stringify(body));
    return new Promise((resolve, reject) => {
      const request = httpRequest(
        {
          ...endpoint,
          agent,
          path: `/v3/${call}`,
          method: "POST",
          signal: this.#end.signal,
          headers: { "content-type": "application/json", "content-length": text.length },
        },
        resolve,
      );
      request.on("error", reject);
      request.end(text);
    });
  }

  // ── reads and writes ──────────────────────────────────────────────────────────────────────────────────────────

  async revision(): Promise<Revision> {
    const { header } = await this.#ask<RangeAnswer>("kv/range", {
      key: base64(this.#prefix),
      count_only: true,
    });
    return Number(header.revision);
  }

  #entry(kv: KeyValue): Entry {
    return {
      key: this.#key(kv),
      value: Buffer.from(kv.value ?? "", "base64").toString(),
      created: Number(kv.create_revision),
      modified: Number(kv.mod_revision),
    };
  }

  #key({ key }: KeyValue): string {
    return Buffer.from(key, "base64").toString().slice(this.#prefix.length);
  }

  async get(key: string): Promise<Entry | undefined> {
    const { kvs } = await this.#ask<RangeAnswer>("kv/range", { key: base64(this.#prefix + key) });
    return kvs?.[0] && this.#entry(kvs[0]);
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
      key: base64(this.#prefix + start),
      range_end: base64(endOf(this.#prefix + prefix)),
      limit: String(limit),
    };
    try {
      const answer = await this.#ask<RangeAnswer>(
        "kv/range",
        revision === undefined ? body : { ...body, revision: String(revision) },
      );
      const { kvs = [], count = "0", header } = answer;
      return {
        entries: kvs.map((kv) => this.#entry(kv)),
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
    const body = { create_request: { key: base64(this.#prefix), start_revision: "1" } };
    const response = await this.#post(this.#streams, "watch", body);
    try {
      for await (const line of createInterface(response)) {
        const { result } = JSON.parse(line) as WatchAnswer;
        if (result?.compact_revision !== undefined) return Number(result.compact_revision);
        if (result?.canceled === true) break;
      }
    } finally {
      response.destroy();
    }
    return this.#latest;
  }

  put(key: string, value: string, expected: Expected): Promise<WriteResult> {
    const put = { request_put: { key: base64(this.#prefix + key), value: base64(value) } };
    return this.#write(key, expected, put, (current) => current?.value === value);
  }

  delete(key: string, expected: { readonly modified: Revision }): Promise<WriteResult> {
    const del = { request_delete_range: { key: base64(this.#prefix + key) } };
    return this.#write(key, expected, del, (current) => current === undefined);
  }

  /** @param isDone - whether what is there is what the write would have left */
  async #write(
    key: string,
    expected: Expected,
    operation: unknown,
    isDone: (current: Entry | undefined) => boolean,
  ): Promise<WriteResult> {
    const name = base64(this.#prefix + key);
    const compare =
      "absent" in expected
        ? { key: name, target: "CREATE", result: "EQUAL", create_revision: "0" }
        : { key: name, target: "MOD", result: "EQUAL", mod_revision: String(expected.modified) };
    const attempt = { isLost: false };
    const body = { compare: [compare], success: [operation], failure: [{ request_range: { key: name } }] };
    const { succeeded, header, responses } = await this.#ask<TxnAnswer>("kv/txn", body, () => {
      attempt.isLost = true;
    });
    const revision = Number(header.revision);
    if (succeeded) return { ok: true, revision };
    const kv = responses?.[0]?.response_range?.kvs?.[0];
    const current = kv && this.#entry(kv);
    // The connection broke, and the second try finds what the first one wrote.
    if (attempt.isLost && isDone(current)) return { ok: true, revision: current?.modified ?? revision };
    return { ok: false, current };
  }

  async compact(revision: Revision): Promise<void> {
    try {
      await this.#ask("kv/compaction", { revision: String(revision) });
    } catch (error) {
      // Another API server was there before us.
      if (!(error instanceof EtcdError && IS_COMPACTED.test(error.message))) throw error;
    }
  }

  // ── watches ───────────────────────────────────────────────────────────────────────────────────────────────────

  watch(prefix: string, from: Revision | undefined, sink: WatchSink): Watch {
    const watcher: Watcher = { prefix, sink, seen: from ?? this.#latest };
    if (this.#historyFrom === undefined) {
      this.#historyFrom = this.#latest;
      void this.#followAll(this.#latest);
    }
    if (watcher.seen < this.#historyFrom) return this.#watchApart(watcher);
    this.#watchers.add(watcher);
    this.#give(watcher, this.#history);
    return { close: () => void this.#watchers.delete(watcher) };
  }

  #give(watcher: Watcher, events: readonly StoreEvent[]): void {
    const { prefix, seen, sink } = watcher;
    const last = events.at(-1);
    if (!last || revisionOf(last) <= seen) return;
    watcher.seen = revisionOf(last);
    const wanted = events.filter((event) => revisionOf(event) > seen && keyOf(event).startsWith(prefix));
    if (wanted.length > 0) sink.events(wanted);
  }

  async #followAll(from: Revision): Promise<void> {
    const took = (events: readonly StoreEvent[]): void => {
      for (const event of events) this.#history.push(event);
      if (this.#history.length > 2 * HISTORY) {
        const forgotten = this.#history.splice(0, HISTORY).at(-1);
        this.#historyFrom = forgotten && revisionOf(forgotten);
      }
      for (const watcher of this.#watchers) this.#give(watcher, events);
    };
    try {
      await this.#follow("/", from, { signal: this.#end.signal, took });
    } catch (error) {
      this.#history = [];
      this.#historyFrom = undefined;
      const failed = [...this.#watchers];
      this.#watchers.clear();
      for (const { sink } of failed) sink.failed(asError(error));
    }
  }

  /** From before our history: a stream of its own. */
  #watchApart({ prefix, seen, sink }: Watcher): Watch {
    const end = new AbortController();
    const signal = AbortSignal.any([end.signal, this.#end.signal]);
    const took = (events: readonly StoreEvent[]): void => {
      if (!signal.aborted) sink.events(events);
    };
    this.#follow(prefix, seen, { signal, took }).catch((error: unknown) => {
      if (!signal.aborted) sink.failed(asError(error));
    });
    return { close: () => end.abort() };
  }

  /** Watches until the signal, from where it was whenever etcd was away. @throws CompactedError */
  async #follow(
    prefix: string,
    from: Revision,
    { signal, took }: { signal: AbortSignal; took: (events: readonly StoreEvent[]) => void },
  ): Promise<void> {
    let last = from;
    while (!signal.aborted) {
      const chosen = this.#endpoint;
      try {
        const body = {
          create_request: {
            key: base64(this.#prefix + prefix),
            range_end: base64(endOf(this.#prefix + prefix)),
            // With what is known already: etcd refuses only what begins before a compaction, and deletions at it are lost.
            start_revision: String(Math.max(1, last)),
            prev_kv: true,
          },
        };
        const response = await this.#post(this.#streams, "watch", body);
        for await (const events of this.#eventsOf(response, signal)) {
          const known = last;
          const news = events.filter((event) => revisionOf(event) > known);
          const latest = news.at(-1);
          if (!latest) continue;
          last = revisionOf(latest);
          took(news);
        }
      } catch (error) {
        if (error instanceof CompactedError) throw error;
      }
      this.#leave(chosen);
      await sleep(PAUSE_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async *#eventsOf(response: IncomingMessage, signal: AbortSignal): AsyncIterable<StoreEvent[]> {
    const lines = createInterface(response);
    const stop = (): void => {
      response.destroy();
      lines.close();
    };
    signal.addEventListener("abort", stop, { once: true });
    response.on("error", () => lines.close());
    try {
      for await (const line of lines) {
        const { result, error } = JSON.parse(line) as WatchAnswer;
        if (error) return;
        if (result?.compact_revision !== undefined && Number(result.compact_revision) > 0)
          throw new CompactedError(Number(result.compact_revision));
        if (result?.canceled) return;
        if (result?.events) yield result.events.map((event) => this.#event(event));
      }
    } finally {
      signal.removeEventListener("abort", stop);
      stop();
    }
  }

  #event({
    type,
    kv,
    prev_kv: prior,
  }: NonNullable<NonNullable<WatchAnswer["result"]>["events"]>[number]): StoreEvent {
    const revision = Number(kv.mod_revision);
    this.#heardOf(revision);
    const before = prior && this.#entry(prior);
    if (type !== "DELETE") return { type: "put", entry: this.#entry(kv), ...(before && { before }) };
    const key = this.#key(kv);
    // Its last value may be compacted by now; that it is gone is all that can be told.
    const unknown: Entry = { key, value: "{}", created: revision, modified: revision };
    return { type: "delete", key, revision, before: before ?? unknown };
  }

  close(): Promise<void> {
    this.#end.abort();
    this.#watchers.clear();
    this.#agent.destroy();
    this.#streams.destroy();
    return Promise.resolve();
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function textOf(response: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    response.on("end", () => resolve(Buffer.concat(chunks).toString()));
    response.on("error", reject);
  });
}
