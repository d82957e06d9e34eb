/** @module What JSON.parse does not say about a JSON text: how deep it goes, and which keys stand twice. */

export interface JsonScan {
  readonly depth: number;
  readonly hasDuplicateKeys: boolean;
}

/**
 * Linear in the text. Meant for valid JSON; for anything else the result says nothing.
 * @param maxDepth - reading stops where the nesting passes this
 */
export function scanJson(text: string, maxDepth: number): JsonScan {
  const token = /"(?:[^"\\]|\\.)*"|[{}[\]]/gs;
  const open: (Set<string> | undefined)[] = [];
  let depth = 0;
  let hasDuplicateKeys = false;
  for (let match = token.exec(text); match && depth <= maxDepth; match = token.exec(text)) {
    const [found] = match;
    if (found === "{" || found === "[") {
      open.push(found === "{" ? new Set() : undefined);
      depth = Math.max(depth, open.length);
    } else if (found === "}" || found === "]") {
      open.pop();
    } else {
      const keys = open.at(-1);
      if (!keys || !isFollowedByColon(text, token.lastIndex)) continue;
      hasDuplicateKeys ||= keys.has(found);
      keys.add(found);
    }
  }
  return { depth, hasDuplicateKeys };
}

function isFollowedByColon(text: string, from: number): boolean {
  let at = from;
  while (" \t\r\n".includes(text[at] ?? "x")) at++;
  return text[at] === ":";
}
