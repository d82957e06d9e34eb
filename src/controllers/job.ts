/** @module Jobs: pods run until enough of them have succeeded, or too many have failed. */
import type { JobCondition, JobStatus } from "kubernetes-types/batch/v1.js";
import type { Client } from "../client/client.ts";
import { isReason } from "../client/client.ts";
import { EventRecorder } from "../client/events.ts";
import type { Informer } from "../client/informer.ts";
import type { Job, Pod } from "../client/kinds.ts";
import { JOBS, PODS } from "../client/kinds.ts";
import { keyOf, timeText } from "../client/objects.ts";
import type { Context, Controller } from "./context.ts";
import { formatIndexes, indexOf, jobPod, parseIndexes } from "./job-pods.ts";
import { controllerKey, isDeleting, isStatusOnly } from "./owners.ts";
import { PodControl } from "./pod-control.ts";
import { conditionOf, isFinished, isReady } from "./pod-state.ts";
import { ControllerQueue } from "./queue.ts";
import { writeStatus } from "./status.ts";

const NAME = "job-controller";
const PACE_MS = 100;
const DEFAULT_BACKOFF_LIMIT = 6;
const BACKOFF_MS = 10_000;
const MAX_BACKOFF_MS = 360_000;

interface Tally {
  readonly active: readonly Pod[];
  readonly ending: readonly Pod[];
  readonly succeeded: number;
  readonly failed: number;
  /** Of an indexed Job. */
  readonly done: ReadonlySet<number>;
  /** Milliseconds since 1970; 0: none has failed. */
  readonly lastFailure: number;
}

type Verdict = { readonly type: "Complete" | "Failed"; readonly reason: string; readonly message: string };

export interface JobOptions {
  /** The pause after the first failed pod; each further one doubles it. */
  readonly backoffMs?: number;
}

export class JobController implements Controller {
  readonly #client: Client;
  readonly #events: EventRecorder;
  readonly #now: () => number;
  readonly #backoffMs: number;
  readonly #jobs: Informer<Job>;
  readonly #control: PodControl;
  readonly #queue: ControllerQueue;

  constructor(context: Context, options: JobOptions = {}) {
    const { informers, log, now } = context;
    this.#client = context.client(NAME);
    this.#events = new EventRecorder(this.#client, { component: NAME });
    this.#now = now;
    this.#backoffMs = options.backoffMs ?? BACKOFF_MS;
    this.#control = new PodControl(context, this.#client, this.#events);
    this.#queue = new ControllerQueue((key) => this.#look(key), {
      name: NAME,
      log,
      ready: informers.ready(JOBS, PODS),
      paceMs: PACE_MS,
    });
    this.#jobs = informers.of(JOBS).on({
      changed: (job, before) => {
        // The time to live begins with the status that says that it is over.
        if (!isStatusOnly(job, before) || verdictOf(job)) this.#queue.add(keyOf(job));
      },
    });
    const tell = (pod: Pod): void => {
      const key = controllerKey(pod, JOBS);
      if (key !== undefined) this.#queue.soon(key);
    };
    informers.of(PODS).on({ changed: tell, deleted: tell });
  }

  async #look(key: string): Promise<void> {
    const job = this.#jobs.byKey(key);
    if (!job || isDeleting(job)) return;
    if (verdictOf(job)) {
      await this.#expire(key, job);
      return;
    }
    if (job.spec.selector) await this.#control.claim(job, JOBS, job.spec.selector);
    const tally = this.#tally(job);
    const verdict = this.#judge(key, job, tally);
    if (verdict) await this.#control.delete(job, JOBS, tally.active);
    else if (job.spec.suspend === true) await this.#control.delete(job, JOBS, tally.active);
    else if (job.status?.startTime !== undefined) await this.#scale(key, job, tally);
    await this.#tellStatus(key, job, verdict);
  }

  #tally(job: Job): Tally {
    const done = parseIndexes(job.status?.completedIndexes);
    const isIndexed = job.spec.completionMode === "Indexed";
    const active: Pod[] = [];
    const ending: Pod[] = [];
    let succeeded = 0;
    let failed = 0;
    let lastFailure = 0;
    for (const pod of this.#control.owned(job)) {
      const phase = pod.status?.phase;
      if (phase === "Succeeded") {
        succeeded++;
        const index = indexOf(pod);
        if (isIndexed && index !== undefined && index < (job.spec.completions ?? 0)) done.add(index);
      } else if (phase === "Failed") {
        failed++;
        lastFailure = Math.max(lastFailure, endOf(pod));
      } else if (this.#control.isGoing(pod)) ending.push(pod);
      else active.push(pod);
    }
    return {
      active,
      ending,
      // Pods that somebody has removed since are still counted.
      succeeded: isIndexed ? done.size : Math.max(succeeded, job.status?.succeeded ?? 0),
      failed: Math.max(failed, job.status?.failed ?? 0),
      done,
      lastFailure,
    };
  }

  #judge(key: string, { spec, status }: Job, tally: Tally): Verdict | undefined {
    const restarts = [...tally.active].reduce((sum, pod) => sum + restartsOf(pod), 0);
    const limit = spec.backoffLimit ?? DEFAULT_BACKOFF_LIMIT;
    if (tally.failed > limit || (spec.template.spec?.restartPolicy === "OnFailure" && restarts > limit))
      return {
        type: "Failed",
        reason: "BackoffLimitExceeded",
        message: "Job has reached the specified backoff limit",
      };
    const started = Date.parse(String(status?.startTime ?? ""));
    if (spec.activeDeadlineSeconds !== undefined && !Number.isNaN(started) && spec.suspend !== true) {
      const left = started + spec.activeDeadlineSeconds * 1000 - this.#now();
      if (left <= 0)
        return {
          type: "Failed",
          reason: "DeadlineExceeded",
          message: "Job was active longer than specified deadline",
        };
      this.#queue.addAfter(key, left);
    }
    // Without a number of completions, one success says that there is no work left; the others may end theirs.
    const isDone =
      spec.completions === undefined
        ? tally.succeeded > 0 && tally.active.length + tally.ending.length === 0
        : tally.succeeded >= spec.completions;
    return isDone
      ? {
          type: "Complete",
          reason: "CompletionsReached",
          message: "Reached expected number of succeeded pods",
        }
      : undefined;
  }

  async #scale(key: string, job: Job, tally: Tally): Promise<void> {
    const { completions, parallelism = 1, completionMode } = job.spec;
    const open = completions === undefined ? Number.POSITIVE_INFINITY : completions - tally.succeeded;
    const noMore = completions === undefined && tally.succeeded > 0;
    const wanted = noMore ? tally.active.length : Math.min(parallelism, open);
    if (tally.active.length > wanted) {
      await this.#control.delete(job, JOBS, tally.active.slice(wanted));
      return;
    }
    const missing = wanted - tally.active.length - tally.ending.length;
    if (missing <= 0) return;
    const pause = this.#pause(tally);
    if (pause > 0) {
      this.#queue.addAfter(key, pause);
      return;
    }
    const drafts =
      completionMode === "Indexed"
        ? openIndexes(completions ?? 0, tally, missing).map((index) => jobPod(job, index))
        : Array<Pod>(missing).fill(jobPod(job, undefined));
    await this.#control.create(job, JOBS, drafts);
  }

  /** @returns milliseconds until pods may be made again */
  #pause({ failed, lastFailure }: Tally): number {
    if (lastFailure === 0) return 0;
    const backoff = Math.min(this.#backoffMs * 2 ** Math.max(0, failed - 1), MAX_BACKOFF_MS);
    return Math.max(0, lastFailure + backoff - this.#now());
  }

  async #tellStatus(key: string, job: Job, verdict: Verdict | undefined): Promise<void> {
    const { active, ending, succeeded, failed, done } = this.#tally(job);
    const time = timeText(this.#now());
    const isSuspended = job.spec.suspend === true;
    const isOver =
      verdict !== undefined && (verdict.type === "Failed" ? active.length + ending.length === 0 : true);
    const conditions = conditionsOf(job, verdict, isOver, time);
    const startTime = isSuspended ? undefined : (job.status?.startTime ?? time);
    const indexes = job.spec.completionMode === "Indexed" ? formatIndexes(done) : "";
    const status: JobStatus & Record<string, unknown> = {
      ...(startTime !== undefined && { startTime }),
      active: active.length,
      ready: active.filter(isReady).length,
      terminating: ending.length,
      succeeded,
      failed,
      ...(indexes !== "" && { completedIndexes: indexes }),
      ...(isOver && verdict.type === "Complete" && { completionTime: time }),
      ...(conditions.length > 0 && { conditions }),
    };
    const isWritten = await writeStatus(this.#client, JOBS, job, status);
    if (isWritten && isOver) {
      if (verdict.type === "Complete") this.#events.normal(job, "Completed", "Job completed");
      else this.#events.warning(job, verdict.reason, verdict.message);
    }
    // The start is written before the first pod is made: a deadline is counted from it.
    if (isWritten && startTime !== undefined && job.status?.startTime === undefined)
      this.#queue.addAfter(key, 5);
    if (verdict && !isOver) this.#queue.addAfter(key, PACE_MS);
  }

  async #expire(key: string, job: Job): Promise<void> {
    const seconds = job.spec.ttlSecondsAfterFinished;
    if (seconds === undefined) return;
    const ended = Date.parse(String(verdictOf(job)?.lastTransitionTime ?? ""));
    const left = ended + seconds * 1000 - this.#now();
    if (left > 0) {
      this.#queue.addAfter(key, left);
      return;
    }
    const { namespace, name, uid } = job.metadata;
    try {
      await this.#client.delete(
        JOBS,
        { namespace, name },
        { propagationPolicy: "Background", ...(uid !== undefined && { uid }) },
      );
    } catch (error) {
      if (!isReason(error, "NotFound")) throw error;
    }
  }

  stop(): void {
    this.#queue.stop();
  }
}

/** The condition that says that a Job is over. */
export function verdictOf({ status }: Job): JobCondition | undefined {
  const over = status?.conditions?.filter((one) => one.status === "True") ?? [];
  return conditionOf(over, "Complete") ?? conditionOf(over, "Failed");
}

function conditionsOf(job: Job, verdict: Verdict | undefined, isOver: boolean, time: string): JobCondition[] {
  const known = job.status?.conditions ?? [];
  const conditions = known.filter(({ type }) => type !== "Suspended");
  const suspended = conditionOf(known, "Suspended");
  const isSuspended = job.spec.suspend === true;
  if (suspended && (suspended.status === "True") === isSuspended) conditions.push(suspended);
  else if (suspended || isSuspended)
    conditions.push({
      type: "Suspended",
      status: isSuspended ? "True" : "False",
      reason: isSuspended ? "JobSuspended" : "JobResumed",
      message: isSuspended ? "Job suspended" : "Job resumed",
      lastTransitionTime: time,
      lastProbeTime: time,
    });
  if (!verdict) return conditions;
  const early = verdict.type === "Failed" ? "FailureTarget" : "SuccessCriteriaMet";
  const { reason, message } = verdict;
  for (const type of isOver ? [early, verdict.type] : [early])
    if (!conditionOf(conditions, type))
      conditions.push({
        type,
        status: "True",
        reason,
        message,
        lastTransitionTime: time,
        lastProbeTime: time,
      });
  return conditions;
}

function openIndexes(completions: number, { active, ending, done }: Tally, count: number): number[] {
  const taken = new Set([...active, ...ending].map(indexOf));
  const open: number[] = [];
  for (let index = 0; index < completions && open.length < count; index++)
    if (!done.has(index) && !taken.has(index)) open.push(index);
  return open;
}

function restartsOf({ status }: Pod): number {
  return (status?.containerStatuses ?? []).reduce((sum, { restartCount }) => sum + restartCount, 0);
}

/** When the last of a pod's containers ended; when nothing says so, when it was made. */
function endOf(pod: Pod): number {
  const ends = (pod.status?.containerStatuses ?? []).map(({ state }) =>
    Date.parse(String(state?.terminated?.finishedAt ?? "")),
  );
  const known = ends.filter((end) => !Number.isNaN(end));
  if (known.length > 0) return Math.max(...known);
  return isFinished(pod) ? Date.parse(pod.metadata.creationTimestamp ?? "") || 1 : 0;
}
