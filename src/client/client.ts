/** @module Reading and writing objects of a Kubernetes API, whichever it is. `connect.ts` makes clients. */
import type { KubeObject, ResourceType } from "./objects.ts";

/** What the API answers when it does not do what was asked: its Status. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  /** The HTTP status: 404, 409, 422 … */
  readonly code: number;
  /** `NotFound`, `AlreadyExists`, `Conflict`, `Invalid`, `Expired` … */
  readonly reason: string;
  readonly details: unknown;
  constructor(
    message: string,
    status: { readonly code: number; readonly reason: string; readonly details?: unknown },
  ) {
    super(message);
    this.code = status.code;
    this.reason = status.reason;
    this.details = status.details;
  }
}

export function isReason(error: unknown, ...reasons: readonly string[]): boolean {
  return error instanceof ApiError && reasons.includes(error.reason);
}

export interface At {
  readonly name: string;
  readonly namespace?: string | undefined;
}

export interface ListOptions {
  readonly namespace?: string | undefined;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly limit?: number;
  readonly continue?: string;
  readonly resourceVersion?: string;
}

export interface List<T> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
  readonly continue?: string;
}

export type WatchEvent<T> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: T }
  | { readonly type: "BOOKMARK"; readonly resourceVersion: string };

export interface WatchOptions extends ListOptions {
  readonly signal: AbortSignal;
}

export type PatchType = "json" | "merge" | "strategic" | "apply";

export interface PatchOptions {
  readonly type: PatchType;
  readonly subresource?: string;
  /** Needed by apply. */
  readonly fieldManager?: string;
  readonly force?: boolean;
}

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: "Background" | "Foreground" | "Orphan";
  readonly uid?: string;
  readonly resourceVersion?: string;
}

/** Every method rejects with {@link ApiError} when the API refuses, and with OpError `api-unreachable` when there is none. */
export interface Client {
  get<T extends KubeObject>(type: ResourceType<T>, at: At): Promise<T>;
  /** One page where `limit` is given, else all. */
  list<T extends KubeObject>(type: ResourceType<T>, options?: ListOptions): Promise<List<T>>;
  create<T extends KubeObject>(type: ResourceType<T>, object: T, subresource?: string): Promise<T>;
  /** Replaces; `metadata.resourceVersion`, where given, must be the current one. `subresource`: "status", "scale" … */
  update<T extends KubeObject>(type: ResourceType<T>, object: T, subresource?: string): Promise<T>;
  patch<T extends KubeObject>(
    type: ResourceType<T>,
    at: At,
    patch: unknown,
    options: PatchOptions,
  ): Promise<T>;
  delete<T extends KubeObject>(type: ResourceType<T>, at: At, options?: DeleteOptions): Promise<void>;
  /** Events until the signal or the server's end; an `ERROR` event rejects with ApiError (`Expired`: list again). */
  watch<T extends KubeObject>(type: ResourceType<T>, options: WatchOptions): AsyncIterable<WatchEvent<T>>;
}
