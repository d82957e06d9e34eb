/** @module PodDisruptionBudgets: how many of the pods that they select may be ended on purpose now. */

import type { LabelSelector } from "kubernetes-types/meta/v1.js";
import type { Client } from "../client/client.ts";
import type { Informer } from "../client/informer.ts";
import type { Pod } from "../client/kinds.ts";
import { DEPLOYMENTS, PODS, REPLICA_SETS, STATEFUL_SETS } from "../client/kinds.ts";
import type { KubeObject, ResourceType } from "../client/objects.ts";
import { keyOf, timeText } from "../client/objects.ts";
import { amountOf } from "./amounts.ts";
import type { Context, Controller } from "./context.ts";
import { isEqual } from "./equal.ts";
import { PodFinder, selectorKeys, selectorKeysOfPod } from "./indexes.ts";
import type { Informers } from "./informers.ts";
import { controllerKey, controllerOf, isDeleting, isStatusOnly } from "./owners.ts";
import { conditionOf, isFinished, isReady } from "./pod-state.ts";
import { ControllerQueue } from "./queue.ts";
import { selects } from "./selection.ts";
import { writeStatus } from "./status.ts";

const NAME = "disruption-controller";
const PACE_MS = 100;

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionTime: string;
  readonly observedGeneration: number;
}

export interface DisruptionBudget extends KubeObject {
  spec: {
    selector?: LabelSelector;
    minAvailable?: number | string;
    maxUnavailable?: number | string;
  };
  status?: {
    currentHealthy: number;
    desiredHealthy: number;
    expectedPods: number;
    disruptionsAllowed: number;
    observedGeneration?: number;
    conditions?: readonly Condition[];
  };
}

export const DISRUPTION_BUDGETS: ResourceType<DisruptionBudget> = {
  group: "policy",
  version: "v1",
  kind: "PodDisruptionBudget",
  plural: "poddisruptionbudgets",
  namespaced: true,
};

function viewOf({ metadata, status, spec }: Pod): unknown {
  return [
    metadata.labels,
    metadata.deletionTimestamp !== undefined,
    status?.phase,
    spec.nodeName,
    conditionOf(status?.conditions, "Ready")?.status,
  ];
}

export class DisruptionBudgetController implements Controller {
  readonly #client: Client;
  readonly #now: () => number;
  readonly #informers: Informers;
  readonly #budgets: Informer<DisruptionBudget>;
  readonly #finder: PodFinder;
  readonly #queue: ControllerQueue;

  constructor({ informers, client, log, now }: Context) {
    this.#client = client(NAME);
    this.#now = now;
    this.#informers = informers;
    this.#finder = new PodFinder(informers);
    this.#queue = new ControllerQueue((key) => this.#look(key), {
      name: NAME,
      log,
      ready: informers.ready(DISRUPTION_BUDGETS, PODS, DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS),
      paceMs: PACE_MS,
    });
    const bySelector = informers.index(DISRUPTION_BUDGETS, "selector", ({ metadata, spec }) =>
      selectorKeys(metadata.namespace, spec.selector?.matchLabels),
    );
    this.#budgets = informers.of(DISRUPTION_BUDGETS).on({
      changed: (budget, before) => {
        if (!isStatusOnly(budget, before)) this.#queue.add(keyOf(budget));
      },
    });
    const tell = (pod: Pod): void => {
      for (const key of selectorKeysOfPod(pod))
        for (const [name, { spec }] of bySelector.get(key))
          if (selects(spec.selector, pod.metadata.labels)) this.#queue.soon(name);
    };
    informers.of(PODS).on({
      changed: (pod, before) => {
        if (before && isEqual(viewOf(pod), viewOf(before))) return;
        tell(pod);
        if (before && !isEqual(before.metadata.labels, pod.metadata.labels)) tell(before);
      },
      deleted: tell,
    });
    // How many pods there should be is what their owners say.
    for (const type of [DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS] as readonly ResourceType<Scaled>[])
      informers.of(type).on({
        changed: ({ metadata, spec }, before) => {
          if (spec?.replicas === before?.spec?.replicas) return;
          for (const budget of this.#budgets.values())
            if (budget.metadata.namespace === metadata.namespace) this.#queue.soon(keyOf(budget));
        },
      });
  }

  async #look(key: string): Promise<void> {
    const budget = this.#budgets.byKey(key);
    if (!budget || isDeleting(budget)) return;
    const { selector, minAvailable, maxUnavailable } = budget.spec;
    const pods: Pod[] = [];
    for (const pod of this.#finder.candidates(budget.metadata.namespace ?? "", selector?.matchLabels))
      if (selects(selector, pod.metadata.labels) && !isFinished(pod)) pods.push(pod);
    const isCounted = typeof minAvailable === "number" && maxUnavailable === undefined;
    const expected = isCounted ? pods.length : this.#expected(pods);
    const desired =
      maxUnavailable !== undefined
        ? Math.max(0, expected - (amountOf(maxUnavailable, expected, "up") ?? 0))
        : (amountOf(minAvailable ?? 1, expected, "up") ?? 0);
    const healthy = pods.filter((pod) => isReady(pod) && !isDeleting(pod)).length;
    const allowed = expected > 0 ? Math.max(0, healthy - desired) : 0;
    const generation = budget.metadata.generation ?? 0;
    const known = conditionOf(budget.status?.conditions, "DisruptionAllowed");
    const value = allowed > 0 ? "True" : "False";
    await writeStatus(this.#client, DISRUPTION_BUDGETS, budget, {
      currentHealthy: healthy,
      desiredHealthy: desired,
      expectedPods: expected,
      disruptionsAllowed: allowed,
      observedGeneration: generation,
      conditions: [
        {
          type: "DisruptionAllowed",
          status: value,
          reason: allowed > 0 ? "SufficientPods" : "InsufficientPods",
          message: "",
          lastTransitionTime: known?.status === value ? known.lastTransitionTime : timeText(this.#now()),
          observedGeneration: generation,
        },
      ],
    });
  }

  /** The sizes of the pods' owners; a pod without one counts itself. */
  #expected(pods: readonly Pod[]): number {
    const sizes = new Map<string, number>();
    let alone = 0;
    for (const pod of pods) {
      const owner = controllerOf(pod);
      if (!owner) alone++;
      else if (!sizes.has(owner.uid)) sizes.set(owner.uid, 0);
      else continue;
      if (owner) {
        const scaled = this.#scaleOf(pod);
        if (scaled) {
          // Several ReplicaSets of one Deployment are one workload.
          sizes.set(owner.uid, -1);
          sizes.set(scaled.uid, scaled.replicas);
        }
      }
    }
    const total = [...sizes.values()].reduce((sum, size) => sum + Math.max(0, size), 0);
    return total + alone;
  }

  #scaleOf(pod: Pod): { readonly uid: string; readonly replicas: number } | undefined {
    const find = (object: KubeObject, type: ResourceType<Scaled>): Scaled | undefined => {
      const key = controllerKey(object, type);
      return key === undefined ? undefined : this.#informers.of(type).byKey(key);
    };
    const stateful = find(pod, STATEFUL_SETS as ResourceType<Scaled>);
    const replicaSet = find(pod, REPLICA_SETS as ResourceType<Scaled>);
    const deployment = replicaSet && find(replicaSet, DEPLOYMENTS as ResourceType<Scaled>);
    const scaled = deployment ?? replicaSet ?? stateful;
    return scaled && { uid: scaled.metadata.uid ?? "", replicas: scaled.spec?.replicas ?? 1 };
  }

  stop(): void {
    this.#queue.stop();
  }
}

interface Scaled extends KubeObject {
  spec?: { replicas?: number };
}
