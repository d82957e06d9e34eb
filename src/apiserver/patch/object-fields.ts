/** @module Which fields an object has, and which differ between two of them, as sets of fields. */

import { ownValue, setOwn } from "../../base/own.ts";
import { type FieldSet, MEMBER, treeOf } from "./field-set.ts";
import { isJsonObject, type JsonObject, jsonEqual } from "./json-value.ts";
import { type FieldMerge, fieldOf, type ListKey, type MergeSchema, PLAIN } from "./merge-schema.ts";

/** Fields that the server sets for itself: nobody owns them. */
const UNOWNED_METADATA = new Set([
  "name",
  "namespace",
  "creationTimestamp",
  "selfLink",
  "uid",
  "clusterName",
  "generation",
  "managedFields",
  "resourceVersion",
]);

/** The part of an object that can have owners. */
export function ownable(object: JsonObject): JsonObject {
  const { apiVersion: _apiVersion, kind: _kind, metadata, ...rest } = object;
  if (!isJsonObject(metadata)) return rest;
  const owned: Record<string, unknown> = {};
  for (const key in metadata) {
    if (!UNOWNED_METADATA.has(key)) setOwn(owned, key, metadata[key]);
  }
  return Object.keys(owned).length > 0 ? { metadata: owned, ...rest } : rest;
}

/** Why a list cannot be told apart by its keys. */
export interface ListFault {
  readonly index: number;
  readonly why:
    | { readonly kind: "no-key"; readonly key: string }
    | { readonly kind: "duplicate"; readonly edge: string };
}

/** The items of a list by their edges, in order; a fault when two are the same or one lacks a key. */
export function itemsByEdge(
  items: readonly unknown[],
  list: "set" | readonly ListKey[],
): Map<string, unknown> | ListFault {
  const byEdge = new Map<string, unknown>();
  for (let index = 0; index < items.length; index += 1) {
    const item = items[index];
    const edge = list === "set" ? `v:${JSON.stringify(item)}` : edgeOf(item, list);
    if (typeof edge !== "string") return { index, why: { kind: "no-key", key: edge.name } };
    if (byEdge.has(edge)) return { index, why: { kind: "duplicate", edge } };
    byEdge.set(edge, item);
  }
  return byEdge;
}

/** The edge of an item; the key that it lacks. */
function edgeOf(item: unknown, keys: readonly ListKey[]): string | ListKey {
  const parts: string[] = [];
  for (const key of keys) {
    const value = (isJsonObject(item) ? ownValue(item, key.name) : undefined) ?? key.default;
    if (value === undefined) return key;
    parts.push(`${JSON.stringify(key.name)}:${JSON.stringify(value)}`);
  }
  return `k:{${parts.sort().join(",")}}`;
}

/** As `itemsByEdge`, for lists that no client must answer for: undefined: take the list as one value. */
function itemsIfDistinct(items: readonly unknown[], field: FieldMerge): Map<string, unknown> | undefined {
  if (field.list === undefined) return undefined;
  const byEdge = itemsByEdge(items, field.list);
  return byEdge instanceof Map ? byEdge : undefined;
}

/** The fields which an applied configuration claims: its leaves, and the items of its lists. */
export function fieldsOf(object: JsonObject, schema: MergeSchema): FieldSet {
  const children: Record<string, FieldSet> = {};
  for (const key in object) {
    if (object[key] !== undefined) children[`f:${key}`] = claimed(object[key], fieldOf(schema, key));
  }
  return children;
}

function claimed(value: unknown, field: FieldMerge): FieldSet {
  if (isJsonObject(value) && !field.atomic)
    return treeOf(false, fieldsOf(value, field.of ?? PLAIN)) ?? MEMBER;
  const items = Array.isArray(value) ? itemsIfDistinct(value, field) : undefined;
  if (!items) return MEMBER;
  const children: Record<string, FieldSet> = {};
  for (const [edge, item] of items) {
    children[edge] =
      (isJsonObject(item) ? treeOf(true, fieldsOf(item, field.of ?? PLAIN)) : undefined) ?? MEMBER;
  }
  return treeOf(false, children) ?? MEMBER;
}

/** Every field at and below a value. Unlike what `fieldsOf` claims, objects and lists are fields themselves. */
function everything(value: unknown, field: FieldMerge): FieldSet {
  const children: Record<string, FieldSet> = {};
  if (isJsonObject(value) && !field.atomic) {
    const schema = field.of ?? PLAIN;
    for (const key in value) {
      if (value[key] !== undefined) children[`f:${key}`] = everything(value[key], fieldOf(schema, key));
    }
  } else if (Array.isArray(value)) {
    const items = itemsIfDistinct(value, field);
    if (items) for (const [edge, item] of items) children[edge] = everything(item, itemField(field));
  }
  return treeOf(true, children) ?? MEMBER;
}

function itemField(field: FieldMerge): FieldMerge {
  return field.of ? { of: field.of } : {};
}

/** What a write does to the fields of an object. */
export interface FieldChanges {
  /** Fields that are new, or have another value. */
  readonly changed: FieldSet;
  readonly removed: FieldSet;
}

interface Changes {
  changed: FieldSet | undefined;
  removed: FieldSet | undefined;
}

/** Compares two objects that `ownable` made. Parts that both share cost nothing. */
export function compareFields(before: JsonObject, after: JsonObject, schema: MergeSchema): FieldChanges {
  const changed: Record<string, FieldSet> = {};
  const removed: Record<string, FieldSet> = {};
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    // The parts that every object has come into being with it: to fill them is no claim to them.
    const left = ownValue(before, key) ?? (isJsonObject(ownValue(after, key)) ? {} : undefined);
    const right = ownValue(after, key) ?? (isJsonObject(ownValue(before, key)) ? {} : undefined);
    const changes = compare(left, right, fieldOf(schema, key));
    if (changes?.changed) changed[`f:${key}`] = changes.changed;
    if (changes?.removed) removed[`f:${key}`] = changes.removed;
  }
  return { changed, removed };
}

function compare(before: unknown, after: unknown, field: FieldMerge): Changes | undefined {
  if (before === after) return undefined;
  if (before === undefined) return { changed: everything(after, field), removed: undefined };
  if (after === undefined) return { changed: undefined, removed: everything(before, field) };
  if (isJsonObject(before) && isJsonObject(after) && !field.atomic) {
    return compareObjects(before, after, field.of ?? PLAIN);
  }
  if (Array.isArray(before) && Array.isArray(after) && field.list !== undefined) {
    const left = itemsIfDistinct(before, field);
    const right = itemsIfDistinct(after, field);
    if (left && right) return compareItems(left, right, itemField(field));
  }
  return jsonEqual(before, after) ? undefined : { changed: MEMBER, removed: undefined };
}

function compareObjects(before: JsonObject, after: JsonObject, schema: MergeSchema): Changes | undefined {
  const changes = new ChangesBelow();
  for (const key in after) {
    const value = ownValue(before, key);
    if (value !== after[key]) changes.add(`f:${key}`, compare(value, after[key], fieldOf(schema, key)));
  }
  for (const key in before) {
    if (ownValue(after, key) === undefined) {
      changes.add(`f:${key}`, compare(before[key], undefined, fieldOf(schema, key)));
    }
  }
  return changes.result();
}

function compareItems(
  before: ReadonlyMap<string, unknown>,
  after: ReadonlyMap<string, unknown>,
  field: FieldMerge,
): Changes | undefined {
  const changes = new ChangesBelow();
  for (const [edge, item] of after) changes.add(edge, compare(before.get(edge), item, field));
  for (const [edge, item] of before) if (!after.has(edge)) changes.add(edge, compare(item, undefined, field));
  return changes.result();
}

/** Collects what changed below one node; makes no object while nothing did. */
class ChangesBelow {
  #changed: Record<string, FieldSet> | undefined;
  #removed: Record<string, FieldSet> | undefined;

  add(edge: string, changes: Changes | undefined): void {
    if (changes?.changed) {
      this.#changed ??= {};
      this.#changed[edge] = changes.changed;
    }
    if (changes?.removed) {
      this.#removed ??= {};
      this.#removed[edge] = changes.removed;
    }
  }

  result(): Changes | undefined {
    if (!this.#changed && !this.#removed) return undefined;
    return { changed: this.#changed, removed: this.#removed };
  }
}
