/** @module A running cluster as a judge: packets from its own pods, sent by the machine that it runs on. */
import type { Cluster, ClusterChange } from "../analysis/cluster.ts";
import { type Question, resolveQuestion } from "../analysis/question.ts";
import { OpError } from "../base/errors.ts";
import { formatIp } from "../base/ip.ts";
import type { Judge, Observation } from "../judges/judge.ts";
import type { ProbeProtocol, ProbeResult } from "../linux/probe.ts";
import type { Party } from "../policy/model.ts";
import { askMachine } from "./control-socket.ts";
import { contextOf } from "./kubeconfig.ts";
import { type Layout, layoutOf } from "./layout.ts";
import type { MachineProbe } from "./machine-probe.ts";

const PROTOCOL: Readonly<Record<Question["protocol"], ProbeProtocol>> = {
  TCP: "tcp",
  UDP: "udp",
  SCTP: "sctp",
  ICMP: "icmp",
};
/** Enough that each of a few backends is met. */
const TRIES_PER_BACKEND = 5;
const PREFIX = contextOf("");

/** @throws OpError `input-invalid` for a cluster that is not of `tortie up`: nobody there sends packets for us */
export function layoutOfContext(context: string): Layout {
  if (context.startsWith(PREFIX)) return layoutOf(context.slice(PREFIX.length));
  throw new OpError(
    `packets are sent by the machine of a cluster that tortie up started; ${context} is another's: the model answers for it without them`,
    { code: "input-invalid", facts: { context } },
  );
}

export class LiveJudge implements Judge {
  readonly name = "kernel";
  readonly #layout: Layout;
  #cluster: Cluster | undefined;

  /** @param cluster - as its API has it, where no changes of it are to be followed */
  constructor(layout: Layout, cluster?: Cluster) {
    this.#layout = layout;
    this.#cluster = cluster;
  }

  follow(cluster: Cluster, _change: ClusterChange): void {
    this.#cluster = cluster;
  }

  async ask(questions: readonly Question[]): Promise<readonly Observation[]> {
    const cluster = this.#cluster;
    if (!cluster) throw new OpError("no cluster was given yet", { code: "not-found" });
    const probes = questions.map((question) => probesOf(cluster, question));
    const results = await askMachine<ProbeResult[]>(this.#layout, { do: "probe", probes: probes.flat() });
    let next = 0;
    return probes.map((own) => {
      const told = results.slice(next, next + own.length);
      next += own.length;
      return observe(told);
    });
  }

  open(): boolean {
    return false;
  }

  check(): Observation {
    return { outcome: "deny", because: "connections are not held open in a running cluster" };
  }

  close(): void {
    this.#cluster = undefined;
  }
}

function probesOf(cluster: Cluster, question: Question): MachineProbe[] {
  const { flows, service } = resolveQuestion(cluster, question);
  const protocol = PROTOCOL[question.protocol];
  if (service?.address) {
    const to = formatIp(service.address);
    const sources = flows.filter((_, index) => index % Math.max(1, service.backends) === 0);
    return sources.flatMap(({ source }) =>
      Array.from({ length: service.backends > 1 ? service.backends * TRIES_PER_BACKEND : 1 }, () => ({
        from: sourceOf(source),
        to,
        protocol,
        port: service.port,
      })),
    );
  }
  return flows.map((flow) => ({
    from: sourceOf(flow.source),
    to: formatIp(flow.destination.address),
    protocol,
    ...(flow.destinationPort !== undefined && { port: flow.destinationPort }),
    ...(flow.icmp && { icmp: flow.icmp }),
  }));
}

function sourceOf(party: Party): MachineProbe["from"] {
  if (party.kind === "endpoint") return { pod: party.endpoint.id, family: party.address.family };
  return { address: formatIp(party.address) };
}

function observe(results: readonly ProbeResult[]): Observation {
  const reached = results.filter(({ reachable }) => reachable).length;
  const words = [
    ...new Set(
      results.map(({ outcome, detail }) => (detail === undefined ? outcome : `${outcome} (${detail})`)),
    ),
  ].join(", ");
  if (results.length === 0) return { outcome: "deny", because: "there is nowhere to send a packet to" };
  if (reached === results.length) return { outcome: "allow", because: words };
  return { outcome: reached === 0 ? "deny" : "mixed", because: words };
}
