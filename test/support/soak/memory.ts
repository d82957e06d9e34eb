/** @module Memory over time, and whether it is flat. */

export interface MemorySample {
  /** From the first moment, 0, to the last, 1. */
  readonly at: number;
  readonly bytes: ReadonlyMap<string, number>;
}

const MEBIBYTE = 1024 ** 2;
const FIFTHS = 5;
/**
 * Garbage is collected when the engine sees fit: two looks at one process that leaks nothing differ by a seventh and by
 * the nursery, which grows to 16 MiB and stays. What a pod, a session or a write would leave behind goes beyond both
 * within minutes.
 */
const SHARE = 1.15;
const SPARE_BYTES = 20 * MEBIBYTE;

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0;
}

/** By process: what it typically held in each fifth of the run, in bytes. */
export function fifthsOf(samples: readonly MemorySample[]): ReadonlyMap<string, readonly number[]> {
  const names = new Set(samples.flatMap(({ bytes }) => [...bytes.keys()]));
  return new Map(
    [...names].map((name) => [
      name,
      Array.from({ length: FIFTHS }, (_, fifth) =>
        median(
          samples
            .filter(({ at }) => Math.min(Math.floor(at * FIFTHS), FIFTHS - 1) === fifth)
            .flatMap(({ bytes }) => bytes.get(name) ?? []),
        ),
      ),
    ]),
  );
}

/** Processes that hold more in the last fifth of the run than in the second. In the first, everything is used for the first time. */
export function growthsOf(samples: readonly MemorySample[]): readonly string[] {
  return [...fifthsOf(samples)].flatMap(([name, fifths]) => {
    const [, second = 0] = fifths;
    const last = fifths.at(-1) ?? 0;
    return second > 0 && last > second * SHARE + SPARE_BYTES
      ? [`${name}: ${mebibytes(second)} → ${mebibytes(last)} MiB`]
      : [];
  });
}

export function mebibytes(bytes: number): number {
  return Math.round(bytes / MEBIBYTE);
}
