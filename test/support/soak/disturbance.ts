/** @module What a soak does to a cluster, one kind at a time. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "../random.ts";
import type { Scene } from "./scene.ts";

export interface Disturbance {
  readonly what: string;
  /** Why it cannot be had here. */
  missing?(scene: Scene): string | undefined;
  /** Ends when what was to happen has happened. @throws Error when it does not */
  run(scene: Scene, random: Random): Promise<void>;
}

const PATIENCE_MS = 60_000;
const PAUSE_MS = 200;

/**
 * As `until`, but what `probe` throws is not the end: the API may be away for a moment.
 * @throws Error with the last of these when it has found nothing in time
 */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS;
  let last: unknown;
  for (;;) {
    try {
      const found = await probe();
      if (found !== undefined) return found;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline)
      throw new Error(`${what}: not within ${PATIENCE_MS} ms`, { cause: last });
    await sleep(PAUSE_MS);
  }
}

/** In one line, with why. */
export function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? "" : ` (${wordsOf(error.cause)})`;
  return `${error.message.trim().replaceAll(/\s*\n\s*/g, "; ")}${cause}`;
}
