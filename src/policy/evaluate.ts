/**
 * @module The reference evaluator: the meaning of the model, written to be read. Slow and obvious on purpose; the
 * other judges (identities, compiled ruleset, kernel) are held against it.
 *
 * Cost of one verdict: policies × selector size to find those that apply, then their rules × their match size.
 */
import { cidrContains, type Ip } from "../base/ip.ts";
import type {
  Direction,
  Endpoint,
  EntityMatch,
  Flow,
  IcmpMatch,
  Match,
  Party,
  Policy,
  PortMatch,
  Rule,
} from "./model.ts";
import { hasPorts } from "./model.ts";
import { type Selector, selects } from "./selector.ts";
import type { Decision, DirectionVerdict, RuleMatch, Verdict } from "./verdict.ts";
import {
  comparePolicies,
  completeTiers,
  selectableEndpoint,
  selectableNetworkSet,
  type World,
} from "./world.ts";

/** Whether a new connection is allowed, and why: the source's egress and the destination's ingress must both allow. */
export function evaluate(world: World, flow: Flow): Verdict {
  const egress = evaluateDirection(world, flow, "egress");
  const ingress = evaluateDirection(world, flow, "ingress");
  return { flow, allowed: egress.allowed && ingress.allowed, egress, ingress };
}

/** What is exempt from policy on one side, before any policy is looked at. Shared by all evaluators. */
export function exemption(
  flow: Flow,
  direction: Direction,
): Extract<Decision, { kind: "exempt" }> | undefined {
  const subject = direction === "egress" ? flow.source : flow.destination;
  const other = direction === "egress" ? flow.destination : flow.source;
  if (subject.kind === "outside") return { kind: "exempt", reason: "outside" };
  if (subject.kind === "node") return { kind: "exempt", reason: "node" };
  if (other.kind === "endpoint" && other.endpoint.id === subject.endpoint.id)
    return { kind: "exempt", reason: "self" };
  if (direction === "ingress" && other.kind === "node" && other.node === subject.endpoint.node) {
    return { kind: "exempt", reason: "own-node" };
  }
  return undefined;
}

function evaluateDirection(world: World, flow: Flow, direction: Direction): DirectionVerdict {
  const exempt = exemption(flow, direction);
  if (exempt) return { direction, allowed: true, decision: exempt, passing: [] };
  const subject = direction === "egress" ? flow.source : flow.destination;
  if (subject.kind !== "endpoint")
    return { direction, allowed: true, decision: { kind: "exempt", reason: "outside" }, passing: [] };

  const applying = policiesThatApply(world, subject.endpoint, direction);
  const passing: RuleMatch[] = [];
  for (const tier of completeTiers(world.tiers, world.policies)) {
    const policies = applying.filter((policy) => policy.tier === tier.name).sort(comparePolicies);
    if (policies.length === 0) continue;
    const rules = policies.flatMap((policy) => rulesOf(policy, direction));
    const outcome = walkRules(world, flow, rules, passing);
    if (outcome.kind === "decided") {
      return {
        direction,
        allowed: outcome.match.rule.action === "allow",
        decision: { kind: "rule", ...outcome.match },
        passing,
      };
    }
    if (outcome.kind === "exhausted" && tier.defaultAction === "deny") {
      return {
        direction,
        allowed: false,
        decision: { kind: "tier-default", tier: tier.name, isolating: policies },
        passing,
      };
    }
  }
  const allowed = subject.endpoint.profile[direction] === "allow";
  return { direction, allowed, decision: { kind: "profile" }, passing };
}

function policiesThatApply(world: World, endpoint: Endpoint, direction: Direction): Policy[] {
  const subject = selectableEndpoint(world, endpoint);
  return world.policies.filter((policy) => policy[direction].governs && selects(policy.subject, subject));
}

type TierOutcome = { kind: "decided"; match: RuleMatch } | { kind: "passed" } | { kind: "exhausted" };

function rulesOf(policy: Policy, direction: Direction): { policy: Policy; rule: Rule }[] {
  const governed = policy[direction];
  return governed.governs ? governed.rules.map((rule) => ({ policy, rule })) : [];
}

/** @param passing - takes the rules that match without deciding */
function walkRules(
  world: World,
  flow: Flow,
  rules: readonly { readonly policy: Policy; readonly rule: Rule }[],
  passing: RuleMatch[],
): TierOutcome {
  for (const { policy, rule } of rules) {
    const matched = matchRule(world, rule, flow);
    if (!matched) continue;
    const match: RuleMatch = { policy, rule, ...(matched.port && { port: matched.port }) };
    if (rule.action === "allow" || rule.action === "deny") return { kind: "decided", match };
    passing.push(match);
    if (rule.action === "pass") return { kind: "passed" };
  }
  return { kind: "exhausted" };
}

/** @returns undefined when the rule does not match; else the port entry that did, where the rule names ports */
function matchRule(world: World, rule: Rule, flow: Flow): { port?: PortMatch } | undefined {
  const { match } = rule;
  if (!matchesPacket(match, flow)) return undefined;
  const source = matchEntity(world, match.source, { ...flow, party: flow.source, port: flow.sourcePort });
  if (!source) return undefined;
  const destination = matchEntity(world, match.destination, {
    ...flow,
    party: flow.destination,
    port: flow.destinationPort,
  });
  if (!destination) return undefined;
  const port = destination.port ?? source.port;
  return port ? { port } : {};
}

/** The part of a match that speaks of the packet alone. */
export function matchesPacket(match: Match, flow: Flow): boolean {
  if (match.family !== undefined && match.family !== flow.destination.address.family) return false;
  if (match.protocol !== undefined && match.protocol !== flow.protocol) return false;
  if (match.notProtocol !== undefined && match.notProtocol === flow.protocol) return false;
  if (match.icmp && !matchesIcmp(match.icmp, flow)) return false;
  if (match.notIcmp && matchesIcmp(match.notIcmp, flow)) return false;
  return true;
}

function matchesIcmp(match: IcmpMatch, flow: Flow): boolean {
  return (
    flow.icmp !== undefined &&
    flow.icmp.type === match.type &&
    (match.code === undefined || flow.icmp.code === match.code)
  );
}

/** One end of a flow. */
interface End {
  readonly party: Party;
  readonly port: number | undefined;
  readonly protocol: number;
}

function matchEntity(
  world: World,
  match: EntityMatch,
  { party, port, protocol }: End,
): { port?: PortMatch } | undefined {
  if (match.selector && !selectorCovers(world, match.selector, party)) return undefined;
  if (match.notSelector && selectorCovers(world, match.notSelector, party)) return undefined;
  if (!netsMatch(match, party.address)) return undefined;
  return matchPorts(match, party, port, protocol);
}

/** Whether the address passes the CIDRs, positive and negative. */
export function netsMatch(match: EntityMatch, address: Ip): boolean {
  if (match.nets && !match.nets.some((net) => cidrContains(net, address))) return false;
  return !match.notNets?.some((net) => cidrContains(net, address));
}

/** A rule that speaks of ports, positively or not, matches only protocols that have them. */
export function matchPorts(
  match: EntityMatch,
  party: Party,
  port: number | undefined,
  protocol: number,
): { port?: PortMatch } | undefined {
  if (!match.ports && !match.notPorts) return {};
  if (port === undefined || !hasPorts(protocol)) return undefined;
  if (match.notPorts?.some((entry) => coversPort(entry, party, port, protocol))) return undefined;
  if (!match.ports) return {};
  const entry = match.ports.find((candidate) => coversPort(candidate, party, port, protocol));
  return entry && { port: entry };
}

function coversPort(entry: PortMatch, party: Party, port: number, protocol: number): boolean {
  if (entry.kind === "range") return entry.first <= port && port <= entry.last;
  if (party.kind !== "endpoint") return false;
  return party.endpoint.ports.some(
    (named) => named.name === entry.name && named.protocol === protocol && named.port === port,
  );
}

/** A selector means endpoints, and the addresses in the network sets that it selects. */
function selectorCovers(world: World, selector: Selector, party: Party): boolean {
  if (party.kind === "endpoint" && selects(selector, selectableEndpoint(world, party.endpoint))) return true;
  return world.networkSets.some(
    (set) =>
      selects(selector, selectableNetworkSet(world, set)) &&
      set.nets.some((net) => cidrContains(net, party.address)),
  );
}
