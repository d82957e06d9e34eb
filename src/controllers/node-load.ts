/** @module What is on each node: pods that are bound, and those that the scheduler has just decided on. */
import type { Pod } from "../client/kinds.ts";
import { isEqual } from "./equal.ts";
import { controllerOf, uidOf } from "./owners.ts";
import { hostPortsOf, requestsOf } from "./pod-requests.ts";
import { isFinished } from "./pod-state.ts";

export interface NodeLoad {
  readonly pods: Map<string, Pod>;
  cpu: number;
  memory: number;
  /** Pods by the uid of the object that answers for them. */
  readonly byOwner: Map<string, number>;
  readonly ports: Map<string, number>;
  /** Those that want others kept off. */
  readonly exclusive: Map<string, Pod>;
}

/** Counts of pods on nodes, for one selector in one namespace. */
interface Counter {
  readonly namespace: string;
  readonly matches: (pod: Pod) => boolean;
  readonly counts: Map<string, number>;
}

const MAX_COUNTERS = 200;

export class NodeLoads {
  readonly #loads = new Map<string, NodeLoad>();
  /** On which node each pod counts, by uid. */
  readonly #places = new Map<string, { readonly node: string; readonly pod: Pod }>();
  readonly #counters = new Map<string, Counter>();

  get(node: string): NodeLoad {
    let load = this.#loads.get(node);
    if (!load) {
      load = {
        pods: new Map(),
        cpu: 0,
        memory: 0,
        byOwner: new Map(),
        ports: new Map(),
        exclusive: new Map(),
      };
      this.#loads.set(node, load);
    }
    return load;
  }

  isPlaced(pod: Pod): boolean {
    return this.#places.has(uidOf(pod));
  }

  place(pod: Pod, node: string): void {
    const uid = uidOf(pod);
    const known = this.#places.get(uid);
    const isSame = known?.node === node && isEqual(known.pod.metadata.labels, pod.metadata.labels);
    if (isSame && !isFinished(pod)) return;
    this.remove(pod);
    if (isFinished(pod)) return;
    this.#places.set(uid, { node, pod });
    this.#count(pod, node, 1);
  }

  remove(pod: Pod): void {
    const uid = uidOf(pod);
    const known = this.#places.get(uid);
    if (!known) return;
    this.#places.delete(uid);
    this.#count(known.pod, known.node, -1);
  }

  #count(pod: Pod, node: string, step: 1 | -1): void {
    const load = this.get(node);
    const uid = uidOf(pod);
    if (step === 1) load.pods.set(uid, pod);
    else load.pods.delete(uid);
    const { cpu, memory } = requestsOf(pod);
    load.cpu += step * cpu;
    load.memory += step * memory;
    const owner = controllerOf(pod)?.uid;
    if (owner !== undefined) bump(load.byOwner, owner, step);
    for (const port of hostPortsOf(pod)) bump(load.ports, port, step);
    if (pod.spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.length) {
      if (step === 1) load.exclusive.set(uid, pod);
      else load.exclusive.delete(uid);
    }
    for (const counter of this.#counters.values())
      if (counter.namespace === pod.metadata.namespace && counter.matches(pod))
        bump(counter.counts, node, step);
  }

  /** Kept in step from the first question on, so that a thousand pods of one kind do not each count a thousand. */
  counts(
    name: string,
    namespace: string,
    matches: (pod: Pod) => boolean,
    candidates: () => Iterable<Pod>,
  ): ReadonlyMap<string, number> {
    const known = this.#counters.get(name);
    if (known) return known.counts;
    const counts = new Map<string, number>();
    for (const candidate of candidates()) {
      const place = this.#places.get(uidOf(candidate));
      if (place && matches(place.pod)) bump(counts, place.node, 1);
    }
    // Pods that were decided on a moment ago are among the candidates: they exist, only without a node.
    this.#counters.set(name, { namespace, matches, counts });
    if (this.#counters.size > MAX_COUNTERS) this.#counters.delete(this.#counters.keys().next().value ?? "");
    return counts;
  }
}

function bump(counts: Map<string, number>, key: string, step: number): void {
  const count = (counts.get(key) ?? 0) + step;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
