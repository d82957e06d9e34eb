/**
 * @module From js-yaml's events to plain values, as kubectl would have them in JSON.
 *
 * js-yaml's own constructor stops at the first duplicate key and lets aliases multiply; this one names every duplicate
 * with its path, and weighs what aliases expand to before anybody walks it.
 */
import { EVENT_ID, type Event, SCALAR_STYLE, type ScalarEvent } from "js-yaml";
import { setOwn } from "../../base/own.ts";
import { ConstructError } from "./construct-error.ts";
import { indexPath, keyPath } from "./field-path.ts";
import { BooleanWord } from "./scalars.ts";
import { readScalar, tagOf } from "./tagged-scalars.ts";

/** Stands where a value was written twice: whoever reads the field must not choose one of the two. */
export const UNREADABLE: unique symbol = Symbol("unreadable");

export interface DuplicateKey {
  readonly path: string;
  readonly key: string;
  /** Offset in the document's text of the later of the two. */
  readonly offset: number;
}

/**
 * `values`: for whoever reads fields with their places; what must not be chosen between stays open (`BooleanWord`,
 * `UNREADABLE`). `json`: what kubectl sends, of which nothing is left to choose: the last of two keys, `yes` for true.
 */
export type ConstructMode = "values" | "json";

export interface Construction {
  readonly value: unknown;
  readonly duplicates: readonly DuplicateKey[];
}

/** Nodes that aliases may add to a document beyond those it is written with. */
const ALIAS_ALLOWANCE = 1_000_000;

interface Frame {
  readonly value: unknown[] | Record<string, unknown>;
  readonly anchor: Anchor | undefined;
  /** Nodes in here once every alias is expanded, this one included. */
  size: number;
  key: string | undefined;
  keyOffset: number;
  isMerge: boolean;
  /** Keys that came through `<<` and were not written out since: to write one out is no duplicate to kubectl. */
  merged: Set<string> | undefined;
}

interface Anchor {
  readonly value: unknown;
  size: number;
  finished: boolean;
}

/**
 * @param events - one document's
 * @throws ConstructError for unknown and recursive aliases, keys that are no scalars, and alias bombs
 */
export function construct(
  events: readonly Event[],
  text: string,
  mode: ConstructMode = "values",
): Construction {
  return new Constructor(text, events.length + ALIAS_ALLOWANCE, mode).run(events);
}

class Constructor {
  readonly #text: string;
  readonly #sizeLimit: number;
  readonly #frames: Frame[] = [];
  readonly #anchors = new Map<string, Anchor>();
  readonly #duplicates: DuplicateKey[] = [];
  readonly #mode: ConstructMode;
  #root: unknown = null;

  constructor(text: string, sizeLimit: number, mode: ConstructMode) {
    this.#text = text;
    this.#sizeLimit = sizeLimit;
    this.#mode = mode;
  }

  run(events: readonly Event[]): Construction {
    for (const event of events) {
      switch (event.type) {
        case EVENT_ID.SCALAR: {
          const value = this.#scalar(event);
          this.#anchor(event, value, 1, true);
          this.#add(value, 1, event.valueStart, isMergeKey(this.#text, event, value));
          break;
        }
        case EVENT_ID.SEQUENCE:
        case EVENT_ID.MAPPING: {
          const value = event.type === EVENT_ID.SEQUENCE ? [] : {};
          const anchor = this.#anchor(event, value, 0, false);
          this.#frames.push({
            value,
            anchor,
            size: 1,
            key: undefined,
            keyOffset: event.start,
            isMerge: false,
            merged: undefined,
          });
          break;
        }
        case EVENT_ID.ALIAS:
          this.#alias(event.anchorStart, this.#text.slice(event.anchorStart, event.anchorEnd));
          break;
        case EVENT_ID.POP:
          this.#pop();
          break;
        default:
          break;
      }
    }
    return { value: this.#root, duplicates: this.#duplicates };
  }

  #scalar(event: ScalarEvent): unknown {
    const value = readScalar(this.#text, event);
    if (this.#mode === "values") return value;
    if (value instanceof BooleanWord) return value.value;
    if (typeof value === "number" && !Number.isFinite(value)) {
      throw new ConstructError("yaml-syntax", `json: unsupported value: ${value}`, event.valueStart);
    }
    return value;
  }

  #anchor(
    event: { anchorStart: number; anchorEnd: number },
    value: unknown,
    size: number,
    finished: boolean,
  ): Anchor | undefined {
    if (event.anchorStart < 0) return undefined;
    const anchor: Anchor = { value, size, finished };
    this.#anchors.set(this.#text.slice(event.anchorStart, event.anchorEnd), anchor);
    return anchor;
  }

  #alias(offset: number, name: string): void {
    const anchor = this.#anchors.get(name);
    if (!anchor) throw new ConstructError("yaml-syntax", `unknown anchor "${name}"`, offset);
    if (!anchor.finished) throw new ConstructError("yaml-syntax", `anchor "${name}" contains itself`, offset);
    this.#add(anchor.value, anchor.size, offset);
  }

  #pop(): void {
    const frame = this.#frames.pop();
    // The document's own end has no frame.
    if (!frame) return;
    if (frame.anchor) {
      frame.anchor.size = frame.size;
      frame.anchor.finished = true;
    }
    this.#add(frame.value, frame.size, frame.keyOffset);
  }

  #add(value: unknown, size: number, offset: number, isMergeKey = false): void {
    const frame = this.#frames.at(-1);
    if (!frame) {
      this.#root = value;
      return;
    }
    frame.size += size;
    // Sizes are sums along the nesting, so this refuses in time linear in the text whatever the aliases multiply to.
    if (frame.size > this.#sizeLimit) {
      throw new ConstructError(
        "yaml-alias-bomb",
        "document contains excessive aliasing",
        Math.max(offset, 0),
      );
    }
    if (Array.isArray(frame.value)) {
      frame.value.push(value);
    } else if (frame.key === undefined) {
      if (typeof value === "object" && value !== null && !(value instanceof BooleanWord)) {
        throw new ConstructError("yaml-syntax", "a key must be a scalar", Math.max(offset, 0));
      }
      if (value === null) {
        throw new ConstructError("yaml-syntax", "a key must not be null", Math.max(offset, 0));
      }
      frame.key = value instanceof BooleanWord ? String(value.value) : String(value);
      frame.keyOffset = offset;
      frame.isMerge = isMergeKey;
    } else {
      const key = frame.key;
      frame.key = undefined;
      if (frame.isMerge) this.#merge(frame, frame.value, value);
      else this.#set(frame, frame.value, key, value);
    }
  }

  #set(frame: Frame, mapping: Record<string, unknown>, key: string, value: unknown): void {
    // Strict readers of the API server take a key that was merged for one that was written.
    const isMerged = this.#mode === "values" && frame.merged?.has(key) === true;
    if (Object.hasOwn(mapping, key) && !isMerged) {
      this.#duplicates.push({ path: keyPath(this.#path(), key), key, offset: Math.max(frame.keyOffset, 0) });
      setOwn(mapping, key, this.#mode === "json" ? value : UNREADABLE);
      return;
    }
    frame.merged?.delete(key);
    setOwn(mapping, key, value);
  }

  /**
   * go-yaml v2 goes through a mapping in the order written: what is merged wins over keys before the `<<`, and keys after
   * it win over what is merged. Of several sources the first wins. YAML 1.1 has it otherwise, kubectl does not.
   */
  #merge(frame: Frame, mapping: Record<string, unknown>, value: unknown): void {
    const sources = Array.isArray(value) ? value : [value];
    for (const source of sources.toReversed()) {
      if (typeof source !== "object" || source === null || Array.isArray(source)) {
        throw new ConstructError(
          "yaml-syntax",
          "map merge requires map or sequence of maps as the value",
          frame.keyOffset,
        );
      }
      for (const [key, merged] of Object.entries(source)) {
        setOwn(mapping, key, merged);
        frame.merged ??= new Set();
        frame.merged.add(key);
      }
    }
  }

  /** Where the mapping on top of the stack stands. Only computed for messages. */
  #path(): string {
    let path = "";
    for (const frame of this.#frames.slice(0, -1)) {
      path = Array.isArray(frame.value)
        ? indexPath(path, frame.value.length)
        : keyPath(path, frame.key ?? "");
    }
    return path;
  }
}

function isMergeKey(text: string, event: ScalarEvent, value: unknown): boolean {
  if (value !== "<<") return false;
  if (event.tagStart >= 0) return tagOf(text, event) === "!!merge";
  return event.style === SCALAR_STYLE.PLAIN;
}
