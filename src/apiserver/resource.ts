/** @module How the API server describes a resource that it serves. */

/** A part of a resource with its own path: `…/NAME/status`, `…/NAME/scale`. */
export interface SubresourceDefinition {
  readonly name: string;
  readonly kind: string;
  /** Where the kind lives, when that is not the group of the resource. */
  readonly group?: string;
  readonly version?: string;
  readonly verbs: readonly string[];
}

/** A resource as discovery and OpenAPI tell of it. */
export interface ResourceDefinition {
  /** "" for the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  /** As in a URL: lower case. */
  readonly plural: string;
  readonly singular: string;
  readonly namespaced: boolean;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly verbs: readonly string[];
  readonly subresources: readonly SubresourceDefinition[];
}
