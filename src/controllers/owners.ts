/** @module Whose an object is. */
import type { KubeObject, OwnerReference, ResourceType } from "../client/objects.ts";
import { apiVersionOf } from "../client/objects.ts";

/** The one owner that answers for the object. */
export function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find(({ controller }) => controller === true);
}

/** @returns the key of the controller, where it is of this type */
export function controllerKey(object: KubeObject, type: ResourceType): string | undefined {
  const owner = controllerOf(object);
  if (owner?.kind !== type.kind || groupOf(owner.apiVersion) !== type.group) return undefined;
  return `${object.metadata.namespace}/${owner.name}`;
}

export function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf("/");
  return slash < 0 ? "" : apiVersion.slice(0, slash);
}

export function ownedBy(owner: KubeObject, type: ResourceType): OwnerReference {
  return {
    apiVersion: apiVersionOf(type),
    kind: type.kind,
    name: owner.metadata.name,
    uid: uidOf(owner),
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** Every object that the API gives has one. */
export function uidOf(object: KubeObject): string {
  return object.metadata.uid ?? "";
}

export function isDeleting(object: KubeObject): boolean {
  return object.metadata.deletionTimestamp !== undefined;
}

/** Whether an event tells of nothing but a new status: what a controller that wrote it does not want to hear. */
export function isStatusOnly(object: KubeObject, before: KubeObject | undefined): boolean {
  if (!before || before.metadata.uid !== object.metadata.uid) return false;
  const { generation, deletionTimestamp, labels, annotations, ownerReferences } = object.metadata;
  const was = before.metadata;
  return (
    generation === was.generation &&
    deletionTimestamp === was.deletionTimestamp &&
    JSON.stringify([labels, annotations, ownerReferences]) ===
      JSON.stringify([was.labels, was.annotations, was.ownerReferences])
  );
}
