/** @module `tortie ctl patch` and `tortie ctl label`: one object, changed in its place. */
import { OpError } from "../../base/errors.ts";
import { formatIssue } from "../../base/issue.ts";
import { parseDocuments } from "../../resources/yaml/documents.ts";
import type { Io } from "../io.ts";
import { openFolder } from "./folder-store.ts";
import {
  isObject,
  isSame,
  type Json,
  type JsonObject,
  plain,
  scalarText,
  valueAt,
  withValueAt,
} from "./json.ts";
import { jsonPatch } from "./json-patch.ts";
import type { ObjectRef } from "./manifest.ts";
import { mergePatch, strategicPatch } from "./merge-patch.ts";
import { failed, invalid, type Outcome, type OutcomeOptions, reportOutcomes } from "./outcome.ts";
import type { Store, StoredObject } from "./store.ts";
import { missing, refsOf, type StoreOptions } from "./write.ts";

export interface ChangeOptions extends StoreOptions, OutcomeOptions {
  readonly namespace?: string;
}

export interface PatchOptions extends ChangeOptions {
  readonly patch: string;
  readonly type: "strategic" | "json" | "merge";
}

/** @returns the exit status. @throws OpError */
export async function runPatch(io: Io, words: readonly string[], options: PatchOptions): Promise<number> {
  const patch = readPatch(options.patch);
  const { store, ref } = await target(io, words, options);
  const stored = store.find(ref);
  if (!stored) return reportOutcomes(io, "patch", [failed(ref, missing(ref))], options);
  return reportOutcomes(
    io,
    "patch",
    [await patchStored(store, stored, { ...options, with: patch })],
    options,
  );
}

async function target(
  io: Io,
  words: readonly string[],
  options: ChangeOptions,
): Promise<{ store: Store; ref: ObjectRef }> {
  const [ref, second] = refsOf(words, options.namespace);
  if (!ref || second) throw new OpError("name one resource: KIND NAME", { code: "input-invalid" });
  const store = await openFolder(options.store, {
    folder: io.folder,
    exclude: options.exclude ?? [],
    dryRun: options.dryRun === true,
    isWritten: false,
  });
  return { store, ref };
}

/** JSON or YAML. @throws OpError `input-invalid` */
function readPatch(text: string): Json {
  const { documents, issues } = parseDocuments("--patch", text);
  const [issue] = issues;
  if (issue) throw new OpError(`--patch: ${formatIssue(issue)}`, { code: "input-invalid" });
  const [document] = documents;
  if (documents.length !== 1 || !document)
    throw new OpError("--patch: one JSON or YAML value is needed", { code: "input-invalid" });
  return plain(document.value);
}

async function patchStored(
  store: Store,
  { ref, value }: StoredObject,
  { type, with: patch }: { readonly type: PatchOptions["type"]; readonly with: Json },
): Promise<Outcome> {
  if (type !== "json" && !isObject(patch))
    return failed(ref, `a ${type} patch is a mapping, as {spec: {order: 10}}`, 2);
  let patched: Json;
  if (type === "json") {
    const result = jsonPatch(value, patch);
    if (result.kind === "failed") return failed(ref, result.message, result.isMalformed ? 2 : 1);
    patched = result.value;
  } else {
    const isCore = ref.kind.groups[0] === "";
    patched = type === "merge" ? mergePatch(value, patch) : strategicPatch(value, patch, isCore);
  }
  if (!isObject(patched)) return failed(ref, "what is left of it is no object", 2);
  for (const path of [["kind"], ["apiVersion"], ["metadata", "name"], ["metadata", "namespace"]]) {
    if (!isSame(valueAt(value, path), valueAt(patched, path)))
      return failed(ref, `${path.join(".")} may not be changed: another object would be meant`, 2);
  }
  return change(store, ref, value, patched);
}

async function change(store: Store, ref: ObjectRef, before: JsonObject, after: JsonObject): Promise<Outcome> {
  const place = store.find(ref)?.place;
  if (isSame(before, after))
    return { kind: "handled", ref, result: "unchanged", ...(place !== undefined && { place }) };
  const written = await store.replace(ref, after);
  return written.kind === "invalid"
    ? invalid(ref, written.issues)
    : { kind: "handled", ref, result: "updated", place: written.stored.place };
}

// ── label ─────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface LabelOptions extends ChangeOptions {
  readonly overwrite?: boolean;
  readonly remove?: boolean;
}

interface LabelChange {
  readonly key: string;
  /** null: taken away. */
  readonly value: string | null;
}

/** @param words - KIND NAME, then `key=value`, or `key` with --remove, or `key-`. @throws OpError */
export async function runLabel(io: Io, words: readonly string[], options: LabelOptions): Promise<number> {
  if (options.remove && options.overwrite)
    throw new OpError("label: --remove and --overwrite contradict each other", { code: "input-invalid" });
  const named = words[0]?.includes("/") ? 1 : 2;
  const changes = words.slice(named).map((word) => readLabel(word, options.remove === true));
  if (changes.length === 0) throw new OpError("label: no labels: name key=value", { code: "input-invalid" });
  const { store, ref } = await target(io, words.slice(0, named), options);
  const title = `${words.slice(0, named).join(" ")}`;
  const stored = store.find(ref);
  const refuse = (message: string): number => reportOutcomes(io, "label", [failed(ref, message)], options);
  if (!stored) return refuse(missing(ref));
  let value = stored.value;
  const told: string[] = [];
  for (const { key, value: wanted } of changes) {
    const path = ["metadata", "labels", key];
    const old = valueAt(value, path);
    if (wanted === null) {
      if (old === undefined) return refuse(`cannot remove label of ${title}, key ${key} does not exist`);
      told.push(`Successfully removed label ${key} from ${title}`);
    } else {
      if (old !== undefined && scalarText(old) !== wanted && !options.overwrite)
        return refuse(
          `failed to update label of ${title}, key ${key} is already present. please use '--overwrite' to set a new value.`,
        );
      told.push(`Successfully ${old === undefined ? "set" : "updated"} label ${key} on ${title}`);
    }
    value = withValueAt(value, path, wanted ?? undefined);
  }
  const outcome = await change(store, ref, stored.value, withoutEmptyLabels(value));
  if (outcome.kind === "failed" || options.output) return reportOutcomes(io, "label", [outcome], options);
  for (const line of told) io.out(`${line}${options.dryRun ? " (dry run: nothing was written)" : ""}`);
  return 0;
}

function withoutEmptyLabels(value: JsonObject): JsonObject {
  const labels = valueAt(value, ["metadata", "labels"]);
  return isObject(labels) && Object.keys(labels).length === 0
    ? withValueAt(value, ["metadata", "labels"], undefined)
    : value;
}

/** @throws OpError `input-invalid` */
function readLabel(word: string, isRemoved: boolean): LabelChange {
  const equals = word.indexOf("=");
  if (isRemoved || (equals < 0 && word.endsWith("-"))) {
    if (equals < 0) return { key: isRemoved ? word : word.slice(0, -1), value: null };
    throw new OpError(`label ${word}: to remove a label name its key alone`, { code: "input-invalid" });
  }
  if (equals <= 0) throw new OpError(`invalid label ${word}: write key=value`, { code: "input-invalid" });
  return { key: word.slice(0, equals), value: word.slice(equals + 1) };
}
