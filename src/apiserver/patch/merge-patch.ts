/** @module JSON merge patch (RFC 7386): null deletes a key, objects merge, everything else replaces. */
import { ownValue, setOwn } from "../../base/own.ts";
import { isJsonObject } from "./json-value.ts";

/** The target as the patch wants it. Parts which the patch does not name are shared with the target. */
export function applyMergePatch(target: unknown, patch: unknown): unknown {
  if (!isJsonObject(patch)) return patch;
  const base = isJsonObject(target) ? target : {};
  const result: Record<string, unknown> = { ...base };
  for (const key of Object.keys(patch)) {
    const value = ownValue(patch, key);
    if (value === null) delete result[key];
    else setOwn(result, key, applyMergePatch(ownValue(base, key), value));
  }
  return result;
}
