/** @module Plain JSON values: what they are, and whether two of them say the same. */

import { ownValue } from "../../base/own.ts";

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
