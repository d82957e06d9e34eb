/** @module The indexes that several controllers share. */
import type { Pod } from "../client/kinds.ts";
import { PODS } from "../client/kinds.ts";
import type { KubeObject, ResourceType } from "../client/objects.ts";
import type { Index, Informers } from "./informers.ts";
import { controllerOf } from "./owners.ts";

/** By the uid of the object that answers for them. */
export function byController<T extends KubeObject>(informers: Informers, type: ResourceType<T>): Index<T> {
  return informers.index(type, "controller", (object) => {
    const owner = controllerOf(object);
    return owner ? [owner.uid] : [];
  });
}

/** Objects for which nobody answers, by namespace. */
export function orphans<T extends KubeObject>(informers: Informers, type: ResourceType<T>): Index<T> {
  return informers.index(type, "orphans", (object) =>
    controllerOf(object) ? [] : [object.metadata.namespace ?? ""],
  );
}

export function byNamespace<T extends KubeObject>(informers: Informers, type: ResourceType<T>): Index<T> {
  return informers.index(type, "namespace", (object) => [object.metadata.namespace ?? ""]);
}

export function podsByNode(informers: Informers): Index<Pod> {
  return informers.index(PODS, "node", ({ spec }) => (spec.nodeName ? [spec.nodeName] : []));
}

function labelKey(namespace: string | undefined, key: string, value: string): string {
  return `${namespace} ${key}=${value}`;
}

function podsByLabel(informers: Informers): Index<Pod> {
  return informers.index(PODS, "label", ({ metadata }) =>
    Object.entries(metadata.labels ?? {}).map(([key, value]) => labelKey(metadata.namespace, key, value)),
  );
}

/** Finds pods by labels without looking at those that have none of them. */
export class PodFinder {
  readonly #byLabel: Index<Pod>;
  readonly #byNamespace: Index<Pod>;

  constructor(informers: Informers) {
    this.#byLabel = podsByLabel(informers);
    this.#byNamespace = byNamespace(informers, PODS);
  }

  /** More than those that have all the labels, never fewer. Cost: what it gives. */
  candidates(namespace: string, labels: Readonly<Record<string, string>> | undefined): Iterable<Pod> {
    let fewest = this.#byNamespace.get(namespace);
    for (const [key, value] of Object.entries(labels ?? {})) {
      const found = this.#byLabel.get(labelKey(namespace, key, value));
      if (found.size < fewest.size) fewest = found;
    }
    return fewest.values();
  }
}

/**
 * Selecting objects (Services, budgets) by one label that they ask for, so that a pod's event looks only at those that
 * may select it.
 */
export function selectorKeys(
  namespace: string | undefined,
  labels: Readonly<Record<string, string>> | undefined,
): string[] {
  const first = Object.entries(labels ?? {})[0];
  return [first ? labelKey(namespace, first[0], first[1]) : `${namespace}`];
}

/** Under which keys of {@link selectorKeys} something that selects a pod can be. */
export function selectorKeysOfPod({ metadata }: Pod): string[] {
  return [
    `${metadata.namespace}`,
    ...Object.entries(metadata.labels ?? {}).map(([key, value]) => labelKey(metadata.namespace, key, value)),
  ];
}
