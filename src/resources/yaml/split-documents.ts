/**
 * @module Cuts a text into YAML documents before any of them is parsed, so that a broken document costs its neighbours
 * nothing. This is safe without parsing: a line that starts with `---` or `...` in the first column ends a document even
 * inside block and quoted scalars (YAML 1.2, 9.1.2).
 */

/** A part of a text, from `start` up to but not including `end`. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

const MARKER = /^(?:---|\.\.\.)(?=[ \t\r\n]|$)/gm;
const BYTE_ORDER_MARK = 0xfeff;

/** @returns the documents in order, each with its own `---` line and directives; parts with nothing but comments are left out */
export function splitDocuments(text: string): Span[] {
  const spans: Span[] = [];
  let start = text.charCodeAt(0) === BYTE_ORDER_MARK ? 1 : 0;
  const close = (end: number): void => {
    if (!isBlank(text, start, end)) spans.push({ start, end });
    start = end;
  };
  for (const match of text.matchAll(MARKER)) {
    const at = match.index;
    // `^` also matches after U+2028 and U+2029, which end no line in YAML.
    const before = at === 0 ? 10 : text.charCodeAt(at - 1);
    if (before !== 10 && before !== 13 && before !== BYTE_ORDER_MARK) continue;
    if (text.charCodeAt(at) === 45) {
      if (!isDirectives(text, start, at)) close(at);
    } else {
      close(at + 3);
    }
  }
  close(text.length);
  return spans;
}

/** Whether a part holds nothing but blank lines, comments and an end marker. */
function isBlank(text: string, start: number, end: number): boolean {
  const at = skipBlank(text, start, end);
  return at >= end || (text.startsWith("...", at) && at + 3 === end);
}

/** Whether a part is the `%YAML` and `%TAG` lines of the document that follows. */
function isDirectives(text: string, start: number, end: number): boolean {
  const at = skipBlank(text, start, end);
  return at < end && text[at] === "%";
}

/** @returns the offset of the first character that is neither white space nor in a comment; `end` when there is none */
function skipBlank(text: string, start: number, end: number): number {
  let at = start;
  while (at < end) {
    const code = text.charCodeAt(at);
    if (code === 35) {
      while (at < end && text.charCodeAt(at) !== 10 && text.charCodeAt(at) !== 13) at++;
    } else if (code === 32 || code === 9 || code === 10 || code === 13) {
      at++;
    } else {
      return at;
    }
  }
  return end;
}
