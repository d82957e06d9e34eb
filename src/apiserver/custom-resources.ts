/** @module CustomResourceDefinitions: the resources that they define. */
import { ownValue } from "../base/own.ts";
import { arrayAt, at, isObject, stringAt } from "./json.ts";
import { column, define, SCALE, STATUS_VERBS } from "./resources/define.ts";
import { completeObject, hasDefaults, objectFaults } from "./schema/structural-schema.ts";
import { field } from "./selectors.ts";
import type { Column, Draft, ServedResource, Strategy } from "./served.ts";
import { errors, type StatusCause } from "./status-error.ts";
import { age } from "./tables.ts";
import { withinTime } from "./time-limit.ts";

/** The largest objects take a quarter of it; one whose text makes a pattern of its schema go astray, years. */
const CHECK_MS = 500;

/** One resource for each version that is served. */
export function resourcesOf(definition: Readonly<Draft>): readonly ServedResource[] {
  const group = stringAt(definition, "spec", "group") ?? "";
  const names = at(definition, "spec", "names");
  const kind = stringAt(names, "kind") ?? "";
  const plural = stringAt(names, "plural") ?? "";
  const stored = arrayAt(definition, "spec", "versions").find((version) => at(version, "storage") === true);
  const storedVersion = stringAt(stored, "name");
  return arrayAt(definition, "spec", "versions").flatMap((version): ServedResource[] => {
    if (at(version, "served") !== true) return [];
    const hasStatus = at(version, "subresources", "status") !== undefined;
    const resource = define({
      group,
      version: stringAt(version, "name") ?? "",
      kind,
      plural,
      ...(stringAt(definition, "spec", "scope") === "Cluster" && { cluster: true as const }),
      short: arrayAt(names, "shortNames").map(String),
      categories: arrayAt(names, "categories").map(String),
      subresources: [
        ...(hasStatus ? [{ name: "status", kind, verbs: STATUS_VERBS }] : []),
        ...(at(version, "subresources", "scale") === undefined ? [] : [SCALE]),
      ],
      strategy: { hasStatus, hasGeneration: true, ...strategyOf(version) },
      schemaless: true,
    });
    const schema = at(version, "schema", "openAPIV3Schema");
    const singular = stringAt(names, "singular");
    return [
      {
        ...resource,
        ...(singular && { singular }),
        columns: columnsOf(arrayAt(version, "additionalPrinterColumns")),
        ...(storedVersion !== undefined && { storedVersion }),
        ...(isObject(schema) && { openApiSchema: schema }),
        ...(isObject(schema) &&
          hasDefaults(schema) && { complete: (object) => completeObject(object, schema) }),
        ...(definition.metadata.deletionTimestamp !== undefined && { isEnding: true }),
      },
    ];
  });
}

/** Where its objects are, whether or not a version of them is served: for deleting them with their definition. */
export function storedResourceOf(definition: Readonly<Draft>): ServedResource {
  const names = at(definition, "spec", "names");
  const version = arrayAt(definition, "spec", "versions").find((one) => at(one, "storage") === true);
  return define({
    group: stringAt(definition, "spec", "group") ?? "",
    version: stringAt(version, "name") ?? "",
    kind: stringAt(names, "kind") ?? "",
    plural: stringAt(names, "plural") ?? "",
    ...(stringAt(definition, "spec", "scope") === "Cluster" && { cluster: true as const }),
  });
}

function strategyOf(version: unknown): Strategy {
  const schema = at(version, "schema", "openAPIV3Schema");
  const fields = arrayAt(version, "selectableFields").map((one): [string, (object: unknown) => string] => {
    const path = (stringAt(one, "jsonPath") ?? "").replace(/^\./, "");
    return [path, field(path)];
  });
  return {
    fields: Object.fromEntries(fields),
    ...(isObject(schema) && {
      ratchets: true,
      setDefaults: (object) => completeObject(object, schema),
      validate: (object) => faultsInTime(object, schema),
    }),
  };
}

/** @throws StatusError 422 when it takes too long: a cause would be passed over where the object before was as slow */
function faultsInTime(object: Readonly<Draft>, schema: Parameters<typeof objectFaults>[1]): StatusCause[] {
  const faults = withinTime(CHECK_MS, () => objectFaults(object, schema));
  if (faults) return faults;
  const [group = ""] = object.apiVersion.split("/");
  throw errors.invalid({ group, kind: object.kind }, object.metadata.name, [
    {
      reason: "FieldValueInvalid",
      message: `Invalid value: checking it against its schema takes longer than ${CHECK_MS} ms: a pattern of the schema is too slow for a text of the object`,
      field: "<nil>",
    },
  ]);
}

function columnsOf(columns: readonly unknown[]): Column[] {
  return columns.map((one) => {
    const read = simplePath(stringAt(one, "jsonPath") ?? "");
    const isDate = stringAt(one, "type") === "date";
    return column(
      stringAt(one, "name") ?? "",
      (object, { now }) => {
        const value = read(object);
        if (value === undefined || value === null) return isDate ? "<unknown>" : "";
        if (isDate) return age(value, now);
        return typeof value === "object" ? JSON.stringify(value) : String(value);
      },
      at(one, "priority") ? { wide: true } : {},
    );
  });
}

/** The JSONPaths that columns use: `.spec.a`, `.spec['a.b']`, `.status.list[0].b`. */
function simplePath(path: string): (object: unknown) => unknown {
  const steps = [...path.matchAll(/\.([^.[\]]+)|\['([^']+)'\]|\[(\d+)\]/g)].map(
    ([, dotted, quoted, index]) => dotted ?? quoted ?? Number(index),
  );
  return (object) => {
    let here = object;
    for (const step of steps) {
      if (typeof step === "number") here = Array.isArray(here) ? here[step] : undefined;
      else here = isObject(here) ? ownValue(here, step.replaceAll("\\", "")) : undefined;
    }
    return here;
  };
}
