/** @module A cluster in memory for tests of controllers: the real API over a store in memory, and kubelets that only tell. */
import { setTimeout as sleep } from "node:timers/promises";
import { Api } from "../../src/apiserver/api.ts";
import { LocalClient } from "../../src/apiserver/local-client.ts";
import { trackFields } from "../../src/apiserver/operations.ts";
import type { Reviews } from "../../src/apiserver/reviews.ts";
import { parseCidr } from "../../src/base/ip.ts";
import type { Client } from "../../src/client/client.ts";
import { isReason } from "../../src/client/client.ts";
import { Informer } from "../../src/client/informer.ts";
import type { Namespace, Node, Pod } from "../../src/client/kinds.ts";
import { NAMESPACES, NODES, PODS } from "../../src/client/kinds.ts";
import type { ResourceType } from "../../src/client/objects.ts";
import { eventShelf } from "../../src/cluster/start-controllers.ts";
import { type ControllerOptions, startControllers } from "../../src/controllers/start.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";

export interface MemoryClusterOptions extends Partial<ControllerOptions> {
  readonly machines?: readonly string[];
  /** What becomes of a pod on a node. */
  readonly fate?: (pod: Pod) => "ready" | "unready" | "succeeded" | "failed" | "nothing";
  /** Milliseconds that each write waits before it is done, and before it is answered. */
  readonly delay?: () => number;
  /** Without any controllers. */
  readonly isBare?: boolean;
}

export class MemoryCluster {
  readonly api: Api;
  readonly client: Client;
  readonly lines: string[] = [];
  /** Writes by resource, of the controllers only. */
  readonly writes = new Map<string, number>();
  readonly #options: MemoryClusterOptions;
  readonly #kubelet: Informer<Pod>;
  #controllers: { stop(): void } = { stop: () => undefined };
  #address = 0;

  private constructor(options: MemoryClusterOptions) {
    const network = parseCidr("10.96.0.0/16");
    if (!network) throw new Error("not a network");
    this.api = new Api({ store: new MemoryStore(), serviceNetworks: [network.cidr], trackFields });
    this.client = this.clientOf("test");
    this.#options = options;
    this.#kubelet = new Informer(this.client, PODS);
  }

  static async start(options: MemoryClusterOptions = {}): Promise<MemoryCluster> {
    const cluster = new MemoryCluster(options);
    await cluster.api.start();
    for (const name of ["default", "kube-node-lease"]) await cluster.namespace(name);
    for (const name of options.machines ?? ["node1", "node2"]) await cluster.node(name);
    cluster.#kubelet.on({ changed: (pod) => void cluster.#tell(pod) }).start();
    if (!options.isBare) await cluster.startControllers();
    return cluster;
  }

  async startControllers(): Promise<void> {
    this.#controllers = await startControllers({
      client: (name) => this.#counted(this.clientOf(name)),
      resources: () => this.resources(),
      authority: "PEM",
      loadBalancers: [],
      events: eventShelf(this.api),
      log: (line) => this.lines.push(line),
      jobs: { backoffMs: 1 },
      ...this.#options,
    });
  }

  resources(): ResourceType[] {
    return this.api.resources
      .filter(({ verbs }) => verbs.includes("list") && verbs.includes("watch"))
      .map(({ group, version, kind, plural, namespaced }) => ({ group, version, kind, plural, namespaced }));
  }

  clientOf(name: string): Client {
    // Nothing here asks for tokens.
    return new LocalClient(this.api, undefined as unknown as Reviews, name);
  }

  #counted(client: Client): Client {
    const write = async <T>(type: ResourceType<never>, work: () => Promise<T>): Promise<T> => {
      this.writes.set(type.plural, (this.writes.get(type.plural) ?? 0) + 1);
      const delay = this.#options.delay;
      if (delay) await sleep(delay());
      const answer = await work();
      if (delay) await sleep(delay());
      return answer;
    };
    return {
      get: (type, at) => client.get(type, at),
      list: (type, options) => client.list(type, options),
      watch: (type, options) => client.watch(type, options),
      create: (type, object, subresource) =>
        write(type as never, () => client.create(type, object, subresource)),
      update: (type, object, subresource) =>
        write(type as never, () => client.update(type, object, subresource)),
      patch: (type, at, patch, options) => write(type as never, () => client.patch(type, at, patch, options)),
      delete: (type, at, options) => write(type as never, () => client.delete(type, at, options)),
    };
  }

  async namespace(name: string): Promise<Namespace> {
    return this.client.create(NAMESPACES, {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name },
      spec: { finalizers: ["kubernetes"] },
    });
  }

  async node(name: string, spec: Node["spec"] = {}, labels: Record<string, string> = {}): Promise<Node> {
    const made = await this.client.create(NODES, {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name, labels: { "kubernetes.io/hostname": name, ...labels } },
      spec,
    });
    const conditions = [{ type: "Ready", status: "True", reason: "KubeletReady" }];
    const status = { conditions, allocatable: { cpu: "8", memory: "16Gi", pods: "2000" } };
    return this.client.update(NODES, { ...made, status }, "status");
  }

  async #tell(pod: Pod): Promise<void> {
    const fate = this.#options.fate?.(pod) ?? "ready";
    if (!pod.spec.nodeName || fate === "nothing") return;
    try {
      if (pod.metadata.deletionTimestamp !== undefined) {
        await this.client.delete(PODS, pod.metadata, { gracePeriodSeconds: 0 });
      } else if (pod.status?.podIP === undefined) await this.tellFate(pod, fate);
    } catch (error) {
      if (!isReason(error, "NotFound")) throw error;
    }
  }

  /** As a kubelet would. */
  async tellFate(pod: Pod, fate: string): Promise<Pod> {
    const time = `${new Date().toISOString().slice(0, 19)}Z`;
    const status = fate === "ready" ? "True" : "False";
    const ip =
      pod.status?.podIP ??
      `10.${1 + (this.#address >> 16)}.${(this.#address >> 8) & 255}.${this.#address & 255}`;
    this.#address++;
    const phase = fate === "succeeded" ? "Succeeded" : fate === "failed" ? "Failed" : "Running";
    const conditions = [
      { type: "PodScheduled", status: "True" },
      { type: "ContainersReady", status, lastTransitionTime: time },
      { type: "Ready", status, lastTransitionTime: time },
    ];
    return this.client.patch(
      PODS,
      pod.metadata,
      { status: { phase, podIP: ip, podIPs: [{ ip }], conditions } },
      { type: "merge", subresource: "status" },
    );
  }

  async pods(labelSelector = "", namespace = "default"): Promise<readonly Pod[]> {
    return (await this.client.list(PODS, { namespace, labelSelector })).items;
  }

  stopControllers(): void {
    this.#controllers.stop();
  }

  stop(): void {
    this.stopControllers();
    this.#kubelet.stop();
    this.api.close();
  }
}

/** Waits until a question is answered with something other than false or nothing. */
export async function until<T>(
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  limitMs = 5000,
): Promise<T> {
  const end = Date.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (Date.now() > end) throw new Error(`not so within ${limitMs} ms: ${String(ask)}`);
    await sleep(5);
  }
}

export function template(app: string, image = "nginx:1"): { metadata: object; spec: { containers: [] } } {
  return {
    metadata: { labels: { app } },
    spec: { containers: [{ name: "main", image, ports: [{ name: "http", containerPort: 8080 }] }] as never },
  };
}
