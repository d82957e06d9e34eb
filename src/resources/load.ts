/** @module From texts to objects: the one door into this room. */
import type { Issue } from "../base/issue.ts";
import { formatPosition } from "../base/issue.ts";
import { resolveWorkloads } from "./apps/resolve-workloads.ts";
import { closestWord } from "./decode/closest-word.ts";
import { BAD, Cursor, didYouMean, type Fields, orAbsent } from "./decode/cursor.ts";
import {
  bearsOnPolicy,
  findKind,
  findNearKind,
  findOnlyKind,
  groupOf,
  isVersionOf,
  type Kind,
  servedKinds,
  TEST_API_VERSION,
  TEST_KIND,
} from "./decode/kinds.ts";
import { Report } from "./decode/report.ts";
import { type KubernetesObject, objectName } from "./object.ts";
import { type Source, sourceInside } from "./source.ts";
import { decodeConnectivityTest } from "./tortie/decode-connectivity-test.ts";
import type { ConnectivityTest } from "./tortie/types.ts";
import { parseDocuments } from "./yaml/documents.ts";
import { indexPath } from "./yaml/field-path.ts";

export interface LoadOptions {
  /** For namespaced objects that name none; "default" where left out. */
  readonly defaultNamespace?: string;
}

export interface LoadResult {
  /** In the order read. Each kind, namespace and name once: of two, the first. */
  readonly objects: readonly KubernetesObject[];
  readonly tests: readonly ConnectivityTest[];
  /** Everything wrong in all texts, in the order read. */
  readonly issues: readonly Issue[];
  /** How many objects were of kinds that do not bear on policy. */
  readonly ignored: number;
}

export interface InputText {
  /** The name that positions carry. */
  readonly file: string;
  readonly text: string;
  /**
   * Found in a folder or by a glob, not named by itself: what is no Kubernetes object in it (a docker-compose file, a
   * chart's values) is passed over with a warning instead of an error.
   */
  readonly scanned?: boolean;
}

/** Reads all objects of all files. Never throws for what is in them: that is told in issues. */
export function decodeTexts(files: Iterable<InputText>, options: LoadOptions = {}): LoadResult {
  const loader = new Loader(options);
  for (const { file, text, scanned } of files) {
    const { documents, issues } = parseDocuments(file, text);
    loader.addIssues(issues);
    for (const { value, source } of documents) {
      if (scanned && isForeign(value)) loader.passOverForeign(source);
      else loader.addValue(value, source);
    }
  }
  return loader.finish();
}

/**
 * Reads one object, or a list of them, that is already a value: what `JSON.parse` or `parseDocuments` gives.
 * @param source - where the value stands; for objects inside a test see `sourceInside`
 */
export function decodeValue(value: unknown, source: Source, options: LoadOptions = {}): LoadResult {
  const loader = new Loader(options);
  loader.addValue(value, source);
  return loader.finish();
}

/**
 * Half an object (a kind without a version, a version and metadata without a kind) is a mistake; nothing of one is
 * another program's file, and so is a chart's description, which has a version alone.
 */
function isForeign(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const list = Array.isArray(value) ? value : "items" in value ? value.items : undefined;
  return !(Array.isArray(list) ? list : [value]).some(isTyped);
}

function isTyped(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const names = new Set(Object.keys(value).map((name) => name.toLowerCase()));
  if (names.has("kind") || (names.has("metadata") && names.has("spec"))) return true;
  return names.has("apiversion") && (names.has("metadata") || names.has("spec") || !names.has("name"));
}

class Loader {
  readonly issues: Issue[] = [];
  readonly #objects = new Map<string, KubernetesObject>();
  readonly #tests: ConnectivityTest[] = [];
  readonly #defaultNamespace: string;
  #ignored = 0;

  constructor(options: LoadOptions) {
    this.#defaultNamespace = options.defaultNamespace ?? "default";
  }

  finish(): LoadResult {
    const objects = resolveWorkloads([...this.#objects.values()]);
    return { objects, tests: this.#tests, issues: this.issues, ignored: this.#ignored };
  }

  /** One by one: a file may have more issues than a call may have arguments. */
  addIssues(issues: readonly Issue[]): void {
    for (const issue of issues) this.issues.push(issue);
  }

  passOverForeign(source: Source): void {
    const report = new Report(source);
    report.warn({
      code: "not-kubernetes",
      path: "",
      message: "not a Kubernetes object, passed over",
    });
    this.addIssues(report.issues);
    this.#ignored++;
  }

  addValue(value: unknown, source: Source): void {
    const report = new Report(source);
    const cursor = new Cursor(report, value, "");
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      const message = "not a Kubernetes object: expected a mapping with apiVersion and kind";
      report.error({ code: "not-an-object", path: "", message, unread: true });
    } else {
      const root = orAbsent(cursor.fields());
      if (root) this.#addFields(root, report);
    }
    this.addIssues(report.issues);
  }

  #addFields(root: Fields, report: Report): void {
    const apiVersion = root.at("apiVersion").string();
    const kind = root.at("kind").string();
    for (const [field, reading] of [
      ["apiVersion", apiVersion],
      ["kind", kind],
    ] as const) {
      if (reading === BAD) report.markUnread(field, "cannot be read, so this is no object of any kind");
    }
    if (apiVersion === BAD || kind === BAD) return;
    if (!apiVersion || !kind) {
      this.#addUntyped(root, report, { apiVersion, kind });
      return;
    }
    const items = root.at("items");
    if (kind.endsWith("List") && Array.isArray(items.value)) {
      this.#addItems(items, { apiVersion, kind: kind.slice(0, -"List".length) });
    } else if (isList(apiVersion, kind)) {
      const near = root.entries().find(([name]) => closestWord(name, ["items"]) !== undefined)?.[0];
      const hint = near === undefined || near === "items" ? "write items: [] for none" : didYouMean("items");
      const message = "Required value: a list has a list of items";
      report.error({ code: "no-items", path: "items", message, hint, unread: true });
    } else {
      this.#addObject(root, report, { apiVersion, kind });
    }
  }

  /** An object that names its kind alone is read as that kind, with an error. */
  #addUntyped(
    root: Fields,
    report: Report,
    { apiVersion, kind }: { readonly apiVersion: string | undefined; readonly kind: string | undefined },
  ): void {
    const missing = [...(apiVersion ? [] : ["apiVersion"]), ...(kind ? [] : ["kind"])].join(" and ");
    const found = kind ? findOnlyKind(kind) : undefined;
    const message = `not a Kubernetes object: ${missing} not set`;
    const hint = found && `write apiVersion: ${found[1].apiVersion}`;
    report.error({ code: "missing-kind", path: "", message, hint, ...(!found && { unread: true }) });
    if (!found) return;
    this.#addKind(found[1], report, { apiVersion: found[1].apiVersion, kind: found[0], root });
  }

  /** Items of a typed list (`PodList`) come from the API without kind and version of their own. */
  #addItems(items: Cursor, type: { apiVersion: string; kind: string }): void {
    const { value, report } = items;
    if (!Array.isArray(value)) return;
    for (const [index, item] of value.entries()) {
      const typed =
        type.kind !== "" && typeof item === "object" && item !== null && !("kind" in item)
          ? { ...type, ...item }
          : item;
      this.addValue(typed, sourceInside(report.source, indexPath(items.path, index)));
    }
  }

  #addObject(root: Fields, report: Report, { apiVersion, kind }: { apiVersion: string; kind: string }): void {
    const known = findKind(kind, apiVersion);
    if (known) {
      if (!isVersionOf(known, apiVersion)) reportVersion(report, { apiVersion, kind }, known.apiVersion);
      this.#addKind(known, report, { apiVersion, kind, root });
    } else if (kind === TEST_KIND && isGroupOfTests(groupOf(apiVersion))) {
      this.#addTest(root, report.source, apiVersion);
    } else {
      this.#addUnknown(root, report, { apiVersion, kind });
    }
  }

  /** An object that has no reading has no place in an answer, and without it there is none. */
  #addKind(
    known: Kind,
    report: Report,
    object: { readonly apiVersion: string; readonly kind: string; readonly root: Fields },
  ): void {
    const decoded = known.decode({ ...object, report, defaultNamespace: this.#defaultNamespace });
    if (decoded) this.#keep(decoded, report);
    else markLastUnread(report);
  }

  #addTest(root: Fields, source: Source, apiVersion: string): void {
    const strict = new Report(source, { unknownField: "error", booleanWords: "strings" });
    const input = {
      apiVersion,
      kind: TEST_KIND,
      root: root.reportingTo(strict),
      report: strict,
      defaultNamespace: this.#defaultNamespace,
    };
    if (apiVersion !== TEST_API_VERSION) reportVersion(strict, input, TEST_API_VERSION);
    const test = decodeConnectivityTest(input);
    if (test) this.#tests.push(test);
    // A probe or a step that is left out would count as one that holds.
    for (const { severity, path = "" } of strict.issues)
      if (severity === "error") strict.markUnread(path, "cannot be read");
    this.addIssues(strict.issues);
  }

  /** A kind that is misspelt is read as the one that it is near to, with an error: left out, it would govern nothing. */
  #addUnknown(
    root: Fields,
    report: Report,
    { apiVersion, kind }: { apiVersion: string; kind: string },
  ): void {
    const served = servedKinds(apiVersion);
    const isServed = served?.includes(kind) === true;
    const near = isServed ? undefined : findNearKind(kind, apiVersion);
    if (isServed || (!served && !near)) {
      this.#passOver(report, { apiVersion, kind });
      return;
    }
    const message = `no matches for kind ${JSON.stringify(kind)} in version ${JSON.stringify(apiVersion)}`;
    const closest = near?.[0] ?? closestWord(kind, served ?? []);
    const hint = didYouMean(closest);
    report.error({ code: "unknown-kind", path: "kind", message, hint, ...(!near && { unread: true }) });
    if (near) this.#addKind(near[1], report, { apiVersion, kind: near[0], root });
  }

  #passOver(report: Report, { apiVersion, kind }: { apiVersion: string; kind: string }): void {
    if (bearsOnPolicy(apiVersion, kind)) {
      const message = `${kind} of ${apiVersion} is a policy that this version does not evaluate: answers leave it out`;
      report.warn({ code: "unsupported-policy-kind", path: "kind", message });
    } else if (kind === "ReplicationController" && apiVersion === "v1") {
      report.warn({
        code: "unsupported-kind",
        path: "kind",
        message: "the pods of a ReplicationController are left out",
      });
    }
    this.#ignored++;
  }

  #keep(object: KubernetesObject, report: Report): void {
    const name = objectName(object);
    const first = this.#objects.get(name);
    if (!first) {
      this.#objects.set(name, object);
      return;
    }
    const place = first.source.locate("");
    const where = place ? ` at ${formatPosition(place)}` : "";
    report.error({
      code: "duplicate-object",
      path: "metadata.name",
      message: `${name} stands twice: the first is${where || " another of this input"}`,
      // Of two that say different things, either may be the narrower one.
      ...(contentOf(first) !== contentOf(object) && { unread: true }),
    });
  }
}

/** What an object says, wherever it stands. */
function contentOf(object: KubernetesObject): string {
  return JSON.stringify(object, (key, value: unknown) => (key === "source" ? undefined : value));
}

/** Misspelt as well: a test that is passed over would count as one that holds. */
function isGroupOfTests(group: string): boolean {
  return closestWord(group, [groupOf(TEST_API_VERSION)]) !== undefined;
}

function isList(apiVersion: string, kind: string): boolean {
  if (kind === "List") return true;
  if (!kind.endsWith("List")) return false;
  const item = kind.slice(0, -"List".length);
  return findKind(item, apiVersion) !== undefined || servedKinds(apiVersion)?.includes(item) === true;
}

/** Of an object that was not read, the reason was reported last. */
function markLastUnread(report: Report): void {
  const last = report.issues.findLast(({ severity }) => severity === "error");
  report.markUnread(last?.path ?? "", "cannot be read");
}

function reportVersion(report: Report, input: { kind: string; apiVersion: string }, wanted: string): void {
  report.error({
    code: "unsupported-api-version",
    path: "apiVersion",
    message: `no matches for kind ${JSON.stringify(input.kind)} in version ${JSON.stringify(input.apiVersion)}`,
    hint: `write apiVersion: ${wanted}`,
  });
}
