/** @module Structured results: JSON and YAML of one value. */
import { dump } from "js-yaml";

/** @returns text without the last line's end */
export function structured(format: "json" | "yaml", value: unknown): string {
  return format === "json"
    ? JSON.stringify(value, null, 2)
    : dump(value, { lineWidth: -1, noRefs: true, skipInvalid: true }).trimEnd();
}
