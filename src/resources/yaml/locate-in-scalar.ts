/** @module From a place in what a scalar says to the place in the file, through quotes, escapes and indentation. */
import { getScalarValue, SCALAR_STYLE, type ScalarEvent } from "js-yaml";

/** Units of text that an escape of a double-quoted scalar takes, its backslash included; all others take two. */
const ESCAPE_LENGTH: Readonly<Record<string, number>> = { x: 4, u: 6, U: 10 };

/**
 * @param inside - a place in the scalar's value; its end is a place too
 * @returns the offset of that character in the document's text; the scalar's start where it is folded over several
 *   lines, so that no single character stands for it
 */
export function locateInScalar(text: string, event: ScalarEvent, inside: number): number | undefined {
  if (event.valueStart < 0) return undefined;
  const raw = text.slice(event.valueStart, event.valueEnd);
  const value = getScalarValue(text, event);
  const offset = offsetInRaw({ raw, value, style: event.style, indent: event.indent }, inside);
  return event.valueStart + offset;
}

interface WrittenScalar {
  readonly raw: string;
  readonly value: string;
  readonly style: number;
  /** Columns that are no part of a block scalar's lines. */
  readonly indent: number;
}

function offsetInRaw(scalar: WrittenScalar, inside: number): number {
  const { raw, value, style, indent } = scalar;
  if (raw === value) return inside;
  if (style === SCALAR_STYLE.LITERAL_BLOCK) return literalOffset(raw, value, indent, inside);
  if (style === SCALAR_STYLE.FOLDED_BLOCK) {
    const isOneLine = !value.trimEnd().includes("\n") && !raw.trim().includes("\n");
    return isOneLine ? literalOffset(raw, value, indent, inside) : indentedStart(raw);
  }
  if (raw.includes("\n")) return 0;
  if (style === SCALAR_STYLE.SINGLE_QUOTED) return quotedOffset(raw, inside, singleQuoteStep);
  return style === SCALAR_STYLE.DOUBLE_QUOTED ? quotedOffset(raw, inside, escapeStep) : 0;
}

/** Each line of the value is a line of the text, behind the indentation. */
function literalOffset(raw: string, value: string, indent: number, inside: number): number {
  const before = value.slice(0, inside).split("\n");
  const lines = raw.split("\n");
  let start = 0;
  for (const line of lines.slice(0, before.length - 1)) start += line.length + 1;
  const line = lines[before.length - 1] ?? "";
  return start + Math.min(line.length, Math.max(indent, 0) + (before.at(-1) ?? "").length);
}

function indentedStart(raw: string): number {
  return raw.length - raw.trimStart().length;
}

function quotedOffset(raw: string, inside: number, step: (raw: string, at: number) => number): number {
  let at = 0;
  for (let read = 0; read < inside && at < raw.length; read++) at += step(raw, at);
  return Math.min(at, raw.length);
}

function singleQuoteStep(raw: string, at: number): number {
  return raw[at] === "'" ? 2 : 1;
}

function escapeStep(raw: string, at: number): number {
  return raw[at] === "\\" ? (ESCAPE_LENGTH[raw[at + 1] ?? ""] ?? 2) : 1;
}
