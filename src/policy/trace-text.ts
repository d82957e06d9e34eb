/** @module The whole walk of a connection for people, as an indented tree, and for programs, as data. */
import { unreachable } from "../base/errors.ts";
import { headLine, type OriginData, originData, originText, sideLines, subjectOf } from "./explain.ts";
import type { Rule } from "./model.ts";
import { ruleText } from "./rule-text.ts";
import type { PointTrace, PolicyStep, RuleStep, TierStep } from "./trace.ts";
import type { DirectionVerdict, HostVerdict, Verdict } from "./verdict.ts";

/** Rules of one policy that are shown although they do not match, unless all are asked for. */
const MOST_RULES = 20;

/**
 * Every tier, in it every policy that selects the endpoint, in it every rule that was looked at, with what the connection
 * is not where it does not match.
 * @param mostRules - rules a policy that do not match; those beyond are counted. 20 where left out
 */
export function traceLines(
  verdict: Verdict,
  traces: readonly PointTrace[],
  mostRules: number = MOST_RULES,
): string[] {
  return [headLine(verdict), ...traces.flatMap((trace) => pointLines(verdict, trace, mostRules))];
}

function pointLines(verdict: Verdict, trace: PointTrace, mostRules: number): string[] {
  const { side, tiers, profiles } = trace;
  // Who is exempt has no walk: the reason is all there is.
  if (tiers.length === 0) return sideLines(verdict, side);
  const allowed = side.allowed ? "allowed" : "denied";
  return [
    `  ${side.direction} of ${subjectOf(verdict, side)}: ${allowed}`,
    ...tiers.flatMap((tier) => tierTree(tier, mostRules)),
    ...profiles.flatMap((profile) => policyTree(profile, mostRules, "    ")),
    ...(side.decision.kind === "profile"
      ? [`    no policy decides: the profile ${side.allowed ? "allows" : "denies"}`]
      : []),
    ...(side.decision.kind === "untranslated" ? sideLines(verdict, side).slice(0, 1) : []),
  ];
}

function tierTree(tier: TierStep, mostRules: number): string[] {
  return [
    `    tier ${tier.tier}${tierNote(tier)}`,
    ...tier.policies.flatMap((policy) => policyTree(policy, mostRules, "      ")),
    ...tierEnd(tier).map((line) => `      ${line}`),
  ];
}

function tierNote({ ended }: TierStep): string {
  if (ended === "skipped") return ": no policy of it governs this";
  return ended === "not-asked" ? ": not asked, since it was decided before" : "";
}

function tierEnd({ ended }: TierStep): string[] {
  switch (ended) {
    case "default-deny":
      return ["end of the tier: denied, since policies apply and no rule decides"];
    case "default-pass":
      return ["end of the tier: passed on to the next one"];
    case "allowed":
    case "denied":
    case "passed":
    case "skipped":
    case "not-asked":
      return [];
    default:
      return unreachable(ended);
  }
}

function policyTree({ policy, rules, isReached }: PolicyStep, mostRules: number, indent: string): string[] {
  const head = `${indent}${originText(policy.origin)}`;
  if (!isReached) return [`${head}: not asked`];
  if (rules.length === 0) return [`${head}: no rules`];
  const lines = [head];
  let left = mostRules;
  for (const step of rules) {
    if (step.failed !== undefined && left-- <= 0) continue;
    lines.push(...ruleTree(step, `${indent}  `));
  }
  if (left < 0) lines.push(`${indent}  (and ${-left} more that do not match: --verbose shows them)`);
  return lines;
}

function ruleTree({ rule, failed }: RuleStep, indent: string): string[] {
  const { path, source } = rule.origin;
  const place = originText({ object: "", path, source });
  const what = failed === undefined ? `match: ${CONSEQUENCE[rule.action]}` : `no match: ${failed}`;
  return [`${indent}${place}: ${ruleText(rule)}`, `${indent}  ${what}`];
}

const CONSEQUENCE: Readonly<Record<Rule["action"], string>> = {
  allow: "allowed",
  deny: "denied",
  pass: "passed on to the next tier",
  log: "logged, and on to the next rule",
};

// ── for programs ────────────────────────────────────────────────────────────────────────────────────────────────

export interface RuleStepData extends OriginData {
  readonly action: Rule["action"];
  readonly rule: string;
  readonly matched: boolean;
  /** Why not. */
  readonly failed?: string;
}

export interface PolicyStepData extends OriginData {
  readonly asked: boolean;
  readonly rules: readonly RuleStepData[];
}

export interface PointTraceData {
  readonly direction: DirectionVerdict["direction"];
  /** `default/db`, `HostEndpoint eth0`; the address of who is outside. */
  readonly at: string;
  /** Of host endpoints. */
  readonly stage?: HostVerdict["stage"];
  readonly reply?: boolean;
  readonly allowed: boolean;
  readonly decision: DirectionVerdict["decision"]["kind"];
  readonly tiers: readonly {
    readonly tier: string;
    readonly ended: TierStep["ended"];
    readonly policies: readonly PolicyStepData[];
  }[];
  readonly profiles: readonly PolicyStepData[];
}

/** The same as {@link traceLines}, whole. */
export function traceData(verdict: Verdict, traces: readonly PointTrace[]): PointTraceData[] {
  return traces.map(({ side, tiers, profiles }) => ({
    direction: side.direction,
    at: "host" in side ? side.host.id : subjectOf(verdict, side),
    ...("host" in side && { stage: side.stage, reply: side.reply }),
    allowed: side.allowed,
    decision: side.decision.kind,
    tiers: tiers.map(({ tier, ended, policies }) => ({ tier, ended, policies: policies.map(policyData) })),
    profiles: profiles.map(policyData),
  }));
}

function policyData({ policy, rules, isReached }: PolicyStep): PolicyStepData {
  return {
    ...originData(policy.origin),
    asked: isReached,
    rules: rules.map(({ rule, failed }) => ({
      ...originData(rule.origin),
      action: rule.action,
      rule: ruleText(rule),
      matched: failed === undefined,
      ...(failed !== undefined && { failed }),
    })),
  };
}
