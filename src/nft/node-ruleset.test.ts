import { expect, test } from "vitest";
import { benchCluster, load } from "../../bench/clusters.ts";
import { loadGraph, testInterface } from "../../test/support/judges.ts";
import { randomCluster } from "../../test/support/random-cluster.ts";
import type { PolicyGraph } from "../calc/graph.ts";
import { NodeRuleset } from "./node-ruleset.ts";
import type { NftChange } from "./table.ts";

const CLUSTER = benchCluster({ pods: 2_000, policies: 500, namespaces: 20, replicas: 10 });
const NODE = CLUSTER.endpoints[0]!.node;

function start(graph: PolicyGraph): NodeRuleset {
  const ruleset = new NodeRuleset(graph, {
    node: NODE,
    interfaceOf: testInterface,
    podPrefix: "tt",
    families: [4],
    uplink: "eth0",
  });
  ruleset.start();
  return ruleset;
}

/** How much a kernel has to do for it. */
function size(changes: readonly NftChange[]): { sets: number; chains: number; elements: number } {
  let sets = 0;
  let chains = 0;
  let elements = 0;
  for (const change of changes) {
    if (change.change === "create-set" || change.change === "delete-set") sets++;
    if (change.change === "replace-rules" || change.change === "delete-chain") chains++;
    if (change.change === "add-elements" || change.change === "delete-elements")
      elements += change.keys.length;
  }
  return { sets, chains, elements };
}

test("a node has chains only for policies that select its own pods", () => {
  const graph = load(CLUSTER);
  const ruleset = start(graph);
  const policies = [...ruleset.table.chains.keys()].filter((name) => name.includes("/NetworkPolicy/"));
  expect(policies.length).toBeGreaterThan(0);
  expect(policies.length).toBeLessThan(500);
});

test("a local replica that comes adds its elements and nothing else", () => {
  const graph = load(CLUSTER);
  const ruleset = start(graph);
  const twin = CLUSTER.endpoints.find(({ node }) => node === NODE)!;
  graph.setEndpoint("new/pod", { ...twin, id: "new/pod", addresses: [{ family: 4, bits: 0x0affffffn }] });
  const { sets, chains, elements } = size(ruleset.update(graph.flush()));
  expect({ sets, chains }).toEqual({ sets: 0, chains: 0 });
  // Two maps, its own two address sets, and the sets of the selectors that select it.
  expect(elements).toBeLessThanOrEqual(4 + ruleset.table.sets.size);
  expect(elements).toBeGreaterThanOrEqual(4);
});

test("a remote pod that no local policy names changes nothing", () => {
  const graph = load(CLUSTER);
  const ruleset = start(graph);
  const stranger = {
    ...CLUSTER.endpoints.at(-1)!,
    id: "nobody/pod",
    namespace: "nobody",
    labels: { odd: "1" },
  };
  graph.setEndpoint(stranger.id, stranger);
  expect(ruleset.update(graph.flush())).toEqual([]);
});

test("a policy that is set again as it was changes nothing", () => {
  const graph = load(CLUSTER);
  const ruleset = start(graph);
  for (const policy of CLUSTER.policies.slice(0, 50)) graph.setPolicy(policy.id, { ...policy });
  expect(ruleset.update(graph.flush())).toEqual([]);
});

test("names of chains and sets fit nft's limit however long the objects' names are", () => {
  const { world } = randomCluster(1);
  const [policy] = CLUSTER.policies;
  const long = {
    ...policy!,
    id: `NetworkPolicy ${"n".repeat(63)}/${"p".repeat(253)}`,
    subject: { kind: "all" } as const,
  };
  const graph = loadGraph({ ...world, policies: [long] });
  const ruleset = new NodeRuleset(graph, {
    node: "node1",
    interfaceOf: testInterface,
    podPrefix: "tt",
    families: [4],
    uplink: "eth0",
  });
  ruleset.start();
  for (const name of [...ruleset.table.chains.keys(), ...ruleset.table.sets.keys()])
    expect(name.length).toBeLessThanOrEqual(127);
});

test("a selector that goes with one policy and comes with another in one step keeps its addresses", () => {
  const graph = load(CLUSTER);
  const ruleset = start(graph);
  const state = [...graph.policies.values()].find(({ policy, ingress }) => {
    const used = ruleset.table.chains.has(`in/${policy.id.replace(" ", "/")}`);
    return (
      used &&
      ingress?.some(({ sourceSelector }) => sourceSelector?.uses === 1 && sourceSelector.members.size > 0)
    );
  });
  if (!state) throw new Error("no local policy with a peer selector of its own");
  const { policy } = state;
  graph.setPolicy(policy.id, null);
  graph.setPolicy(`${policy.id}-again`, { ...policy, id: `${policy.id}-again` });
  ruleset.update(graph.flush());
  const fresh = start(graph);
  for (const [name, set] of fresh.table.sets) {
    expect([...(ruleset.table.sets.get(name)?.elements.keys() ?? [])].sort(), name).toEqual(
      [...set.elements.keys()].sort(),
    );
  }
});
