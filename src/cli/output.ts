/** @module Structured results: JSON and YAML of one value. */
import { stringify } from "yaml";

/** @returns text without the last line's end */
export function structured(format: "json" | "yaml", value: unknown): string {
  return format === "json" ? JSON.stringify(value, null, 2) : stringify(value, { lineWidth: 0 }).trimEnd();
}
