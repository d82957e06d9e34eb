/**
 * @module Kubernetes' strategic merge patch: a merge patch in which some lists merge by a key of their items, and in
 * which keys that start with `$` direct the merge.
 */

import { ownValue, setOwn } from "../../base/own.ts";
import { interleave } from "./interleave.ts";
import { isJsonObject, type JsonObject, jsonEqual } from "./json-value.ts";
import { type FieldMerge, fieldOf, type MergeSchema, PLAIN } from "./merge-schema.ts";
import { goKindOf, PatchError } from "./patch-error.ts";

const DIRECTIVE = "$patch";
const RETAIN_KEYS = "$retainKeys";
const ELEMENT_ORDER = "$setElementOrder/";
const DELETE_PRIMITIVES = "$deleteFromPrimitiveList/";

/**
 * Applies a strategic merge patch.
 *
 * @param schema - which lists merge, and by which key: `mergeSchemaOf(apiVersion, kind)`
 * @throws PatchError `malformed` when a directive is not understood or an item lacks the key of its list
 */
export function applyStrategicMergePatch(target: unknown, patch: unknown, schema: MergeSchema): unknown {
  if (!isJsonObject(patch)) {
    throw new PatchError(
      "malformed",
      `json: cannot unmarshal ${goKindOf(patch)} into Go value of type map[string]interface {}`,
    );
  }
  return mergeObject(isJsonObject(target) ? target : {}, patch, schema);
}

function mergeObject(target: JsonObject, patch: JsonObject, schema: MergeSchema): JsonObject {
  switch (patch[DIRECTIVE]) {
    case undefined:
    case "merge":
      break;
    case "replace":
      return Object.fromEntries(Object.entries(patch).filter(([key]) => key !== DIRECTIVE));
    case "delete":
      return {};
    default:
      throw new PatchError("malformed", `unknown patch type: ${String(patch[DIRECTIVE])}`);
  }
  const result = retained(target, patch);
  for (const key of Object.keys(patch)) {
    if (key === DIRECTIVE || key === RETAIN_KEYS || listOfDirective(key)) continue;
    const value = ownValue(patch, key);
    if (value === null) delete result[key];
    else if (Array.isArray(value)) {
      const list = { current: ownValue(result, key), items: value, name: key };
      setOwn(result, key, mergeList(list, patch, fieldOf(schema, key)));
    } else if (isJsonObject(value)) {
      const current = ownValue(result, key);
      const merged = mergeObject(
        isJsonObject(current) ? current : {},
        value,
        fieldOf(schema, key).of ?? PLAIN,
      );
      setOwn(result, key, merged);
    } else setOwn(result, key, value);
  }
  // Directives about lists of which the patch gives no items.
  for (const key of Object.keys(patch)) {
    const name = listOfDirective(key);
    if (name === undefined || Object.hasOwn(patch, name)) continue;
    const current = ownValue(result, name);
    if (Array.isArray(current)) {
      setOwn(result, name, mergeList({ current, items: [], name }, patch, fieldOf(schema, name)));
    }
  }
  return result;
}

/** The list that a directive beside it speaks of; undefined: the key is no such directive. */
function listOfDirective(key: string): string | undefined {
  if (key.startsWith(ELEMENT_ORDER)) return key.slice(ELEMENT_ORDER.length);
  if (key.startsWith(DELETE_PRIMITIVES)) return key.slice(DELETE_PRIMITIVES.length);
  return undefined;
}

function retained(target: JsonObject, patch: JsonObject): Record<string, unknown> {
  const keys = patch[RETAIN_KEYS];
  if (keys === undefined) return { ...target };
  const names = new Set(listDirective(RETAIN_KEYS, keys));
  return Object.fromEntries(Object.entries(target).filter(([key]) => names.has(key)));
}

function listDirective(name: string, value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new PatchError("malformed", `${name} must be a list, not ${goKindOf(value)}`);
}

interface PatchedList {
  readonly current: unknown;
  readonly items: readonly unknown[];
  readonly name: string;
}

/** @param beside - the object in the patch that the list stands in: it holds the directives about the list */
function mergeList(list: PatchedList, beside: JsonObject, field: FieldMerge): readonly unknown[] {
  const { name } = list;
  const current: readonly unknown[] = Array.isArray(list.current) ? list.current : [];
  const order = beside[ELEMENT_ORDER + name];
  const deleted = beside[DELETE_PRIMITIVES + name];
  const wanted = order === undefined ? undefined : listDirective(ELEMENT_ORDER + name, order);
  if (field.patchKey === undefined) {
    return Object.hasOwn(beside, name) ? list.items : current;
  }
  if (typeof field.patchKey === "string") {
    const merged = mergeItems(current, list, { key: field.patchKey, schema: field.of ?? PLAIN });
    return inOrder(merged, current, wanted, field.patchKey);
  }
  const gone = deleted === undefined ? [] : listDirective(DELETE_PRIMITIVES + name, deleted);
  const kept = current.filter((item) => !includes(gone, item));
  return inOrder(
    [...kept, ...list.items.filter((item) => !includes(kept, item))],
    current,
    wanted,
    undefined,
  );
}

function includes(items: readonly unknown[], item: unknown): boolean {
  return items.some((other) => jsonEqual(other, item));
}

/** The current items with those of the patch merged in by their key, new ones behind. */
function mergeItems(
  current: readonly unknown[],
  list: PatchedList,
  by: { readonly key: string; readonly schema: MergeSchema },
): readonly unknown[] {
  const items = list.items.map((item) => {
    if (isJsonObject(item)) return item;
    throw new PatchError(
      "malformed",
      `${list.name}: expected an object as item of the list, not ${goKindOf(item)}`,
    );
  });
  // One item that says "replace" says so for the whole list, and is itself no item.
  const replaces = items.some((item) => item[DIRECTIVE] === "replace");
  let result: unknown[] = replaces ? [] : [...current];
  for (const item of items) {
    if (item[DIRECTIVE] === "replace") continue;
    const key = ownValue(item, by.key);
    if (key === undefined) {
      throw new PatchError(
        "malformed",
        `map: ${JSON.stringify(item)} does not contain declared merge key: ${by.key}`,
      );
    }
    const at = result.findIndex((other) => isJsonObject(other) && jsonEqual(ownValue(other, by.key), key));
    if (item[DIRECTIVE] === "delete") {
      result = result.filter((other) => !isJsonObject(other) || !jsonEqual(ownValue(other, by.key), key));
    } else if (at === -1) result.push(mergeObject({}, item, by.schema));
    else result[at] = mergeObject(result[at] as JsonObject, item, by.schema);
  }
  return result;
}

/** Puts a merged list in the order that `$setElementOrder` wants; see `interleave` for items which it does not name. */
function inOrder(
  merged: readonly unknown[],
  current: readonly unknown[],
  wanted: readonly unknown[] | undefined,
  key: string | undefined,
): readonly unknown[] {
  if (wanted === undefined) return merged;
  const keyOf = (item: unknown): string =>
    String(JSON.stringify(key !== undefined && isJsonObject(item) ? ownValue(item, key) : item));
  return interleave(merged, {
    wanted: wanted.map(keyOf),
    current: current.map(keyOf),
    keyOf,
    fresh: "first",
  });
}
