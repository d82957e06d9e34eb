/** @module The judges that need no kernel, over one random world. */
import { formatIp, type Ip } from "../../src/base/ip.ts";
import { PolicyGraph } from "../../src/calc/graph.ts";
import { simulateConnection, type Topology } from "../../src/nft/connection.ts";
import { NodeRuleset } from "../../src/nft/node-ruleset.ts";
import type { Flow, Party } from "../../src/policy/model.ts";
import type { World } from "../../src/policy/world.ts";

export function loadGraph(world: World): PolicyGraph {
  const graph = new PolicyGraph();
  for (const [name, labels] of world.namespaces) graph.setNamespace(name, labels);
  for (const [key, labels] of world.serviceAccounts) graph.setServiceAccount(key, labels);
  for (const [name, addresses] of world.nodes) graph.setNode(name, addresses);
  for (const tier of world.tiers) graph.setTier(tier.name, tier);
  for (const set of world.networkSets) graph.setNetworkSet(set.id, set);
  for (const policy of world.policies) graph.setPolicy(policy.id, policy);
  for (const [id, endpoint] of world.endpoints) graph.setEndpoint(id, endpoint);
  return graph;
}

export const testInterface = (id: string): string => `tt${id.replace("/", "-")}`.slice(0, 15);

export function startRulesets(graph: PolicyGraph, nodes: Iterable<string>): Map<string, NodeRuleset> {
  graph.flush();
  const rulesets = new Map<string, NodeRuleset>();
  for (const node of nodes) {
    const ruleset = new NodeRuleset(graph, {
      node,
      interfaceOf: testInterface,
      podPrefix: "tt",
      families: [4, 6],
      uplink: "eth0",
    });
    ruleset.start();
    rulesets.set(node, ruleset);
  }
  return rulesets;
}

export function topologyOf(world: World, rulesets: ReadonlyMap<string, NodeRuleset>): Topology {
  return {
    tables: new Map([...rulesets].map(([node, ruleset]) => [node, ruleset.table])),
    interfaceOf: testInterface,
    uplink: "eth0",
    partyAt: (address) => partyAt(world, address),
  };
}

export function partyAt(world: World, address: Ip): Party {
  const text = formatIp(address);
  for (const endpoint of world.endpoints.values()) {
    if (endpoint.kind !== "host" && endpoint.addresses.some((own) => formatIp(own) === text))
      return { kind: "endpoint", endpoint, address };
  }
  for (const [node, addresses] of world.nodes) {
    if (addresses.some((own) => formatIp(own) === text)) return { kind: "node", node, address };
  }
  return { kind: "outside", address };
}

export function describeFlow(flow: Flow): string {
  const name = (party: Party): string =>
    party.kind === "endpoint"
      ? party.endpoint.id
      : party.kind === "node"
        ? party.node
        : formatIp(party.address);
  return `${name(flow.source)} -> ${name(flow.destination)} (v${flow.destination.address.family}) protocol ${flow.protocol} port ${flow.destinationPort ?? "-"}`;
}

export function rulesetAllows(topology: Topology, flow: Flow): boolean {
  return simulateConnection(topology, flow).allowed;
}
