/** @module Kubernetes objects from text: `decodeTexts([{ file, text }])` gives objects, and issues with positions. */

export { expandWorkloads } from "./apps/expand-workloads.ts";
export type * from "./apps/types.ts";
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
export { NO_SOURCE, type Source, sourceInside } from "./source.ts";
export type * from "./tortie/types.ts";
