/** @module Judges and tests: play a ConnectivityTest before the model and the compiled ruleset. */
export type { Judge, JudgeName, Observation } from "./judge.ts";
export { ModelJudge } from "./model-judge.ts";
export { RulesetJudge } from "./ruleset-judge.ts";
export { type CaseResult, type Disagreement, runStages, type TestRun } from "./run-test.ts";
export { planStages, type Stage, type TestCase, type TestFiles } from "./test-plan.ts";
