/** @module Request bodies: read within a limit, decoded from what clients send: JSON, YAML, protobuf. */
import type { IncomingMessage } from "node:http";
import { load } from "js-yaml";
import { isObject } from "./json.ts";
import { setKey } from "./patch/json-value.ts";
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

/** @throws StatusError 400, 415 */
export function decodeBody(bytes: Buffer, contentType: string | undefined): unknown {
  const type = (contentType ?? "application/json").split(";")[0]?.trim().toLowerCase() ?? "";
  switch (type) {
    case "application/vnd.kubernetes.protobuf":
      return decoded(() => decodeProtobuf(bytes));
    case "application/yaml":
    case "application/apply-patch+yaml":
      return decoded(() => unshared(load(bytes.toString("utf8"), YAML)));
    case "application/json":
    case "application/json-patch+json":
    case "application/merge-patch+json":
    case "application/strategic-merge-patch+json":
    case "application/strategic-merge-patch":
      return decoded(() => JSON.parse(bytes.toString("utf8")));
    default:
      throw errors.unsupportedMediaType(type);
  }
}

/** Nesting that no object has, and that recursion could still follow. */
const YAML = { maxDepth: 1000 } as const;

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
    if (!isObject(part) || part instanceof Date) return part;
    const made: Record<string, unknown> = {};
    for (const name of Object.keys(part)) {
      size += name.length + 2;
      setKey(made, name, copy(part[name]));
    }
    return made;
  };
  return copy(value);
}

function decoded(decode: () => unknown): unknown {
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

/** @throws StatusError 400 when it is not an object */
export function objectBody(value: unknown): Record<string, unknown> {
  if (isObject(value)) return value;
  throw errors.badRequest("the object provided is unrecognized: a JSON object is needed");
}
