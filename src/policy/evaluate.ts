/**
 * @module The reference evaluator: the meaning of the model, written to be read. Slow and obvious on purpose; the
 * other judges (identities, compiled ruleset, kernel) are held against it.
 *
 * Cost of one verdict: policies × selector size to find those that apply, then their rules × their match size.
 */
import { unreachable } from "../base/errors.ts";
import { cidrContains, formatIp, type Ip } from "../base/ip.ts";
import type {
  Action,
  Direction,
  Endpoint,
  EntityMatch,
  Flow,
  IcmpMatch,
  Match,
  NamedPort,
  Party,
  Policy,
  PortMatch,
  Rule,
} from "./model.ts";
import { hasPorts } from "./model.ts";
import { judge, type Point, uplinkEndpoint, wildcardEndpoint } from "./passage.ts";
import { type Selector, selects } from "./selector.ts";
import type { DirectionVerdict, RuleMatch, Stage, Verdict } from "./verdict.ts";
import {
  comparePolicies,
  completeTiers,
  selectableEndpoint,
  selectableNetworkSet,
  type World,
} from "./world.ts";

/** Whether a new connection is allowed, and why: the source's egress and the destination's ingress must both allow. */
export function evaluate(world: World, flow: Flow): Verdict {
  const hosts = [...world.endpoints.values()].filter(({ kind }) => kind === "host");
  const ofNode = (node: string): Endpoint[] => hosts.filter((host) => host.node === node);
  return judge(flow, {
    hasHosts: hosts.length > 0,
    decide: (point, asked) => decide(world, point, asked),
    uplink: (node) => uplinkEndpoint(ofNode(node), world.nodes.get(node) ?? []),
    wildcard: (node) => wildcardEndpoint(ofNode(node)),
  });
}

/** @returns undefined where nothing decides and the stage has no last word */
function decide(world: World, point: Point, flow: Flow): DirectionVerdict | undefined {
  const { endpoint, direction, stage } = point;
  const applying = policiesThatApply(world, point);
  const passing: RuleMatch[] = [];
  const decided = ({ match }: { match: RuleMatch }): DirectionVerdict => ({
    direction,
    allowed: match.rule.action === "allow",
    decision: { kind: "rule", ...match },
    passing,
  });
  for (const tier of completeTiers(world.tiers, world.policies)) {
    const policies = applying.filter((policy) => policy.tier === tier.name).sort(comparePolicies);
    if (policies.length === 0) continue;
    const rules = policies.flatMap((policy) => rulesOf(policy, direction));
    const outcome = walkRules(world, flow, rules, passing);
    if (outcome.kind === "decided") return decided(outcome);
    if (outcome.kind === "exhausted" && tier.defaultAction === "deny" && hasDefaults(stage)) {
      const decision = { kind: "tier-default", tier: tier.name, isolating: policies } as const;
      return { direction, allowed: false, decision, passing };
    }
  }
  if (stage !== "normal") return undefined;
  for (const id of endpoint.profiles ?? []) {
    const profile = world.policies.find((policy) => policy.id === id);
    // One that is not there might have denied.
    if (!profile) return { direction, allowed: false, decision: { kind: "profile" }, passing };
    const outcome = walkRules(world, flow, rulesOf(profile, direction), passing);
    if (outcome.kind === "decided") return decided(outcome);
  }
  const allowed = endpoint.profile[direction] === "allow";
  return { direction, allowed, decision: { kind: "profile" }, passing };
}

function policiesThatApply(world: World, { endpoint, direction, stage }: Point): Policy[] {
  const subject = selectableEndpoint(world, endpoint);
  return world.policies.filter(
    (policy) =>
      policy[direction].governs && appliesInStage(policy, stage) && selects(policy.subject, subject),
  );
}

/** Whether policies are asked in the stage at all. One that is asked early says nothing later, nor at workloads. */
export function appliesInStage(policy: Policy, stage: Stage): boolean {
  switch (stage) {
    case "untracked":
    case "pre-dnat":
      return policy.stage === stage;
    case "normal":
      return policy.stage === undefined;
    case "forward":
      return policy.stage === undefined && policy.applyOnForward === true;
    default:
      return unreachable(stage);
  }
}

/** Whether a tier's default action is applied: the early stages only single packets out. */
export function hasDefaults(stage: Stage): boolean {
  return stage === "normal" || stage === "forward";
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
export function matchRule(world: World, rule: Rule, flow: Flow): { port?: PortMatch } | undefined {
  const { match } = rule;
  if (!matchesPacket(match, flow)) return undefined;
  const end = (party: Party, port: number | undefined): End => ({
    ports: namedPortsAt(world, party),
    port,
    protocol: flow.protocol,
  });
  const source = matchEntity(
    world,
    match.source,
    { party: flow.source, ...end(flow.source, flow.sourcePort) },
    rule.action,
  );
  if (!source) return undefined;
  const destination = matchEntity(
    world,
    match.destination,
    { party: flow.destination, ...end(flow.destination, flow.destinationPort) },
    rule.action,
  );
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

export function matchesIcmp(match: IcmpMatch, flow: Flow): boolean {
  return (
    flow.icmp !== undefined &&
    flow.icmp.type === match.type &&
    (match.code === undefined || flow.icmp.code === match.code)
  );
}

/** One end of a flow, asked by a rule for its port. */
export interface End {
  /** What the endpoint there calls its ports. */
  readonly ports: readonly NamedPort[];
  /** undefined: the client's, which nobody names. */
  readonly port: number | undefined;
  readonly protocol: number;
}

function matchEntity(
  world: World,
  match: EntityMatch,
  { party, ...end }: End & { readonly party: Party },
  action: Action,
): { readonly port?: PortMatch } | undefined {
  if (match.selector && !selectorCovers(world, match.selector, party)) return undefined;
  if (match.notSelector && selectorCovers(world, match.notSelector, party)) return undefined;
  if (!netsMatch(match, party.address)) return undefined;
  return matchPorts(match, end, action);
}

/** Whether the address passes the CIDRs, positive and negative. */
export function netsMatch(match: EntityMatch, address: Ip): boolean {
  if (match.nets && !match.nets.some((net) => cidrContains(net, address))) return false;
  return !match.notNets?.some((net) => cidrContains(net, address));
}

const ANY_PORT: { readonly port?: PortMatch } = {};

/** A rule that speaks of ports, positively or not, matches only protocols that have them. */
export function matchPorts(
  match: EntityMatch,
  end: End,
  action: Action,
): { readonly port?: PortMatch } | undefined {
  if (!match.ports && !match.notPorts) return ANY_PORT;
  if (!hasPorts(end.protocol)) return undefined;
  if (end.port === undefined) return clientPortMatches(match, action) ? ANY_PORT : undefined;
  const { port } = end;
  if (match.notPorts?.some((entry) => coversPort(entry, end, port))) return undefined;
  if (!match.ports) return ANY_PORT;
  const entry = match.ports.find((candidate) => coversPort(candidate, end, port));
  return entry && { port: entry };
}

function coversPort(entry: PortMatch, { ports, protocol }: End, port: number): boolean {
  if (entry.kind === "range") return entry.first <= port && port <= entry.last;
  return ports.some(
    (named) => named.name === entry.name && named.protocol === protocol && named.port === port,
  );
}

/** Ports that clients connect from where they do not choose. @see https://docs.kernel.org/networking/ip-sysctl.html ip_local_port_range */
const CLIENT_PORTS = { first: 32_768, last: 60_999 };

/**
 * Whether a rule matches whichever port the client has. Where that depends on the port, a Deny is taken to match and
 * anything else not to: an answer must not be wider than what may happen.
 */
export function clientPortMatches(match: EntityMatch, action: Action): boolean {
  const overlap = ({ first, last }: { first: number; last: number }): boolean =>
    first <= CLIENT_PORTS.last && CLIENT_PORTS.first <= last;
  const ranges = (entries: readonly PortMatch[] | undefined): Interval[] =>
    (entries ?? []).flatMap((entry) => (entry.kind === "range" ? [entry] : [])).filter(overlap);
  const never = ranges(match.notPorts);
  const wanted = match.ports === undefined ? [CLIENT_PORTS] : ranges(match.ports);
  if (action === "deny") return wanted.length > 0 && !coverAll(never);
  return never.length === 0 && coverAll(wanted);
}

type Interval = { readonly first: number; readonly last: number };

/** Whether the intervals together hold every client port. */
function coverAll(intervals: readonly Interval[]): boolean {
  let next = CLIENT_PORTS.first;
  for (const { first, last } of [...intervals].sort((a, b) => a.first - b.first)) {
    if (first > next) return false;
    next = Math.max(next, last + 1);
  }
  return next > CLIENT_PORTS.last;
}

export function namedPortsAt(world: World, party: Party): readonly NamedPort[] {
  return endpointsAt(world, party).flatMap((endpoint) => endpoint.ports);
}

/** The endpoint itself; for a node the host endpoints that expect the address. */
function endpointsAt(world: World, party: Party): readonly Endpoint[] {
  if (party.kind === "endpoint") return [party.endpoint];
  if (party.kind === "outside") return [];
  const text = formatIp(party.address);
  return [...world.endpoints.values()].filter(
    ({ kind, addresses }) => kind === "host" && addresses.some((ip) => formatIp(ip) === text),
  );
}

/** A selector means endpoints, and the addresses in the network sets that it selects. */
export function selectorCovers(world: World, selector: Selector, party: Party): boolean {
  if (endpointsAt(world, party).some((endpoint) => selects(selector, selectableEndpoint(world, endpoint))))
    return true;
  return world.networkSets.some(
    (set) =>
      selects(selector, selectableNetworkSet(world, set)) &&
      set.nets.some((net) => cidrContains(net, party.address)),
  );
}
