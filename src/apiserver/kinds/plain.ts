/** @module Kinds with little of their own: namespaces, nodes, ConfigMaps, Secrets, custom resource definitions, bindings. */
import { timeText } from "../../client/objects.ts";
import { arrayAt, at, isObject, stringAt } from "../json.ts";
import { forbidden, invalid, required } from "../metadata.ts";
import { jsonEqual } from "../patch/json-value.ts";
import type { Strategy } from "../served.ts";
import type { StatusCause } from "../status-error.ts";

const DATA_KEY = /^[-._a-zA-Z0-9]+$/;
const MAX_DATA = 1024 * 1024;

export const NAMESPACE: Strategy = {
  setDefaults: ({ metadata }) => {
    metadata.labels = { ...metadata.labels, "kubernetes.io/metadata.name": metadata.name };
  },
  prepareCreate: (object) => {
    object["spec"] = { finalizers: ["kubernetes"] };
    object["status"] = { phase: "Active" };
  },
  prepareUpdate: (object, before) => {
    // Finalizers are taken by `finalize` alone, which changes nothing else.
    if (jsonEqual(object.metadata, before.metadata)) return;
    object["spec"] = before["spec"];
  },
};

export const NODE: Strategy = {
  prepareCreate: (object) => {
    object["status"] ??= {};
  },
};

function validateData(object: { readonly [field: string]: unknown }): StatusCause[] {
  const causes: StatusCause[] = [];
  let size = 0;
  for (const list of ["data", "binaryData"]) {
    for (const [key, value] of Object.entries((object[list] ?? {}) as Record<string, unknown>)) {
      if (!DATA_KEY.test(key) || key.length > 253)
        causes.push(
          invalid(
            `${list}[${key}]`,
            key,
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
          ),
        );
      size += String(value).length;
    }
  }
  if (size > MAX_DATA)
    causes.push({
      reason: "FieldValueTooLong",
      message: `Too long: may not be more than ${MAX_DATA} bytes`,
      field: "data",
    });
  return causes;
}

function validateImmutable(
  object: { readonly [field: string]: unknown },
  before: { readonly [field: string]: unknown },
): StatusCause[] {
  if (before["immutable"] !== true) return [];
  const changed = ["data", "binaryData"].filter((field) => !jsonEqual(object[field], before[field]));
  const causes = changed.map((field) => forbidden(field, "field is immutable when `immutable` is set"));
  return object["immutable"] === true
    ? causes
    : [...causes, forbidden("immutable", "field is immutable when `immutable` is set")];
}

export const CONFIG_MAP: Strategy = { validate: validateData, validateUpdate: validateImmutable };

export const SECRET: Strategy = {
  setDefaults: (object) => {
    object["type"] ||= "Opaque";
    const texts = object["stringData"];
    if (!isObject(texts)) return;
    const encoded = Object.entries(texts).map(([key, text]) => [
      key,
      Buffer.from(String(text)).toString("base64"),
    ]);
    object["data"] = { ...(isObject(object["data"]) && object["data"]), ...Object.fromEntries(encoded) };
    delete object["stringData"];
  },
  validate: validateData,
  validateUpdate: (object, before) => [
    ...validateImmutable(object, before),
    ...(object["type"] === before["type"] ? [] : [invalid("type", object["type"], "field is immutable")]),
  ],
};

export const CUSTOM_RESOURCE_DEFINITION: Strategy = {
  setDefaults: (object) => {
    const names = at(object, "spec", "names");
    if (!isObject(names)) return;
    names["singular"] ||= String(names["kind"] ?? "").toLowerCase();
    names["listKind"] ||= `${String(names["kind"] ?? "")}List`;
  },
  prepareCreate: (object) => {
    const now = timeText(new Date());
    const condition = (type: string, reason: string, message: string): object => ({
      type,
      status: "True",
      reason,
      message,
      lastTransitionTime: now,
    });
    const versions = arrayAt(object, "spec", "versions");
    const stored = versions.find((version) => at(version, "storage") === true);
    object["status"] = {
      conditions: [
        condition("NamesAccepted", "NoConflicts", "no conflicts found"),
        condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
      ],
      acceptedNames: at(object, "spec", "names"),
      storedVersions: [stringAt(stored, "name") ?? ""],
    };
  },
  validate: (object) => {
    const group = stringAt(object, "spec", "group") ?? "";
    const plural = stringAt(object, "spec", "names", "plural") ?? "";
    const causes: StatusCause[] = [];
    if (group === "") causes.push(required("spec.group"));
    if (plural === "") causes.push(required("spec.names.plural"));
    if (!stringAt(object, "spec", "names", "kind")) causes.push(required("spec.names.kind"));
    const scope = stringAt(object, "spec", "scope");
    if (scope !== "Namespaced" && scope !== "Cluster") causes.push(required("spec.scope"));
    const wanted = `${plural}.${group}`;
    if (object.metadata.name !== wanted)
      causes.push(invalid("metadata.name", object.metadata.name, `must be spec.names.plural+"."+spec.group`));
    const versions = arrayAt(object, "spec", "versions");
    if (versions.filter((version) => at(version, "storage") === true).length !== 1)
      causes.push(
        invalid(
          "spec.versions",
          versions.map((version) => stringAt(version, "name")),
          "must have exactly one version marked as storage version",
        ),
      );
    for (const [place, version] of versions.entries()) {
      if (!isObject(at(version, "schema", "openAPIV3Schema")))
        causes.push(required(`spec.versions[${place}].schema.openAPIV3Schema`, "schemas are required"));
    }
    return causes;
  },
};

export const BINDING: Strategy = {
  validate: (object) => (stringAt(object, "roleRef", "name") ? [] : [required("roleRef.name")]),
  validateUpdate: (object, before) =>
    jsonEqual(object["roleRef"], before["roleRef"])
      ? []
      : [invalid("roleRef", object["roleRef"], "cannot change roleRef")],
};
