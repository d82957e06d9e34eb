/** @module `tortie test FILE...`: ConnectivityTests, on the model, the compiled ruleset and the kernel. */

import { writeFile } from "node:fs/promises";
import path from "node:path";
import { OpError } from "../../base/errors.ts";
import { formatPosition, type Issue } from "../../base/issue.ts";
import type { Judge, JudgeName } from "../../judges/judge.ts";
import { ModelJudge } from "../../judges/model-judge.ts";
import { type EnforcementOptions, RulesetJudge } from "../../judges/ruleset-judge.ts";
import { runStages, type TestRun } from "../../judges/run-test.ts";
import { planStages } from "../../judges/test-plan.ts";
import { TEST_KIND } from "../../resources/decode/kinds.ts";
import { decodeTexts, decodeValue, type InputText } from "../../resources/load.ts";
import type { KubernetesObject } from "../../resources/object.ts";
import { sourceInside } from "../../resources/source.ts";
import type { ConnectivityTest } from "../../resources/tortie/types.ts";
import { clusterOptions, reportIssues } from "../inputs.ts";
import type { Io } from "../io.ts";
import { junit } from "../junit.ts";
import { paintFor } from "../paint.ts";
import { readInputs } from "../read-files.ts";
import type { LoadedTest, TestOptions } from "../test-options.ts";
import { caseTitle, type FileResult } from "../test-result.ts";

export type JudgeChoice = JudgeName | "all";

const CHOICES: readonly JudgeChoice[] = ["model", "ruleset", "kernel", "all"];

/** @throws OpError `input-invalid` */
export function parseJudges(text: string | undefined): readonly JudgeName[] {
  const choice = CHOICES.find((candidate) => candidate === (text ?? "model"));
  if (!choice) throw new OpError(`--on ${text}: one of ${CHOICES.join(", ")}`, { code: "input-invalid" });
  return choice === "all" ? ["model", "ruleset", "kernel"] : [choice];
}

/** Judges are made for one file and closed after it. */
export async function makeJudges(
  names: readonly JudgeName[],
  enforcement: EnforcementOptions = {},
): Promise<Judge[]> {
  const judges: Judge[] = [];
  for (const name of names) {
    if (name === "model") judges.push(new ModelJudge());
    else if (name === "ruleset") judges.push(new RulesetJudge(enforcement));
    // Loading the kernel's bindings costs time that no other judge needs.
    else judges.push(new (await import("../../lab/kernel-judge.ts")).KernelJudge(enforcement));
  }
  return judges;
}

/**
 * Reads the tests in the given files, and every file that they name. Tests stand beside manifests: files of a folder or
 * glob that speak of no ConnectivityTest are passed over.
 * @throws OpError `input-invalid` where there is no test, and as `readInputs`
 */
export async function loadTests(
  io: Io,
  paths: readonly string[],
  exclude: readonly string[] = [],
): Promise<LoadedTest[]> {
  const loaded: LoadedTest[] = [];
  const texts = await readInputs(paths, { folder: io.folder, stdin: io.stdin, exclude });
  for (const { file, text, scanned } of texts) {
    if (scanned && !text.includes(TEST_KIND)) continue;
    const { tests, issues } = decodeTexts([{ file, text }]);
    const isBroken = issues.some(({ severity }) => severity === "error");
    if (tests.length === 0 && !isBroken) {
      if (scanned) continue;
      throw new OpError(`${file}: there is no ConnectivityTest in it`, { code: "input-invalid" });
    }
    if (tests.length === 0)
      loaded.push({ file, test: EMPTY_TEST, manifests: [], applied: new Map(), issues });
    for (const [index, test] of tests.entries()) {
      const own = [...(index === 0 ? issues : []), ...expectsNothing(test)];
      loaded.push(await loadNamedFiles(io, { file, test, issues: own, exclude }));
    }
  }
  if (loaded.length === 0)
    throw new OpError(`${paths.join(", ")}: no file with a ConnectivityTest`, { code: "input-invalid" });
  return loaded;
}

/** A test that asks nothing passes whatever the policies are, which its author should hear. */
function expectsNothing(test: ConnectivityTest): Issue[] {
  if ([test, ...test.steps].some(({ probes, matrix }) => probes.length + matrix.length > 0)) return [];
  const position = test.source.locate("spec");
  return [
    {
      code: "no-expectation",
      severity: "warning",
      object: `ConnectivityTest ${test.name}`,
      path: "spec",
      message: "nothing is asked: no probes and no matrix, in no step either",
      ...(position && { position }),
    },
  ];
}

const EMPTY_TEST: ConnectivityTest = {
  kind: "ConnectivityTest",
  name: "",
  source: { file: "", locate: () => undefined },
  manifests: [],
  objects: [],
  cluster: { nodes: [], namespaces: [], pods: [] },
  probes: [],
  matrix: [],
  steps: [],
};

async function loadNamedFiles(
  io: Io,
  {
    file,
    test,
    issues: ownIssues,
    exclude,
  }: Pick<LoadedTest, "file" | "test" | "issues"> & { readonly exclude: readonly string[] },
): Promise<LoadedTest> {
  const folder = path.dirname(path.resolve(io.folder, file));
  const shown = path.dirname(file);
  const issues = [...ownIssues];
  const read = async (entry: string, at: string): Promise<readonly InputText[]> => {
    try {
      const texts = await readInputs([entry], { folder, exclude, excludeFrom: io.folder });
      return texts.map((text) => ({ ...text, file: path.join(shown, text.file) }));
    } catch (error) {
      throw located(error, test, at);
    }
  };
  const decode = (texts: readonly InputText[]): readonly KubernetesObject[] => {
    const result = decodeTexts(texts);
    for (const issue of result.issues) issues.push(issue);
    return result.objects;
  };
  const inline = (value: unknown, at: string): readonly KubernetesObject[] => {
    const result = decodeValue(value, sourceInside(test.source, at));
    issues.push(...result.issues);
    return result.objects;
  };
  // Decoded together, so that an object that stands in two of them is told; a file that two entries name is one.
  const texts = new Map<string, InputText>();
  for (const [index, entry] of test.manifests.entries())
    for (const text of await read(entry, `spec.manifests[${index}]`)) texts.set(text.file, text);
  const manifests: KubernetesObject[] = [...decode([...texts.values()])];
  for (const { value, path: at } of test.objects) manifests.push(...inline(value, at));
  const applied = new Map<string, readonly KubernetesObject[]>();
  for (const step of test.steps) {
    for (const [index, entry] of step.apply.entries()) {
      const at = `${step.path}.apply[${index}]`;
      applied.set(
        at,
        typeof entry === "string" ? decode(await read(entry, at)) : inline(entry.value, entry.path),
      );
    }
  }
  return { file, test, manifests, applied, issues };
}

/** Adds the place in the test where the trouble was asked for. */
function located(error: unknown, test: ConnectivityTest, at: string): unknown {
  if (!(error instanceof OpError)) return error;
  const position = test.source.locate(at);
  const place = position ? `${formatPosition(position)}: ` : `${test.source.file}: `;
  return new OpError(`${place}${at}: ${error.message}`, {
    code: error.code,
    facts: error.facts,
    cause: error,
  });
}

export async function playTest(
  loaded: LoadedTest,
  judges: readonly Judge[],
  options: {
    readonly podCidr?: readonly string[];
    readonly staged?: boolean;
    readonly onStage?: (stage: string, cases: number) => void;
  } = {},
): Promise<TestRun> {
  const { test, manifests, applied } = loaded;
  const podCidr = options.podCidr ?? [];
  const objects = [...manifests, ...[...applied.values()].flat()];
  const spokenOf = [
    ...test.cluster.pods.flatMap(({ ips }) => ips),
    ...[test, ...test.steps].flatMap(({ probes }) => probes.flatMap(({ from, to }) => [from, to])),
  ];
  try {
    return await runStages(planStages(test, { manifests, applied }), judges, {
      cluster: clusterOptions(objects, { spokenOf, podCidr, staged: options.staged === true }),
      onStage: (stage, cases) => options.onStage?.(stage.name, cases),
    });
  } catch (error) {
    throw located(error, test, error instanceof OpError ? String(error.facts["path"] ?? "") : "");
  }
}

export async function runTest(io: Io, paths: readonly string[], options: TestOptions): Promise<number> {
  const names = parseJudges(options.on);
  const live =
    options.context === undefined
      ? undefined
      : await (await import("../live-tests.ts")).liveTests(io, options);
  if (!live && names.includes("kernel")) (await import("../enter-kernel.ts")).enterKernel();
  const named = await loadTests(io, paths, options.exclude);
  const tests = live ? named.map((loaded) => live.over(loaded)) : named;
  reportIssues(
    io,
    tests.flatMap(({ issues }) => issues),
    options.keepGoing === true,
  );
  const results: FileResult[] = [];
  for (const [index, loaded] of tests.entries()) {
    const judges = live
      ? live.judges()
      : await makeJudges(names, options.denyWith ? { denyWith: options.denyWith } : {});
    try {
      const run = await playTest(loaded, judges, {
        ...(options.podCidr && { podCidr: options.podCidr }),
        staged: options.staged === true,
        onStage: (stage, count) =>
          io.progress(
            `${index + 1}/${tests.length} ${loaded.file}${stage ? `: ${stage}` : ""} (${count} probes)`,
          ),
      });
      results.push({ file: loaded.file, name: loaded.test.name, run, test: loaded.test });
    } finally {
      for (const judge of judges) await judge.close();
    }
  }
  await writeResults(io, results, options);
  if (results.some(({ run }) => run.disagreements.length > 0 || run.faults.length > 0)) return 6;
  return results.some(({ run }) => run.cases.some(({ passed }) => !passed)) ? 1 : 0;
}

async function writeResults(io: Io, results: readonly FileResult[], options: TestOptions): Promise<void> {
  if (options.junit !== undefined) await save(path.resolve(io.folder, options.junit), junit(results));
  const cases = results.flatMap(({ run }) => run.cases);
  const passed = cases.filter((entry) => entry.passed).length;
  if (options.json || options.output === "json") io.out(JSON.stringify(resultData(results), null, 2));
  else if (options.output === "yaml")
    io.out((await import("../output.ts")).structured("yaml", resultData(results)));
  else {
    for (const result of results) tellFile(io, result, options.verbose === true);
    io.out(`${passed} passed, ${cases.length - passed} failed`);
  }
}

/** @throws OpError `output-failed` */
async function save(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text);
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
    throw new OpError(`${file} could not be written: ${code}`, { code: "output-failed", cause });
  }
}

function resultData(results: readonly FileResult[]): unknown {
  const cases = results.flatMap(({ file, name, run }) =>
    run.cases.map(({ step, judge, from, to, port, protocol, established, expected, actual, because }) => ({
      file,
      name,
      step,
      from,
      to,
      port: port ?? null,
      protocol,
      expected,
      actual,
      because,
      judge,
      ...(established && { established }),
    })),
  );
  const failed = results.flatMap(({ run }) => run.cases).filter((entry) => !entry.passed).length;
  const disagreements = results.flatMap(({ file, name, run }) =>
    run.disagreements.map((entry) => ({ file, name, ...entry })),
  );
  const faults = results.flatMap(({ file, name, run }) =>
    run.faults.map((entry) => ({ file, name, ...entry })),
  );
  return {
    passed: cases.length - failed,
    failed,
    cases,
    ...(disagreements.length > 0 && { disagreements }),
    ...(faults.length > 0 && { faults }),
  };
}

function tellFile(io: Io, { file, name, run, test }: FileResult, verbose: boolean): void {
  const paint = paintFor(io);
  const failed = run.cases.filter(({ passed }) => !passed);
  const sound = failed.length === 0 && run.disagreements.length === 0 && run.faults.length === 0;
  const sign = sound ? paint.good("✓") : paint.bad("✕");
  io.out(
    `${sign} ${name} ${paint.dim(`(${file}: ${run.cases.length - failed.length} of ${run.cases.length})`)}`,
  );
  for (const entry of verbose ? run.cases : failed) {
    const position = test.source.locate(entry.path);
    const place = position ? `${formatPosition(position)}: ` : "";
    const step = entry.step === "" ? "" : `[${entry.step}] `;
    const head = entry.passed ? paint.good("✓") : paint.bad("✕");
    io.out(
      `  ${head} ${place}${step}${caseTitle(entry)}: expected ${entry.expected}, ${entry.judge} says ${entry.actual}`,
    );
    io.out(paint.dim(`      ${entry.because}`));
  }
  for (const { step, judge, fault } of run.faults) {
    io.out(paint.bad(`  ! the ${judge} does not hold what it should${step ? ` in ${step}` : ""}: ${fault}`));
  }
  for (const { step, from, to, answers } of run.disagreements) {
    io.out(
      paint.bad(
        `  ! the judges disagree${step ? ` in ${step}` : ""}: ${from} → ${to}: ${answers.map(({ judge, actual }) => `${judge} says ${actual}`).join(", ")}`,
      ),
    );
    for (const { judge, because } of answers) io.out(paint.dim(`      ${judge}: ${because}`));
  }
}
