/**
 * @module Events are forgotten an hour after they last happened, and before it when there are too many: the oldest first.
 *
 * Cost: a count for each write of one, and every ten minutes, or when there are too many, one walk over the texts of all,
 * page by page, of which only times and keys are kept: of 4,000 events a tenth of a second's work in pieces of a few
 * milliseconds. No informer holds them, and nothing is decoded for longer.
 */
import { setImmediate as turn } from "node:timers/promises";
import { concurrently } from "./concurrently.ts";
import type { Controller } from "./context.ts";

const KEPT_MS = 3_600_000;
const WALK_MS = 600_000;
const PAGE = 500;
const DELETIONS = 64;
/** Of 100 pods that are scaled up and down without end, the last few minutes; a control plane holds them all. */
const MOST_EVENTS = 4_000;
const MOST_BYTES = 8 * 1024 ** 2;
/** What is left when there were too many, so that not every next one is again. */
const SHARE_LEFT = 0.9;

export interface StoredEvent {
  readonly key: string;
  /** The object as JSON text. */
  readonly value: string;
  /** The write that it is of. */
  readonly modified: number;
}

/** The events as they are stored: through the API they would be decoded, and remembered so. */
export interface EventShelf {
  /** In the order of their keys. @param after - a key; undefined: from the first one */
  page(after: string | undefined, limit: number): Promise<readonly StoredEvent[]>;
  /** Unless it has changed since. */
  remove(event: Omit<StoredEvent, "value">): Promise<void>;
  /** Calls for each write of an event from now on. @returns ends it */
  follow(changed: (change: ShelfChange) => void): () => void;
}

export interface ShelfChange {
  /** 1 for a new one, -1 for one that has gone. */
  readonly count: number;
  readonly bytes: number;
}

interface KnownEvent {
  readonly key: string;
  readonly modified: number;
  readonly bytes: number;
  readonly time: number;
}

export interface EventLimits {
  readonly count: number;
  readonly bytes: number;
}

interface Times {
  readonly series?: { readonly lastObservedTime?: string | null } | null;
  readonly lastTimestamp?: string | null;
  readonly eventTime?: string | null;
  readonly firstTimestamp?: string | null;
  readonly metadata?: { readonly creationTimestamp?: string | null };
}

export class EventExpiry implements Controller {
  readonly #shelf: EventShelf;
  readonly #now: () => number;
  readonly #log: (line: string) => void;
  readonly #limits: EventLimits;
  readonly #timer: NodeJS.Timeout;
  readonly #unfollow: () => void;
  #count = 0;
  #bytes = 0;
  #isStopped = false;
  #isWalking = false;

  constructor(
    shelf: EventShelf,
    { now, log }: { readonly now: () => number; readonly log: (line: string) => void },
    {
      walkMs = WALK_MS,
      limits = { count: MOST_EVENTS, bytes: MOST_BYTES },
    }: { readonly walkMs?: number; readonly limits?: EventLimits } = {},
  ) {
    this.#shelf = shelf;
    this.#now = now;
    this.#log = log;
    this.#limits = limits;
    this.#unfollow = shelf.follow(({ count, bytes }) => {
      this.#count += count;
      this.#bytes += bytes;
      if (this.#isOver()) void this.#walk();
    });
    this.#timer = setInterval(() => void this.#walk(), walkMs);
    this.#timer.unref();
    void this.#walk();
  }

  /** Asked again behind every wait. */
  #hasStopped(): boolean {
    return this.#isStopped;
  }

  #isOver(): boolean {
    return this.#count > this.#limits.count || this.#bytes > this.#limits.bytes;
  }

  async #walk(): Promise<void> {
    if (this.#isWalking || this.#hasStopped()) return;
    this.#isWalking = true;
    try {
      const known = await this.#look();
      this.#count = known.length;
      this.#bytes = known.reduce((sum, { bytes }) => sum + bytes, 0);
      await concurrently(this.#old(known), DELETIONS, (event) => this.#shelf.remove(event));
    } catch (error) {
      if (!this.#hasStopped()) this.#log(`events: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      this.#isWalking = false;
    }
  }

  async #look(): Promise<KnownEvent[]> {
    const known: KnownEvent[] = [];
    let after: string | undefined;
    do {
      const events = await this.#shelf.page(after, PAGE);
      for (const { key, value, modified } of events)
        known.push({ key, modified, bytes: value.length, time: lastOccurrence(value) });
      after = events.length < PAGE ? undefined : events.at(-1)?.key;
      await turn();
    } while (after !== undefined && !this.#isStopped);
    return known;
  }

  /** What has had its hour, and the oldest of what is too much. */
  #old(known: readonly KnownEvent[]): readonly KnownEvent[] {
    const end = this.#now() - KEPT_MS;
    const sorted = known.toSorted((a, b) => a.time - b.time || a.modified - b.modified);
    const share = this.#isOver() ? SHARE_LEFT : 1;
    let count = sorted.length;
    let bytes = this.#bytes;
    const old: KnownEvent[] = [];
    for (const event of sorted) {
      const isTooMuch = count > this.#limits.count * share || bytes > this.#limits.bytes * share;
      if (event.time > end && !isTooMuch) break;
      old.push(event);
      count--;
      bytes -= event.bytes;
    }
    return old;
  }

  stop(): void {
    this.#isStopped = true;
    this.#unfollow();
    clearInterval(this.#timer);
  }
}

/** Milliseconds since 1970; one that says no time is kept. */
function lastOccurrence(value: string): number {
  const event = JSON.parse(value) as Times;
  const times = [
    event.series?.lastObservedTime,
    event.lastTimestamp,
    event.eventTime,
    event.firstTimestamp,
    event.metadata?.creationTimestamp,
  ].flatMap((text) => {
    const time = Date.parse(text ?? "");
    return Number.isNaN(time) ? [] : [time];
  });
  return times.length === 0 ? Number.POSITIVE_INFINITY : Math.max(...times);
}
