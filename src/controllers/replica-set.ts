/** @module ReplicaSets: as many pods as they ask for, no more and no fewer. */
import type { ReplicaSetCondition, ReplicaSetStatus } from "kubernetes-types/apps/v1.js";
import type { Client } from "../client/client.ts";
import { EventRecorder } from "../client/events.ts";
import type { Informer } from "../client/informer.ts";
import type { Pod, ReplicaSet } from "../client/kinds.ts";
import { PODS, REPLICA_SETS } from "../client/kinds.ts";
import { keyOf, timeText } from "../client/objects.ts";
import type { Context, Controller } from "./context.ts";
import { byNamespace } from "./indexes.ts";
import type { Index } from "./informers.ts";
import { controllerKey, controllerOf, isDeleting, isStatusOnly } from "./owners.ts";
import { PodControl, podOf } from "./pod-control.ts";
import { conditionOf, isFinished, isReady, readyCondition, untilAvailable } from "./pod-state.ts";
import { ControllerQueue } from "./queue.ts";
import { matchesAll, selects } from "./selection.ts";
import { writeStatus } from "./status.ts";

const NAME = "replicaset-controller";
/** While its pods change, a set is looked at so often: which is how often its status is written. */
const PACE_MS = 100;
/** As many at once as kube-controller-manager makes. */
const BURST = 500;

export class ReplicaSetController implements Controller {
  readonly #client: Client;
  readonly #now: () => number;
  readonly #sets: Informer<ReplicaSet>;
  readonly #byNamespace: Index<ReplicaSet>;
  readonly #control: PodControl;
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
    this.#byNamespace = byNamespace(informers, REPLICA_SETS);
    this.#queue = new ControllerQueue((key) => this.#look(key), {
      name: NAME,
      log,
      ready: informers.ready(PODS, REPLICA_SETS),
      paceMs: PACE_MS,
    });
    this.#sets = informers.of(REPLICA_SETS).on({
      changed: (set, before) => {
        if (!isStatusOnly(set, before)) this.#queue.add(keyOf(set));
      },
    });
    informers.of(PODS).on({
      changed: (pod, before) => {
        this.#tell(pod);
        // A pod that changed hands concerns both.
        if (before && controllerOf(before)?.uid !== controllerOf(pod)?.uid) this.#tell(before);
      },
      deleted: (pod) => this.#tell(pod),
    });
  }

  #tell(pod: Pod): void {
    const key = controllerKey(pod, REPLICA_SETS);
    if (key !== undefined) this.#queue.soon(key);
    else if (!controllerOf(pod)) {
      for (const set of this.#byNamespace.get(pod.metadata.namespace ?? "").values())
        if (selects(set.spec.selector, pod.metadata.labels)) this.#queue.soon(keyOf(set));
    }
  }

  async #look(key: string): Promise<void> {
    const set = this.#sets.byKey(key);
    if (!set) return;
    let failure: Error | undefined;
    if (!isDeleting(set)) {
      if (await this.#control.claim(set, REPLICA_SETS, set.spec.selector)) this.#queue.soon(key);
      try {
        await this.#scale(set);
      } catch (error) {
        failure = error instanceof Error ? error : new Error(String(error), { cause: error });
      }
    }
    await this.#tellStatus(key, set, failure);
    if (failure) throw failure;
  }

  #active(set: ReplicaSet): Pod[] {
    return this.#control.owned(set).filter((pod) => !isFinished(pod) && !this.#control.isGoing(pod));
  }

  async #scale(set: ReplicaSet): Promise<void> {
    const active = this.#active(set);
    const missing = (set.spec.replicas ?? 1) - active.length;
    if (missing > 0) {
      const count = Math.min(missing, BURST);
      const draft = podOf(set, REPLICA_SETS, set.spec.template ?? {});
      await this.#control.create(set, REPLICA_SETS, Array<Pod>(count).fill(draft));
      if (missing > count) this.#queue.add(keyOf(set));
    } else if (missing < 0) {
      await this.#control.delete(set, REPLICA_SETS, leastWanted(active, -missing));
    }
  }

  async #tellStatus(key: string, set: ReplicaSet, failure: Error | undefined): Promise<void> {
    const pods = this.#active(set);
    const now = this.#now();
    const minReady = set.spec.minReadySeconds ?? 0;
    const labels = set.spec.template?.metadata?.labels;
    let available = 0;
    let next = Number.POSITIVE_INFINITY;
    for (const pod of pods) {
      const wait = untilAvailable(pod, minReady, now);
      if (wait === 0) available++;
      else if (wait !== undefined) next = Math.min(next, wait);
    }
    const conditions = conditionsOf(set, failure, timeText(now));
    const status: ReplicaSetStatus = {
      replicas: pods.length,
      fullyLabeledReplicas: pods.filter(({ metadata }) => matchesAll(labels, metadata.labels)).length,
      readyReplicas: pods.filter(isReady).length,
      availableReplicas: available,
      observedGeneration: set.metadata.generation ?? 0,
      ...(conditions.length > 0 && { conditions }),
    };
    await writeStatus(this.#client, REPLICA_SETS, set, status);
    if (next < Number.POSITIVE_INFINITY) this.#queue.addAfter(key, next);
  }

  stop(): void {
    this.#queue.stop();
  }
}

function conditionsOf(set: ReplicaSet, failure: Error | undefined, now: string): ReplicaSetCondition[] {
  const known = set.status?.conditions ?? [];
  const others = known.filter(({ type }) => type !== "ReplicaFailure");
  if (failure === undefined) return others;
  const before = conditionOf(known, "ReplicaFailure");
  const { message } = failure;
  return [
    ...others,
    {
      type: "ReplicaFailure",
      status: "True",
      reason: "FailedCreate",
      message,
      lastTransitionTime: before?.lastTransitionTime ?? now,
    },
  ];
}

const PHASES: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };

/** Those that go first when there are too many: the order is kube-controller-manager's. */
export function leastWanted(pods: readonly Pod[], count: number): Pod[] {
  if (count >= pods.length) return [...pods];
  const onNode = new Map<string, number>();
  for (const { spec } of pods)
    if (spec.nodeName) onNode.set(spec.nodeName, (onNode.get(spec.nodeName) ?? 0) + 1);
  const ranked = pods.map((pod) => ({ pod, rank: rankOf(pod, onNode) }));
  ranked.sort((a, b) => {
    for (const [place, value] of a.rank.entries()) {
      const difference = value - (b.rank[place] ?? 0);
      if (difference !== 0) return difference;
    }
    return 0;
  });
  return ranked.slice(0, count).map(({ pod }) => pod);
}

/** Compared number by number; the lower one goes first. */
function rankOf(pod: Pod, onNode: ReadonlyMap<string, number>): number[] {
  const cost = Number(pod.metadata.annotations?.["controller.kubernetes.io/pod-deletion-cost"] ?? 0);
  const restarts = (pod.status?.containerStatuses ?? []).reduce((sum, one) => sum + one.restartCount, 0);
  return [
    pod.spec.nodeName ? 1 : 0,
    PHASES[pod.status?.phase ?? "Pending"] ?? 0,
    isReady(pod) ? 1 : 0,
    Number.isNaN(cost) ? 0 : cost,
    -(onNode.get(pod.spec.nodeName ?? "") ?? 0),
    -Date.parse(String(readyCondition(pod)?.lastTransitionTime ?? 0)) || 0,
    -restarts,
    -Date.parse(pod.metadata.creationTimestamp ?? "") || 0,
  ];
}
