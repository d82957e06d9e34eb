/**
 * @module Changes a document's text so that it says another value, and leaves every line alone that says what it said
 * before: comments, order of keys, quotes and blank lines stay.
 *
 * Where two values differ, the smallest part that differs is cut out and written anew: an entry of a mapping, items of a
 * list, a scalar. A part with anchors, tags or aliases is not cut: other text depends on it. The result is read back and
 * compared before anybody gets it.
 */
import { ownValue } from "../../base/own.ts";
import { parseDocuments } from "../../resources/yaml/documents.ts";
import { isList, isObject, isSame, type Json, type JsonObject, plain } from "./json.ts";
import { documentYaml, entryLines, flowYaml, itemLines, scalarYaml, type YamlStyle } from "./render-yaml.ts";
import { parseTree, type YamlEntry, type YamlList, type YamlMap, type YamlNode } from "./yaml-tree.ts";

/**
 * @param text - one document, which says `before`
 * @returns the text that says `after`; undefined where it cannot be changed in place without touching more
 */
export function editYaml(text: string, before: JsonObject, after: JsonObject): string | undefined {
  if (isSame(before, after)) return text;
  const edited = /^\s*\{/.test(text) ? editJson(text, after) : editBlock(text, before, after);
  return edited !== undefined && says(edited, after) ? edited : undefined;
}

function says(text: string, value: JsonObject): boolean {
  const { documents, issues } = parseDocuments("", text);
  return issues.length === 0 && documents.length === 1 && isSame(plain(documents[0]?.value), value);
}

function editJson(text: string, after: JsonObject): string {
  const indent = /^\s*\{\s*\n([ \t]+)/.exec(text)?.[1];
  return `${JSON.stringify(after, null, indent)}${text.endsWith("\n") ? "\n" : ""}`;
}

function editBlock(text: string, before: JsonObject, after: JsonObject): string | undefined {
  const root = parseTree(text);
  if (root?.kind !== "map" || root.isFlow) return undefined;
  const editor = new Editor(text, root);
  try {
    editor.changeMap(root, before, after);
  } catch (error) {
    if (error instanceof Entangled) return undefined;
    throw error;
  }
  return editor.result();
}

/** The part cannot be cut as it stands; whoever holds it may try to replace it whole. */
class Entangled extends Error {}

interface Cut {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

class Editor {
  readonly #text: string;
  readonly #style: YamlStyle;
  readonly #lineEnd: string;
  #cuts: Cut[] = [];

  constructor(text: string, root: YamlNode) {
    this.#text = text;
    this.#lineEnd = text.includes("\r\n") ? "\r\n" : "\n";
    this.#style = { listIndent: this.#listIndent(root) ?? 0 };
  }

  result(): string {
    let text = "";
    let at = 0;
    const cuts = this.#cuts.map((cut, index) => ({ ...cut, index }));
    // Of several at one place, the first made comes first.
    for (const { start, end, text: inserted } of cuts.sort(
      (a, b) => a.start - b.start || a.index - b.index,
    )) {
      if (start < at) throw new Entangled();
      text += this.#text.slice(at, start) + inserted.replaceAll("\n", this.#lineEnd);
      at = end;
    }
    return text + this.#text.slice(at);
  }

  changeMap(node: YamlMap, before: JsonObject, after: JsonObject): void {
    if (node.isFlow || node.isEntangled) throw new Entangled();
    const entries = new Map(node.entries.map((entry) => [entry.key, entry]));
    const indent = this.#column(node.entries[0]?.keyStart ?? node.start);
    for (const [key, value] of Object.entries(before)) {
      const entry = entries.get(key);
      if (isSame(value, ownValue(after, key))) continue;
      if (!entry) throw new Entangled();
      const wanted = ownValue(after, key);
      if (wanted === undefined) this.#removeEntry(entry);
      else this.#changeEntry(entry, { before: value, after: wanted, indent });
    }
    const added = Object.entries(after).filter(([key]) => !Object.hasOwn(before, key));
    const last = node.entries.at(-1);
    if (added.length === 0) return;
    if (!last) throw new Entangled();
    this.#insertLines(
      this.#lineBehind(last.value.end),
      added.flatMap(([key, value]) => entryLines(key, value, indent, this.#style)),
    );
  }

  #changeEntry(entry: YamlEntry, change: { before: Json; after: Json; indent: number }): void {
    const { before, after, indent } = change;
    if (this.#attempt(() => this.#changeInside(entry.value, before, after))) return;
    this.#refuseEntangled(entry.value);
    const { key, keyStart, colonEnd, value } = entry;
    if (this.#text.slice(keyStart, colonEnd).includes("\n")) throw new Entangled();
    const lines = this.#staysFlow(value, after)
      ? [` ${flowYaml(after)}`]
      : entryLines(key, after, indent, this.#style).map((line, index) =>
          index === 0 ? line.slice(indent + scalarYaml(key).length + 1) : line,
        );
    this.#cuts.push({ start: colonEnd, end: this.#trimmedEnd(value.end), text: lines.join("\n") });
  }

  /** What stood on one line in brackets stays there. */
  #staysFlow(node: YamlNode, after: Json): boolean {
    if (node.kind === "leaf" || !node.isFlow || !(isList(after) || isObject(after))) return false;
    return node.kind === "map"
      ? node.entries.length > 0 && !this.#text.slice(node.start, node.end).includes("\n")
      : node.items.length > 0 && !this.#text.slice(node.start, node.end).includes("\n");
  }

  #changeInside(node: YamlNode, before: Json, after: Json): void {
    if (node.kind === "map" && isObject(before) && isObject(after) && Object.keys(after).length > 0)
      this.changeMap(node, before, after);
    else if (node.kind === "list" && isList(before) && isList(after) && after.length > 0)
      this.#changeList(node, before, after);
    else throw new Entangled();
  }

  /** Items that stand at the start and at the end of both are kept. */
  #changeList(node: YamlList, before: readonly Json[], after: readonly Json[]): void {
    if (node.isFlow || node.isEntangled || node.items.length !== before.length) throw new Entangled();
    let first = 0;
    while (first < before.length && first < after.length && isSame(before[first], after[first])) first++;
    let kept = 0;
    while (
      kept < before.length - first &&
      kept < after.length - first &&
      isSame(before[before.length - 1 - kept], after[after.length - 1 - kept])
    )
      kept++;
    const indent = this.#column(node.start);
    const dashes = this.#dashes(node, indent);
    const changed = after.slice(first, after.length - kept);
    const old = node.items.slice(first, node.items.length - kept);
    for (const [index, item] of old.entries()) {
      const value = changed[index];
      const place = first + index;
      const wasThere = before[place];
      if (value !== undefined && wasThere !== undefined) {
        if (isSame(wasThere, value) || this.#attempt(() => this.#changeInside(item, wasThere, value)))
          continue;
      }
      this.#refuseEntangled(item);
      const start = dashes[place] ?? node.start;
      const lines = value === undefined ? [] : itemLines(value, indent, this.#style);
      if (lines.length > 0) {
        const text = lines.join("\n").slice(indent);
        this.#cuts.push({ start, end: this.#trimmedEnd(item.end), text });
      } else {
        this.#removeLines(start, item.end);
      }
    }
    const more = changed.slice(old.length);
    if (more.length === 0) return;
    const previous = node.items[node.items.length - kept - 1];
    const at = previous ? this.#lineBehind(previous.end) : this.#lineStart(node.start);
    // The first item may stand behind something else on its line.
    if (!previous && this.#text.slice(at, node.start).trim() !== "") throw new Entangled();
    this.#insertLines(
      at,
      more.flatMap((item) => itemLines(item, indent, this.#style)),
    );
  }

  #removeEntry(entry: YamlEntry): void {
    this.#refuseEntangled(entry.value);
    this.#removeLines(entry.keyStart, entry.value.end);
  }

  #removeLines(start: number, end: number): void {
    const from = this.#lineStart(start);
    // `- key: value`: the dash is the list's, and the entries after it would lose it.
    if (this.#text.slice(from, start).trim() !== "") throw new Entangled();
    this.#cuts.push({ start: from, end: this.#lineBehind(end), text: "" });
  }

  #insertLines(at: number, lines: readonly string[]): void {
    const isOpen = at > 0 && this.#text[at - 1] !== "\n";
    const text = isOpen ? `\n${lines.join("\n")}` : `${lines.join("\n")}\n`;
    this.#cuts.push({ start: at, end: at, text });
  }

  /** Undoes what was noted down when the work turns out to be impossible. */
  #attempt(work: () => void): boolean {
    const cuts = [...this.#cuts];
    try {
      work();
      return true;
    } catch (error) {
      if (!(error instanceof Entangled)) throw error;
      this.#cuts = cuts;
      return false;
    }
  }

  #refuseEntangled(node: YamlNode): void {
    if (node.isEntangled) throw new Entangled();
    if (node.kind === "map") for (const { value } of node.entries) this.#refuseEntangled(value);
    if (node.kind === "list") for (const item of node.items) this.#refuseEntangled(item);
  }

  #dashes(node: YamlList, column: number): number[] {
    let at = node.start;
    return node.items.map((item, index) => {
      if (index === 0) {
        at = this.#lineBehind(item.end);
        return node.start;
      }
      while (at < this.#text.length && !this.#isDash(at, column)) at = this.#lineAfter(at);
      const dash = at + column;
      at = this.#lineBehind(Math.max(item.end, dash + 1));
      return dash;
    });
  }

  #isDash(lineStart: number, column: number): boolean {
    const line = this.#text.slice(lineStart, lineStart + column + 2);
    return /^ *-(?:\s|$)/.test(line) && line[column] === "-";
  }

  /** How far lists are indented here, by the first that stands under its key. */
  #listIndent(node: YamlNode): number | undefined {
    const children =
      node.kind === "map" ? node.entries.map(({ value }) => value) : node.kind === "list" ? node.items : [];
    if (node.kind === "map" && !node.isFlow) {
      for (const { keyStart, value } of node.entries) {
        if (value.kind !== "list" || value.isFlow) continue;
        const indent = this.#column(value.start) - this.#column(keyStart);
        if (indent >= 0) return indent;
      }
    }
    for (const child of children) {
      const indent = this.#listIndent(child);
      if (indent !== undefined) return indent;
    }
    return undefined;
  }

  #lineStart(offset: number): number {
    return this.#text.lastIndexOf("\n", offset - 1) + 1;
  }

  #lineAfter(offset: number): number {
    const end = this.#text.indexOf("\n", offset);
    return end < 0 ? this.#text.length : end + 1;
  }

  /** Where the line after a node starts. A block scalar ends behind its last line's end. */
  #lineBehind(end: number): number {
    return end > 0 && this.#text[end - 1] === "\n" ? end : this.#lineAfter(end);
  }

  #column(offset: number): number {
    return offset - this.#lineStart(offset);
  }

  /** Without the line end that a block scalar's text ends with. */
  #trimmedEnd(end: number): number {
    let at = end;
    while (at > 0 && (this.#text[at - 1] === "\n" || this.#text[at - 1] === "\r")) at--;
    return at;
  }
}

/** @param text - as it came, where a document was written by hand; its own marker line is left out */
export function newFileText(value: JsonObject, text?: string): string {
  if (text === undefined) return documentYaml(value);
  const body = text.replace(/^(?:\s*\n)?---[ \t]*(?:\r?\n|$)/, "").replace(/\n*\.\.\.\s*$/, "");
  return `${body.trimEnd()}\n`;
}
