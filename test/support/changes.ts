/** @module Random histories: the objects of several random clusters set, changed and deleted in any order. */
import type { Ip } from "../../src/base/ip.ts";
import type { PolicyGraph } from "../../src/calc/graph.ts";
import type { Endpoint, NetworkSet, Policy, Tier } from "../../src/policy/model.ts";
import type { Labels } from "../../src/resources/object.ts";
import { Random } from "./random.ts";
import { randomCluster } from "./random-cluster.ts";

export type Change =
  | { readonly of: "namespace"; readonly key: string; readonly value: Labels | null }
  | { readonly of: "service-account"; readonly key: string; readonly value: Labels | null }
  | { readonly of: "node"; readonly key: string; readonly value: readonly Ip[] | null }
  | { readonly of: "tier"; readonly key: string; readonly value: Tier | null }
  | { readonly of: "network-set"; readonly key: string; readonly value: NetworkSet | null }
  | { readonly of: "policy"; readonly key: string; readonly value: Policy | null }
  | { readonly of: "endpoint"; readonly key: string; readonly value: Endpoint | null };

export function play(graph: PolicyGraph, change: Change): void {
  switch (change.of) {
    case "namespace":
      graph.setNamespace(change.key, change.value);
      break;
    case "service-account":
      graph.setServiceAccount(change.key, change.value);
      break;
    case "node":
      graph.setNode(change.key, change.value);
      break;
    case "tier":
      graph.setTier(change.key, change.value);
      break;
    case "network-set":
      graph.setNetworkSet(change.key, change.value);
      break;
    case "policy":
      graph.setPolicy(change.key, change.value);
      break;
    case "endpoint":
      graph.setEndpoint(change.key, change.value);
      break;
  }
}

function objectsOf(seed: number): Change[] {
  const { world } = randomCluster(seed, { flows: 0 });
  return [
    ...[...world.namespaces].map(([key, value]): Change => ({ of: "namespace", key, value })),
    ...[...world.serviceAccounts].map(([key, value]): Change => ({ of: "service-account", key, value })),
    ...[...world.nodes].map(([key, value]): Change => ({ of: "node", key, value })),
    ...world.tiers.map((value): Change => ({ of: "tier", key: value.name, value })),
    ...world.networkSets.map((value): Change => ({ of: "network-set", key: value.id, value })),
    ...world.policies.map((value): Change => ({ of: "policy", key: value.id, value })),
    ...[...world.endpoints].map(([key, value]): Change => ({ of: "endpoint", key, value })),
  ];
}

/** Objects of three clusters that share names, shuffled, some deleted on the way. */
export function randomHistory(seed: number): Change[] {
  const random = new Random(seed);
  const pool = [objectsOf(seed), objectsOf(seed + 1), objectsOf(seed + 2)].flat();
  const history: Change[] = [];
  while (pool.length > 0) {
    const [change] = pool.splice(random.below(pool.length), 1);
    if (!change) break;
    history.push(change);
    if (random.chance(0.25)) history.push({ ...random.pick(history), value: null } as Change);
  }
  return history;
}

/** The newest change of each object, without what is deleted: the state that a history leads to. */
export function newestState(history: readonly Change[]): Change[] {
  const newest = new Map(history.map((change) => [`${change.of} ${change.key}`, change]));
  return [...newest.values()].filter((change) => change.value !== null);
}
