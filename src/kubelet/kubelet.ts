/** @module The kubelet of one node: its pods as the API wants them, and the node itself, alive. */
import { release } from "node:os";
import path from "node:path";
import type { NodeStatus } from "kubernetes-types/core/v1.js";
import type { Client } from "../client/client.ts";
import { isReason } from "../client/client.ts";
import { EventRecorder } from "../client/events.ts";
import { Informer } from "../client/informer.ts";
import { LEASES, NODES, type Node, PODS, type Pod, SERVICES, type Service } from "../client/kinds.ts";
import { keyOf, timeText } from "../client/objects.ts";
import { WorkQueue } from "../client/work-queue.ts";
import type { Netns } from "../linux/netns.ts";
import { removeFolder } from "../linux/remove-folder.ts";
import type { DnsSettings } from "./etc-files.ts";
import { NodeStorage, type StoringPod } from "./node-storage.ts";
import type { PodNetwork } from "./pod-network.ts";
import { PodWorker } from "./pod-worker.ts";
import type { Runtime } from "./runtime/runtime.ts";
import { messageOf } from "./streams/status.ts";

export interface KubeletOptions {
  readonly node: string;
  readonly addresses: readonly string[];
  readonly netns: Netns;
  readonly client: Client;
  readonly runtime: Runtime;
  /** Made when the node knows its pod CIDRs. */
  readonly network: PodNetwork;
  readonly dns: DnsSettings;
  readonly authority: string;
  readonly directory: string;
  readonly version: string;
  readonly log: (line: string) => void;
}

const WORKERS = 16;
const LEASE_SECONDS = 40;
const RENEW_MS = 10_000;
/** What all pods of the node may keep on it. */
const CAPACITY_BYTES = 10 * 1024 ** 3;

export class Kubelet {
  readonly #options: KubeletOptions;
  readonly #pods: Informer<Pod>;
  readonly #services: Informer<Service>;
  readonly #workers = new Map<string, { readonly uid: string; readonly worker: PodWorker }>();
  readonly #queue: WorkQueue;
  readonly #events: EventRecorder;
  #renewal: NodeJS.Timeout | undefined;
  readonly #storage: NodeStorage;

  constructor(options: KubeletOptions) {
    this.#options = options;
    const { client, node, log } = options;
    const told = (what: string) => (error: unknown) =>
      log(`kubelet ${node}: ${what}: ${error instanceof Error ? error.message : String(error)}`);
    this.#events = new EventRecorder(client, { component: "kubelet", host: node });
    this.#queue = new WorkQueue((key) => this.#sync(key), {
      workers: WORKERS,
      onError: (key, error) => {
        told(`pod ${key}`)(error);
        const pod = this.#pods.byKey(key);
        if (pod) this.#events.warning(pod, "FailedSync", `error syncing pod: ${messageOf(error)}`);
      },
    });
    this.#storage = new NodeStorage({
      directory: options.directory,
      capacityBytes: CAPACITY_BYTES,
      pods: () => this.#runningPods(),
      pressure: (message) => void this.#reportPressure(message).catch(told("disk pressure")),
      onError: told("storage"),
    });
    this.#services = new Informer(client, SERVICES, { onError: told("services") });
    this.#pods = new Informer(client, PODS, {
      fieldSelector: `spec.nodeName=${node}`,
      onError: told("pods"),
    });
    this.#pods.on({
      changed: (pod) => {
        this.#hurry(pod);
        this.#queue.add(keyOf(pod));
      },
      deleted: (pod) => this.#queue.add(keyOf(pod)),
    });
  }

  /** Resolves when the node is Ready and its pods are known. */
  async start(): Promise<void> {
    await this.#renew();
    this.#renewal = setInterval(() => void this.#renew(), RENEW_MS);
    this.#services.start();
    await this.#services.ready;
    this.#pods.start();
    await this.#pods.ready;
    await this.#tellReady();
    this.#storage.start();
    if (!this.#options.runtime.hasLimits) await this.#reportNoLimits();
  }

  *#runningPods(): Iterable<StoringPod> {
    for (const [key, { worker }] of this.#workers) {
      const pod = this.#pods.byKey(key);
      if (pod) yield { pod, worker };
    }
  }

  /** @param message - undefined: there is room */
  async #reportPressure(message: string | undefined): Promise<void> {
    const { client, node } = this.#options;
    const now = timeText(new Date());
    const condition = {
      type: "DiskPressure",
      status: message === undefined ? "False" : "True",
      reason: message === undefined ? "KubeletHasNoDiskPressure" : "KubeletHasDiskPressure",
      message: message ?? "kubelet has no disk pressure",
      lastHeartbeatTime: now,
      lastTransitionTime: now,
    };
    const found = await client.get<Node>(NODES, { name: node });
    const others = (found.status?.conditions ?? []).filter(({ type }) => type !== "DiskPressure");
    const status = { conditions: [...others, condition] };
    await client.patch(NODES, { name: node }, { status }, { type: "merge", subresource: "status" });
    if (message !== undefined) this.#events.warning(found, "EvictionThresholdMet", message);
  }

  async #reportNoLimits(): Promise<void> {
    const { client, node } = this.#options;
    const words =
      "no control groups are delegated to this cluster: containers have no limit of processes and memory";
    this.#events.warning(await client.get<Node>(NODES, { name: node }), "NoControlGroups", words);
  }

  worker(key: string): PodWorker | undefined {
    return this.#workers.get(key)?.worker;
  }

  #hurry(pod: Pod): void {
    const grace = pod.metadata.deletionGracePeriodSeconds;
    if (grace !== undefined) this.worker(keyOf(pod))?.hurry(grace);
  }

  async #sync(key: string): Promise<void> {
    const pod = this.#pods.byKey(key);
    const known = this.#workers.get(key);
    if (known && known.uid !== pod?.metadata.uid) {
      await known.worker.remove();
      this.#workers.delete(key);
    }
    if (!pod) return;
    const worker = this.#workers.get(key)?.worker ?? this.#newWorker(key, pod);
    if (await worker.sync(pod)) this.#workers.delete(key);
  }

  #newWorker(key: string, pod: Pod): PodWorker {
    const { uid = "" } = pod.metadata;
    const worker = new PodWorker({
      ...this.#options,
      hostAddresses: this.#options.addresses,
      hostNetns: this.#options.netns,
      events: this.#events,
      services: () => this.#services.values(),
      directory: path.join(this.#options.directory, "pods", uid),
      wake: (afterMs) => this.#queue.addAfter(key, afterMs),
    });
    this.#workers.set(key, { uid, worker });
    return worker;
  }

  /** The node's lease: who does not renew it for a while is taken for lost. */
  async #renew(): Promise<void> {
    const { client, node, log } = this.#options;
    const spec = { holderIdentity: node, leaseDurationSeconds: LEASE_SECONDS, renewTime: microTime() };
    const at = { namespace: "kube-node-lease", name: node };
    try {
      await client.patch(LEASES, at, { spec }, { type: "merge" });
    } catch (error) {
      if (isReason(error, "NotFound")) {
        const metadata = { ...at };
        await client
          .create(LEASES, { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata, spec })
          .catch((failure: unknown) => log(`kubelet ${node}: lease: ${String(failure)}`));
      }
    }
  }

  async #tellReady(): Promise<void> {
    const { client, node } = this.#options;
    const now = timeText(new Date());
    const before = await client.get<Node>(NODES, { name: node });
    const since =
      before.status?.conditions?.find(({ type, status }) => type === "Ready" && status === "True")
        ?.lastTransitionTime ?? now;
    const status: NodeStatus = {
      ...this.#nodeStatus(),
      conditions: [
        {
          type: "MemoryPressure",
          status: "False",
          reason: "KubeletHasSufficientMemory",
          message: "kubelet has sufficient memory available",
          lastHeartbeatTime: now,
          lastTransitionTime: since,
        },
        {
          type: "DiskPressure",
          status: "False",
          reason: "KubeletHasNoDiskPressure",
          message: "kubelet has no disk pressure",
          lastHeartbeatTime: now,
          lastTransitionTime: since,
        },
        {
          type: "PIDPressure",
          status: "False",
          reason: "KubeletHasSufficientPID",
          message: "kubelet has sufficient PID available",
          lastHeartbeatTime: now,
          lastTransitionTime: since,
        },
        {
          type: "NetworkUnavailable",
          status: "False",
          reason: "TortieIsUp",
          message: "Tortie is running on this node",
          lastHeartbeatTime: now,
          lastTransitionTime: since,
        },
        {
          type: "Ready",
          status: "True",
          reason: "KubeletReady",
          message: "kubelet is posting ready status",
          lastHeartbeatTime: now,
          lastTransitionTime: since,
        },
      ],
    };
    await client.patch(NODES, { name: node }, { status }, { type: "merge", subresource: "status" });
  }

  #nodeStatus(): NodeStatus {
    const { node, addresses, version } = this.#options;
    const capacity = {
      cpu: "2",
      memory: "4Gi",
      "ephemeral-storage": `${CAPACITY_BYTES / 1024 ** 3}Gi`,
      pods: "5000",
    };
    return {
      addresses: [
        ...addresses.map((address) => ({ type: "InternalIP", address })),
        { type: "Hostname", address: node },
      ],
      capacity,
      allocatable: capacity,
      nodeInfo: {
        machineID: "",
        systemUUID: "",
        bootID: "",
        kernelVersion: release(),
        osImage: "Tortie",
        containerRuntimeVersion: `tortie://${version}`,
        kubeletVersion: "v1.34.0",
        kubeProxyVersion: "v1.34.0",
        operatingSystem: "linux",
        architecture: process.arch === "x64" ? "amd64" : process.arch,
      },
    };
  }

  async stop(): Promise<void> {
    clearInterval(this.#renewal);
    this.#storage.stop();
    this.#pods.stop();
    this.#services.stop();
    this.#queue.stop();
    await Promise.all([...this.#workers.values()].map(({ worker }) => worker.remove()));
    this.#options.network.close();
    await removeFolder(path.join(this.#options.directory, "pods"));
  }
}

function microTime(): string {
  return new Date().toISOString().replace("Z", "000Z");
}
