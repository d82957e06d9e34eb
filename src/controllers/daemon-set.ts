/** @module DaemonSets: one pod on every node that suits. */
import type { DaemonSetStatus } from "kubernetes-types/apps/v1.js";
import type { Affinity, PodSpec, Toleration } from "kubernetes-types/core/v1.js";
import type { Client } from "../client/client.ts";
import { EventRecorder } from "../client/events.ts";
import type { Informer } from "../client/informer.ts";
import type { DaemonSet, Node, Pod } from "../client/kinds.ts";
import { DAEMON_SETS, NODES, PODS } from "../client/kinds.ts";
import { keyOf } from "../client/objects.ts";
import type { Context, Controller } from "./context.ts";
import {
  CONTROLLER_REVISIONS,
  ControllerRevisions,
  type History,
  hashOf,
  REVISION_HASH,
} from "./controller-revisions.ts";
import { limitsOf, planRollout, surplusOf } from "./daemon-rollout.ts";
import { isEqual } from "./equal.ts";
import { controllerKey, isDeleting, isStatusOnly } from "./owners.ts";
import { PodControl, podOf } from "./pod-control.ts";
import { isReady, untilAvailable, untolerated } from "./pod-state.ts";
import { ControllerQueue } from "./queue.ts";
import { suitsNode } from "./scheduling-rules.ts";
import { writeStatus } from "./status.ts";

const NAME = "daemonset-controller";
const PACE_MS = 100;
/** What keeps other pods off does not keep off those that a node needs to work. */
const TOLERATIONS: readonly Toleration[] = [
  { key: "node.kubernetes.io/not-ready", operator: "Exists", effect: "NoExecute" },
  { key: "node.kubernetes.io/unreachable", operator: "Exists", effect: "NoExecute" },
  { key: "node.kubernetes.io/disk-pressure", operator: "Exists", effect: "NoSchedule" },
  { key: "node.kubernetes.io/memory-pressure", operator: "Exists", effect: "NoSchedule" },
  { key: "node.kubernetes.io/pid-pressure", operator: "Exists", effect: "NoSchedule" },
  { key: "node.kubernetes.io/unschedulable", operator: "Exists", effect: "NoSchedule" },
];
const HOST_NETWORK: Toleration = {
  key: "node.kubernetes.io/network-unavailable",
  operator: "Exists",
  effect: "NoSchedule",
};

/** Tolerations that every node's own trouble needs; not-ready as NoSchedule comes with the NoExecute one. */
const IGNORED: readonly string[] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

export class DaemonSetController implements Controller {
  readonly #client: Client;
  readonly #now: () => number;
  readonly #sets: Informer<DaemonSet>;
  readonly #nodes: Informer<Node>;
  readonly #control: PodControl;
  readonly #revisions: ControllerRevisions<DaemonSet>;
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
    this.#revisions = new ControllerRevisions(context, this.#client, DAEMON_SETS);
    this.#queue = new ControllerQueue((key) => this.#look(key), {
      name: NAME,
      log,
      ready: informers.ready(DAEMON_SETS, NODES, PODS, CONTROLLER_REVISIONS),
      paceMs: PACE_MS,
    });
    this.#sets = informers.of(DAEMON_SETS).on({
      changed: (set, before) => {
        if (!isStatusOnly(set, before)) this.#queue.add(keyOf(set));
      },
    });
    const all = (): void => {
      for (const set of this.#sets.values()) this.#queue.soon(keyOf(set));
    };
    this.#nodes = informers.of(NODES).on({
      changed: (node, before) => {
        const isNews =
          !isEqual(node.spec, before?.spec) || !isEqual(node.metadata.labels, before?.metadata.labels);
        if (isNews) all();
      },
      deleted: all,
    });
    const tell = (pod: Pod): void => {
      const key = controllerKey(pod, DAEMON_SETS);
      if (key !== undefined) this.#queue.soon(key);
    };
    informers.of(PODS).on({ changed: tell, deleted: tell });
  }

  async #look(key: string): Promise<void> {
    const set = this.#sets.byKey(key);
    if (!set || isDeleting(set)) return;
    await this.#control.claim(set, DAEMON_SETS, set.spec.selector);
    const history = await this.#revisions.look(set);
    const hash = hashOf(history.update);
    const draft = podOf(set, DAEMON_SETS, set.spec.template, {
      labels: { [REVISION_HASH]: hash, "pod-template-generation": String(set.metadata.generation ?? 1) },
    });
    const spec = withTolerations(draft.spec);
    const byNode = this.#podsByNode(set);
    const missing: Pod[] = [];
    const surplus: Pod[] = [];
    for (const node of this.#nodes.values()) {
      const { name } = node.metadata;
      const pods = byNode.get(name) ?? [];
      byNode.delete(name);
      const failed = pods.filter((pod) => pod.status?.phase === "Failed");
      const working = pods.filter((pod) => !failed.includes(pod));
      surplus.push(...failed);
      if (!wanted(spec, node, working.length > 0)) surplus.push(...working);
      else if (pods.length === 0) missing.push({ ...draft, spec: onNode(spec, name) });
      // One that is on its way out still has the node's ports and volumes.
      else
        surplus.push(
          ...surplusOf(set, hash, oldestFirst(working.filter((pod) => !this.#control.isGoing(pod)))),
        );
    }
    surplus.push(...[...byNode.values()].flat());
    await this.#control.create(set, DAEMON_SETS, missing);
    await this.#control.delete(
      set,
      DAEMON_SETS,
      surplus.filter((pod) => !this.#control.isGoing(pod)),
    );
    if (surplus.length > 0 && missing.length === 0) this.#queue.soon(key);
    await this.#roll(set, { ...draft, spec }, hash);
    await this.#tellStatus(key, set, spec, history);
    const used = new Set(this.#control.owned(set).map(({ metadata }) => metadata.labels?.[REVISION_HASH]));
    await this.#revisions.prune(set, history, (one) => used.has(hashOf(one)));
  }

  #podsByNode(set: DaemonSet): Map<string, Pod[]> {
    const byNode = new Map<string, Pod[]>();
    for (const pod of this.#control.owned(set)) {
      const node = nodeOf(pod);
      byNode.set(node, [...(byNode.get(node) ?? []), pod]);
    }
    return byNode;
  }

  async #roll(set: DaemonSet, draft: Pod, hash: string): Promise<void> {
    if (set.spec.updateStrategy?.type === "OnDelete") return;
    const byNode = this.#podsByNode(set);
    const nodes = [...this.#nodes.values()].filter((node) => wanted(draft.spec, node, false));
    const present = nodes.map(({ metadata: { name } }) => ({
      name,
      pods: (byNode.get(name) ?? []).filter((pod) => !this.#control.isGoing(pod)),
    }));
    const plan = planRollout(present, {
      hash,
      ...limitsOf(set, nodes.length),
      isAvailable: (pod) => this.#isAvailable(set, pod),
    });
    const surge = plan.surge.map((name) => ({ ...draft, spec: onNode(draft.spec, name) }));
    await this.#control.create(set, DAEMON_SETS, surge);
    await this.#control.delete(set, DAEMON_SETS, plan.delete);
  }

  #isAvailable(set: DaemonSet, pod: Pod): boolean {
    return untilAvailable(pod, set.spec.minReadySeconds ?? 0, this.#now()) === 0;
  }

  async #tellStatus(key: string, set: DaemonSet, spec: PodSpec, history: History): Promise<void> {
    const hash = hashOf(history.update);
    const byNode = this.#podsByNode(set);
    const counts = { desired: 0, current: 0, wrong: 0, ready: 0, available: 0, updated: 0 };
    for (const node of this.#nodes.values()) {
      const pods = (byNode.get(node.metadata.name) ?? []).filter((pod) => !this.#control.isGoing(pod));
      if (!wanted(spec, node, false)) {
        if (pods.length > 0) counts.wrong++;
        continue;
      }
      counts.desired++;
      const pod = oldestFirst(pods)[0];
      if (!pod) continue;
      counts.current++;
      if (isReady(pod)) counts.ready++;
      const wait = untilAvailable(pod, set.spec.minReadySeconds ?? 0, this.#now());
      if (wait === 0) counts.available++;
      else if (wait !== undefined) this.#queue.addAfter(key, wait);
      if (pod.metadata.labels?.[REVISION_HASH] === hash) counts.updated++;
    }
    const status: DaemonSetStatus = {
      currentNumberScheduled: counts.current,
      desiredNumberScheduled: counts.desired,
      numberMisscheduled: counts.wrong,
      numberReady: counts.ready,
      numberAvailable: counts.available,
      numberUnavailable: counts.desired - counts.available,
      updatedNumberScheduled: counts.updated,
      observedGeneration: set.metadata.generation ?? 0,
      ...(history.collisions > 0 && { collisionCount: history.collisions }),
    };
    await writeStatus(this.#client, DAEMON_SETS, set, status);
  }

  stop(): void {
    this.#queue.stop();
  }
}

/** @param isThere - a pod that is there stays until a taint says that nothing may run */
function wanted(spec: PodSpec, node: Node, isThere: boolean): boolean {
  if (isDeleting(node) || !suitsNode({ spec }, node)) return false;
  const taints = node.spec?.taints?.filter(({ key }) => !IGNORED.includes(key));
  return !untolerated(taints, spec.tolerations, isThere ? ["NoExecute"] : ["NoSchedule", "NoExecute"]);
}

function withTolerations(spec: PodSpec): PodSpec {
  const also = spec.hostNetwork === true ? [...TOLERATIONS, HOST_NETWORK] : TOLERATIONS;
  return { ...spec, tolerations: [...(spec.tolerations ?? []), ...also] };
}

/** The scheduler puts it there: it is asked for no other node. */
function onNode(spec: PodSpec, node: string): PodSpec {
  const matchFields = [{ key: "metadata.name", operator: "In", values: [node] }];
  const given =
    spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  const nodeSelectorTerms = given ? given.map((term) => ({ ...term, matchFields })) : [{ matchFields }];
  const affinity: Affinity = {
    ...spec.affinity,
    nodeAffinity: {
      ...spec.affinity?.nodeAffinity,
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms },
    },
  };
  return { ...spec, affinity };
}

/** Where a pod is, or is to be. */
function nodeOf({ spec }: Pod): string {
  if (spec.nodeName) return spec.nodeName;
  const terms =
    spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  return terms?.[0]?.matchFields?.[0]?.values?.[0] ?? "";
}

function oldestFirst(pods: readonly Pod[]): Pod[] {
  const time = (pod: Pod): number => Date.parse(pod.metadata.creationTimestamp ?? "") || 0;
  return [...pods].sort((a, b) => time(a) - time(b));
}
