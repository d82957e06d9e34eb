/**
 * @module Whether the comparison of reference and ruleset is worth anything: a compiler with a known mistake in it must
 * be caught within so many clusters. The seed that caught it is printed; a mistake that is not caught any more means
 * that the random clusters have lost a feature.
 */
import { afterAll, describe, expect, test } from "vitest";
import { simulateConnection, type Topology } from "../../src/nft/connection.ts";
import { type Packet, runHook } from "../../src/nft/interpret.ts";
import type { NodeRuleset } from "../../src/nft/node-ruleset.ts";
import type { NftTable } from "../../src/nft/table.ts";
import { evaluate } from "../../src/policy/evaluate.ts";
import { type Endpoint, type Flow, PROTOCOL } from "../../src/policy/model.ts";
import type { World } from "../../src/policy/world.ts";
import { loadGraph, rulesetAllows, startRulesets, testInterface, topologyOf } from "../support/judges.ts";
import type { Mutate } from "../support/mutations.ts";
import * as mutations from "../support/mutations.ts";
import { Random } from "../support/random.ts";
import { ip, type RandomCluster, randomCluster, randomFlow } from "../support/random-cluster.ts";

/** @returns whether the mistake shows on this cluster */
type Probe = (seed: number, mutate: Mutate) => boolean;

const FIRST_SEED = Number(process.env["TORTIE_SEED"] ?? 1);
/** Clusters that a mistake may hide in. Most are caught within twenty. */
const ENOUGH = 3_000;
/** Clusters on which tables without a mistake must raise no alarm. */
const SANE = 500;

// ── probes ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** Every flow, as in `judges.test.ts`. */
const flows: Probe = (seed, mutate) => {
  const cluster = randomCluster(seed);
  return withTables(cluster, mutate, ({ topology }) =>
    cluster.flows.some((flow) => rulesetAllows(topology, flow) !== evaluate(cluster.world, flow).allowed),
  );
};

/** Flows after some endpoints got the labels of others, and one is gone. */
const flowsAfterChange: Probe = (seed, mutate) => {
  const cluster = randomCluster(seed);
  const random = new Random(seed);
  const graph = loadGraph(cluster.world);
  const rulesets = startRulesets(graph, cluster.world.nodes.keys());
  const before = snapshot(rulesets);
  const endpoints = new Map(cluster.world.endpoints);
  const everyone = [...endpoints.values()];
  for (const endpoint of random.some(everyone)) {
    endpoints.set(endpoint.id, { ...endpoint, labels: random.pick(everyone).labels });
  }
  if (everyone.length > 2) endpoints.delete(random.pick(everyone).id);
  const world: World = { ...cluster.world, endpoints };
  for (const id of cluster.world.endpoints.keys()) graph.setEndpoint(id, endpoints.get(id) ?? null);
  const delta = graph.flush();
  for (const ruleset of rulesets.values()) ruleset.update(delta);
  const topology = mutated(world, rulesets, before, mutate);
  const asked = Array.from({ length: 24 }, () => randomFlow(random, world));
  const caught = asked.some((flow) => rulesetAllows(topology, flow) !== evaluate(world, flow).allowed);
  for (const ruleset of rulesets.values()) ruleset.close();
  return caught;
};

/** Answers to what was allowed, through every table on the way back. */
const replies: Probe = (seed, mutate) => {
  const cluster = randomCluster(seed);
  return withTables(cluster, mutate, ({ topology }) =>
    cluster.flows.some((flow) => evaluate(cluster.world, flow).allowed && !answered(topology, flow)),
  );
};

function answered(topology: Topology, flow: Flow): boolean {
  const { source: client, destination: server } = flow;
  const back: Packet = {
    inInterface: "eth0",
    outInterface: "eth0",
    source: server.address,
    destination: client.address,
    protocol: flow.protocol,
    ...(flow.destinationPort !== undefined && { sourcePort: flow.destinationPort, destinationPort: 40_000 }),
    state: "established",
  };
  const passes = (node: string, packet: Packet): boolean => {
    const table = topology.tables.get(node);
    return table !== undefined && runHook(table, "forward", packet, () => 0).verdict === "accept";
  };
  const leaves = (endpoint: Endpoint): boolean =>
    passes(endpoint.node, { ...back, inInterface: testInterface(endpoint.id) });
  const arrives = (endpoint: Endpoint): boolean =>
    passes(endpoint.node, { ...back, outInterface: testInterface(endpoint.id) });
  return (
    (server.kind !== "endpoint" || leaves(server.endpoint)) &&
    (client.kind !== "endpoint" || arrives(client.endpoint))
  );
}

/** A pod that speaks with its neighbour's address. */
const spoofing: Probe = (seed, mutate) => {
  const cluster = randomCluster(seed);
  return withTables(cluster, mutate, ({ topology }) => {
    const everyone = [...cluster.world.endpoints.values()];
    return everyone.some((endpoint) =>
      everyone
        .filter(({ id }) => id !== endpoint.id)
        .some(({ addresses: [address] }) => {
          const table = topology.tables.get(endpoint.node);
          if (!table || !address) return false;
          const packet = packetFrom(testInterface(endpoint.id), address);
          return runHook(table, "forward", packet, () => 0).verdict === "accept";
        }),
    );
  });
};

/** An interface that looks like a pod's and belongs to none. */
const strangers: Probe = (seed, mutate) =>
  withTables(randomCluster(seed), mutate, ({ topology }) =>
    [...topology.tables.values()].some((table) => {
      const packet = { ...packetFrom("eth0", ip("192.0.2.1")), outInterface: "ttghost" };
      return runHook(table, "forward", packet, () => 0).verdict === "accept";
    }),
  );

/** Each pod behind a Service of its own, which it must reach, whatever its policies (of host endpoints it may have). */
const ownServices: Probe = (seed, mutate) => {
  const cluster = randomCluster(seed);
  if ([...cluster.world.endpoints.values()].some(({ kind }) => kind === "host")) return false;
  return withTables(cluster, mutate, ({ rulesets, topologyAgain }) =>
    [...cluster.world.endpoints.values()].some((endpoint) => {
      const [address] = endpoint.addresses;
      if (!address) return false;
      const service = ip("10.96.0.1");
      const mapping = {
        service: "x/own",
        protocol: PROTOCOL.TCP,
        addresses: [service],
        port: 80,
        portName: "",
        family: 4 as const,
        backends: [{ address, port: 8080 }],
      };
      for (const ruleset of rulesets.values()) ruleset.setServices([mapping]);
      const flow: Flow = {
        source: { kind: "endpoint", endpoint, address },
        destination: { kind: "outside", address: service },
        protocol: PROTOCOL.TCP,
        destinationPort: 80,
      };
      return !simulateConnection(topologyAgain(), flow).allowed;
    }),
  );
};

function packetFrom(inInterface: string, source: Packet["source"]): Packet {
  const destination = ip(source.family === 4 ? "192.0.2.9" : "2001:db8::9");
  return {
    inInterface,
    outInterface: "eth0",
    source,
    destination,
    protocol: PROTOCOL.TCP,
    sourcePort: 40_000,
    destinationPort: 80,
    state: "new",
  };
}

// ── tables ──────────────────────────────────────────────────────────────────────────────────────────────────────

interface Tables {
  readonly rulesets: ReadonlyMap<string, NodeRuleset>;
  readonly topology: Topology;
  /** After a change to the rulesets. */
  readonly topologyAgain: () => Topology;
}

function withTables(cluster: RandomCluster, mutate: Mutate, body: (tables: Tables) => boolean): boolean {
  const rulesets = startRulesets(loadGraph(cluster.world), cluster.world.nodes.keys());
  const topologyAgain = (): Topology => mutated(cluster.world, rulesets, snapshot(rulesets), mutate);
  const result = body({ rulesets, topology: topologyAgain(), topologyAgain });
  for (const ruleset of rulesets.values()) ruleset.close();
  return result;
}

function snapshot(rulesets: ReadonlyMap<string, NodeRuleset>): Map<string, NftTable> {
  return new Map(
    [...rulesets].map(([node, { table }]) => {
      const sets = [...table.sets].map(([name, set]): [string, typeof set] => [
        name,
        set.kind === "set"
          ? { ...set, elements: new Set(set.elements) }
          : { ...set, elements: new Map(set.elements) },
      ]);
      return [node, { ...table, sets: new Map(sets), chains: new Map(table.chains) }];
    }),
  );
}

function mutated(
  world: World,
  rulesets: ReadonlyMap<string, NodeRuleset>,
  before: ReadonlyMap<string, NftTable>,
  mutate: Mutate,
): Topology {
  const topology = topologyOf(world, rulesets);
  const tables = [...topology.tables].map(([node, table]): [string, NftTable] => [
    node,
    mutate(table, before.get(node) ?? table),
  ]);
  return { ...topology, tables: new Map(tables) };
}

// ── the planted mistakes ────────────────────────────────────────────────────────────────────────────────────────

const PLANTED: readonly (readonly [what: string, probe: Probe, mutate: Mutate])[] = [
  ["exceptions of an ipBlock are dropped", flows, mutations.dropExceptions],
  ["the end of a denying tier accepts", flows, mutations.acceptAtTierDefault],
  ["egress and ingress maps are swapped", flows, mutations.swapDirections],
  ["port ranges end one port late", flows, mutations.rangeEndsLate],
  ["port ranges end one port early", flows, mutations.rangeEndsEarly],
  ["rules match every protocol", flows, mutations.forgetProtocol],
  ["rules for IPv6 are left out", flows, mutations.forgetIpv6],
  ["a negated lookup is a lookup", flows, mutations.forgetNegation],
  ["Pass allows", flows, mutations.allowOnPass],
  ["Pass goes on with the next policy of the tier", flows, mutations.goOnAfterPass],
  ["the mark of a Pass lives on in the next tier", flows, mutations.keepPassMark],
  ["Deny rules are left out", flows, mutations.forgetDeny],
  ["Log allows", flows, mutations.endAtLog],
  ["policies of a tier come in reverse", flows, mutations.reversePolicies],
  ["notPorts is ignored", flows, mutations.forgetNotPorts],
  ["a named port has the numbers of all pods", flows, mutations.mixNamedPorts],
  ["source and destination are swapped in rules", flows, mutations.swapSides],
  ["ICMP codes are ignored", flows, mutations.forgetIcmpCode],
  ["profiles with rules are not asked", flows, mutations.forgetProfiles],
  ["what an early stage of a host allows is asked again", flows, mutations.forgetAllowed],
  ["connections are tracked in spite of untracked policies", flows, mutations.keepTracking],
  ["failsafe ports are closed", flows, mutations.closeFailsafes],
  [
    "untracked policies are not asked",
    flows,
    mutations.forgetChains("host-untracked-in", "host-untracked-out"),
  ],
  ["replies to untracked connections pass", flows, mutations.forgetChains("host-untracked-out")],
  ["pre-DNAT policies are not asked", flows, mutations.forgetChains("host-pre-dnat")],
  ["what hosts forward is not asked about", flows, mutations.forgetChains("host-forward-in")],
  [
    "what pods send past a host endpoint is not asked about",
    flows,
    mutations.forgetChains("host-forward-out"),
  ],
  ["what comes to a host's processes is not asked about", flows, mutations.forgetChains("host-input")],
  ["what a host's processes send is not asked about", flows, mutations.forgetChains("host-output")],
  ["pods without policy are closed", flows, mutations.denyWithoutPolicy],
  ["addresses stay in sets that their pods have left", flowsAfterChange, mutations.keepStaleElements],
  ["addresses that come to a set are forgotten", flowsAfterChange, mutations.missNewElements],
  ["the set of pods that reach themselves is empty", ownServices, mutations.emptySelf],
  ["established connections are judged again", replies, mutations.forgetEstablished],
  ["source addresses are not checked", spoofing, mutations.forgetSpoofCheck],
  ["interfaces of no pod are let through", strangers, mutations.letUnknownInterfacesPass],
];

const caughtOn: string[] = [];

afterAll(() => {
  process.stdout.write(`planted mistakes, and the seed that caught each:\n${caughtOn.join("\n")}\n`);
});

describe("tables without a mistake raise no alarm", () => {
  test.each(Object.entries({ flows, flowsAfterChange, replies, spoofing, strangers, ownServices }))(
    "%s",
    (_, probe) => {
      for (let seed = FIRST_SEED; seed < FIRST_SEED + SANE; seed++) {
        if (probe(seed, mutations.nothing)) expect.fail(`false alarm on seed ${seed}`);
      }
    },
  );
});

describe(`a planted mistake is caught within ${ENOUGH} clusters`, () => {
  test.each(PLANTED)("%s", (what, probe, mutate) => {
    let seed = FIRST_SEED;
    while (seed < FIRST_SEED + ENOUGH && !probe(seed, mutate)) seed++;
    expect(seed, "not caught").toBeLessThan(FIRST_SEED + ENOUGH);
    caughtOn.push(`${String(seed).padStart(6)}  ${what}`);
  });
});
