/** @module What a Job's status says: whether it is over, and why. Pure. */
import type { JobCondition, JobStatus } from "kubernetes-types/batch/v1.js";
import type { Job } from "../client/kinds.ts";
import { formatIndexes, isIndexed } from "./job-pods.ts";
import type { Tally } from "./job-tally.ts";
import { conditionOf, isReady } from "./pod-state.ts";

export interface Verdict {
  readonly type: "Complete" | "Failed";
  readonly reason: string;
  readonly message: string;
}

/** The condition that says so before the last pod has ended: from then on nothing else is decided. */
const EARLY = { Complete: "SuccessCriteriaMet", Failed: "FailureTarget" } as const;

function heldConditions({ status }: Job): JobCondition[] {
  return status?.conditions?.filter((one) => one.status === "True") ?? [];
}

/** The condition that says that a Job is over. */
export function verdictOf(job: Job): JobCondition | undefined {
  const held = heldConditions(job);
  return conditionOf(held, "Complete") ?? conditionOf(held, "Failed");
}

/** What was decided before, and stays so though the pods that it was for are gone. */
export function decidedVerdict(job: Job): Verdict | undefined {
  const held = heldConditions(job);
  for (const type of ["Failed", "Complete"] as const) {
    const early = conditionOf(held, EARLY[type]);
    if (early) return { type, reason: early.reason ?? "", message: early.message ?? "" };
  }
  return undefined;
}

export interface Told {
  readonly verdict: Verdict | undefined;
  /** The last of its pods has ended. */
  readonly isOver: boolean;
  readonly time: string;
}

export function statusOf(job: Job, tally: Tally, { verdict, isOver, time }: Told): JobStatus {
  const { active, ending, succeeded, failed, done, failedIndexes, uncounted } = tally;
  const startTime = job.spec.suspend === true ? undefined : (job.status?.startTime ?? time);
  const conditions = conditionsOf(job, { verdict, isOver, time });
  const indexes = isIndexed(job) ? formatIndexes(done) : "";
  return {
    ...(startTime !== undefined && { startTime }),
    active: active.length,
    ready: active.filter(isReady).length,
    terminating: ending.length,
    succeeded,
    failed,
    uncountedTerminatedPods: {
      ...(uncounted.succeeded.length > 0 && { succeeded: [...uncounted.succeeded] }),
      ...(uncounted.failed.length > 0 && { failed: [...uncounted.failed] }),
    },
    ...(indexes !== "" && { completedIndexes: indexes }),
    ...(job.spec.backoffLimitPerIndex !== undefined && { failedIndexes: formatIndexes(failedIndexes) }),
    ...(isOver && verdict?.type === "Complete" && { completionTime: time }),
    ...(conditions.length > 0 && { conditions }),
  };
}

function conditionsOf(job: Job, { verdict, isOver, time }: Told): JobCondition[] {
  const known = job.status?.conditions ?? [];
  const conditions = known.filter(({ type }) => type !== "Suspended");
  const suspended = conditionOf(known, "Suspended");
  const isSuspended = job.spec.suspend === true;
  const made = (type: string, reason: string, message: string, status = "True"): JobCondition => ({
    type,
    status,
    reason,
    message,
    lastTransitionTime: time,
    lastProbeTime: time,
  });
  if (suspended && (suspended.status === "True") === isSuspended) conditions.push(suspended);
  else if (isSuspended) conditions.push(made("Suspended", "JobSuspended", "Job suspended"));
  else if (suspended) conditions.push(made("Suspended", "JobResumed", "Job resumed", "False"));
  if (!verdict) return conditions;
  const early = EARLY[verdict.type];
  for (const type of isOver ? [early, verdict.type] : [early])
    if (!conditionOf(conditions, type)) conditions.push(made(type, verdict.reason, verdict.message));
  return conditions;
}
