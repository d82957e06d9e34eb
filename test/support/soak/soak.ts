/**
 * @module The soak: one cluster of a hundred pods, and for some minutes everything that pods, clients, kills and full disks
 * can do to it, chosen by a seed. In the end nothing may be lost, left, grown or wider than written.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { stillThere } from "../cluster.ts";
import { wordsOf } from "./disturbance.ts";
import { holdingsOf, leaksOf, memoryOf } from "./figures.ts";
import { Lanes, type Tally } from "./lanes.ts";
import { fifthsOf, growthsOf, type MemorySample, mebibytes } from "./memory.ts";
import { Reaches } from "./reaches.ts";
import { Scene } from "./scene.ts";
import { allThere, applySetting, deleteExtras, PODS_IN_ALL } from "./setting.ts";
import { Writes } from "./writes.ts";

const SAMPLE_MS = 1000;
/** Idle connections to the API are kept for two minutes: so long it may take until there are no more than there were. */
const SETTLE_MS = 150_000;
/** What was opened to set up the cluster, and is closed at once. */
const SETTLE_BEFORE_MS = 10_000;

export interface SoakOptions {
  readonly seed: number;
  readonly seconds: number;
  readonly say: (line: string) => void;
}

export interface SoakReport {
  readonly tallies: ReadonlyMap<string, Tally>;
  readonly memory: ReadonlyMap<string, readonly number[]>;
  readonly writes: { readonly acknowledged: number; readonly refused: number };
  readonly reaches: { readonly probes: number; readonly violations: number; readonly unanswered: number };
  /** None: the cluster has held. */
  readonly problems: readonly string[];
}

function machineOf({ cluster }: Scene): string {
  const pid = cluster.pid("machine");
  const found = cluster.everything().find((one) => one.pid === pid);
  return `${pid}, started at ${found?.started}`;
}

function uncaughtOf(scene: Scene): readonly string[] {
  const folder = scene.seen(path.join(scene.cluster.stateFolder, "logs"));
  return readdirSync(folder).flatMap((name) =>
    readFileSync(path.join(folder, name), "utf8")
      .split("\n")
      .filter((line) => line.includes("uncaught"))
      .map((line) => `${name}: ${line}`),
  );
}

/** @returns what there still is more of when it has had time to go */
async function settledLeaks(scene: Scene, before: ReturnType<typeof holdingsOf>): Promise<readonly string[]> {
  scene.hangUp();
  const deadline = performance.now() + SETTLE_MS;
  for (;;) {
    const leaks = leaksOf(before, holdingsOf(scene));
    if (leaks.length === 0 || performance.now() > deadline) return leaks;
    await sleep(SAMPLE_MS);
  }
}

/** Until nothing that was opened to set up the cluster closes any more. */
async function settledHoldings(scene: Scene): Promise<ReturnType<typeof holdingsOf>> {
  scene.hangUp();
  await sleep(SETTLE_BEFORE_MS);
  return holdingsOf(scene);
}

/** @throws Error when the cluster does not start; all that goes wrong later is in the report */
export async function runSoak({ seed, seconds, say }: SoakOptions): Promise<SoakReport> {
  const scene = await Scene.open();
  try {
    if (!scene.disks) say("left out: full disks (this user can mount no small disks)");
    await scene.cluster.up();
    await applySetting(scene);
    return await soak(scene, { seed, seconds, say });
  } finally {
    await scene.cluster.close(false);
    scene.close();
  }
}

async function soak(scene: Scene, { seed, seconds, say }: SoakOptions): Promise<SoakReport> {
  const problems: string[] = [];
  const guarded = async (what: string, body: () => Promise<unknown>): Promise<void> => {
    try {
      await body();
    } catch (error) {
      problems.push(`${what}: ${wordsOf(error)}`);
    }
  };
  const machine = machineOf(scene);
  let began = performance.now();
  const at = (): number => (performance.now() - began) / (seconds * 1000);
  let areLanesOver = false;
  const isOver = (): boolean => areLanesOver;
  const writes = new Writes(scene);
  const reaches = new Reaches(scene);
  const samples: MemorySample[] = [];
  await reaches.start();
  const lanes = new Lanes({
    scene,
    seed,
    isOver: () => at() >= 1,
    afterDisaster: async (what) => {
      say(`${Math.round(at() * seconds)} s: ${what}`);
      await reaches.isRight(`after ${what}`);
    },
  });
  await guarded("warming up", () => lanes.warmUp());
  await deleteExtras(scene);
  await allThere(scene);
  const before = await settledHoldings(scene);
  began = performance.now();
  const sample = async (): Promise<void> => {
    for (; !isOver(); await sleep(SAMPLE_MS)) samples.push({ at: at(), bytes: memoryOf(scene) });
  };
  await Promise.all([
    guarded("disturbances", () => lanes.run()).finally(() => {
      areLanesOver = true;
    }),
    guarded("writes", () => writes.run(isOver)),
    guarded("packets", () => reaches.run(isOver)),
    guarded("memory", sample),
  ]);
  problems.push(...lanes.problems);

  say("everything has been done; what is there now?");
  await guarded("extra pods", () => deleteExtras(scene));
  await guarded("the hundred", () => allThere(scene));
  await guarded("packets", () => reaches.isRight("in the end"));
  await guarded("writes", async () => {
    for (const loss of await writes.losses()) problems.push(`lost write: ${loss}`);
  });
  if (reaches.violations > 0) problems.push(`the denied pod was reached ${reaches.violations} times`);
  await guarded("machine", async () => {
    const now = machineOf(scene);
    if (now !== machine) problems.push(`the machine is another process: ${machine}; now ${now}`);
    for (const line of uncaughtOf(scene)) problems.push(line);
    for (const leak of await settledLeaks(scene, before)) problems.push(`leak: ${leak}`);
  });
  for (const growth of growthsOf(samples)) problems.push(`memory grows: ${growth}`);
  for (const [what, { done, missing }] of lanes.tallies)
    if (done === 0 && missing === undefined) problems.push(`${what}: not once, as long as it ran`);
  await guarded("tortie down", async () => problems.push(...(await leftByDown(scene))));
  return { tallies: lanes.tallies, memory: fifthsOf(samples), writes, reaches, problems };
}

/** What is left when the cluster has gone down. */
async function leftByDown(scene: Scene): Promise<readonly string[]> {
  const processes = scene.cluster.everything();
  scene.hangUp();
  const { status, stderr } = await scene.cluster.tortie("down");
  if (status !== 0) return [`tortie down: exit ${status}: ${stderr}`];
  const left = stillThere(processes).map((pid) => `process ${pid} is left`);
  const files = scene.disks
    ? scene.disks.run(`find ${scene.cluster.runFolder} 2>/dev/null || true`)
    : readdirSync(path.dirname(scene.cluster.runFolder)).join("\n");
  return files.trim() === ""
    ? left
    : [...left, `files are left: ${files.trim().split("\n").slice(0, 5).join(", ")}`];
}

/** For people: what was done, what it cost, and whether it held. */
export function reportLines({ tallies, memory, writes, reaches, problems }: SoakReport): readonly string[] {
  const lines = [`${PODS_IN_ALL} pods, and beside them:`];
  for (const [what, { done, interrupted, missing }] of tallies)
    lines.push(
      missing === undefined
        ? `  ${String(done).padStart(5)}  ${what}${interrupted > 0 ? `, and ${interrupted} that a disaster interrupted` : ""}`
        : `      -  ${what}: left out, ${missing}`,
    );
  lines.push(`writes: ${writes.acknowledged} acknowledged, ${writes.refused} refused`);
  lines.push(
    `packets: ${reaches.probes} to each pod; the denied one reached ${reaches.violations} times, the allowed one silent ${reaches.unanswered} times`,
  );
  lines.push("memory by fifths of the run, in MiB:");
  for (const [name, fifths] of memory) lines.push(`  ${name.padEnd(14)} ${fifths.map(mebibytes).join(" ")}`);
  lines.push(...problems.map((problem) => `PROBLEM: ${problem}`));
  lines.push(problems.length === 0 ? "it has held" : `it has not held: ${problems.length} problems`);
  return lines;
}
