/** @module Jobs: pods run until enough of them have succeeded, or too many have failed. */
import type { JobStatus } from "kubernetes-types/batch/v1.js";
import type { Client } from "../client/client.ts";
import { EventRecorder } from "../client/events.ts";
import type { Informer } from "../client/informer.ts";
import type { Job, Pod } from "../client/kinds.ts";
import { JOBS, PODS } from "../client/kinds.ts";
import { keyOf, timeText } from "../client/objects.ts";
import type { Context, Controller } from "./context.ts";
import { deleteThis } from "./delete-this.ts";
import { isEqual } from "./equal.ts";
import { indexOf, isIndexed, jobPod } from "./job-pods.ts";
import { decidedVerdict, statusOf, type Verdict, verdictOf } from "./job-status.ts";
import { type Tally, tallyOf, waitsForEnd } from "./job-tally.ts";
import { JobTracking } from "./job-tracking.ts";
import { judge } from "./job-verdict.ts";
import { controllerKey, isDeleting, isStatusOnly, uidOf } from "./owners.ts";
import { PodControl } from "./pod-control.ts";
import { ControllerQueue } from "./queue.ts";

const NAME = "job-controller";
const PACE_MS = 100;
const BACKOFF_MS = 10_000;
const MAX_BACKOFF_MS = 360_000;

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
  readonly #tracking: JobTracking;
  readonly #queue: ControllerQueue;
  /** As we have written them, by uid, until the informer has news: what was counted must not be counted again. */
  readonly #written = new Map<string, Job>();

  constructor(context: Context, options: JobOptions = {}) {
    const { informers, log, now } = context;
    this.#client = context.client(NAME);
    this.#events = new EventRecorder(this.#client, { component: NAME });
    this.#now = now;
    this.#backoffMs = options.backoffMs ?? BACKOFF_MS;
    this.#control = new PodControl(context, this.#client, this.#events);
    this.#tracking = new JobTracking(context, this.#client, NAME);
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
      deleted: (job) => this.#written.delete(uidOf(job)),
    });
    const tell = (pod: Pod): void => {
      const key = controllerKey(pod, JOBS);
      if (key !== undefined) this.#queue.soon(key);
    };
    informers.of(PODS).on({ changed: tell, deleted: tell });
  }

  #latest(key: string): Job | undefined {
    const heard = this.#jobs.byKey(key);
    if (!heard) return undefined;
    const written = this.#written.get(uidOf(heard));
    // Versions count up.
    if (written && Number(written.metadata.resourceVersion) > Number(heard.metadata.resourceVersion))
      return written;
    this.#written.delete(uidOf(heard));
    return heard;
  }

  async #look(key: string): Promise<void> {
    const job = this.#latest(key);
    if (!job || isDeleting(job)) return;
    if (verdictOf(job)) {
      await this.#expire(key, job);
      return;
    }
    if (job.spec.selector) await this.#control.claim(job, JOBS, job.spec.selector);
    const tally = this.#tally(job);
    await this.#tracking.track(tally.active);
    const verdict = this.#judge(key, job, tally);
    // Before anything is done that could not be counted, or decided, again.
    const recorded = await this.#tellStatus(job, tally, verdict);
    await this.#tracking.release(tally.settled);
    if (verdict) await this.#control.delete(recorded, JOBS, tally.active);
    else if (job.spec.suspend === true) await this.#withdraw(recorded, tally.active);
    else await this.#scale(key, recorded, tally);
    await this.#tellStatus(recorded, this.#tally(recorded), verdict);
    if (verdict) this.#queue.addAfter(key, PACE_MS);
  }

  #tally(job: Job): Tally {
    return tallyOf(job, this.#control.owned(job), {
      isGoing: (pod) => this.#control.isGoing(pod),
      isTracked: (pod) => this.#tracking.isTracked(pod),
      isDecided: decidedVerdict(job) !== undefined,
    });
  }

  #judge(key: string, job: Job, tally: Tally): Verdict | undefined {
    const decided = decidedVerdict(job);
    if (decided) return decided;
    const { activeDeadlineSeconds, suspend } = job.spec;
    const started = Date.parse(String(job.status?.startTime ?? ""));
    let left = Number.POSITIVE_INFINITY;
    if (activeDeadlineSeconds !== undefined && !Number.isNaN(started) && suspend !== true) {
      left = started + activeDeadlineSeconds * 1000 - this.#now();
      this.#queue.addAfter(key, Math.max(1, left));
    }
    return judge(job, tally, left <= 0);
  }

  /** Pods that are not wanted now: not that they had failed. */
  async #withdraw(job: Job, pods: readonly Pod[]): Promise<void> {
    await this.#tracking.release(pods);
    await this.#control.delete(job, JOBS, pods);
  }

  async #scale(key: string, job: Job, tally: Tally): Promise<void> {
    const { completions, parallelism = 1 } = job.spec;
    const { active, ending, failedIndexes, uncounted } = tally;
    const succeeded = tally.succeeded + uncounted.succeeded.length;
    const open =
      completions === undefined ? Number.POSITIVE_INFINITY : completions - succeeded - failedIndexes.size;
    const noMore = completions === undefined && succeeded > 0;
    const wanted = noMore ? active.length : Math.min(parallelism, Math.max(0, open));
    if (active.length > wanted) {
      await this.#withdraw(job, active.slice(wanted));
      return;
    }
    const missing = wanted - active.length - (waitsForEnd(job) ? ending.length : 0);
    if (missing <= 0) return;
    const drafts = isIndexed(job)
      ? this.#indexedDrafts(key, job, tally, missing)
      : this.#isPaused(key, tally.failed + uncounted.failed.length, tally.lastFailure)
        ? []
        : Array<Pod>(missing).fill(jobPod(job, undefined));
    await this.#control.create(job, JOBS, drafts);
  }

  #indexedDrafts(key: string, job: Job, tally: Tally, count: number): Pod[] {
    const failed = tally.failed + tally.uncounted.failed.length;
    const isEach = job.spec.backoffLimitPerIndex !== undefined;
    if (!isEach && this.#isPaused(key, failed, tally.lastFailure)) return [];
    const taken = new Set([...tally.active, ...(waitsForEnd(job) ? tally.ending : [])].map(indexOf));
    const drafts: Pod[] = [];
    for (let index = 0; index < (job.spec.completions ?? 0) && drafts.length < count; index++) {
      if (tally.done.has(index) || tally.failedIndexes.has(index) || taken.has(index)) continue;
      const failures = tally.failures.get(index);
      if (isEach && failures && this.#isPaused(key, failures.count, failures.last)) continue;
      drafts.push(jobPod(job, index, failures?.count));
    }
    return drafts;
  }

  /** Whether it is too soon after the last failure to try again. */
  #isPaused(key: string, failures: number, last: number): boolean {
    if (last === 0) return false;
    const backoff = Math.min(this.#backoffMs * 2 ** Math.max(0, failures - 1), MAX_BACKOFF_MS);
    const left = last + backoff - this.#now();
    if (left > 0) this.#queue.addAfter(key, left);
    return left > 0;
  }

  /** @returns the Job as it is then */
  async #tellStatus(job: Job, tally: Tally, verdict: Verdict | undefined): Promise<Job> {
    const isEmpty = tally.active.length + tally.ending.length === 0;
    const isCounted = tally.uncounted.succeeded.length + tally.uncounted.failed.length === 0;
    // What was decided is written before the last pod is let go.
    const isOver = verdict !== undefined && isEmpty && isCounted && tally.settled.length === 0;
    const time = timeText(this.#now());
    const status: JobStatus = statusOf(job, tally, { verdict, isOver, time });
    if (isEqual(job.status, status)) return job;
    const written = await this.#client.update(JOBS, { ...job, status }, "status");
    this.#written.set(uidOf(job), written);
    if (isOver) {
      if (verdict.type === "Complete") this.#events.normal(job, "Completed", "Job completed");
      else this.#events.warning(job, verdict.reason, verdict.message);
    }
    return written;
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
    await deleteThis(this.#client, JOBS, job, { propagationPolicy: "Background" });
  }

  stop(): void {
    this.#tracking.stop();
    this.#queue.stop();
  }
}
