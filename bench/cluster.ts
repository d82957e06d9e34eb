/**
 * @module Figures of a whole cluster of `tortie up`: how soon it is there, what a pod and a policy take, what it costs.
 * The rows of single pods and policies have the names of kubernetes/perf-tests' network-policy-enforcement-latency.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Api } from "../src/apiserver/api.ts";
import { Authorizer } from "../src/apiserver/authorize.ts";
import { LocalClient } from "../src/apiserver/local-client.ts";
import { trackFields } from "../src/apiserver/operations.ts";
import { Reviews } from "../src/apiserver/reviews.ts";
import { Tokens } from "../src/apiserver/service-account-tokens.ts";
import { TokenSigner } from "../src/apiserver/users.ts";
import { must } from "../src/base/errors.ts";
import type { Client } from "../src/client/client.ts";
import { HttpClient } from "../src/client/http-client.ts";
import { Informer } from "../src/client/informer.ts";
import { DEPLOYMENTS, NAMESPACES, NETWORK_POLICIES, PODS, type Pod } from "../src/client/kinds.ts";

import { askMachine, type MachineStatus } from "../src/cluster/control-socket.ts";
import { readCredentials } from "../src/cluster/credentials.ts";
import { type Layout, layoutOf } from "../src/cluster/layout.ts";
import type { MachineProbe } from "../src/cluster/machine-probe.ts";
import type { ProbeResult } from "../src/linux/probe.ts";
import { MemoryStore } from "../src/store/memory-store.ts";
import { kubectlPath } from "../test/support/kubectl.ts";
import type { Print } from "./row.ts";

const TORTIE = path.resolve("dist/bin/tortie.js");
const NAME = `bench-${process.pid}`;
const UPS = 5;
const SAMPLES = 50;
const PODS_MANY = 1_000;
const PODS_FEW = 100;
const LINE_MS = 10;
const RESTART_WATCH_MS = 6_000;

const MIB = 1024 ** 2;

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

const row = (values: readonly number[], digits = 0): string =>
  `p50 ${percentile(values, 0.5).toFixed(digits)} ms, p99 ${percentile(values, 0.99).toFixed(digits)} ms`;
const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;

function tortie(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [TORTIE, ...args], {
    encoding: "utf8",
    timeout: 60_000,
  });
  if (status !== 0) throw new Error(`tortie ${args.join(" ")}: ${stdout}${stderr}`);
  return stdout;
}

/** The cluster under measure, from outside. */
class Bench {
  readonly layout: Layout = layoutOf(NAME);
  readonly client: HttpClient;

  constructor() {
    const credentials = must(readCredentials(this.layout), "the cluster's credentials");
    this.client = new HttpClient({
      server: "http://tortie",
      socketPath: this.layout.apiSocket,
      token: must(credentials.tokens["admin"], "the administrator's token"),
      userAgent: "bench",
    });
  }

  async memory(): Promise<number> {
    // Collections of garbage come when they come.
    await sleep(3_000);
    const { processes } = await askMachine<MachineStatus>(this.layout, { do: "status" });
    return processes.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0);
  }

  async memoryText(): Promise<string> {
    const { processes } = await askMachine<MachineStatus>(this.layout, { do: "status" });
    return processes.map(({ name, memoryBytes }) => `${name} ${Math.round(memoryBytes / MIB)}`).join(", ");
  }

  probe(from: string, addresses: readonly string[]): Promise<readonly ProbeResult[]> {
    const probes: MachineProbe[] = addresses.map((to) => ({
      from: { pod: from, family: 4 },
      to,
      protocol: "tcp",
      port: 80,
    }));
    return askMachine(this.layout, { do: "probe", probes });
  }

  /** Probes until every address answers. */
  async reach(from: string, addresses: readonly string[]): Promise<void> {
    let left = [...addresses];
    while (left.length > 0) {
      const results = await this.probe(from, left);
      left = left.filter((_, index) => results[index]?.outcome !== "open");
    }
  }
}

/** Follows the pods of a namespace. */
class Pods {
  readonly now = new Map<string, Pod>();
  readonly #informer: Informer<Pod>;
  #changed: () => void = () => undefined;

  constructor(client: Client, namespace: string) {
    this.#informer = new Informer(client, PODS, { namespace, onError: () => undefined });
    this.#informer.on({
      changed: (pod) => {
        this.now.set(pod.metadata.name, pod);
        this.#changed();
      },
      deleted: (pod) => {
        this.now.delete(pod.metadata.name);
        this.#changed();
      },
    });
    this.#informer.start();
  }

  async until(holds: (pods: ReadonlyMap<string, Pod>) => boolean, timeoutMs = 120_000): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (!holds(this.now)) {
      if (Date.now() > deadline) throw new Error("the pods did not come to that in time");
      await Promise.race([
        new Promise<void>((resolve) => {
          this.#changed = resolve;
        }),
        sleep(200),
      ]);
    }
  }

  close(): void {
    this.#informer.stop();
  }
}

const isRunning = ({ status }: Pod): boolean =>
  status?.phase === "Running" && status.podIP !== undefined && status.containerStatuses?.[0]?.ready === true;

function pod(name: string, namespace: string, labels: Record<string, string>): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, labels },
    spec: { containers: [{ name: "c", image: "nginx" }] },
  };
}

// ── the start ───────────────────────────────────────────────────────────────────────────────────────────────────

function up(): number {
  const kubectl = kubectlPath("v36");
  const started = performance.now();
  tortie("up", "--name", NAME, "--detach", "--deny-with", "reject");
  const { status, stdout, stderr } = spawnSync(kubectl, ["get", "nodes"], { encoding: "utf8" });
  const took = performance.now() - started;
  if (status !== 0 || !/ Ready /.test(stdout)) throw new Error(`kubectl get nodes: ${stdout}${stderr}`);
  return took;
}

function benchUp(print: Print): void {
  // The first makes keys; kubectl is unpacked.
  const first = up();
  const again: number[] = [];
  for (let round = 0; round < UPS; round++) {
    tortie("down", "--name", NAME);
    again.push(up());
  }
  const anew: number[] = [first];
  for (let round = 0; round < UPS; round++) {
    tortie("reset", "--name", NAME);
    anew.push(up());
  }
  const aim = "under 1 s";
  const what = "tortie up to the first answer of kubectl get nodes";
  const told = (values: readonly number[]): string =>
    `median ${seconds(percentile(values, 0.5))}, worst ${seconds(Math.max(...values))}`;
  print({ what: `${what}, a new cluster`, value: told(anew), aim });
  print({ what: `${what}, one that was there`, value: told(again), aim });
}

// ── many pods ───────────────────────────────────────────────────────────────────────────────────────────────────

interface Crowd {
  readonly ready: number;
  readonly reachable: number;
}

async function addPods(bench: Bench, pods: Pods, deployment: string, count: number): Promise<Crowd> {
  const labels = { app: deployment };
  const before = pods.now.size;
  const started = performance.now();
  await bench.client.create(DEPLOYMENTS, {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: deployment, namespace: "crowd" },
    spec: {
      replicas: count,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: "c", image: "nginx" }] } },
    },
  });
  await pods.until((all) => all.size === before + count && [...all.values()].every(isRunning));
  const ready = performance.now() - started;
  const mine = [...pods.now.values()].filter(({ metadata }) => metadata.labels?.["app"] === deployment);
  await bench.reach(
    "bench/client",
    mine.map(({ status }) => status?.podIP ?? ""),
  );
  return { ready, reachable: performance.now() - started };
}

async function benchCrowd(bench: Bench, pods: Pods, print: Print): Promise<void> {
  const none = await bench.memory();
  const noneText = await bench.memoryText();
  await addPods(bench, pods, "few", PODS_FEW);
  const few = await bench.memory();
  const { ready, reachable } = await addPods(bench, pods, "many", PODS_MANY - PODS_FEW);
  const many = await bench.memory();
  const manyText = await bench.memoryText();
  const share = PODS_MANY / (PODS_MANY - PODS_FEW);
  print({
    what: `${PODS_MANY - PODS_FEW} pods of one Deployment beside ${PODS_FEW}: all Running`,
    value: seconds(ready),
    aim: `under ${(6 / share).toFixed(1)} s`,
  });
  print({
    what: "the same, and a TCP connection to each of them opened",
    value: seconds(reachable),
    aim: `under ${(6 / share).toFixed(1)} s`,
  });
  print({
    what: "memory of all the cluster's processes: no pods of ours",
    value: `${(none / MIB).toFixed(0)} MiB`,
    aim: "-",
    note: noneText,
  });
  print({
    what: `the same, ${PODS_FEW} pods`,
    value: `${(few / MIB).toFixed(0)} MiB`,
    aim: "-",
  });
  print({
    what: `the same, ${PODS_MANY.toLocaleString("en")} pods`,
    value: `${(many / MIB).toFixed(0)} MiB, ${((many - none) / 1024 / PODS_MANY).toFixed(0)} KiB more a pod`,
    aim: "under 250 MB more",
    note: manyText,
  });
}

async function benchGone(bench: Bench, pods: Pods, print: Print): Promise<void> {
  const started = performance.now();
  for (const name of ["few", "many"]) await bench.client.delete(DEPLOYMENTS, { namespace: "crowd", name });
  await pods.until((all) => all.size === 0);
  const gone = performance.now() - started;
  const labels = { app: "again" };
  const begun = performance.now();
  await addPods(bench, pods, labels.app, PODS_MANY);
  print({
    what: `${PODS_MANY.toLocaleString("en")} pods of one Deployment, in an empty cluster: all reachable`,
    value: seconds(performance.now() - begun),
    aim: "under 6 s",
    note: `the ${PODS_MANY} before were gone after ${seconds(gone)}`,
  });
}

// ── one pod, one policy ─────────────────────────────────────────────────────────────────────────────────────────

async function benchPods(bench: Bench, print: Print): Promise<void> {
  const { client } = bench;
  const namespace = "bench";
  await client.create(NETWORK_POLICIES, {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "client-only", namespace },
    spec: {
      podSelector: { matchLabels: { app: "target" } },
      ingress: [{ from: [{ podSelector: { matchLabels: { app: "client" } } }] }],
    },
  } as never);
  const pods = new Pods(client, namespace);
  await pods.until((all) => all.size > 0);
  const addressed: number[] = [];
  const reached: number[] = [];
  for (let index = 0; index < SAMPLES; index++) {
    const name = `target${index}`;
    const started = performance.now();
    await client.create(PODS, pod(name, namespace, { app: "target" }));
    await pods.until((all) => all.get(name)?.status?.podIP !== undefined);
    addressed.push(performance.now() - started);
    await bench.reach("bench/client", [pods.now.get(name)?.status?.podIP ?? ""]);
    reached.push(performance.now() - started);
  }
  print({ what: "pod_ip_address_assigned_latency, 1,000 pods", value: row(addressed), aim: "-" });
  print({
    what: "policy_enforcement_latency_pod_creation, 1,000 pods",
    value: row(reached),
    aim: "p50 under 50 ms",
    note: "created → a TCP connection that its policy allows opens",
  });
  const enforced: number[] = [];
  for (let index = 0; index < SAMPLES; index++) {
    const address = pods.now.get(`target${index}`)?.status?.podIP ?? "";
    await client.patch(
      PODS,
      { namespace, name: `target${index}` },
      { metadata: { labels: { one: String(index) } } },
      { type: "merge" },
    );
    await bench.reach("bench/client", [address]);
    const started = performance.now();
    await client.create(NETWORK_POLICIES, {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: `deny${index}`, namespace },
      spec: { podSelector: { matchLabels: { app: "client" } }, policyTypes: ["Egress"], egress: [] },
    } as never);
    for (;;) {
      const sent = performance.now() - started;
      const [result] = await bench.probe("bench/client", [address]);
      if (result?.reachable) continue;
      enforced.push(sent);
      break;
    }
    await client.delete(NETWORK_POLICIES, { namespace, name: `deny${index}` });
    await bench.reach("bench/client", [address]);
  }
  print({
    what: "policy_enforcement_latency_policy_creation, 1,000 pods",
    value: row(enforced, 1),
    aim: "p50 under 20 ms",
    note: "created → the first TCP connection that is refused is begun",
  });
  pods.close();
}

// ── a restart ───────────────────────────────────────────────────────────────────────────────────────────────────

const SERVER = `require("net").createServer(s=>s.pipe(s).on("error",()=>{})).listen(9000,"0.0.0.0")`;
/** Tells, twice a second: lines sent, lines back, longest silence of the time since. */
const CLIENT = `const s=require("net").connect(9000,process.argv[1]);let n=0,b=0,t=0,w=0,p="";
s.setNoDelay();s.on("connect",()=>{t=performance.now();setInterval(()=>s.write(++n+"\\n"),${LINE_MS});
setInterval(()=>{console.log(JSON.stringify({n,b,w}));w=0},500)});
s.on("data",d=>{const x=performance.now();w=Math.max(w,x-t);t=x;p+=d;const l=p.split("\\n");p=l.pop();
for(const one of l)if(+one!==++b){console.log("LOST");process.exit(1)}});s.on("close",()=>{console.log("CLOSED");process.exit(1)})`;

interface Told {
  readonly n: number;
  readonly b: number;
  readonly w: number;
}

async function benchRestart(bench: Bench, print: Print): Promise<void> {
  const { client } = bench;
  const namespace = "bench";
  const program = (name: string, node: string, args: string[]): Pod => ({
    ...pod(name, namespace, { app: name }),
    spec: {
      nodeName: node,
      restartPolicy: "Never",
      containers: [{ name: "c", image: "node:20", command: [process.execPath, "-e", ...args] }],
    },
  });
  const pods = new Pods(client, namespace);
  await client.create(PODS, program("echo", "node1", [SERVER]));
  await pods.until((all) => isRunning(all.get("echo") ?? pod("", "", {})));
  await sleep(1_000);
  await client.create(PODS, program("talk", "node2", [CLIENT, pods.now.get("echo")?.status?.podIP ?? ""]));
  await pods.until((all) => isRunning(all.get("talk") ?? pod("", "", {})));
  await sleep(2_000);
  const quiet = await toldBy(bench, namespace, "talk");
  const before = quiet.length;
  const started = performance.now();
  tortie("restart", "--name", NAME);
  const back = untilAnswered(bench).then(() => performance.now() - started);
  await sleep(RESTART_WATCH_MS);
  const answered = await back;
  const told = (await toldBy(bench, namespace, "talk")).slice(before);
  const last = told.at(-1) ?? { n: 0, b: 0, w: 0 };
  print({
    what: "restart with 1,000 pods: an open connection, a line each 10 ms",
    value: `${Math.max(...told.map(({ w }) => w)).toFixed(0)} ms longest silence, ${Math.max(0, last.n - last.b - 1)} lines lost`,
    aim: "0 lines lost",
    note: `${last.n} lines; longest silence before: ${Math.max(...quiet.slice(1).map(({ w }) => w)).toFixed(0)} ms; the API answers again after ${seconds(answered)}`,
  });
  pods.close();
}

async function untilAnswered(bench: Bench): Promise<void> {
  await sleep(100);
  for (;;) {
    try {
      await bench.client.get(PODS, { namespace: "bench", name: "talk" });
      return;
    } catch {
      await sleep(5);
    }
  }
}

async function toldBy(_bench: Bench, namespace: string, name: string): Promise<Told[]> {
  const text = await new Promise<string>((resolve, reject) => {
    const child = spawn(kubectlPath("v36"), ["logs", "-n", namespace, name], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let out = "";
    child.stdout.on("data", (chunk: Buffer) => {
      out += chunk.toString();
    });
    child.on("error", reject);
    child.on("close", () => resolve(out));
  });
  if (/LOST|CLOSED/.test(text)) throw new Error(`the connection: ${text.slice(-200)}`);
  return text
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Told);
}

// ── the API's store ─────────────────────────────────────────────────────────────────────────────────────────────

const STORED = 10_000;
const WATCHERS = 1_000;
const PUTS = 500;

async function benchApi(print: Print): Promise<void> {
  const store = new MemoryStore();
  const api = new Api({ store, serviceNetworks: [], trackFields });
  const authorizer = new Authorizer(store);
  const signer = new TokenSigner(await signingKey());
  const client = new LocalClient(
    api,
    new Reviews(authorizer, signer, new Tokens(store, new Map(), signer)),
    "bench",
  );
  await client.create(NAMESPACES, { apiVersion: "v1", kind: "Namespace", metadata: { name: "crowd" } });
  for (let index = 0; index < STORED; index++) {
    const made = pod(`p${index}`, "crowd", { app: "crowd" });
    made.spec = { ...made.spec, serviceAccountName: "", nodeName: `n${index % WATCHERS}` };
    await client.create(PODS, made);
  }
  for (const [what, field] of [
    ["each of one node's pods", (index: number) => `spec.nodeName=n${index}`],
    ["each of all pods", () => undefined],
  ] as const) {
    const ends: AbortController[] = [];
    let events = 0;
    for (let index = 0; index < WATCHERS; index++) {
      const fieldSelector = field(index);
      const end = new AbortController();
      ends.push(end);
      void (async () => {
        const from = String(await store.revision());
        const options = {
          namespace: "crowd",
          resourceVersion: from,
          signal: end.signal,
          ...(fieldSelector && { fieldSelector }),
        };
        for await (const _ of client.watch(PODS, options)) events++;
      })();
    }
    await sleep(50);
    const times: number[] = [];
    for (let index = 0; index < PUTS; index++) {
      const started = performance.now();
      await client.patch(
        PODS,
        { namespace: "crowd", name: `p${(index * 37) % STORED}` },
        { status: { message: `${what} ${index}` } },
        { type: "merge", subresource: "status" },
      );
      times.push(performance.now() - started);
      await sleep(0);
    }
    for (const end of ends) end.abort();
    await sleep(50);
    print({
      what: `a put through the API, 10,000 pods, 1,000 watchers, ${what}`,
      value: row(times, 2),
      aim: "p50 under 2 ms",
      note: `${events} events told`,
    });
  }
  api.close();
}

async function signingKey(): Promise<string> {
  const { generateKeyPairSync } = await import("node:crypto");
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

/** Takes about a minute and a half. Folders of its own: no cluster of the user's is touched. */
export async function run(print: Print): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), "tb."));
  Object.assign(process.env, {
    XDG_STATE_HOME: path.join(folder, "state"),
    TORTIE_RUN_DIR: folder,
    KUBECONFIG: path.join(folder, "kubeconfig"),
  });
  try {
    await benchApi(print);
    benchUp(print);
    const bench = new Bench();
    for (const name of ["bench", "crowd"])
      await bench.client.create(NAMESPACES, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
    const own = new Pods(bench.client, "bench");
    await bench.client.create(PODS, pod("client", "bench", { app: "client" }));
    await own.until((all) => isRunning(all.get("client") ?? pod("", "", {})));
    own.close();
    const crowd = new Pods(bench.client, "crowd");
    await benchCrowd(bench, crowd, print);
    await benchPods(bench, print);
    await benchRestart(bench, print);
    crowd.close();
    const after = new Pods(bench.client, "crowd");
    await after.until((all) => all.size >= PODS_MANY);
    await benchGone(bench, after, print);
    after.close();
    bench.client.close();
  } finally {
    if (existsSync(path.join(folder, "state", "tortie", NAME))) {
      spawnSync(process.execPath, [TORTIE, "reset", "--name", NAME], { timeout: 30_000 });
    }
    rmSync(folder, { recursive: true, force: true });
  }
}
