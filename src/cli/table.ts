/** @module Aligned text tables, as kubectl prints them: upper-case heads, three blanks between columns. */

/** Columns on a terminal; control sequences take none, wide characters two. */
export function textWidth(text: string): number {
  let width = 0;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colour is written with them
  for (const char of text.replace(/\u001b\[[0-9;]*m/g, "")) {
    const code = char.codePointAt(0) ?? 0;
    const wide =
      (code >= 0x1100 && code <= 0x115f) ||
      (code >= 0x2e80 && code <= 0xa4cf) ||
      (code >= 0xac00 && code <= 0xd7a3) ||
      (code >= 0xf900 && code <= 0xfaff) ||
      (code >= 0xfe30 && code <= 0xfe6f) ||
      (code >= 0xff00 && code <= 0xff60) ||
      code >= 0x1f300;
    width += wide ? 2 : 1;
  }
  return width;
}

/** @param rows - each as long as the head; the last column is not padded */
export function textTable(head: readonly string[], rows: readonly (readonly string[])[], gap = 3): string[] {
  const all = head.length > 0 ? [head, ...rows] : rows;
  const columns = Math.max(0, ...all.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(0, ...all.map((row) => textWidth(row[column] ?? ""))),
  );
  return all.map((row) =>
    row
      .map((cell, column) =>
        column === row.length - 1 ? cell : cell + " ".repeat((widths[column] ?? 0) - textWidth(cell) + gap),
      )
      .join("")
      .trimEnd(),
  );
}
