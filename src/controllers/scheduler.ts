/** @module The scheduler: gives every pod a node, or says why there is none for it. */
import type { Client } from "../client/client.ts";
import { isReason } from "../client/client.ts";
import { EventRecorder } from "../client/events.ts";
import type { Informer } from "../client/informer.ts";
import type { Node, Pod } from "../client/kinds.ts";
import { NODES, PODS } from "../client/kinds.ts";
import { keyOf, timeText } from "../client/objects.ts";
import type { Context, Controller } from "./context.ts";
import { isEqual } from "./equal.ts";
import { PodFinder } from "./indexes.ts";
import { NodeLoads } from "./node-load.ts";
import { isDeleting, uidOf } from "./owners.ts";
import { conditionOf, isFinished, isNodeReady } from "./pod-state.ts";
import { decide, refusalText } from "./scheduling-rules.ts";

const NAME = "default-scheduler";
const IN_FLIGHT = 64;
/** Pods decided on in one turn: the process has other work, too. */
const BATCH = 200;
/** After a change that may help, those that had no node are tried again, all at once. */
const AGAIN_MS = 100;
const RETRY_MS = 200;

export class Scheduler implements Controller {
  readonly #client: Client;
  readonly #events: EventRecorder;
  readonly #log: (line: string) => void;
  readonly #now: () => number;
  readonly #pods: Informer<Pod>;
  readonly #nodes: Informer<Node>;
  readonly #finder: PodFinder;
  readonly #loads = new NodeLoads();
  readonly #waiting = new Set<string>();
  readonly #refused = new Set<string>();
  readonly #decided: { readonly pod: Pod; readonly node: string }[] = [];
  #binding = 0;
  #isReady = false;
  #isScheduled = false;
  #isStopped = false;
  #again: NodeJS.Timeout | undefined;

  constructor({ informers, client, log, now }: Context) {
    this.#client = client(NAME);
    this.#events = new EventRecorder(this.#client, { component: NAME });
    this.#log = log;
    this.#now = now;
    this.#finder = new PodFinder(informers);
    this.#pods = informers.of(PODS).on({
      changed: (pod, before) => this.#podChanged(pod, before),
      deleted: (pod) => this.#podGone(pod),
    });
    this.#nodes = informers.of(NODES).on({
      changed: (node, before) => {
        if (!before || !isEqual(viewOf(node), viewOf(before))) this.#tryAgain();
      },
      deleted: () => this.#tryAgain(),
    });
    void informers.ready(PODS, NODES).then(() => {
      this.#isReady = true;
      this.#schedule();
    });
  }

  #podChanged(pod: Pod, before: Pod | undefined): void {
    const key = keyOf(pod);
    if (before && before.metadata.uid !== pod.metadata.uid) this.#podGone(before);
    if (pod.spec.nodeName) {
      this.#waiting.delete(key);
      this.#refused.delete(key);
      if (isFinished(pod)) this.#podGone(pod);
      else this.#loads.place(pod, pod.spec.nodeName);
      if (before && !isEqual(before.metadata.labels, pod.metadata.labels)) this.#tryAgain();
      return;
    }
    if (!isMine(pod)) return;
    // What is written into the status of a pod without a node is most often written here.
    const isKnown = this.#refused.has(key) && before !== undefined;
    if (isKnown && isEqual(before.spec, pod.spec) && isEqual(before.metadata.labels, pod.metadata.labels))
      return;
    if (this.#loads.isPlaced(pod)) return;
    this.#refused.delete(key);
    this.#waiting.add(key);
    this.#schedule();
  }

  #podGone(pod: Pod): void {
    const key = keyOf(pod);
    if (isDeleting(pod) || !isFinished(pod)) {
      this.#waiting.delete(key);
      this.#refused.delete(key);
    }
    if (!this.#loads.isPlaced(pod)) return;
    this.#loads.remove(pod);
    this.#tryAgain();
  }

  #tryAgain(): void {
    if (this.#refused.size === 0 || this.#again || this.#isStopped) return;
    this.#again = setTimeout(() => {
      this.#again = undefined;
      for (const key of this.#refused) this.#waiting.add(key);
      this.#refused.clear();
      this.#schedule();
    }, AGAIN_MS);
  }

  #schedule(): void {
    if (this.#isScheduled || !this.#isReady || this.#isStopped) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#decideBatch();
    });
  }

  #decideBatch(): void {
    if (this.#isStopped) return;
    const batch: Pod[] = [];
    for (const key of this.#waiting) {
      if (batch.length === BATCH) break;
      this.#waiting.delete(key);
      const pod = this.#pods.byKey(key);
      if (pod && isMine(pod) && !this.#loads.isPlaced(pod)) batch.push(pod);
    }
    batch.sort((a, b) => (b.spec.priority ?? 0) - (a.spec.priority ?? 0));
    const surroundings = { nodes: [...this.#nodes.values()], loads: this.#loads, pods: this.#finder };
    for (const pod of batch) {
      const decision = decide(pod, surroundings);
      if ("node" in decision) {
        this.#loads.place(pod, decision.node);
        this.#decided.push({ pod, node: decision.node });
      } else {
        this.#refused.add(keyOf(pod));
        void this.#tellRefusal(pod, refusalText(decision.refusals, decision.total));
      }
    }
    while (this.#binding < IN_FLIGHT && this.#binding < this.#decided.length) {
      this.#binding++;
      void this.#bindAll();
    }
    if (this.#waiting.size > 0) this.#schedule();
  }

  async #bindAll(): Promise<void> {
    for (;;) {
      const next = this.#decided.shift();
      if (!next || this.#isStopped) break;
      await this.#bind(next.pod, next.node);
    }
    this.#binding--;
  }

  async #bind(pod: Pod, node: string): Promise<void> {
    const { namespace, name } = pod.metadata;
    const binding = {
      apiVersion: "v1",
      kind: "Binding",
      metadata: { namespace, name, uid: uidOf(pod) },
      target: { apiVersion: "v1", kind: "Node", name: node },
    };
    try {
      // The subresource takes another kind than the resource has.
      await this.#client.create(PODS, binding as unknown as Pod, "binding");
      this.#events.normal(pod, "Scheduled", `Successfully assigned ${namespace}/${name} to ${node}`);
    } catch (error) {
      const present = this.#pods.byKey(keyOf(pod));
      if (present?.metadata.uid === pod.metadata.uid && present?.spec.nodeName) return;
      this.#loads.remove(pod);
      if (isReason(error, "NotFound", "Conflict")) {
        this.#tryAgain();
        this.#later(keyOf(pod));
        return;
      }
      this.#log(`${NAME}: ${namespace}/${name}: ${error instanceof Error ? error.message : String(error)}`);
      this.#later(keyOf(pod));
    }
  }

  #later(key: string): void {
    setTimeout(() => {
      if (this.#isStopped || !this.#pods.byKey(key)) return;
      this.#waiting.add(key);
      this.#schedule();
    }, RETRY_MS);
  }

  async #tellRefusal(pod: Pod, message: string): Promise<void> {
    const before = conditionOf(pod.status?.conditions, "PodScheduled");
    if (before?.reason === "Unschedulable" && before.message === message) return;
    this.#events.warning(pod, "FailedScheduling", message);
    const isNew = before?.status !== "False";
    const condition = {
      type: "PodScheduled",
      status: "False",
      reason: "Unschedulable",
      message,
      lastTransitionTime: isNew
        ? timeText(this.#now())
        : (before.lastTransitionTime ?? timeText(this.#now())),
    };
    const others = (pod.status?.conditions ?? []).filter(({ type }) => type !== "PodScheduled");
    const { namespace, name, resourceVersion } = pod.metadata;
    const patch = { metadata: { resourceVersion }, status: { conditions: [...others, condition] } };
    try {
      await this.#client.patch(PODS, { namespace, name }, patch, { type: "merge", subresource: "status" });
    } catch (error) {
      if (isReason(error, "NotFound") || this.#isStopped) return;
      if (isReason(error, "Conflict")) {
        this.#later(keyOf(pod));
        return;
      }
      this.#log(`${NAME}: ${namespace}/${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#again);
  }
}

/** Waiting for a node, and for none but this scheduler. */
function isMine(pod: Pod): boolean {
  const { nodeName, schedulerName, schedulingGates } = pod.spec as Pod["spec"] & {
    readonly schedulingGates?: readonly unknown[];
  };
  return (
    !nodeName &&
    (schedulerName ?? NAME) === NAME &&
    (schedulingGates?.length ?? 0) === 0 &&
    !isDeleting(pod) &&
    !isFinished(pod)
  );
}

/** What of a node decides. Its heartbeat does not. */
function viewOf(node: Node): unknown {
  return [node.spec, node.metadata.labels, node.status?.allocatable, isNodeReady(node)];
}
