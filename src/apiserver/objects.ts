/**
 * @module Objects in the store: JSON text without a resource version, which is the revision of the write that gave it
 * its value. Reading puts it in; texts go out to clients without being parsed where nothing asks what is in them.
 */
import type { Entry, StoreEvent } from "../store/store.ts";
import type { Draft } from "./served.ts";

const decoded = new WeakMap<Entry, Draft>();
const texts = new WeakMap<Entry, string>();
const MARK = '"metadata":{';

/** The object, shared by all who ask: not to be changed. */
export function objectOf(entry: Entry): Readonly<Draft> {
  const known = decoded.get(entry);
  if (known) return known;
  const object = freshObject(entry);
  decoded.set(entry, object);
  return object;
}

/** An object of one's own. */
export function freshObject(entry: Entry): Draft {
  const object = JSON.parse(entry.value) as Draft;
  object.metadata.resourceVersion = String(entry.modified);
  return object;
}

/** The object as JSON, with its resource version. */
export function textOf(entry: Entry): string {
  const known = texts.get(entry);
  if (known !== undefined) return known;
  const text = withRevision(entry.value, entry.modified);
  texts.set(entry, text);
  return text;
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
