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
  type Party,
  type Policy,
  protocolName,
  type Rule,
} from "./model.ts";
import { portText, selectorText } from "./rule-text.ts";
import { selects } from "./selector.ts";
import type { DirectionVerdict, HostVerdict, Stage, Verdict } from "./verdict.ts";
import { comparePolicies, completeTiers, selectableEndpoint, type World } from "./world.ts";

export interface RuleStep {
  readonly rule: Rule;
  /** What the connection is not, where the rule does not match. */
  readonly failed?: string;
}

export interface PolicyStep {
  readonly policy: Policy;
  /** Those that were looked at, in order; the last may be the one that ended the tier. */
  readonly rules: readonly RuleStep[];
}

export interface TierStep {
  readonly tier: string;
  /** Those because of which the tier applies at all, in order. Those after the deciding one have no rules looked at. */
  readonly policies: readonly PolicyStep[];
  readonly ended: "allowed" | "denied" | "passed" | "default-deny" | "default-pass";
}

/** One endpoint's answer, for one direction and stage. */
export interface PointTrace {
  readonly verdict: DirectionVerdict | HostVerdict;
  readonly tiers: readonly TierStep[];
  /** Tiers in order that have no policy for the endpoint in this direction: they have no say. */
  readonly skipped: readonly string[];
  readonly profiles: readonly PolicyStep[];
}

/** @param verdict - of the same world; its exempt sides have no walk. Echoes of replies are told as the verdict tells them */
export function traceVerdict(world: World, verdict: Verdict): PointTrace[] {
  return [verdict.egress, ...verdict.hosts, verdict.ingress].map((side) => tracePoint(world, verdict, side));
}

function tracePoint(world: World, { flow }: Verdict, side: DirectionVerdict | HostVerdict): PointTrace {
  const isHost = "host" in side;
  const party = side.direction === "egress" ? flow.source : flow.destination;
  const endpoint = isHost ? side.host : party.kind === "endpoint" ? party.endpoint : undefined;
  if (!endpoint || side.decision.kind === "exempt" || (isHost && side.reply))
    return { verdict: side, tiers: [], skipped: [], profiles: [] };
  return {
    verdict: side,
    ...walkPoint(world, flow, endpoint, side.direction, isHost ? side.stage : "normal"),
  };
}

function walkPoint(
  world: World,
  flow: Flow,
  endpoint: Endpoint,
  direction: Direction,
  stage: Stage,
): Omit<PointTrace, "verdict"> {
  const subject = selectableEndpoint(world, endpoint);
  const applying = world.policies.filter(
    (policy) =>
      policy[direction].governs && appliesInStage(policy, stage) && selects(policy.subject, subject),
  );
  const tiers: TierStep[] = [];
  const skipped: string[] = [];
  for (const tier of completeTiers(world.tiers, world.policies)) {
    const policies = applying.filter((policy) => policy.tier === tier.name).sort(comparePolicies);
    if (policies.length === 0) {
      if (tier.name !== "") skipped.push(tier.name);
      continue;
    }
    const steps = walkPolicies(world, flow, policies, direction);
    const denies = tier.defaultAction === "deny" && hasDefaults(stage);
    const ended = endOf(steps) ?? (denies ? "default-deny" : "default-pass");
    tiers.push({ tier: tier.name, policies: steps, ended });
    if (ended === "allowed" || ended === "denied" || ended === "default-deny")
      return { tiers, skipped, profiles: [] };
  }
  const profiles: PolicyStep[] = [];
  for (const id of stage === "normal" ? (endpoint.profiles ?? []) : []) {
    const profile = world.policies.find((policy) => policy.id === id);
    if (!profile) continue;
    profiles.push(...walkPolicies(world, flow, [profile], direction));
    const ended = endOf(profiles);
    if (ended === "allowed" || ended === "denied") break;
  }
  return { tiers, skipped, profiles };
}

/** @returns what the last rule that was looked at made of the tier; undefined where it went to its end */
function endOf(steps: readonly PolicyStep[]): "allowed" | "denied" | "passed" | undefined {
  for (const { rules } of steps) {
    const last = rules.at(-1);
    if (!last || last.failed !== undefined) continue;
    if (last.rule.action === "allow") return "allowed";
    if (last.rule.action === "deny") return "denied";
    if (last.rule.action === "pass") return "passed";
  }
  return undefined;
}

function walkPolicies(
  world: World,
  flow: Flow,
  policies: readonly Policy[],
  direction: Direction,
): PolicyStep[] {
  const steps: PolicyStep[] = [];
  let ended = false;
  for (const policy of policies) {
    const governed = policy[direction];
    const rules: RuleStep[] = [];
    for (const rule of governed.governs ? governed.rules : []) {
      if (ended) break;
      if (matchRule(world, rule, flow)) {
        rules.push({ rule });
        ended = rule.action !== "log";
      } else {
        rules.push({ rule, failed: failedClause(world, rule, flow) });
      }
    }
    steps.push({ policy, rules });
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
  const end = { ports: namedPortsAt(world, party), port, protocol: flow.protocol, action };
  if (matchPorts(match, end)) return undefined;
  if (!hasPorts(flow.protocol)) return `${protocolName(flow.protocol)} has no ports`;
  const shown = port === undefined ? "the client's port" : `${side} port ${port}`;
  return match.notPorts && matchPorts({ ...(match.ports && { ports: match.ports }) }, end)
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
