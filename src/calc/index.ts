/** @module The incremental graph: objects in any order → identities, selector members, programs; and fast verdicts. */
export { PolicyGraph } from "./graph.ts";
export type * from "./types.ts";
export { verdict } from "./verdict.ts";
