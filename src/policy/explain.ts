/** @module Verdicts in words: one line for tables and logs, a short text for people, plain data for programs. */
import { unreachable } from "../base/errors.ts";
import { formatIp } from "../base/ip.ts";
import { formatPosition } from "../base/issue.ts";
import { type Flow, hasPorts, type Origin, type Party, type Policy, protocolName } from "./model.ts";
import { portText, ruleText } from "./rule-text.ts";
import { endingRule, type PointTrace, type TierStep } from "./trace.ts";
import type { Decision, DirectionVerdict, HostVerdict, RuleMatch, Stage, Verdict } from "./verdict.ts";

export function partyName(party: Party): string {
  switch (party.kind) {
    case "endpoint":
      return party.endpoint.id;
    case "node":
      return `node ${party.node}`;
    case "outside":
      return formatIp(party.address);
    default:
      return unreachable(party);
  }
}

/** `TCP 8080`, `ICMP type 8 code 0`, `protocol 47`. */
export function packetName(flow: Flow): string {
  const name = protocolName(flow.protocol);
  if (flow.icmp) return `${name} type ${flow.icmp.type} code ${flow.icmp.code}`;
  return hasPorts(flow.protocol) && flow.destinationPort !== undefined
    ? `${name} ${flow.destinationPort}`
    : name;
}

/** `go-demo-policy.yaml:24:7`, or "" where no file is behind the object. */
export function originPosition(origin: Origin): string {
  const position = origin.source.locate(origin.path);
  return position ? formatPosition(position) : "";
}

/** The object, its path, and its place in the file. */
export function originText(origin: Origin): string {
  const position = originPosition(origin);
  return [origin.object, origin.path, position && `(${position})`].filter((part) => part !== "").join(" ");
}

const EXEMPT: Readonly<Record<Extract<Decision, { kind: "exempt" }>["reason"], string>> = {
  outside: "it is outside the cluster, where nothing is enforced",
  node: "policies do not select nodes or pods on the host's network",
  self: "a pod always reaches itself",
  "own-node": "a node always reaches its own pods",
  failsafe: "a failsafe port stays open whatever policies say",
  "neighbour-discovery": "nodes' links need it for IPv6, whatever policies say",
};

const STAGE: Readonly<Record<Stage, string>> = {
  untracked: "untracked",
  "pre-dnat": "before translation",
  normal: "",
  forward: "forwarded",
};

function isHost(side: DirectionVerdict | HostVerdict): side is HostVerdict {
  return "host" in side;
}

/** Whom a side is about: `default/db`, `HostEndpoint eth0 (node node1, forwarded)`. */
export function subjectOf(verdict: Verdict, side: DirectionVerdict | HostVerdict): string {
  if (isHost(side)) {
    const { host, stage, reply } = side;
    const notes = [host.kind === "host" ? `node ${host.node}` : "", STAGE[stage], reply ? "replies" : ""];
    return `${host.id} (${notes.filter((note) => note !== "").join(", ")})`;
  }
  return partyName(side.direction === "egress" ? verdict.flow.source : verdict.flow.destination);
}

function isolatingText(isolating: readonly Policy[], show: (policy: Policy) => string): string {
  const shown = isolating.slice(0, 3).map(show);
  const rest = isolating.length - shown.length;
  return rest > 0 ? `${shown.join(", ")} and ${rest} more` : shown.join(", ");
}

function sideLine(verdict: Verdict, side: DirectionVerdict): string {
  const what = `${side.direction} of ${subjectOf(verdict, side)}`;
  const { decision } = side;
  switch (decision.kind) {
    case "exempt":
      return `${what}: ${EXEMPT[decision.reason]}`;
    case "profile":
      return side.allowed ? `${what}: no policy decides it, so it is open` : `${what}: its profile denies`;
    case "rule":
      return `${what}: ${side.allowed ? "allowed" : "denied"} by ${matchText(decision)}`;
    case "untranslated":
      return `${what}: ${UNTRANSLATED} by ${matchText(decision)}`;
    case "tier-default":
      return `${what}: isolated ${inTier(decision.tier)}by ${isolatingText(decision.isolating, ({ origin }) => originText(origin))}, and no rule allows it`;
    default:
      return unreachable(decision);
  }
}

const UNTRANSLATED = "without connection tracking a Service is not translated, and this is left untracked";

/** Most have one tier alone, which goes without saying. */
function inTier(tier: string): string {
  return tier === "default" ? "" : `in tier ${tier} `;
}

function matchText(match: RuleMatch): string {
  const port = match.port ? `, ${portText(match.port)}` : "";
  return `${originText(match.rule.origin)}${port}`;
}

/** Those that say more than that policy has nothing to say. */
const SPECIAL_EXEMPTIONS: ReadonlySet<string> = new Set([
  "self",
  "own-node",
  "failsafe",
  "neighbour-discovery",
]);

/** One line: the side that decided. An allowed connection names both sides, unless one of them has nothing to say. */
export function becauseLine(verdict: Verdict): string {
  const sides = [verdict.egress, ...verdict.hosts, verdict.ingress];
  const denied = sides.filter((side) => !side.allowed);
  if (denied.length > 0) return denied.map((side) => sideLine(verdict, side)).join("; ");
  const telling = sides.filter(({ decision }) => decision.kind === "rule");
  if (telling.length > 0) return telling.map((side) => sideLine(verdict, side)).join("; ");
  const exempt = sides.find(
    ({ decision }) => decision.kind === "exempt" && SPECIAL_EXEMPTIONS.has(decision.reason),
  );
  return exempt ? sideLine(verdict, exempt) : "no policy governs it on either side";
}

/** `default/web → default/db TCP 5432: ALLOWED`. */
export function headLine(verdict: Verdict): string {
  const { flow, allowed } = verdict;
  return `${partyName(flow.source)} → ${partyName(flow.destination)} ${packetName(flow)}: ${allowed ? "ALLOWED" : "DENIED"}`;
}

/** Several lines for people: the answer first, then each side with its reasons and their places. */
export function explain(verdict: Verdict): string[] {
  return explainWalk(verdict, []);
}

/**
 * As {@link explain}; where more than one tier had a say, each is told, in order.
 * @param traces - of the verdict
 */
export function explainWalk(verdict: Verdict, traces: readonly PointTrace[]): string[] {
  const sides = [verdict.egress, ...verdict.hosts, verdict.ingress];
  return [
    headLine(verdict),
    ...sides.flatMap((side) =>
      sideLines(
        verdict,
        side,
        traces.find((trace) => trace.side === side),
      ),
    ),
  ];
}

/** As wide as `  ingress `. */
const INDENT = 10;

/** What one side says, with its reasons. */
export function sideLines(verdict: Verdict, side: DirectionVerdict, trace?: PointTrace): string[] {
  const { decision } = side;
  const label = isHost(side)
    ? `  ${side.direction.padEnd(7)} of ${subjectOf(verdict, side)} `
    : `  ${side.direction.padEnd(7)} `;
  const indent = " ".repeat(INDENT);
  const state = side.allowed ? "allowed" : "denied";
  const who = subjectOf(verdict, side);
  const walk = trace ? tierLines(trace).map((line) => `${indent}${line}`) : [];
  const passed =
    walk.length > 0
      ? walk
      : side.passing.map(
          (match) =>
            `${indent}${match.rule.action === "pass" ? "passed on" : "logged"} by ${matchText(match)}`,
        );
  switch (decision.kind) {
    case "exempt":
      return [`${label}${state}: ${EXEMPT[decision.reason]}`];
    case "profile":
      return [
        `${label}${state}: ${side.allowed ? `no policy decides the ${side.direction} of ${who}, so it is open` : `the profile of ${who} denies`}`,
        ...passed,
      ];
    case "rule":
      return [`${label}${state} by ${matchText(decision)}`, `${indent}${ruleText(decision.rule)}`, ...passed];
    case "untranslated":
      return [`${label}${state}: ${UNTRANSLATED} by ${matchText(decision)}`, ...passed];
    case "tier-default":
      return [
        `${label}${state}: ${who} is isolated${decision.tier === "default" ? "" : ` in tier ${decision.tier}`}, and no rule of these allows it`,
        ...decision.isolating.map(
          (policy) => `${indent}${originText(policy.origin)}${rulesCount(policy, side)}`,
        ),
        ...passed,
      ];
    default:
      return unreachable(decision);
  }
}

/**
 * Tiers in order, where the answer alone does not tell them: where several had a say, or one had none in the end.
 * `tier platform: applies because of GlobalNetworkPolicy a (a.yaml:1:1); passed on by …`.
 */
function tierLines({ tiers }: PointTrace): string[] {
  const asked = tiers.filter(({ ended }) => ended !== "skipped" && ended !== "not-asked");
  if (asked.length < 2 && !asked.some(({ ended }) => ended === "default-pass")) return [];
  return asked.map((step) => {
    const because = isolatingText(
      step.policies.map(({ policy }) => policy),
      ({ origin }) => originText(origin),
    );
    return [`tier ${step.tier}: applies because of ${because}`, ...loggedTexts(step), endText(step)].join(
      "; ",
    );
  });
}

function loggedTexts({ policies }: TierStep): string[] {
  return policies.flatMap(({ rules }) =>
    rules.flatMap(({ rule, failed }) =>
      rule.action === "log" && failed === undefined ? [`logged by ${originText(rule.origin)}`] : [],
    ),
  );
}

/** How a tier ended, and by which rule. */
function endText({ ended, policies }: TierStep): string {
  const rule = endingRule(policies);
  switch (ended) {
    case "allowed":
    case "denied":
    case "passed":
      return `${ended === "passed" ? "passed on" : ended} by ${rule ? originText(rule.origin) : "a rule"}`;
    case "default-deny":
      return "no rule decides, and its end denies";
    case "default-pass":
      return "no rule decides, and its end passes on";
    case "skipped":
    case "not-asked":
      return "not asked";
    default:
      return unreachable(ended);
  }
}

function rulesCount(policy: Policy, side: DirectionVerdict): string {
  const governed = policy[side.direction];
  const count = governed.governs ? governed.rules.length : 0;
  if (count === 0) return ": no rules";
  const logs = side.passing.some((match) => match.policy.id === policy.id && match.rule.action === "log");
  return `: ${count} rule${count === 1 ? "" : "s"}, ${logs ? "and those that match only log" : "no match"}`;
}

// ── for programs ────────────────────────────────────────────────────────────────────────────────────────────────

export interface OriginData {
  readonly object: string;
  readonly path: string;
  readonly position: string;
}

export interface SideData {
  readonly allowed: boolean;
  readonly decision: Decision["kind"];
  readonly reason?: string;
  readonly tier?: string;
  readonly rule?: OriginData & { readonly action: string; readonly policy: string; readonly port?: string };
  readonly isolatedBy?: readonly OriginData[];
  readonly passing?: readonly (OriginData & { readonly action: string })[];
}

export interface VerdictData {
  readonly from: string;
  readonly to: string;
  readonly fromAddress: string;
  readonly toAddress: string;
  readonly protocol: string;
  readonly port?: number;
  readonly allowed: boolean;
  readonly because: string;
  readonly egress: SideData;
  readonly ingress: SideData;
  /** Present where host endpoints are on the way. */
  readonly hosts?: readonly (SideData & {
    readonly hostEndpoint: string;
    readonly node: string;
    readonly direction: string;
    readonly stage: string;
    readonly reply: boolean;
  })[];
}

export function originData(origin: Origin): OriginData {
  return { object: origin.object, path: origin.path, position: originPosition(origin) };
}

function sideData(side: DirectionVerdict): SideData {
  const { decision } = side;
  return {
    allowed: side.allowed,
    decision: decision.kind,
    ...(decision.kind === "exempt" && { reason: decision.reason }),
    ...((decision.kind === "rule" || decision.kind === "untranslated") && {
      tier: decision.policy.tier,
      rule: {
        ...originData(decision.rule.origin),
        action: decision.rule.action,
        policy: decision.policy.id,
        ...(decision.port && { port: portText(decision.port) }),
      },
    }),
    ...(decision.kind === "tier-default" && {
      tier: decision.tier,
      isolatedBy: decision.isolating.map(({ origin }) => originData(origin)),
    }),
    ...(side.passing.length > 0 && {
      passing: side.passing.map(({ rule }) => ({ ...originData(rule.origin), action: rule.action })),
    }),
  };
}

export function verdictData(verdict: Verdict): VerdictData {
  const { flow } = verdict;
  return {
    from: partyName(flow.source),
    to: partyName(flow.destination),
    fromAddress: formatIp(flow.source.address),
    toAddress: formatIp(flow.destination.address),
    protocol: protocolName(flow.protocol),
    ...(flow.destinationPort !== undefined && { port: flow.destinationPort }),
    allowed: verdict.allowed,
    because: becauseLine(verdict),
    egress: sideData(verdict.egress),
    ingress: sideData(verdict.ingress),
    ...(verdict.hosts.length > 0 && {
      hosts: verdict.hosts.map((side) => ({
        ...sideData(side),
        hostEndpoint: side.host.id,
        node: side.host.node,
        direction: side.direction,
        stage: side.stage,
        reply: side.reply,
      })),
    }),
  };
}
