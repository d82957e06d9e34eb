/**
 * @module Objects in the store: JSON text without a resource version, which is the revision of the write that gave it
 * its value. Reading puts it in; texts go out to clients without being parsed where nothing asks what is in them.
 */
import type { Entry, StoreEvent } from "../store/store.ts";
import type { Draft } from "./served.ts";

/** For as long as anybody has them: what was listed once is not to be held until it changes. */
const decoded = new WeakMap<Entry, WeakRef<Draft>>();
const texts = new WeakMap<Entry, WeakRef<{ readonly text: string }>>();
const MARK = '"metadata":{';

/** The object, shared by all who ask: not to be changed. */
export function objectOf(entry: Entry): Readonly<Draft> {
  const known = decoded.get(entry)?.deref();
  if (known) return known;
  const object = freshObject(entry);
  decoded.set(entry, new WeakRef(object));
  return object;
}

/** The same for one look, as at each of many: held by nobody after it. */
export function peekObject(entry: Entry): Readonly<Draft> {
  return decoded.get(entry)?.deref() ?? freshObject(entry);
}

/** An object of one's own. */
export function freshObject(entry: Entry): Draft {
  const object = JSON.parse(entry.value) as Draft;
  object.metadata.resourceVersion = String(entry.modified);
  return object;
}

/** The object as JSON, with its resource version. */
export function textOf(entry: Entry): string {
  const known = texts.get(entry)?.deref();
  if (known !== undefined) return known.text;
  const text = peekText(entry);
  texts.set(entry, new WeakRef({ text }));
  return text;
}

/** The same for one look, as at each of many. */
export function peekText(entry: Entry): string {
  return withRevision(entry.value, entry.modified);
}

function withRevision(value: string, revision: number): string {
  const place = value.indexOf(MARK) + MARK.length;
  return `${value.slice(0, place)}"resourceVersion":"${revision}",${value.slice(place)}`;
}

/** What the store keeps of an object. */
export function storedText(object: Draft): string {
  const { apiVersion, kind, metadata, ...rest } = object;
  const { resourceVersion: _, selfLink: __, ...kept } = metadata;
  return JSON.stringify({ apiVersion, kind, metadata: kept, ...rest });
}

/** An entry as a watch tells it when it goes: what it was, with the deletion's revision. */
export function deletedEntry(event: Extract<StoreEvent, { type: "delete" }>): Entry {
  const known = deleted.get(event);
  if (known) return known;
  const entry: Entry = { ...event.before, modified: event.revision };
  deleted.set(event, entry);
  return entry;
}

const deleted = new WeakMap<StoreEvent, Entry>();
