/** @module Tells which Services a pod's event concerns: those that select it now or did before. */
import type { Pod, Service } from "../client/kinds.ts";
import { PODS, SERVICES } from "../client/kinds.ts";
import { keyOf } from "../client/objects.ts";
import { isEqual } from "./equal.ts";
import { type PodFinder, selectorKeys, selectorKeysOfPod } from "./indexes.ts";
import type { Informers } from "./informers.ts";
import { matchesAll } from "./selection.ts";

/** What of a pod an endpoint says. */
function viewOf({ metadata, spec, status }: Pod): unknown {
  const ready = status?.conditions?.find(({ type }) => type === "Ready")?.status;
  return [
    metadata.uid,
    metadata.labels,
    metadata.deletionTimestamp !== undefined,
    spec.nodeName,
    status?.podIP,
    status?.podIPs,
    status?.phase,
    ready,
  ];
}

/** @param tell - called with the key of every Service that a change of pods may concern */
export function watchSelectedPods(informers: Informers, tell: (key: string) => void): void {
  const bySelector = informers.index(SERVICES, "selector", ({ metadata, spec }) =>
    hasSelector(spec) ? selectorKeys(metadata.namespace, spec.selector) : [],
  );
  const concern = (pod: Pod): void => {
    for (const key of selectorKeysOfPod(pod))
      for (const [name, { spec }] of bySelector.get(key))
        if (matchesAll(spec.selector, pod.metadata.labels)) tell(name);
  };
  informers.of(PODS).on({
    changed: (pod, before) => {
      if (before && isEqual(viewOf(pod), viewOf(before))) return;
      concern(pod);
      if (before && !isEqual(before.metadata.labels, pod.metadata.labels)) concern(before);
    },
    deleted: concern,
  });
}

export function hasSelector(spec: Service["spec"]): boolean {
  return spec.type !== "ExternalName" && Object.keys(spec.selector ?? {}).length > 0;
}

/** The pods behind a Service, in the order of their names. */
export function selectedPods(finder: PodFinder, { metadata, spec }: Service): Pod[] {
  const pods: Pod[] = [];
  for (const pod of finder.candidates(metadata.namespace ?? "", spec.selector))
    if (matchesAll(spec.selector, pod.metadata.labels)) pods.push(pod);
  return pods.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}
