/** @module Server-side apply: a manager says what it wants of an object, and owns what it says. */

import { ownValue, setOwn } from "../../base/own.ts";
import {
  childOf,
  difference,
  EMPTY,
  edgesOf,
  type FieldSet,
  intersection,
  isEmptySet,
  isMember,
  pathsOf,
  sameSet,
  union,
} from "./field-set.ts";
import { interleave } from "./interleave.ts";
import { isJsonObject, type JsonObject, jsonEqual } from "./json-value.ts";
import {
  entryOf,
  inEntryOrder,
  isEntryOf,
  type ManagedFieldsEntry,
  managedFieldsOf,
  type Writer,
  without,
} from "./managed-fields.ts";
import { type FieldMerge, fieldOf, type MergeSchema, PLAIN } from "./merge-schema.ts";
import { compareFields, fieldsOf, itemsByEdge, ownable } from "./object-fields.ts";
import { goKindOf, PatchError } from "./patch-error.ts";

/** A field that another manager owns with another value. */
export interface ApplyConflict {
  /** As messages name it: `"kubectl" using apps/v1`. */
  readonly manager: string;
  /** `.spec.template.spec.containers[name="web"].image` */
  readonly field: string;
}

export type ApplyResult =
  | { readonly object: JsonObject; readonly conflicts?: never }
  | { readonly conflicts: readonly ApplyConflict[]; readonly object?: never };

export interface ApplyRequest {
  /** The object as it is; undefined: it is new. */
  readonly live: unknown;
  /** What the manager wants of it. */
  readonly applied: unknown;
  readonly manager: string;
  /** Takes fields from their owners instead of answering with conflicts. */
  readonly force: boolean;
  /** RFC 3339, in seconds. */
  readonly now: string;
  readonly apiVersion: string;
  readonly schema: MergeSchema;
  readonly subresource?: string | undefined;
}

/**
 * Merges what a manager applies into the object, takes out what it applied before and no longer does (unless others own
 * that, too), and writes down who owns what. Applying the same again changes nothing, not even the time.
 *
 * @returns the object with its new `metadata.managedFields`, or the conflicts that stand against it
 * @throws PatchError `malformed` when it is no object, brings managed fields, or has items that cannot be told apart
 */
export function applyServerSide(request: ApplyRequest): ApplyResult {
  const { schema } = request;
  const applied = parseApplied(request.applied, schema);
  const live = isJsonObject(request.live) ? request.live : undefined;
  const writer: Writer = { ...request, operation: "Apply" };
  const entries = live ? entriesBefore(live, writer, schema) : [];
  const own = entries.find((entry) => isEntryOf(entry, writer));
  const others = entries.filter((entry) => !isEntryOf(entry, writer));

  const wanted = fieldsOf(ownable(applied), schema);
  const merged = live ? mergeObjects(live, applied, schema) : applied;
  const dropped = difference(own?.fieldsV1 ?? EMPTY, wanted);
  const kept = others.reduce((fields, entry) => union(fields, entry.fieldsV1), wanted);
  const result = pruneObject(merged, dropped, { kept, schema });

  const { changed, removed } = compareFields(live ? ownable(live) : {}, ownable(result), schema);
  const conflicts = others.flatMap((entry) =>
    pathsOf(intersection(entry.fieldsV1, changed))
      .sort()
      .map((field) => ({ manager: managerText(entry), field })),
  );
  if (conflicts.length > 0 && !request.force) return { conflicts };

  const taken = union(changed, removed);
  const isSame = own !== undefined && sameSet(own.fieldsV1, wanted) && isEmptySet(taken);
  const managedFields = [
    ...others.flatMap((entry) => without(entry, taken) ?? []),
    ...(isEmptySet(wanted) ? [] : [isSame ? own : entryOf(writer, wanted, request.now)]),
  ];
  return { object: withManagedFields(result, inEntryOrder(managedFields)) };
}

/** The entries of the object. What is in an object that nobody owns yet belongs to those who wrote it, whoever they were. */
function entriesBefore(live: JsonObject, writer: Writer, schema: MergeSchema): readonly ManagedFieldsEntry[] {
  const entries = managedFieldsOf(live);
  if (entries.length > 0) return entries;
  const unknown: Writer = {
    manager: "before-first-apply",
    operation: "Update",
    apiVersion: writer.apiVersion,
  };
  return [entryOf(unknown, fieldsOf(ownable(live), schema), undefined)];
}

/** The message of the answer 409, as Kubernetes words it. */
export function conflictMessage(conflicts: readonly ApplyConflict[]): string {
  const [first] = conflicts;
  if (first && conflicts.length === 1) {
    return `Apply failed with 1 conflict: conflict with ${first.manager}: ${first.field}`;
  }
  const managers = [...new Set(conflicts.map(({ manager }) => manager))].sort();
  const lines = managers.flatMap((manager) => [
    `conflicts with ${manager}:`,
    ...conflicts.filter((conflict) => conflict.manager === manager).map(({ field }) => `- ${field}`),
  ]);
  return `Apply failed with ${conflicts.length} conflicts: ${lines.join("\n")}`;
}

/** The causes in the details of the answer 409: one for each conflict. */
export function conflictCauses(
  conflicts: readonly ApplyConflict[],
): { readonly reason: "FieldManagerConflict"; readonly message: string; readonly field: string }[] {
  return conflicts.map(({ manager, field }) => ({
    reason: "FieldManagerConflict",
    message: `conflict with ${manager}`,
    field,
  }));
}

function managerText(writer: Writer): string {
  const subresource = writer.subresource ? ` with subresource ${JSON.stringify(writer.subresource)}` : "";
  const version = writer.operation === "Update" ? ` using ${writer.apiVersion}` : "";
  return JSON.stringify(writer.manager) + subresource + version;
}

function withManagedFields(object: JsonObject, managedFields: readonly unknown[]): JsonObject {
  const { managedFields: _old, ...metadata } = isJsonObject(object["metadata"]) ? object["metadata"] : {};
  return {
    ...object,
    metadata: managedFields.length > 0 ? { ...metadata, managedFields } : metadata,
  };
}

function parseApplied(applied: unknown, schema: MergeSchema): JsonObject {
  if (!isJsonObject(applied)) {
    throw new PatchError(
      "malformed",
      `error decoding YAML: json: cannot unmarshal ${goKindOf(applied)} into Go value of type map[string]interface {}`,
    );
  }
  const metadata = applied["metadata"];
  const managedFields = isJsonObject(metadata) ? metadata["managedFields"] : undefined;
  if (Array.isArray(managedFields) && managedFields.length > 0) {
    throw new PatchError("malformed", "metadata.managedFields must be nil");
  }
  const title = (): string => {
    const { namespace, name } = isJsonObject(metadata) ? metadata : {};
    const owner = `${namespace ? `${String(namespace)}/` : "/"}${String(name ?? "")}`;
    return `failed to create typed patch object (${owner}; ${String(applied["apiVersion"])}, Kind=${String(applied["kind"])})`;
  };
  return checkedObject(applied, schema, { path: "", title });
}

interface Place {
  readonly path: string;
  /** What a message about this place begins with. */
  readonly title: () => string;
}

/** Checks that the items of lists can be told apart, and leaves out nulls: they say as much as nothing. */
function checkedObject(object: JsonObject, schema: MergeSchema, place: Place): JsonObject {
  const result: Record<string, unknown> = {};
  for (const key of Object.keys(object)) {
    const value = object[key];
    if (value === null || value === undefined) continue;
    setOwn(result, key, checked(value, fieldOf(schema, key), { ...place, path: `${place.path}.${key}` }));
  }
  return result;
}

function checked(value: unknown, field: FieldMerge, place: Place): unknown {
  if (isJsonObject(value)) return checkedObject(value, field.of ?? PLAIN, place);
  if (!Array.isArray(value)) return value;
  if (field.list !== undefined) {
    const items = itemsByEdge(value, field.list);
    if (!(items instanceof Map)) {
      const { index, why } = items;
      const text =
        why.kind === "no-key"
          ? `element ${index}: associative list with keys has an element that omits key field ${JSON.stringify(why.key)} (and doesn't have default value)`
          : `duplicate entries for key ${(pathsOf({ [why.edge]: {} })[0] ?? "").replace(/^\[=(.*)\]$/, "$1")}`;
      throw new PatchError("malformed", `${place.title()}: ${place.path}: ${text}`);
    }
  }
  return value.map((item: unknown) => checked(item, field.of ? { of: field.of } : {}, place));
}

function mergeObjects(live: JsonObject, applied: JsonObject, schema: MergeSchema): JsonObject {
  const result: Record<string, unknown> = { ...live };
  for (const key in applied) {
    setOwn(result, key, mergeValues(ownValue(live, key), applied[key], fieldOf(schema, key)));
  }
  return result;
}

function mergeValues(live: unknown, applied: unknown, field: FieldMerge): unknown {
  // What does not change stays the same object: the comparison that follows need not look into it.
  if (jsonEqual(live, applied)) return live;
  if (isJsonObject(live) && isJsonObject(applied) && !field.atomic) {
    return mergeObjects(live, applied, field.of ?? PLAIN);
  }
  if (!Array.isArray(live) || !Array.isArray(applied) || field.list === undefined) return applied;
  const liveItems = itemsByEdge(live, field.list);
  const appliedItems = itemsByEdge(applied, field.list);
  if (!(liveItems instanceof Map) || !(appliedItems instanceof Map)) return applied;
  const merged = new Map(liveItems);
  for (const [edge, item] of appliedItems) {
    merged.set(edge, mergeValues(liveItems.get(edge), item, field.of ? { of: field.of } : {}));
  }
  const edges = interleave([...merged.keys()], {
    wanted: [...appliedItems.keys()],
    current: [...liveItems.keys()],
    keyOf: (edge) => edge,
    fresh: "last",
  });
  return edges.map((edge) => merged.get(edge));
}

interface Pruning {
  /** What the manager still wants or others own, at and below this place. */
  readonly kept: FieldSet | undefined;
  readonly schema: MergeSchema;
}

function pruneObject(object: JsonObject, dropped: FieldSet, { kept, schema }: Pruning): JsonObject {
  const edges = edgesOf(dropped);
  if (edges.length === 0) return object;
  const result: Record<string, unknown> = { ...object };
  for (const edge of edges) {
    const key = edge.slice(2);
    const value = ownValue(result, key);
    if (value === undefined) continue;
    const left = pruneValue(value, dropped[edge] ?? EMPTY, {
      kept: childOf(kept, edge),
      field: fieldOf(schema, key),
    });
    if (left === undefined) delete result[key];
    else setOwn(result, key, left);
  }
  return result;
}

/** The value without what was dropped; undefined: nothing is left to keep. */
function pruneValue(
  value: unknown,
  dropped: FieldSet,
  { kept, field }: { readonly kept: FieldSet | undefined; readonly field: FieldMerge },
): unknown {
  if (isMember(dropped) && kept === undefined) return undefined;
  const pruned = pruneParts(value, dropped, { kept, field });
  // An object that only held what was dropped goes with it, unless somebody wants it empty.
  const isLeftEmpty = pruned !== value && isEmptyContainer(pruned);
  return isLeftEmpty && !(kept && isMember(kept)) ? undefined : pruned;
}

function pruneParts(
  value: unknown,
  dropped: FieldSet,
  { kept, field }: { readonly kept: FieldSet | undefined; readonly field: FieldMerge },
): unknown {
  const schema = field.of ?? PLAIN;
  if (isJsonObject(value)) return field.atomic ? value : pruneObject(value, dropped, { kept, schema });
  if (!Array.isArray(value) || field.list === undefined) return value;
  const items = itemsByEdge(value, field.list);
  if (!(items instanceof Map)) return value;
  return [...items].flatMap(([edge, item]) => {
    const drop = childOf(dropped, edge);
    if (drop === undefined) return [item];
    const left = pruneValue(item, drop, { kept: childOf(kept, edge), field: { of: schema } });
    return left === undefined ? [] : [withKeysOf(item, left, field.list)];
  });
}

/** An item that stays for the sake of others keeps the fields by which they know it. */
function withKeysOf(item: unknown, left: unknown, list: FieldMerge["list"]): unknown {
  if (list === "set" || !isJsonObject(item) || !isJsonObject(left)) return left;
  const keys = (list ?? []).map(({ name }) => name).filter((name) => ownValue(item, name) !== undefined);
  return { ...Object.fromEntries(keys.map((name) => [name, item[name]])), ...left };
}

function isEmptyContainer(value: unknown): boolean {
  return Array.isArray(value) ? value.length === 0 : isJsonObject(value) && Object.keys(value).length === 0;
}
