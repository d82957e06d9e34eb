/**
 * @module Pods that workloads would have: what a folder of manifests says about policy is about pods that do not exist yet.
 */
import { ownValue } from "../../base/own.ts";
import type { Node, Pod } from "../core/types.ts";
import { makeLabels } from "../labels.ts";
import type { KubernetesObject, Labels } from "../object.ts";
import { sourceInside } from "../source.ts";
import type { Workload } from "./types.ts";

export interface ExpandOptions {
  /** Nodes for DaemonSets besides those among the objects. */
  readonly nodes?: readonly Pick<Node, "name" | "labels">[];
}

/** A pod to be, before it is known that its name is free. */
interface Slot {
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly node?: string;
}

/**
 * The pods that the workloads among `objects` make, and that are not there yet.
 *
 * A workload that owns pods of the input makes none: the real ones say more. The same holds for a ReplicaSet whose
 * Deployment is in the input, and a Job whose CronJob is: the owner makes the pods.
 *
 * @param objects - as `decodeTexts` gives them: pods know their workload
 * @returns only the new pods, running and without addresses, in the order of their workloads; no two pods of a
 *   namespace have one name, real ones included
 */
export function expandWorkloads(objects: readonly KubernetesObject[], options: ExpandOptions = {}): Pod[] {
  const names = new Set<string>();
  const covered = new Set<string>();
  const workloads = new Map<string, Workload>();
  const nodes: Pick<Node, "name" | "labels">[] = [...(options.nodes ?? [])];
  for (const object of objects) {
    if (object.kind === "Pod") {
      names.add(`${object.namespace}/${object.name}`);
      if (object.workload) covered.add(workloadKey(object.namespace, object.workload));
    } else if (object.kind === "Node") {
      nodes.push(object);
    } else if (isWorkload(object)) {
      workloads.set(workloadKey(object.namespace, object), object);
    }
  }
  const pods: Pod[] = [];
  for (const [key, workload] of workloads) {
    const owner = workload.owner && workloadKey(workload.namespace, workload.owner);
    if (covered.has(key) || (owner !== undefined && (workloads.has(owner) || covered.has(owner)))) continue;
    for (const slot of takeSlots(workload, nodes, names)) pods.push(makePod(workload, slot));
  }
  return pods;
}

function isWorkload(object: KubernetesObject): object is Workload {
  return "template" in object;
}

function workloadKey(namespace: string, { kind, name }: { kind: string; name: string }): string {
  return `${kind} ${namespace}/${name}`;
}

/** @param names - taken names, `namespace/name`; those given out are added */
function takeSlots(
  workload: Workload,
  nodes: readonly Pick<Node, "name" | "labels">[],
  names: Set<string>,
): Slot[] {
  const { name } = workload;
  switch (workload.kind) {
    case "Deployment":
    case "ReplicaSet":
      return takeNumbered(workload, names, { first: 1, count: workload.replicas });
    case "StatefulSet":
      return takeNumbered(workload, names, { first: 0, count: workload.replicas });
    case "Job":
      return takeNumbered(workload, names, { first: 1, count: workload.parallelism });
    case "CronJob":
      return takeNumbered(workload, names, { first: 1, count: 1 });
    case "DaemonSet": {
      const eligible = nodes.filter((node) => hasLabels(node.labels, workload.template.spec.nodeSelector));
      // No node is known: the DaemonSet is still written for some.
      if (eligible.length === 0) return takeNumbered(workload, names, { first: 1, count: 1 });
      return eligible.flatMap((node) => {
        const own = `${name}-${node.name}`;
        if (!take(workload.namespace, own, names)) {
          return takeNumbered({ ...workload, name: own }, names, { first: 2, count: 1 }).map((slot) => ({
            ...slot,
            node: node.name,
          }));
        }
        return [{ name: own, node: node.name }];
      });
    }
  }
}

function takeNumbered(
  workload: Workload,
  names: Set<string>,
  numbers: { readonly first: number; readonly count: number },
): Slot[] {
  const slots: Slot[] = [];
  for (let number = numbers.first; slots.length < numbers.count; number++) {
    const name = `${workload.name}-${number}`;
    if (!take(workload.namespace, name, names)) continue;
    const labels = ownLabels(workload, { pod: name, number });
    slots.push({ name, ...(labels ? { labels } : {}) });
  }
  return slots;
}

function take(namespace: string, name: string, names: Set<string>): boolean {
  const key = `${namespace}/${name}`;
  if (names.has(key)) return false;
  names.add(key);
  return true;
}

/** Labels that the controller sets on each pod, beyond the template's. */
function ownLabels(
  workload: Workload,
  { pod, number }: { readonly pod: string; readonly number: number },
): Readonly<Record<string, string>> | undefined {
  switch (workload.kind) {
    case "StatefulSet":
      return { "statefulset.kubernetes.io/pod-name": pod, "apps.kubernetes.io/pod-index": String(number) };
    case "Job":
      return { "job-name": workload.name, "batch.kubernetes.io/job-name": workload.name };
    default:
      return undefined;
  }
}

function hasLabels(labels: Labels, wanted: Labels): boolean {
  return Object.entries(wanted).every(([key, value]) => ownValue(labels, key) === value);
}

function makePod(workload: Workload, slot: Slot): Pod {
  const { template } = workload;
  const templatePath = workload.kind === "CronJob" ? "spec.jobTemplate.spec.template" : "spec.template";
  return {
    kind: "Pod",
    apiVersion: "v1",
    name: slot.name,
    namespace: workload.namespace,
    labels: makeLabels([...Object.entries(template.labels), ...Object.entries(slot.labels ?? {})]),
    source: sourceInside(workload.source, templatePath),
    spec: slot.node === undefined ? template.spec : { ...template.spec, nodeName: slot.node },
    phase: "Running",
    podIPs: [],
    workload: workload.owner ?? { kind: workload.kind, name: workload.name },
  };
}
