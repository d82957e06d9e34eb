/** @module Short ways to write down a resource. */
import { arrayAt, at, stringAt } from "../json.ts";
import type { SubresourceDefinition } from "../resource.ts";
import { ALL_VERBS, type Column, type Draft, type ServedResource, type Strategy } from "../served.ts";
import { AGE_COLUMN } from "../tables.ts";

export interface Definition {
  readonly group: string;
  readonly version?: string;
  readonly kind: string;
  readonly plural: string;
  readonly cluster?: true;
  readonly short?: readonly string[];
  readonly categories?: readonly string[];
  readonly verbs?: readonly string[];
  readonly subresources?: readonly SubresourceDefinition[];
  /** Without Name and Age. */
  readonly columns?: readonly Column[];
  /** Shown behind Age, with `-o wide`. */
  readonly wide?: readonly Column[];
  /** Leaves out Age. */
  readonly ageless?: true;
  readonly strategy?: Strategy;
  readonly schemaless?: true;
  /** Where none is published for the kind. */
  readonly openApiSchema?: object;
}

export function define(definition: Definition): ServedResource {
  const { columns, wide, ageless } = definition;
  return {
    group: definition.group,
    version: definition.version ?? "v1",
    kind: definition.kind,
    plural: definition.plural,
    singular: definition.kind.toLowerCase(),
    namespaced: definition.cluster !== true,
    shortNames: definition.short ?? [],
    categories: definition.categories ?? [],
    verbs: definition.verbs ?? ALL_VERBS,
    subresources: definition.subresources ?? [],
    columns: columns || wide ? [...(columns ?? []), ...(ageless ? [] : [AGE_COLUMN]), ...(wide ?? [])] : [],
    strategy: definition.strategy ?? {},
    ...(definition.schemaless && { schemaless: true }),
    ...(definition.openApiSchema && { openApiSchema: definition.openApiSchema }),
  };
}

export const STATUS_VERBS: readonly string[] = ["get", "patch", "update"];

export function statusOf(kind: string): SubresourceDefinition {
  return { name: "status", kind, verbs: STATUS_VERBS };
}

export const SCALE: SubresourceDefinition = {
  name: "scale",
  kind: "Scale",
  group: "autoscaling",
  version: "v1",
  verbs: STATUS_VERBS,
};

type Cell = Column["cell"];

export function column(
  name: string,
  cell: Cell,
  options: { readonly type?: Column["type"]; readonly wide?: true } = {},
): Column {
  return { name, type: options.type ?? "string", description: name, priority: options.wide ? 1 : 0, cell };
}

export function text(...path: readonly string[]): Cell {
  return (object) => stringAt(object, ...path) ?? "";
}

export function count(...path: readonly string[]): Cell {
  return (object) => numberAt(object, ...path);
}

export function numberAt(object: unknown, ...path: readonly string[]): number {
  const value = at(object, ...path);
  return typeof value === "number" ? value : 0;
}

export function noneIfEmpty(value: string): string {
  return value === "" ? "<none>" : value;
}

/** A label selector as kubectl writes it: `a=b,c in (d,e)`. */
export function selectorText(selector: unknown): string {
  const labels = Object.entries((at(selector, "matchLabels") ?? {}) as Record<string, string>)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`);
  const expressions = arrayAt(selector, "matchExpressions").map((expression) => {
    const key = stringAt(expression, "key") ?? "";
    const values = arrayAt(expression, "values").map(String).sort().join(",");
    switch (stringAt(expression, "operator")) {
      case "In":
        return `${key} in (${values})`;
      case "NotIn":
        return `${key} notin (${values})`;
      case "Exists":
        return key;
      default:
        return `!${key}`;
    }
  });
  return noneIfEmpty([...labels, ...expressions].join(","));
}

export function labelsText(labels: unknown): string {
  return noneIfEmpty(
    Object.entries((labels ?? {}) as Record<string, string>)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => `${key}=${value}`)
      .join(","),
  );
}

export function containersOf(object: Draft, ...path: readonly string[]): readonly unknown[] {
  return arrayAt(object, ...path, "containers");
}

/** Names and images of a template's containers, for `-o wide`. */
export function templateColumns(): Column[] {
  const template = ["spec", "template", "spec"];
  return [
    column(
      "Containers",
      (object) =>
        containersOf(object, ...template)
          .map((one) => stringAt(one, "name") ?? "")
          .join(","),
      { wide: true },
    ),
    column(
      "Images",
      (object) =>
        containersOf(object, ...template)
          .map((one) => stringAt(one, "image") ?? "")
          .join(","),
      { wide: true },
    ),
  ];
}
