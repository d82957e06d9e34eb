/** @module Values as block YAML, in the style of the text around them. */
import { resolvePlain } from "../../resources/yaml/scalars.ts";
import { isList, isObject, type Json, type JsonObject } from "./json.ts";

export interface YamlStyle {
  /** Blanks that the dashes of a list stand further in than their key. */
  readonly listIndent: number;
}

export const DEFAULT_STYLE: YamlStyle = { listIndent: 0 };
const STEP = 2;
/** Words that need no quotes whoever reads them: no number, no boolean, nothing that starts a comment or a mapping. */
const ADDRESS = /^\d+\.\d+\.\d+\.\d+(?:\/\d+)?$/;
const PLAIN = /^[A-Za-z_/][\w./@%+-]*(?:\([\w./-]*\))?(?: [\w./@%+=(){},!&|<>'"-]+)*$/;

/** One line. */
export function scalarYaml(value: Json): string {
  if (isList(value) || isObject(value)) return flowYaml(value);
  if (typeof value !== "string") return JSON.stringify(value);
  if (ADDRESS.test(value) || (PLAIN.test(value) && resolvePlain(value) === value)) return value;
  if (value.includes("\n") || !value.includes('"') || value.includes("'")) return JSON.stringify(value);
  return `'${value}'`;
}

/** A mapping or list on one line: `{a: b, c: [1, 2]}`. */
export function flowYaml(value: Json): string {
  if (isList(value)) return `[${value.map(flowYaml).join(", ")}]`;
  if (isObject(value))
    return `{${Object.entries(value)
      .map(([key, entry]) => `${flowYaml(key)}: ${flowYaml(entry)}`)
      .join(", ")}}`;
  const text = scalarYaml(value);
  return /^[^"'].*[,[\]{}]/.test(text) ? JSON.stringify(value) : text;
}

const isBlock = (value: Json): boolean =>
  (isList(value) && value.length > 0) || (isObject(value) && Object.keys(value).length > 0);

/** `key: value`, or `key:` with lines under it. No line ends with a line feed. */
export function entryLines(key: string, value: Json, indent: number, style: YamlStyle): string[] {
  const head = `${" ".repeat(indent)}${scalarYaml(key)}:`;
  if (!isBlock(value)) {
    const text = blockText(value, indent);
    return text ? [`${head} ${text.marker}`, ...text.lines] : [`${head} ${scalarYaml(value)}`];
  }
  return [head, ...blockLines(value, indent + (isList(value) ? style.listIndent : STEP), style)];
}

/** Lines of a mapping or list that is not empty. */
export function blockLines(value: Json, indent: number, style: YamlStyle): string[] {
  if (isList(value)) return value.flatMap((item) => itemLines(item, indent, style));
  if (!isObject(value)) return [`${" ".repeat(indent)}${scalarYaml(value)}`];
  return Object.entries(value).flatMap(([key, entry]) => entryLines(key, entry, indent, style));
}

export function itemLines(item: Json, indent: number, style: YamlStyle): string[] {
  const dash = `${" ".repeat(indent)}- `;
  if (!isBlock(item)) return [`${dash}${scalarYaml(item)}`];
  const [first = "", ...rest] = blockLines(item, indent + STEP, style);
  return [`${dash}${first.slice(indent + STEP)}`, ...rest];
}

/** A text of several lines as a literal block, where a block can hold it. */
function blockText(value: Json, indent: number): { marker: string; lines: string[] } | undefined {
  if (typeof value !== "string" || !value.includes("\n") || !/^\S[^\r\t]*\S\n?$/.test(value))
    return undefined;
  const lines = value.replace(/\n$/, "").split("\n");
  if (lines.some((line) => /\s$/.test(line))) return undefined;
  const margin = " ".repeat(indent + STEP);
  return {
    marker: value.endsWith("\n") ? "|" : "|-",
    lines: lines.map((line) => (line === "" ? "" : margin + line)),
  };
}

/** A whole document, with a line feed at its end. */
export function documentYaml(value: JsonObject, style: YamlStyle = DEFAULT_STYLE): string {
  return `${blockLines(value, 0, style).join("\n")}\n`;
}
