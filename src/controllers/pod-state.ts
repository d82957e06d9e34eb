/** @module What state a pod is in, and conditions of any object's status. */
import type { PodCondition, PodSpec } from "kubernetes-types/core/v1.js";
import type { Node, Pod } from "../client/kinds.ts";

interface Condition {
  readonly type: string;
  readonly status: string;
}

export function conditionOf<C extends Condition>(
  conditions: readonly C[] | undefined,
  type: string,
): C | undefined {
  return conditions?.find((one) => one.type === type);
}

/** All is run that was to be run: whether it went well or not. */
export function isFinished(pod: Pod): boolean {
  return pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
}

export function readyCondition(pod: Pod): PodCondition | undefined {
  return conditionOf(pod.status?.conditions, "Ready");
}

export function isReady(pod: Pod): boolean {
  return readyCondition(pod)?.status === "True";
}

/** @returns milliseconds until the pod is available; 0: it is; undefined: it is not ready, so time alone makes nothing of it */
export function untilAvailable(pod: Pod, minReadySeconds: number, now: number): number | undefined {
  const condition = readyCondition(pod);
  if (condition?.status !== "True") return undefined;
  if (minReadySeconds === 0) return 0;
  const since = Date.parse(String(condition.lastTransitionTime ?? ""));
  return Math.max(0, (Number.isNaN(since) ? now : since) + minReadySeconds * 1000 - now);
}

export function isNodeReady(node: Node): boolean {
  return conditionOf(node.status?.conditions, "Ready")?.status === "True";
}

type Taint = NonNullable<NonNullable<Node["spec"]>["taints"]>[number];
type Toleration = NonNullable<PodSpec["tolerations"]>[number];

export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  if (toleration.operator === "Exists") return true;
  return Boolean(toleration.key) && (toleration.value ?? "") === (taint.value ?? "");
}

/** The first taint that keeps the pod off. */
export function untolerated(
  taints: readonly Taint[] | undefined,
  tolerations: readonly Toleration[] | undefined,
  effects: readonly string[],
): Taint | undefined {
  return taints?.find(
    (taint) =>
      effects.includes(taint.effect) &&
      !(tolerations ?? []).some((toleration) => tolerates(toleration, taint)),
  );
}
