/**
 * @module JSON Patch: a list of operations, all done or none.
 * @see https://www.rfc-editor.org/rfc/rfc6902
 * @see https://www.rfc-editor.org/rfc/rfc6901 for the paths
 */
import { isList, isObject, isSame, type Json, type JsonObject, textAt, withEntry } from "./json.ts";

export type PatchResult =
  | { readonly kind: "patched"; readonly value: Json }
  /** `malformed`: no patch by the RFC; otherwise the object is not as the patch expects it. */
  | { readonly kind: "failed"; readonly message: string; readonly isMalformed: boolean };

/** Why an operation cannot be done. Caught in this file. */
class PatchError extends Error {
  readonly isMalformed: boolean;
  constructor(message: string, isMalformed = false) {
    super(message);
    this.isMalformed = isMalformed;
  }
}

export function jsonPatch(target: Json, patch: Json): PatchResult {
  if (!isList(patch)) {
    const message = "a JSON patch is a list of operations: [{op: replace, path: /spec/order, value: 10}]";
    return { kind: "failed", message, isMalformed: true };
  }
  let value = target;
  for (const [index, operation] of patch.entries()) {
    try {
      value = operate(value, operation);
    } catch (error) {
      if (!(error instanceof PatchError)) throw error;
      return {
        kind: "failed",
        message: `operation ${index + 1}: ${error.message}`,
        isMalformed: error.isMalformed,
      };
    }
  }
  return { kind: "patched", value };
}

function operate(target: Json, operation: Json): Json {
  if (!isObject(operation)) throw new PatchError("not a mapping", true);
  const op = textAt(operation, "op");
  const path = pointerOf(operation, "path");
  switch (op) {
    case "add":
      return add(target, path, operand(operation));
    case "remove":
      return remove(target, path);
    case "replace": {
      at(target, path);
      const value = operand(operation);
      return path.length === 0 ? value : add(remove(target, path), path, value);
    }
    case "move": {
      const from = pointerOf(operation, "from");
      if (from.length < path.length && from.every((token, index) => token === path[index]))
        throw new PatchError("a value cannot be moved into itself");
      return add(remove(target, from), path, at(target, from));
    }
    case "copy":
      return add(target, path, at(target, pointerOf(operation, "from")));
    case "test": {
      const wanted = operand(operation);
      const found = at(target, path);
      if (isSame(found, wanted)) return target;
      throw new PatchError(
        `test of ${pointerText(path)}: it is ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`,
      );
    }
    default:
      throw new PatchError(
        `unknown op ${JSON.stringify(op)}: add, remove, replace, move, copy or test`,
        true,
      );
  }
}

function operand(operation: JsonObject): Json {
  const { value } = operation;
  if (value === undefined) throw new PatchError("value is missing", true);
  return value;
}

function pointerOf(operation: JsonObject, field: "path" | "from"): string[] {
  const text = operation[field];
  if (typeof text !== "string") throw new PatchError(`${field} is missing`, true);
  if (text === "") return [];
  if (!text.startsWith("/")) throw new PatchError(`${field} ${JSON.stringify(text)} must start with /`, true);
  return text
    .slice(1)
    .split("/")
    .map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function pointerText(path: readonly string[]): string {
  return path.map((token) => `/${token.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

function at(target: Json, path: readonly string[]): Json {
  let value = target;
  for (const [depth, token] of path.entries()) {
    const inside = isList(value)
      ? value[indexIn(value, token, value.length - 1)]
      : isObject(value) && Object.hasOwn(value, token)
        ? value[token]
        : undefined;
    if (inside === undefined) throw new PatchError(`there is no ${pointerText(path.slice(0, depth + 1))}`);
    value = inside;
  }
  return value;
}

function indexIn(list: readonly Json[], token: string, last: number): number {
  if (!/^(?:0|[1-9][0-9]*)$/.test(token))
    throw new PatchError(`${JSON.stringify(token)} is no place in a list`);
  if (Number(token) > last) throw new PatchError(`place ${token} is outside of a list of ${list.length}`);
  return Number(token);
}

/** Applies a change to what holds the last token. */
function inParent(
  target: Json,
  path: readonly string[],
  change: (parent: Json, token: string) => Json,
): Json {
  const [token = "", ...rest] = path;
  if (rest.length === 0) return change(target, token);
  const child = inParent(at(target, [token]), rest, change);
  if (isList(target)) return target.map((item, index) => (String(index) === token ? child : item));
  return isObject(target) ? withEntry(target, token, child) : target;
}

function add(target: Json, path: readonly string[], value: Json): Json {
  if (path.length === 0) return value;
  return inParent(target, path, (parent, token) => {
    if (isList(parent)) {
      const place = token === "-" ? parent.length : indexIn(parent, token, parent.length);
      return [...parent.slice(0, place), value, ...parent.slice(place)];
    }
    if (!isObject(parent)) throw new PatchError(`nothing can be put into ${pointerText(path.slice(0, -1))}`);
    return withEntry(parent, token, value);
  });
}

function remove(target: Json, path: readonly string[]): Json {
  at(target, path);
  if (path.length === 0) throw new PatchError("the whole object cannot be removed");
  return inParent(target, path, (parent, token) => {
    if (isList(parent)) return parent.filter((_, index) => String(index) !== token);
    return isObject(parent) ? withEntry(parent, token, undefined) : parent;
  });
}
