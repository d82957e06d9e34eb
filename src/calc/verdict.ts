/**
 * @module The fast evaluator: verdicts from identities and programs, without evaluating a selector. It gives the same
 * answers, and the same reasons, as `policy/evaluate.ts`.
 *
 * Cost of one verdict: the rules of the two endpoints' own policies; nothing that grows with the cluster.
 */
import { cidrContains } from "../base/ip.ts";
import { exemption, matchesPacket, matchPorts, netsMatch } from "../policy/evaluate.ts";
import type { Direction, Flow, Party, PortMatch } from "../policy/model.ts";
import type { DirectionVerdict, RuleMatch, Verdict } from "../policy/verdict.ts";
import type { PolicyGraph } from "./graph.ts";
import type { CompiledRule, Identity, SelectorState } from "./types.ts";

/** @param flow - its endpoint parties are endpoints of the graph, by id */
export function verdict(graph: PolicyGraph, flow: Flow): Verdict {
  const source = identityOf(graph, flow.source);
  const destination = identityOf(graph, flow.destination);
  const sides: Sides = { flow, source, destination };
  const egress = directionVerdict(graph, sides, source, "egress");
  const ingress = directionVerdict(graph, sides, destination, "ingress");
  return { flow, allowed: egress.allowed && ingress.allowed, egress, ingress };
}

interface Sides {
  readonly flow: Flow;
  readonly source: Identity | undefined;
  readonly destination: Identity | undefined;
}

function identityOf(graph: PolicyGraph, party: Party): Identity | undefined {
  return party.kind === "endpoint" ? graph.endpoints.get(party.endpoint.id)?.labelClass.identity : undefined;
}

function directionVerdict(
  graph: PolicyGraph,
  sides: Sides,
  subject: Identity | undefined,
  direction: Direction,
): DirectionVerdict {
  const exempt = exemption(sides.flow, direction);
  if (exempt) return { direction, allowed: true, decision: exempt, passing: [] };
  // An endpoint that the graph does not know has no policy that could allow it.
  if (!subject) return { direction, allowed: false, decision: { kind: "profile" }, passing: [] };

  const program = graph.programOf(subject)[direction];
  const passing: RuleMatch[] = [];
  nextTier: for (const tier of program.tiers) {
    for (const state of tier.policies) {
      for (const compiled of state[direction] ?? []) {
        const port = matchCompiled(compiled, sides);
        if (port === undefined) continue;
        const { rule } = compiled;
        const match: RuleMatch = { policy: state.policy, rule, ...(port !== "any" && { port }) };
        if (rule.action === "allow" || rule.action === "deny") {
          return {
            direction,
            allowed: rule.action === "allow",
            decision: { kind: "rule", ...match },
            passing,
          };
        }
        passing.push(match);
        if (rule.action === "pass") continue nextTier;
      }
    }
    if (tier.defaultAction === "deny") {
      const isolating = tier.policies.map(({ policy }) => policy);
      return {
        direction,
        allowed: false,
        decision: { kind: "tier-default", tier: tier.tier, isolating },
        passing,
      };
    }
  }
  return { direction, allowed: program.profile === "allow", decision: { kind: "profile" }, passing };
}

/** @returns undefined: no match; the port entry that matched; "any" where the rule names no ports */
function matchCompiled(compiled: CompiledRule, sides: Sides): PortMatch | "any" | undefined {
  const { flow, source, destination } = sides;
  const { match } = compiled.rule;
  if (!matchesPacket(match, flow)) return undefined;
  if (compiled.sourceSelector && !covers(compiled.sourceSelector, flow.source, source)) return undefined;
  if (compiled.sourceNotSelector && covers(compiled.sourceNotSelector, flow.source, source)) return undefined;
  if (compiled.destinationSelector && !covers(compiled.destinationSelector, flow.destination, destination)) {
    return undefined;
  }
  if (
    compiled.destinationNotSelector &&
    covers(compiled.destinationNotSelector, flow.destination, destination)
  ) {
    return undefined;
  }
  if (
    !netsMatch(match.source, flow.source.address) ||
    !netsMatch(match.destination, flow.destination.address)
  ) {
    return undefined;
  }
  const bySource = matchPorts(match.source, flow.source, flow.sourcePort, flow.protocol);
  const byDestination =
    bySource && matchPorts(match.destination, flow.destination, flow.destinationPort, flow.protocol);
  return byDestination && (byDestination.port ?? bySource.port ?? "any");
}

function covers(selector: SelectorState, party: Party, identity: Identity | undefined): boolean {
  if (identity && selector.members.has(identity)) return true;
  for (const set of selector.networkSets) {
    if (set.nets.some((net) => cidrContains(net, party.address))) return true;
  }
  return false;
}
