/** @module A controller's queue: waits until what it looks at is known, tells of failures that matter, and paces keys that change fast. */
import { isReason } from "../client/client.ts";
import { WorkQueue } from "../client/work-queue.ts";

export interface QueueOptions {
  readonly name: string;
  readonly log: (line: string) => void;
  /** Nothing is worked on before. */
  readonly ready: Promise<void>;
  readonly workers?: number;
  /** The least time between two looks at a key that is asked for with `soon`. */
  readonly paceMs?: number;
}

const WORKERS = 8;

export class ControllerQueue {
  readonly #queue: WorkQueue;
  readonly #paceMs: number;
  readonly #lookedAt = new Map<string, number>();
  #stopped = false;

  constructor(work: (key: string) => Promise<void>, options: QueueOptions) {
    const { name, log, ready, workers = WORKERS, paceMs = 0 } = options;
    this.#paceMs = paceMs;
    this.#queue = new WorkQueue(
      async (key) => {
        await ready;
        if (this.#stopped) return;
        if (paceMs > 0) this.#remember(key);
        await work(key);
      },
      {
        workers,
        onError: (key, error) => {
          if (!this.#stopped && !isExpected(error))
            log(`${name}: ${key}: ${error instanceof Error ? error.message : String(error)}`);
        },
      },
    );
  }

  #remember(key: string): void {
    const now = Date.now();
    // Re-inserted, so that the map is in the order of time and the oldest are first.
    this.#lookedAt.delete(key);
    this.#lookedAt.set(key, now);
    for (const [old, at] of this.#lookedAt) {
      if (at + this.#paceMs > now) break;
      this.#lookedAt.delete(old);
    }
  }

  add(key: string): void {
    this.#queue.add(key);
  }

  addAfter(key: string, milliseconds: number): void {
    this.#queue.addAfter(key, milliseconds);
  }

  /** Now, or when the last look is long enough ago: many events become one look. */
  soon(key: string): void {
    const last = this.#lookedAt.get(key);
    if (last === undefined) this.#queue.add(key);
    else this.#queue.addAfter(key, last + this.#paceMs - Date.now());
  }

  stop(): void {
    this.#stopped = true;
    this.#queue.stop();
  }
}

/** Somebody else was quicker, or the namespace is going: the next look sees it. */
function isExpected(error: unknown): boolean {
  return isReason(error, "Conflict", "NotFound", "AlreadyExists") || isTerminatingNamespace(error);
}

export function isTerminatingNamespace(error: unknown): boolean {
  return isReason(error, "Forbidden") && String((error as Error).message).includes("is being terminated");
}
