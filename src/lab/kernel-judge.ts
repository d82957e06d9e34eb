/**
 * @module The kernel as a judge: the cluster's network in namespaces of this machine, each node's table in its own
 * kernel tables, and real packets between them.
 */
import type { Cluster, ClusterChange } from "../analysis/cluster.ts";
import { resolveParties } from "../analysis/parties.ts";
import { answer, type Question, resolveQuestion } from "../analysis/question.ts";
import { OpError } from "../base/errors.ts";
import { formatIp, type Ip } from "../base/ip.ts";
import { type Judge, type Observation, questionKey } from "../judges/judge.ts";
import { NEVER_OPENED } from "../judges/opened.ts";
import { type EnforcementOptions, familiesOf } from "../judges/ruleset-judge.ts";
import type { ConnectionHandle } from "../linux/flows.ts";
import { Lab } from "../linux/lab.ts";
import type { ListenPort } from "../linux/listeners.ts";
import { canonicalTable } from "../linux/nft-canonical.ts";
import type { NftApplier } from "../linux/nft-driver.ts";
import { NftProgram } from "../linux/nft-program.ts";
import type { ProbeProtocol, ProbeRequest, ProbeResult } from "../linux/probe.ts";
import { POD_INTERFACE_PREFIX, podInterfaceName, UPLINK } from "../network/interface-name.ts";
import { changedPlaces, diffTables } from "../nft/diff.ts";
import { NodeRuleset } from "../nft/node-ruleset.ts";
import { renderChanges } from "../nft/render.ts";
import { type NftTable, TABLE_NAME } from "../nft/table.ts";
import type { Party } from "../policy/model.ts";

/** Silence is asked about again, for so long, where the model says that an answer should have come: machines stall. */
const SECOND_TIMEOUT_MS = 3_000;

/** Connections to a Service for each of its backends: enough that each one is met, with one chance in 10,000 to miss. */
const TRIES_PER_BACKEND = 10;

const PROTOCOL: Readonly<Record<Question["protocol"], ProbeProtocol>> = {
  TCP: "tcp",
  UDP: "udp",
  SCTP: "sctp",
  ICMP: "icmp",
};

export interface KernelJudgeOptions extends EnforcementOptions {
  /** How tables get into the kernel: over netlink, or as text through the `nft` program, which is slower. */
  readonly through?: "netlink" | "nft";
}

export class KernelJudge implements Judge {
  readonly name = "kernel";
  readonly #through: "netlink" | "nft";
  readonly #enforcement: EnforcementOptions;
  #cluster: Cluster | undefined;
  #lab: Lab | undefined;
  readonly #rulesets = new Map<string, NodeRuleset>();
  readonly #connections = new Map<string, ConnectionHandle>();

  constructor(options: KernelJudgeOptions = {}) {
    const { through = "netlink", ...enforcement } = options;
    this.#through = through;
    this.#enforcement = enforcement;
  }

  /** Policy is in force before a new pod's interface comes up: tables first, links after. */
  follow(cluster: Cluster, change: ClusterChange): void {
    this.#cluster = cluster;
    if (!this.#lab || !change.network) {
      this.close();
      this.#build(cluster, change);
      return;
    }
    for (const [name, ruleset] of this.#rulesets) {
      const changes = [...ruleset.update(change.graph), ...ruleset.setServices(change.services)];
      if (changes.length > 0) this.#applier(this.#lab, name).apply(changes);
    }
    this.#lab.follow(change.network);
    this.#listen(change.network.added.map(({ key }) => key));
  }

  async ask(questions: readonly Question[]): Promise<readonly Observation[]> {
    const probes = questions.map((question) => this.#requests(question));
    const flat = probes.flatMap((requests) => (Array.isArray(requests) ? requests : []));
    const results = await this.lab.probe(flat);
    let next = 0;
    const observations: Observation[] = [];
    for (const [index, requests] of probes.entries()) {
      if (!Array.isArray(requests)) {
        observations.push(requests as Observation);
        continue;
      }
      const own = results.slice(next, next + requests.length);
      next += requests.length;
      const question = questions[index];
      observations.push(question ? await this.#settle(question, requests, own) : observe(own));
    }
    return observations;
  }

  async open(question: Question): Promise<boolean> {
    const requests = this.#requests(question);
    if (!Array.isArray(requests)) return false;
    const [request] = requests as readonly ProbeRequest[];
    if (!request) return false;
    this.#accept(question, request.protocol);
    try {
      this.#connections.set(questionKey(question), await this.lab.openConnection(request));
      return true;
    } catch (error) {
      if (error instanceof OpError) return false;
      throw error;
    }
  }

  async check(question: Question): Promise<Observation> {
    const handle = this.#connections.get(questionKey(question));
    if (!handle) return NEVER_OPENED;
    const alive = await this.lab.checkConnection(handle, SECOND_TIMEOUT_MS);
    return {
      outcome: alive ? "allow" : "deny",
      because: alive ? "the connection opened before carries data" : "the connection opened before is silent",
    };
  }

  close(): void {
    for (const ruleset of this.#rulesets.values()) ruleset.close();
    this.#rulesets.clear();
    this.#connections.clear();
    this.#lab?.close();
    this.#lab = undefined;
  }

  /** @throws OpError `kernel-unavailable` before the first {@link follow} */
  get lab(): Lab {
    if (!this.#lab) throw new OpError("no network was built yet", { code: "kernel-unavailable" });
    return this.#lab;
  }

  get cluster(): Cluster {
    if (!this.#cluster) throw new OpError("no cluster was given yet", { code: "kernel-unavailable" });
    return this.#cluster;
  }

  /** Reads every node's table back from the kernel and holds it against the wanted one. */
  audit(): readonly string[] {
    return this.tables().flatMap(({ node, wanted, actual }) =>
      changedPlaces(diffTables(actual, canonicalTable(wanted))).map((place) => `${node}: ${place}`),
    );
  }

  /** What each node's kernel should have, and what it has. */
  tables(): { readonly node: string; readonly wanted: NftTable; readonly actual: NftTable | undefined }[] {
    return [...this.#rulesets].map(([node, ruleset]) => ({
      node,
      wanted: ruleset.table,
      actual: this.lab.node(node).nft.read(),
    }));
  }

  #applier(lab: Lab, node: string): NftApplier {
    const { namespace, nft } = lab.node(node);
    return this.#through === "netlink"
      ? nft
      : new NftProgram(namespace, (changes) => renderChanges(TABLE_NAME, changes));
  }

  #build(cluster: Cluster, change: ClusterChange): void {
    const { plan } = cluster;
    const lab = Lab.create({ ...plan, pods: [] });
    this.#lab = lab;
    for (const { name } of plan.nodes) {
      const ruleset = new NodeRuleset(cluster.graph, {
        node: name,
        interfaceOf: podInterfaceName,
        podPrefix: POD_INTERFACE_PREFIX,
        families: familiesOf(cluster),
        uplink: UPLINK,
        ...this.#enforcement,
      });
      this.#applier(lab, name).apply([...ruleset.start(), ...ruleset.setServices(change.services)]);
      this.#rulesets.set(name, ruleset);
    }
    lab.follow({ plan, added: plan.pods, removed: [], addedOutside: [], routes: [] });
    this.#listen(plan.pods.map(({ key }) => key));
  }

  #listen(keys: readonly string[]): void {
    for (const key of keys) {
      const pod = this.cluster.pods.get(key);
      if (!pod) continue;
      const ports = pod.spec.ports.map(
        ({ port, protocol }): ListenPort => ({
          protocol: PROTOCOL[protocol] as ListenPort["protocol"],
          port,
        }),
      );
      if (ports.length > 0) this.lab.listen(key, ports);
    }
  }

  /** A connection needs someone who accepts it, not just a refusal that comes back. */
  #accept(question: Question, protocol: ProbeProtocol): void {
    if (protocol === "icmp") return;
    for (const { destination, destinationPort: port } of resolveQuestion(this.cluster, question).flows) {
      if (port === undefined) continue;
      if (destination.kind === "endpoint") this.lab.listen(destination.endpoint.id, [{ protocol, port }]);
      else this.lab.listenAt(formatIp(destination.address), [{ protocol, port }]);
    }
  }

  /** What to send; an observation where there is nowhere to send it to. */
  #requests(question: Question): readonly ProbeRequest[] | Observation {
    const { flows, service, problem } = resolveQuestion(this.cluster, question);
    // An address outside the cluster has someone who answers there, so that silence means policy.
    for (const { destination } of flows) this.#ownOutside(destination);
    const address = service?.address;
    if (!service || !address) {
      if (flows.length === 0) return { outcome: "deny", because: problem ?? "nowhere to send a packet to" };
      // Each of a headless Service's pods has an address of its own.
      return flows.map((flow) => ({
        ...this.#request(question, flow.source, flow.destination.address),
        ...(flow.destinationPort !== undefined && { port: flow.destinationPort }),
        ...(flow.icmp && { icmp: flow.icmp }),
      }));
    }
    const { family } = address;
    // Without a backend there is no connection to take the source from.
    const sources =
      flows.length > 0
        ? flows.filter((_, index) => index % service.backends === 0).map(({ source }) => source)
        : resolveParties(this.cluster, question.from)
            .flat()
            .filter((party) => party.address.family === family)
            .slice(0, 1);
    if (sources.length === 0)
      return { outcome: "deny", because: `${question.from} has no IPv${family} address` };
    // The translation throws dice.
    const tries = service.backends > 1 && flows.length > 0 ? service.backends * TRIES_PER_BACKEND : 1;
    return sources.flatMap((source) => {
      const request = { ...this.#request(question, source, address), port: service.port };
      return Array.from({ length: tries }, () => request);
    });
  }

  #request(question: Question, source: Party, to: Ip): ProbeRequest {
    return { from: this.#source(source), to: formatIp(to), protocol: PROTOCOL[question.protocol] };
  }

  #source(party: Party): ProbeRequest["from"] {
    if (party.kind === "endpoint") return this.lab.from(party.endpoint.id, party.address.family);
    this.#ownOutside(party);
    return this.lab.fromAddress(formatIp(party.address));
  }

  #ownOutside(party: Party): void {
    const address = formatIp(party.address);
    if (party.kind === "outside" && !this.lab.namespaceOf(address)) this.lab.addOutside(address);
  }

  async #settle(
    question: Question,
    requests: readonly ProbeRequest[],
    results: readonly ProbeResult[],
  ): Promise<Observation> {
    if (results.every(({ reachable }) => reachable)) return observe(results);
    if (answer(this.cluster, question).outcome !== "allow") return observe(results);
    const again = requests.filter((_, index) => results[index]?.reachable === false);
    const second = await this.lab.probe(
      again.map((request) => ({ ...request, timeoutMs: SECOND_TIMEOUT_MS })),
    );
    return observe([...results.filter(({ reachable }) => reachable), ...second]);
  }
}

function observe(results: readonly ProbeResult[]): Observation {
  const reached = results.filter(({ reachable }) => reachable).length;
  const words = [
    ...new Set(
      results.map(({ outcome, detail }) => (detail === undefined ? outcome : `${outcome} (${detail})`)),
    ),
  ];
  const outcome = reached === 0 ? "deny" : reached === results.length ? "allow" : "mixed";
  return { outcome, because: `packets: ${words.join(", ")}` };
}
