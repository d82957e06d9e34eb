/** @module What policies mean: the model, translations into it, the reference evaluator, explanations. */
export { evaluate } from "./evaluate.ts";
export {
  becauseLine,
  explain,
  explainWalk,
  packetName,
  partyName,
  type VerdictData,
  verdictData,
} from "./explain.ts";
export {
  fromCalicoNetworkPolicy,
  fromCalicoNetworkSet,
  fromCalicoTier,
  fromGlobalNetworkPolicy,
  fromProfile,
} from "./from-calico.ts";
export { fromHostEndpoint } from "./from-calico-endpoint.ts";
export { fromClusterPolicy } from "./from-cluster-policy.ts";
export { fromNetworkPolicy } from "./from-network-policy.ts";
export { endpointFromPod, podId } from "./from-pod.ts";
export * from "./model.ts";
export { ruleText, selectorText } from "./rule-text.ts";
export * from "./selector.ts";
export { type Backend, mapService, type ServiceMapping, type ServiceTarget } from "./services.ts";
export { type PointTrace, traceVerdict } from "./trace.ts";
export { type PointTraceData, traceData, traceLines } from "./trace-text.ts";
export { NO_FACTS, type NodeFacts, type ServiceBackend, type TranslationFacts } from "./translation.ts";
export type * from "./verdict.ts";
export type { World } from "./world.ts";
