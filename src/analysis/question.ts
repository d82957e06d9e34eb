/** @module "Can A reach B?" in the names that people use, resolved to connections and answered by the graph. */
import { OpError } from "../base/errors.ts";
import { type Ip, parseIp } from "../base/ip.ts";
import { verdict } from "../calc/verdict.ts";
import { isFinished, podId } from "../policy/from-pod.ts";
import { type Flow, type Party, PROTOCOL } from "../policy/model.ts";
import type { Verdict } from "../policy/verdict.ts";
import type { Pod } from "../resources/core/types.ts";
import type { Cluster } from "./cluster.ts";

export interface Question {
  /** `pod`, `namespace/pod`, `deploy/name`, `namespace/deploy/name`, `node/name`, or an address. */
  readonly from: string;
  /** The same, or `svc/name`, `svc/namespace/name`. */
  readonly to: string;
  /** A number, or a name that resolves on the destination. */
  readonly port?: number | string;
  readonly protocol: "TCP" | "UDP" | "SCTP" | "ICMP";
  readonly icmpType?: number;
  readonly icmpCode?: number;
}

export interface ResolvedQuestion {
  /** One connection; several for a Service with several backends; none when `problem` says why. */
  readonly flows: readonly Flow[];
  /** Why no connection can be opened at all: the answer is no, without any policy. */
  readonly problem?: string;
  /** What the client connects to, where that is a Service's address. */
  readonly service?: { readonly name: string; readonly address: Ip | undefined; readonly port: number };
}

export interface Answer extends ResolvedQuestion {
  /** `mixed`: some of a Service's backends can be reached, some cannot. */
  readonly outcome: "allow" | "deny" | "mixed";
  readonly verdicts: readonly Verdict[];
}

/** @throws OpError `not-found` for a name that means nothing, or more than one thing */
export function answer(cluster: Cluster, question: Question): Answer {
  const resolved = resolveQuestion(cluster, question);
  const verdicts = resolved.flows.map((flow) => verdict(cluster.graph, flow));
  const allowed = verdicts.filter((result) => result.allowed).length;
  const outcome = allowed === 0 ? "deny" : allowed === verdicts.length ? "allow" : "mixed";
  return { ...resolved, outcome, verdicts };
}

const ECHO_REQUEST: Readonly<Record<4 | 6, number>> = { 4: 8, 6: 128 };

/** @throws OpError `not-found`, as {@link answer} */
export function resolveQuestion(cluster: Cluster, question: Question): ResolvedQuestion {
  const service = serviceName(cluster, question.to);
  if (service !== undefined) return resolveService(cluster, question, service);
  const pair = commonFamily(resolveParty(cluster, question.from), resolveParty(cluster, question.to));
  if (!pair)
    return { flows: [], problem: `${question.from} and ${question.to} have no address of the same family` };
  const { source, destination } = pair;
  if (question.protocol === "ICMP") {
    const { family } = destination.address;
    const icmp = { type: question.icmpType ?? ECHO_REQUEST[family], code: question.icmpCode ?? 0 };
    return {
      flows: [{ source, destination, protocol: family === 4 ? PROTOCOL.ICMP : PROTOCOL.ICMPv6, icmp }],
    };
  }
  const protocol = PROTOCOL[question.protocol];
  if (question.port === undefined) {
    throw new OpError(`a ${question.protocol} question needs a port`, { code: "input-invalid" });
  }
  const port = resolvePort(destination, question.port, protocol);
  if (port === undefined) {
    return { flows: [], problem: `${question.to} has no ${question.protocol} port named ${question.port}` };
  }
  return { flows: [{ source, destination, protocol, destinationPort: port }] };
}

function resolvePort(destination: Party, port: number | string, protocol: number): number | undefined {
  if (typeof port === "number") return port;
  if (destination.kind !== "endpoint") return undefined;
  return destination.endpoint.ports.find((named) => named.name === port && named.protocol === protocol)?.port;
}

/** IPv4 where both have it, as a client's resolver would prefer here. */
function commonFamily(
  from: readonly Party[],
  to: readonly Party[],
): { source: Party; destination: Party } | undefined {
  for (const family of [4, 6]) {
    const source = from.find(({ address }) => address.family === family);
    const destination = to.find(({ address }) => address.family === family);
    if (source && destination) return { source, destination };
  }
  return undefined;
}

// ── Services ────────────────────────────────────────────────────────────────────────────────────────────────────

function serviceName(cluster: Cluster, text: string): string | undefined {
  const match = /^(?:svc|service|services)\/(?:([^/]+)\/)?([^/]+)$/.exec(text);
  if (!match) return undefined;
  return `${match[1] ?? cluster.defaultNamespace}/${match[2] ?? ""}`;
}

function resolveService(cluster: Cluster, question: Question, name: string): ResolvedQuestion {
  const [namespace = "", short = ""] = name.split("/");
  if (!cluster.object({ kind: "Service", namespace, name: short })) {
    throw notFound(
      question.to,
      [...cluster.objects].flatMap((o) => (o.kind === "Service" ? [`svc/${o.namespace}/${o.name}`] : [])),
    );
  }
  if (question.protocol === "ICMP")
    return { flows: [], problem: `${question.to} is a Service, which answers no ping` };
  const protocol = PROTOCOL[question.protocol];
  const from = resolveParty(cluster, question.from);
  const mappings = cluster.services.filter(
    (mapping) =>
      mapping.service === name &&
      mapping.protocol === protocol &&
      (mapping.port === question.port || mapping.portName === question.port) &&
      from.some(({ address }) => address.family === mapping.family),
  );
  const [mapping] = mappings;
  if (!mapping)
    return { flows: [], problem: `Service ${name} has no ${question.protocol} port ${question.port ?? ""}` };
  const service = { name, address: mapping.addresses[0], port: mapping.port };
  if (mapping.backends.length === 0)
    return { flows: [], problem: `Service ${name} has no endpoints`, service };
  const source = from.find(({ address }) => address.family === mapping.family);
  if (!source)
    return { flows: [], problem: `${question.from} has no address of the Service's family`, service };
  if (source.kind === "outside" && service.address) {
    return {
      flows: [],
      problem: "cluster addresses are translated on nodes only: nobody outside reaches them",
      service,
    };
  }
  const flows = mapping.backends.map(
    (backend): Flow => ({
      source,
      destination: cluster.partyAt(backend.address),
      protocol,
      // Nobody translates for a headless Service: the client's port is the connection's.
      destinationPort: service.address ? backend.port : mapping.port,
    }),
  );
  return { flows, service };
}

// ── names ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** The party that a name means, once for each of its addresses. @throws OpError `not-found` */
export function resolveParty(cluster: Cluster, name: string): readonly Party[] {
  const address = parseIp(name);
  if (address) return [cluster.partyAt(address)];
  const node = /^node\/(.+)$/.exec(name)?.[1];
  if (node !== undefined) {
    const addresses = cluster.graph.nodes.get(node);
    if (!addresses)
      throw notFound(
        name,
        [...cluster.graph.nodes.keys()].map((known) => `node/${known}`),
      );
    return addresses.map((own) => ({ kind: "node", node, address: own }));
  }
  const id = findPod(cluster, name);
  const endpoint = cluster.graph.endpoints.get(id)?.endpoint;
  if (endpoint) return endpoint.addresses.map((own) => ({ kind: "endpoint", endpoint, address: own }));
  const place = cluster.plan.pods.find(({ key }) => key === id);
  const pod = cluster.pods.get(id);
  if (!place || !pod || isFinished(pod)) {
    throw new OpError(`pod ${id} has finished and has no address`, { code: "not-found", facts: { name } });
  }
  return place.addresses.flatMap((text) => {
    const own = parseIp(text);
    return own ? [{ kind: "node" as const, node: place.node, address: own }] : [];
  });
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

function findPod(cluster: Cluster, name: string): string {
  const parts = name.split("/");
  if (parts[0] === "pod" || parts[0] === "pods" || parts[0] === "po") parts.shift();
  const kindAt = parts.findIndex(
    (part, index) => index < parts.length - 1 && Object.hasOwn(WORKLOAD_KINDS, part.toLowerCase()),
  );
  const kind = kindAt < 0 ? undefined : WORKLOAD_KINDS[(parts[kindAt] ?? "").toLowerCase()];
  if (kindAt >= 0) parts.splice(kindAt, 1);
  const [first = "", second] = parts;
  const exact =
    kind === undefined
      ? second === undefined
        ? `${cluster.defaultNamespace}/${first}`
        : `${first}/${second}`
      : "";
  if (cluster.pods.has(exact)) return exact;
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
  const [pod] = matches;
  if (!pod || parts.length > 2) throw notFound(name, [...cluster.pods.keys()]);
  if (owners.size > 1) {
    throw new OpError(`${name} is ambiguous: ${[...owners].sort().join(", ")}`, {
      code: "not-found",
      facts: { name },
    });
  }
  return podId(pod);
}

function means(pod: Pod, kind: string | undefined, namespace: string | undefined, name: string): boolean {
  if (namespace !== undefined && pod.namespace !== namespace) return false;
  if (kind === undefined && pod.name === name) return true;
  return pod.workload?.name === name && (kind === undefined || pod.workload.kind === kind);
}

function notFound(name: string, known: readonly string[]): OpError {
  const shown = [...known].sort().slice(0, 8);
  const more = known.length - shown.length;
  const hint =
    shown.length === 0
      ? "there are none"
      : `there are ${shown.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
  return new OpError(`nothing is called ${name}; ${hint}`, { code: "not-found", facts: { name } });
}
