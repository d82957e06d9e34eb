/** @module StatefulSets: pods with names that stay, one after the other unless they need no order. */
import type { StatefulSetStatus } from "kubernetes-types/apps/v1.js";
import type { Client } from "../client/client.ts";
import { EventRecorder } from "../client/events.ts";
import type { Informer } from "../client/informer.ts";
import type { Pod, StatefulSet } from "../client/kinds.ts";
import { PODS, STATEFUL_SETS } from "../client/kinds.ts";
import { keyOf } from "../client/objects.ts";
import type { Context, Controller } from "./context.ts";
import {
  CONTROLLER_REVISIONS,
  type ControllerRevision,
  ControllerRevisions,
  type History,
  REVISION_HASH,
  templateOf,
} from "./controller-revisions.ts";
import { controllerKey, isDeleting, isStatusOnly } from "./owners.ts";
import { PodControl, podOf } from "./pod-control.ts";
import { isFinished, isReady, untilAvailable } from "./pod-state.ts";
import { ControllerQueue } from "./queue.ts";
import { writeStatus } from "./status.ts";

const NAME = "statefulset-controller";
const POD_NAME = "statefulset.kubernetes.io/pod-name";
const POD_INDEX = "apps.kubernetes.io/pod-index";
const PACE_MS = 50;

interface Rollout {
  readonly set: StatefulSet;
  /** By ordinal. */
  readonly pods: ReadonlyMap<number, Pod>;
  readonly first: number;
  /** One past the last. */
  readonly end: number;
  /** What pods below the partition are made of. */
  readonly current: ControllerRevision;
  readonly history: History;
}

export class StatefulSetController implements Controller {
  readonly #client: Client;
  readonly #now: () => number;
  readonly #sets: Informer<StatefulSet>;
  readonly #control: PodControl;
  readonly #revisions: ControllerRevisions<StatefulSet>;
  readonly #queue: ControllerQueue;

  constructor(context: Context) {
    const { informers, log, now } = context;
    this.#client = context.client(NAME);
    this.#now = now;
    this.#control = new PodControl(
      context,
      this.#client,
      new EventRecorder(this.#client, { component: NAME }),
    );
    this.#revisions = new ControllerRevisions(context, this.#client, STATEFUL_SETS);
    this.#queue = new ControllerQueue((key) => this.#look(key), {
      name: NAME,
      log,
      ready: informers.ready(STATEFUL_SETS, PODS, CONTROLLER_REVISIONS),
      paceMs: PACE_MS,
    });
    this.#sets = informers.of(STATEFUL_SETS).on({
      changed: (set, before) => {
        if (!isStatusOnly(set, before)) this.#queue.add(keyOf(set));
      },
    });
    const tell = (pod: Pod): void => {
      const key = controllerKey(pod, STATEFUL_SETS);
      if (key !== undefined) this.#queue.soon(key);
    };
    informers.of(PODS).on({ changed: tell, deleted: tell });
  }

  async #look(key: string): Promise<void> {
    const set = this.#sets.byKey(key);
    if (!set || isDeleting(set)) return;
    await this.#control.claim(set, STATEFUL_SETS, set.spec.selector);
    const first = (set.spec as { ordinals?: { start?: number } }).ordinals?.start ?? 0;
    const history = await this.#revisions.look(set);
    const current = history.all.find(({ metadata }) => metadata.name === set.status?.currentRevision);
    const rollout: Rollout = {
      set,
      pods: this.#podsByOrdinal(set),
      first,
      end: first + (set.spec.replicas ?? 1),
      current: current ?? history.update,
      history,
    };
    try {
      if (await this.#make(rollout)) if (await this.#shrink(rollout)) await this.#roll(rollout);
    } finally {
      const pods = this.#podsByOrdinal(set);
      const used = new Set([...pods.values()].map(({ metadata }) => metadata.labels?.[REVISION_HASH]));
      used.add(await this.#tellStatus(key, { ...rollout, pods }));
      await this.#revisions.prune(set, history, ({ metadata }) => used.has(metadata.name));
    }
  }

  #podsByOrdinal(set: StatefulSet): Map<number, Pod> {
    const pods = new Map<number, Pod>();
    for (const pod of this.#control.owned(set)) {
      const ordinal = ordinalOf(set, pod);
      if (ordinal !== undefined) pods.set(ordinal, pod);
    }
    return pods;
  }

  #isAvailable(set: StatefulSet, pod: Pod): boolean {
    return (
      !this.#control.isGoing(pod) && untilAvailable(pod, set.spec.minReadySeconds ?? 0, this.#now()) === 0
    );
  }

  /** @returns whether all are there, and may be followed by other steps */
  async #make({ set, pods, first, end, current, history }: Rollout): Promise<boolean> {
    const isOrdered = set.spec.podManagementPolicy !== "Parallel";
    const missing: Pod[] = [];
    let isSettled = true;
    for (let ordinal = first; ordinal < end; ordinal++) {
      const pod = pods.get(ordinal);
      if (!pod)
        missing.push(draftOf(set, ordinal, ordinal < first + partitionOf(set) ? current : history.update));
      else if (isFinished(pod) && !this.#control.isGoing(pod)) {
        // It comes again under its name.
        await this.#control.delete(set, STATEFUL_SETS, [pod]);
        isSettled = false;
      } else if (this.#isAvailable(set, pod)) continue;
      else isSettled = false;
      if (isOrdered) break;
    }
    if (missing.length > 0) await this.#control.create(set, STATEFUL_SETS, missing);
    return missing.length === 0 && (isSettled || !isOrdered);
  }

  /** The last one first. @returns whether none is left beyond those that are wanted */
  async #shrink({ set, pods, first, end }: Rollout): Promise<boolean> {
    const surplus = [...pods.keys()]
      .filter((ordinal) => ordinal < first || ordinal >= end)
      .sort((a, b) => b - a);
    if (surplus.length === 0) return true;
    const going = surplus.map((ordinal) => pods.get(ordinal)).filter((pod) => pod !== undefined);
    const isOrdered = set.spec.podManagementPolicy !== "Parallel";
    if (isOrdered && going.some((pod) => this.#control.isGoing(pod))) return false;
    await this.#control.delete(set, STATEFUL_SETS, isOrdered ? going.slice(0, 1) : going);
    return false;
  }

  /** From the last one down to the partition, each when the one before it is available again. */
  async #roll({ set, pods, first, end, history }: Rollout): Promise<void> {
    if (set.spec.updateStrategy?.type === "OnDelete") return;
    const revision = history.update.metadata.name;
    for (let ordinal = end - 1; ordinal >= first + partitionOf(set); ordinal--) {
      const pod = pods.get(ordinal);
      if (!pod) return;
      if (pod.metadata.labels?.[REVISION_HASH] !== revision) {
        await this.#control.delete(set, STATEFUL_SETS, [pod]);
        return;
      }
      if (!this.#isAvailable(set, pod)) return;
    }
  }

  /** @returns the name of the current revision */
  async #tellStatus(key: string, { set, pods, first, end, ...rollout }: Rollout): Promise<string> {
    const revision = rollout.history.update.metadata.name;
    const present = [...pods.values()].filter((pod) => !this.#control.isGoing(pod) && !isFinished(pod));
    const updated = present.filter(({ metadata }) => metadata.labels?.[REVISION_HASH] === revision);
    const isDone =
      updated.length === end - first &&
      present.length === updated.length &&
      present.every((pod) => this.#isAvailable(set, pod));
    const current = isDone ? revision : rollout.current.metadata.name;
    for (const pod of present) {
      const wait = untilAvailable(pod, set.spec.minReadySeconds ?? 0, this.#now());
      if (wait !== undefined && wait > 0) this.#queue.addAfter(key, wait);
    }
    const status: StatefulSetStatus = {
      observedGeneration: set.metadata.generation ?? 0,
      replicas: present.length,
      readyReplicas: present.filter(isReady).length,
      currentReplicas: present.filter(({ metadata }) => metadata.labels?.[REVISION_HASH] === current).length,
      updatedReplicas: updated.length,
      currentRevision: current,
      updateRevision: revision,
      collisionCount: rollout.history.collisions,
      ...{ availableReplicas: present.filter((pod) => this.#isAvailable(set, pod)).length },
    };
    await writeStatus(this.#client, STATEFUL_SETS, set, status);
    return current;
  }

  stop(): void {
    this.#queue.stop();
  }
}

function ordinalOf(set: StatefulSet, { metadata }: Pod): number | undefined {
  const prefix = `${set.metadata.name}-`;
  const rest = metadata.name.startsWith(prefix) ? metadata.name.slice(prefix.length) : "";
  return /^(0|[1-9][0-9]*)$/.test(rest) ? Number(rest) : undefined;
}

/** How many pods, from the first one, are not rolled. */
function partitionOf({ spec }: StatefulSet): number {
  if (spec.updateStrategy?.type === "OnDelete") return 0;
  return spec.updateStrategy?.rollingUpdate?.partition ?? 0;
}

function draftOf(set: StatefulSet, ordinal: number, revision: ControllerRevision): Pod {
  const name = `${set.metadata.name}-${ordinal}`;
  return podOf(set, STATEFUL_SETS, templateOf(revision), {
    name,
    labels: { [POD_NAME]: name, [POD_INDEX]: String(ordinal), [REVISION_HASH]: revision.metadata.name },
    spec: (spec) => ({
      ...spec,
      hostname: name,
      ...(set.spec.serviceName && { subdomain: set.spec.serviceName }),
    }),
  });
}
