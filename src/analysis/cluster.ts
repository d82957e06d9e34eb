/**
 * @module A cluster from objects alone: what the API server, the scheduler and the address allocator would have made of
 * them, held in a graph that answers. Objects may be applied, deleted and labelled; `sync` brings the rest after.
 */

import { OpError } from "../base/errors.ts";
import { formatIp, type Ip, parseIp } from "../base/ip.ts";
import { ownValue } from "../base/own.ts";
import { PolicyGraph } from "../calc/graph.ts";
import type { GraphDelta } from "../calc/types.ts";
import {
  type NetworkPlan,
  type PlannedChange,
  type PodRequest,
  planChange,
  planNetwork,
} from "../network/plan.ts";
import { podOfWorkloadEndpoint } from "../policy/from-calico-endpoint.ts";
import { isFinished, namedPorts, podId } from "../policy/from-pod.ts";
import type { Party } from "../policy/model.ts";
import type { ServiceMapping, ServiceTarget } from "../policy/services.ts";
import { expandWorkloads } from "../resources/apps/expand-workloads.ts";
import type { WorkloadEndpoint } from "../resources/calico/types.ts";
import type { Node, Pod, Service } from "../resources/core/types.ts";
import { applyLabels } from "../resources/labels.ts";
import { type KubernetesObject, objectName } from "../resources/object.ts";
import { GraphFeed } from "./graph-feed.ts";
import { ServiceAddresses } from "./service-addresses.ts";
import { ServiceIndex } from "./service-index.ts";
import { withStaged } from "./staged.ts";

export interface ClusterOptions {
  /** One CIDR a family: 192.168.0.0/16 where left out. Pods get an address of each. */
  readonly podNetworks?: readonly string[];
  /** How many nodes there are where no object and no pod names one. */
  readonly nodes?: number;
  /** Where names without a namespace are looked for first; "default" where left out. */
  readonly defaultNamespace?: string;
  /** Addresses that belong to no pod or node; needed where packets are real. */
  readonly outside?: readonly string[];
  /** Whether staged policies are taken as if they were enforced. */
  readonly staged?: boolean;
}

/** What a sync changed, for those who follow: the kernel's network, its tables. */
export interface ClusterChange {
  /** undefined at the first sync: build the whole plan. */
  readonly network: PlannedChange | undefined;
  readonly graph: GraphDelta;
  readonly services: readonly ServiceMapping[];
}

const DEFAULT_POD_NETWORKS = ["192.168.0.0/16"];
const DEFAULT_NODES = 2;

export class Cluster {
  readonly graph: PolicyGraph = new PolicyGraph();
  readonly #options: ClusterOptions;
  readonly #objects = new Map<string, KubernetesObject>();
  readonly #feed = new GraphFeed(this.graph);
  /** Labels set on pods that no object describes, since a workload's template made them. */
  readonly #podLabels = new Map<string, Readonly<Record<string, string | null>>>();
  readonly #serviceAddresses = new ServiceAddresses();
  #plan: NetworkPlan | undefined;
  /** What the plan was asked of each node, as text: one that is new or has other addresses takes another plan. */
  #plannedNodes: readonly string[] = [];
  #pods = new Map<string, Pod>();
  /** Workload endpoints that stand among the pods, by the same id. */
  #workloads = new Map<string, WorkloadEndpoint>();
  #requests = new Map<string, string>();
  #services: readonly ServiceMapping[] = [];
  #byAddress = new Map<string, Party>();

  constructor(options: ClusterOptions = {}) {
    this.#options = options;
  }

  // ── objects in ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Creates or replaces. */
  apply(objects: Iterable<KubernetesObject>): void {
    for (const object of objects) this.#objects.set(objectName(object), object);
  }

  /** @returns whether there was one */
  delete(ref: { readonly kind: string; readonly namespace: string; readonly name: string }): boolean {
    return this.#objects.delete(this.#nameOf(ref));
  }

  /** As `kubectl label --overwrite`. @returns whether there was one */
  label(
    ref: { readonly kind: string; readonly namespace: string; readonly name: string },
    labels: Readonly<Record<string, string | null>>,
  ): boolean {
    const key = this.#nameOf(ref);
    const object = this.#objects.get(key);
    if (object) {
      this.#objects.set(key, applyLabels(object, labels));
      return true;
    }
    if (ref.kind === "Namespace" && this.graph.namespaces.has(ref.name)) {
      return this.#labelAssumedNamespace(ref.name, labels);
    }
    const id = podId(ref);
    if (ref.kind !== "Pod" || !this.#pods.has(id)) return false;
    this.#podLabels.set(id, { ...this.#podLabels.get(id), ...labels });
    return true;
  }

  /** @returns what changed since the last sync. Cost: O(objects), and the graph's work for what changed */
  sync(): ClusterChange {
    const pods = this.#materialise();
    const network = this.#planNetwork(pods);
    this.#pods = pods;
    let index: ServiceIndex | undefined;
    const services = (): ServiceIndex => {
      index ??= new ServiceIndex(this.#objects, this.#serviceTargets());
      return index;
    };
    this.#feed.follow({
      objects: this.#options.staged ? withStaged(this.#objects) : this.#objects,
      pods,
      workloads: this.#workloads,
      plan: this.plan,
      serviceBackends: (namespace, name) => services().backends(namespace, name),
    });
    this.#services = this.#mapServices(services);
    this.#byAddress = this.#indexAddresses();
    return { network, graph: this.graph.flush(), services: this.#services };
  }

  get defaultNamespace(): string {
    return this.#options.defaultNamespace ?? "default";
  }

  // ── state out ─────────────────────────────────────────────────────────────────────────────────────────────────

  get objects(): Iterable<KubernetesObject> {
    return this.#objects.values();
  }

  /** Every pod there is, with those that templates made, by `namespace/name`. */
  get pods(): ReadonlyMap<string, Pod> {
    return this.#pods;
  }

  get services(): readonly ServiceMapping[] {
    return this.#services;
  }

  /** @throws OpError `not-found` before the first sync */
  get plan(): NetworkPlan {
    if (!this.#plan) throw new OpError("the cluster was not synced yet", { code: "not-found" });
    return this.#plan;
  }

  object(ref: {
    readonly kind: string;
    readonly namespace: string;
    readonly name: string;
  }): KubernetesObject | undefined {
    return this.#objects.get(this.#nameOf(ref));
  }

  /** Who has an address. */
  partyAt(address: Ip): Party {
    return this.#byAddress.get(formatIp(address)) ?? { kind: "outside", address };
  }

  /** Calico's NetworkPolicy has another kind here; people may call it by its own name where that says which is meant. */
  #nameOf(ref: { readonly kind: string; readonly namespace: string; readonly name: string }): string {
    const exact = objectName(ref);
    const { kind, ...place } = ref;
    const calico = objectName({ kind: "CalicoNetworkPolicy", ...place });
    if (kind === "NetworkPolicy.projectcalico.org") return calico;
    return kind === "NetworkPolicy" && !this.#objects.has(exact) && this.#objects.has(calico)
      ? calico
      : exact;
  }

  // ── inside ────────────────────────────────────────────────────────────────────────────────────────────────────

  #labelAssumedNamespace(name: string, labels: Readonly<Record<string, string | null>>): boolean {
    const merged = new Map(Object.entries(this.graph.namespaces.get(name) ?? {}));
    for (const [key, value] of Object.entries(labels)) {
      if (value === null) merged.delete(key);
      else merged.set(key, value);
    }
    const source = { file: "<assumed>", locate: () => undefined };
    this.apply([
      {
        kind: "Namespace",
        apiVersion: "v1",
        namespace: "",
        name,
        labels: Object.fromEntries(merged),
        source,
      },
    ]);
    return true;
  }

  #materialise(): Map<string, Pod> {
    const pods = new Map<string, Pod>();
    const objects = [...this.#objects.values()];
    const given = new Set(objects.flatMap((object) => (object.kind === "Node" ? [object.name] : [])));
    const assumed = this.#nodeNames(objects).filter((name) => !given.has(name));
    const nodes = assumed.map((name) => ({ name, labels: {} }));
    for (const object of objects) if (object.kind === "Pod") pods.set(podId(object), object);
    for (const pod of expandWorkloads(objects, { nodes })) {
      const id = podId(pod);
      const labels = this.#podLabels.get(id);
      if (!pods.has(id)) pods.set(id, labels ? applyLabels(pod, labels) : pod);
    }
    this.#workloads = new Map();
    for (const object of objects) {
      if (object.kind !== "WorkloadEndpoint") continue;
      const pod = podOfWorkloadEndpoint(object);
      // A pod's workload endpoint is a view of the pod, which says more.
      if (pods.has(podId(pod))) continue;
      pods.set(podId(pod), pod);
      this.#workloads.set(podId(pod), object);
    }
    return pods;
  }

  /** Nodes that objects give, and those that pods name; where there are none, as many as the options say. */
  #nodeNames(objects: readonly KubernetesObject[]): string[] {
    const names = new Set<string>();
    for (const object of objects) if (object.kind === "Node") names.add(object.name);
    for (const object of objects) {
      const spec =
        object.kind === "Pod" ? object.spec : "template" in object ? object.template.spec : undefined;
      if (spec?.nodeName !== undefined) names.add(spec.nodeName);
      if (object.kind === "WorkloadEndpoint" && object.node !== "") names.add(object.node);
    }
    if (names.size === 0) {
      for (let index = 1; index <= (this.#options.nodes ?? DEFAULT_NODES); index++) names.add(`node${index}`);
    }
    return [...names];
  }

  #request(id: string, pod: Pod, nodes: readonly Node[]): PodRequest {
    const selector = Object.entries(pod.spec.nodeSelector);
    const selected =
      selector.length === 0
        ? undefined
        : nodes.find(({ labels }) => selector.every(([key, value]) => ownValue(labels, key) === value));
    const node = pod.spec.nodeName ?? selected?.name;
    return {
      key: id,
      ...(node !== undefined && { node }),
      ...(pod.podIPs.length > 0 && !pod.spec.hostNetwork && { addresses: pod.podIPs }),
      ...(pod.spec.hostNetwork && { hostNetwork: true }),
    };
  }

  #planNetwork(pods: ReadonlyMap<string, Pod>): PlannedChange | undefined {
    const objects = [...this.#objects.values()];
    const nodeObjects = objects.filter((object): object is Node => object.kind === "Node");
    const requests = new Map<string, PodRequest>();
    for (const [id, pod] of pods) if (!isFinished(pod)) requests.set(id, this.#request(id, pod, nodeObjects));
    const texts = new Map([...requests].map(([id, request]) => [id, JSON.stringify(request)]));
    const before = this.#requests;
    this.#requests = texts;
    const given = new Map(nodeObjects.map(({ name, addresses }) => [name, addresses]));
    const nodes = this.#nodeNames(objects).map((name) => ({ name, addresses: given.get(name) ?? [] }));
    const asked = nodes.map((node) => JSON.stringify(node));
    const known = new Set(this.#plannedNodes);
    if (!this.#plan || asked.some((text) => !known.has(text))) {
      this.#plannedNodes = asked;
      this.#plan = planNetwork({
        nodes,
        pods: [...requests.values()],
        outside: this.#options.outside ?? [],
        podNetworks: this.#options.podNetworks ?? DEFAULT_POD_NETWORKS,
      });
      return undefined;
    }
    const changed = planChange(this.#plan, {
      remove: [...before].flatMap(([id, text]) => (texts.get(id) === text ? [] : [id])),
      add: [...requests].flatMap(([id, request]) => (before.get(id) === texts.get(id) ? [] : [request])),
    });
    this.#plan = changed.plan;
    return changed;
  }

  #mapServices(index: () => ServiceIndex): ServiceMapping[] {
    const objects = [...this.#objects.values()];
    const services = objects.filter((object): object is Service => object.kind === "Service");
    const families = this.plan.podNetworks.map((text): 4 | 6 => (text.includes(":") ? 6 : 4));
    return services.flatMap((service) =>
      index().mappings(this.#serviceAddresses.complete(service, families)),
    );
  }

  /** Endpoints, and pods on the host's network at their nodes' addresses. */
  #serviceTargets(): ServiceTarget[] {
    const targets: ServiceTarget[] = [...this.graph.endpoints.values()].flatMap(({ endpoint }) =>
      endpoint.kind === "host" ? [] : [endpoint],
    );
    for (const { key, interface: link, addresses } of this.plan.pods) {
      const pod = link === undefined ? this.#pods.get(key) : undefined;
      if (!pod || isFinished(pod)) continue;
      const { namespace, labels, spec } = pod;
      targets.push({
        namespace,
        labels,
        addresses: addresses.flatMap((text) => parseIp(text) ?? []),
        ports: namedPorts(spec),
      });
    }
    return targets;
  }

  /** What a host endpoint expects may be wrong: an address that a node or a pod really has is that one's. */
  #indexAddresses(): Map<string, Party> {
    const index = new Map<string, Party>();
    const nodeAt = (node: string, addresses: readonly Ip[]): void => {
      for (const address of addresses) index.set(formatIp(address), { kind: "node", node, address });
    };
    const endpoints = [...this.graph.endpoints.values()].map(({ endpoint }) => endpoint);
    for (const { kind, node, addresses } of endpoints) if (kind === "host") nodeAt(node, addresses);
    for (const [node, addresses] of this.graph.nodes) nodeAt(node, addresses);
    for (const endpoint of endpoints) {
      if (endpoint.kind === "host") continue;
      for (const address of endpoint.addresses)
        index.set(formatIp(address), { kind: "endpoint", endpoint, address });
    }
    return index;
  }
}
