/** @module Deletes one object and no other of its name. */
import { type Client, isReason } from "../client/client.ts";
import type { KubeObject, ResourceType } from "../client/objects.ts";

/** @returns whether it was there: one that is gone already is as good. @throws ApiError */
export async function deleteThis<T extends KubeObject>(
  client: Client,
  type: ResourceType<T>,
  { metadata: { namespace, name, uid } }: T,
  options: { readonly propagationPolicy?: "Background" } = {},
): Promise<boolean> {
  try {
    await client.delete(type, { namespace, name }, { ...options, ...(uid !== undefined && { uid }) });
    return true;
  } catch (error) {
    if (!isReason(error, "NotFound")) throw error;
    return false;
  }
}
