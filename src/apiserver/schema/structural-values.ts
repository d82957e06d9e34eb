/**
 * @module Whether a custom resource is what its structural schema says, in the words of kube-openapi's validation. Rules
 * in CEL (x-kubernetes-validations) are not evaluated.
 */

import { ownValue } from "../../base/own.ts";
import { duplicate, invalid, notSupported, required } from "../metadata.ts";
import { isJsonObject, type JsonObject, jsonEqual } from "../patch/json-value.ts";
import type { StatusCause } from "../status-error.ts";
import { hasFormat } from "./formats.ts";

/** More are not told: whoever has so many does not read them. */
const MAX_CAUSES = 100;
/** Longer texts are held to no pattern: ours goes back and begins again, where Go's takes one step a character. */
const MAX_MATCHED = 65_536;

/** Cost: the object, once for every schema that `allOf`, `anyOf`, `oneOf` and `not` put upon a part of it. */
export function valueFaults(value: unknown, schema: JsonObject, path = ""): StatusCause[] {
  const found: StatusCause[] = [];
  check(value, schema, path, found);
  return found.slice(0, MAX_CAUSES);
}

function check(value: unknown, schema: JsonObject, path: string, found: StatusCause[]): void {
  if (found.length >= MAX_CAUSES) return;
  if (value === null && schema["nullable"] === true) return;
  const type = wantedType(schema);
  if (type !== undefined && !isOfType(value, type)) {
    const is = typeOf(value);
    found.push({
      reason: "FieldValueTypeInvalid",
      message: `Invalid value: ${JSON.stringify(is)}: ${path} in body must be of type ${type}: ${JSON.stringify(is)}`,
      field: path,
    });
    return;
  }
  const tell = (detail: string, shown: unknown = value): void => {
    found.push(
      invalid(path === "" ? "<nil>" : path, shown, `${path === "" ? '""' : path} in body ${detail}`),
    );
  };
  if (typeof value === "string") checkText(value, schema, path, { tell, found });
  else if (typeof value === "number") checkNumber(value, schema, tell);
  else if (Array.isArray(value)) checkList(value, schema, path, { tell, found });
  else if (isJsonObject(value)) checkFields(value, schema, path, { tell, found });
  const options = schema["enum"];
  if (Array.isArray(options) && !options.some((one) => jsonEqual(one, value)))
    found.push(
      notSupported(
        path,
        value,
        options.map((one) => (typeof one === "string" ? one : JSON.stringify(one))),
      ),
    );
  checkJunctors(value, schema, path, { tell, found });
}

interface Telling {
  readonly tell: (detail: string, shown?: unknown) => void;
  readonly found: StatusCause[];
}

function wantedType(schema: JsonObject): string | undefined {
  if (schema["x-kubernetes-int-or-string"] === true) return "integer or string";
  return typeof schema["type"] === "string" ? schema["type"] : undefined;
}

function isOfType(value: unknown, type: string): boolean {
  switch (type) {
    case "integer or string":
      return typeof value === "string" || Number.isInteger(value);
    case "number":
      return typeof value === "number";
    case "integer":
      return Number.isInteger(value);
    default:
      return typeOf(value) === type;
  }
}

function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

function numberIn(schema: JsonObject, name: string): number | undefined {
  const value = schema[name];
  return typeof value === "number" ? value : undefined;
}

function checkText(value: string, schema: JsonObject, path: string, { tell, found }: Telling): void {
  // As Go counts: characters, not halves of them.
  const length = value.length > 0 ? [...value].length : 0;
  const [min, max] = [numberIn(schema, "minLength"), numberIn(schema, "maxLength")];
  if (min !== undefined && length < min) tell(`should be at least ${min} chars long`);
  const tooLong = (what: string): void => {
    found.push({
      reason: "FieldValueTooLong",
      message: `Too long: may not be more than ${what}`,
      field: path,
    });
  };
  const pattern = schema["pattern"];
  if (max !== undefined && length > max) tooLong(`${max} bytes`);
  else if (typeof pattern === "string") {
    if (length > MAX_MATCHED) tooLong(`${MAX_MATCHED} characters where a pattern is to be matched`);
    else if (patternOf(pattern)?.test(value) === false) tell(`should match '${pattern}'`);
  }
  const format = schema["format"];
  if (typeof format === "string" && !hasFormat(value, format))
    tell(`must be of type ${format}: ${JSON.stringify(value)}`);
}

const patterns = new Map<string, RegExp | undefined>();
const MAX_PATTERNS = 1000;

/** A pattern of Go as one of ours. @returns undefined for what is no pattern to us */
export function patternOf(text: string): RegExp | undefined {
  if (patterns.has(text)) return patterns.get(text);
  if (patterns.size >= MAX_PATTERNS) patterns.clear();
  const made = compiled(text);
  patterns.set(text, made);
  return made;
}

function compiled(text: string): RegExp | undefined {
  const [head = "", flags = ""] = /^\(\?([ims]+)\)/.exec(text) ?? [];
  const source = text
    .slice(head.length)
    .replaceAll("\\A", "^")
    .replaceAll("\\z", "$")
    .replaceAll("(?P<", "(?<");
  for (const mode of ["u", ""]) {
    try {
      return new RegExp(source, flags + mode);
    } catch {
      // Escapes of what needs none are no error without `u`.
    }
  }
  return undefined;
}

function checkNumber(value: number, schema: JsonObject, tell: Telling["tell"]): void {
  const [min, max] = [numberIn(schema, "minimum"), numberIn(schema, "maximum")];
  if (min !== undefined) {
    if (schema["exclusiveMinimum"] === true && value <= min) tell(`should be greater than ${min}`);
    else if (value < min) tell(`should be greater than or equal to ${min}`);
  }
  if (max !== undefined) {
    if (schema["exclusiveMaximum"] === true && value >= max) tell(`should be less than ${max}`);
    else if (value > max) tell(`should be less than or equal to ${max}`);
  }
  const step = numberIn(schema, "multipleOf");
  if (step !== undefined && step > 0 && !Number.isInteger(value / step))
    tell(`should be a multiple of ${step}`);
  if (schema["format"] === "int32" && (value < -(2 ** 31) || value >= 2 ** 31))
    tell(
      `should be ${value < 0 ? "greater than or equal to -2147483648" : "less than or equal to 2147483647"}`,
    );
}

function tooMany(path: string, count: number, max: number): StatusCause {
  const unit = max === 1 ? "item" : "items";
  return {
    reason: "FieldValueTooMany",
    message: `Too many: ${count}: must have at most ${max} ${unit}`,
    field: path,
  };
}

function checkList(
  value: readonly unknown[],
  schema: JsonObject,
  path: string,
  { tell, found }: Telling,
): void {
  const [min, max] = [numberIn(schema, "minItems"), numberIn(schema, "maxItems")];
  if (min !== undefined && value.length < min) tell(`should have at least ${min} items`, value.length);
  if (max !== undefined && value.length > max) {
    // None of them is looked at: there may be millions.
    found.push(tooMany(path, value.length, max));
    return;
  }
  const { items } = schema;
  if (isJsonObject(items))
    for (const [place, item] of value.entries()) check(item, items, `${path}[${place}]`, found);
  if (schema["uniqueItems"] === true && new Set(value.map(stableText)).size < value.length)
    tell("shouldn't contain duplicates");
  checkListType(value, schema, path, found);
}

function checkListType(
  value: readonly unknown[],
  schema: JsonObject,
  path: string,
  found: StatusCause[],
): void {
  const type = schema["x-kubernetes-list-type"];
  if (type !== "set" && type !== "map") return;
  const keys = Array.isArray(schema["x-kubernetes-list-map-keys"])
    ? schema["x-kubernetes-list-map-keys"].map(String)
    : [];
  const seen = new Set<string>();
  for (const [place, item] of value.entries()) {
    const own =
      type === "set" || !isJsonObject(item)
        ? item
        : Object.fromEntries(keys.flatMap((key) => (Object.hasOwn(item, key) ? [[key, item[key]]] : [])));
    const text = stableText(own);
    if (seen.has(text)) found.push(duplicate(`${path}[${place}]`, own));
    seen.add(text);
  }
}

/** Equal values have equal texts. */
function stableText(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    isJsonObject(part)
      ? Object.fromEntries(Object.entries(part).sort(([left], [right]) => (left < right ? -1 : 1)))
      : part,
  );
}

function checkFields(value: JsonObject, schema: JsonObject, path: string, { tell, found }: Telling): void {
  const names = Object.keys(value);
  const [min, max] = [numberIn(schema, "minProperties"), numberIn(schema, "maxProperties")];
  if (min !== undefined && names.length < min) tell(`should have at least ${min} properties`, names.length);
  if (max !== undefined && names.length > max) {
    found.push(tooMany(path, names.length, max));
    return;
  }
  for (const name of Array.isArray(schema["required"]) ? schema["required"].map(String) : [])
    if (!Object.hasOwn(value, name)) found.push(required(below(path, name)));
  const properties = isJsonObject(schema["properties"]) ? schema["properties"] : {};
  const values = schema["additionalProperties"];
  for (const name of names) {
    const field = ownValue(properties, name) ?? values;
    if (isJsonObject(field)) check(value[name], field, below(path, name), found);
  }
}

function below(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

function branches(schema: JsonObject, name: string): readonly JsonObject[] {
  const list = schema[name];
  return Array.isArray(list) ? list.filter(isJsonObject) : [];
}

function checkJunctors(value: unknown, schema: JsonObject, path: string, { tell, found }: Telling): void {
  for (const branch of branches(schema, "allOf")) check(value, branch, path, found);
  const any = branches(schema, "anyOf").map((branch) => valueFaults(value, branch, path));
  if (any.length > 0 && any.every(({ length }) => length > 0)) {
    tell("must validate at least one schema (anyOf)");
    found.push(...fewest(any));
  }
  const one = branches(schema, "oneOf").map((branch) => valueFaults(value, branch, path));
  const valid = one.filter(({ length }) => length === 0).length;
  if (one.length > 0 && valid !== 1) {
    tell(
      `must validate one and only one schema (oneOf). Found ${valid === 0 ? "none valid" : `${valid} valid alternatives`}`,
    );
    if (valid === 0) found.push(...fewest(one));
  }
  const not = schema["not"];
  if (isJsonObject(not) && valueFaults(value, not, path).length === 0)
    tell("must not validate the schema (not)");
}

/** What is told of alternatives: what is wrong with the nearest. */
function fewest(faults: readonly StatusCause[][]): readonly StatusCause[] {
  return faults.reduce((best, one) => (one.length < best.length ? one : best));
}
