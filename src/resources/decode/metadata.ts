/** @module The metadata that all objects share, and labels wherever they stand. */
import { makeLabels } from "../labels.ts";
import { type Labels, type ObjectHead, objectName } from "../object.ts";
import { BAD, type Cursor, type Fields, fieldNames, orAbsent, orElse, type Reading } from "./cursor.ts";
import { checkDnsLabel, checkDnsSubdomain, checkLabelKey, checkLabelValue, type TextRule } from "./names.ts";
import type { Report } from "./report.ts";
import { storedLabels } from "./stored-labels.ts";

/** An object that has been opened, and what its decoder must know besides. */
export interface ObjectInput {
  readonly apiVersion: string;
  readonly kind: string;
  readonly root: Fields;
  readonly report: Report;
  readonly defaultNamespace: string;
}

export interface Owner {
  readonly kind: string;
  readonly name: string;
}

export interface Metadata {
  readonly head: ObjectHead;
  /** Whether the name could be read. Without one an object has no place in a cluster. */
  readonly isNamed: boolean;
  /** The owner that controls the object. */
  readonly owner?: Owner;
}

export interface MetadataRules {
  readonly scope: "namespaced" | "cluster";
  readonly name?: TextRule;
}

export const METADATA_FIELDS: ReadonlySet<string> = fieldNames(`
  annotations creationTimestamp deletionGracePeriodSeconds deletionTimestamp finalizers generateName generation labels
  managedFields name namespace ownerReferences resourceVersion selfLink uid`);

/** Reads `metadata`, and names the report after the object. */
export function decodeMetadata(input: ObjectInput, rules: MetadataRules): Metadata {
  const { report, kind } = input;
  const cursor = input.root.at("metadata");
  const metadata = orAbsent(cursor.fields());
  const namespace = metadata
    ? decodeNamespace(metadata.at("namespace"), input, rules)
    : ownNamespace(input, rules);
  // Where an object belongs decides what it governs: a guess would leave open what it was written for.
  if (!metadata && rules.scope === "namespaced" && !cursor.isAbsent)
    report.markUnread("metadata", "cannot be read, so where the object belongs is not known");
  const written = metadata ? metadata.at("name").string() : undefined;
  if (typeof written === "string" && written !== "")
    report.object = objectName({ kind, namespace, name: written });
  metadata?.reportUnknown(METADATA_FIELDS);
  const name = metadata ? decodeName(metadata, written, rules.name ?? checkDnsSubdomain) : undefined;
  if (cursor.isAbsent) {
    cursor.required("name or generateName is required");
    if (rules.scope === "namespaced") report.markUnread("metadata", "");
  }
  const annotations = metadata ? orAbsent(metadata.at("annotations").fields()) : undefined;
  for (const [, value] of annotations?.entries() ?? []) value.string();
  const labels = makeLabels(
    [metadata?.at("labels"), storedLabels(input.apiVersion, annotations)].flatMap((field) =>
      Object.entries((field && orAbsent(decodeLabels(field))) ?? {}),
    ),
  );
  const owner = metadata ? decodeOwner(metadata.at("ownerReferences")) : undefined;
  return {
    head: {
      apiVersion: input.apiVersion,
      name: name ?? unnamed(input),
      namespace,
      labels,
      source: report.source,
    },
    isNamed: name !== undefined,
    ...(owner ? { owner } : {}),
  };
}

/** Unlike any name that an object may have, and different for each place in the input. */
function unnamed(input: ObjectInput): string {
  const place = input.report.source.locate("");
  return place ? `(unnamed at ${place.file}:${place.line})` : "(unnamed)";
}

function ownNamespace(input: ObjectInput, rules: MetadataRules): string {
  return rules.scope === "cluster" ? "" : input.defaultNamespace;
}

function decodeNamespace(cursor: Cursor, input: ObjectInput, rules: MetadataRules): string {
  const written = cursor.string();
  const namespace = orElse(written, "");
  if (rules.scope === "cluster") {
    if (namespace !== "")
      cursor.warn(
        "namespace-on-cluster-scoped",
        `${input.kind} is not namespaced: the namespace means nothing`,
      );
    return "";
  }
  const problems = namespace === "" ? [] : checkDnsLabel(namespace);
  for (const problem of problems) cursor.invalid("invalid-name", problem);
  if (written === BAD || problems.length > 0)
    input.report.markUnread(cursor.path, "cannot be read, so where the object belongs is not known");
  return namespace === "" ? input.defaultNamespace : namespace;
}

/** @returns undefined where there is no name that could be used, which has been reported */
function decodeName(metadata: Fields, written: Reading<string>, rule: TextRule): string | undefined {
  const cursor = metadata.at("name");
  if (written === BAD) return undefined;
  if (written === undefined || written === "") {
    const prefix = orElse(metadata.at("generateName").string(), "");
    if (prefix !== "") return `${prefix}1`;
    cursor.required("name or generateName is required");
    return undefined;
  }
  for (const problem of rule(written)) cursor.invalid("invalid-name", problem);
  return written;
}

/** @returns the labels that are valid; BAD when the field is not a mapping */
export function decodeLabels(cursor: Cursor): Reading<Labels> {
  const strict = decodeLabelsStrictly(cursor);
  return strict === undefined || strict === BAD ? strict : strict.labels;
}

/** @returns besides the valid labels, whether those are all */
export function decodeLabelsStrictly(
  cursor: Cursor,
): Reading<{ readonly labels: Labels; readonly complete: boolean }> {
  const fields = cursor.fields();
  if (fields === undefined || fields === BAD) return fields;
  const valid: (readonly [string, string])[] = [];
  let complete = true;
  for (const [key, value] of fields.entries()) {
    const text = decodeLabel(key, value);
    if (text === undefined) complete = false;
    else valid.push([key, text]);
  }
  return { labels: makeLabels(valid), complete };
}

function decodeLabel(key: string, cursor: Cursor): string | undefined {
  // Null is what an empty value (`app:`) parses to; in a map of strings it decodes to the empty string.
  const value = cursor.isAbsent ? "" : cursor.string();
  const keyProblems = checkLabelKey(key);
  for (const problem of keyProblems)
    cursor.error("invalid-label-key", `Invalid value: ${JSON.stringify(key)}: ${problem}`);
  if (value === BAD || value === undefined) return undefined;
  const valueProblems = checkLabelValue(value);
  for (const problem of valueProblems) cursor.invalid("invalid-label-value", problem);
  return keyProblems.length + valueProblems.length === 0 ? value : undefined;
}

function decodeOwner(cursor: Cursor): Owner | undefined {
  for (const item of orElse(cursor.list(), [])) {
    const reference = orAbsent(item.fields());
    if (!reference || orElse(reference.at("controller").boolean(), false) !== true) continue;
    const kind = orAbsent(reference.at("kind").string());
    const name = orAbsent(reference.at("name").string());
    if (kind !== undefined && name !== undefined) return { kind, name };
  }
  return undefined;
}
