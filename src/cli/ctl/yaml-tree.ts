/** @module A document's text as a tree of nodes that know where they stand: what `edit-yaml` cuts and pastes by. */
import { EVENT_ID, type Event, getScalarValue, parseEvents, type ScalarEvent } from "js-yaml";

export type YamlNode = YamlMap | YamlList | YamlLeaf;

interface Place {
  /** Offset of the node's first character; that of its anchor or tag where it has one. */
  readonly start: number;
  /** Offset behind its last character, comments left out. */
  readonly end: number;
  /** Has an anchor or a tag, is an alias, or merges another mapping: text that other text depends on. */
  readonly isEntangled: boolean;
}

export interface YamlMap extends Place {
  readonly kind: "map";
  readonly isFlow: boolean;
  readonly entries: readonly YamlEntry[];
}

export interface YamlEntry {
  readonly key: string;
  readonly keyStart: number;
  /** Offset behind the colon. */
  readonly colonEnd: number;
  readonly value: YamlNode;
}

export interface YamlList extends Place {
  readonly kind: "list";
  readonly isFlow: boolean;
  readonly items: readonly YamlNode[];
}

export interface YamlLeaf extends Place {
  readonly kind: "leaf";
}

const FLOW = 2;
const QUOTED: ReadonlySet<number> = new Set([2, 3]);

/** @param text - one document that is known to be YAML. @returns undefined for a document without content */
export function parseTree(text: string): YamlNode | undefined {
  const reader = new TreeReader(text, parseEvents(text, {}));
  return reader.read();
}

class TreeReader {
  readonly #text: string;
  readonly #events: readonly Event[];
  #at = 1;
  /** Behind the last thing that was read. */
  #end = 0;

  constructor(text: string, events: readonly Event[]) {
    this.#text = text;
    this.#events = events;
  }

  read(): YamlNode | undefined {
    const event = this.#events[this.#at];
    return event === undefined || event.type === EVENT_ID.POP ? undefined : this.#node();
  }

  #node(): YamlNode {
    const event = this.#events[this.#at++];
    switch (event?.type) {
      case EVENT_ID.MAPPING:
        return this.#map(event);
      case EVENT_ID.SEQUENCE:
        return this.#list(event);
      case EVENT_ID.SCALAR:
        return this.#leaf(event);
      default: {
        const start = event?.type === EVENT_ID.ALIAS ? event.anchorStart - 1 : this.#end;
        this.#end = event?.type === EVENT_ID.ALIAS ? event.anchorEnd : this.#end;
        return { kind: "leaf", start, end: this.#end, isEntangled: true };
      }
    }
  }

  #map(event: Extract<Event, { type: typeof EVENT_ID.MAPPING }>): YamlMap {
    const isFlow = event.style === FLOW;
    const entries: YamlEntry[] = [];
    this.#end = Math.max(this.#end, event.start + (isFlow ? 1 : 0));
    let merges = false;
    while (!this.#isClosed()) {
      const keyEvent = this.#events[this.#at];
      const key = keyEvent?.type === EVENT_ID.SCALAR ? getScalarValue(this.#text, keyEvent) : "";
      const keyNode = this.#node();
      if (key === "<<" || keyNode.isEntangled) merges = true;
      const colonEnd = this.#skipTo(":");
      this.#end = colonEnd;
      entries.push({ key, keyStart: keyNode.start, colonEnd, value: this.#node() });
    }
    this.#at++;
    if (isFlow) this.#end = this.#skipTo("}");
    const place = this.#place(event, event.start);
    return { kind: "map", isFlow, entries, ...place, isEntangled: merges || place.isEntangled };
  }

  #list(event: Extract<Event, { type: typeof EVENT_ID.SEQUENCE }>): YamlList {
    const isFlow = event.style === FLOW;
    const items: YamlNode[] = [];
    this.#end = Math.max(this.#end, event.start + 1);
    while (!this.#isClosed()) items.push(this.#node());
    this.#at++;
    if (isFlow) this.#end = this.#skipTo("]");
    return { kind: "list", isFlow, items, ...this.#place(event, event.start) };
  }

  #leaf(event: ScalarEvent): YamlLeaf {
    // An empty value has no place of its own: it stands behind what was read before it.
    if (event.valueStart < 0) return { kind: "leaf", ...this.#place(event, this.#end) };
    const quotes = QUOTED.has(event.style) ? 1 : 0;
    this.#end = event.valueEnd + quotes;
    return { kind: "leaf", ...this.#place(event, event.valueStart - quotes) };
  }

  #place(event: { anchorStart: number; tagStart: number }, start: number): Place {
    const before = [event.anchorStart - 1, event.tagStart].filter((offset) => offset >= 0);
    const isEntangled = event.anchorStart >= 0 || event.tagStart >= 0;
    return { start: Math.min(start, ...before), end: this.#end, isEntangled };
  }

  #isClosed(): boolean {
    const event = this.#events[this.#at];
    return event === undefined || event.type === EVENT_ID.POP;
  }

  /** @returns the offset behind the next such character that is not in a comment */
  #skipTo(character: string): number {
    let at = this.#end;
    while (at < this.#text.length && this.#text[at] !== character) {
      if (this.#text[at] === "#") while (at < this.#text.length && this.#text[at] !== "\n") at++;
      else at++;
    }
    return Math.min(at + 1, this.#text.length);
  }
}
