/** @module What converting one object gives. */
import type { JsonObject } from "./json.ts";

export type Conversion =
  | {
      readonly kind: "converted";
      readonly value: JsonObject;
      /** What its author should know. */
      readonly notes: readonly string[];
    }
  /** Why it cannot be said in the other API. */
  | { readonly kind: "failed"; readonly problems: readonly string[] };

export function fail(...problems: readonly string[]): Conversion {
  return { kind: "failed", problems };
}
