/** @module Selectors as text in one canonical form: what means the same by its syntax is spelt the same. */
import { unreachable } from "../../base/errors.ts";
import type { SelectorNode } from "./selector-syntax.ts";

/**
 * As Calico prints them: every `&&` and `||` in parentheses, sets sorted, double quotes unless the value holds one.
 * @returns a text that `parseSelector` reads as the same tree, places apart
 */
export function formatSelector(node: SelectorNode): string {
  switch (node.kind) {
    case "all":
    case "global":
      return `${node.kind}()`;
    case "has":
      return `has(${node.label})`;
    case "compare":
      return `${node.label} ${node.op} ${quote(node.value)}`;
    case "in":
    case "not in":
      return `${node.label} ${node.kind} {${[...node.values].sort().map(quote).join(", ")}}`;
    case "not":
      return `!${formatSelector(node.term)}`;
    case "and":
    case "or":
      return `(${node.terms.map(formatSelector).join(node.kind === "and" ? " && " : " || ")})`;
    default:
      return unreachable(node);
  }
}

function quote(value: string): string {
  return value.includes('"') ? `'${value}'` : `"${value}"`;
}
