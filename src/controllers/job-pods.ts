/** @module The pods of a Job, and the indexes of those that are indexed. */
import type { Job, Pod } from "../client/kinds.ts";
import { JOBS } from "../client/kinds.ts";
import { uidOf } from "./owners.ts";
import { podOf } from "./pod-control.ts";

const INDEX = "batch.kubernetes.io/job-completion-index";
const FAILURE_COUNT = "batch.kubernetes.io/job-index-failure-count";
/** Holds a pod until its Job has counted it. */
export const TRACKING = "batch.kubernetes.io/job-tracking";
const INDEX_VARIABLE = "JOB_COMPLETION_INDEX";

/**
 * @param index - undefined: of a Job whose pods are all alike
 * @param failures - how often the index has failed before
 */
export function jobPod(job: Job, index: number | undefined, failures = 0): Pod {
  const pod = draftOf(job, index, failures);
  const finalizers = [...(pod.metadata.finalizers ?? []), TRACKING];
  return { ...pod, metadata: { ...pod.metadata, finalizers } };
}

function draftOf(job: Job, index: number | undefined, failures: number): Pod {
  const { name } = job.metadata;
  const uid = uidOf(job);
  const labels = {
    "batch.kubernetes.io/controller-uid": uid,
    "batch.kubernetes.io/job-name": name,
    "controller-uid": uid,
    "job-name": name,
  };
  if (index === undefined) return podOf(job, JOBS, job.spec.template, { labels });
  const variable = {
    name: INDEX_VARIABLE,
    valueFrom: { fieldRef: { apiVersion: "v1", fieldPath: `metadata.annotations['${INDEX}']` } },
  };
  const told = <C extends { env?: { name: string }[] }>(container: C): C => ({
    ...container,
    env: [...(container.env ?? []).filter((one) => one.name !== INDEX_VARIABLE), variable],
  });
  return podOf(job, JOBS, job.spec.template, {
    generateName: `${name}-${index}-`,
    labels: { ...labels, [INDEX]: String(index) },
    annotations: {
      [INDEX]: String(index),
      ...(job.spec.backoffLimitPerIndex !== undefined && { [FAILURE_COUNT]: String(failures) }),
    },
    spec: (spec) => ({
      ...spec,
      hostname: `${name}-${index}`,
      containers: spec.containers.map(told),
      ...(spec.initContainers && { initContainers: spec.initContainers.map(told) }),
    }),
  });
}

export function isIndexed({ spec }: Job): boolean {
  return spec.completionMode === "Indexed";
}

export function indexOf({ metadata }: Pod): number | undefined {
  const text = metadata.annotations?.[INDEX];
  return text === undefined ? undefined : Number(text);
}

/** How often its index had failed when it was made. */
export function failureCountOf({ metadata }: Pod): number {
  return Number(metadata.annotations?.[FAILURE_COUNT] ?? 0) || 0;
}

/** `0,2-4` */
export function parseIndexes(text: string | undefined): Set<number> {
  const indexes = new Set<number>();
  for (const part of (text ?? "").split(",")) {
    const [first = "", last = first] = part.split("-");
    if (first === "") continue;
    for (let index = Number(first); index <= Number(last); index++) indexes.add(index);
  }
  return indexes;
}

export function formatIndexes(indexes: ReadonlySet<number>): string {
  const ranges: [number, number][] = [];
  for (const index of [...indexes].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last && last[1] === index - 1) last[1] = index;
    else ranges.push([index, index]);
  }
  return ranges
    .map(([first, last]) => {
      if (first === last) return String(first);
      return last === first + 1 ? `${first},${last}` : `${first}-${last}`;
    })
    .join(",");
}
