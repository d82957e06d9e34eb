/** @module What is wrong with a patch, in the words which kubectl shows to its user. */

/**
 * `malformed`: the document is no patch of its kind (HTTP 400, BadRequest). `inapplicable`: it is one, but
 * does not apply to this object (HTTP 422, Invalid). `too-large`: it asks for more work than one request may (HTTP 413).
 */
export type PatchFault = "malformed" | "inapplicable" | "too-large";

export class PatchError extends Error {
  override readonly name = "PatchError";
  readonly fault: PatchFault;
  constructor(fault: PatchFault, message: string) {
    super(message);
    this.fault = fault;
  }
}

/** What Go's decoder calls the type of a JSON value. */
export function goKindOf(value: unknown): string {
  if (value === null || value === undefined) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "boolean") return "bool";
  return typeof value;
}
