/** @module Questions: `new Cluster()`, `apply(objects)`, `sync()`, then `answer(cluster, question)` or `allPairs(…)`. */
export { Cluster, type ClusterChange, type ClusterOptions } from "./cluster.ts";
export { allPairs, type Connectivity, eachRow, type PacketKind } from "./connectivity.ts";
export { lintCluster } from "./lint.ts";
export {
  type CellVerdict,
  type Matrix,
  type MatrixGroup,
  matrixOf,
  type Quotient,
  quotient,
} from "./matrix.ts";
export { PairSpace } from "./pair-space.ts";
export { type Answer, answer, type Question, type ResolvedQuestion, resolveQuestion } from "./question.ts";
export type { Unit } from "./units.ts";
