/**
 * @module The finalizer by which a Job's pods are counted before they can vanish, and its removal from pods that no Job
 * counts any more: those of a Job that is over, or going, or gone.
 */
import type { Client } from "../client/client.ts";
import { isReason } from "../client/client.ts";
import type { Informer } from "../client/informer.ts";
import type { Job, Pod } from "../client/kinds.ts";
import { JOBS, PODS } from "../client/kinds.ts";
import { keyOf } from "../client/objects.ts";
import { concurrently } from "./concurrently.ts";
import type { Context } from "./context.ts";
import { byController } from "./indexes.ts";
import type { Index } from "./informers.ts";
import { TRACKING } from "./job-pods.ts";
import { verdictOf } from "./job-status.ts";
import { controllerKey, controllerOf, isDeleting, uidOf } from "./owners.ts";
import { ControllerQueue } from "./queue.ts";

const WRITES = 32;

export class JobTracking {
  readonly #client: Client;
  readonly #pods: Informer<Pod>;
  readonly #owned: Index<Pod>;
  /** Let go by us, by uid, until the informer says so. */
  readonly #released = new Set<string>();
  readonly #strays: ControllerQueue;

  constructor({ informers, log }: Context, client: Client, name: string) {
    this.#client = client;
    this.#owned = byController(informers, PODS);
    this.#strays = new ControllerQueue((key) => this.#look(key), {
      name,
      log,
      ready: informers.ready(JOBS, PODS),
    });
    const jobs = informers.of(JOBS).on({
      changed: (job) => {
        if (!isCounting(job)) this.#tellAll(job);
      },
      deleted: (job) => this.#tellAll(job),
    });
    this.#pods = informers.of(PODS).on({
      changed: (pod) => {
        if (!hasFinalizer(pod)) {
          this.#released.delete(uidOf(pod));
          return;
        }
        const key = controllerKey(pod, JOBS);
        const job = key === undefined ? undefined : jobs.byKey(key);
        if (!job || uidOf(job) !== controllerOf(pod)?.uid || !isCounting(job)) this.#strays.add(keyOf(pod));
      },
      deleted: (pod) => this.#released.delete(uidOf(pod)),
    });
  }

  #tellAll(job: Job): void {
    for (const pod of this.#owned.get(uidOf(job)).values())
      if (this.isTracked(pod)) this.#strays.add(keyOf(pod));
  }

  async #look(key: string): Promise<void> {
    const pod = this.#pods.byKey(key);
    if (!pod || !this.isTracked(pod)) return;
    if (await this.#isCounted(pod)) return;
    await this.release([pod]);
  }

  /** Asked of the API itself: the informer may not have heard of a new Job yet. */
  async #isCounted(pod: Pod): Promise<boolean> {
    const owner = controllerOf(pod);
    if (!owner || controllerKey(pod, JOBS) === undefined) return false;
    try {
      const job = await this.#client.get(JOBS, { namespace: pod.metadata.namespace, name: owner.name });
      return uidOf(job) === owner.uid && isCounting(job);
    } catch (error) {
      if (isReason(error, "NotFound")) return false;
      throw error;
    }
  }

  isTracked(pod: Pod): boolean {
    return hasFinalizer(pod) && !this.#released.has(uidOf(pod));
  }

  /** Pods that were adopted are counted, too. */
  async track(pods: readonly Pod[]): Promise<void> {
    const others = pods.filter((pod) => !hasFinalizer(pod) && !this.#released.has(uidOf(pod)));
    await concurrently(others, WRITES, (pod) => this.#patch(pod, { finalizers: [TRACKING] }));
  }

  async release(pods: readonly Pod[]): Promise<void> {
    const held = pods.filter((pod) => this.isTracked(pod));
    await concurrently(held, WRITES, async (pod) => {
      await this.#patch(pod, { "$deleteFromPrimitiveList/finalizers": [TRACKING] });
      this.#released.add(uidOf(pod));
    });
  }

  async #patch(pod: Pod, change: object): Promise<void> {
    const { namespace, name, uid } = pod.metadata;
    try {
      const patch = { metadata: { uid, ...change } };
      await this.#client.patch(PODS, { namespace, name }, patch, { type: "strategic" });
    } catch (error) {
      if (isReason(error, "NotFound")) return;
      // Where others only were quicker, it is as it was: the next look tries again.
      if (isReason(error, "Conflict") && (await this.#isGone(pod))) return;
      throw error;
    }
  }

  /** Another of its name is not this one. */
  async #isGone(pod: Pod): Promise<boolean> {
    const { namespace, name } = pod.metadata;
    try {
      return uidOf(await this.#client.get(PODS, { namespace, name })) !== uidOf(pod);
    } catch (error) {
      if (isReason(error, "NotFound")) return true;
      throw error;
    }
  }

  stop(): void {
    this.#strays.stop();
  }
}

function hasFinalizer({ metadata }: Pod): boolean {
  return metadata.finalizers?.includes(TRACKING) === true;
}

function isCounting(job: Job): boolean {
  return !isDeleting(job) && verdictOf(job) === undefined;
}
