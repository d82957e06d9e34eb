/** @module Which nodes can take a pod, why the others cannot, and which of those that can is the best. */

import type { PodAffinityTerm } from "kubernetes-types/core/v1.js";
import { ownValue } from "../base/own.ts";
import type { Node, Pod } from "../client/kinds.ts";
import { parseQuantity } from "./amounts.ts";
import { canonical } from "./equal.ts";
import type { PodFinder } from "./indexes.ts";
import type { NodeLoads } from "./node-load.ts";
import { controllerOf } from "./owners.ts";
import { hostPortsOf, requestsOf } from "./pod-requests.ts";
import { isNodeReady, tolerates, untolerated } from "./pod-state.ts";
import { matchesAll, matchesTerm, selects } from "./selection.ts";

const HOSTNAME = "kubernetes.io/hostname";
const DEFAULT_PODS = 110;
const BLOCKING: readonly string[] = ["NoSchedule", "NoExecute"];
const NOT_READY = { key: "node.kubernetes.io/not-ready", effect: "NoExecute" };
const UNSCHEDULABLE = { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" };

export interface Surroundings {
  readonly nodes: readonly Node[];
  readonly loads: NodeLoads;
  readonly pods: PodFinder;
}

export type Decision =
  | { readonly node: string }
  /** Nodes by what keeps the pod off. */
  | { readonly refusals: ReadonlyMap<string, number>; readonly total: number };

/** A node, by the value that it has of a topology's label. */
function domainOf(node: Node, topologyKey: string): string | undefined {
  return topologyKey === HOSTNAME
    ? (node.metadata.labels?.[HOSTNAME] ?? node.metadata.name)
    : ownValue(node.metadata.labels, topologyKey);
}

/** Whether the node's labels and name are those that the pod asks for. */
export function suitsNode({ spec }: Pod | { readonly spec: Pod["spec"] }, node: Node): boolean {
  if (!matchesAll(spec.nodeSelector, node.metadata.labels)) return false;
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return !required || required.nodeSelectorTerms.some((term) => matchesTerm(term, node));
}

function tolerationFault(pod: Pod, node: Node): string | undefined {
  const { tolerations } = pod.spec;
  const taint = untolerated(node.spec?.taints, tolerations, BLOCKING);
  if (node.spec?.unschedulable === true && !(tolerations ?? []).some((one) => tolerates(one, UNSCHEDULABLE)))
    return "node(s) were unschedulable";
  if (taint) return `node(s) had untolerated taint {${taint.key}: ${taint.value ?? ""}}`;
  // The taint of a node that is not ready comes a moment later than the news. Whoever would only stay there for a while,
  // as every pod does by default, does not begin there.
  const lasting = (tolerations ?? []).filter(({ tolerationSeconds }) => tolerationSeconds === undefined);
  if (!isNodeReady(node) && !lasting.some((one) => tolerates(one, NOT_READY)))
    return `node(s) had untolerated taint {${NOT_READY.key}: }`;
  return undefined;
}

function resourceFault(pod: Pod, node: Node, loads: NodeLoads): string | undefined {
  const load = loads.get(node.metadata.name);
  const allocatable = node.status?.allocatable;
  const most = allocatable?.["pods"] === undefined ? DEFAULT_PODS : parseQuantity(allocatable["pods"]);
  if (load.pods.size >= most) return "Too many pods";
  const wanted = requestsOf(pod);
  for (const name of ["cpu", "memory"] as const) {
    const limit = allocatable?.[name];
    // Sums of fractions are not exact: a millionth of a processor is nothing.
    if (limit !== undefined && wanted[name] > 0 && load[name] + wanted[name] > parseQuantity(limit) + 1e-6)
      return `Insufficient ${name}`;
  }
  if (hostPortsOf(pod).some((port) => load.ports.has(port)))
    return "node(s) didn't have free ports for the requested pod ports";
  return undefined;
}

type NodeTest = (node: Node) => string | undefined;

function domainCounts(
  surroundings: Surroundings,
  counts: ReadonlyMap<string, number>,
  topologyKey: string,
  isEligible: (node: Node) => boolean,
): Map<string, number> {
  const domains = new Map<string, number>();
  for (const node of surroundings.nodes) {
    const domain = domainOf(node, topologyKey);
    if (domain === undefined || !isEligible(node)) continue;
    domains.set(domain, (domains.get(domain) ?? 0) + (counts.get(node.metadata.name) ?? 0));
  }
  return domains;
}

function countsOf(
  { loads, pods }: Surroundings,
  namespace: string,
  selector: PodAffinityTerm["labelSelector"],
): ReadonlyMap<string, number> {
  return loads.counts(
    `${namespace} ${canonical(selector)}`,
    namespace,
    (pod) => selects(selector, pod.metadata.labels),
    () => pods.candidates(namespace, selector?.matchLabels),
  );
}

function namespacesOf(term: PodAffinityTerm, pod: Pod): readonly string[] {
  return term.namespaces?.length ? term.namespaces : [pod.metadata.namespace ?? ""];
}

function termCounts(
  surroundings: Surroundings,
  term: PodAffinityTerm,
  pod: Pod,
): { readonly domains: Map<string, number>; readonly total: number } {
  const domains = new Map<string, number>();
  let total = 0;
  for (const namespace of namespacesOf(term, pod)) {
    const counts = countsOf(surroundings, namespace, term.labelSelector);
    for (const [domain, count] of domainCounts(surroundings, counts, term.topologyKey, () => true)) {
      domains.set(domain, (domains.get(domain) ?? 0) + count);
      total += count;
    }
  }
  return { domains, total };
}

function affinityTests(pod: Pod, surroundings: Surroundings): NodeTest[] {
  const { podAffinity, podAntiAffinity } = pod.spec.affinity ?? {};
  const tests: NodeTest[] = [];
  for (const term of podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []) {
    const { domains, total } = termCounts(surroundings, term, pod);
    // The first of a group that wants to be together may be anywhere.
    const isFirst = total === 0 && selects(term.labelSelector, pod.metadata.labels);
    tests.push((node) => {
      const domain = domainOf(node, term.topologyKey);
      if (domain !== undefined && (isFirst || (domains.get(domain) ?? 0) > 0)) return undefined;
      return "node(s) didn't match pod affinity rules";
    });
  }
  for (const term of podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []) {
    const { domains } = termCounts(surroundings, term, pod);
    tests.push((node) => {
      const domain = domainOf(node, term.topologyKey);
      return domain !== undefined && (domains.get(domain) ?? 0) > 0
        ? "node(s) didn't match pod anti-affinity rules"
        : undefined;
    });
  }
  return tests;
}

/** Those that are there already may want the pod kept off as well. */
function exclusionTest(pod: Pod, { nodes, loads }: Surroundings): NodeTest {
  const closed = new Set<string>();
  for (const node of nodes) {
    for (const other of loads.get(node.metadata.name).exclusive.values()) {
      const terms =
        other.spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
      for (const term of terms) {
        const domain = domainOf(node, term.topologyKey);
        const isMeant =
          namespacesOf(term, other).includes(pod.metadata.namespace ?? "") &&
          selects(term.labelSelector, pod.metadata.labels);
        if (isMeant && domain !== undefined) closed.add(`${term.topologyKey} ${domain}`);
      }
    }
  }
  const keys = [...new Set([...closed].map((one) => one.slice(0, one.indexOf(" "))))];
  return (node) =>
    keys.some((key) => closed.has(`${key} ${domainOf(node, key)}`))
      ? "node(s) didn't satisfy existing pods anti-affinity rules"
      : undefined;
}

function spreadTests(pod: Pod, surroundings: Surroundings): NodeTest[] {
  const hard = (pod.spec.topologySpreadConstraints ?? []).filter(
    ({ whenUnsatisfiable }) => whenUnsatisfiable !== "ScheduleAnyway",
  );
  return hard.map((constraint): NodeTest => {
    const { topologyKey, labelSelector, maxSkew } = constraint;
    const counts = countsOf(surroundings, pod.metadata.namespace ?? "", labelSelector);
    const domains = domainCounts(surroundings, counts, topologyKey, (node) => suitsNode(pod, node));
    const fewest = Math.min(...domains.values());
    const own = selects(labelSelector, pod.metadata.labels) ? 1 : 0;
    return (node) => {
      const domain = domainOf(node, topologyKey);
      const isEven = domain !== undefined && (domains.get(domain) ?? 0) + own - fewest <= maxSkew;
      return isEven ? undefined : "node(s) didn't match pod topology spread constraints";
    };
  });
}

type NodeCost = (node: Node) => number;

/** Pods that this one would rather be near, or away from: the weights of those that are there. */
function affinityCosts(pod: Pod, surroundings: Surroundings): NodeCost[] {
  const { podAffinity, podAntiAffinity } = pod.spec.affinity ?? {};
  const preferred = [
    ...(podAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((one) => [one, -1] as const),
    ...(podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(
      (one) => [one, 1] as const,
    ),
  ];
  return preferred.map(([{ podAffinityTerm, weight }, sign]): NodeCost => {
    const { domains } = termCounts(surroundings, podAffinityTerm, pod);
    return (node) => {
      const domain = domainOf(node, podAffinityTerm.topologyKey);
      return domain === undefined ? 0 : sign * weight * (domains.get(domain) ?? 0);
    };
  });
}

/** Constraints that are wishes: the emptier the domain, the better; nodes outside of all domains come last. */
function spreadCosts(pod: Pod, surroundings: Surroundings): NodeCost[] {
  const soft = (pod.spec.topologySpreadConstraints ?? []).filter(
    ({ whenUnsatisfiable }) => whenUnsatisfiable === "ScheduleAnyway",
  );
  return soft.map(({ topologyKey, labelSelector }): NodeCost => {
    const counts = countsOf(surroundings, pod.metadata.namespace ?? "", labelSelector);
    const domains = domainCounts(surroundings, counts, topologyKey, (node) => suitsNode(pod, node));
    return (node) => {
      const domain = domainOf(node, topologyKey);
      return domain === undefined ? Number.MAX_SAFE_INTEGER : (domains.get(domain) ?? 0);
    };
  });
}

interface Wishes {
  readonly affinity: readonly NodeCost[];
  readonly spread: readonly NodeCost[];
}

const sumOf = (costs: readonly NodeCost[], node: Node): number =>
  costs.reduce((sum, cost) => sum + cost(node), 0);

/** @returns compared number by number; the lowest is the best */
function costOf(pod: Pod, node: Node, { loads }: Surroundings, wishes: Wishes): number[] {
  const load = loads.get(node.metadata.name);
  const preferred = pod.spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  const weight = preferred.reduce(
    (sum, term) => sum + (matchesTerm(term.preference, node) ? term.weight : 0),
    0,
  );
  const avoided = untolerated(node.spec?.taints, pod.spec.tolerations, ["PreferNoSchedule"]) ? 1 : 0;
  const owner = controllerOf(pod)?.uid;
  const liking = sumOf(wishes.affinity, node) - weight;
  return [
    avoided,
    liking,
    sumOf(wishes.spread, node),
    owner === undefined ? 0 : (load.byOwner.get(owner) ?? 0),
    load.pods.size,
  ];
}

function isLess(a: readonly number[], b: readonly number[]): boolean {
  for (const [place, value] of a.entries()) if (value !== b[place]) return value < (b[place] ?? 0);
  return false;
}

/** Cost: the nodes; with affinities or spread, also the pods that they select, once for all pods that ask alike. */
export function decide(pod: Pod, surroundings: Surroundings): Decision {
  const { nodes, loads } = surroundings;
  const tests: NodeTest[] = [
    (node) => tolerationFault(pod, node),
    (node) => (suitsNode(pod, node) ? undefined : "node(s) didn't match Pod's node affinity/selector"),
    (node) => resourceFault(pod, node, loads),
    ...affinityTests(pod, surroundings),
    exclusionTest(pod, surroundings),
    ...spreadTests(pod, surroundings),
  ];
  const wishes = { affinity: affinityCosts(pod, surroundings), spread: spreadCosts(pod, surroundings) };
  const refusals = new Map<string, number>();
  let best: { readonly name: string; readonly cost: readonly number[] } | undefined;
  for (const node of nodes) {
    let fault: string | undefined;
    for (const test of tests) {
      fault = test(node);
      if (fault !== undefined) break;
    }
    if (fault !== undefined) {
      refusals.set(fault, (refusals.get(fault) ?? 0) + 1);
      continue;
    }
    const cost = costOf(pod, node, surroundings, wishes);
    if (!best || isLess(cost, best.cost)) best = { name: node.metadata.name, cost };
  }
  return best ? { node: best.name } : { refusals, total: nodes.length };
}

/** In the words that Kubernetes' scheduler has for it. */
export function refusalText(refusals: ReadonlyMap<string, number>, total: number): string {
  if (total === 0) return "no nodes available to schedule pods";
  const reasons = [...refusals].map(([reason, count]) => `${count} ${reason}`).sort();
  return `0/${total} nodes are available: ${reasons.join(", ")}.`;
}
