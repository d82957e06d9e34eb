/** @module How the lists and maps of a kind merge: the shape that strategic merge patch and server-side apply ask. */
import { ownValue, setOwn } from "../../base/own.ts";
import { isJsonObject, type JsonObject } from "./json-value.ts";

/** A field which, together with its siblings, tells one item of a list from the others. */
export interface ListKey {
  readonly name: string;
  /** What an item that leaves the field out means. */
  readonly default?: string;
}

export interface FieldMerge {
  /** The schema of the field's object, or of each item of its list. */
  readonly of?: MergeSchema;
  /** Strategic merge patch: the list merges by this field of its items; `true`: by the items themselves. Else it is replaced. */
  readonly patchKey?: string | true;
  /** Server-side apply: who may own a part of the list. Left out: the list has one owner. */
  readonly list?: "set" | readonly ListKey[];
  /** Server-side apply: the object has one owner, whatever is in it. */
  readonly atomic?: true;
}

export interface MergeSchema {
  /** Fields that merge otherwise than by default: objects by key, lists as a whole. */
  readonly fields: Readonly<Record<string, FieldMerge>>;
  /** How the fields merge that are not in `fields`. */
  readonly others?: FieldMerge;
}

/** What holds where nothing is known: objects merge by key, lists are replaced. */
export const PLAIN: MergeSchema = { fields: {} };

const PLAIN_FIELD: FieldMerge = {};

export function fieldOf(schema: MergeSchema, name: string): FieldMerge {
  return ownValue(schema.fields, name) ?? schema.others ?? PLAIN_FIELD;
}

/**
 * Reads what a custom resource's OpenAPI schema says of merging: `x-kubernetes-list-type`,
 * `x-kubernetes-list-map-keys` and `x-kubernetes-map-type`.
 *
 * @param metadata - how the object's metadata merges: a custom resource does not say that itself
 */
export function mergeSchemaOfOpenApi(openApi: unknown, metadata: MergeSchema): MergeSchema {
  const { of } = fieldMergeOf(openApi);
  return { ...of, fields: { ...of?.fields, metadata: { of: metadata } } };
}

function fieldMergeOf(openApi: unknown): FieldMerge {
  if (!isJsonObject(openApi)) return PLAIN_FIELD;
  if (openApi["type"] === "array") {
    const { of } = fieldMergeOf(openApi["items"]);
    const list = listTypeOf(openApi);
    return { ...(of && { of }), ...(list && { list }) };
  }
  const properties = openApi["properties"];
  const fields: Record<string, FieldMerge> = {};
  if (isJsonObject(properties)) {
    for (const [name, property] of Object.entries(properties)) {
      const field = fieldMergeOf(property);
      if (Object.keys(field).length > 0) setOwn(fields, name, field);
    }
  }
  const others = fieldMergeOf(openApi["additionalProperties"]);
  const known = Object.keys(fields).length > 0 || Object.keys(others).length > 0;
  return {
    ...(known && { of: { fields, ...(Object.keys(others).length > 0 && { others }) } }),
    ...(openApi["x-kubernetes-map-type"] === "atomic" && { atomic: true }),
  };
}

function listTypeOf(openApi: JsonObject): FieldMerge["list"] {
  const keys = openApi["x-kubernetes-list-map-keys"];
  switch (openApi["x-kubernetes-list-type"]) {
    case "set":
      return "set";
    case "map":
      return Array.isArray(keys) ? keys.map((key) => listKeyOf(String(key), openApi["items"])) : undefined;
    default:
      return undefined;
  }
}

function listKeyOf(name: string, items: unknown): ListKey {
  const properties = isJsonObject(items) ? items["properties"] : undefined;
  const property = isJsonObject(properties) ? ownValue(properties, name) : undefined;
  const initial = isJsonObject(property) ? property["default"] : undefined;
  return typeof initial === "string" ? { name, default: initial } : { name };
}
