/**
 * @module Keys that come from users, in plain objects. `constructor` and `toString` are valid labels, names and keys of
 * data: what an object inherits must not be taken for theirs.
 */

/** The value of an own key. */
export function ownValue<T>(record: Readonly<Record<string, T>> | undefined, key: string): T | undefined {
  return record !== undefined && Object.hasOwn(record, key) ? record[key] : undefined;
}

/**
 * Sets a key. `__proto__` becomes a key like any other, as it is in the objects which `JSON.parse` makes; a plain
 * assignment would change the prototype.
 */
export function setOwn(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key === "__proto__") {
    Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
  } else target[key] = value;
}
