/** @module Figures of the kernel side: pods, policy changes and packets. Run it inside namespaces of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { type Cidr, parseIp } from "../src/base/ip.ts";
import { PolicyGraph } from "../src/calc/graph.ts";
import { IPPROTO_TCP, MSG_DONTWAIT, MSG_NOSIGNAL, SOCK_STREAM } from "../src/linux/constants.ts";
import { Lab } from "../src/linux/lab.ts";
import { libc } from "../src/linux/libc.ts";
import { inNamespace } from "../src/linux/netns.ts";
import { ipOf, openSocket, resetOnClose, socketAddress } from "../src/linux/sockets.ts";
import { POD_INTERFACE_PREFIX, podInterfaceName, UPLINK } from "../src/network/interface-name.ts";
import { planNetwork } from "../src/network/plan.ts";
import { NodeRuleset } from "../src/nft/node-ruleset.ts";
import {
  ANY_ENTITY,
  type Endpoint,
  type NetworkSet,
  OPEN_PROFILE,
  type Policy,
  PROTOCOL,
} from "../src/policy/model.ts";
import type { Selector } from "../src/policy/selector.ts";
import { NO_SOURCE } from "../src/resources/source.ts";
import type { Print } from "./row.ts";

const PORT = 80;
const NODES = ["a", "b"];

const CHANGES = 50;
/** A first packet without an answer for so long was dropped: answers come within a tenth of it. */
const SILENCE_MS = 5;

const POLICY_COUNTS = [0, 100, 10_000];
/** Pods on the server's node beside it, in the graph alone: the policies are theirs, and one is the server's. */
const NEIGHBOURS = 100;
const CONNECTION_ROUNDS = 9;
const CONNECTIONS = 2_000;
/** Sockets open at once; the listener's queue takes all of them. */
const BURST = 500;
const THROUGHPUT_ROUNDS = 5;
const THROUGHPUT_SECONDS = 1;

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

const median = (values: readonly number[]): number => percentile(values, 0.5);

function endpoint(key: string, node: string, addresses: readonly string[]): Endpoint {
  return {
    id: key,
    namespace: "d",
    labels: { pod: key.replace("d/", "") },
    serviceAccount: "default",
    node,
    addresses: addresses.flatMap((text) => parseIp(text) ?? []),
    ports: [],
    profile: OPEN_PROFILE,
  };
}

const podNamed = (name: string): Selector => ({
  kind: "label",
  of: "endpoint",
  key: "pod",
  test: { op: "in", values: [name] },
});

/** Lets one pod in, at one port; or nobody. */
function policy(name: string, subject: string, allowed?: string): Policy {
  const origin = { object: `NetworkPolicy d/${name}`, path: "", source: NO_SOURCE };
  const rules = allowed === undefined ? [] : [allowed];
  return {
    id: origin.object,
    tier: "default",
    order: 1_000,
    subject: podNamed(subject),
    ingress: {
      governs: true,
      rules: rules.map((from) => ({
        action: "allow",
        match: {
          protocol: PROTOCOL.TCP,
          source: { selector: podNamed(from) },
          destination: ANY_ENTITY,
        },
        origin: { ...origin, path: "spec.ingress[0]" },
      })),
    },
    egress: { governs: false },
    origin,
  };
}

/** A network, its model, and each node's table in its kernel. */
class Bench {
  readonly lab: Lab;
  readonly graph = new PolicyGraph();
  readonly #rulesets = new Map<string, NodeRuleset>();

  constructor(pods: readonly string[]) {
    this.lab = Lab.create(
      planNetwork({ nodes: NODES.map((name) => ({ name })), pods: pods.map((key) => ({ key })) }),
    );
    for (const { key, node, addresses } of this.lab.plan.pods)
      this.graph.setEndpoint(key, endpoint(key, node, addresses));
  }

  start(): void {
    this.graph.flush();
    for (const node of NODES) {
      const ruleset = new NodeRuleset(this.graph, {
        node,
        interfaceOf: podInterfaceName,
        podPrefix: POD_INTERFACE_PREFIX,
        families: [4, 6],
        uplink: UPLINK,
      });
      this.lab.node(node).nft.apply(ruleset.start());
      this.#rulesets.set(node, ruleset);
    }
  }

  /** Everything from the model's new state to the kernels that have it. */
  follow(): void {
    const delta = this.graph.flush();
    for (const [node, ruleset] of this.#rulesets) this.lab.node(node).nft.apply(ruleset.update(delta));
  }

  /** A TCP socket of a pod, its first packet to another pod sent. */
  connect(from: string, to: string): number {
    const { namespace } = this.lab.from(from);
    const address = socketAddress(ipOf(this.lab.from(to).address), PORT);
    const fd = inNamespace(namespace, () => openSocket(4, SOCK_STREAM, IPPROTO_TCP));
    libc().connect(fd, address, address.length);
    return fd;
  }
}

const BYTE = Buffer.from("x");

/** A socket takes data once its connection is there. */
function established(fd: number): boolean {
  return libc().send(fd, BYTE, 1, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

function drop(fd: number): void {
  resetOnClose(fd);
  libc().close(fd);
}

function answered(fd: number): boolean {
  const deadline = performance.now() + SILENCE_MS;
  while (performance.now() < deadline) if (established(fd)) return true;
  return false;
}

const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

// ── pods ────────────────────────────────────────────────────────────────────────────────────────────────────────

function benchPods(count: number, aim: string, print: Print): Bench {
  const keys = Array.from({ length: count }, (_, index) => `d/p${index}`);
  const started = performance.now();
  const bench = new Bench(keys);
  for (const key of keys) bench.lab.listen(key, [{ protocol: "tcp", port: PORT }]);
  const seconds = (performance.now() - started) / 1_000;
  print({
    what: `${count.toLocaleString("en")} pods on ${NODES.length} nodes, each with a listener`,
    value: `${seconds.toFixed(2)} s`,
    aim,
  });
  return bench;
}

// ── a policy changes ────────────────────────────────────────────────────────────────────────────────────────────

async function benchChanges(bench: Bench, print: Print): Promise<void> {
  bench.start();
  const inForce: number[] = [];
  const refused: number[] = [];
  let late = 0;
  // The first to name a label tells apart pods that were alike until then: every pod is looked at, once.
  const first = policy("first", "nobody");
  const asked = performance.now();
  bench.graph.setPolicy(first.id, first);
  bench.follow();
  const firstMs = performance.now() - asked;
  for (let index = 0; index < CHANGES; index++) {
    const [from, to] = [`d/p${index}`, `d/p${index * 7 + 101}`];
    const before = bench.connect(from, to);
    if (!answered(before)) throw new Error(`${from} does not reach ${to} before the policy`);
    drop(before);
    const change = policy(`deny${index}`, to.replace("d/", ""));
    const started = performance.now();
    bench.graph.setPolicy(change.id, change);
    bench.follow();
    inForce.push(performance.now() - started);
    for (;;) {
      const fd = bench.connect(from, to);
      const sent = performance.now() - started;
      const open = answered(fd);
      drop(fd);
      if (!open) {
        refused.push(sent);
        break;
      }
      late++;
    }
    await breathe();
  }
  const row = (values: readonly number[]): string =>
    `p50 ${percentile(values, 0.5).toFixed(2)} ms, p99 ${percentile(values, 0.99).toFixed(2)} ms`;
  const aim = "p50 under 3 ms, p99 under 20 ms";
  print({ what: "a policy changes, 1,000 pods: until both kernels have it", value: row(inForce), aim });
  print({
    what: "a policy changes, 1,000 pods: until a new connection is refused",
    value: row(refused),
    aim,
    note: `${CHANGES} changes; ${late} connections opened after their policy was in force`,
  });
  print({
    what: "the first policy that names a label, which tells 1,000 pods apart",
    value: `${firstMs.toFixed(1)} ms`,
    aim: "-",
  });
}

// ── packets through many policies ───────────────────────────────────────────────────────────────────────────────

function throughPolicies(count: number): Bench {
  const bench = new Bench(["d/client", "d/server"]);
  const { node } = bench.lab.pod("d/server").plan;
  if (count > 0) {
    for (let index = 0; index < NEIGHBOURS; index++)
      bench.graph.setEndpoint(`d/n${index}`, endpoint(`d/n${index}`, node, [`10.200.0.${index + 1}`]));
    for (let index = 1; index < count; index++) {
      const made = policy(`p${index}`, `n${index % NEIGHBOURS}`, `n${(index * 7) % NEIGHBOURS}`);
      bench.graph.setPolicy(made.id, made);
    }
    const own = policy("server", "server", "client");
    bench.graph.setPolicy(own.id, own);
  }
  bench.start();
  bench.lab.listen("d/server", [{ protocol: "tcp", port: PORT }]);
  return bench;
}

/** @returns connections a second */
async function connectionRate(bench: Bench): Promise<number> {
  let spent = 0;
  const { namespace } = bench.lab.from("d/client");
  const address = socketAddress(ipOf(bench.lab.from("d/server").address), PORT);
  for (let done = 0; done < CONNECTIONS; done += BURST) {
    spent += inNamespace(namespace, () => {
      const started = performance.now();
      for (let index = 0; index < BURST; index++) {
        const fd = openSocket(4, SOCK_STREAM, IPPROTO_TCP);
        libc().connect(fd, address, address.length);
        const deadline = performance.now() + 1_000;
        while (!established(fd)) if (performance.now() > deadline) throw new Error("no connection opened");
        drop(fd);
      }
      return performance.now() - started;
    });
    // The listener takes them off its queue meanwhile, untimed.
    await breathe();
    await breathe();
  }
  return CONNECTIONS / (spent / 1_000);
}

function ended(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout?.on("data", (data: Buffer) => {
      text += String(data);
    });
    child.on("error", reject);
    child.on("close", () => resolve(text));
  });
}

/** @returns Gbit/s; undefined where iperf3 is missing */
async function throughput(bench: Bench): Promise<number | undefined> {
  const { namespace, address } = bench.lab.from("d/server");
  const iperf = (place: typeof namespace, args: readonly string[]): ChildProcess =>
    inNamespace(place, () => spawn("iperf3", [...args], { stdio: ["ignore", "pipe", "ignore"] }));
  const server = iperf(namespace, ["--server", "--one-off", "--bind", address, "--forceflush"]);
  const serverEnded = ended(server);
  serverEnded.catch(() => undefined);
  try {
    await new Promise<void>((resolve, reject) => {
      server.on("error", reject);
      server.on("close", () => reject(new Error("iperf3 ended before it listened")));
      server.stdout?.on("data", (data: Buffer) => String(data).includes("listening") && resolve());
    });
    const client = iperf(bench.lab.from("d/client").namespace, [
      "--client",
      address,
      "--time",
      String(THROUGHPUT_SECONDS),
      "--json",
    ]);
    const limit = setTimeout(() => client.kill(), (THROUGHPUT_SECONDS + 5) * 1_000);
    const report = JSON.parse(await ended(client)) as {
      end: { sum_received: { bits_per_second: number } };
    };
    clearTimeout(limit);
    return report.end.sum_received.bits_per_second / 1e9;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  } finally {
    server.kill();
  }
}

/** One round of each in turn, so that a slow moment of the machine falls on all of them. */
async function interleaved(
  benches: readonly Bench[],
  rounds: number,
  measure: (bench: Bench) => Promise<number | undefined>,
): Promise<number[][] | undefined> {
  const values = benches.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, bench] of benches.entries()) {
      const value = await measure(bench);
      if (value === undefined) return undefined;
      values[index]?.push(value);
    }
  }
  return values;
}

function ratioRows(
  what: string,
  values: readonly number[][] | undefined,
  options: { readonly text: (value: number) => string; readonly aim: string; readonly print: Print },
): void {
  const { text, aim, print } = options;
  if (!values) {
    print({ what, value: "not measured", aim, note: "iperf3 is missing: apt-get install iperf3" });
    return;
  }
  const none = median(values[0] ?? []);
  for (const [index, count] of POLICY_COUNTS.entries()) {
    const own = values[index] ?? [];
    print({
      what: `${what} through ${count.toLocaleString("en")} policies`,
      value: `${text(median(own))}, ${(median(own) / none).toFixed(2)} of those through none`,
      aim: count === 10_000 ? aim : "-",
      note: `median of ${own.length} interleaved rounds, ${text(Math.min(...own))} to ${text(Math.max(...own))}`,
    });
  }
}

async function benchPackets(print: Print): Promise<void> {
  const benches = POLICY_COUNTS.map(throughPolicies);
  try {
    for (const bench of benches) await connectionRate(bench);
    ratioRows("connections a second", await interleaved(benches, CONNECTION_ROUNDS, connectionRate), {
      text: (value) => `${Math.round(value).toLocaleString("en")}/s`,
      aim: "at least 0.9 of those through none",
      print,
    });
    ratioRows("one stream of TCP", await interleaved(benches, THROUGHPUT_ROUNDS, throughput), {
      text: (value) => `${value.toFixed(1)} Gbit/s`,
      aim: "at least 0.97 of that through none",
      print,
    });
  } finally {
    for (const { lab } of benches) lab.close();
  }
}

/** Takes about a minute. */
const SET_SIZE = 100_000;

/** Every second one nests in its neighbour, as lists of bad addresses do. */
function badAddresses(): Cidr[] {
  return Array.from({ length: SET_SIZE }, (_, index) => ({
    family: 4,
    bits: BigInt(0x0b000000 + index * 64),
    prefix: index % 2 === 0 ? 27 : 26,
  }));
}

/** One policy that denies a list of addresses; the list is loaded, and changed by one. */
function networkSetRows(print: Print): void {
  const bench = new Bench(["d/server"]);
  try {
    const set = (nets: readonly Cidr[]): NetworkSet => ({
      id: SET_ID,
      namespace: "",
      labels: { kind: "bad" },
      nets,
    });
    const nets = badAddresses();
    bench.graph.setPolicy("GlobalNetworkPolicy bad", denyBad());
    bench.start();
    const load = timed(() => {
      bench.graph.setNetworkSet(SET_ID, set(nets));
      bench.follow();
    });
    const times: number[] = [];
    for (let index = 0; index < 10; index++) {
      const extra: Cidr = { family: 4, bits: BigInt(0x0a000000 + index), prefix: 32 };
      for (const state of [[...nets, extra], nets]) {
        times.push(
          timed(() => {
            bench.graph.setNetworkSet(SET_ID, set(state));
            bench.follow();
          }),
        );
      }
    }
    print({
      what: `a NetworkSet of ${SET_SIZE.toLocaleString("en")} CIDRs, into the kernel`,
      value: `${(load / 1000).toFixed(2)} s`,
      aim: "none set",
    });
    print({
      what: "the same, changed by one CIDR",
      value: `p50 ${median(times).toFixed(0)} ms, worst ${Math.max(...times).toFixed(0)} ms`,
      aim: "none set",
    });
  } finally {
    bench.lab.close();
  }
}

const SET_ID = "GlobalNetworkSet bad";

function denyBad(): Policy {
  const base = policy("bad", "server");
  const match = {
    source: { selector: { kind: "label", of: "endpoint", key: "kind", test: { op: "in", values: ["bad"] } } },
    destination: ANY_ENTITY,
  } as const;
  const rule = { action: "deny", match, origin: base.origin } as const;
  return { ...base, id: "GlobalNetworkPolicy bad", ingress: { governs: true, rules: [rule] } };
}

function timed(work: () => void): number {
  const started = performance.now();
  work();
  return performance.now() - started;
}

/** Takes about a minute. */
export async function run(print: Print): Promise<void> {
  networkSetRows(print);
  benchPods(100, "-", print).lab.close();
  const large = benchPods(1_000, "under 5 s", print);
  try {
    await benchChanges(large, print);
  } finally {
    large.lab.close();
  }
  await benchPackets(print);
}
