/**
 * @module The whole walk of a connection through tiers, policies and rules, with what failed where nothing matched: what
 * `tortie explain --all` prints. It is read from the model by the reference's own rules, and ends where the verdict did.
 *
 * Cost: every policy's selection once, and every rule of those that apply; for one question, not for thousands.
 */
import { unreachable } from "../base/errors.ts";
import { formatCidr, formatIp } from "../base/ip.ts";
import {
  appliesInStage,
  hasDefaults,
  matchesIcmp,
  matchPorts,
  matchRule,
  namedPortsAt,
  netsMatch,
  selectorCovers,
} from "./evaluate.ts";
import {
  type Direction,
  type Endpoint,
  type EntityMatch,
  type Flow,
  hasPorts,
  type Match,
  nodeOf,
  type Party,
  type Policy,
  PROFILE_TIER,
  protocolName,
  type Rule,
} from "./model.ts";
import { beforeTranslation, type Point } from "./passage.ts";
import { portText, selectorText } from "./rule-text.ts";
import { selects } from "./selector.ts";
import type { DirectionVerdict, HostVerdict, Verdict } from "./verdict.ts";
import { comparePolicies, completeTiers, selectableEndpoint, type World } from "./world.ts";

export interface RuleStep {
  readonly rule: Rule;
  /** What the connection is not, where the rule does not match. */
  readonly failed?: string;
}

export interface PolicyStep {
  readonly policy: Policy;
  /** Those that were looked at, in order. */
  readonly rules: readonly RuleStep[];
  /** False where a rule of an earlier policy had ended the tier. */
  readonly isReached: boolean;
}

/**
 * How a tier ended. `skipped`: no policy of it governs the direction of the endpoint, so it has no say. `not-asked`: an
 * earlier tier had decided.
 */
export type TierEnd =
  | "allowed"
  | "denied"
  | "passed"
  | "default-deny"
  | "default-pass"
  | "skipped"
  | "not-asked";

export interface TierStep {
  readonly tier: string;
  readonly ended: TierEnd;
  /** Those because of which the tier applies, in order. */
  readonly policies: readonly PolicyStep[];
}

/** One endpoint's answer, for one direction and stage. */
export interface PointTrace {
  readonly side: DirectionVerdict | HostVerdict;
  /** All there are, in order; none where the side is exempt, or about a reply, which is told as the verdict tells it. */
  readonly tiers: readonly TierStep[];
  /** Profiles that were asked after them, in order. */
  readonly profiles: readonly PolicyStep[];
}

/** @param verdict - of the same world. @returns a trace a side: the source's, those of host endpoints, the destination's */
export function traceVerdict(world: World, verdict: Verdict): PointTrace[] {
  return [verdict.egress, ...verdict.hosts, verdict.ingress].map((side) => traceSide(world, verdict, side));
}

function traceSide(world: World, { flow }: Verdict, side: DirectionVerdict | HostVerdict): PointTrace {
  const isHost = "host" in side;
  const party = side.direction === "egress" ? flow.source : flow.destination;
  const endpoint = isHost ? side.host : party.kind === "endpoint" ? party.endpoint : undefined;
  if (!endpoint || side.decision.kind === "exempt" || (isHost && side.reply))
    return { side, tiers: [], profiles: [] };
  const stage = isHost ? side.stage : "normal";
  const seen = isHost && isBeforeTranslation(side, flow) ? beforeTranslation(flow) : flow;
  const tiers = walkTiers(world, seen, { endpoint, direction: side.direction, stage });
  const isDecided = tiers.some(({ ended }) => DECIDED.has(ended));
  const profiles = isDecided || stage !== "normal" ? [] : walkProfiles(world, flow, endpoint, side.direction);
  return { side, tiers, profiles };
}

/** Services are translated on the client's node, behind the stages that stand before connection tracking. */
function isBeforeTranslation({ host, stage }: HostVerdict, { source }: Flow): boolean {
  return host.node === nodeOf(source) && (stage === "untracked" || stage === "pre-dnat");
}

const DECIDED: ReadonlySet<TierEnd> = new Set(["allowed", "denied", "default-deny"]);

function walkTiers(world: World, flow: Flow, { endpoint, direction, stage }: Point): TierStep[] {
  const subject = selectableEndpoint(world, endpoint);
  const applying = world.policies.filter(
    (policy) =>
      policy[direction].governs && appliesInStage(policy, stage) && selects(policy.subject, subject),
  );
  const steps: TierStep[] = [];
  let isDecided = false;
  for (const tier of completeTiers(world.tiers, world.policies)) {
    if (tier.name === PROFILE_TIER) continue;
    const policies = applying.filter((policy) => policy.tier === tier.name).sort(comparePolicies);
    if (policies.length === 0 || isDecided) {
      const unasked = policies.map((policy) => ({ policy, rules: [], isReached: false }));
      const ended = policies.length === 0 ? "skipped" : "not-asked";
      steps.push({ tier: tier.name, ended, policies: unasked });
      continue;
    }
    const walked = walkPolicies(world, flow, policies, direction);
    const denies = tier.defaultAction === "deny" && hasDefaults(stage);
    const ended = endOf(walked) ?? (denies ? "default-deny" : "default-pass");
    steps.push({ tier: tier.name, ended, policies: walked });
    isDecided = DECIDED.has(ended);
  }
  return steps;
}

function walkProfiles(world: World, flow: Flow, endpoint: Endpoint, direction: Direction): PolicyStep[] {
  const steps: PolicyStep[] = [];
  for (const id of endpoint.profiles ?? []) {
    const profile = world.policies.find((policy) => policy.id === id);
    if (!profile) break;
    const walked = walkPolicies(world, flow, [profile], direction);
    steps.push(...walked);
    const ended = endOf(walked);
    if (ended === "allowed" || ended === "denied") break;
  }
  return steps;
}

/** @returns what a rule made of the tier; undefined where it went to its end */
function endOf(steps: readonly PolicyStep[]): "allowed" | "denied" | "passed" | undefined {
  const rule = endingRule(steps);
  return rule && ENDED[rule.action];
}

const ENDED = { allow: "allowed", deny: "denied", pass: "passed", log: undefined } as const;

/** The rule that ended the tier, if one did. */
export function endingRule(steps: readonly PolicyStep[]): Rule | undefined {
  const matched = steps.flatMap(({ rules }) => rules.filter(({ failed }) => failed === undefined));
  return matched.find(({ rule }) => rule.action !== "log")?.rule;
}

function walkPolicies(
  world: World,
  flow: Flow,
  policies: readonly Policy[],
  direction: Direction,
): PolicyStep[] {
  const steps: PolicyStep[] = [];
  let isEnded = false;
  for (const policy of policies) {
    const governed = policy[direction];
    const isReached = !isEnded;
    const rules: RuleStep[] = [];
    for (const rule of governed.governs ? governed.rules : []) {
      if (isEnded) break;
      if (matchRule(world, rule, flow)) {
        rules.push({ rule });
        isEnded = rule.action !== "log";
      } else {
        rules.push({ rule, failed: failedClause(world, rule, flow) });
      }
    }
    steps.push({ policy, rules, isReached });
  }
  return steps;
}

/** The first thing that a rule asks for and the connection is not, in words. */
function failedClause(world: World, { match, action }: Rule, flow: Flow): string {
  return (
    failedPacket(match, flow) ??
    failedEntity(world, match.source, "source", flow, action) ??
    failedEntity(world, match.destination, "destination", flow, action) ??
    "it does not match"
  );
}

function failedPacket(
  { family, protocol, notProtocol, icmp, notIcmp }: Match,
  flow: Flow,
): string | undefined {
  const own = flow.destination.address.family;
  if (family !== undefined && family !== own) return `the addresses are IPv${own}, not IPv${family}`;
  if (protocol !== undefined && protocol !== flow.protocol)
    return `the protocol is ${protocolName(flow.protocol)}, not ${protocolName(protocol)}`;
  if (notProtocol === flow.protocol) return `the protocol is ${protocolName(flow.protocol)}`;
  if (icmp && !matchesIcmp(icmp, flow)) return `it is not ICMP of type ${icmp.type}${codeText(icmp.code)}`;
  if (notIcmp && matchesIcmp(notIcmp, flow))
    return `it is ICMP of type ${notIcmp.type}${codeText(notIcmp.code)}`;
  return undefined;
}

function codeText(code: number | undefined): string {
  return code === undefined ? "" : ` code ${code}`;
}

function failedEntity(
  world: World,
  match: EntityMatch,
  side: "source" | "destination",
  flow: Flow,
  action: Rule["action"],
): string | undefined {
  const party = flow[side];
  const who = `the ${side}, ${nameOf(party)},`;
  if (match.selector && !selectorCovers(world, match.selector, party))
    return `${who} is not among ${selectorText(match.selector)}`;
  if (match.notSelector && selectorCovers(world, match.notSelector, party))
    return `${who} is among ${selectorText(match.notSelector)}`;
  if (!netsMatch(match, party.address)) {
    const inside = match.nets && netsMatch({ nets: match.nets }, party.address);
    const nets = (inside ? match.notNets : match.nets) ?? match.notNets ?? [];
    const listed =
      nets.length > SHOWN ? `${nets.length} CIDRs` : nets.map(formatCidr).join(", ") || "any address";
    return `${who} is ${match.nets && !inside ? "not " : ""}in ${listed}`;
  }
  const port = side === "source" ? flow.sourcePort : flow.destinationPort;
  const end = { ports: namedPortsAt(world, party), port, protocol: flow.protocol };
  if (matchPorts(match, end, action)) return undefined;
  if (!hasPorts(flow.protocol)) return `${protocolName(flow.protocol)} has no ports`;
  const shown = port === undefined ? "the client's port" : `${side} port ${port}`;
  return match.notPorts && matchPorts({ ...(match.ports && { ports: match.ports }) }, end, action)
    ? `${shown} is ${match.notPorts.map(portText).join(" or ")}`
    : `${shown} is not ${(match.ports ?? []).map(portText).join(" or ") || "any"}`;
}

const SHOWN = 4;

function nameOf(party: Party): string {
  const address = formatIp(party.address);
  switch (party.kind) {
    case "endpoint":
      return `${party.endpoint.id} (${address})`;
    case "node":
      return `node ${party.node} (${address})`;
    case "outside":
      return address;
    default:
      return unreachable(party);
  }
}
