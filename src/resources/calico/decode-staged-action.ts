/** @module What is to become of a staged policy's target. */
import { type Cursor, orAbsent, orElse } from "../decode/cursor.ts";
import type { StagedAction } from "./types.ts";

/** @param spec - of the staged policy; with Delete, nothing else may be said in it but the tier */
export function decodeStagedAction(spec: Cursor): StagedAction {
  // What is wrong with the spec itself is told by its own decoder.
  const fields = spec.isMapping ? orAbsent(spec.fields()) : undefined;
  if (!fields) return "Set";
  const action = orElse(fields.at("stagedAction").oneOf(["Set", "Delete", "Learn", "Ignore"]), "Set");
  if (action !== "Delete") return action;
  for (const [name, cursor] of fields.entries()) {
    if (name === "stagedAction" || name === "tier" || isEmpty(cursor)) continue;
    cursor.error("staged-delete-field", "Forbidden: must be empty where stagedAction is Delete");
  }
  return action;
}

function isEmpty({ value }: Cursor): boolean {
  if (value === null || value === "" || value === false) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}
