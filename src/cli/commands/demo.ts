/**
 * @module `tortie demo`: plays a walkthrough. A walkthrough is a ConnectivityTest under examples/; each of its stages is
 * measured whole, with real packets where the machine has them, and held against the model.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Cluster } from "../../analysis/cluster.ts";
import { OpError } from "../../base/errors.ts";
import type { Judge, Observation } from "../../judges/judge.ts";
import { ModelJudge } from "../../judges/model-judge.ts";
import { planStages, type Stage, type TestCase } from "../../judges/test-plan.ts";
import type { Step } from "../../resources/tortie/types.ts";
import { enterKernel, kernelProblem } from "../enter-kernel.ts";
import { clusterOptions, reportIssues } from "../inputs.ts";
import type { Io } from "../io.ts";
import { gridLines } from "../matrix-text.ts";
import { type Paint, paintFor } from "../paint.ts";
import type { LoadedTest } from "../test-options.ts";
import { loadTests } from "./test.ts";

export interface DemoOptions {
  readonly list?: boolean;
  readonly on?: "model" | "kernel";
  readonly manifests?: boolean;
  readonly podCidr?: readonly string[];
}

/** The package's own examples: beside `dist/` once built, beside `src/` in the repository. */
function examplesFolder(): string {
  let folder = path.dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const candidate = path.join(folder, "examples");
    if (existsSync(path.join(candidate, "go-demo-2"))) return candidate;
    const parent = path.dirname(folder);
    if (parent === folder)
      throw new OpError("the examples are not where the package should have them", { code: "not-found" });
    folder = parent;
  }
}

function walkthroughs(examples: string): string[] {
  return readdirSync(examples)
    .filter((name) => existsSync(path.join(examples, name, `${name}.test.yaml`)))
    .sort();
}

export async function runDemo(io: Io, name: string, options: DemoOptions): Promise<number> {
  const examples = examplesFolder();
  const names = walkthroughs(examples);
  if (options.list) {
    for (const known of names) io.out(known);
    return 0;
  }
  if (!names.includes(name)) {
    throw new OpError(`there is no walkthrough ${name}; there are ${names.join(", ")}`, {
      code: "not-found",
    });
  }
  const folder = path.join(examples, name);
  if (options.manifests) {
    for (const file of readdirSync(folder).sort()) {
      if (/\.ya?ml$/.test(file))
        io.out(`# ${file}\n${readFileSync(path.join(folder, file), "utf8").trimEnd()}\n---`);
    }
    return 0;
  }
  const problem = options.on === "model" ? "--on model was asked for" : kernelProblem();
  if (problem === undefined) enterKernel();
  else if (options.on === "kernel") enterKernel();
  const [loaded] = await loadTests({ ...io, folder }, [`${name}.test.yaml`]);
  if (!loaded) throw new OpError(`${name} holds no test`, { code: "not-found" });
  reportIssues(io, loaded.issues, false);
  const paint = paintFor(io);
  if (problem !== undefined) io.out(paint.warn(`No real packets: ${problem}. The model answers alone.`));
  const kernel =
    problem === undefined ? new (await import("../../lab/kernel-judge.ts")).KernelJudge() : undefined;
  try {
    return await new Demo(io, loaded, kernel, options).play();
  } finally {
    await kernel?.close();
  }
}

interface Cell {
  readonly model: Observation;
  readonly measured: Observation | undefined;
}

class Demo {
  readonly #io: Io;
  readonly #paint: Paint;
  readonly #loaded: LoadedTest;
  readonly #model = new ModelJudge();
  readonly #kernel: Judge | undefined;
  readonly #cluster: Cluster;
  #before = new Map<string, Observation>();
  #wrong = 0;
  #disagreed = 0;
  #packets = 0;

  /** @param kernel - undefined: the model answers alone */
  constructor(io: Io, loaded: LoadedTest, kernel: Judge | undefined, options: DemoOptions) {
    this.#io = io;
    this.#paint = paintFor(io);
    this.#loaded = loaded;
    this.#kernel = kernel;
    this.#cluster = new Cluster(
      clusterOptions([...loaded.manifests, ...[...loaded.applied.values()].flat()], options),
    );
  }

  async play(): Promise<number> {
    const { test } = this.#loaded;
    const stages = planStages(test, this.#loaded);
    const started = performance.now();
    for (const [index, stage] of stages.entries()) await this.#stage(stage, test.steps[index - 1], index);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    await this.#kernel?.close();
    this.#io.out("");
    if (this.#kernel) {
      const verdict =
        this.#disagreed === 0
          ? this.#paint.good("the model and the kernel agreed on every one")
          : this.#paint.bad(`the model and the kernel disagreed on ${this.#disagreed}`);
      this.#io.out(`${this.#packets} connections tried with real packets in ${seconds} s; ${verdict}.`);
      this.#io.out("All namespaces are gone again; nothing on this machine was changed.");
    } else {
      this.#io.out(`${this.#packets} connections judged by the model.`);
    }
    if (this.#wrong > 0)
      this.#io.out(this.#paint.bad(`${this.#wrong} did not come out as the walkthrough says.`));
    if (this.#disagreed > 0) return 6;
    return this.#wrong === 0 ? 0 : 1;
  }

  async #stage(stage: Stage, step: Step | undefined, index: number): Promise<void> {
    stage.change(this.#cluster);
    const change = this.#cluster.sync();
    const began = performance.now();
    await this.#model.follow(this.#cluster);
    await this.#kernel?.follow(this.#cluster, change);
    const tookMs = performance.now() - began;
    if (index === 0) this.#introduce(tookMs);
    this.#io.out("");
    this.#io.out(
      this.#paint.bold(
        `── ${index}. ${stage.name === "" ? "no policy: every pod reaches every pod" : stage.name}`,
      ),
    );
    for (const line of step
      ? commandLines(step)
      : this.#loaded.test.manifests.map((file) => `kubectl create -f ${file}`)) {
      this.#io.out(this.#paint.dim(`   $ ${line}`));
    }
    if (step && this.#kernel)
      this.#io.out(
        this.#paint.dim(
          `     in force on ${this.#cluster.plan.nodes.length} of ${this.#cluster.plan.nodes.length} nodes after ${tookMs.toFixed(1)} ms`,
        ),
      );
    const cases = stage.cases(this.#cluster);
    const questions = cases.map(({ question }) => question);
    const model = this.#model.ask(questions);
    const measured = await this.#kernel?.ask(questions);
    this.#show(
      cases,
      model.map((observation, at) => ({ model: observation, measured: measured?.[at] })),
    );
  }

  #introduce(tookMs: number): void {
    const { nodes, pods } = this.#cluster.plan;
    const how = this.#kernel
      ? `network namespaces with nftables, built in ${tookMs.toFixed(0)} ms`
      : "in the model";
    this.#io.out(`${this.#loaded.test.name}: ${nodes.length} nodes and ${pods.length} pods, ${how}`);
    for (const { key, node, addresses } of pods)
      this.#io.out(this.#paint.dim(`   ${key.padEnd(28)} ${addresses.join(" ").padEnd(16)} ${node}`));
  }

  #show(cases: readonly TestCase[], cells: readonly Cell[]): void {
    const names = [...new Set(cases.map(({ question }) => question.from))];
    const at = new Map(cases.map(({ question }, index) => [`${question.from} ${question.to}`, cells[index]]));
    const final = (cell: Cell | undefined): Observation["outcome"] =>
      (cell?.measured ?? cell?.model)?.outcome ?? "deny";
    const grid = names.map((from) => names.map((to) => final(at.get(`${from} ${to}`))));
    this.#io.out("");
    for (const line of gridLines(names, grid, this.#paint)) this.#io.out(`   ${line}`);
    const disagreed = cells.filter(
      ({ model, measured }) => measured && measured.outcome !== model.outcome,
    ).length;
    const wrong = cases.filter(({ expected }, index) => final(cells[index]) !== expected).length;
    this.#packets += cells.length;
    this.#disagreed += disagreed;
    this.#wrong += wrong;
    const { protocol, port } = cases[0]?.question ?? { protocol: "TCP", port: undefined };
    const open = cells.filter((cell) => final(cell) === "allow").length;
    this.#io.out("");
    this.#io.out(
      `   ${protocol}${port === undefined ? "" : ` ${port}`}: ${open} of ${cells.length} ${this.#kernel ? "answered" : "allowed"}${this.#kernel ? (disagreed === 0 ? "; the model says the same of each" : this.#paint.bad(`; the model says otherwise of ${disagreed}`)) : ""}`,
    );
    this.#changes(cases, cells);
  }

  /** What is new since the step before, told once for each reason. */
  #changes(cases: readonly TestCase[], cells: readonly Cell[]): void {
    const now = new Map(
      cases.map(({ question }, index) => [`${question.from} ${question.to}`, cells[index]?.model]),
    );
    const byReason = new Map<string, { outcome: string; pairs: [string, string][] }>();
    for (const { question } of cases) {
      const pair = `${question.from} ${question.to}`;
      const before = this.#before.get(pair);
      const after = now.get(pair);
      if (!after || !before || before.outcome === after.outcome) continue;
      // Whoever the connection goes to, the reason is the same.
      const reason = after.because
        .replaceAll(` of ${question.to}:`, "")
        .replaceAll(` of ${question.from}:`, "");
      const known = byReason.get(`${after.outcome} ${reason}`) ?? { outcome: after.outcome, pairs: [] };
      byReason.set(`${after.outcome} ${reason}`, known);
      known.pairs.push([question.from, question.to]);
    }
    for (const [key, { outcome, pairs }] of byReason) {
      const word = outcome === "allow" ? this.#paint.good("now open") : this.#paint.bad("now closed");
      const from = this.#workloads(pairs.map(([source]) => source));
      const to = this.#workloads(pairs.map(([, destination]) => destination));
      this.#io.out(`   ${word}: ${pairs.length} of them, ${from} → ${to}`);
      this.#io.out(`     ${key.slice(outcome.length + 1)}`);
    }
    if (this.#before.size > 0 && byReason.size === 0) this.#io.out("   nothing changed");
    this.#before = new Map(
      [...now].flatMap(([pair, observation]) => (observation ? [[pair, observation]] : [])),
    );
  }

  /** Pods by what people know them by, each once. */
  #workloads(pods: readonly string[]): string {
    const names = pods.map((id) => {
      const workload = this.#cluster.pods.get(id)?.workload;
      return workload ? workload.name : id.slice(id.indexOf("/") + 1);
    });
    return [...new Set(names)].sort().join(", ");
  }
}

function commandLines(step: Step): string[] {
  const labels = step.label.map(({ kind, name, labels: set }) => {
    const words = Object.entries(set).map(([key, value]) => (value === null ? `${key}-` : `${key}=${value}`));
    return `kubectl label ${kind.toLowerCase()} ${name} ${words.join(" ")}`;
  });
  return [
    ...step.delete.map(({ kind, name }) => `kubectl delete ${kind.toLowerCase()} ${name}`),
    ...step.apply.map((entry) =>
      typeof entry === "string" ? `kubectl apply -f ${entry}` : "kubectl apply -f -",
    ),
    ...labels,
  ];
}
