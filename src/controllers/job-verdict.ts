/** @module Whether a Job has come to its end, and how. Pure. Source: pkg/controller/job/job_controller.go (syncJob). */
import type { Job, Pod } from "../client/kinds.ts";
import type { Verdict } from "./job-status.ts";
import type { Tally } from "./job-tally.ts";

const DEFAULT_BACKOFF_LIMIT = 6;

function failed(reason: string, message: string): Verdict {
  return { type: "Failed", reason, message };
}

export function judge(job: Job, tally: Tally, isPastDeadline: boolean): Verdict | undefined {
  if (tally.fatal !== undefined) return failed("PodFailurePolicy", tally.fatal);
  const limit = job.spec.backoffLimit ?? DEFAULT_BACKOFF_LIMIT;
  if (tally.failed + tally.uncounted.failed.length > limit || isPastRestarts(job, tally, limit))
    return failed("BackoffLimitExceeded", "Job has reached the specified backoff limit");
  if (isPastDeadline) return failed("DeadlineExceeded", "Job was active longer than specified deadline");
  const { completions, maxFailedIndexes } = job.spec;
  if (maxFailedIndexes !== undefined && tally.failedIndexes.size > maxFailedIndexes)
    return failed(
      "MaxFailedIndexesExceeded",
      "Job has exceeded the specified maximal number of failed indexes",
    );
  const succeeded = tally.succeeded + tally.uncounted.succeeded.length;
  // Without a number of completions, one success says that there is no work left; the others may end theirs.
  const isDone =
    completions === undefined
      ? succeeded > 0 && tally.active.length + tally.ending.length === 0
      : succeeded >= completions;
  if (isDone)
    return {
      type: "Complete",
      reason: "CompletionsReached",
      message: "Reached expected number of succeeded pods",
    };
  if (tally.failedIndexes.size > 0 && succeeded + tally.failedIndexes.size >= (completions ?? 0))
    return failed("FailedIndexes", "Job has failed indexes");
  return undefined;
}

/** Where containers are started again in their pods, their restarts are the failures. */
function isPastRestarts({ spec }: Job, { active }: Tally, limit: number): boolean {
  if (spec.template.spec?.restartPolicy !== "OnFailure") return false;
  const restarts = active.reduce((sum, pod) => sum + restartsOf(pod), 0);
  return limit === 0 ? restarts > 0 : restarts >= limit;
}

function restartsOf({ status }: Pod): number {
  const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  return all.reduce((sum, { restartCount }) => sum + restartCount, 0);
}
