/**
 * @module Merge patches: RFC 7386, and the strategic kind, which differs in lists of Kubernetes' own kinds that are merged
 * by a key. Calico's kinds and all custom resources have no such lists, so there the two are one.
 * @see https://www.rfc-editor.org/rfc/rfc7386
 * @see https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch/
 */

import { OpError } from "../../base/errors.ts";
import { ownValue } from "../../base/own.ts";
import { isList, isObject, isSame, type Json } from "./json.ts";

export function mergePatch(target: Json | undefined, patch: Json): Json {
  return merge(target, patch, () => undefined);
}

/** By the list's field: what its items are told apart by. */
const MERGE_KEYS: ReadonlyMap<string, string> = new Map([
  ["containers", "name"],
  ["initContainers", "name"],
  ["ephemeralContainers", "name"],
  ["volumes", "name"],
  ["env", "name"],
  ["imagePullSecrets", "name"],
  ["secrets", "name"],
  ["ports", "containerPort"],
  ["volumeMounts", "mountPath"],
  ["ownerReferences", "uid"],
  ["conditions", "type"],
  ["addresses", "type"],
]);

/** @param isCore - of an object of Kubernetes' core group. @throws OpError `input-invalid` for directives (`$patch`) */
export function strategicPatch(target: Json, patch: Json, isCore: boolean): Json {
  refuseDirectives(patch);
  return merge(target, patch, (field) => (isCore ? MERGE_KEYS.get(field) : undefined));
}

function merge(target: Json | undefined, patch: Json, keyOf: (field: string) => string | undefined): Json {
  if (!isObject(patch)) return patch;
  const merged = new Map(Object.entries(isObject(target) ? target : {}));
  for (const [field, value] of Object.entries(patch)) {
    const old = merged.get(field);
    const key = keyOf(field);
    if (value === null) merged.delete(field);
    else if (key !== undefined && isList(value) && isList(old))
      merged.set(field, mergeList(old, value, key, keyOf));
    else merged.set(field, merge(old, value, keyOf));
  }
  return Object.fromEntries(merged);
}

function mergeList(
  old: readonly Json[],
  patch: readonly Json[],
  key: string,
  keyOf: (field: string) => string | undefined,
): Json[] {
  const items = [...old];
  for (const item of patch) {
    const at = isObject(item)
      ? items.findIndex(
          (one) =>
            isObject(one) &&
            ownValue(one, key) !== undefined &&
            isSame(ownValue(one, key), ownValue(item, key)),
        )
      : -1;
    if (at < 0) items.push(merge(undefined, item, keyOf));
    else items[at] = merge(items[at], item, keyOf);
  }
  return items;
}

function refuseDirectives(patch: Json): void {
  if (isList(patch)) for (const item of patch) refuseDirectives(item);
  if (!isObject(patch)) return;
  for (const [field, value] of Object.entries(patch)) {
    if (field.startsWith("$"))
      throw new OpError(`directive ${field} is not supported in a patch: say it with --type json`, {
        code: "input-invalid",
      });
    refuseDirectives(value);
  }
}
