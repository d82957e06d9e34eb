/**
 * @module The fast evaluator: verdicts from identities and programs, without evaluating a selector. It gives the same
 * answers, and the same reasons, as `policy/evaluate.ts`.
 *
 * Cost of one verdict: the rules of the two endpoints' own policies; nothing that grows with the cluster.
 */

import { CidrSet } from "../base/cidr-set.ts";
import { unreachable } from "../base/errors.ts";
import { type End, matchesPacket, matchPorts, netsMatch } from "../policy/evaluate.ts";
import type { Direction, Flow, NamedPort, NetworkSet, Party, PortMatch } from "../policy/model.ts";
import { judge, type Point } from "../policy/passage.ts";
import type { DirectionVerdict, RuleMatch, Verdict } from "../policy/verdict.ts";
import type { PolicyGraph } from "./graph.ts";
import {
  ANY_PROTOCOL,
  type CompiledRule,
  type DirectionProgram,
  type Identity,
  type PolicyState,
  type SelectorState,
} from "./types.ts";

/** @param flow - its endpoint parties are endpoints of the graph, by id */
export function verdict(graph: PolicyGraph, flow: Flow): Verdict {
  let sides: Sides | undefined;
  return judge(flow, {
    hasHosts: !graph.hosts.isEmpty,
    decide: (point, asked) => {
      // All but the stages before translation are asked about one and the same flow.
      if (sides?.flow !== asked) sides = sidesOf(graph, asked);
      return decide(graph, point, sides);
    },
    uplink: (node) => graph.hosts.uplink(node, graph.nodes.get(node) ?? []),
    wildcard: (node) => graph.hosts.wildcard(node),
  });
}

function programAt(graph: PolicyGraph, { endpoint, direction, stage }: Point): DirectionProgram | undefined {
  const identity = graph.endpoints.get(endpoint.id)?.labelClass.identity;
  if (!identity) return undefined;
  const program = graph.programOf(identity);
  switch (stage) {
    case "normal":
      return program[direction];
    case "forward":
      return program.host?.forward[direction];
    case "untracked":
      return program.host?.untracked[direction];
    case "pre-dnat":
      return program.host?.preDnat;
    default:
      return unreachable(stage);
  }
}

function decide(graph: PolicyGraph, point: Point, sides: Sides): DirectionVerdict | undefined {
  const { direction } = point;
  const program = programAt(graph, point);
  if (!program) return undefined;
  const passing: RuleMatch[] = [];
  for (const tier of program.tiers) {
    const outcome = walk(tier.policies, direction, sides, passing);
    if (outcome === "passed") continue;
    if (outcome)
      return {
        direction,
        allowed: outcome.rule.action === "allow",
        decision: { kind: "rule", ...outcome },
        passing,
      };
    if (tier.defaultAction === "deny") {
      const isolating = tier.policies.map(({ policy }) => policy);
      const decision = { kind: "tier-default", tier: tier.tier, isolating } as const;
      return { direction, allowed: false, decision, passing };
    }
  }
  if (program.profile === "none") return undefined;
  for (const profile of program.profiles) {
    const outcome = walk([profile], direction, sides, passing);
    if (outcome && outcome !== "passed")
      return {
        direction,
        allowed: outcome.rule.action === "allow",
        decision: { kind: "rule", ...outcome },
        passing,
      };
  }
  return { direction, allowed: program.profile === "allow", decision: { kind: "profile" }, passing };
}

/** @returns the rule that decided; undefined where none did. @param passing - takes those that matched on the way */
function walk(
  policies: readonly PolicyState[],
  direction: Direction,
  sides: Sides,
  passing: RuleMatch[],
): RuleMatch | "passed" | undefined {
  for (const state of policies) {
    for (const compiled of state[direction] ?? []) {
      const port = matchCompiled(compiled, sides);
      if (port === undefined) continue;
      const { rule } = compiled;
      const match: RuleMatch = { policy: state.policy, rule, ...(port !== "any" && { port }) };
      if (rule.action === "allow" || rule.action === "deny") return match;
      passing.push(match);
      if (rule.action === "pass") return "passed";
    }
  }
  return undefined;
}

interface Side {
  readonly party: Party;
  readonly identities: readonly Identity[];
  readonly end: End;
}

interface Sides {
  readonly flow: Flow;
  readonly source: Side;
  readonly destination: Side;
}

function sidesOf(graph: PolicyGraph, flow: Flow): Sides {
  const side = (party: Party, port: number | undefined): Side => {
    const identities = identitiesOf(graph, party);
    return { party, identities, end: { ports: portsOf(identities), port, protocol: flow.protocol } };
  };
  return {
    flow,
    source: side(flow.source, flow.sourcePort),
    destination: side(flow.destination, flow.destinationPort),
  };
}

/** An endpoint's own; for a node those of the host endpoints that expect the address. */
function identitiesOf(graph: PolicyGraph, party: Party): readonly Identity[] {
  if (party.kind === "outside") return [];
  const endpoints = party.kind === "endpoint" ? [party.endpoint] : [...graph.hosts.at(party.address)];
  return endpoints.flatMap(({ id }) => graph.endpoints.get(id)?.labelClass.identity ?? []);
}

/** @returns undefined: no match; the port entry that matched; "any" where the rule names no ports */
function matchCompiled(compiled: CompiledRule, sides: Sides): PortMatch | "any" | undefined {
  const { flow, source, destination } = sides;
  if (compiled.protocol !== ANY_PROTOCOL && compiled.protocol !== flow.protocol) return undefined;
  const { match, action } = compiled.rule;
  if (compiled.readsPacket && !matchesPacket(match, flow)) return undefined;
  const { sourceSelector, sourceNotSelector, destinationSelector, destinationNotSelector } = compiled;
  if (sourceSelector && !covers(sourceSelector, source)) return undefined;
  if (sourceNotSelector && covers(sourceNotSelector, source)) return undefined;
  if (destinationSelector && !covers(destinationSelector, destination)) return undefined;
  if (destinationNotSelector && covers(destinationNotSelector, destination)) return undefined;
  if (compiled.readsAddresses) {
    if (!netsMatch(match.source, source.party.address)) return undefined;
    if (!netsMatch(match.destination, destination.party.address)) return undefined;
  }
  if (!compiled.readsPorts) return "any";
  const bySource = matchPorts(match.source, source.end, action);
  const byDestination = bySource && matchPorts(match.destination, destination.end, action);
  return byDestination && (byDestination.port ?? bySource.port ?? "any");
}

function portsOf(identities: readonly Identity[]): readonly NamedPort[] {
  const [only] = identities;
  return only && identities.length === 1
    ? only.sample.ports
    : identities.flatMap(({ sample }) => sample.ports);
}

function covers(selector: SelectorState, { party, identities }: Side): boolean {
  for (const identity of identities) if (selector.members.has(identity)) return true;
  for (const set of selector.networkSets) if (addressesOf(set).has(party.address)) return true;
  return false;
}

/** A network set may hold a hundred thousand CIDRs: they are sorted once, when first asked. */
const addresses = new WeakMap<NetworkSet, CidrSet>();

export function addressesOf(set: NetworkSet): CidrSet {
  const known = addresses.get(set);
  if (known) return known;
  const made = new CidrSet(set.nets);
  addresses.set(set, made);
  return made;
}
