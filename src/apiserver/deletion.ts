/** @module What a deletion does to an object: at once, or when whoever holds a finalizer or ends its processes is done. */
import { timeText } from "../client/objects.ts";
import type { Draft, ServedResource } from "./served.ts";
import { errors } from "./status-error.ts";

export interface DeleteRequest {
  readonly gracePeriodSeconds?: number | undefined;
  readonly propagationPolicy?: string | undefined;
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
}

/** @throws StatusError 409 when it is another object, or another version of it, that is to go */
export function checkPreconditions(
  resource: ServedResource,
  object: Readonly<Draft>,
  request: DeleteRequest,
): void {
  const { name, uid, resourceVersion } = object.metadata;
  if (request.uid && request.uid !== uid) {
    throw errors.conflict(
      resource,
      name,
      `Precondition failed: UID in precondition: ${request.uid}, UID in object meta: ${uid}`,
    );
  }
  if (request.resourceVersion && request.resourceVersion !== resourceVersion) {
    throw errors.conflict(
      resource,
      name,
      `Precondition failed: ResourceVersion in precondition: ${request.resourceVersion}, ResourceVersion in object meta: ${resourceVersion}`,
    );
  }
}

/** The object as it is once its deletion was asked for. */
export function markDeleted(
  resource: ServedResource,
  object: Draft,
  request: DeleteRequest,
  now: Date,
): Draft {
  const { metadata } = object;
  const policy = request.propagationPolicy;
  if (metadata.deletionTimestamp === undefined) resource.strategy.prepareDelete?.(object);
  const finalizers = new Set(metadata.finalizers);
  if (policy === "Foreground") finalizers.add("foregroundDeletion");
  if (policy === "Orphan") finalizers.add("orphan");
  if (finalizers.size > 0) metadata.finalizers = [...finalizers];
  const asked = request.gracePeriodSeconds;
  const own = resource.strategy.gracePeriodSeconds?.(object) ?? 0;
  const grace = own === 0 ? 0 : Math.max(0, asked ?? own);
  const known = metadata.deletionGracePeriodSeconds;
  // A deletion that is under way can be made sooner, never later.
  if (metadata.deletionTimestamp === undefined || (known !== undefined && grace < known)) {
    metadata.deletionTimestamp = timeText(new Date(now.getTime() + grace * 1000));
    metadata.deletionGracePeriodSeconds = grace;
    if (metadata.generation !== undefined) metadata.generation++;
  }
  if (object.kind === "Namespace" && object.apiVersion === "v1") object["status"] = { phase: "Terminating" };
  return object;
}

/** Whether a deletion was asked for and nobody has anything left to do. */
export function isFinallyGone(object: Draft): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds, finalizers } = object.metadata;
  if (deletionTimestamp === undefined) return false;
  if ((finalizers?.length ?? 0) > 0 || (deletionGracePeriodSeconds ?? 0) > 0) return false;
  const own =
    object.kind === "Namespace"
      ? (object["spec"] as { finalizers?: string[] } | undefined)?.finalizers
      : undefined;
  return (own?.length ?? 0) === 0;
}
