/** @module Clusters of fixed sizes: equal on every machine, so that two runs measure the same work. */

import { PolicyGraph } from "../src/calc/graph.ts";
import { fromNetworkPolicy } from "../src/policy/from-network-policy.ts";
import type { Endpoint, Policy, Tier } from "../src/policy/model.ts";
import { OPEN_PROFILE, PROTOCOL } from "../src/policy/model.ts";
import type {
  LabelSelector,
  NetworkPolicyPeer,
  NetworkPolicyPort,
} from "../src/resources/networking/types.ts";
import { NO_SOURCE } from "../src/resources/source.ts";
import { Random } from "../test/support/random.ts";

export interface Shape {
  readonly pods: number;
  readonly policies: number;
  readonly namespaces: number;
  /** Pods with the same labels. */
  readonly replicas: number;
}

const PORTS = [80, 443, 5432, 6379, 8080, 8443, 9090, 9200, 27017];
const TEAMS = 40;

export interface BenchCluster {
  readonly shape: Shape;
  readonly namespaces: ReadonlyMap<string, Readonly<Record<string, string>>>;
  readonly endpoints: readonly Endpoint[];
  readonly policies: readonly Policy[];
  /** Besides the built-in ones; none where left out. */
  readonly tiers?: readonly Tier[];
}

/**
 * Workloads of `replicas` pods with labels app, tier and version; namespaces with a team. A third of the policies
 * name pods of other namespaces, one in fifty a CIDR, half have ports, one in three governs egress.
 */
export function benchCluster(shape: Shape): BenchCluster {
  const random = new Random(shape.pods * 31 + shape.policies);
  const namespaces = new Map(
    Array.from({ length: shape.namespaces }, (_, index) => [
      `ns${index}`,
      { "kubernetes.io/metadata.name": `ns${index}`, team: `t${index % TEAMS}` },
    ]),
  );
  const names = [...namespaces.keys()];
  const perNamespace = new Map<string, number>();
  const endpoints: Endpoint[] = [];
  for (let workload = 0; endpoints.length < shape.pods; workload++) {
    const namespace = names[workload % names.length] ?? "";
    const apps = perNamespace.get(namespace) ?? 0;
    perNamespace.set(namespace, apps + 1);
    const labels = {
      app: `app${apps}`,
      tier: random.pick(["web", "api", "db", "cache"]),
      version: `v${random.below(3)}`,
    };
    for (let replica = 0; replica < shape.replicas && endpoints.length < shape.pods; replica++) {
      const index = endpoints.length;
      endpoints.push({
        id: `${namespace}/app${apps}-${replica}`,
        namespace,
        labels,
        serviceAccount: "default",
        node: `node${index % Math.max(1, Math.ceil(shape.pods / 100))}`,
        addresses: [{ family: 4, bits: 0x0a000000n + BigInt(index + 1) }],
        ports: [],
        profile: OPEN_PROFILE,
      });
    }
  }
  const policies = Array.from({ length: shape.policies }, (_, index) =>
    benchPolicy(random, index, names, perNamespace),
  );
  return { shape, namespaces, endpoints, policies };
}

function selector(labels: Readonly<Record<string, string>>): LabelSelector {
  return {
    requirements: Object.entries(labels).map(([key, value]) => ({
      key,
      operator: "In",
      values: [value],
      path: "",
    })),
  };
}

function benchPolicy(
  random: Random,
  index: number,
  names: readonly string[],
  apps: ReadonlyMap<string, number>,
): Policy {
  const namespace = names[index % names.length] ?? "";
  const app = (): string => `app${random.below(apps.get(namespace) ?? 1)}`;
  const peer = (): NetworkPolicyPeer => {
    const dice = random.next();
    if (dice < 0.02) return { kind: "ipBlock", path: "", cidr: `10.${random.below(2)}.0.0/16`, except: [] };
    if (dice < 0.35) {
      return {
        kind: "pods",
        path: "",
        namespaceSelector: selector({ team: `t${random.below(TEAMS)}` }),
        podSelector: selector({ tier: random.pick(["web", "api"]) }),
      };
    }
    return {
      kind: "pods",
      path: "",
      podSelector: selector(
        random.chance(0.5) ? { app: app() } : { tier: random.pick(["web", "api", "db"]) },
      ),
    };
  };
  const ports = (): readonly NetworkPolicyPort[] | "any" =>
    random.chance(0.5)
      ? random
          .some(PORTS, 2)
          .map((port) => ({ path: "", protocol: "TCP", port: { kind: "range", first: port, last: port } }))
      : "any";
  const rule = () => ({
    path: "",
    peers: Array.from({ length: random.between(1, 2) }, peer),
    ports: ports(),
  });
  const egress = random.chance(0.33);
  return fromNetworkPolicy({
    kind: "NetworkPolicy",
    apiVersion: "networking.k8s.io/v1",
    namespace,
    name: `p${index}`,
    labels: {},
    source: NO_SOURCE,
    spec: {
      podSelector: selector(random.chance(0.05) ? {} : { app: app() }),
      policyTypes: { ingress: !egress || random.chance(0.3), egress },
      ingress: [rule()],
      egress: egress ? [rule()] : [],
    },
  });
}

export function load({ namespaces, endpoints, policies, tiers = [] }: BenchCluster): PolicyGraph {
  const graph = new PolicyGraph();
  for (const tier of tiers) graph.setTier(tier.name, tier);
  for (const [name, labels] of namespaces) graph.setNamespace(name, labels);
  for (const policy of policies) graph.setPolicy(policy.id, policy);
  for (const endpoint of endpoints) graph.setEndpoint(endpoint.id, endpoint);
  graph.flush();
  return graph;
}

export const TCP: number = PROTOCOL.TCP;
export const BENCH_PORTS: readonly number[] = PORTS;
