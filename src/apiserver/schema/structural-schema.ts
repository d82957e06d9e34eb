/**
 * @module Structural schemas of custom resources: what a definition may say, fields that nobody knows, defaults
 * (apiextensions' schema/pruning and schema/defaulting).
 */

import { ownValue, setOwn } from "../../base/own.ts";
import { invalid } from "../metadata.ts";
import { isJsonObject, type JsonObject } from "../patch/json-value.ts";
import type { StatusCause } from "../status-error.ts";
import { patternOf, valueFaults } from "./structural-values.ts";

/** What every object has beside its schema. */
const ALWAYS: readonly string[] = ["apiVersion", "kind", "metadata"];
const BRANCHES: readonly string[] = ["allOf", "anyOf", "oneOf"];

interface Part {
  readonly schema: JsonObject;
  /** Behind the path of the whole: `.properties[spec]`. */
  readonly path: string;
}

/** A schema and all that are in it. */
function partsOf(schema: JsonObject, path = ""): Part[] {
  const below: (readonly [unknown, string])[] = [
    ...Object.entries(isJsonObject(schema["properties"]) ? schema["properties"] : {}).map(
      ([name, part]) => [part, `.properties[${name}]`] as const,
    ),
    [schema["additionalProperties"], ".additionalProperties"],
    [schema["items"], ".items"],
    [schema["not"], ".not"],
    ...BRANCHES.flatMap((name) => {
      const list = schema[name];
      return Array.isArray(list) ? list.map((part, place) => [part, `.${name}[${place}]`] as const) : [];
    }),
  ];
  return [
    { schema, path },
    ...below.flatMap(([part, step]) => (isJsonObject(part) ? partsOf(part, path + step) : [])),
  ];
}

/** What a definition must not say: a pattern that is none, a default that its own schema refuses. */
export function schemaFaults(schema: JsonObject, field: string): StatusCause[] {
  return partsOf(schema).flatMap(({ schema: part, path }) => {
    const causes: StatusCause[] = [];
    const { pattern } = part;
    if (typeof pattern === "string" && !patternOf(pattern))
      causes.push(invalid(`${field}${path}.pattern`, pattern, "must be a valid regular expression"));
    if (part["default"] === undefined) return causes;
    const [fault] = valueFaults(part["default"], part, "default");
    if (fault) causes.push({ ...fault, field: `${field}${path}.default` });
    return causes;
  });
}

/** Where a schema has rules in CEL, which are not evaluated. */
export function uncheckedRules(schema: unknown): string[] {
  if (!isJsonObject(schema)) return [];
  return partsOf(schema)
    .filter(({ schema: part }) => {
      const rules = part["x-kubernetes-validations"];
      return Array.isArray(rules) && rules.length > 0;
    })
    .map(({ path }) => path);
}

export function hasDefaults(schema: JsonObject): boolean {
  return partsOf(schema).some(({ schema: part }) => part["default"] !== undefined);
}

/** Drops what the schema does not know, and nulls that it does not allow; then fills in what it has defaults for. */
export function completeObject(object: Record<string, unknown>, schema: JsonObject): void {
  pruneFields(object, schema, ALWAYS);
  fillIn(object, schema);
}

/** An object's faults by its schema; its metadata is looked at elsewhere, but for what the schema says of the name. */
export function objectFaults(object: Readonly<Record<string, unknown>>, schema: JsonObject): StatusCause[] {
  const properties = isJsonObject(schema["properties"]) ? schema["properties"] : {};
  const { apiVersion: _, kind: __, metadata, ...own } = properties;
  const names = isJsonObject(metadata) && isJsonObject(metadata["properties"]) ? metadata["properties"] : {};
  const { name, generateName } = names;
  const properOwn = {
    ...own,
    metadata: {
      properties: {
        ...(name !== undefined && { name }),
        ...(generateName !== undefined && { generateName }),
      },
    },
  };
  return valueFaults(object, { ...schema, properties: properOwn });
}

function prune(value: unknown, schema: JsonObject): void {
  const { items } = schema;
  if (Array.isArray(value)) {
    if (isJsonObject(items)) for (const item of value) prune(item, items);
  } else if (isJsonObject(value))
    pruneFields(
      value as Record<string, unknown>,
      schema,
      schema["x-kubernetes-embedded-resource"] === true ? ALWAYS : [],
    );
}

function pruneFields(value: Record<string, unknown>, schema: JsonObject, kept: readonly string[]): void {
  const properties = isJsonObject(schema["properties"]) ? schema["properties"] : {};
  const values = schema["additionalProperties"];
  const keepsUnknown = schema["x-kubernetes-preserve-unknown-fields"] === true || values === true;
  for (const name of Object.keys(value)) {
    if (kept.includes(name)) continue;
    const field = ownValue(properties, name) ?? (isJsonObject(values) ? values : undefined);
    if (!isJsonObject(field)) {
      if (!keepsUnknown && field === undefined) delete value[name];
    } else if (value[name] === null && field["nullable"] !== true && field["default"] === undefined)
      delete value[name];
    else prune(value[name], field);
  }
}

function fillIn(value: unknown, schema: JsonObject): void {
  if (Array.isArray(value)) {
    const { items } = schema;
    if (isJsonObject(items)) for (const item of value) fillIn(item, items);
    return;
  }
  if (!isJsonObject(value)) return;
  const properties = isJsonObject(schema["properties"]) ? schema["properties"] : {};
  for (const [name, field] of Object.entries(properties)) {
    if (!isJsonObject(field) || field["default"] === undefined) continue;
    const own = ownValue(value, name);
    if (own === undefined || (own === null && field["nullable"] !== true))
      setOwn(value as Record<string, unknown>, name, structuredClone(field["default"]));
  }
  const values = schema["additionalProperties"];
  for (const name of Object.keys(value)) {
    const field = ownValue(properties, name) ?? values;
    if (isJsonObject(field)) fillIn(value[name], field);
  }
}
