/**
 * @module Keys to be looked at, each by one worker at a time: a key that is added while it is worked on comes again, one
 * that fails comes again later, and one that is added twice comes once (client-go's workqueue).
 */
const FIRST_RETRY_MS = 20;
const MAX_RETRY_MS = 30_000;

export interface WorkQueueOptions {
  /** Keys worked on at the same time. */
  readonly workers?: number;
  readonly onError?: (key: string, error: unknown) => void;
}

export class WorkQueue {
  readonly #work: (key: string) => Promise<void>;
  readonly #options: WorkQueueOptions;
  readonly #waiting = new Set<string>();
  readonly #working = new Set<string>();
  readonly #failures = new Map<string, number>();
  readonly #timers = new Map<string, { readonly timer: NodeJS.Timeout; readonly at: number }>();
  #stopped = false;
  #scheduled = false;
  readonly #idle: (() => void)[] = [];

  constructor(work: (key: string) => Promise<void>, options: WorkQueueOptions = {}) {
    this.#work = work;
    this.#options = options;
  }

  add(key: string): void {
    if (this.#stopped) return;
    this.#waiting.add(key);
    this.#schedule();
  }

  /** The sooner of this and what was asked before. */
  addAfter(key: string, milliseconds: number): void {
    if (this.#stopped) return;
    if (milliseconds <= 0) {
      this.add(key);
      return;
    }
    const at = Date.now() + milliseconds;
    const known = this.#timers.get(key);
    if (known && known.at <= at) return;
    if (known) clearTimeout(known.timer);
    // Timers hold 31 bits of milliseconds.
    const timer = setTimeout(
      () => {
        this.#timers.delete(key);
        this.add(key);
      },
      Math.min(milliseconds, 2 ** 31 - 1),
    );
    this.#timers.set(key, { timer, at });
  }

  /** A turn later, so that what is added together is begun together. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#fill();
    });
  }

  #fill(): void {
    const limit = this.#options.workers ?? 1;
    for (const key of this.#waiting) {
      if (this.#stopped || this.#working.size >= limit) return;
      if (this.#working.has(key)) continue;
      this.#waiting.delete(key);
      this.#working.add(key);
      void this.#run(key);
    }
    if (this.#working.size === 0 && this.#waiting.size === 0) for (const done of this.#idle.splice(0)) done();
  }

  async #run(key: string): Promise<void> {
    try {
      await this.#work(key);
      this.#failures.delete(key);
    } catch (error) {
      const failures = (this.#failures.get(key) ?? 0) + 1;
      this.#failures.set(key, failures);
      this.#options.onError?.(key, error);
      this.addAfter(key, Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), MAX_RETRY_MS));
    } finally {
      this.#working.delete(key);
      this.#schedule();
    }
  }

  /** Resolves when nothing is waiting or worked on; timers may still be running. */
  idle(): Promise<void> {
    if (this.#working.size === 0 && this.#waiting.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  stop(): void {
    this.#stopped = true;
    this.#waiting.clear();
    for (const { timer } of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }
}
