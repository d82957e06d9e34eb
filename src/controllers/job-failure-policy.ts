/** @module What a failed pod means for its Job, by the Job's podFailurePolicy. Pure. Source: pkg/controller/job/pod_failure_policy.go. */
import type { PodFailurePolicyRule } from "kubernetes-types/batch/v1.js";
import type { Job, Pod } from "../client/kinds.ts";
import { keyOf } from "../client/objects.ts";

export type FailureAction =
  | { readonly kind: "count" | "ignore" | "fail-index" }
  | { readonly kind: "fail-job"; readonly message: string };

/** The first rule that matches decides; where none does, the failure counts. */
export function failureAction(job: Job, pod: Pod): FailureAction {
  for (const [place, rule] of (job.spec.podFailurePolicy?.rules ?? []).entries()) {
    const match = matchOf(rule, pod);
    if (match === undefined) continue;
    switch (rule.action) {
      case "Ignore":
        return { kind: "ignore" };
      case "FailIndex":
        return { kind: "fail-index" };
      case "FailJob":
        return { kind: "fail-job", message: `${match} matching FailJob rule at index ${place}` };
      default:
        return { kind: "count" };
    }
  }
  return { kind: "count" };
}

/** @returns what of the pod matches, in upstream's words */
function matchOf({ onExitCodes, onPodConditions }: PodFailurePolicyRule, pod: Pod): string | undefined {
  if (onExitCodes) {
    const { containerName, operator, values } = onExitCodes;
    const statuses = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])];
    for (const { name, state } of statuses) {
      const exitCode = state?.terminated?.exitCode ?? 0;
      if (exitCode === 0 || (containerName && containerName !== name)) continue;
      if (values.includes(exitCode) === (operator === "In"))
        return `Container ${name} for pod ${keyOf(pod)} failed with exit code ${exitCode}`;
    }
    return undefined;
  }
  const condition = pod.status?.conditions?.find((one) =>
    onPodConditions?.some((wanted) => wanted.type === one.type && wanted.status === one.status),
  );
  return condition && `Pod ${keyOf(pod)} has condition ${condition.type}`;
}
