/** @module What the server knows of a resource beyond its description: defaults, validation, columns. */
import type { ResourceDefinition } from "./resource.ts";
import type { StatusCause } from "./status-error.ts";

/** An object on its way into the store: made for one request, so that strategies may change it. */
export interface Draft {
  apiVersion: string;
  kind: string;
  metadata: DraftMeta;
  [field: string]: unknown;
}

export interface DraftMeta {
  name: string;
  namespace?: string;
  generateName?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: {
    apiVersion: string;
    kind: string;
    name: string;
    uid: string;
    controller?: boolean;
    blockOwnerDeletion?: boolean;
  }[];
  managedFields?: unknown[];
  selfLink?: unknown;
}

export interface Column {
  readonly name: string;
  readonly type: "string" | "integer" | "date";
  readonly format?: "name";
  readonly description: string;
  /** 1: only with `-o wide`. */
  readonly priority?: 0 | 1;
  readonly cell: (object: Draft, context: CellContext) => string | number | null;
}

export interface CellContext {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** What the nodes say of a policy; "" when they say nothing. */
  readonly enforcement: (object: Draft) => string;
}

/** A subresource whose body is the whole object, of which a part is taken. */
export interface Part {
  /** The stored object with that part of the new one. */
  readonly take: (made: Readonly<Draft>, before: Draft) => Draft;
  readonly validateUpdate: (object: Draft, before: Draft) => readonly StatusCause[];
}

export interface Strategy {
  /** Whether `status` is written through its own path only. */
  readonly hasStatus?: boolean;
  /** Fills in what the user left out, on create and on update. */
  readonly setDefaults?: (object: Draft) => void;
  /** Sees to fields that the server decides, on create. */
  readonly prepareCreate?: (object: Draft) => void;
  /** Keeps fields that an update may not touch without being told so. */
  readonly prepareUpdate?: (object: Draft, before: Draft) => void;
  /** Sees to fields that the server decides, when a deletion is asked for first. */
  readonly prepareDelete?: (object: Draft) => void;
  /** Why an object may not be deleted by anyone. @returns undefined where it may */
  readonly undeletable?: (object: Readonly<Draft>) => string | undefined;
  /** What is to be said of an object that is nevertheless taken. */
  readonly warnings?: (object: Readonly<Draft>) => readonly string[];
  /** An update may leave what was wrong before: the rules may be newer than the object. */
  readonly ratchets?: boolean;
  readonly validate?: (object: Draft) => readonly StatusCause[];
  readonly validateUpdate?: (object: Draft, before: Draft) => readonly StatusCause[];
  /** On create alone. */
  readonly validateCreate?: (object: Draft) => readonly StatusCause[];
  /** Parts with a path of their own that are written with the whole object, by their names. */
  readonly parts?: Readonly<Record<string, Part>>;
  /** Readers of field selectors, by name. */
  readonly fields?: Readonly<Record<string, (object: unknown) => string>>;
  /** Seconds that a deletion leaves the object for its owner on a node to end it; 0 deletes at once. */
  readonly gracePeriodSeconds?: (object: Draft) => number;
  readonly validName?: "subdomain" | "label" | "label-rfc1035" | "path-segment";
  /** What a generation counts: all but metadata and status, where it is counted. */
  readonly hasGeneration?: boolean;
}

/** Another resource's objects in other words: what is written to one is read from both. */
export interface Conversion {
  /** The resource whose objects they are. */
  readonly group: string;
  readonly told: (stored: Draft) => Draft;
  readonly stored: (told: Draft) => Draft;
}

export interface ServedResource extends ResourceDefinition {
  readonly columns: readonly Column[];
  readonly strategy: Strategy;
  /** Its rows do not begin with the name: nobody knows these objects by theirs. */
  readonly nameless?: boolean;
  /** Fields are not checked against a schema: the schema is not known, or open. */
  readonly schemaless?: boolean;
  /** Its own schema: of custom resources, and of kinds that Kubernetes has as such. */
  readonly openApiSchema?: object;
  /** Of a custom resource: the version that is stored. */
  readonly storedVersion?: string;
  readonly conversion?: Conversion;
  /** Fills in the schema's defaults in what was stored before they were there. */
  readonly complete?: (object: Draft) => void;
  /** Its definition is being deleted: no more of it are made. */
  readonly isEnding?: boolean;
}

export const ALL_VERBS: readonly string[] = [
  "create",
  "delete",
  "deletecollection",
  "get",
  "list",
  "patch",
  "update",
  "watch",
];
export const READ_VERBS: readonly string[] = ["get", "list", "watch"];
