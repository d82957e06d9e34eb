/**
 * @module The machine that a cluster runs on: one process in namespaces of its own, which holds every node's and pod's
 * network, runs the containers, and sees to the other processes.
 *
 *   machine ── nodes, pods, containers, kubelets
 *      ├── control-plane   API server, controllers, scheduler        ended and started again without harm:
 *      └── agent × nodes   policy into each node's kernel tables     policy and connections stay
 */
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { OpError } from "../base/errors.ts";
import { isReason } from "../client/client.ts";
import { HttpClient } from "../client/http-client.ts";
import { NODES } from "../client/kinds.ts";
import { AddressPool } from "../kubelet/address-pool.ts";
import { AgentSocket } from "../kubelet/agent-socket.ts";
import type { ImageCatalogue } from "../kubelet/images/catalogue.ts";
import { Kubelet } from "../kubelet/kubelet.ts";
import type { ContainerView, PodHost } from "../kubelet/pod-host.ts";
import { PodNetwork } from "../kubelet/pod-network.ts";
import type { PodWorker } from "../kubelet/pod-worker.ts";
import { type PodSandbox, Runtime } from "../kubelet/runtime/runtime.ts";
import { type StreamServer, serveStreams } from "../kubelet/streams/server.ts";
import type { CgroupRoot } from "../linux/cgroups.ts";
import { Lab } from "../linux/lab.ts";
import { listeningSocket } from "../linux/listeners.ts";
import { inNamespace, type Netns } from "../linux/netns.ts";
import type { ProbeResult } from "../linux/probe.ts";
import { planNetwork } from "../network/plan.ts";
import type { Credentials } from "./credentials.ts";
import type { Layout } from "./layout.ts";
import { lastLines } from "./log-file.ts";
import type { MachineProbe } from "./machine-probe.ts";
import { nodeName, podCidrsOf, type Settings, wellKnownAddresses } from "./settings.ts";
import { Supervised } from "./supervisor.ts";

export const API_PORT = 6443;
/** One that has ended so often before it was of any use is not going to be. */
const MOST_STARTS = 3;

export interface MachineOptions {
  readonly layout: Layout;
  readonly settings: Settings;
  readonly credentials: Credentials;
  readonly version: string;
  readonly catalogue: ImageCatalogue;
  /** The bundled tools that containers have. */
  readonly toolsPath: string;
  readonly launcherPath: string;
  readonly standInsPath: string;
  readonly cgroups: CgroupRoot | undefined;
  /** The API's socket on the host's loopback, opened outside. */
  readonly apiDescriptor: number;
  /** The table of the host's connections, opened outside. */
  readonly hostSocketsDescriptor: number;
  readonly log: (line: string) => void;
}

export interface MachineNode {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly podCidrs: readonly string[];
}

/** A process of the cluster's own, beside the machine. */
export interface RunningProcess {
  readonly name: string;
  readonly pid: number | undefined;
  readonly restarts: number;
}

interface MachineParts {
  readonly lab: Lab;
  readonly processes: readonly Supervised[];
  readonly runtime: Runtime;
}

export class Machine implements PodHost {
  readonly #options: MachineOptions;
  readonly #lab: Lab;
  readonly #runtime: Runtime;
  readonly #processes: readonly Supervised[];
  readonly #kubelets = new Map<string, Kubelet>();
  #podIndex = 0;
  #streams: StreamServer | undefined;

  private constructor(options: MachineOptions, { lab, processes, runtime }: MachineParts) {
    this.#options = options;
    this.#lab = lab;
    this.#processes = processes;
    this.#runtime = runtime;
  }

  /** Resolves when all nodes are Ready. @throws OpError */
  static async start(options: MachineOptions): Promise<Machine> {
    const { layout, settings } = options;
    const names = Array.from({ length: settings.nodes }, (_, index) => nodeName(index));
    const families = settings.podNetworks.map((text) => (text.includes(":") ? 6 : 4));
    const plan = planNetwork({
      nodes: names.map((name) => ({ name })),
      pods: [],
      outside: [],
      // Node addresses are of the families that pods have.
      podNetworks: settings.podNetworks,
    });
    const nodes = plan.nodes.map((node, index) => ({
      ...node,
      blocks: podCidrsOf(settings, index),
      routes: plan.nodes.flatMap((other, place) =>
        other === node
          ? []
          : podCidrsOf(settings, place).flatMap((to) => {
              const via = other.addresses.find((address) => address.includes(":") === to.includes(":"));
              return via === undefined ? [] : [{ to, via }];
            }),
      ),
    }));
    options.log(`${names.length} nodes, IPv${families.join(" and IPv")}`);
    mkdirSync(path.join(layout.run, "pods"), { recursive: true });
    const lab = Lab.create({ ...plan, nodes });
    // They begin while we go on; the agents wait for the API.
    const processes = startProcesses(options, lab);
    const runtime = new Runtime({
      directory: path.join(layout.run, "runtime"),
      catalogue: options.catalogue,
      toolsPath: options.toolsPath,
      launcherPath: options.launcherPath,
      standInsPath: options.standInsPath,
      cgroups: options.cgroups,
    });
    const machine = new Machine(options, { lab, processes, runtime });
    await machine.#startAll();
    return machine;
  }

  get nodes(): readonly MachineNode[] {
    return this.#lab.nodes().map(({ plan }, index) => ({
      name: plan.name,
      addresses: plan.addresses,
      podCidrs: podCidrsOf(this.#options.settings, index),
    }));
  }

  container(namespace: string, pod: string, container: string): ContainerView | undefined {
    return this.#worker(namespace, pod)?.view(container);
  }

  sandbox(namespace: string, pod: string): PodSandbox | undefined {
    return this.#worker(namespace, pod)?.sandbox;
  }

  #worker(namespace: string, pod: string): PodWorker | undefined {
    for (const kubelet of this.#kubelets.values()) {
      const worker = kubelet.worker(`${namespace}/${pod}`);
      if (worker) return worker;
    }
    return undefined;
  }

  get processes(): readonly RunningProcess[] {
    const own = this.#processes.map(({ plan: { name }, pid, restarts }) => ({ name, pid, restarts }));
    const { pid, restarts } = this.#runtime.standIns;
    return pid === undefined && restarts === 0 ? own : [...own, { name: "stand-ins", pid, restarts }];
  }

  #netns(node: string): Netns {
    return this.#lab.node(node).namespace;
  }

  async #startAll(): Promise<void> {
    const { layout, settings, credentials } = this.#options;
    const client = new HttpClient({
      server: "http://tortie",
      socketPath: layout.apiSocket,
      token: credentials.tokens["admin"] ?? "",
      userAgent: "tortie-machine",
    });
    await this.#untilDone("control-plane", () => client.list(NODES));
    for (const node of this.nodes) await this.#register(client, node);
    this.#streams = await serveStreams({
      socketPath: layout.kubeletSocket,
      host: this,
      runtime: this.#runtime,
      log: this.#options.log,
    });
    await Promise.all(this.nodes.map((node) => this.#startKubelet(node, settings)));
    client.close();
  }

  /**
   * Tries what one of our processes is not ready for yet.
   * @throws OpError `kernel-unavailable` when that process has ended again and again
   */
  async #untilDone(name: string, work: () => Promise<unknown>): Promise<void> {
    for (;;) {
      try {
        await work();
        return;
      } catch {
        await sleep(10);
      }
      const { restarts = 0 } = this.#processes.find(({ plan }) => plan.name === name) ?? {};
      if (restarts >= MOST_STARTS) {
        const log = lastLines(path.join(this.#options.layout.logs, `${name}.log`));
        throw new OpError(`${name} ends each time that it is started${log}`, { code: "kernel-unavailable" });
      }
    }
  }

  async #register(client: HttpClient, node: MachineNode): Promise<void> {
    const isFirst = node.name === nodeName(0);
    try {
      await client.create(NODES, {
        apiVersion: "v1",
        kind: "Node",
        metadata: {
          name: node.name,
          labels: {
            "kubernetes.io/hostname": node.name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": process.arch === "x64" ? "amd64" : process.arch,
            ...(isFirst && { "node-role.kubernetes.io/control-plane": "" }),
          },
        },
        spec: {
          ...(node.podCidrs[0] !== undefined && { podCIDR: node.podCidrs[0] }),
          podCIDRs: [...node.podCidrs],
        },
      });
    } catch (error) {
      if (!isReason(error, "AlreadyExists")) throw error;
    }
    const addresses = [
      ...node.addresses.map((address) => ({ type: "InternalIP", address })),
      { type: "Hostname", address: node.name },
    ];
    await client.patch(
      NODES,
      { name: node.name },
      { status: { addresses } },
      { type: "merge", subresource: "status" },
    );
  }

  async #startKubelet(node: MachineNode, settings: Settings): Promise<void> {
    const { layout, credentials, version, log } = this.#options;
    const agent = new AgentSocket(layout.agentSocket(node.name));
    await this.#untilDone(`agent-${node.name}`, () => agent.ask({ do: "ready" }));
    const kubelet = new Kubelet({
      node: node.name,
      addresses: node.addresses,
      netns: this.#netns(node.name),
      client: new HttpClient({
        server: "http://tortie",
        socketPath: layout.apiSocket,
        token: credentials.tokens[`node:${node.name}`] ?? "",
        userAgent: "kubelet",
      }),
      runtime: this.#runtime,
      network: new PodNetwork({
        node: node.name,
        links: this.#lab,
        pool: new AddressPool(node.podCidrs),
        agent,
        nextIndex: () => this.#podIndex++,
      }),
      dns: { servers: wellKnownAddresses(settings).dns, domain: "cluster.local" },
      authority: credentials.authority,
      directory: path.join(layout.run, "kubelets", node.name),
      version,
      log,
    });
    this.#kubelets.set(node.name, kubelet);
    await kubelet.start();
  }

  /** Packets from pods, nodes and the outside. @throws OpError `not-found` for a source that there is not */
  probe(probes: readonly MachineProbe[]): Promise<readonly ProbeResult[]> {
    return this.#lab.probe(
      probes.map(({ from, ...rest }) => ({
        ...rest,
        from: "pod" in from ? this.#lab.from(from.pod, from.family) : this.#lab.fromAddress(from.address),
      })),
    );
  }

  /** Ends the control plane and the agents, which come back; what runs goes on. */
  restart(): void {
    for (const process of this.#processes) process.restart();
  }

  async stop(): Promise<void> {
    for (const process of this.#processes) await process.stop();
    await Promise.all([...this.#kubelets.values()].map((kubelet) => kubelet.stop()));
    await this.#streams?.close();
    await this.#runtime.close();
    this.#lab.close();
  }
}

function startProcesses(
  { layout, log, apiDescriptor, hostSocketsDescriptor }: MachineOptions,
  lab: Lab,
): readonly Supervised[] {
  const nodes = lab.nodes();
  const [first] = nodes;
  rmSync(layout.apiSocket, { force: true });
  const inCluster = first ? listeningSocket(first.namespace, API_PORT) : undefined;
  const controlPlane = {
    name: "control-plane",
    args: ["control-plane", "--name", layout.name],
    // What lives long is small beside what is made for a request and dropped: a larger nursery is only memory.
    flags: ["--max-semi-space-size=2"],
    descriptors: [apiDescriptor, hostSocketsDescriptor, ...(inCluster === undefined ? [] : [inCluster])],
  };
  const agents = nodes.map(({ namespace, plan: { name } }) => ({
    name: `agent-${name}`,
    args: ["agent", "--name", layout.name, "--node", name],
    // A small nursery: an agent decodes much and keeps little, and there is one a node.
    flags: ["--max-semi-space-size=2"],
    inside: <T>(start: () => T): T => inNamespace(namespace, start),
  }));
  return [controlPlane, ...agents].map((plan) => new Supervised(plan, layout.logs, log));
}

export function memoryOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
}
