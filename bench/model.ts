/** @module Figures of the pure rooms: all pairs, one change, one verdict, at the sizes that design aims name. */
import { eachRow } from "../src/analysis/connectivity.ts";
import { PairSpace } from "../src/analysis/pair-space.ts";
import { countBits } from "../src/base/bitset.ts";
import { verdict } from "../src/calc/verdict.ts";
import { becauseLine } from "../src/policy/explain.ts";
import type { Flow } from "../src/policy/model.ts";
import { Random } from "../test/support/random.ts";
import { BENCH_PORTS, type BenchCluster, benchCluster, load, type Shape, TCP } from "./clusters.ts";
import type { Print } from "./row.ts";
import { benchTiers } from "./tiers.ts";

const SMALL: Shape = { pods: 10_000, policies: 20_000, namespaces: 500, replicas: 5 };
const LARGE: Shape = { pods: 100_000, policies: 10_000, namespaces: 1_000, replicas: 10 };

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

function timed<T>(work: () => T): { ms: number; result: T } {
  const started = performance.now();
  const result = work();
  return { ms: performance.now() - started, result };
}

/** Every port that a policy names, as the truth tables of a whole cluster would be asked for. */
function allPairsOverPorts(graph: ReturnType<typeof load>): number {
  let allowed = 0;
  const count = (_: number, sources: Uint32Array): void => {
    allowed += countBits(sources);
  };
  const space = new PairSpace(graph, 4);
  for (const port of BENCH_PORTS) eachRow(graph, { family: 4, protocol: TCP, port }, count, space);
  return allowed;
}

function allPairsRows(
  name: string,
  cluster: BenchCluster,
  aim: string,
  print: Print,
): ReturnType<typeof load> {
  const { ms: loadMs, result: graph } = timed(() => load(cluster));
  const times = [1, 2, 3].map(() => timed(() => allPairsOverPorts(graph)));
  const ms = median(times.map((time) => time.ms));
  const rss = Math.round(process.memoryUsage().rss / 1e6);
  print({
    what: `all pairs, ${name}, ${BENCH_PORTS.length} ports`,
    value: `${(ms / 1000).toFixed(2)} s, ${rss} MB`,
    aim,
    note: `${graph.identities.size} identities, ${graph.selectors.size} selectors; loading the graph took ${(loadMs / 1000).toFixed(2)} s more`,
  });
  return graph;
}

function changeRows(name: string, cluster: BenchCluster, graph: ReturnType<typeof load>, print: Print): void {
  const random = new Random(7);
  const row = (what: string, change: (index: number) => void, undo: (index: number) => void): void => {
    const times: number[] = [];
    for (let index = 0; index < 200; index++) {
      times.push(
        timed(() => {
          change(index);
          graph.flush();
        }).ms,
      );
      times.push(
        timed(() => {
          undo(index);
          graph.flush();
        }).ms,
      );
    }
    print({
      what: `${what}, ${name}`,
      value: `p50 ${median(times).toFixed(3)} ms, p99 ${percentile(times, 0.99).toFixed(2)} ms, worst ${Math.max(...times).toFixed(1)} ms`,
      aim: "under 1 ms typical, 50 ms at worst",
    });
  };
  const pods = Array.from({ length: 200 }, () => random.pick(cluster.endpoints));
  row(
    "pod relabelled",
    (i) => {
      const pod = pods[i];
      if (pod) graph.setEndpoint(pod.id, { ...pod, labels: { ...pod.labels, tier: "db", app: "app0" } });
    },
    (i) => {
      const pod = pods[i];
      if (pod) graph.setEndpoint(pod.id, pod);
    },
  );
  row(
    "pod added",
    (i) => {
      const pod = pods[i];
      if (pod) graph.setEndpoint(`${pod.id}-new`, { ...pod, id: `${pod.id}-new` });
    },
    (i) => {
      const pod = pods[i];
      if (pod) graph.setEndpoint(`${pod.id}-new`, null);
    },
  );
  const policies = Array.from({ length: 200 }, () => random.pick(cluster.policies));
  row(
    "policy added",
    (i) => {
      const policy = policies[i];
      if (policy) graph.setPolicy(`${policy.id}-new`, { ...policy, id: `${policy.id}-new` });
    },
    (i) => {
      const policy = policies[i];
      if (policy) graph.setPolicy(`${policy.id}-new`, null);
    },
  );
  const names = Array.from({ length: 200 }, () => random.pick([...cluster.namespaces.keys()]));
  row(
    "namespace relabelled",
    (i) => {
      const name2 = names[i] ?? "";
      graph.setNamespace(name2, { ...cluster.namespaces.get(name2), team: "t1" });
    },
    (i) => {
      const name2 = names[i] ?? "";
      graph.setNamespace(name2, cluster.namespaces.get(name2) ?? {});
    },
  );
}

function verdictRow(name: string, cluster: BenchCluster, graph: ReturnType<typeof load>, print: Print): void {
  const random = new Random(11);
  const flows = Array.from({ length: 20_000 }, (): Flow => {
    const source = random.pick(cluster.endpoints);
    const destination = random.pick(cluster.endpoints);
    return {
      source: { kind: "endpoint", endpoint: source, address: source.addresses[0] ?? { family: 4, bits: 0n } },
      destination: {
        kind: "endpoint",
        endpoint: destination,
        address: destination.addresses[0] ?? { family: 4, bits: 0n },
      },
      protocol: TCP,
      destinationPort: random.pick(BENCH_PORTS),
    };
  });
  const once = (): number =>
    timed(() => flows.reduce((sum, flow) => sum + becauseLine(verdict(graph, flow)).length, 0)).ms;
  once();
  const us = (median([once(), once(), once()]) * 1000) / flows.length;
  print({
    what: `one verdict with its explanation, ${name}`,
    value: `${us.toFixed(1)} µs`,
    aim: "under 20 µs",
  });
}

export async function run(print: Print): Promise<void> {
  const small = benchCluster(SMALL);
  const smallGraph = allPairsRows("10,000 pods × 20,000 policies", small, "under 0.5 s, 200 MB", print);
  changeRows("10,000 × 20,000", small, smallGraph, print);
  const large = benchCluster(LARGE);
  const largeGraph = allPairsRows("100,000 pods × 10,000 policies", large, "under 2 s, 500 MB", print);
  changeRows("100,000 × 10,000", large, largeGraph, print);
  verdictRow("100,000 × 10,000", large, largeGraph, print);
  const tiered = benchTiers({ pods: 100_000, namespaces: 1_000, replicas: 10 }, 2_000);
  const tieredGraph = allPairsRows(
    "100,000 pods × 5 tiers of 2,000 Calico policies",
    tiered,
    "none set",
    print,
  );
  changeRows("5 tiers × 2,000", tiered, tieredGraph, print);
  verdictRow("5 tiers × 2,000", tiered, tieredGraph, print);
  await Promise.resolve();
}
