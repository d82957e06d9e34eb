/** @module The names that people use, and the parties that they mean. */

import { OpError } from "../base/errors.ts";
import { parseIp } from "../base/ip.ts";
import { ownValue } from "../base/own.ts";
import { isFinished, podId } from "../policy/from-pod.ts";
import type { Party } from "../policy/model.ts";
import type { Pod } from "../resources/core/types.ts";
import { closestWord } from "../resources/decode/closest-word.ts";
import type { Cluster } from "./cluster.ts";

/**
 * The parties that a name means: one list a pod, with an entry for each of its addresses. An address, a node and a pod's
 * own name mean one; a workload's name means all of its pods that have an address.
 * @throws OpError `not-found` for a name that means nothing, more than one thing, or only pods that have finished
 */
export function resolveParties(cluster: Cluster, name: string): readonly (readonly Party[])[] {
  const address = parseIp(name);
  if (address) return [[cluster.partyAt(address)]];
  const node = /^nodes?\/(.+)$/.exec(name)?.[1];
  if (node !== undefined) {
    const addresses = cluster.graph.nodes.get(node);
    if (!addresses)
      throw notFound(
        name,
        [...cluster.graph.nodes.keys()].map((known) => `node/${known}`),
      );
    return [addresses.map((own) => ({ kind: "node", node, address: own }))];
  }
  if (SERVICE.test(name)) {
    throw new OpError(`${name} opens no connections: name a pod or a workload`, {
      code: "not-found",
      facts: { name },
    });
  }
  const pods = findPods(cluster, name);
  const running = pods.filter((pod) => !isFinished(pod));
  if (running.length === 0) {
    const ids = pods.map(podId).join(", ");
    throw new OpError(`pod ${ids} has finished and has no address`, { code: "not-found", facts: { name } });
  }
  return running.map((pod) => partiesOf(cluster, podId(pod)));
}

function partiesOf(cluster: Cluster, id: string): readonly Party[] {
  const endpoint = cluster.graph.endpoints.get(id)?.endpoint;
  if (endpoint) return endpoint.addresses.map((own) => ({ kind: "endpoint", endpoint, address: own }));
  // A pod on the host's network: it is its node.
  const place = cluster.plan.pods.find(({ key }) => key === id);
  return (place?.addresses ?? []).flatMap((text) => {
    const own = parseIp(text);
    return own ? [{ kind: "node" as const, node: place?.node ?? "", address: own }] : [];
  });
}

const SERVICE = /^(?:svc|service|services)\/(?:([^/]+)\/)?([^/]+)$/;

/** The Service that `svc/name` or `svc/namespace/name` means, whether there is one or not; undefined for other names. */
export function serviceReference(
  cluster: Cluster,
  text: string,
): { readonly namespace: string; readonly name: string } | undefined {
  const match = SERVICE.exec(text);
  return match ? { namespace: match[1] ?? cluster.defaultNamespace, name: match[2] ?? "" } : undefined;
}

const WORKLOAD_KINDS: Readonly<Record<string, string>> = {
  deploy: "Deployment",
  deployment: "Deployment",
  deployments: "Deployment",
  rs: "ReplicaSet",
  replicaset: "ReplicaSet",
  replicasets: "ReplicaSet",
  sts: "StatefulSet",
  statefulset: "StatefulSet",
  statefulsets: "StatefulSet",
  ds: "DaemonSet",
  daemonset: "DaemonSet",
  daemonsets: "DaemonSet",
  job: "Job",
  jobs: "Job",
  cronjob: "CronJob",
  cronjobs: "CronJob",
  cj: "CronJob",
};

/** At least one; all of one workload. */
function findPods(cluster: Cluster, name: string): readonly Pod[] {
  // A namespace may be called `job`, as a kind is.
  const verbatim = cluster.pods.get(name);
  if (verbatim) return [verbatim];
  const parts = name.split("/");
  if (parts[0] === "pod" || parts[0] === "pods" || parts[0] === "po") parts.shift();
  const kindAt = parts.findIndex(
    (part, index) => index < parts.length - 1 && Object.hasOwn(WORKLOAD_KINDS, part.toLowerCase()),
  );
  const kind = kindAt < 0 ? undefined : ownValue(WORKLOAD_KINDS, (parts[kindAt] ?? "").toLowerCase());
  if (kindAt >= 0) parts.splice(kindAt, 1);
  if (parts.length > 2) throw notFound(name, callable(cluster));
  const [first = "", second] = parts;
  const exact =
    kind === undefined
      ? second === undefined
        ? `${cluster.defaultNamespace}/${first}`
        : `${first}/${second}`
      : "";
  const named = cluster.pods.get(exact);
  if (named) return [named];
  const meant = [...cluster.pods.values()].filter((pod) =>
    means(pod, kind, second === undefined ? undefined : first, second ?? first),
  );
  // As kubectl does: a bare name is looked for in the default namespace, and elsewhere only when it is not there.
  const nearby = meant.filter(({ namespace }) => namespace === cluster.defaultNamespace);
  const matches = second === undefined && nearby.length > 0 ? nearby : meant;
  const owners = new Set(
    matches.map(
      (pod) => `${pod.namespace}/${pod.workload ? `${pod.workload.kind}/${pod.workload.name}` : pod.name}`,
    ),
  );
  if (matches.length === 0) throw notFound(name, callable(cluster));
  if (owners.size > 1) {
    throw new OpError(`${name} is ambiguous: ${[...owners].sort().join(", ")}`, {
      code: "not-found",
      facts: { name },
    });
  }
  return matches;
}

function means(pod: Pod, kind: string | undefined, namespace: string | undefined, name: string): boolean {
  if (namespace !== undefined && pod.namespace !== namespace) return false;
  if (kind === undefined && pod.name === name) return true;
  return pod.workload?.name === name && (kind === undefined || pod.workload.kind === kind);
}

/** What pods can be called, workloads before pods: the names that people know. */
function callable(cluster: Cluster): string[] {
  const names = [...cluster.pods.values()].map(({ namespace, name, workload }) =>
    workload ? `${namespace}/${workload.name}` : `${namespace}/${name}`,
  );
  return [...new Set(names)];
}

const NAMES_SHOWN = 8;

/** @param known - what there is, of which the nearest is offered */
export function notFound(name: string, known: readonly string[], what = "pods"): OpError {
  const sorted = [...known].sort();
  const near = nearest(name, sorted);
  const more = sorted.length - NAMES_SHOWN;
  const hint =
    near !== undefined
      ? `did you mean ${near}?`
      : sorted.length === 0
        ? `the input has no ${what}`
        : `there are ${sorted.slice(0, NAMES_SHOWN).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
  return new OpError(`nothing is called ${name}; ${hint}`, { code: "not-found", facts: { name } });
}

/** A name without a namespace may be near to the last part of one. */
function nearest(name: string, known: readonly string[]): string | undefined {
  const whole = closestWord(name, known);
  if (whole !== undefined || name.includes("/")) return whole;
  const ends = new Map(known.map((one) => [one.slice(one.lastIndexOf("/") + 1), one]));
  return ends.get(closestWord(name, ends.keys()) ?? "");
}
