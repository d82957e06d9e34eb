/**
 * @module A cluster as its API tells of it, object by object: pods have the addresses that they really have, and nothing
 * is assumed. For those who follow a running cluster; `Cluster` is for manifests.
 */
import { formatIp, type Ip, parseIp } from "../base/ip.ts";
import { PolicyGraph } from "../calc/graph.ts";
import type { GraphDelta } from "../calc/types.ts";
import { endpointFromPod, isFinished, podId } from "../policy/from-pod.ts";
import type { Endpoint } from "../policy/model.ts";
import type { Profile } from "../resources/calico/types.ts";
import type { Pod } from "../resources/core/types.ts";
import { type KubernetesObject, objectName } from "../resources/object.ts";
import { GraphFeed, hostEndpointsOf, sameEndpoint, withProfiles } from "./graph-feed.ts";
import { ServiceIndex } from "./service-index.ts";

export class LiveCluster {
  readonly graph: PolicyGraph = new PolicyGraph();
  readonly #feed = new GraphFeed(this.graph);
  readonly #objects = new Map<string, KubernetesObject>();
  readonly #pods = new Map<string, Pod>();
  /** Addresses that whoever made the pods' links gave, by `namespace/name`. */
  readonly #given = new Map<string, readonly string[]>();
  readonly #profiles = new Map<string, Profile>();
  /** Addresses that pods have lost, by their text. */
  readonly #left = new Map<string, Ip>();
  #hostsChanged = false;
  #profilesChanged = false;

  get pods(): ReadonlyMap<string, Pod> {
    return this.#pods;
  }

  get objects(): ReadonlyMap<string, KubernetesObject> {
    return this.#objects;
  }

  hasNamespace(name: string): boolean {
    return this.#objects.has(objectName({ kind: "Namespace", namespace: "", name }));
  }

  /** Creates or replaces. Cost: the graph's, for one object. */
  set(object: KubernetesObject): void {
    const name = objectName(object);
    if (object.kind === "Pod") {
      this.#pods.set(podId(object), object);
      this.#tellPod(podId(object));
      return;
    }
    this.#objects.set(name, object);
    this.#feed.tell(name, object);
    this.#note(object);
    if (object.kind === "Node") this.graph.setNode(object.name, ips(object.addresses));
  }

  remove(ref: { readonly kind: string; readonly namespace: string; readonly name: string }): void {
    const name = objectName(ref);
    if (ref.kind === "Pod") {
      const id = podId(ref);
      this.#pods.delete(id);
      this.#given.delete(id);
      this.#tellPod(id);
      return;
    }
    const object = this.#objects.get(name);
    if (!object) return;
    this.#objects.delete(name);
    this.#feed.tellGone(name);
    this.#note(object);
    if (object.kind === "Node") this.graph.setNode(object.name, null);
  }

  /** A pod's addresses, from whoever gave them, whatever the API says. */
  setAddresses(id: string, addresses: readonly string[]): void {
    this.#given.set(id, addresses);
    this.#tellPod(id);
  }

  dropAddresses(id: string): void {
    if (this.#given.delete(id)) this.#tellPod(id);
  }

  /** Addresses that pods have lost since the last call; another may have one by now. */
  takeLeft(): Ip[] {
    const left = [...this.#left.values()];
    this.#left.clear();
    return left;
  }

  /** @returns what changed since the last time. Cost: the graph's work for what changed */
  flush(): GraphDelta {
    if (this.#profilesChanged) for (const id of this.#pods.keys()) this.#tellPod(id);
    if (this.#hostsChanged || this.#profilesChanged) this.#tellHosts();
    this.#hostsChanged = false;
    this.#profilesChanged = false;
    this.#feed.tellDependent({
      objects: this.#objects,
      pods: this.#pods,
      workloads: new Map(),
      plan: {
        podNetworks: [],
        nodes: this.#plannedNodes(),
        pods: [],
        outside: [],
        outsideGateways: [],
        nextPodIndex: 0,
      },
      serviceBackends: (namespace, name) => this.serviceIndex().backends(namespace, name),
    });
    return this.graph.flush();
  }

  /** What stands behind Services now. Cost: O(endpoints and slices). */
  serviceIndex(): ServiceIndex {
    const targets = [...this.graph.endpoints.values()].flatMap(({ endpoint }) =>
      endpoint.kind === "host" ? [] : [endpoint],
    );
    return new ServiceIndex(this.#objects, targets);
  }

  #plannedNodes(): {
    name: string;
    index: number;
    addresses: readonly string[];
    blocks: [];
    singles: [];
    routes: [];
  }[] {
    return [...this.#objects.values()].flatMap((object) =>
      object.kind === "Node"
        ? [{ name: object.name, index: 0, addresses: object.addresses, blocks: [], singles: [], routes: [] }]
        : [],
    );
  }

  #note(object: KubernetesObject): void {
    if (object.kind === "HostEndpoint") this.#hostsChanged = true;
    if (object.kind !== "Profile") return;
    this.#profilesChanged = true;
    if (this.#objects.has(objectName(object))) this.#profiles.set(object.name, object);
    else this.#profiles.delete(object.name);
  }

  #tellPod(id: string): void {
    const pod = this.#pods.get(id);
    const endpoint = pod && this.#endpointOf(id, pod);
    const known = this.graph.endpoints.get(id)?.endpoint;
    if (!endpoint) {
      if (known) this.graph.setEndpoint(id, null);
    } else if (!known || !sameEndpoint(known, endpoint)) this.graph.setEndpoint(id, endpoint);
    for (const ip of known?.addresses ?? [])
      if (!endpoint?.addresses.some((own) => own.family === ip.family && own.bits === ip.bits))
        this.#left.set(formatIp(ip), ip);
  }

  #endpointOf(id: string, pod: Pod): Endpoint | undefined {
    if (isFinished(pod) || pod.spec.hostNetwork) return undefined;
    // Who made its link knows better than a status, which others may write.
    const addresses = this.#given.get(id) ?? pod.podIPs;
    if (addresses.length === 0) return undefined;
    const endpoint = endpointFromPod(pod, { node: pod.spec.nodeName ?? "", addresses: ips(addresses) });
    return endpoint && withProfiles(endpoint, this.#profiles);
  }

  #tellHosts(): void {
    const hosts = hostEndpointsOf(this.#objects.values(), this.#profiles);
    const wanted = new Map(hosts.map((endpoint) => [endpoint.id, endpoint]));
    for (const [id, { endpoint }] of this.graph.endpoints)
      if (endpoint.kind === "host" && !wanted.has(id)) this.graph.setEndpoint(id, null);
    for (const [id, endpoint] of wanted) {
      const known = this.graph.endpoints.get(id)?.endpoint;
      if (!known || !sameEndpoint(known, endpoint)) this.graph.setEndpoint(id, endpoint);
    }
  }
}

function ips(texts: readonly string[]): Ip[] {
  return texts.flatMap((text) => parseIp(text) ?? []);
}
