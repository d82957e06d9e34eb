/** @module A file of objects: what stands in it and where, so that one of them can be changed and the rest left alone. */
import { formatIssue, type Issue } from "../../base/issue.ts";
import { decodeValue } from "../../resources/load.ts";
import { type Source, sourceInside } from "../../resources/source.ts";
import { parseDocuments } from "../../resources/yaml/documents.ts";
import { indexPath } from "../../resources/yaml/field-path.ts";
import { type Span, splitDocuments } from "../../resources/yaml/split-documents.ts";
import { entryOf, isList, isObject, type JsonObject, plain, textAt } from "./json.ts";
import { type CtlKind, kindOfObject } from "./kinds.ts";

export interface ObjectRef {
  readonly kind: CtlKind;
  /** "" for what is in no namespace. */
  readonly namespace: string;
  readonly name: string;
}

/** One object of a kind that ctl knows. */
export interface ManifestObject {
  readonly ref: ObjectRef;
  readonly value: JsonObject;
  readonly file: string;
  readonly source: Source;
  /** Number of its document in the file. */
  readonly document: number;
  /** Number among the `items` of a list that the document is; undefined where the document is the object. */
  readonly item?: number;
  /** What is wrong with it, and what is odd. Cost: decodes it. */
  check(): readonly Issue[];
}

/** A thing of another kind, or no object at all. */
export interface OtherDocument {
  /** `Deployment of apps/v1`, or what is missing. */
  readonly what: string;
  readonly source: Source;
  readonly isObject: boolean;
}

export interface Manifest {
  readonly file: string;
  readonly text: string;
  readonly spans: readonly Span[];
  /** By document: what it says; undefined where it is not YAML. */
  readonly values: readonly (JsonObject | undefined)[];
  readonly objects: readonly ManifestObject[];
  readonly others: readonly OtherDocument[];
  /** What keeps the text from being YAML. */
  readonly issues: readonly Issue[];
}

/** The kind's name; of the two that share one, Kubernetes' has calicoctl's word for it. */
export function refKind(kind: CtlKind): string {
  return kind.id === "NetworkPolicy.networking.k8s.io" ? "KubernetesNetworkPolicy" : kind.name;
}

/** `GlobalNetworkPolicy(name)`, `NetworkPolicy(namespace/name)`: calicoctl's way to name an object. */
export function refText({ kind, namespace, name }: ObjectRef): string {
  return `${refKind(kind)}(${namespace === "" ? name : `${namespace}/${name}`})`;
}

export function refKey({ kind, namespace, name }: ObjectRef): string {
  return `${kind.id} ${namespace}/${name}`;
}

/** @param namespace - of objects that name none */
export function parseManifest(file: string, text: string, namespace = "default"): Manifest {
  const spans = splitDocuments(text);
  const { issues } = parseDocuments(file, text);
  const reader = new ManifestReader(file, namespace);
  const values = spans.map((span, index) => reader.read(index, text, span));
  return { file, text, spans, values, objects: reader.objects, others: reader.others, issues };
}

class ManifestReader {
  readonly objects: ManifestObject[] = [];
  readonly others: OtherDocument[] = [];
  readonly #file: string;
  readonly #namespace: string;

  constructor(file: string, namespace: string) {
    this.#file = file;
    this.#namespace = namespace;
  }

  read(document: number, text: string, span: Span): JsonObject | undefined {
    const [parsed] = parseDocuments(this.#file, text.slice(span.start, span.end)).documents;
    if (!parsed) return undefined;
    const source = sourceBelow(parsed.source, lineOf(text, span.start));
    const value = plain(parsed.value);
    if (!isObject(value)) {
      this.others.push({ what: "no object", source, isObject: false });
      return undefined;
    }
    const items = entryOf(value, "items");
    const kind = textAt(value, "kind");
    if (kind.endsWith("List") && isList(items)) {
      const type = { apiVersion: textAt(value, "apiVersion"), kind: kind.slice(0, -"List".length) };
      const raw = rawItems(parsed.value);
      for (const [item, inner] of items.entries()) {
        const inside = sourceInside(source, indexPath("items", item));
        const typed =
          isObject(inner) && type.kind !== "" && !("kind" in inner) ? { ...type, ...inner } : inner;
        const rawTyped = typed === inner ? raw[item] : { ...type, ...Object(raw[item]) };
        if (isObject(typed)) this.#add(typed, { raw: rawTyped, source: inside, document, item });
        else this.others.push({ what: "no object", source: inside, isObject: false });
      }
    } else {
      this.#add(value, { raw: parsed.value, source, document });
    }
    return value;
  }

  #add(value: JsonObject, place: { raw: unknown; source: Source; document: number; item?: number }): void {
    const { raw, ...where } = place;
    const kindName = textAt(value, "kind");
    const apiVersion = textAt(value, "apiVersion");
    const kind = kindOfObject(kindName, apiVersion);
    if (!kind) {
      const isTyped = kindName !== "" && apiVersion !== "";
      const what = isTyped ? `${kindName} of ${apiVersion}` : "no Kubernetes object";
      this.others.push({ what, source: place.source, isObject: isTyped });
      return;
    }
    const namespace = kind.isNamespaced ? textAt(value, "metadata", "namespace") || this.#namespace : "";
    const ref = { kind, namespace, name: textAt(value, "metadata", "name") };
    const defaultNamespace = this.#namespace;
    const check = (): readonly Issue[] => checkObject(raw, { ref, source: place.source, defaultNamespace });
    this.objects.push({ ref, value, file: this.#file, ...where, check });
  }
}

/** What the decoder says; of kinds that are not decoded, only that there must be a name. */
function checkObject(
  raw: unknown,
  { ref, source, defaultNamespace }: { ref: ObjectRef; source: Source; defaultNamespace: string },
): readonly Issue[] {
  const { objects, issues } = decodeValue(raw, source, { defaultNamespace });
  if (ref.name !== "" || objects.length > 0 || issues.length > 0) return issues;
  const position = source.locate("metadata") ?? source.locate("");
  return [
    {
      code: "required",
      severity: "error",
      path: "metadata.name",
      message: "Required value: name is required",
      ...(position && { position }),
    },
  ];
}

function rawItems(value: unknown): readonly unknown[] {
  const items: unknown = typeof value === "object" && value !== null && "items" in value ? value.items : [];
  return Array.isArray(items) ? items : [];
}

/** Lines from 0. */
function lineOf(text: string, offset: number): number {
  let lines = 0;
  for (let at = text.indexOf("\n"); at >= 0 && at < offset; at = text.indexOf("\n", at + 1)) lines++;
  return lines;
}

function sourceBelow(source: Source, lines: number): Source {
  return {
    file: source.file,
    locate: (path, offset) => {
      const place = source.locate(path, offset);
      return place && { ...place, line: place.line + lines };
    },
  };
}

export function errorsOf(issues: readonly Issue[]): readonly Issue[] {
  return issues.filter(({ severity }) => severity === "error");
}

export function issueLines(issues: readonly Issue[]): string[] {
  return issues.map(formatIssue);
}
