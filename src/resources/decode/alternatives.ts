/** @module Lists whose items are alternatives: one that cannot be read takes away what it would have matched. */
import { BAD, type Cursor, type Reading } from "./cursor.ts";

export interface Alternatives<T> {
  /** Never empty. */
  readonly items: readonly T[];
  /** Whether these are all that were written. */
  readonly isComplete: boolean;
}

/**
 * @param limit - the API's; more is reported, and read all the same
 * @returns undefined for a list that is absent or empty; BAD where it has items and none can be read
 */
export function decodeAlternatives<T>(
  cursor: Cursor,
  decodeItem: (item: Cursor) => T | typeof BAD,
  limit: number,
): Reading<Alternatives<T>> {
  const list = cursor.list();
  if (list === BAD || list === undefined || list.length === 0) return list === BAD ? BAD : undefined;
  reportTooMany(cursor, list.length, limit);
  const items: T[] = [];
  for (const item of list) {
    const decoded = decodeItem(item);
    if (decoded !== BAD) items.push(decoded);
  }
  return items.length === 0 ? BAD : { items, isComplete: items.length === list.length };
}

/** For lists of exceptions, where an item less would match more. @returns BAD where any item cannot be read */
export function decodeAll<T>(
  cursor: Cursor,
  decodeItem: (item: Cursor) => T | typeof BAD,
  limit: number,
): Reading<readonly T[]> {
  const decoded = decodeAlternatives(cursor, decodeItem, limit);
  if (decoded === BAD || decoded === undefined) return decoded;
  return decoded.isComplete ? decoded.items : BAD;
}

export function reportTooMany(cursor: Cursor, count: number, limit: number): void {
  if (count > limit) cursor.error("too-many", `Too many: ${count}: must have at most ${limit} items`);
}
