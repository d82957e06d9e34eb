/** @module CronJobs: a Job for every time of a schedule. */
import type { CronJobStatus } from "kubernetes-types/batch/v1.js";
import type { Client } from "../client/client.ts";
import { isReason } from "../client/client.ts";
import { EventRecorder } from "../client/events.ts";
import type { Informer } from "../client/informer.ts";
import type { CronJob, Job } from "../client/kinds.ts";
import { CRON_JOBS, JOBS } from "../client/kinds.ts";
import { keyOf, timeText } from "../client/objects.ts";
import { parseSchedule, type Schedule } from "../resources/cron.ts";
import type { Context, Controller } from "./context.ts";
import { isTimeZone, lastTime, nextTime } from "./cron-schedule.ts";
import { deleteThis } from "./delete-this.ts";
import { byController } from "./indexes.ts";
import type { Index } from "./informers.ts";
import { verdictOf } from "./job-status.ts";
import { controllerKey, isDeleting, isStatusOnly, ownedBy, uidOf } from "./owners.ts";
import { ControllerQueue } from "./queue.ts";
import { writeStatus } from "./status.ts";

const NAME = "cronjob-controller";
const TIME = "batch.kubernetes.io/cronjob-scheduled-timestamp";
/** Who missed more than so many is told so: a clock may have leapt, or the schedule is too dense for its deadline. */
const MANY_MISSED = 100;

export class CronJobController implements Controller {
  readonly #client: Client;
  readonly #events: EventRecorder;
  readonly #now: () => number;
  readonly #crons: Informer<CronJob>;
  readonly #owned: Index<Job>;
  readonly #queue: ControllerQueue;

  constructor({ informers, client, log, now }: Context) {
    this.#client = client(NAME);
    this.#events = new EventRecorder(this.#client, { component: NAME });
    this.#now = now;
    this.#owned = byController(informers, JOBS);
    this.#queue = new ControllerQueue((key) => this.#look(key), {
      name: NAME,
      log,
      ready: informers.ready(CRON_JOBS, JOBS),
    });
    this.#crons = informers.of(CRON_JOBS).on({
      changed: (cron, before) => {
        if (!isStatusOnly(cron, before)) this.#queue.add(keyOf(cron));
      },
    });
    const tell = (job: Job): void => {
      const key = controllerKey(job, CRON_JOBS);
      if (key !== undefined) this.#queue.add(key);
    };
    informers.of(JOBS).on({
      changed: (job, before) => {
        // A Job's pods come and go; what counts here is that there is one, and that it is over.
        if (!before || Boolean(verdictOf(job)) !== Boolean(verdictOf(before))) tell(job);
      },
      deleted: tell,
    });
  }

  async #look(key: string): Promise<void> {
    const cron = this.#crons.byKey(key);
    if (!cron || isDeleting(cron)) return;
    const jobs = this.#owned.list(uidOf(cron)).filter((job) => !isDeleting(job));
    const made = await this.#run(key, cron, jobs);
    await this.#tellStatus(cron, [...jobs, ...(made ? [made] : [])], made);
    await this.#forget(cron, jobs);
  }

  /** @returns the Job that was made for a time that has come */
  async #run(key: string, cron: CronJob, jobs: readonly Job[]): Promise<Job | undefined> {
    const zone = cron.spec.timeZone ?? "UTC";
    const schedule = parseSchedule(cron.spec.schedule);
    if (!schedule || !isTimeZone(zone)) {
      this.#events.warning(
        cron,
        schedule ? "UnknownTimeZone" : "UnparseableSchedule",
        schedule ? `invalid timeZone: ${zone}` : `unparseable schedule: ${cron.spec.schedule}`,
      );
      return undefined;
    }
    const now = this.#now();
    const next = nextTime(schedule, now, zone);
    if (next !== undefined) this.#queue.addAfter(key, next - now);
    if (cron.spec.suspend === true) return undefined;
    const due = this.#due(cron, jobs, schedule, zone);
    if (due === undefined) return undefined;
    const deadline = cron.spec.startingDeadlineSeconds;
    if (deadline !== undefined && due + deadline * 1000 < now) {
      this.#events.warning(cron, "MissSchedule", `Missed scheduled time to start a job: ${timeText(due)}`);
      return undefined;
    }
    const active = jobs.filter((job) => !verdictOf(job));
    if (cron.spec.concurrencyPolicy === "Forbid" && active.length > 0) {
      this.#events.normal(
        cron,
        "JobAlreadyActive",
        "Not starting job because prior execution is running and concurrency policy is Forbid",
      );
      return undefined;
    }
    if (cron.spec.concurrencyPolicy === "Replace") for (const job of active) await this.#delete(cron, job);
    return this.#make(cron, due);
  }

  /** The last time that has come and has had no Job, however long ago; those before it are not made up for. */
  #due(cron: CronJob, jobs: readonly Job[], schedule: Schedule, zone: string): number | undefined {
    const now = this.#now();
    const times = [
      Date.parse(cron.metadata.creationTimestamp ?? ""),
      Date.parse(String(cron.status?.lastScheduleTime ?? "")),
      // A Job whose making could not be told of in the status.
      ...jobs.map((job) => Date.parse(job.metadata.annotations?.[TIME] ?? "")),
    ].filter((time) => !Number.isNaN(time));
    let after = Math.max(...times);
    const deadline = cron.spec.startingDeadlineSeconds;
    if (deadline !== undefined) after = Math.max(after, now - deadline * 1000 - 60_000);
    const due = lastTime(schedule, { after, upTo: now }, zone);
    if (due !== undefined && hasMany(schedule, { after, upTo: due }, zone))
      this.#events.warning(
        cron,
        "TooManyMissedTimes",
        "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew",
      );
    return due;
  }

  async #make(cron: CronJob, time: number): Promise<Job | undefined> {
    const { metadata, spec } = cron.spec.jobTemplate;
    const { namespace, name } = cron.metadata;
    const job: Job = {
      apiVersion: "batch/v1",
      kind: "Job",
      metadata: {
        name: `${name.slice(0, 52)}-${Math.floor(time / 60_000)}`,
        ...(namespace !== undefined && { namespace }),
        ...(metadata?.labels && { labels: metadata.labels }),
        annotations: { ...metadata?.annotations, [TIME]: timeText(time) },
        ownerReferences: [ownedBy(cron, CRON_JOBS)],
      },
      spec: spec ?? { template: {} },
    };
    try {
      const made = await this.#client.create(JOBS, job);
      this.#events.normal(cron, "SuccessfulCreate", `Created job ${made.metadata.name}`);
      return made;
    } catch (error) {
      if (!isReason(error, "AlreadyExists")) throw error;
      return await this.#client.get(JOBS, { namespace, name: job.metadata.name });
    }
  }

  async #tellStatus(cron: CronJob, jobs: readonly Job[], made: Job | undefined): Promise<void> {
    const active = new Map(jobs.filter((job) => !verdictOf(job)).map((job) => [uidOf(job), job]));
    const ends = jobs
      .filter((job) => verdictOf(job)?.type === "Complete")
      .flatMap(({ status }) => status?.completionTime ?? [])
      .sort();
    const last = made?.metadata.annotations?.[TIME] ?? cron.status?.lastScheduleTime;
    const success = [...ends, cron.status?.lastSuccessfulTime].filter(Boolean).sort().at(-1);
    const status: CronJobStatus = {
      ...(active.size > 0 && {
        active: [...active.values()].map(({ metadata: { name, namespace, uid, resourceVersion } }) => ({
          apiVersion: "batch/v1",
          kind: "Job",
          name,
          ...(namespace !== undefined && { namespace }),
          ...(uid !== undefined && { uid }),
          // A reference of a moment: kept as it was, lest every change of the Job be a change here.
          ...(resourceVersion !== undefined && {
            resourceVersion:
              cron.status?.active?.find((one) => one.uid === uid)?.resourceVersion ?? resourceVersion,
          }),
        })),
      }),
      ...(last && { lastScheduleTime: last }),
      ...(success && { lastSuccessfulTime: success }),
    };
    await writeStatus(this.#client, CRON_JOBS, cron, status);
  }

  async #forget(cron: CronJob, jobs: readonly Job[]): Promise<void> {
    const limits = {
      Complete: cron.spec.successfulJobsHistoryLimit ?? 3,
      Failed: cron.spec.failedJobsHistoryLimit ?? 1,
    };
    for (const [type, limit] of Object.entries(limits)) {
      const over = jobs
        .filter((job) => verdictOf(job)?.type === type)
        .sort((a, b) => startOf(a) - startOf(b));
      for (const job of over.slice(0, Math.max(0, over.length - limit))) await this.#delete(cron, job);
    }
  }

  async #delete(cron: CronJob, job: Job): Promise<void> {
    if (await deleteThis(this.#client, JOBS, job, { propagationPolicy: "Background" }))
      this.#events.normal(cron, "SuccessfulDelete", `Deleted job ${job.metadata.name}`);
  }

  stop(): void {
    this.#queue.stop();
  }
}

/** Whether a span has more of a schedule's times than anyone should miss. */
function hasMany(
  schedule: Schedule,
  { after, upTo }: { readonly after: number; readonly upTo: number },
  zone: string,
): boolean {
  let time: number | undefined = after;
  for (let count = 0; count <= MANY_MISSED; count++) {
    time = nextTime(schedule, time, zone);
    if (time === undefined || time > upTo) return false;
  }
  return true;
}

function startOf({ metadata, status }: Job): number {
  return Date.parse(String(status?.startTime ?? metadata.creationTimestamp ?? "")) || 0;
}
