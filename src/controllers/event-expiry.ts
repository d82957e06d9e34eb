/**
 * @module Events are forgotten an hour after they last happened.
 *
 * Cost: every ten minutes one walk over the texts of all events, page by page, of which none is kept: of 100,000 events
 * about a second's work in pieces of a few milliseconds. No informer holds them, and nothing is decoded for longer.
 */
import { setImmediate as turn } from "node:timers/promises";
import { concurrently } from "./concurrently.ts";
import type { Controller } from "./context.ts";

const KEPT_MS = 3_600_000;
const WALK_MS = 600_000;
const PAGE = 500;
const DELETIONS = 8;

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
  remove(event: StoredEvent): Promise<void>;
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
  readonly #timer: NodeJS.Timeout;
  #isStopped = false;
  #isWalking = false;

  constructor(
    shelf: EventShelf,
    { now, log }: { readonly now: () => number; readonly log: (line: string) => void },
    walkMs: number = WALK_MS,
  ) {
    this.#shelf = shelf;
    this.#now = now;
    this.#log = log;
    this.#timer = setInterval(() => void this.#walk(), walkMs);
    this.#timer.unref();
  }

  async #walk(): Promise<void> {
    if (this.#isWalking) return;
    this.#isWalking = true;
    try {
      let after: string | undefined;
      do after = await this.#walkPage(after);
      while (after !== undefined && !this.#isStopped);
    } catch (error) {
      if (!this.#isStopped) this.#log(`events: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      this.#isWalking = false;
    }
  }

  /** @returns where to go on */
  async #walkPage(after: string | undefined): Promise<string | undefined> {
    const events = await this.#shelf.page(after, PAGE);
    const end = this.#now() - KEPT_MS;
    const old = events.filter(({ value }) => lastOccurrence(value) <= end);
    await concurrently(old, DELETIONS, (event) => this.#shelf.remove(event));
    await turn();
    return events.length < PAGE ? undefined : events.at(-1)?.key;
  }

  stop(): void {
    this.#isStopped = true;
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
