/** @module A selector in a field: parsed, and held to where `global()` may stand. */
import { BAD, type Cursor, type Reading } from "../decode/cursor.ts";
import { parseSelector } from "./parse-selector.ts";
import type { SelectorNode } from "./selector-syntax.ts";
import type { CalicoSelector } from "./types.ts";

/** `alone`: the namespaceSelector of a rule, where `global()` may be all of the selector. */
export type GlobalUse = "forbidden" | "alone";

/** @returns undefined for a field that is absent or empty, which says nothing; BAD has been reported */
export function decodeSelector(cursor: Cursor, globalUse: GlobalUse = "forbidden"): Reading<CalicoSelector> {
  const text = cursor.string();
  if (text === BAD || text === undefined || text === "") return text === "" ? undefined : text;
  const parsed = parseSelector(text);
  if ("problem" in parsed) {
    return cursor.invalidAt(parsed.problem.offset, "invalid-selector", parsed.problem.message);
  }
  const { root } = parsed;
  const global = findGlobal(root);
  if (global && globalUse === "forbidden") {
    const message = "global() may only stand in the namespaceSelector of a rule";
    return cursor.invalidAt(global.start, "misplaced-global", message);
  }
  if (global && global !== root) {
    const message = "global() must be the whole namespaceSelector";
    return cursor.invalidAt(global.start, "misplaced-global", message);
  }
  return { text, root, path: cursor.path };
}

function findGlobal(node: SelectorNode): SelectorNode | undefined {
  switch (node.kind) {
    case "global":
      return node;
    case "not":
      return findGlobal(node.term);
    case "and":
    case "or":
      for (const term of node.terms) {
        const found = findGlobal(term);
        if (found) return found;
      }
      return undefined;
    default:
      return undefined;
  }
}
