/**
 * @module Tells a graph what the objects of a cluster say, and later what has changed in them. What several objects
 * together say (a pod's endpoint, a policy that names a Service) is told anew when any of them changes.
 */
import { formatIp, parseIp } from "../base/ip.ts";
import type { PolicyGraph } from "../calc/graph.ts";
import type { NetworkPlan } from "../network/plan.ts";
import {
  fromCalicoNetworkPolicy,
  fromCalicoNetworkSet,
  fromCalicoTier,
  fromGlobalNetworkPolicy,
  fromProfile,
} from "../policy/from-calico.ts";
import {
  fromHostEndpoint,
  fromWorkloadEndpoint,
  podProfiles,
  profileEnd,
} from "../policy/from-calico-endpoint.ts";
import { fromClusterPolicy } from "../policy/from-cluster-policy.ts";
import { fromNetworkPolicy } from "../policy/from-network-policy.ts";
import { endpointFromPod } from "../policy/from-pod.ts";
import { BUILT_IN_TIERS, type Endpoint, type Policy } from "../policy/model.ts";
import type { ServiceBackend, TranslationFacts } from "../policy/translation.ts";
import { assumedNamespaceLabels } from "../policy/world.ts";
import type { Profile, WorkloadEndpoint } from "../resources/calico/types.ts";
import type { Pod } from "../resources/core/types.ts";
import { type KubernetesObject, objectName } from "../resources/object.ts";
import { type Answered, ClusterFacts, RecordedFacts } from "./cluster-facts.ts";

/** What the objects amount to. */
export interface ClusterState {
  readonly objects: ReadonlyMap<string, KubernetesObject>;
  readonly pods: ReadonlyMap<string, Pod>;
  /** Those that stand for pods in `pods`, by the same id. */
  readonly workloads: ReadonlyMap<string, WorkloadEndpoint>;
  readonly plan: NetworkPlan;
  /** Asked when the endpoints have been told, once for each Service that policies name. */
  readonly serviceBackends: (namespace: string, name: string) => readonly ServiceBackend[];
}

export class GraphFeed {
  readonly #graph: PolicyGraph;
  /** What the graph was last told, by object name. */
  readonly #told = new Map<string, KubernetesObject>();
  /** Policies that ask about Services or nodes, with what they were told of them; undefined: nothing yet. */
  readonly #dependent = new Map<string, Answered | undefined>();
  readonly #facts = new ClusterFacts();

  constructor(graph: PolicyGraph) {
    this.#graph = graph;
  }

  /** Cost: O(objects and pods) comparisons, and the graph's work for what changed. */
  follow(state: ClusterState): void {
    this.#tellNodes(state);
    for (const name of this.#told.keys()) if (!state.objects.has(name)) this.tellGone(name);
    const changed = [...state.objects].filter(([name, object]) => this.#told.get(name) !== object);
    for (const [name, object] of changed) this.tell(name, object);
    this.#assumeNamespaces(state);
    this.#tellEndpoints(state);
    this.tellDependent(state);
  }

  #assumeNamespaces({ objects, workloads }: ClusterState): void {
    const names = new Set([...objects.values(), ...workloads.values()].map(({ namespace }) => namespace));
    for (const name of names) {
      if (name !== "" && !this.#graph.namespaces.has(name))
        this.#graph.setNamespace(name, assumedNamespaceLabels(name));
    }
  }

  #tellNodes({ plan }: ClusterState): void {
    const names = new Set(plan.nodes.map(({ name }) => name));
    for (const name of this.#graph.nodes.keys()) if (!names.has(name)) this.#graph.setNode(name, null);
    for (const { name, addresses: texts } of plan.nodes) {
      const known = this.#graph.nodes.get(name);
      const addresses = texts.flatMap((text) => parseIp(text) ?? []);
      if (known?.map(formatIp).join() !== addresses.map(formatIp).join())
        this.#graph.setNode(name, addresses);
    }
  }

  /** An object that is new or has changed. Endpoints are told by others: they are what several objects say together. */
  tell(name: string, object: KubernetesObject): void {
    this.#told.set(name, object);
    switch (object.kind) {
      case "Namespace":
        this.#graph.setNamespace(object.name, object.labels);
        break;
      case "ServiceAccount":
        this.#graph.setServiceAccount(`${object.namespace}/${object.name}`, object.labels);
        break;
      case "Tier":
        // The built-in ones are fixed, whatever an object of their name says.
        if (!isBuiltIn(object.name)) this.#graph.setTier(object.name, fromCalicoTier(object));
        break;
      case "NetworkSet":
      case "GlobalNetworkSet":
        this.#graph.setNetworkSet(objectName(object), fromCalicoNetworkSet(object));
        break;
      default:
        this.#tellPolicy(object);
    }
  }

  /**
   * Kinds that are no policies become endpoints and services, not objects of the graph. What asks about Services or nodes
   * waits until the endpoints have been told.
   */
  #tellPolicy(object: KubernetesObject): void {
    const facts = new RecordedFacts();
    const policy = translatePolicy(object, facts);
    if (!policy) return;
    if (facts.answered.size > 0) {
      this.#dependent.set(policy.id, undefined);
      return;
    }
    this.#dependent.delete(policy.id);
    this.#graph.setPolicy(policy.id, policy);
  }

  /** Cost: what policies ask about, and a translation of those that are told something else now. */
  tellDependent(state: ClusterState): void {
    if (this.#dependent.size === 0) return;
    this.#facts.follow(state);
    for (const [name, answered] of this.#dependent) {
      const object = state.objects.get(name);
      if (!object || (answered && this.#facts.isCurrent(answered))) continue;
      const facts = this.#facts.recorded();
      const policy = translatePolicy(object, facts);
      if (!policy) continue;
      this.#dependent.set(name, facts.answered);
      this.#graph.setPolicy(name, policy);
    }
  }

  /** An object that is not there any more. */
  tellGone(name: string): void {
    const object = this.#told.get(name);
    this.#told.delete(name);
    if (!object) return;
    switch (object.kind) {
      case "Namespace":
        this.#graph.setNamespace(object.name, null);
        break;
      case "ServiceAccount":
        this.#graph.setServiceAccount(`${object.namespace}/${object.name}`, null);
        break;
      case "Tier":
        if (!isBuiltIn(object.name)) this.#graph.setTier(object.name, null);
        break;
      case "NetworkSet":
      case "GlobalNetworkSet":
        this.#graph.setNetworkSet(name, null);
        break;
      default:
        this.#dependent.delete(name);
        if (this.#graph.policies.has(name)) this.#graph.setPolicy(name, null);
    }
  }

  #tellEndpoints(state: ClusterState): void {
    const profiles = profilesOf(state.objects.values());
    const endpoints = new Map<string, Endpoint>();
    for (const endpoint of hostEndpointsOf(state.objects.values(), profiles))
      endpoints.set(endpoint.id, endpoint);
    const placed = new Map(state.plan.pods.map((pod) => [pod.key, pod]));
    for (const [id, pod] of state.pods) {
      const place = placed.get(id);
      const addresses = (place?.addresses ?? []).flatMap((text) => parseIp(text) ?? []);
      const endpoint = endpointFromPod(pod, { node: place?.node ?? "", addresses });
      if (!endpoint) continue;
      const workload = state.workloads.get(id);
      const profiled = withProfiles(endpoint, profiles);
      endpoints.set(id, workload ? fromWorkloadEndpoint(profiled, workload, profiles) : profiled);
    }
    for (const id of this.#graph.endpoints.keys()) if (!endpoints.has(id)) this.#graph.setEndpoint(id, null);
    for (const [id, endpoint] of endpoints) {
      const known = this.#graph.endpoints.get(id)?.endpoint;
      if (!known || !sameEndpoint(known, endpoint)) this.#graph.setEndpoint(id, endpoint);
    }
  }
}

/** Profiles of pods are implied and allow, unless somebody wrote one of their name. */
export function withProfiles(endpoint: Endpoint, profiles: ReadonlyMap<string, Profile>): Endpoint {
  return profiles.size === 0 ? endpoint : { ...endpoint, ...profileEnd(podProfiles(endpoint), profiles) };
}

function isBuiltIn(tier: string): boolean {
  return BUILT_IN_TIERS.some(({ name }) => name === tier);
}

/** @returns undefined for objects that are no policy in force: staged ones are previews */
export function translatePolicy(object: KubernetesObject, facts: TranslationFacts): Policy | undefined {
  switch (object.kind) {
    case "NetworkPolicy":
      return fromNetworkPolicy(object);
    case "CalicoNetworkPolicy":
      return fromCalicoNetworkPolicy(object, facts);
    case "GlobalNetworkPolicy":
      return fromGlobalNetworkPolicy(object, facts);
    case "ClusterNetworkPolicy":
    case "AdminNetworkPolicy":
    case "BaselineAdminNetworkPolicy":
      return fromClusterPolicy(object, facts);
    case "Profile":
      return fromProfile(object, facts);
    default:
      return undefined;
  }
}

function profilesOf(objects: Iterable<KubernetesObject>): Map<string, Profile> {
  const profiles = new Map<string, Profile>();
  for (const object of objects) if (object.kind === "Profile") profiles.set(object.name, object);
  return profiles;
}

export function hostEndpointsOf(
  objects: Iterable<KubernetesObject>,
  profiles: ReadonlyMap<string, Profile>,
): Endpoint[] {
  const endpoints: Endpoint[] = [];
  for (const object of objects)
    if (object.kind === "HostEndpoint") endpoints.push(fromHostEndpoint(object, profiles));
  return endpoints;
}

export function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  const plain = (endpoint: Endpoint): string =>
    JSON.stringify({
      ...endpoint,
      addresses: endpoint.addresses.map(formatIp),
      labels: Object.entries(endpoint.labels).sort(),
    });
  return plain(a) === plain(b);
}
