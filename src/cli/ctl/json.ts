/** @module Objects as plain JSON values: what every kind is to a store, to patches and to tables. */
import { BooleanWord } from "../../resources/yaml/scalars.ts";

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

/** What `parseDocuments` gives, as kubectl would send it: `yes` is a boolean, what was written twice is null. */
export function plain(value: unknown): Json {
  if (value instanceof BooleanWord) return value.value;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, plain(entry)]));
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return value;
  return null;
}

/** Own entries only: keys come from users. */
export function entryOf(value: Json | undefined, key: string): Json | undefined {
  return isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

/** @returns undefined where the way breaks off */
export function valueAt(value: Json | undefined, keys: readonly string[]): Json | undefined {
  return keys.reduce<Json | undefined>((inside, key) => entryOf(inside, key), value);
}

export function textAt(value: Json, ...keys: readonly string[]): string {
  const found = valueAt(value, keys);
  return found === undefined || found === null ? "" : scalarText(found);
}

export function listAt(value: Json, ...keys: readonly string[]): readonly Json[] {
  const found = valueAt(value, keys);
  return isList(found) ? found : [];
}

/** A cell: scalars as they are, the rest as JSON. */
export function scalarText(value: Json): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Order of keys does not count. */
export function isSame(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (isList(a) && isList(b))
    return a.length === b.length && a.every((item, index) => isSame(item, b[index]));
  if (!isObject(a) || !isObject(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && isSame(a[key], b[key]))
  );
}

/** @param value - undefined takes the key away */
export function withEntry(object: JsonObject, key: string, value: Json | undefined): JsonObject {
  if (value !== undefined) return { ...object, [key]: value };
  return Object.fromEntries(Object.entries(object).filter(([name]) => name !== key));
}

/** Parents that are missing are made; what is no mapping is replaced by one. */
export function withValueAt(
  object: JsonObject,
  keys: readonly string[],
  value: Json | undefined,
): JsonObject {
  const [key, ...rest] = keys;
  if (key === undefined) return object;
  if (rest.length === 0) return withEntry(object, key, value);
  const inner = entryOf(object, key);
  if (!isObject(inner) && value === undefined) return object;
  return withEntry(object, key, withValueAt(isObject(inner) ? inner : {}, rest, value));
}
