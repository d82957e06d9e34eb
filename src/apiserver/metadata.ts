/** @module What every object's metadata must be: names, labels, annotations (apimachinery's api/validation). */
import { at, stringAt } from "./json.ts";
import type { Draft, ServedResource } from "./served.ts";
import type { StatusCause } from "./status-error.ts";

const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const LABEL_1035 = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const QUALIFIED = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const LABEL_VALUE = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;
const MAX_ANNOTATIONS = 256 * 1024;

const LABEL_HELP =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const LABEL_1035_HELP =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN_HELP =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const QUALIFIED_HELP =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE_HELP =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

export function required(field: string, detail = ""): StatusCause {
  return {
    reason: "FieldValueRequired",
    message: detail === "" ? "Required value" : `Required value: ${detail}`,
    field,
  };
}

/** The value as Go prints it: texts quoted, the rest as JSON. */
export function invalid(field: string, value: unknown, detail: string): StatusCause {
  return {
    reason: "FieldValueInvalid",
    message: `Invalid value: ${(JSON.stringify(value) as string | undefined) ?? "null"}: ${detail}`,
    field,
  };
}

export function forbidden(field: string, detail: string): StatusCause {
  return { reason: "FieldValueForbidden", message: `Forbidden: ${detail}`, field };
}

export function notSupported(field: string, value: unknown, supported: readonly string[]): StatusCause {
  const list = supported.map((one) => JSON.stringify(one)).join(", ");
  return {
    reason: "FieldValueNotSupported",
    message: `Unsupported value: ${JSON.stringify(value)}: supported values: ${list}`,
    field,
  };
}

export function duplicate(field: string, value: unknown): StatusCause {
  return { reason: "FieldValueDuplicate", message: `Duplicate value: ${JSON.stringify(value)}`, field };
}

/** @returns what is wrong with a name, undefined where nothing is */
export function nameFault(
  name: string,
  rule: "subdomain" | "label" | "label-rfc1035" | "path-segment",
): string | undefined {
  switch (rule) {
    case "subdomain":
      if (name.length > 253) return "must be no more than 253 characters";
      return SUBDOMAIN.test(name) ? undefined : SUBDOMAIN_HELP;
    case "label":
      if (name.length > 63) return "must be no more than 63 characters";
      return LABEL.test(name) ? undefined : LABEL_HELP;
    case "label-rfc1035":
      if (name.length > 63) return "must be no more than 63 characters";
      return LABEL_1035.test(name) ? undefined : LABEL_1035_HELP;
    case "path-segment":
      if (name === "." || name === "..") return `may not be '${name}'`;
      return /[/%]/.test(name) ? `may not contain '${name.includes("/") ? "/" : "%"}'` : undefined;
    default:
      return rule satisfies never;
  }
}

/** @returns what is wrong with the name of a label or an annotation */
export function qualifiedNameFault(key: string): string | undefined {
  const slash = key.indexOf("/");
  const name = slash < 0 ? key : key.slice(slash + 1);
  if (slash >= 0) {
    const prefix = key.slice(0, slash);
    if (prefix === "") return "prefix part must be non-empty";
    const fault = nameFault(prefix, "subdomain");
    if (fault !== undefined) return `prefix part ${fault}`;
  }
  if (name === "") return "name part must be non-empty";
  if (name.length > 63) return "name part must be no more than 63 characters";
  return QUALIFIED.test(name) ? undefined : QUALIFIED_HELP;
}

export function labelValueFault(value: string): string | undefined {
  if (value.length > 63) return "must be no more than 63 characters";
  return LABEL_VALUE.test(value) ? undefined : LABEL_VALUE_HELP;
}

export function validateLabels(labels: unknown, path: string): StatusCause[] {
  const causes: StatusCause[] = [];
  for (const [key, value] of Object.entries((labels ?? {}) as Record<string, unknown>)) {
    const fault = qualifiedNameFault(key);
    if (fault !== undefined) causes.push(invalid(path, key, fault));
    const wrong = typeof value === "string" ? labelValueFault(value) : "must be a string";
    if (wrong !== undefined) causes.push(invalid(path, value, wrong));
  }
  return causes;
}

/** Who waits for a deletion is told of it once: nobody joins the waiting. */
export function validateNoNewFinalizers(before: Readonly<Draft>, after: Draft): StatusCause[] {
  if (before.metadata.deletionTimestamp === undefined) return [];
  const known = new Set(before.metadata.finalizers);
  const added = (after.metadata.finalizers ?? []).filter((one) => !known.has(one)).sort();
  if (added.length === 0) return [];
  const list = added.map((one) => JSON.stringify(one)).join(", ");
  return [
    forbidden(
      "metadata.finalizers",
      `no new finalizers can be added if the object is being deleted, found new finalizers []string{${list}}`,
    ),
  ];
}

/** An owner that is not named wholly would be taken for one that is gone, and the object with it. */
function validateOwners(owners: unknown): StatusCause[] {
  const path = "metadata.ownerReferences";
  if (!Array.isArray(owners)) return [];
  const causes: StatusCause[] = [];
  const controllers: unknown[] = [];
  for (const [place, owner] of owners.entries()) {
    const field = `${path}[${place}]`;
    const version = stringAt(owner, "apiVersion") ?? "";
    if (version === "") causes.push(invalid(`${field}.apiVersion`, version, "version must not be empty"));
    for (const name of ["kind", "name", "uid"])
      if (!stringAt(owner, name)) causes.push(invalid(`${field}.${name}`, "", `${name} must not be empty`));
    if (version === "v1" && stringAt(owner, "kind") === "Event")
      causes.push(invalid(field, "v1, Kind=Event", "/v1, Kind=Event is disallowed from being an owner"));
    if (at(owner, "controller") === true) controllers.push(owner);
  }
  if (controllers.length > 1) {
    const [first, second] = controllers.map((owner) => stringAt(owner, "name") ?? "");
    causes.push(
      invalid(
        path,
        owners,
        `Only one reference can have Controller set to true. Found "true" in references for ${first} and ${second}`,
      ),
    );
  }
  return causes;
}

export function validateMeta(resource: ServedResource, object: Draft): StatusCause[] {
  const { metadata } = object;
  const causes: StatusCause[] = [];
  if (!metadata.name) {
    causes.push(required("metadata.name", "name or generateName is required"));
  } else {
    const fault = nameFault(metadata.name, resource.strategy.validName ?? "subdomain");
    if (fault !== undefined) causes.push(invalid("metadata.name", metadata.name, fault));
  }
  if (resource.namespaced && !metadata.namespace) causes.push(required("metadata.namespace"));
  causes.push(...validateLabels(metadata.labels, "metadata.labels"));
  let size = 0;
  for (const [key, value] of Object.entries(metadata.annotations ?? {})) {
    const fault = qualifiedNameFault(key.toLowerCase());
    if (fault !== undefined) causes.push(invalid("metadata.annotations", key, fault));
    size += key.length + String(value).length;
  }
  if (size > MAX_ANNOTATIONS) {
    causes.push({
      reason: "FieldValueTooLong",
      message: `Too long: may not be more than ${MAX_ANNOTATIONS} bytes`,
      field: "metadata.annotations",
    });
  }
  causes.push(...validateOwners(metadata.ownerReferences));
  for (const [place, finalizer] of (metadata.finalizers ?? []).entries()) {
    const fault = qualifiedNameFault(finalizer);
    if (fault !== undefined) causes.push(invalid(`metadata.finalizers[${place}]`, finalizer, fault));
  }
  return causes;
}
