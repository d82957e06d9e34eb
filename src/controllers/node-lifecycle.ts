/** @module Nodes that are not heard of any more: they are told to be so, and their pods are given up in time. */
import type { Client } from "../client/client.ts";
import { isReason } from "../client/client.ts";
import { EventRecorder } from "../client/events.ts";
import type { Informer } from "../client/informer.ts";
import type { Lease, Node, Pod } from "../client/kinds.ts";
import { LEASES, NODES, PODS } from "../client/kinds.ts";
import { keyOf, timeText } from "../client/objects.ts";
import { concurrently } from "./concurrently.ts";
import type { Context, Controller } from "./context.ts";
import { isEqual } from "./equal.ts";
import { podsByNode } from "./indexes.ts";
import type { Index } from "./informers.ts";
import { isDeleting } from "./owners.ts";
import { conditionOf, isFinished, readyCondition, tolerates } from "./pod-state.ts";
import { ControllerQueue } from "./queue.ts";

const NAME = "node-controller";
const LEASE_NAMESPACE = "kube-node-lease";
const GRACE_MS = 40_000;
/** What DefaultTolerationSeconds gives pods that say nothing: those that some other API server let in have none. */
const DEFAULT_TOLERATION_SECONDS = 300;
const UNREACHABLE = "node.kubernetes.io/unreachable";
const NOT_READY = "node.kubernetes.io/not-ready";
const UNSCHEDULABLE = "node.kubernetes.io/unschedulable";
const OURS: readonly string[] = [UNREACHABLE, NOT_READY, UNSCHEDULABLE];
const NOT_HEARD = "NodeStatusUnknown";
const NODE_LOST = "NodeNotReady";
const WRITES = 32;

type Taint = NonNullable<NonNullable<Node["spec"]>["taints"]>[number];

export interface NodeLifecycleOptions {
  /** Without a word for so long, a node is taken for lost; as long after a node is gone, its pods are. */
  readonly graceMs?: number;
}

export class NodeLifecycleController implements Controller {
  readonly #client: Client;
  readonly #events: EventRecorder;
  readonly #now: () => number;
  readonly #nodes: Informer<Node>;
  readonly #pods: Informer<Pod>;
  readonly #byNode: Index<Pod>;
  readonly #nodeQueue: ControllerQueue;
  readonly #podQueue: ControllerQueue;
  readonly #graceMs: number;
  /** When each node was last heard of, by our own clock: the node's may be wrong. */
  readonly #heard = new Map<string, number>();
  /** Since when pods are on a node that is not there, by the node's name. */
  readonly #missing = new Map<string, number>();

  constructor({ informers, client, log, now }: Context, options: NodeLifecycleOptions = {}) {
    this.#client = client(NAME);
    this.#events = new EventRecorder(this.#client, { component: NAME });
    this.#now = now;
    this.#graceMs = options.graceMs ?? GRACE_MS;
    this.#byNode = podsByNode(informers);
    const ready = informers.ready(NODES, PODS, LEASES);
    this.#nodeQueue = new ControllerQueue((name) => this.#lookAtNode(name), { name: NAME, log, ready });
    this.#podQueue = new ControllerQueue((key) => this.#lookAtPod(key), {
      name: "taint-eviction-controller",
      log,
      ready,
      workers: WRITES,
    });
    this.#nodes = informers.of(NODES).on({
      changed: (node, before) => this.#nodeChanged(node, before),
      deleted: ({ metadata }) => {
        this.#heard.delete(metadata.name);
        this.#tellPods(metadata.name);
      },
    });
    this.#pods = informers.of(PODS).on({
      changed: (pod, before) => {
        const { nodeName } = pod.spec;
        if (!nodeName || isFinished(pod)) return;
        const node = this.#nodes.get(undefined, nodeName);
        const isNews =
          before?.spec.nodeName !== nodeName || !isEqual(before.spec.tolerations, pod.spec.tolerations);
        // Only a node that is missing or tainted concerns its pods: nearly none is.
        if (isNews && (!node || node.spec?.taints?.some(({ effect }) => effect === "NoExecute")))
          this.#podQueue.add(keyOf(pod));
      },
    });
    informers.of(LEASES).on({ changed: (lease) => this.#leaseRenewed(lease) });
  }

  #leaseRenewed({ metadata }: Lease): void {
    if (metadata.namespace !== LEASE_NAMESPACE) return;
    this.#heard.set(metadata.name, this.#now());
    const node = this.#nodes.get(undefined, metadata.name);
    if (node && conditionOf(node.status?.conditions, "Ready")?.reason === NOT_HEARD)
      this.#nodeQueue.add(metadata.name);
  }

  #nodeChanged(node: Node, before: Node | undefined): void {
    const { name } = node.metadata;
    this.#missing.delete(name);
    const isOurs = conditionOf(node.status?.conditions, "Ready")?.reason === NOT_HEARD;
    // What the node says of itself is a sign of life; what is said here about it is none.
    if (!before || (!isOurs && !isEqual(before.status, node.status))) this.#heard.set(name, this.#now());
    this.#nodeQueue.add(name);
    if (!isEqual(before?.spec?.taints, node.spec?.taints)) this.#tellPods(name);
  }

  #tellPods(node: string): void {
    for (const key of this.#byNode.get(node).keys()) this.#podQueue.add(key);
  }

  async #lookAtNode(name: string): Promise<void> {
    const node = this.#nodes.get(undefined, name);
    if (!node || isDeleting(node)) return;
    const heard = this.#heard.get(name) ?? this.#now();
    this.#heard.set(name, heard);
    const left = heard + this.#graceMs - this.#now();
    this.#nodeQueue.addAfter(name, left > 0 ? left : this.#graceMs);
    const ready = conditionOf(node.status?.conditions, "Ready");
    if (left <= 0 && ready?.status !== "Unknown") await this.#giveUp(node);
    else if (left > 0 && ready?.reason === NOT_HEARD) await this.#takeBack(node);
    else {
      await this.#seeToTaints(node);
      await this.#markPods(name, ready?.status === "True");
    }
  }

  async #giveUp(node: Node): Promise<void> {
    const time = timeText(this.#now());
    const known = node.status?.conditions ?? [];
    const types = [...new Set([...known.map(({ type }) => type), "Ready"])];
    const conditions = types.map((type) => {
      const before = conditionOf(known, type);
      const isNew = before?.status !== "Unknown";
      return {
        ...before,
        type,
        status: "Unknown",
        reason: NOT_HEARD,
        message: "Kubelet stopped posting node status.",
        lastTransitionTime: isNew ? time : (before.lastTransitionTime ?? time),
      };
    });
    await this.#client.update(NODES, { ...node, status: { ...node.status, conditions } }, "status");
    this.#events.normal(node, "NodeNotReady", `Node ${node.metadata.name} status is now: NodeNotReady`);
  }

  /** Its kubelet says what it has to say when it starts, and renews its lease from then on: that is enough. */
  async #takeBack(node: Node): Promise<void> {
    const time = timeText(this.#now());
    const conditions = (node.status?.conditions ?? []).map((condition) => {
      if (condition.reason !== NOT_HEARD) return condition;
      const isReady = condition.type === "Ready";
      return {
        ...condition,
        status: isReady ? "True" : "False",
        reason: isReady ? "KubeletReady" : "KubeletIsBack",
        message: "The kubelet renews its lease again.",
        lastTransitionTime: time,
        lastHeartbeatTime: time,
      };
    });
    await this.#client.update(NODES, { ...node, status: { ...node.status, conditions } }, "status");
  }

  async #seeToTaints(node: Node): Promise<void> {
    const present = node.spec?.taints ?? [];
    const wanted = wantedTaints(node);
    const others = present.filter(({ key }) => !OURS.includes(key));
    const same = (a: Omit<Taint, "timeAdded">, b: Taint): boolean => a.key === b.key && a.effect === b.effect;
    const taints = [
      ...others,
      ...wanted.map(
        (one) =>
          present.find((taint) => same(one, taint)) ??
          (one.effect === "NoExecute" ? { ...one, timeAdded: timeText(this.#now()) } : one),
      ),
    ];
    const isCurrent =
      taints.length === present.length && taints.every((one) => present.some((other) => same(one, other)));
    if (isCurrent) return;
    await this.#client.update(NODES, { ...node, spec: { ...node.spec, taints } });
  }

  /** Pods of a node that is lost answer nobody: they are ready again when it is back. */
  async #markPods(node: string, isReady: boolean): Promise<void> {
    const concerned = this.#byNode.list(node).filter((pod) => {
      const condition = readyCondition(pod);
      return isReady
        ? condition?.reason === NODE_LOST &&
            conditionOf(pod.status?.conditions, "ContainersReady")?.status !== "False"
        : condition?.status === "True";
    });
    const time = timeText(this.#now());
    await concurrently(concerned, WRITES, async (pod) => {
      const conditions = (pod.status?.conditions ?? []).map((condition) => {
        if (condition.type !== "Ready") return condition;
        const { reason: _, ...rest } = condition;
        return {
          ...rest,
          status: isReady ? "True" : "False",
          ...(!isReady && { reason: NODE_LOST }),
          lastTransitionTime: time,
        };
      });
      try {
        await this.#client.update(PODS, { ...pod, status: { ...pod.status, conditions } }, "status");
      } catch (error) {
        if (!isReason(error, "NotFound", "Conflict")) throw error;
        this.#nodeQueue.addAfter(node, 100);
      }
    });
  }

  async #lookAtPod(key: string): Promise<void> {
    const pod = this.#pods.byKey(key);
    const name = pod?.spec.nodeName;
    if (!pod || !name) return;
    const node = this.#nodes.get(undefined, name);
    if (!node) {
      await this.#forgetLater(key, pod, name);
      return;
    }
    if (isDeleting(pod) || isFinished(pod)) return;
    const taints = (node.spec?.taints ?? []).filter(({ effect }) => effect === "NoExecute");
    const left = Math.min(...taints.map((taint) => this.#untilEviction(pod, taint)));
    if (left === Number.POSITIVE_INFINITY) return;
    if (left > 0) {
      this.#podQueue.addAfter(key, left);
      return;
    }
    this.#events.normal(pod, "TaintManagerEviction", `Marking for deletion Pod ${key}`);
    await this.#delete(pod, undefined);
  }

  /** Nobody is there to say that a pod has ended when its node is not. */
  async #forgetLater(key: string, pod: Pod, node: string): Promise<void> {
    const since = this.#missing.get(node) ?? this.#now();
    this.#missing.set(node, since);
    const left = since + this.#graceMs - this.#now();
    if (left > 0) this.#podQueue.addAfter(key, left);
    else await this.#delete(pod, 0);
  }

  /** @returns milliseconds; infinity for what is tolerated for ever */
  #untilEviction(pod: Pod, taint: Taint): number {
    const fitting = (pod.spec.tolerations ?? []).filter((toleration) => tolerates(toleration, taint));
    const isNodes = taint.key === UNREACHABLE || taint.key === NOT_READY;
    if (fitting.length === 0 && !isNodes) return 0;
    const limits =
      fitting.length === 0
        ? [DEFAULT_TOLERATION_SECONDS]
        : fitting.flatMap(({ tolerationSeconds }) => tolerationSeconds ?? []);
    if (limits.length === 0) return Number.POSITIVE_INFINITY;
    const since = Date.parse(String(taint.timeAdded ?? "")) || this.#now();
    return Math.max(0, since + Math.max(0, Math.min(...limits)) * 1000 - this.#now());
  }

  async #delete(
    { metadata: { namespace, name, uid } }: Pod,
    gracePeriodSeconds: number | undefined,
  ): Promise<void> {
    const options = {
      ...(uid !== undefined && { uid }),
      ...(gracePeriodSeconds !== undefined && { gracePeriodSeconds }),
    };
    try {
      await this.#client.delete(PODS, { namespace, name }, options);
    } catch (error) {
      if (!isReason(error, "NotFound", "Conflict")) throw error;
    }
  }

  stop(): void {
    this.#nodeQueue.stop();
    this.#podQueue.stop();
  }
}

/** What a node's state says of pods: none new, none at all. */
function wantedTaints(node: Node): Taint[] {
  const ready = conditionOf(node.status?.conditions, "Ready")?.status;
  const key = ready === "True" ? undefined : ready === "Unknown" ? UNREACHABLE : NOT_READY;
  return [
    ...(key === undefined
      ? []
      : [
          { key, effect: "NoSchedule" },
          { key, effect: "NoExecute" },
        ]),
    ...(node.spec?.unschedulable === true ? [{ key: UNSCHEDULABLE, effect: "NoSchedule" }] : []),
  ];
}
