/** @module "Can A reach B?" in the names that people use, resolved to connections and answered by the graph. */
import { OpError } from "../base/errors.ts";
import type { Ip } from "../base/ip.ts";
import { verdict } from "../calc/verdict.ts";
import { type Flow, type Party, PROTOCOL } from "../policy/model.ts";
import type { ServiceMapping } from "../policy/services.ts";
import type { Verdict } from "../policy/verdict.ts";
import type { Cluster } from "./cluster.ts";
import { notFound, resolveParties, serviceReference } from "./parties.ts";
import { distinctPairs, distinctParties, type PartyPair } from "./party-pairs.ts";

export interface Question {
  /**
   * `pod`, `namespace/pod`, `deploy/name`, `namespace/deploy/name`, `node/name`, or an address. A workload means all of
   * its pods: the answer is yes only if it is for each of them.
   */
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
  /**
   * One connection; several where a name means pods that policy tells apart, or for a Service with several backends
   * (sorted by source, then backend); none when `problem` says why.
   */
  readonly flows: readonly Flow[];
  /** Why no connection can be opened at all: the answer is no, without any policy. */
  readonly problem?: string;
  /** What the client connects to, where that is a Service's address, and how many backends it has. */
  readonly service?: {
    readonly name: string;
    readonly address: Ip | undefined;
    readonly port: number;
    readonly backends: number;
  };
  /** How many pods, nodes or addresses the two names mean; a Service counts as one. */
  readonly meant: { readonly from: number; readonly to: number };
}

export interface Answer extends ResolvedQuestion {
  /** `mixed`: some of the pods can, or some of a Service's backends can be reached, and some cannot. */
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

/** @throws OpError `not-found`, as {@link answer}; `input-invalid` for a question that needs a port and has none */
export function resolveQuestion(cluster: Cluster, question: Question): ResolvedQuestion {
  if (question.protocol !== "ICMP" && question.port === undefined) {
    throw new OpError(`a ${question.protocol} question needs a port`, { code: "input-invalid" });
  }
  const service = serviceReference(cluster, question.to);
  if (service) return resolveService(cluster, question, service);
  const from = resolveParties(cluster, question.from);
  const to = resolveParties(cluster, question.to);
  const meant = { from: from.length, to: to.length };
  const pairs = distinctPairs(cluster.graph, from, to);
  if (!pairs) {
    const problem = `${question.from} and ${question.to} have no address of the same family`;
    return { flows: [], problem, meant };
  }
  const flows: Flow[] = [];
  for (const pair of pairs) {
    const flow = flowOf(question, pair);
    if (!flow) {
      const problem = `${question.to} has no ${question.protocol} port named ${question.port}`;
      return { flows: [], problem, meant };
    }
    flows.push(flow);
  }
  return { flows, meant };
}

/** @returns undefined where the destination has no port of the name */
function flowOf(question: Question, { source, destination }: PartyPair): Flow | undefined {
  if (question.protocol === "ICMP") {
    const { family } = destination.address;
    const icmp = { type: question.icmpType ?? ECHO_REQUEST[family], code: question.icmpCode ?? 0 };
    return { source, destination, protocol: family === 4 ? PROTOCOL.ICMP : PROTOCOL.ICMPv6, icmp };
  }
  const protocol = PROTOCOL[question.protocol];
  const port = resolvePort(destination, question.port ?? "", protocol);
  return port === undefined ? undefined : { source, destination, protocol, destinationPort: port };
}

function resolvePort(destination: Party, port: number | string, protocol: number): number | undefined {
  if (typeof port === "number") return port;
  if (destination.kind !== "endpoint") return undefined;
  return destination.endpoint.ports.find((named) => named.name === port && named.protocol === protocol)?.port;
}

// ── Services ────────────────────────────────────────────────────────────────────────────────────────────────────

function resolveService(
  cluster: Cluster,
  question: Question,
  reference: { readonly namespace: string; readonly name: string },
): ResolvedQuestion {
  const object = cluster.object({ kind: "Service", ...reference });
  if (object?.kind !== "Service") {
    throw notFound(
      question.to,
      [...cluster.objects].flatMap((o) => (o.kind === "Service" ? [`svc/${o.namespace}/${o.name}`] : [])),
      "Services",
    );
  }
  const name = `${reference.namespace}/${reference.name}`;
  const from = resolveParties(cluster, question.from);
  const meant = { from: from.length, to: 1 };
  const no = (problem: string): ResolvedQuestion => ({ flows: [], problem, meant });
  if (question.protocol === "ICMP") return no(`${question.to} is a Service, which answers no ping`);
  if (object.type === "ExternalName")
    return no(`Service ${name} is an ExternalName, another name of a host: ask about that host's address`);
  const protocol = PROTOCOL[question.protocol];
  const families = new Set(from.flat().map(({ address }) => address.family));
  const mapping = cluster.services.find(
    (one) =>
      one.service === name &&
      one.protocol === protocol &&
      (one.port === question.port || one.portName === question.port) &&
      families.has(one.family),
  );
  if (!mapping) return no(`Service ${name} has no ${question.protocol} port ${question.port ?? ""}`);
  return throughService(cluster, from, mapping);
}

function throughService(
  cluster: Cluster,
  from: readonly (readonly Party[])[],
  mapping: ServiceMapping,
): ResolvedQuestion {
  const { service: name, port, protocol, backends } = mapping;
  const service = { name, address: mapping.addresses[0], port, backends: backends.length };
  const meant = { from: from.length, to: 1 };
  if (backends.length === 0)
    return { flows: [], problem: `Service ${name} has no endpoints`, service, meant };
  const sources = distinctParties(cluster.graph, from, mapping.family);
  if (!sources) {
    const problem = `not every one of the ${from.length} has an address of the Service's family`;
    return { flows: [], problem, service, meant };
  }
  if (service.address && sources.some(({ kind }) => kind === "outside")) {
    const problem =
      "cluster addresses are translated on nodes only: nobody outside reaches them (ask about the pods behind it)";
    return { flows: [], problem, service, meant };
  }
  const flows = sources.flatMap((source) =>
    backends.map(
      (backend): Flow => ({
        source,
        destination: cluster.partyAt(backend.address),
        protocol,
        // Nobody translates for a headless Service: the client's port is the connection's.
        destinationPort: service.address ? backend.port : port,
        ...(service.address && { untranslated: { address: service.address, port } }),
      }),
    ),
  );
  return { flows, service, meant };
}
