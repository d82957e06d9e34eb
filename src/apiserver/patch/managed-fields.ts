/** @module Who owns which fields of an object: the entries of `metadata.managedFields`, and how a plain write moves them. */
import { difference, EMPTY, type FieldSet, isEmptySet, parseFieldSet, sameSet, union } from "./field-set.ts";
import { isJsonObject, type JsonObject } from "./json-value.ts";
import { mergeSchemaOf } from "./merge-keys.ts";
import type { MergeSchema } from "./merge-schema.ts";
import { compareFields, ownable } from "./object-fields.ts";

export interface ManagedFieldsEntry {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  readonly apiVersion: string;
  readonly time?: string;
  readonly fieldsType: "FieldsV1";
  readonly fieldsV1: FieldSet;
  /** Left out: the object itself. */
  readonly subresource?: string;
}

/** Who writes, and how. Together these tell one entry from another. */
export interface Writer {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  readonly apiVersion: string;
  readonly subresource?: string | undefined;
}

/** More entries than these of plain writers are joined, the oldest first: an object must not grow with its history. */
const MOST_UPDATE_ENTRIES = 10;
const JOINED_MANAGER = "ancient-changes";

/** The entries of an object, as far as they can be understood. */
export function managedFieldsOf(object: unknown): readonly ManagedFieldsEntry[] {
  const metadata = isJsonObject(object) ? object["metadata"] : undefined;
  const entries = isJsonObject(metadata) ? metadata["managedFields"] : undefined;
  return Array.isArray(entries) ? entries.flatMap((entry: unknown) => parseEntry(entry) ?? []) : [];
}

function parseEntry(entry: unknown): ManagedFieldsEntry | undefined {
  if (!isJsonObject(entry)) return undefined;
  const { manager, operation, apiVersion, time, subresource } = entry;
  const fieldsV1 = parseFieldSet(entry["fieldsV1"]);
  if (!fieldsV1 || (operation !== "Apply" && operation !== "Update")) return undefined;
  return {
    manager: typeof manager === "string" ? manager : "",
    operation,
    apiVersion: typeof apiVersion === "string" ? apiVersion : "",
    ...(typeof time === "string" && { time }),
    fieldsType: "FieldsV1",
    fieldsV1,
    ...(typeof subresource === "string" && subresource !== "" && { subresource }),
  };
}

/** Whether an entry is that of this writer. A manager applies in one version at a time, whichever it is. */
export function isEntryOf(entry: ManagedFieldsEntry, writer: Writer): boolean {
  return (
    entry.manager === writer.manager &&
    entry.operation === writer.operation &&
    (entry.subresource ?? "") === (writer.subresource ?? "") &&
    (writer.operation === "Apply" || entry.apiVersion === writer.apiVersion)
  );
}

export function entryOf(writer: Writer, fieldsV1: FieldSet, time: string | undefined): ManagedFieldsEntry {
  const { manager, operation, apiVersion, subresource } = writer;
  return {
    manager,
    operation,
    apiVersion,
    ...(time !== undefined && { time }),
    fieldsType: "FieldsV1",
    fieldsV1,
    ...(subresource ? { subresource } : {}),
  };
}

/** Takes fields from an entry; the entry itself when it has none of them, undefined when nothing is left. */
export function without(entry: ManagedFieldsEntry, fields: FieldSet): ManagedFieldsEntry | undefined {
  if (isEmptySet(fields)) return entry;
  const left = difference(entry.fieldsV1, fields);
  if (isEmptySet(left)) return undefined;
  return sameSet(left, entry.fieldsV1) ? entry : { ...entry, fieldsV1: left };
}

/** Applies before updates, then by age: the order in which Kubernetes shows them. */
export function inEntryOrder(entries: readonly ManagedFieldsEntry[]): ManagedFieldsEntry[] {
  return [...entries].sort(
    (left, right) =>
      compareText(left.operation, right.operation) ||
      compareText(left.time ?? "", right.time ?? "") ||
      compareText(left.manager, right.manager) ||
      compareText(left.apiVersion, right.apiVersion) ||
      compareText(left.subresource ?? "", right.subresource ?? ""),
  );
}

function compareText(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

/**
 * Who owns what after a plain create, update or patch: the fields that it changed are its writer's, and no longer others'.
 *
 * A client that sends entries of its own in `after` replaces those of `before`; it sends `[{}]` to be rid of them all.
 * The cost is that of one walk through both objects; parts which they share are not walked.
 *
 * @param write.before - undefined: the object is new
 * @param write.now - RFC 3339, in seconds; it becomes the time of the entry when its fields change
 * @param write.schema - how the kind merges; left out: as the built-in kind does
 * @returns what `metadata.managedFields` should be
 */
export function updateManagedFields(write: {
  readonly before: unknown;
  readonly after: unknown;
  readonly manager: string;
  readonly operation?: "Update";
  readonly now: string;
  readonly apiVersion: string;
  readonly subresource?: string | undefined;
  readonly schema?: MergeSchema;
}): ManagedFieldsEntry[] {
  const after = isJsonObject(write.after) ? write.after : {};
  if (resetsManagedFields(after)) return [];
  const sent = managedFieldsOf(after);
  const before = isJsonObject(write.before) ? write.before : undefined;
  const entries = sent.length > 0 ? sent : managedFieldsOf(before);
  const writer: Writer = { ...write, operation: "Update" };
  const schema = write.schema ?? mergeSchemaOf(write.apiVersion, String(after["kind"]));
  const { changed, removed } = compareFields(before ? ownable(before) : {}, ownable(after), schema);
  if (isEmptySet(changed) && isEmptySet(removed)) return [...entries];

  const taken = union(changed, removed);
  const others = entries.flatMap((entry) => (isEntryOf(entry, writer) ? [] : (without(entry, taken) ?? [])));
  const own = entries.find((entry) => isEntryOf(entry, writer));
  const fields = union(difference(own?.fieldsV1 ?? EMPTY, removed), changed);
  if (isEmptySet(fields)) return inEntryOrder(others);
  const time = own && sameSet(own.fieldsV1, fields) ? own.time : write.now;
  return inEntryOrder(capped([...others, entryOf(writer, fields, time)]));
}

function resetsManagedFields(object: JsonObject): boolean {
  const metadata = object["metadata"];
  const entries = isJsonObject(metadata) ? metadata["managedFields"] : undefined;
  if (!Array.isArray(entries) || entries.length !== 1) return false;
  return isJsonObject(entries[0]) && Object.keys(entries[0]).length === 0;
}

/** Joins the oldest entries of plain writers when there are too many. */
function capped(entries: readonly ManagedFieldsEntry[]): readonly ManagedFieldsEntry[] {
  const updates = entries.filter(({ operation }) => operation === "Update");
  const excess = updates.length - MOST_UPDATE_ENTRIES;
  if (excess <= 0) return entries;
  // One more than the excess: the joined entry takes a place itself.
  const oldest = new Set(inEntryOrder(updates).slice(0, excess + 1));
  const joined = new Map<string, ManagedFieldsEntry>();
  for (const entry of oldest) {
    const key = `${entry.apiVersion} ${entry.subresource ?? ""}`;
    const fields = union(joined.get(key)?.fieldsV1 ?? EMPTY, entry.fieldsV1);
    joined.set(key, entryOf({ ...entry, manager: JOINED_MANAGER }, fields, entry.time));
  }
  return [...entries.filter((entry) => !oldest.has(entry)), ...joined.values()];
}
