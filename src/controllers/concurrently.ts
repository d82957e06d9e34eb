/** @module Many calls of the API at once, but not all. */

/** Resolves when all are done; rejects with the first failure, after those in flight have ended. No more are begun then. */
export async function concurrently<T>(
  items: Iterable<T>,
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]();
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    while (failures.length === 0) {
      const next = iterator.next();
      if (next.done === true) return;
      try {
        await work(next.value);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: limit }, worker));
  if (failures.length > 0) throw failures[0];
}

const FIRST_BATCH = 4;
const LARGEST_BATCH = 256;

/**
 * In batches that grow as long as all goes well, so that what is refused is asked for a few times and not a thousand.
 * @throws the first failure, after its batch
 */
export async function inGrowingBatches<T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  let size = FIRST_BATCH;
  for (let place = 0; place < items.length; size = Math.min(size * 2, LARGEST_BATCH)) {
    const batch = items.slice(place, place + size);
    place += batch.length;
    await concurrently(batch, batch.length, work);
  }
}
