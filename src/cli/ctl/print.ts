/** @module Objects as calicoctl shows them: tables, columns of one's own, YAML, JSON, names. */
import { OpError } from "../../base/errors.ts";
import { closestWord } from "../../resources/decode/closest-word.ts";
import { structured } from "../output.ts";
import { textTable } from "../table.ts";
import { type Column, columnOf, defaultHeadings, headingsOf } from "./columns.ts";
import { isList, isObject, type Json, type JsonObject, scalarText } from "./json.ts";
import { type CtlKind, KINDS } from "./kinds.ts";
import { refKind } from "./manifest.ts";
import type { StoredObject } from "./store.ts";

export type OutputFormat =
  | { readonly kind: "table"; readonly wide: boolean }
  | { readonly kind: "columns"; readonly columns: readonly string[] }
  | { readonly kind: "yaml" | "json" | "name" };

const COLUMNS = "custom-columns=";

/** @throws OpError `input-invalid` */
export function parseOutput(text: string | undefined): OutputFormat {
  if (text?.startsWith(COLUMNS)) {
    const columns = text.slice(COLUMNS.length).split(",");
    if (columns.includes("")) {
      throw new OpError("-o custom-columns=: name columns: NAME,SELECTOR or NAME:.metadata.name", {
        code: "input-invalid",
      });
    }
    return { kind: "columns", columns };
  }
  switch (text) {
    case undefined:
    case "ps":
      return { kind: "table", wide: false };
    case "wide":
      return { kind: "table", wide: true };
    case "yaml":
    case "yml":
      return { kind: "yaml" };
    case "json":
    case "name":
      return { kind: text };
    default:
      throw new OpError(
        `unrecognized output format '${text}': one of ps, wide, yaml, json, name, custom-columns=…`,
        { code: "input-invalid" },
      );
  }
}

export interface PrintOptions {
  readonly format: OutputFormat;
  /** Whether namespaces are a column. */
  readonly namespaces: boolean;
  /** Asked for by name: one alone is shown as itself, not as a list. */
  readonly isNamed: boolean;
  /** Shown with its heading although nothing is under it. */
  readonly kinds: readonly CtlKind[];
}

/** @returns lines. @throws OpError `input-invalid` for a column that the kind has not */
export function printObjects(objects: readonly StoredObject[], options: PrintOptions): string[] {
  const { format } = options;
  switch (format.kind) {
    case "name":
      return objects.map(({ ref }) => `${ref.kind.id.toLowerCase()}/${ref.name}`);
    case "json":
    case "yaml":
      return [structured(format.kind, bundle(objects, options))];
    default:
      return tables(objects, options);
  }
}

function bundle(objects: readonly StoredObject[], { isNamed, kinds }: PrintOptions): JsonObject {
  const [first] = objects;
  if (isNamed && first && objects.length === 1) return first.value;
  const [kind] = kinds;
  const items = objects.map(({ value }) => value);
  const isPure = kind && kinds.length === 1 && items.every((item) => item["apiVersion"] === kind.apiVersion);
  return isPure && !isNamed
    ? { apiVersion: kind.apiVersion, kind: `${kind.name}List`, items }
    : { apiVersion: "v1", kind: "List", items };
}

/** One a kind, with an empty line between. */
function tables(objects: readonly StoredObject[], options: PrintOptions): string[] {
  const { format, kinds, namespaces } = options;
  const shown = KINDS.filter((kind) => kinds.includes(kind));
  const lines: string[] = [];
  for (const kind of shown) {
    const own = objects.filter(({ ref }) => ref.kind === kind);
    if (own.length === 0 && shown.length > 1) continue;
    const columns =
      format.kind === "columns"
        ? format.columns.map((text) => customColumn(kind, text))
        : tableColumns(kind, format.kind === "table" && format.wide, namespaces);
    if (lines.length > 0) lines.push("");
    const titled = shown.length > 1 && format.kind === "table";
    // Which kind a table shows, its heading alone does not say.
    if (titled) lines.push(`${refKind(kind)}:`);
    lines.push(
      ...textTable(
        columns.map(({ heading }) => heading),
        own.map(({ value }) => columns.map(({ cell }) => cell(value))),
      ),
    );
  }
  return lines;
}

function tableColumns(kind: CtlKind, wide: boolean, namespaces: boolean): readonly Column[] {
  const headings = [
    ...(namespaces && kind.isNamespaced ? ["NAMESPACE"] : []),
    ...defaultHeadings(kind, wide),
  ];
  return headings.flatMap((heading) => columnOf(kind, heading) ?? []);
}

/** `SELECTOR` of the kind's own, or kubectl's `ANY:.spec.selector`. */
function customColumn(kind: CtlKind, text: string): Column {
  const colon = text.indexOf(":");
  if (colon < 0) {
    const column = columnOf(kind, text.toUpperCase());
    if (column) return column;
    const known = headingsOf(kind);
    const near = closestWord(text, known);
    throw new OpError(
      `${kind.name} has no column ${text}: ${near === undefined ? `there are ${known.join(", ")}` : `did you mean ${near}?`}`,
      { code: "input-invalid" },
    );
  }
  const path = parsePath(text.slice(colon + 1));
  return {
    heading: text.slice(0, colon),
    cell: (object) => collect(object, path).map(scalarText).join(",") || "<none>",
  };
}

/** `.spec.ingress[*].action`, `{.metadata.labels.a\.b}`, `.metadata.labels['a.b']`. @throws OpError `input-invalid` */
function parsePath(text: string): string[] {
  const path = text.replace(/^\{(.*)\}$/, "$1");
  const steps = [...path.matchAll(/\.((?:\\.|[^.[\]\\])+)|\[(?:'([^']*)'|"([^"]*)"|(\*|\d+))\]/gy)];
  const length = steps.reduce((sum, [whole]) => sum + whole.length, 0);
  if (length !== path.length || length === 0)
    throw new OpError(`${text}: no path: write .metadata.name or .spec.ingress[*].action`, {
      code: "input-invalid",
    });
  return steps.map(([, field, single, double, index]) =>
    field === undefined ? (single ?? double ?? index ?? "") : field.replace(/\\(.)/g, "$1"),
  );
}

function collect(value: Json, path: readonly string[]): readonly Json[] {
  const [step, ...rest] = path;
  if (step === undefined) return value === null ? [] : [value];
  if (step === "*") {
    const inside = isList(value) ? value : isObject(value) ? Object.values(value) : [];
    return inside.flatMap((item) => collect(item, rest));
  }
  const child = isList(value)
    ? value[Number(step)]
    : isObject(value) && Object.hasOwn(value, step)
      ? value[step]
      : undefined;
  return child === undefined ? [] : collect(child, rest);
}
