/** @module Request bodies: read within a limit, decoded from what clients send: JSON, YAML, protobuf. */
import type { IncomingMessage } from "node:http";
import { setOwn } from "../base/own.ts";
import { MAX_DEPTH, parseDocuments } from "../resources/yaml/documents.ts";
import { scanJson } from "../resources/yaml/scan-json.ts";
import { isObject } from "./json.ts";
import { decodeProtobuf, ProtobufError } from "./protobuf/decode.ts";
import { errors, StatusError } from "./status-error.ts";

/** As kube-apiserver: 3 MiB. */
export const MAX_BODY: number = 3 * 1024 * 1024;

/** @throws StatusError 413; what is beyond the limit is never kept */
export function readBody(request: IncomingMessage): Promise<Buffer> {
  const length = Number(request.headers["content-length"] ?? 0);
  if (length > MAX_BODY) return Promise.reject(errors.tooLarge(MAX_BODY));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_BODY) {
        request.removeAllListeners("data");
        request.pause();
        reject(errors.tooLarge(MAX_BODY));
        return;
      }
      chunks.push(chunk);
    });
    request.on("end", () => resolve(Buffer.concat(chunks)));
    request.on("error", reject);
    request.on("aborted", () => reject(errors.badRequest("the request was cut off")));
  });
}

export interface Body {
  readonly value: unknown;
  /** What strict decoding says of keys that stand twice. The last of them is in the value. */
  readonly duplicates: readonly string[];
}

/** @throws StatusError 400, 413, 415 */
export function decodeBody(bytes: Buffer, contentType: string | undefined): Body {
  const type = (contentType ?? "application/json").split(";")[0]?.trim().toLowerCase() ?? "";
  switch (type) {
    case "application/vnd.kubernetes.protobuf":
      return decoded(() => ({ value: decodeProtobuf(bytes), duplicates: [] }));
    case "application/yaml":
    case "application/apply-patch+yaml":
      return decoded(() => decodeYaml(bytes));
    case "application/json":
    case "application/json-patch+json":
    case "application/merge-patch+json":
    case "application/strategic-merge-patch+json":
    case "application/strategic-merge-patch":
      return decoded(() => decodeJson(bytes.toString("utf8")));
    default:
      throw errors.unsupportedMediaType(type);
  }
}

/** @throws SyntaxError, StatusError */
function decodeJson(text: string): Body {
  const scan = scanJson(text, MAX_DEPTH);
  if (scan.depth > MAX_DEPTH) throw errors.badRequest(`nested deeper than ${MAX_DEPTH} levels`);
  const value: unknown = JSON.parse(text);
  return { value, duplicates: scan.duplicates.map((path) => `duplicate field ${JSON.stringify(path)}`) };
}

/** The same decoder as files have, for one document. @throws SyntaxError, StatusError */
function decodeYaml(bytes: Buffer): Body {
  // Bytes that are no UTF-8 are refused, as go-yaml refuses them; JSON has a mark in their place.
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  const { documents, issues } = parseDocuments("body", text, "json");
  const duplicates: string[] = [];
  for (const { code, message, position } of issues) {
    const line = `line ${position?.line ?? 1}: ${message}`;
    if (code === "yaml-alias-bomb") throw errors.tooLarge(MAX_BODY);
    if (code !== "yaml-duplicate-key") throw new SyntaxError(`yaml: ${line}`);
    duplicates.push(`yaml: unmarshal errors: ${line}`);
  }
  if (documents.length > 1) throw new SyntaxError("yaml: a body is one document");
  return { value: unshared(documents[0]?.value ?? null), duplicates };
}

/**
 * What YAML says, with every alias a value of its own: written out, it would be that large anyway.
 * @throws StatusError 413 when it would be larger than any body may be
 */
function unshared(value: unknown): unknown {
  let size = 0;
  const copy = (part: unknown): unknown => {
    size += typeof part === "string" ? part.length + 2 : 2;
    if (size > MAX_BODY) throw errors.tooLarge(MAX_BODY);
    if (Array.isArray(part)) return part.map(copy);
    if (!isObject(part)) return part;
    const made: Record<string, unknown> = {};
    for (const name of Object.keys(part)) {
      size += name.length + 2;
      setOwn(made, name, copy(part[name]));
    }
    return made;
  };
  return copy(value);
}

function decoded(decode: () => Body): Body {
  try {
    return decode();
  } catch (error) {
    if (error instanceof StatusError) throw error;
    throw asBadRequest(error);
  }
}

function asBadRequest(error: unknown): StatusError {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof ProtobufError)
    return errors.badRequest(`unable to decode the protobuf body: ${message}`);
  return errors.badRequest(
    `the object provided is unrecognized (must be of type JSON, YAML or protobuf): ${message}`,
  );
}

/**
 * How deep an object may be without its managed fields, which stand deeper than the fields that they name, and so do the
 * items of a list. Whatever can be read can be sent again, then.
 */
export const MAX_OBJECT_DEPTH: number = MAX_DEPTH - 20;

/**
 * What JSON can say and an object must not: `1e999`, which is infinite and would be kept as null, and nesting without end.
 * Also of what a patch has made: two values that are not too deep can be one inside the other.
 * @throws StatusError 400
 */
export function checkValues(object: Readonly<Record<string, unknown>>): void {
  const { metadata, ...rest } = object;
  const { managedFields: _, ...others } = isObject(metadata) ? metadata : {};
  if (isDeeper({ ...rest, metadata: others }, MAX_OBJECT_DEPTH))
    throw errors.badRequest(`the object is nested deeper than ${MAX_OBJECT_DEPTH} levels`);
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value === "number" && !Number.isFinite(value))
    throw errors.badRequest("json: a number is beyond what a float64 holds");
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1));
}

/** @throws StatusError 400 when it is not an object */
export function objectBody(value: unknown): Record<string, unknown> {
  if (isObject(value)) return value;
  throw errors.badRequest("the object provided is unrecognized: a JSON object is needed");
}
