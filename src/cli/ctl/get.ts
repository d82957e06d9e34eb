/** @module `tortie ctl get`. */
import { OpError } from "../../base/errors.ts";
import type { Io } from "../io.ts";
import { counted } from "../output.ts";
import { paintFor } from "../paint.ts";
import { type FolderStore, openFolder } from "./folder-store.ts";
import { isObject, type JsonObject, valueAt, withEntry } from "./json.ts";
import { type CtlKind, KINDS, kindsOfWord } from "./kinds.ts";
import { issueLines, type ObjectRef, refKey, refText } from "./manifest.ts";
import { parseOutput, printObjects } from "./print.ts";
import { type ResourceOptions, readResources } from "./resources.ts";
import { CLUSTER_METADATA, type StoredObject } from "./store.ts";
import { viewsOf } from "./views.ts";
import { refsOf, type StoreOptions } from "./write.ts";

export interface GetOptions extends ResourceOptions, StoreOptions {
  readonly output?: string;
  readonly allNamespaces?: boolean;
  readonly export?: boolean;
}

/** @param words - KIND [NAME…], where no file is named. @returns 1 when something named is not there. @throws OpError */
export async function runGet(io: Io, words: readonly string[], options: GetOptions): Promise<number> {
  const format = parseOutput(options.output);
  if (options.allNamespaces && options.namespace !== undefined)
    throw new OpError("--namespace and --all-namespaces contradict each other", { code: "input-invalid" });
  const asked = await readQuestion(io, words, options);
  const store = await openFolder(options.store, {
    folder: io.folder,
    exclude: options.exclude ?? [],
    dryRun: true,
    isWritten: false,
  });
  tellBroken(io, store);
  const stored = store.list();
  const known = [...stored, ...viewsOf(asked.kinds, stored, store.texts)];
  const { found, missing } = asked.refs
    ? pick(known, asked.refs)
    : { found: filter(known, asked.kinds, options), missing: [] };
  const namespaces = options.allNamespaces === true || options.namespace !== undefined;
  const isNamed = asked.refs !== undefined;
  const shown = options.export ? found.map((object) => exported(object, isNamed)) : found;
  for (const line of printObjects(shown, { format, namespaces, isNamed, kinds: asked.kinds })) io.out(line);
  if (!isNamed && found.length === 0) tellElsewhere(io, known, asked.kinds, options);
  for (const ref of missing) io.err(paintFor(io).bad(`resource does not exist: ${refText(ref)}`));
  return missing.length > 0 ? 1 : 0;
}

interface Question {
  readonly kinds: readonly CtlKind[];
  /** undefined: all of the kinds. */
  readonly refs?: readonly ObjectRef[];
}

async function readQuestion(io: Io, words: readonly string[], options: GetOptions): Promise<Question> {
  if (options.filename.length > 0) {
    if (words.length > 0) throw new OpError("get: name a kind or files, not both", { code: "input-invalid" });
    const { found, refused } = await readResources(io, options);
    for (const { message } of refused) io.err(message);
    const refs = found.map(({ ref }) => ref);
    return { kinds: kindsOf(refs), refs };
  }
  const [word, ...names] = words;
  if (word === undefined)
    throw new OpError("get: name a kind (gnp, networkpolicy, hep … or all), or files with -f", {
      code: "input-invalid",
    });
  if (names.length === 0 && !word.includes("/")) return { kinds: kindsOfWord(word) };
  if (options.allNamespaces)
    throw new OpError("cannot use --all-namespaces for getting resources by name", { code: "input-invalid" });
  const refs = refsOf(words, options.namespace);
  return { kinds: kindsOf(refs), refs };
}

const kindsOf = (refs: readonly ObjectRef[]): CtlKind[] => [...new Set(refs.map(({ kind }) => kind))];

function pick(
  known: readonly StoredObject[],
  refs: readonly ObjectRef[],
): { found: StoredObject[]; missing: ObjectRef[] } {
  const byKey = new Map(known.map((object) => [refKey(object.ref), object]));
  return {
    found: refs.flatMap((ref) => byKey.get(refKey(ref)) ?? []),
    missing: refs.filter((ref) => !byKey.has(refKey(ref))),
  };
}

/** Sorted by kind, namespace and name; tiers by their order, as calicoctl has them. */
function filter(
  known: readonly StoredObject[],
  kinds: readonly CtlKind[],
  options: GetOptions,
): StoredObject[] {
  const namespace = options.namespace ?? "default";
  const isAll = kinds.length === KINDS.length;
  return known
    .filter(({ ref }) => kinds.includes(ref.kind))
    .filter(({ ref }) => {
      if (options.allNamespaces) return true;
      // Of everything, a namespace's share is what is in it.
      if (!ref.kind.isNamespaced) return !(isAll && options.namespace !== undefined);
      return ref.namespace === namespace;
    })
    .sort(
      (a, b) =>
        KINDS.indexOf(a.ref.kind) - KINDS.indexOf(b.ref.kind) ||
        tierOrder(a) - tierOrder(b) ||
        compare(a.ref.namespace, b.ref.namespace) ||
        compare(a.ref.name, b.ref.name),
    );
}

function tierOrder({ ref, value }: StoredObject): number {
  if (ref.kind.name !== "Tier") return 0;
  const order = valueAt(value, ["spec", "order"]);
  return typeof order === "number" ? order : Number.MAX_VALUE;
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function tellElsewhere(
  io: Io,
  known: readonly StoredObject[],
  kinds: readonly CtlKind[],
  options: GetOptions,
): void {
  const elsewhere = known.filter(({ ref }) => kinds.includes(ref.kind)).length;
  if (elsewhere === 0 || options.allNamespaces) return;
  io.err(
    `nothing in namespace ${options.namespace ?? "default"}; ${counted(elsewhere, "resource")} elsewhere: -A shows all namespaces`,
  );
}

function tellBroken(io: Io, store: FolderStore): void {
  const paint = paintFor(io);
  for (const { issues } of store.broken) for (const line of issueLines(issues)) io.err(paint.bad(line));
  if (store.broken.length > 0) io.err(`${counted(store.broken.length, "file")} left out: not YAML`);
}

/** @param isNamed - as calicoctl has it, what is exported by name may be applied to another namespace */
function exported(object: StoredObject, isNamed: boolean): StoredObject {
  const metadata = valueAt(object.value, ["metadata"]);
  if (!isObject(metadata)) return object;
  const fields = isNamed ? [...CLUSTER_METADATA, "namespace"] : CLUSTER_METADATA;
  const kept = fields.reduce<JsonObject>((rest, field) => withEntry(rest, field, undefined), metadata);
  return { ...object, value: { ...withEntry(object.value, "status", undefined), metadata: kept } };
}
