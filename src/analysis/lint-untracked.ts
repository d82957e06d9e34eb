/** @module Untracked policies that let connections through and not their replies. */
import type { Issue } from "../base/issue.ts";
import type { DirectionProgram, PolicyState, Program } from "../calc/types.ts";
import { clientPortMatches } from "../policy/evaluate.ts";
import type { Direction, EntityMatch, Rule } from "../policy/model.ts";
import { portsMayMeet } from "./lint-order.ts";
import { finding, type LintView } from "./lint-view.ts";

/**
 * What an untracked policy allows leaves no trace of a connection, so that replies are packets like any other, and need
 * an Allow of their own. Each policy is told once a direction.
 *
 * Cost: host endpoints × (their untracked rules × their rules of the other direction).
 */
export function* untrackedOneWay({ cluster, hosts }: LintView): Iterable<Issue> {
  const told = new Set<string>();
  for (const { host, identity } of hosts) {
    const program = cluster.graph.programOf(identity);
    for (const direction of ["ingress", "egress"] as const) {
      for (const { state, rule } of allowsOf(program.host?.untracked[direction], direction)) {
        const key = `${state.policy.id} ${direction}`;
        if (told.has(key) || repliesPass(program, rule, direction)) continue;
        told.add(key);
        const other = opposite(direction);
        yield finding(rule.origin, {
          code: "untracked-one-way",
          message: `what it allows is not tracked, and no ${other} rule lets the replies through at ${host.id}`,
          hint: `add an ${other} rule that allows ${portsText(rule, direction)}`,
        });
      }
    }
  }
}

function opposite(direction: Direction): Direction {
  return direction === "ingress" ? "egress" : "ingress";
}

function portsText(rule: Rule, direction: Direction): string {
  return rule.match.destination.ports
    ? `the same ports as source ports (${direction === "ingress" ? "egress" : "ingress"} sees replies from there)`
    : "the replies";
}

function* allowsOf(
  program: DirectionProgram | undefined,
  direction: Direction,
): Iterable<{ readonly state: PolicyState; readonly rule: Rule }> {
  for (const { policies } of program?.tiers ?? [])
    for (const state of policies)
      for (const { rule } of state[direction] ?? []) if (rule.action === "allow") yield { state, rule };
}

/** A reply that no untracked rule allows is asked about once more, as a new connection. */
function repliesPass(program: Program, rule: Rule, direction: Direction): boolean {
  const other = opposite(direction);
  const later = program[other];
  if (later.tiers.length === 0 && later.profile === "allow") return true;
  for (const stage of [program.host?.untracked[other], later])
    for (const { rule: answer } of allowsOf(stage, other)) if (carriesReplies(answer, rule)) return true;
  return later.profiles.some((state) =>
    state[other]?.some(({ rule: answer }) => answer.action === "allow" && carriesReplies(answer, rule)),
  );
}

/** Whether replies to what `asked` allows may match: the ports of its two ends change places. */
function carriesReplies(answer: Rule, asked: Rule): boolean {
  const { protocol } = asked.match;
  if (protocol !== undefined && answer.match.protocol !== undefined && answer.match.protocol !== protocol)
    return false;
  return (
    portsMayMeet(answer.match.source.ports, asked.match.destination.ports) &&
    clientPortsPass(answer.match.destination, asked.match.source)
  );
}

/** A client's port is any of those that are not chosen, unless the rule names it. */
function clientPortsPass(answer: EntityMatch, asked: EntityMatch): boolean {
  return asked.ports ? portsMayMeet(answer.ports, asked.ports) : clientPortMatches(answer, "allow");
}
