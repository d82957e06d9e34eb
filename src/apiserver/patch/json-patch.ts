/** @module JSON patch (RFC 6902): a list of operations, of which all or none apply. */
import { setOwn } from "../../base/own.ts";
import { isJsonObject, type JsonObject, jsonEqual } from "./json-value.ts";
import { goKindOf, PatchError } from "./patch-error.ts";

type Pointer = readonly string[];

/** As kube-apiserver: a patch is no way to make much of little. */
const MAX_OPERATIONS = 10_000;
const MAX_COPIED = 3 * 1024 * 1024;

/** What the copies of one patch have come to, in characters of JSON. */
interface Copied {
  size: number;
}

/**
 * Applies the operations one after the other.
 *
 * @throws PatchError `malformed` when it is no list of operations, `inapplicable` when a path leads nowhere, a `test` fails
 *   or copies come to more than 3 MiB, `too-large` when there are more than 10,000
 */
export function applyJsonPatch(target: unknown, operations: unknown): unknown {
  if (!Array.isArray(operations)) {
    throw new PatchError(
      "malformed",
      `json: cannot unmarshal ${goKindOf(operations)} into Go value of type jsonpatch.Patch`,
    );
  }
  if (operations.length > MAX_OPERATIONS) {
    throw new PatchError(
      "too-large",
      `Request entity too large: The allowed maximum operations in a JSON patch is ${MAX_OPERATIONS}, got ${operations.length}`,
    );
  }
  const copied = { size: 0 };
  // A copy of one's own is changed in place: every operation costs what it touches.
  return operations.reduce((document: unknown, operation: unknown) => {
    if (isJsonObject(operation)) return applyOperation(document, operation, copied);
    throw new PatchError(
      "malformed",
      `json: cannot unmarshal ${goKindOf(operation)} into Go value of type jsonpatch.Operation`,
    );
  }, structuredClone(target));
}

function applyOperation(document: unknown, operation: JsonObject, copied: Copied): unknown {
  const name = operation["op"];
  switch (name) {
    case "add":
      return write(document, pointerOf(operation, "path"), operandOf(operation), { name, replaces: false });
    case "replace":
      return write(document, pointerOf(operation, "path"), operandOf(operation), { name, replaces: true });
    case "remove":
      return remove(document, pointerOf(operation, "path"), name);
    case "copy": {
      const value = read(document, pointerOf(operation, "from"), name);
      count(value, copied);
      const copy = structuredClone(value);
      return write(document, pointerOf(operation, "path"), copy, { name, replaces: false });
    }
    case "move": {
      const from = pointerOf(operation, "from");
      const path = pointerOf(operation, "path");
      if (from.length < path.length && from.every((key, index) => key === path[index])) {
        throw doesNotApply(name, path, "a value cannot be moved into itself");
      }
      const value = read(document, from, name);
      return write(remove(document, from, name), path, value, { name, replaces: false });
    }
    case "test":
      return test(document, pointerOf(operation, "path"), operation["value"] ?? null);
    default:
      throw new PatchError("malformed", `Unexpected kind: ${typeof name === "string" ? name : "unknown"}`);
  }
}

function count(value: unknown, copied: Copied): void {
  copied.size += JSON.stringify(value).length;
  if (copied.size <= MAX_COPIED) return;
  throw new PatchError(
    "inapplicable",
    `Unable to complete the copy, the accumulated size increase of copy is ${copied.size}, exceeding the limit ${MAX_COPIED}`,
  );
}

function test(document: unknown, path: Pointer, expected: unknown): unknown {
  let found: unknown;
  try {
    const last = path.at(-1);
    const container = last === undefined ? undefined : read(document, path.slice(0, -1), "test");
    // A key that is not there is null; a way to it that is not there is a fault.
    if (last !== undefined && isJsonObject(container))
      found = Object.hasOwn(container, last) ? container[last] : null;
    else found = read(document, path, "test");
  } catch (error) {
    // Testing for null is how a patch asserts that a key is not there.
    if (!(error instanceof PatchError) || expected !== null) throw error;
    found = null;
  }
  if (jsonEqual(found, expected)) return document;
  throw new PatchError("inapplicable", `testing value ${textOf(path)} failed: test failed`);
}

function operandOf(operation: JsonObject): unknown {
  // A later operation may change it; the patch may be applied again.
  if (Object.hasOwn(operation, "value")) return structuredClone(operation["value"]);
  throw new PatchError("malformed", `${String(operation["op"])} operation has no value`);
}

function pointerOf(operation: JsonObject, member: "path" | "from"): Pointer {
  const text = operation[member];
  if (typeof text !== "string") {
    throw new PatchError("malformed", `${String(operation["op"])} operation has no ${member}`);
  }
  if (text === "") return [];
  if (!text.startsWith("/")) {
    throw new PatchError("malformed", `${member} "${text}" of the operation does not start with a slash`);
  }
  return text
    .slice(1)
    .split("/")
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function textOf(path: Pointer): string {
  return path.map((part) => `/${part.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

function doesNotApply(operation: string, path: Pointer, why: string): PatchError {
  return new PatchError("inapplicable", `${operation} operation does not apply: ${why}: ${textOf(path)}`);
}

function missing(operation: string, path: Pointer): PatchError {
  return new PatchError(
    "inapplicable",
    `${operation} operation does not apply: doc is missing path: ${textOf(path)}: missing value`,
  );
}

/** The index that a part of a pointer names, where an item may stand at 0 … `last`. */
function indexOf(
  part: string,
  last: number,
  at: { readonly operation: string; readonly path: Pointer },
): number {
  if (!/^(0|[1-9]\d*)$/.test(part)) {
    throw doesNotApply(at.operation, at.path, `"${part}" is no index of an array`);
  }
  const index = Number(part);
  if (index > last) throw doesNotApply(at.operation, at.path, `index ${part} is out of bounds`);
  return index;
}

function read(document: unknown, path: Pointer, operation: string): unknown {
  return path.reduce((value: unknown, part) => {
    if (Array.isArray(value)) return value[indexOf(part, value.length - 1, { operation, path })];
    if (isJsonObject(value) && Object.hasOwn(value, part)) return value[part];
    throw missing(operation, path);
  }, document);
}

/** Makes `change` to the container that the last part of the path names something in. @returns the document */
function changeAt(
  document: unknown,
  path: Pointer,
  operation: string,
  change: (container: unknown[] | Record<string, unknown>, last: string) => void,
): unknown {
  let container = document;
  for (const part of path.slice(0, -1)) {
    if (Array.isArray(container))
      container = container[indexOf(part, container.length - 1, { operation, path })];
    else if (isJsonObject(container) && Object.hasOwn(container, part)) container = container[part];
    else throw missing(operation, path);
  }
  if (!Array.isArray(container) && !isJsonObject(container)) throw missing(operation, path);
  change(container as unknown[] | Record<string, unknown>, path.at(-1) ?? "");
  return document;
}

function write(
  document: unknown,
  path: Pointer,
  value: unknown,
  operation: { readonly name: string; readonly replaces: boolean },
): unknown {
  if (path.length === 0) return value;
  return changeAt(document, path, operation.name, (container, part) => {
    if (!Array.isArray(container)) {
      if (operation.replaces && !Object.hasOwn(container, part))
        throw new PatchError(
          "inapplicable",
          `replace operation does not apply: doc is missing key: ${textOf(path)}: missing value`,
        );
      setOwn(container, part, value);
    } else if (operation.replaces) {
      container[indexOf(part, container.length - 1, { operation: operation.name, path })] = value;
    } else {
      const index =
        part === "-"
          ? container.length
          : indexOf(part, container.length, { operation: operation.name, path });
      container.splice(index, 0, value);
    }
  });
}

function remove(document: unknown, path: Pointer, operation: string): unknown {
  if (path.length === 0) throw doesNotApply(operation, path, "the whole document cannot be removed");
  return changeAt(document, path, operation, (container, part) => {
    if (Array.isArray(container)) {
      container.splice(indexOf(part, container.length - 1, { operation, path }), 1);
    } else if (Object.hasOwn(container, part)) delete container[part];
    else
      throw new PatchError(
        "inapplicable",
        `error in ${operation} for path: '${textOf(path)}': Unable to remove nonexistent key: ${part}: missing value`,
      );
  });
}
