/** @module The compiled tables as a judge: each node's table, kept in step with the graph and interpreted in memory. */
import type { Cluster, ClusterChange } from "../analysis/cluster.ts";
import { type Question, type ResolvedQuestion, resolveQuestion } from "../analysis/question.ts";
import { POD_INTERFACE_PREFIX, podInterfaceName, UPLINK } from "../network/interface-name.ts";
import type { DenyWith } from "../nft/compile-rule.ts";
import { simulateConnection, type Topology } from "../nft/connection.ts";
import { NodeRuleset } from "../nft/node-ruleset.ts";
import type { Flow } from "../policy/model.ts";
import type { Judge, Observation } from "./judge.ts";
import { OpenedConnections } from "./opened.ts";

/** The families that a cluster's pods have addresses of: rules are written for no other. */
export function familiesOf(cluster: Cluster): readonly (4 | 6)[] {
  return cluster.plan.podNetworks.map((network): 4 | 6 => (network.includes(":") ? 6 : 4)).sort();
}

export interface EnforcementOptions {
  /** Whether a denied packet vanishes, which is what clients hang on, or is answered; "drop" where left out. */
  readonly denyWith?: DenyWith;
}

export class RulesetJudge implements Judge {
  readonly name = "ruleset";
  readonly #options: EnforcementOptions;
  #cluster: Cluster | undefined;
  readonly #rulesets = new Map<string, NodeRuleset>();
  readonly #opened = new OpenedConnections();

  constructor(options: EnforcementOptions = {}) {
    this.#options = options;
  }

  follow(cluster: Cluster, change: ClusterChange): void {
    this.#cluster = cluster;
    if (!change.network) this.close();
    for (const { name } of cluster.plan.nodes) {
      const known = this.#rulesets.get(name);
      const ruleset =
        known ??
        new NodeRuleset(cluster.graph, {
          node: name,
          interfaceOf: podInterfaceName,
          podPrefix: POD_INTERFACE_PREFIX,
          families: familiesOf(cluster),
          uplink: UPLINK,
          ...this.#options,
        });
      if (known) known.update(change.graph);
      else ruleset.start();
      ruleset.setServices(change.services);
      this.#rulesets.set(name, ruleset);
    }
  }

  ask(questions: readonly Question[]): readonly Observation[] {
    return questions.map((question) => this.#observe(question));
  }

  open(question: Question): boolean {
    return this.#opened.open(question, this.#observe(question));
  }

  check(question: Question): Observation {
    return this.#opened.check(question);
  }

  close(): void {
    for (const ruleset of this.#rulesets.values()) ruleset.close();
    this.#rulesets.clear();
  }

  #observe(question: Question): Observation {
    if (!this.#cluster) throw new Error("asked before the first sync");
    const cluster = this.#cluster;
    const resolved = resolveQuestion(cluster, question);
    const topology: Topology = {
      tables: new Map([...this.#rulesets].map(([node, ruleset]) => [node, ruleset.table])),
      interfaceOf: podInterfaceName,
      uplink: UPLINK,
      partyAt: (address) => cluster.partyAt(address),
    };
    const outcomes = connectionsOf(resolved).map(({ flow, pick }) => {
      const outcome = simulateConnection(topology, flow, pick);
      // A cluster address is nobody's: what is not translated goes nowhere.
      return { ...outcome, allowed: outcome.allowed && (!resolved.service?.address || outcome.translated) };
    });
    const allowed = outcomes.filter((outcome) => outcome.allowed).length;
    if (outcomes.length === 0) return { outcome: "deny", because: resolved.problem ?? "" };
    const outcome = allowed === 0 ? "deny" : allowed === outcomes.length ? "allow" : "mixed";
    const telling = outcomes.find((one) => one.allowed === (outcome === "allow"));
    return { outcome, because: telling?.because.join("; ") ?? "" };
  }
}

/** A Service is asked once for each backend that its translation may pick. */
function connectionsOf({
  flows,
  service,
}: ResolvedQuestion): { flow: Flow; pick: (count: number) => number }[] {
  return flows.map((flow, index) => {
    if (!service?.address) return { flow, pick: () => 0 };
    const toService: Flow = {
      ...flow,
      destination: { kind: "outside", address: service.address },
      destinationPort: service.port,
    };
    return { flow: toService, pick: () => index % service.backends };
  });
}
