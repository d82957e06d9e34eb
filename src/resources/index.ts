/** @module Kubernetes objects from text: `decodeTexts([{ file, text }])` gives objects, and issues with positions. */

export { expandWorkloads } from "./apps/expand-workloads.ts";
export type * from "./apps/types.ts";
export { formatSelector } from "./calico/format-selector.ts";
export { parseSelector, type SelectorParse, type SelectorProblem } from "./calico/parse-selector.ts";
export type * from "./calico/selector-syntax.ts";
export type * from "./calico/types.ts";
export type * from "./core/types.ts";
export { decodeTexts, decodeValue, type InputText, type LoadOptions, type LoadResult } from "./load.ts";
export type * from "./networking/types.ts";
export {
  type KubernetesObject,
  type Labels,
  type ObjectHead,
  type ObjectKind,
  objectName,
} from "./object.ts";
export type * from "./policy-api/types.ts";
export { NO_SOURCE, type Source, sourceInside } from "./source.ts";
export type * from "./tortie/types.ts";
