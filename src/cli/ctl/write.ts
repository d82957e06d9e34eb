/** @module `tortie ctl apply`, `create`, `replace` and `delete`: every good object is handled, every other is told. */
import { OpError } from "../../base/errors.ts";
import { formatIssue } from "../../base/issue.ts";
import { BUILT_IN_TIERS } from "../../policy/model.ts";
import type { Io } from "../io.ts";
import { paintFor } from "../paint.ts";
import { openFolder } from "./folder-store.ts";
import { entryOf, isObject, isSame, type JsonObject, textAt, withEntry } from "./json.ts";
import { kindOfWord } from "./kinds.ts";
import { type ObjectRef, refText } from "./manifest.ts";
import { failed, invalid, type Outcome, type OutcomeOptions, reportOutcomes } from "./outcome.ts";
import { problemsOf, type Resource, type ResourceOptions, readResources } from "./resources.ts";
import type { Store } from "./store.ts";

export interface StoreOptions {
  readonly store: string;
  /** Patterns of files that are not read. */
  readonly exclude?: readonly string[];
}

export interface WriteOptions extends ResourceOptions, StoreOptions, OutcomeOptions {
  readonly skipExists?: boolean;
  readonly skipNotExists?: boolean;
}

type WriteVerb = "apply" | "create" | "replace";

/** @returns the exit status. @throws OpError */
export async function runWrite(io: Io, verb: WriteVerb, options: WriteOptions): Promise<number> {
  const { found, refused } = await readResources(io, options);
  const store = await openFolder(options.store, {
    folder: io.folder,
    exclude: options.exclude ?? [],
    dryRun: options.dryRun === true,
    isWritten: true,
  });
  const outcomes: Outcome[] = refused.map(({ message }) => ({
    kind: "failed",
    message,
    issues: [],
    exit: 2,
  }));
  for (const resource of found) {
    const outcome = await write(store, verb, resource, options);
    if (outcome.kind === "handled" && outcome.result !== "skipped") warn(io, resource);
    outcomes.push(outcome);
  }
  return reportOutcomes(io, verb, outcomes, options);
}

/** What was written, and yet is odd: fields that nobody knows. */
function warn(io: Io, { object }: Resource): void {
  for (const issue of object.check())
    if (issue.severity === "warning") io.err(paintFor(io).warn(formatIssue(issue)));
}

async function write(
  store: Store,
  verb: WriteVerb,
  resource: Resource,
  options: WriteOptions,
): Promise<Outcome> {
  const { ref } = resource;
  const issues = problemsOf(resource);
  if (issues.length > 0) return invalid(ref, issues);
  const readOnly = readOnlyBecause(ref);
  if (readOnly !== undefined)
    return failed(ref, `operation ${verb} is not supported on ${refText(ref)}: ${readOnly}`);
  const stored = store.find(ref);
  if (!stored) {
    if (verb === "replace") return failed(ref, missing(ref));
    const { value, text } = resource;
    const written = await store.create({ ref, value, ...(text !== undefined && { text }) });
    return written.kind === "invalid"
      ? invalid(ref, written.issues)
      : { kind: "handled", ref, result: "created", place: written.stored.place };
  }
  if (verb === "create") {
    if (options.skipExists) return { kind: "handled", ref, result: "skipped", place: stored.place };
    const itself = isSameFile(stored.place, resource.object.file)
      ? `, in the file itself, which is in the store ${store.name}`
      : "";
    return failed(ref, `resource already exists: ${refText(ref)}${itself}`);
  }
  const conflict = versionConflict(stored.value, resource.value);
  if (conflict) return failed(ref, `update conflict: ${refText(ref)}: ${conflict}`);
  const value = withClusterMetadata(stored.value, resource.value);
  if (isSame(value, stored.value)) return { kind: "handled", ref, result: "unchanged", place: stored.place };
  const written = await store.replace(ref, value);
  return written.kind === "invalid"
    ? invalid(ref, written.issues)
    : { kind: "handled", ref, result: "updated", place: written.stored.place };
}

/** A relative name and an absolute one may mean one file. */
function isSameFile(a: string, b: string): boolean {
  return a === b || a.endsWith(`/${b}`) || b.endsWith(`/${a}`);
}

const PROFILE_VIEW = /^k(?:ns|sa)\./;

function readOnlyBecause({ kind, name }: ObjectRef): string | undefined {
  if (kind.name === "ClusterInformation") return "it is read-only";
  const isView = kind.name === "Profile" && PROFILE_VIEW.test(name);
  return isView ? "it is made from a Namespace or ServiceAccount" : undefined;
}

/** That it is not there; and where `get` shows it all the same, what it is. */
export function missing(ref: ObjectRef): string {
  const { kind, name } = ref;
  const isTier = kind.name === "Tier" && BUILT_IN_TIERS.some((tier) => tier.name === name);
  const view = isTier
    ? ": it is built in"
    : kind.name === "WorkloadEndpoint"
      ? " (those of pods are views of the pods: change the pod)"
      : kind.name === "Profile" && PROFILE_VIEW.test(name)
        ? " (it is a view of a Namespace or ServiceAccount: change that)"
        : "";
  return `resource does not exist: ${refText(ref)}${view}`;
}

function versionConflict(stored: JsonObject, given: JsonObject): string | undefined {
  const own = textAt(stored, "metadata", "resourceVersion");
  const wanted = textAt(given, "metadata", "resourceVersion");
  if (own === "" || wanted === "" || own === wanted) return undefined;
  return `resource version '${wanted}' is out of date (latest: ${own})`;
}

/** What a cluster has given an object, its author need not repeat. */
const CLUSTER_METADATA = ["namespace", "uid", "resourceVersion", "generation", "creationTimestamp"];

function withClusterMetadata(stored: JsonObject, given: JsonObject): JsonObject {
  const own = entryOf(stored, "metadata");
  let metadata = entryOf(given, "metadata");
  if (!isObject(own) || !isObject(metadata)) return given;
  for (const key of CLUSTER_METADATA) {
    const value = entryOf(own, key);
    if (value !== undefined && !Object.hasOwn(metadata, key)) metadata = withEntry(metadata, key, value);
  }
  return { ...given, metadata };
}

// ── delete ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** @param words - KIND NAME…, where no file is named. @returns the exit status. @throws OpError */
export async function runDelete(io: Io, words: readonly string[], options: WriteOptions): Promise<number> {
  const outcomes: Outcome[] = [];
  let refs: readonly ObjectRef[];
  if (options.filename.length > 0) {
    if (words.length > 0)
      throw new OpError("delete: name a kind or files, not both", { code: "input-invalid" });
    const { found, refused } = await readResources(io, options);
    for (const { message } of refused) outcomes.push({ kind: "failed", message, issues: [], exit: 2 });
    refs = found.map(({ ref }) => ref);
  } else {
    refs = refsOf(words, options.namespace);
  }
  const store = await openFolder(options.store, {
    folder: io.folder,
    exclude: options.exclude ?? [],
    dryRun: options.dryRun === true,
    isWritten: false,
  });
  for (const ref of refs) outcomes.push(await remove(store, ref, options));
  return reportOutcomes(io, "delete", outcomes, options);
}

/** What KIND NAME… means; a name may carry its kind, as `gnp/deny`. @throws OpError `input-invalid` */
export function refsOf(words: readonly string[], namespace = "default"): ObjectRef[] {
  const [first, ...rest] = words;
  if (first === undefined)
    throw new OpError("name a kind and a name, or files with -f", { code: "input-invalid" });
  const slash = first.indexOf("/");
  const kind = kindOfWord(slash < 0 ? first : first.slice(0, slash));
  const names = slash < 0 ? rest : [first.slice(slash + 1), ...rest];
  if (names.length === 0 || names.includes(""))
    throw new OpError(`${first}: resource name may not be empty`, { code: "input-invalid" });
  return names.map((name) => ({ kind, namespace: kind.isNamespaced ? namespace : "", name }));
}

async function remove(store: Store, ref: ObjectRef, options: WriteOptions): Promise<Outcome> {
  const stored = store.find(ref);
  if (!stored) {
    return options.skipNotExists ? { kind: "handled", ref, result: "skipped" } : failed(ref, missing(ref));
  }
  if (ref.kind.name === "Tier") {
    const users = store
      .list()
      .filter(
        ({ ref: { kind }, value }) =>
          kind.groups.includes("projectcalico.org") && textAt(value, "spec", "tier") === ref.name,
      );
    const [first] = users;
    if (first) {
      const more = users.length > 1 ? ` and ${users.length - 1} more` : "";
      return failed(
        ref,
        `operation delete is not supported on ${refText(ref)}: it still has policies: ${refText(first.ref)}${more}`,
      );
    }
  }
  await store.delete(ref);
  return { kind: "handled", ref, result: "deleted", place: stored.place };
}
