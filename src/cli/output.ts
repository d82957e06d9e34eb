/** @module Structured results, JSON and YAML of one value, and the words that texts share. */
import { dump } from "js-yaml";

/** @returns text without the last line's end */
export function structured(format: "json" | "yaml", value: unknown): string {
  return format === "json"
    ? JSON.stringify(value, null, 2)
    : dump(value, { lineWidth: -1, noRefs: true, skipInvalid: true }).trimEnd();
}

/** `1 pod`, `2 pods`. */
export function counted(count: number, noun: string, plural: string = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : plural}`;
}
