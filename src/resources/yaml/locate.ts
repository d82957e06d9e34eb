/**
 * @module Finds the place of a path in a parsed document. Works on the events that js-yaml gives, so that positions and
 * values come from one parser and cannot disagree.
 */
import { EVENT_ID, type Event, getScalarValue, type ScalarEvent } from "js-yaml";
import { locateInScalar } from "./locate-in-scalar.ts";
import { resolvePlain } from "./scalars.ts";

/** A document's events, with what it takes to step over a node and to follow an alias without searching. */
export class EventTree {
  readonly #events: readonly Event[];
  readonly #text: string;
  /** By event: the index behind the node that starts there. */
  readonly #next: Uint32Array;
  /** By event: for an alias, the event that it stands for. */
  readonly #target: ReadonlyMap<number, number>;
  /** By list: its items. A file of ten thousand objects is one list, and each issue in it looks up its item. */
  readonly #items = new Map<number, readonly number[]>();

  constructor(events: readonly Event[], text: string) {
    this.#events = events;
    this.#text = text;
    const next = new Uint32Array(events.length);
    const target = new Map<number, number>();
    const anchors = new Map<string, number>();
    const open: number[] = [];
    for (const [index, event] of events.entries()) {
      next[index] = index + 1;
      if (event.type === EVENT_ID.POP) {
        next[open.pop() ?? index] = index + 1;
      } else if (event.type === EVENT_ID.ALIAS) {
        const anchor = anchors.get(text.slice(event.anchorStart, event.anchorEnd));
        if (anchor !== undefined) target.set(index, anchor);
      } else {
        if (event.type !== EVENT_ID.SCALAR) open.push(index);
        if (event.type !== EVENT_ID.DOCUMENT && event.anchorStart >= 0) {
          anchors.set(text.slice(event.anchorStart, event.anchorEnd), index);
        }
      }
    }
    this.#next = next;
    this.#target = target;
  }

  /**
   * @param inside - a place in the text of the scalar that the path leads to
   * @returns offset of the path's last key or item in the document's text, or of its nearest parent that is there;
   *   with `inside`, of that place in the scalar itself; undefined for a document without content
   */
  locate(segments: readonly string[], inside?: number): number | undefined {
    let node = 1;
    let found = this.#offset(node);
    for (const segment of segments) {
      const child = this.#child(node, segment);
      if (!child) return found;
      node = child.node;
      found = child.offset ?? found;
    }
    return inside === undefined ? found : (this.#inside(node, inside) ?? found);
  }

  #inside(start: number, inside: number): number | undefined {
    const event = this.#events[this.#target.get(start) ?? start];
    return event?.type === EVENT_ID.SCALAR ? locateInScalar(this.#text, event, inside) : undefined;
  }

  #child(start: number, segment: string): { node: number; offset: number | undefined } | undefined {
    const node = this.#target.get(start) ?? start;
    const event = this.#events[node];
    if (event?.type === EVENT_ID.SEQUENCE) return this.#item(node, Number(segment));
    if (event?.type !== EVENT_ID.MAPPING) return undefined;
    const merges: number[] = [];
    for (let key = node + 1; this.#isNode(key); ) {
      const value = this.#next[key] ?? 0;
      const text = this.#keyText(key);
      if (text === segment) return { node: value, offset: this.#offset(key) };
      if (text === "<<") merges.push(value);
      key = this.#next[value] ?? 0;
    }
    for (const merge of merges) {
      const inside = this.#merged(merge, segment);
      if (inside) return inside;
    }
    return undefined;
  }

  #merged(start: number, segment: string): { node: number; offset: number | undefined } | undefined {
    const node = this.#target.get(start) ?? start;
    if (this.#events[node]?.type !== EVENT_ID.SEQUENCE) return this.#child(node, segment);
    for (const item of this.#listItems(node)) {
      const inside = this.#child(item, segment);
      if (inside) return inside;
    }
    return undefined;
  }

  #item(sequence: number, number: number): { node: number; offset: number | undefined } | undefined {
    let items = this.#items.get(sequence);
    if (!items) {
      items = this.#listItems(sequence);
      this.#items.set(sequence, items);
    }
    const item = items[number];
    return item === undefined ? undefined : { node: item, offset: this.#offset(item) };
  }

  #listItems(sequence: number): number[] {
    const items: number[] = [];
    for (let item = sequence + 1; this.#isNode(item); item = this.#next[item] ?? 0) items.push(item);
    return items;
  }

  #isNode(index: number): boolean {
    const event = this.#events[index];
    return event !== undefined && event.type !== EVENT_ID.POP;
  }

  #keyText(index: number): string | undefined {
    const event = this.#events[this.#target.get(index) ?? index];
    return event?.type === EVENT_ID.SCALAR ? keyText(this.#text, event) : undefined;
  }

  #offset(index: number): number | undefined {
    const event = this.#events[index];
    switch (event?.type) {
      case EVENT_ID.SCALAR:
        return event.valueStart < 0 ? undefined : event.valueStart;
      case EVENT_ID.SEQUENCE:
      case EVENT_ID.MAPPING:
        return event.start;
      case EVENT_ID.ALIAS:
        return event.anchorStart - 1;
      default:
        return undefined;
    }
  }
}

/** The key's name as `construct` has it: `yes:` and `~:` are the keys `true` and `null`. */
function keyText(text: string, event: ScalarEvent): string {
  const value = getScalarValue(text, event);
  if (event.style !== 1 || event.tagStart >= 0) return value;
  const resolved = resolvePlain(value);
  if (typeof resolved === "string") return resolved;
  return typeof resolved === "object" && resolved !== null && "value" in resolved
    ? String(resolved.value)
    : String(resolved);
}
