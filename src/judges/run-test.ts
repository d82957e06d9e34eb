/** @module Plays a ConnectivityTest before one judge or several, and compares. */

import { Cluster, type ClusterOptions } from "../analysis/cluster.ts";
import type { Question } from "../analysis/question.ts";
import { OpError } from "../base/errors.ts";
import type { Judge, JudgeName, Observation } from "./judge.ts";
import { questionKey } from "./judge.ts";
import type { Stage, TestCase } from "./test-plan.ts";

export interface CaseResult {
  readonly step: string;
  readonly judge: JudgeName;
  readonly from: string;
  readonly to: string;
  readonly port: number | string | undefined;
  readonly protocol: string;
  readonly established: boolean;
  readonly expected: "allow" | "deny";
  readonly actual: Observation["outcome"];
  readonly because: string;
  readonly path: string;
  readonly passed: boolean;
}

/** Two judges that answered one question differently: a fault of Tortie's, whatever was expected. */
export interface Disagreement {
  readonly step: string;
  readonly path: string;
  readonly from: string;
  readonly to: string;
  readonly answers: readonly {
    readonly judge: JudgeName;
    readonly actual: Observation["outcome"];
    readonly because: string;
  }[];
}

/** What a judge holds is not what it should hold: the kernel's table, read back, differs from the wanted one. */
export interface Fault {
  readonly step: string;
  readonly judge: JudgeName;
  readonly fault: string;
}

export interface TestRun {
  readonly cases: readonly CaseResult[];
  readonly disagreements: readonly Disagreement[];
  readonly faults: readonly Fault[];
}

/** @param onStage - told before each stage is asked, for progress */
export async function runStages(
  stages: readonly Stage[],
  judges: readonly Judge[],
  options: {
    readonly cluster?: ClusterOptions;
    readonly onStage?: (stage: Stage, cases: number) => void;
  } = {},
): Promise<TestRun> {
  const cluster = new Cluster(options.cluster);
  const cases: CaseResult[] = [];
  const disagreements: Disagreement[] = [];
  const faults: Fault[] = [];
  const opened = new Map<Judge, Set<string>>(judges.map((judge) => [judge, new Set()]));
  for (const [index, stage] of stages.entries()) {
    stage.change(cluster);
    const change = cluster.sync();
    const asked = stage.cases(cluster);
    options.onStage?.(stage, asked.length);
    const answers = new Map<Judge, readonly Observation[]>();
    for (const judge of judges) {
      await judge.follow(cluster, change);
      answers.set(judge, await observe(judge, asked));
      for (const fault of (await judge.audit?.()) ?? [])
        faults.push({ step: stage.name, judge: judge.name, fault });
      await openForLater(judge, opened.get(judge) ?? new Set(), stages.slice(index + 1));
    }
    const results = compare(stage, asked, answers);
    // One by one: a matrix over a thousand pods has more cases than a call may have arguments.
    for (const entry of results.cases) cases.push(entry);
    for (const entry of results.disagreements) disagreements.push(entry);
  }
  return { cases, disagreements, faults };
}

async function observe(judge: Judge, cases: readonly TestCase[]): Promise<Observation[]> {
  const fresh = cases.filter(({ established }) => !established);
  const answers = await judge.ask(fresh.map(({ question }) => question));
  const byCase = new Map(fresh.map((entry, index) => [entry, answers[index]]));
  const observations: Observation[] = [];
  for (const entry of cases) {
    observations.push(byCase.get(entry) ?? (await judge.check(entry.question)));
  }
  return observations;
}

/** Connections that later steps ask about are opened as early as they can be. */
async function openForLater(judge: Judge, opened: Set<string>, later: readonly Stage[]): Promise<void> {
  for (const { question } of later.flatMap((stage) => stage.establishedCases)) {
    const key = questionKey(question);
    if (!opened.has(key) && (await tryToOpen(judge, question))) opened.add(key);
  }
}

/** One of the pods may not be there yet. */
async function tryToOpen(judge: Judge, question: Question): Promise<boolean> {
  try {
    return await judge.open(question);
  } catch (error) {
    if (error instanceof OpError && error.code === "not-found") return false;
    throw error;
  }
}

/** Each judge's answers against what was expected, and against one another. */
function compare(
  stage: Stage,
  asked: readonly TestCase[],
  answers: ReadonlyMap<Judge, readonly Observation[]>,
): Pick<TestRun, "cases" | "disagreements"> {
  const cases: CaseResult[] = [];
  const disagreements: Disagreement[] = [];
  for (const [index, { question, expected, established, path }] of asked.entries()) {
    const given: Disagreement["answers"][number][] = [];
    for (const [judge, observations] of answers) {
      const observation = observations[index];
      if (!observation) continue;
      const { outcome: actual, because } = observation;
      given.push({ judge: judge.name, actual, because });
      const { from, to, port, protocol } = question;
      cases.push({
        step: stage.name,
        judge: judge.name,
        from,
        to,
        port,
        protocol,
        established,
        expected,
        actual,
        because,
        path,
        passed: actual === expected,
      });
    }
    if (new Set(given.map(({ actual }) => actual)).size > 1) {
      disagreements.push({ step: stage.name, path, from: question.from, to: question.to, answers: given });
    }
  }
  return { cases, disagreements };
}
