/**
 * @module What nobody caught in the process that holds all namespaces. One stream, probe or pod has failed then, and the
 * others need not: it is logged, and everything goes on. Where it is not sure that all is well, the process ends, and is
 * started again with all objects, and pods as after a reboot.
 */
import { BugError } from "../base/errors.ts";
import { isHome } from "../linux/netns.ts";

/** Ends with it, the machine is started again by the shell that started it: see `start-machine.ts`. EX_TEMPFAIL. */
export const START_AGAIN = 75;

/** Beyond so many in a minute, something is wrong that does not end by itself. */
const MOST_A_MINUTE = 60;
const MINUTE_MS = 60_000;

export interface LastResortOptions {
  readonly log: (line: string) => void;
  readonly end: (code: number) => void;
  /** Whether this thread is in the namespace that it belongs to. */
  readonly isHome?: () => boolean;
  readonly now?: () => number;
}

export class LastResort {
  readonly #options: LastResortOptions;
  #times: number[] = [];

  constructor(options: LastResortOptions) {
    this.#options = options;
  }

  /** Of an exception, or a rejection. */
  caught(error: unknown): void {
    const { log, end, now = Date.now } = this.#options;
    log(`uncaught: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    const time = now();
    this.#times = [...this.#times.filter((before) => time - before < MINUTE_MS), time];
    const why = this.#doubt(error);
    if (why === undefined) return;
    log(`${why}: starting again`);
    end(START_AGAIN);
  }

  /** @returns why it cannot be taken for one failure among others */
  #doubt(error: unknown): string | undefined {
    if (error instanceof BugError) return "an invariant is broken";
    if (!(this.#options.isHome ?? isHome)()) return "the thread is in a foreign namespace";
    return this.#times.length > MOST_A_MINUTE ? "too many failures" : undefined;
  }

  install(): void {
    process.on("uncaughtException", (error) => this.caught(error));
    process.on("unhandledRejection", (error) => this.caught(error));
  }
}
