/**
 * @module What a Job's pods amount to. A pod that is over counts once: its uid is written to the status as uncounted
 * while a finalizer holds it, and the counts grow when the finalizer is gone. Pure.
 * Source: pkg/controller/job/job_controller.go (trackJobStatusAndRemoveFinalizers).
 */
import type { Job, Pod } from "../client/kinds.ts";
import { failureAction } from "./job-failure-policy.ts";
import { failureCountOf, indexOf, isIndexed, parseIndexes } from "./job-pods.ts";
import { isDeleting, uidOf } from "./owners.ts";
import { isFinished } from "./pod-state.ts";

/** So many are counted at once, as upstream: the status is an object of limited size. */
const MAX_UNCOUNTED = 500;

export interface IndexFailures {
  readonly count: number;
  /** Milliseconds since 1970; 0: none has failed. */
  readonly last: number;
}

export interface Tally {
  readonly active: readonly Pod[];
  /** On their way out, and not over yet. */
  readonly ending: readonly Pod[];
  readonly succeeded: number;
  readonly failed: number;
  /** Those over whose uids the status is to have before they are let go. */
  readonly uncounted: { readonly succeeded: readonly string[]; readonly failed: readonly string[] };
  /** Nothing need hold them once the status says what is said here. */
  readonly settled: readonly Pod[];
  /** Of an indexed Job. */
  readonly done: ReadonlySet<number>;
  /** Of a Job with a backoff limit for each index. */
  readonly failedIndexes: ReadonlySet<number>;
  readonly failures: ReadonlyMap<number, IndexFailures>;
  /** Milliseconds since 1970; 0: none has failed. */
  readonly lastFailure: number;
  /** Why the pod failure policy ends the Job. */
  readonly fatal: string | undefined;
}

export interface PodView {
  /** Deleted by us, or by anybody. */
  readonly isGoing: (pod: Pod) => boolean;
  /** The finalizer still holds it. */
  readonly isTracked: (pod: Pod) => boolean;
  /** No pod is made any more. */
  readonly isDecided: boolean;
}

/** Whether a pod must be over before another takes its place; otherwise its deletion is enough. */
export function waitsForEnd(job: Job): boolean {
  return job.spec.podReplacementPolicy === "Failed" || job.spec.podFailurePolicy !== undefined;
}

function hasFailed(job: Job, pod: Pod): boolean {
  if (pod.status?.phase === "Failed") return true;
  // Without grace nobody is left to tell how it ended.
  return isDeleting(pod) && (!waitsForEnd(job) || pod.metadata.deletionGracePeriodSeconds === 0);
}

export function tallyOf(job: Job, pods: readonly Pod[], { isGoing, isTracked, isDecided }: PodView): Tally {
  const tracked = new Set(pods.filter(isTracked).map(uidOf));
  const known = job.status?.uncountedTerminatedPods;
  const uncounted = {
    succeeded: (known?.succeeded ?? []).filter((uid) => tracked.has(uid)),
    failed: (known?.failed ?? []).filter((uid) => tracked.has(uid)),
  };
  const counted = {
    succeeded: (known?.succeeded ?? []).length - uncounted.succeeded.length,
    failed: (known?.failed ?? []).length - uncounted.failed.length,
  };
  const room = (): boolean => uncounted.succeeded.length + uncounted.failed.length < MAX_UNCOUNTED;
  const count = (uid: string, how: "succeeded" | "failed"): boolean => {
    if (uncounted[how].includes(uid)) return true;
    if (!room()) return false;
    uncounted[how].push(uid);
    return true;
  };
  const done = parseIndexes(job.status?.completedIndexes);
  const failedIndexes = parseIndexes(job.status?.failedIndexes);
  const active: Pod[] = [];
  const ending: Pod[] = [];
  const settled: Pod[] = [];
  const failedPods: Pod[] = [];
  const failures = new IndexTally(job);
  let lastFailure = 0;
  let fatal: string | undefined;
  for (const pod of pods) {
    const uid = uidOf(pod);
    const index = indexOf(pod);
    if (pod.status?.phase === "Succeeded") {
      if (isIndexed(job)) {
        if (index !== undefined && index < (job.spec.completions ?? 0)) done.add(index);
        settled.push(pod);
      } else if (!tracked.has(uid) || count(uid, "succeeded")) settled.push(pod);
      continue;
    }
    if (isGoing(pod) && !isFinished(pod)) ending.push(pod);
    else if (!hasFailed(job, pod)) active.push(pod);
    if (!hasFailed(job, pod)) {
      failures.seen(pod);
      continue;
    }
    const isDeleted = pod.status?.phase !== "Failed";
    // One that was not wanted any more, or was counted when it was deleted.
    if (isDeleted && !tracked.has(uid)) continue;
    const action = failureAction(job, pod);
    // One that somebody deleted is replaced at once.
    if (!isDeleted) lastFailure = Math.max(lastFailure, endOf(pod));
    failures.failed(pod, action.kind !== "ignore", endOf(pod));
    if (action.kind === "fail-job") fatal ??= action.message;
    if (action.kind === "fail-index" && index !== undefined) failedIndexes.add(index);
    if (tracked.has(uid) && (action.kind === "ignore" || count(uid, "failed"))) failedPods.push(pod);
  }
  for (const index of failures.exhausted()) failedIndexes.add(index);
  for (const index of done) failedIndexes.delete(index);
  const isOpen = (index: number | undefined): boolean =>
    !isDecided && index !== undefined && !done.has(index) && !failedIndexes.has(index);
  // The only one that knows how often its index has failed stays until another has been told.
  settled.push(...failedPods.filter((pod) => !(isOpen(indexOf(pod)) && failures.isNeeded(pod))));
  return {
    active,
    ending,
    uncounted,
    settled: settled.filter((pod) => tracked.has(uidOf(pod))),
    succeeded: isIndexed(job) ? done.size : (job.status?.succeeded ?? 0) + counted.succeeded,
    failed: (job.status?.failed ?? 0) + counted.failed,
    done,
    failedIndexes,
    failures: failures.all,
    lastFailure,
    fatal,
  };
}

/** How often each index has failed: its pods carry the count from one to the next. */
class IndexTally {
  readonly #limit: number | undefined;
  readonly #failures = new Map<number, IndexFailures>();
  /** What the pods that have not failed were told. */
  readonly #told = new Map<number, number>();
  readonly #counts = new Map<string, number>();

  constructor({ spec }: Job) {
    this.#limit = spec.backoffLimitPerIndex;
  }

  get all(): ReadonlyMap<number, IndexFailures> {
    return this.#failures;
  }

  seen(pod: Pod): void {
    const index = indexOf(pod);
    if (this.#limit === undefined || index === undefined) return;
    const count = failureCountOf(pod);
    this.#told.set(index, Math.max(this.#told.get(index) ?? 0, count + 1));
    this.#raise(index, count, 0);
  }

  failed(pod: Pod, isCounted: boolean, at: number): void {
    const index = indexOf(pod);
    if (this.#limit === undefined || index === undefined) return;
    const count = failureCountOf(pod) + (isCounted ? 1 : 0);
    this.#counts.set(uidOf(pod), count);
    this.#raise(index, count, at);
  }

  #raise(index: number, count: number, at: number): void {
    const known = this.#failures.get(index);
    this.#failures.set(index, {
      count: Math.max(known?.count ?? 0, count),
      last: Math.max(known?.last ?? 0, at),
    });
  }

  exhausted(): number[] {
    const limit = this.#limit;
    if (limit === undefined) return [];
    return [...this.#failures].filter(([, { count }]) => count > limit).map(([index]) => index);
  }

  isNeeded(pod: Pod): boolean {
    const count = this.#counts.get(uidOf(pod));
    const index = indexOf(pod);
    if (count === undefined || index === undefined) return false;
    return (this.#told.get(index) ?? 0) <= count && this.#failures.get(index)?.count === count;
  }
}

/** When the last of a pod's containers ended; when nothing says so, when it was made. */
function endOf(pod: Pod): number {
  const ends = (pod.status?.containerStatuses ?? []).map(({ state }) =>
    Date.parse(String(state?.terminated?.finishedAt ?? "")),
  );
  const known = ends.filter((end) => !Number.isNaN(end));
  return known.length > 0 ? Math.max(...known) : Date.parse(pod.metadata.creationTimestamp ?? "") || 1;
}
