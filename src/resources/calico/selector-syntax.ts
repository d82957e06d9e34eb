/** @module The syntax tree of a Calico selector. Offsets are places in the text, from 0; the end is exclusive. */

export interface Span {
  readonly start: number;
  readonly end: number;
}

export type SelectorNode = Span &
  (
    | { readonly kind: "all" }
    | { readonly kind: "global" }
    | { readonly kind: "has"; readonly label: string }
    | {
        readonly kind: "compare";
        readonly op: "==" | "!=" | "contains" | "starts with" | "ends with";
        readonly label: string;
        readonly value: string;
      }
    | { readonly kind: "in" | "not in"; readonly label: string; readonly values: readonly string[] }
    | { readonly kind: "not"; readonly term: SelectorNode }
    | { readonly kind: "and" | "or"; readonly terms: readonly SelectorNode[] }
  );
