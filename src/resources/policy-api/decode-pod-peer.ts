/** @module Pods of namespaces, as subjects and peers name them. */
import { BAD, type Cursor, type Fields, fieldNames } from "../decode/cursor.ts";
import { decodeLabelSelector } from "../networking/decode-label-selector.ts";
import type { LabelSelector } from "../networking/types.ts";

const NAMESPACED_PODS: ReadonlySet<string> = fieldNames("namespaceSelector podSelector");

export const ALL: LabelSelector = { requirements: [] };

export interface NamespacedPods {
  readonly namespaceSelector: LabelSelector;
  readonly podSelector: LabelSelector;
}

/** `podSelector` must be there; without `namespaceSelector` the namespaces are all. */
export function decodeNamespacedPods(cursor: Cursor): NamespacedPods | typeof BAD {
  const fields = cursor.isAbsent ? cursor.required() : cursor.fields(NAMESPACED_PODS);
  if (fields === BAD || fields === undefined) return BAD;
  const namespaceSelector = decodeLabelSelector(fields.at("namespaceSelector"));
  const podSelector = decodeRequiredSelector(fields.at("podSelector"));
  if (namespaceSelector === BAD || podSelector === BAD) return BAD;
  return { namespaceSelector: namespaceSelector ?? ALL, podSelector };
}

export function decodeRequiredSelector(cursor: Cursor): LabelSelector | typeof BAD {
  if (cursor.isAbsent) return cursor.required("write {} to select all");
  return decodeLabelSelector(cursor) ?? BAD;
}

/**
 * The one field that a union has. None at all may be the field of a newer version, so it is never taken for "any".
 * @param what - what the union is, for the message
 */
export function onlyField<T extends string>(
  fields: Fields,
  known: ReadonlySet<T>,
  what: string,
): T | typeof BAD {
  const present = [...known].filter((name) => !fields.at(name).isAbsent);
  const [only] = present;
  if (only !== undefined && present.length === 1) return only;
  const names = [...known].map((name) => `\`${name}\``).join(", ");
  fields.report.error({
    code: present.length === 0 ? `empty-${what}` : `mixed-${what}`,
    path: fields.path,
    message: `must have exactly one of ${names}`,
  });
  return BAD;
}
