/**
 * @module The watches of a store in etcd: one of all keys for this process, told on to its watchers from a short history;
 * a watcher that begins before it has a stream of its own.
 */
import type { IncomingMessage } from "node:http";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { type EtcdConnection, PAUSE_MS } from "./etcd-connection.ts";
import { type Keys, keyOf, revisionOf, type WatchAnswer } from "./etcd-wire.ts";
import { CompactedError, type Revision, type StoreEvent, type Watch, type WatchSink } from "./store.ts";

/** Events that a new watch may begin behind without a stream of its own. */
const HISTORY = 10_000;

interface Watcher {
  readonly prefix: string;
  readonly sink: WatchSink;
  /** What it has heard, or need not hear. */
  seen: Revision;
}

export class EtcdWatches {
  readonly #connection: EtcdConnection;
  readonly #keys: Keys;
  readonly #watchers = new Set<Watcher>();
  /** The common watch: events after #historyFrom, oldest first. */
  #history: StoreEvent[] = [];
  #historyFrom: Revision | undefined;

  constructor(connection: EtcdConnection, keys: Keys) {
    this.#connection = connection;
    this.#keys = keys;
  }

  watch(prefix: string, from: Revision | undefined, sink: WatchSink): Watch {
    const { latest } = this.#connection;
    const watcher: Watcher = { prefix, sink, seen: from ?? latest };
    if (this.#historyFrom === undefined) {
      this.#historyFrom = latest;
      void this.#followAll(latest);
    }
    if (watcher.seen < this.#historyFrom) return this.#watchApart(watcher);
    this.#watchers.add(watcher);
    this.#give(watcher, this.#history);
    return { close: () => void this.#watchers.delete(watcher) };
  }

  /** A watcher that fails to listen is let go; the others hear all the same. */
  #give(watcher: Watcher, events: readonly StoreEvent[]): void {
    const { prefix, seen, sink } = watcher;
    const last = events.at(-1);
    if (!last || revisionOf(last) <= seen) return;
    watcher.seen = revisionOf(last);
    const wanted = events.filter((event) => revisionOf(event) > seen && keyOf(event).startsWith(prefix));
    if (wanted.length === 0) return;
    try {
      sink.events(wanted);
    } catch (error) {
      this.#watchers.delete(watcher);
      sink.failed(asError(error));
    }
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
      await this.#follow("/", from, { signal: this.#connection.signal, took });
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
    const signal = AbortSignal.any([end.signal, this.#connection.signal]);
    const took = (events: readonly StoreEvent[]): void => {
      if (!signal.aborted) sink.events(events);
    };
    this.#follow(prefix, seen, { signal, took }).catch((error: unknown) => {
      if (!signal.aborted) sink.failed(asError(error));
    });
    return { close: () => end.abort() };
  }

  /**
   * Watches until the signal, from where it was whenever etcd was away.
   * @throws CompactedError, and what `took` throws
   */
  async #follow(
    prefix: string,
    from: Revision,
    { signal, took }: { signal: AbortSignal; took: (events: readonly StoreEvent[]) => void },
  ): Promise<void> {
    let last = from;
    const failure: { error?: Error } = {};
    const hand = (events: readonly StoreEvent[]): void => {
      try {
        took(events);
      } catch (error) {
        failure.error = asError(error);
        throw error;
      }
    };
    while (!signal.aborted) {
      const { chosen } = this.#connection;
      try {
        const response = await this.#connection.stream("watch", {
          create_request: {
            ...this.#keys.range(prefix),
            // With what is known already: etcd refuses only what begins before a compaction, and deletions at it are lost.
            start_revision: String(Math.max(1, last)),
            prev_kv: true,
          },
        });
        this.#probe(chosen, response);
        for await (const events of this.#eventsOf(response, signal)) {
          const known = last;
          const news = events.filter((event) => revisionOf(event) > known);
          const latest = news.at(-1);
          if (!latest) continue;
          hand(news);
          last = revisionOf(latest);
        }
      } catch (error) {
        if (error instanceof CompactedError) throw error;
        if (failure.error) throw failure.error;
      }
      this.#connection.leave(chosen);
      await sleep(PAUSE_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  /**
   * Ends a stream when its member cannot read what all members agree upon: cut off from us, or from the others, it would
   * say nothing for as long as that lasts, and silence is no news. Cost: one small read every few seconds.
   */
  #probe(member: number, response: IncomingMessage): void {
    const look = async (): Promise<void> => {
      try {
        await this.#connection.askOf(member, "kv/range", { key: this.#keys.encode(""), count_only: true });
        if (!response.destroyed) timer.refresh();
      } catch (error) {
        response.destroy(asError(error));
      }
    };
    const timer = setTimeout(() => void look(), this.#connection.silenceMs);
    timer.unref();
    response.once("close", () => clearTimeout(timer));
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
        if (result?.events) {
          const news = result.events.map((event) => this.#keys.event(event));
          this.#connection.heardOf(Math.max(...news.map(revisionOf)));
          yield news;
        }
      }
    } finally {
      signal.removeEventListener("abort", stop);
      stop();
    }
  }

  close(): void {
    this.#watchers.clear();
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
