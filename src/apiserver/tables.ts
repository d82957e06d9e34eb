/** @module Objects as rows for `kubectl get` (meta.k8s.io/v1 Table). */
import type { JsonObject } from "./json.ts";
import type { CellContext, Column, Draft, ServedResource } from "./served.ts";

export type IncludeObject = "Metadata" | "None" | "Object";

const NAME_COLUMN: Column = {
  name: "Name",
  type: "string",
  format: "name",
  description: "Name must be unique within a namespace.",
  cell: (object) => object.metadata.name,
};

export function columnsOf(resource: ServedResource): readonly Column[] {
  if (resource.nameless) return [...resource.columns, { ...NAME_COLUMN, priority: 1 }];
  return resource.columns.length > 0 ? [NAME_COLUMN, ...resource.columns] : [NAME_COLUMN, AGE_COLUMN];
}

export function definitionsOf(resource: ServedResource): JsonObject[] {
  return columnsOf(resource).map(({ name, type, format, description, priority }) => ({
    name,
    type,
    format: format ?? "",
    description,
    priority: priority ?? 0,
  }));
}

export function rowOf(
  resource: ServedResource,
  object: Readonly<Draft>,
  include: IncludeObject,
  context: CellContext,
): Record<string, unknown> {
  const cells = columnsOf(resource).map((column) => column.cell(object as Draft, context));
  if (include === "None") return { cells };
  return { cells, object: include === "Object" ? object : partialObject(object) };
}

export function partialObject(object: Readonly<Draft>): Record<string, unknown> {
  return { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata: object.metadata };
}

/** Time since, as kubectl writes it: two units at most (apimachinery's duration.HumanDuration). */
export function age(since: unknown, now: number): string {
  if (typeof since !== "string") return "<unknown>";
  return humanDuration(now - Date.parse(since));
}

export function humanDuration(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return seconds % 60 === 0 ? `${minutes}m` : `${minutes}m${seconds % 60}s`;
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return minutes % 60 === 0 ? `${hours}h` : `${hours}h${minutes % 60}m`;
  if (hours < 48) return `${hours}h`;
  if (hours < 192)
    return hours % 24 === 0 ? `${Math.floor(hours / 24)}d` : `${Math.floor(hours / 24)}d${hours % 24}h`;
  const days = Math.floor(hours / 24);
  if (days < 730) return `${days}d`;
  const years = Math.floor(days / 365);
  if (days < 8 * 365) return days % 365 === 0 ? `${years}y` : `${years}y${days % 365}d`;
  return `${years}y`;
}

export const AGE_COLUMN: Column = {
  name: "Age",
  type: "string",
  description: "CreationTimestamp is a timestamp representing the server time when this object was created.",
  cell: (object, { now }) => age(object.metadata.creationTimestamp, now),
};
