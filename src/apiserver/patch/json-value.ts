/** @module Plain JSON values: what they are, and whether two of them say the same. */

export type JsonObject = { readonly [key: string]: unknown };

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether two JSON values say the same. The order of keys says nothing; a key that is undefined is not there. */
export function jsonEqual(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (Array.isArray(left)) {
    if (!Array.isArray(right) || left.length !== right.length) return false;
    return left.every((item, index) => jsonEqual(item, right[index]));
  }
  if (!isJsonObject(left) || !isJsonObject(right)) return false;
  for (const key in left) {
    if (!jsonEqual(left[key], ownValue(right, key))) return false;
  }
  for (const key in right) {
    if (right[key] !== undefined && ownValue(left, key) === undefined) return false;
  }
  return true;
}

/**
 * Sets a key that came from a client. `__proto__` becomes a key like any other, as it is in the objects
 * which `JSON.parse` makes; a plain assignment would change the prototype.
 */
export function setKey(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key === "__proto__") {
    Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
  } else target[key] = value;
}

/** The value of an own key: what an object inherits is not part of a document. */
export function ownValue(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}
