/** @module Whether an object has the fields that its kind has, of the types that they have, in the words of the API server. */
import { ownValue, setOwn } from "../../base/own.ts";
import { isJsonObject, type JsonObject } from "../patch/json-value.ts";
import { goKindOf } from "../patch/patch-error.ts";
import type { Schema } from "./schema.ts";

export interface FieldError {
  /** `spec.containers[0].image` */
  readonly path: string;
  readonly message: string;
}

function below(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

/** The fields that the kind does not have, as strict decoding names them: `spec.podSelectr`. */
export function unknownFields(object: unknown, schema: Schema): string[] {
  const found: string[] = [];
  const visit = (value: unknown, known: Schema, path: string): void => {
    if (Array.isArray(value)) {
      const { items } = known;
      if (items) for (const [index, item] of value.entries()) visit(item, items, `${path}[${index}]`);
    } else if (isJsonObject(value) && known.type === "object") {
      for (const name of Object.keys(value)) {
        const field = known.field(name);
        if (field) visit(value[name], field, below(path, name));
        else if (!known.preservesUnknown) found.push(below(path, name));
      }
    }
  };
  visit(object, schema, "");
  return found;
}

/** The object without the fields that its kind does not have; the object itself when it has none of those. */
export function prune<Value>(object: Value, schema: Schema): Value {
  return pruned(object, schema) as Value;
}

function pruned(value: unknown, schema: Schema): unknown {
  if (Array.isArray(value)) {
    const { items } = schema;
    if (!items) return value;
    const kept = value.map((item) => pruned(item, items));
    return kept.some((item, index) => item !== value[index]) ? kept : value;
  }
  if (!isJsonObject(value) || schema.type !== "object") return value;
  let result: Record<string, unknown> | undefined;
  for (const name of Object.keys(value)) {
    const field = schema.field(name);
    if (field) {
      const kept = pruned(value[name], field);
      if (kept === value[name]) continue;
      result ??= { ...value };
      setOwn(result, name, kept);
    } else if (!schema.preservesUnknown) {
      result ??= { ...value };
      delete result[name];
    }
  }
  return result ?? value;
}

/** The fields that the schema requires and that are missing or null. */
export function requiredErrors(object: unknown, schema: Schema): FieldError[] {
  const found: FieldError[] = [];
  const visit = (value: unknown, known: Schema, path: string): void => {
    if (Array.isArray(value)) {
      const { items } = known;
      if (items) for (const [index, item] of value.entries()) visit(item, items, `${path}[${index}]`);
    } else if (isJsonObject(value)) {
      for (const name of known.required) {
        if ((ownValue(value, name) ?? null) === null)
          found.push({ path: below(path, name), message: "Required value" });
      }
      for (const name of Object.keys(value)) {
        const field = known.field(name);
        if (field) visit(value[name], field, below(path, name));
      }
    }
  };
  visit(object, schema, "");
  return found;
}

/** Where a value stands, in the two ways in which messages say it. */
interface Place {
  /** With the indices of lists. */
  readonly path: string;
  /** Without them: as Go says it. */
  readonly fields: string;
  /** The struct that has the field. */
  readonly struct: string | undefined;
}

/**
 * The values that are of another type than their fields. For built-in kinds the messages are those of Go's decoder, which stops
 * at the first; for custom resources those of their validation.
 */
export function typeErrors(object: unknown, schema: Schema): FieldError[] {
  const found: FieldError[] = [];
  checkType(object, schema, { place: { path: "", fields: "", struct: undefined }, found });
  return found;
}

function checkType(
  value: unknown,
  schema: Schema,
  at: { readonly place: Place; readonly found: FieldError[] },
): void {
  const { place, found } = at;
  if (value === null || value === undefined || schema.type === "any") return;
  const problem = problemOf(value, schema);
  if (problem !== undefined) {
    const message =
      problem.kind === "form"
        ? problem.message
        : schema.goType === undefined
          ? customMessage(value, schema, place)
          : goMessage(value, schema.goType, place);
    found.push({ path: place.path, message });
  } else if (Array.isArray(value)) {
    const { items } = schema;
    if (!items) return;
    for (const [index, item] of value.entries()) {
      checkType(item, items, { found, place: { ...place, path: `${place.path}[${index}]` } });
    }
  } else if (isJsonObject(value)) checkFields(value, schema, at);
}

function checkFields(
  value: JsonObject,
  schema: Schema,
  { place, found }: { readonly place: Place; readonly found: FieldError[] },
): void {
  // The values of a map are, to Go, of the field that holds the map.
  const isMap = schema.fieldNames.length === 0;
  const struct = isMap ? place.struct : schema.goType?.split(".").at(-1);
  for (const name of Object.keys(value)) {
    const field = schema.field(name);
    if (!field) continue;
    const fields = isMap ? place.fields : below(place.fields, name);
    checkType(value[name], field, { found, place: { path: below(place.path, name), fields, struct } });
  }
}

type Problem = { readonly kind: "type" } | { readonly kind: "form"; readonly message: string };

const TYPE: Problem = { kind: "type" };
const QUANTITY = /^[+-]?(\d+(\.\d*)?|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?$/;
const TIME = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d([.,]\d+)?([Zz]|[+-]\d\d:\d\d)$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

function problemOf(value: unknown, schema: Schema): Problem | undefined {
  switch (schema.type) {
    case "any":
      return undefined;
    case "object":
      return isJsonObject(value) ? undefined : TYPE;
    case "array":
      return Array.isArray(value) ? undefined : TYPE;
    case "boolean":
      return typeof value === "boolean" ? undefined : TYPE;
    case "number":
      return typeof value === "number" ? undefined : TYPE;
    case "integer":
      return isInteger(value, schema.format) ? undefined : TYPE;
    case "int-or-string":
      return typeof value === "string" || isInteger(value, "int32") ? undefined : TYPE;
    case "quantity":
      if (typeof value === "number") return undefined;
      if (typeof value !== "string") return TYPE;
      return QUANTITY.test(value)
        ? undefined
        : form("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
    case "string":
      return typeof value === "string" ? stringProblem(value, schema) : TYPE;
  }
}

function form(message: string): Problem {
  return { kind: "form", message };
}

function isInteger(value: unknown, format: string | undefined): boolean {
  if (typeof value !== "number" || !Number.isInteger(value)) return false;
  return format !== "int32" || (value >= -(2 ** 31) && value < 2 ** 31);
}

function stringProblem(value: string, schema: Schema): Problem | undefined {
  // A custom resource's format is no promise that we make.
  if (schema.goType === undefined) return undefined;
  if (schema.format === "byte") {
    const text = value.replace(/[\r\n]/g, "");
    if (BASE64.test(text)) return undefined;
    const bad = text.search(/[^A-Za-z0-9+/]/);
    return form(`illegal base64 data at input byte ${bad === -1 ? text.length - (text.length % 4) : bad}`);
  }
  if (schema.format === "date-time" && !TIME.test(value)) {
    return form(
      `parsing time ${JSON.stringify(value)} as "2006-01-02T15:04:05Z07:00": cannot parse ${JSON.stringify(value)} as "2006"`,
    );
  }
  return undefined;
}

function goMessage(value: unknown, goType: string, place: Place): string {
  const what = typeof value === "number" && /^u?int/.test(goType) ? `number ${value}` : goKindOf(value);
  const where = place.struct === undefined ? "Go value" : `Go struct field ${place.struct}.${place.fields}`;
  return `json: cannot unmarshal ${what} into ${where} of type ${goType}`;
}

function customMessage(value: unknown, schema: Schema, place: Place): string {
  const found = jsonTypeOf(value);
  return `Invalid value: ${JSON.stringify(found)}: ${place.path} in body must be of type ${schema.type}: ${JSON.stringify(found)}`;
}

function jsonTypeOf(value: unknown): string {
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return Array.isArray(value) ? "array" : typeof value;
}
