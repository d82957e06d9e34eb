/** @module What can be done with a resource by anyone who may: create, update, patch, apply, delete, and its subresources. */

import { timeText } from "../client/objects.ts";
import type { Entry } from "../store/store.ts";
import type { DeleteRequest } from "./deletion.ts";
import { arrayAt, at, isObject, stringAt } from "./json.ts";
import { freshObject, objectOf } from "./objects.ts";
import { applyJsonPatch } from "./patch/json-patch.ts";
import { updateManagedFields } from "./patch/managed-fields.ts";
import { customMergeSchema, mergeSchemaOf } from "./patch/merge-keys.ts";
import { applyMergePatch } from "./patch/merge-patch.ts";
import type { MergeSchema } from "./patch/merge-schema.ts";
import { PatchError } from "./patch/patch-error.ts";
import { applyServerSide, conflictCauses, conflictMessage } from "./patch/server-side-apply.ts";
import { applyStrategicMergePatch } from "./patch/strategic-merge-patch.ts";
import { scaleOf, setScale } from "./scale.ts";
import type { Draft, ServedResource } from "./served.ts";
import { errors, StatusError } from "./status-error.ts";
import type { Caller, Storage, TrackFields } from "./storage.ts";

export interface Place {
  readonly namespace: string | undefined;
  readonly name: string;
}

export type PatchKind = "json" | "merge" | "strategic" | "apply";

/** Looks at an object before it goes on: strict about fields, or not. @throws StatusError 400 */
export type CheckFields = (resource: ServedResource, object: Record<string, unknown>) => void;

export const trackFields: TrackFields = ({ before, after, subresource }, caller, now) =>
  caller.isApply
    ? (after.metadata.managedFields ?? [])
    : updateManagedFields({
        before,
        after,
        manager: caller.manager,
        now,
        apiVersion: after.apiVersion,
        subresource,
      });

function mergeSchema(resource: ServedResource): MergeSchema {
  return resource.openApiSchema
    ? customMergeSchema(resource.openApiSchema)
    : mergeSchemaOf(apiVersionOf(resource), resource.kind);
}

export function apiVersionOf({
  group,
  version,
}: {
  readonly group: string;
  readonly version: string;
}): string {
  return group === "" ? version : `${group}/${version}`;
}

/**
 * Sees that a body is an object of the resource, at the place that the URL says.
 * @throws StatusError 400
 */
export function draftOf(
  resource: ServedResource,
  place: Partial<Place>,
  body: Record<string, unknown>,
): Draft {
  const wanted = apiVersionOf(resource);
  const apiVersion = stringAt(body, "apiVersion") || wanted;
  const kind = stringAt(body, "kind") || resource.kind;
  if (kind !== resource.kind || apiVersion !== wanted) {
    throw errors.badRequest(
      `${kind} in version ${JSON.stringify(apiVersion.split("/").at(-1))} cannot be handled as a ${resource.kind}: the API version in the data (${apiVersion}) does not match the expected API version (${wanted})`,
    );
  }
  const given = body["metadata"];
  const metadata = { ...(isObject(given) ? given : {}) } as unknown as Draft["metadata"];
  if (resource.namespaced) {
    if (metadata.namespace && place.namespace !== undefined && metadata.namespace !== place.namespace) {
      throw errors.badRequest(
        `the namespace of the provided object does not match the namespace sent on the request`,
      );
    }
    metadata.namespace = place.namespace ?? metadata.namespace ?? "default";
  } else delete metadata.namespace;
  if (place.name !== undefined) {
    if (metadata.name && metadata.name !== place.name) {
      throw errors.badRequest(
        `the name of the object (${metadata.name}) does not match the name on the URL (${place.name})`,
      );
    }
    metadata.name = place.name;
  }
  // A client may leave it out, where it asks for a generated one.
  if ((metadata.name as string | undefined) === undefined) metadata.name = "";
  const { apiVersion: _, kind: __, metadata: ___, ...rest } = body;
  return { apiVersion: wanted, kind: resource.kind, metadata, ...rest };
}

export function update(
  storage: Storage,
  place: Place,
  draft: Draft,
  caller: Caller,
  subresource?: string,
): Promise<Entry> {
  return storage.change(place, () => structuredClone(draft), caller, subresource);
}

/** @throws StatusError 400, 409, 422 */
export async function patch(
  storage: Storage,
  place: Place,
  request: {
    readonly kind: PatchKind;
    readonly body: unknown;
    readonly force: boolean;
    readonly check: CheckFields;
  },
  caller: Caller,
  subresource?: string,
): Promise<{ readonly entry: Entry; readonly created: boolean }> {
  const { resource } = storage;
  if (request.kind === "apply") return apply(storage, place, request, caller, subresource);
  const schema = mergeSchema(resource);
  const entry = await storage.change(
    place,
    (before) => {
      const after = patchFault(() => {
        switch (request.kind) {
          case "json":
            return applyJsonPatch(before, request.body);
          case "strategic":
            return applyStrategicMergePatch(before, request.body, schema);
          default:
            return applyMergePatch(before, request.body);
        }
      });
      if (!isObject(after)) throw errors.badRequest("the patch leaves no object");
      request.check(resource, after);
      return draftOf(resource, place, after);
    },
    caller,
    subresource,
  );
  return { entry, created: false };
}

/** A refused patch as a refused request, which is all that its sender sees. */
export function patchFault<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof PatchError)) throw error;
    throw refusedPatch(error);
  }
}

function refusedPatch({ fault, message }: PatchError): StatusError {
  if (fault === "too-large") return new StatusError(413, "RequestEntityTooLarge", message);
  // Kubernetes keeps the reason to itself; its user is told it here.
  const words = `the server rejected our request due to an error in our request: ${message}`;
  return fault === "malformed" ? errors.badRequest(message) : new StatusError(422, "Invalid", words, {});
}

async function apply(
  storage: Storage,
  place: Place,
  request: { readonly body: unknown; readonly force: boolean; readonly check: CheckFields },
  caller: Caller,
  subresource: string | undefined,
): Promise<{ readonly entry: Entry; readonly created: boolean }> {
  const { resource } = storage;
  if (caller.manager === "")
    throw errors.badRequest(
      "PatchOptions.meta.k8s.io is invalid: fieldManager: Required value: is required for apply patch",
    );
  if (!isObject(request.body)) throw errors.badRequest("an apply patch must be an object");
  request.check(resource, request.body);
  const applied = draftOf(resource, place, request.body);
  const make = (live: Draft | undefined): Draft => {
    const result = patchFault(() =>
      applyServerSide({
        live,
        applied,
        manager: caller.manager,
        force: request.force,
        now: timeText(new Date()),
        apiVersion: apiVersionOf(resource),
        schema: mergeSchema(resource),
        subresource,
      }),
    );
    if (result.conflicts)
      throw errors.applyConflict(conflictMessage(result.conflicts), conflictCauses(result.conflicts));
    return structuredClone(result.object) as unknown as Draft;
  };
  const as = { ...caller, isApply: true };
  try {
    return { entry: await storage.change(place, make, as, subresource), created: false };
  } catch (error) {
    const isMissing = error instanceof StatusError && error.code === 404 && subresource === undefined;
    if (!isMissing) throw error;
    await caller.access?.mayCreate(resource, place);
    return { entry: await storage.create(make(undefined), as), created: true };
  }
}

/** Deletes what a list finds. One that somebody else deletes meanwhile is no failure. */
export async function deleteCollection(
  storage: Storage,
  entries: readonly Entry[],
  request: DeleteRequest,
  caller: Caller,
): Promise<void> {
  for (const entry of entries) {
    const { namespace, name } = objectOf(entry).metadata;
    try {
      await storage.delete({ namespace, name }, request, caller);
    } catch (error) {
      if (!(error instanceof StatusError && error.code === 404)) throw error;
    }
  }
}

/** Puts a pod on a node, once. */
export function bind(
  pods: Storage,
  place: Place,
  binding: Record<string, unknown>,
  caller: Caller,
): Promise<Entry> {
  const node = stringAt(binding, "target", "name");
  if (!node) {
    throw errors.invalid({ group: "", kind: "Binding" }, place.name, [
      { reason: "FieldValueRequired", message: "Required value", field: "target.name" },
    ]);
  }
  return pods.change(
    place,
    (pod) => {
      const spec = pod["spec"] as Record<string, unknown>;
      if (pod.metadata.deletionTimestamp !== undefined)
        throw errors.conflict(
          pods.resource,
          place.name,
          `pod ${place.name} is being deleted, cannot be assigned to a host`,
        );
      if (spec["nodeName"])
        throw errors.conflict(
          pods.resource,
          place.name,
          `pod ${place.name} is already assigned to node ${JSON.stringify(spec["nodeName"])}`,
        );
      spec["nodeName"] = node;
      pod["status"] = withScheduled(pod["status"], timeText(new Date()));
      return pod;
    },
    caller,
    "binding",
  );
}

function withScheduled(status: unknown, now: string): unknown {
  const others = arrayAt(status, "conditions").filter((one) => stringAt(one, "type") !== "PodScheduled");
  const scheduled = { type: "PodScheduled", status: "True", lastProbeTime: null, lastTransitionTime: now };
  return { ...(isObject(status) && status), conditions: [...others, scheduled] };
}

export async function getScale(storage: Storage, place: Place): Promise<Record<string, unknown>> {
  return scaleOf(await storage.get(place.namespace, place.name));
}

/** Changes the number of replicas; `change` makes a new Scale of the present one. */
export async function changeScale(
  storage: Storage,
  place: Place,
  change: (scale: Record<string, unknown>) => Record<string, unknown>,
  caller: Caller,
): Promise<Record<string, unknown>> {
  const entry = await storage.change(
    place,
    (object) => {
      const scale = change(scaleOf(object));
      const version = stringAt(scale, "metadata", "resourceVersion");
      if (version && version !== object.metadata.resourceVersion)
        throw errors.conflict(storage.resource, place.name);
      return setScale(object, scale);
    },
    caller,
  );
  return scaleOf(freshObject(entry));
}

/** `namespaces/NAME/finalize`: only the finalizers are taken. */
export function finalize(
  storage: Storage,
  place: Place,
  body: Record<string, unknown>,
  caller: Caller,
): Promise<Entry> {
  return storage.change(
    place,
    (namespace) => {
      const finalizers = at(body, "spec", "finalizers");
      namespace["spec"] = {
        ...(namespace["spec"] as object),
        finalizers: Array.isArray(finalizers) ? finalizers : [],
      };
      return namespace;
    },
    caller,
    "finalize",
  );
}
