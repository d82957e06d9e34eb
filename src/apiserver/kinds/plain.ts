/** @module Kinds with little of their own: namespaces, nodes, ConfigMaps, Secrets, bindings. */
import { ownValue } from "../../base/own.ts";
import { at, isObject, stringAt } from "../json.ts";
import { forbidden, invalid, required } from "../metadata.ts";
import { jsonEqual } from "../patch/json-value.ts";
import type { Draft, Strategy } from "../served.ts";
import type { StatusCause } from "../status-error.ts";

const DATA_KEY = /^[-._a-zA-Z0-9]+$/;
const MAX_DATA = 1024 * 1024;

/** As the NamespaceLifecycle admission plugin. */
const IMMORTAL: readonly string[] = ["default", "kube-system", "kube-public"];

export const NAMESPACE: Strategy = {
  setDefaults: ({ metadata }) => {
    metadata.labels = { ...metadata.labels, "kubernetes.io/metadata.name": metadata.name };
  },
  prepareCreate: (object) => {
    object["spec"] = { finalizers: ["kubernetes"] };
    object["status"] = { phase: "Active" };
  },
  // Finalizers are taken by `finalize` alone, which is no update.
  prepareUpdate: (object, before) => {
    object["spec"] = before["spec"];
  },
  undeletable: ({ metadata }) =>
    IMMORTAL.includes(metadata.name) ? "this namespace may not be deleted" : undefined,
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

/** Keys that a Secret must have to be what its type says. */
const SECRET_KEYS: Readonly<Record<string, readonly string[]>> = {
  "kubernetes.io/dockercfg": [".dockercfg"],
  "kubernetes.io/dockerconfigjson": [".dockerconfigjson"],
  "kubernetes.io/ssh-auth": ["ssh-privatekey"],
  "kubernetes.io/tls": ["tls.crt", "tls.key"],
};
const ACCOUNT_NAME = "kubernetes.io/service-account.name";

function validateSecretType(object: Draft): StatusCause[] {
  const type = stringAt(object, "type") ?? "";
  const has = (key: string): boolean => at(object, "data", key) !== undefined;
  if (type === "kubernetes.io/basic-auth") {
    const keys = ["username", "password"];
    return keys.some(has) ? [] : keys.map((key) => required(`data[${key}]`));
  }
  if (type === "kubernetes.io/service-account-token")
    return object.metadata.annotations?.[ACCOUNT_NAME]
      ? []
      : [required(`metadata.annotations[${ACCOUNT_NAME}]`)];
  return (ownValue(SECRET_KEYS, type) ?? []).flatMap((key) => {
    if (!has(key)) return [required(`data[${key}]`)];
    return key.startsWith(".docker") &&
      !isJson(Buffer.from(String(at(object, "data", key)), "base64").toString())
      ? [invalid(`data[${key}]`, "<secret contents redacted>", "invalid JSON")]
      : [];
  });
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

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
  validate: (object) => [...validateData(object), ...validateSecretType(object)],
  validateUpdate: (object, before) => [
    ...validateImmutable(object, before),
    ...(object["type"] === before["type"] ? [] : [invalid("type", object["type"], "field is immutable")]),
  ],
};

export const BINDING: Strategy = {
  validate: (object) => (stringAt(object, "roleRef", "name") ? [] : [required("roleRef.name")]),
  validateUpdate: (object, before) =>
    jsonEqual(object["roleRef"], before["roleRef"])
      ? []
      : [invalid("roleRef", object["roleRef"], "cannot change roleRef")],
};
