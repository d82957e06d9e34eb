/** @module File name patterns: `*`, `?`, `**` and `{a,b}`. Node 20 has none that is stable. */

/** Whether a path is to be taken as a pattern. */
export function isGlob(path: string): boolean {
  return /[*?{]/.test(path);
}

/** The folder to search in: the part before the first segment with a wildcard. */
export function globRoot(pattern: string): string {
  const segments = pattern.split("/");
  const wild = segments.findIndex(isGlob);
  const root = segments.slice(0, wild).join("/");
  if (root !== "") return root;
  return pattern.startsWith("/") ? "/" : ".";
}

/**
 * As a shell has it: `*` and `?` stop at a slash and do not match a leading dot, `**` as a whole segment stands for any
 * number of folders.
 * @returns an expression for paths as {@link globRoot} and names joined with slashes make them, without a leading `./`
 */
export function compileGlob(pattern: string): RegExp {
  const alternatives = expandBraces(pattern.replace(/^(?:\.\/)+/, "")).map((one) => {
    const segments = one.split("/");
    return segments.map((segment, index) => compileSegment(segment, index === segments.length - 1)).join("");
  });
  return new RegExp(`^(?:${alternatives.join("|")})$`, "su");
}

function compileSegment(segment: string, isLast: boolean): string {
  if (segment === "**") return isLast ? "(?:(?!\\.)[^/]+/)*(?!\\.)[^/]+" : "(?:(?!\\.)[^/]+/)*";
  const hidden = /^[*?]/.test(segment) ? "(?!\\.)" : "";
  const body = segment.replace(/[*]+|[?]|[\\^$.|+()[\]{}]/g, (found) => {
    if (found.startsWith("*")) return "[^/]*";
    return found === "?" ? "[^/]" : `\\${found}`;
  });
  return hidden + body + (isLast ? "" : "/");
}

/** `{a,b}` becomes two patterns; a brace without its partner stands for itself. */
function expandBraces(pattern: string): string[] {
  const open = pattern.indexOf("{");
  const close = findClosing(pattern, open);
  if (open < 0 || close < 0) return [pattern];
  const before = pattern.slice(0, open);
  const after = pattern.slice(close + 1);
  return splitTopLevel(pattern.slice(open + 1, close)).flatMap((choice) =>
    expandBraces(before + choice + after),
  );
}

function findClosing(pattern: string, open: number): number {
  if (open < 0) return -1;
  let depth = 0;
  for (let at = open; at < pattern.length; at++) {
    if (pattern[at] === "{") depth++;
    else if (pattern[at] === "}" && --depth === 0) return at;
  }
  return -1;
}

function splitTopLevel(text: string): string[] {
  const parts = [""];
  let depth = 0;
  for (const character of text) {
    if (character === "{") depth++;
    if (character === "}") depth--;
    if (character === "," && depth === 0) parts.push("");
    else parts.push((parts.pop() ?? "") + character);
  }
  return parts;
}
