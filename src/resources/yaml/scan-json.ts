/** @module What JSON.parse does not say about a JSON text: how deep it goes, and which keys stand twice. */
import { indexPath, keyPath } from "./field-path.ts";

export interface JsonScan {
  readonly depth: number;
  /** Paths of the keys that stand twice, in the order written. */
  readonly duplicates: readonly string[];
}

interface Level {
  /** undefined for a list. */
  readonly keys: Set<string> | undefined;
  /** The key that was read last. */
  key: string;
  /** Items before the one that is being read. Lists of lists and objects alone need it. */
  items: number;
}

/**
 * Linear in the text. Meant for valid JSON; for anything else the result says nothing.
 * @param maxDepth - reading stops where the nesting passes this
 */
export function scanJson(text: string, maxDepth: number): JsonScan {
  const token = /"(?:[^"\\]|\\.)*"|[{}[\],]/gs;
  const open: Level[] = [];
  const duplicates: string[] = [];
  let depth = 0;
  for (let match = token.exec(text); match && depth <= maxDepth; match = token.exec(text)) {
    const [found] = match;
    const level = open.at(-1);
    if (found === "{" || found === "[") {
      open.push({ keys: found === "{" ? new Set() : undefined, key: "", items: 0 });
      depth = Math.max(depth, open.length);
    } else if (found === "}" || found === "]") {
      open.pop();
    } else if (found === ",") {
      if (level) level.items++;
    } else if (level?.keys && isFollowedByColon(text, token.lastIndex)) {
      level.key = keyOf(found);
      if (level.keys.has(level.key)) duplicates.push(pathOf(open));
      level.keys.add(level.key);
    }
  }
  return { depth, duplicates };
}

/** `"a"` and `"\u0061"` are one key. */
function keyOf(literal: string): string {
  if (!literal.includes("\\")) return literal.slice(1, -1);
  try {
    return String(JSON.parse(literal));
  } catch (error) {
    // An escape that JSON does not have: then the text is no JSON, and somebody else says so.
    if (error instanceof SyntaxError) return literal;
    throw error;
  }
}

function pathOf(open: readonly Level[]): string {
  return open.reduce(
    (path, { keys, key, items }) => (keys ? keyPath(path, key) : indexPath(path, items)),
    "",
  );
}

function isFollowedByColon(text: string, from: number): boolean {
  let at = from;
  while (" \t\r\n".includes(text[at] ?? "x")) at++;
  return text[at] === ":";
}
