/** @module Statuses are written only when they say something new. */
import type { Client } from "../client/client.ts";
import type { KubeObject, ResourceType } from "../client/objects.ts";
import { isEqual } from "./equal.ts";

/** @returns whether it was written. A stale object is refused as a conflict: the next look is made at a newer one. */
export async function writeStatus<T extends KubeObject & { status?: unknown }>(
  client: Client,
  type: ResourceType<T>,
  object: T,
  status: NonNullable<T["status"]>,
): Promise<boolean> {
  if (isEqual(object.status, status)) return false;
  await client.update(type, { ...object, status }, "status");
  return true;
}
