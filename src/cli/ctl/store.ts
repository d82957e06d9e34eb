/** @module Where objects are kept. A folder of manifests today; an API server can be another. */
import type { Issue } from "../../base/issue.ts";
import type { JsonObject } from "./json.ts";
import type { ObjectRef } from "./manifest.ts";

export interface StoredObject {
  readonly ref: ObjectRef;
  readonly value: JsonObject;
  /** Where people find it: `policies/web.yaml`. */
  readonly place: string;
}

export interface NewObject {
  readonly ref: ObjectRef;
  readonly value: JsonObject;
  /** As a person wrote it, with its comments; a store that keeps texts keeps this one. */
  readonly text?: string;
}

/**
 * Every write is whole or does not happen, and the next `find` sees it. Writes are refused, with an issue, when the
 * object as it would then be is not valid.
 */
export interface Store {
  /** For messages. */
  readonly name: string;
  /** In the order of the store; each object once. */
  list(): readonly StoredObject[];
  find(ref: ObjectRef): StoredObject | undefined;
  create(object: NewObject): Promise<Written>;
  /** @param value - of the same kind, namespace and name */
  replace(ref: ObjectRef, value: JsonObject): Promise<Written>;
  delete(ref: ObjectRef): Promise<void>;
}

export type Written =
  | { readonly kind: "written"; readonly stored: StoredObject }
  /** Nothing was written. */
  | { readonly kind: "invalid"; readonly issues: readonly Issue[] };

/** Fields of `metadata` that only mean something in the cluster that gave them. */
export const CLUSTER_METADATA: readonly string[] = [
  "uid",
  "resourceVersion",
  "generation",
  "creationTimestamp",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
  "selfLink",
  "managedFields",
];
