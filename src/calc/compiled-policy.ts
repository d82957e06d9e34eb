/** @module A policy with its selectors interned: what programs and verdicts are made of. */
import type { Direction, Policy, Rule } from "../policy/model.ts";
import type { Selector } from "../policy/selector.ts";
import { ANY_PROTOCOL, type CompiledRule, type PolicyState, type SelectorState } from "./types.ts";

type Intern = (selector: Selector) => SelectorState;

export function compilePolicy(policy: Policy, intern: Intern): PolicyState {
  const compileRules = (direction: Direction): CompiledRule[] | undefined => {
    const governed = policy[direction];
    return governed.governs ? governed.rules.map((rule) => compileRule(rule, intern)) : undefined;
  };
  return {
    policy,
    subject: intern(policy.subject),
    ingress: compileRules("ingress"),
    egress: compileRules("egress"),
  };
}

function compileRule(rule: Rule, intern: Intern): CompiledRule {
  const { source, destination, family, protocol, notProtocol, icmp, notIcmp } = rule.match;
  const sides = [source, destination];
  return {
    rule,
    sourceSelector: source.selector && intern(source.selector),
    sourceNotSelector: source.notSelector && intern(source.notSelector),
    destinationSelector: destination.selector && intern(destination.selector),
    destinationNotSelector: destination.notSelector && intern(destination.notSelector),
    protocol: protocol ?? ANY_PROTOCOL,
    readsPacket: [family, notProtocol, icmp, notIcmp].some((part) => part !== undefined),
    readsAddresses: sides.some(({ nets, notNets }) => nets !== undefined || notNets !== undefined),
    readsPorts: sides.some(({ ports, notPorts }) => ports !== undefined || notPorts !== undefined),
  };
}

/** Every selector of a policy, once for each use. */
export function selectorsOf(state: PolicyState): SelectorState[] {
  const uses = [state.subject];
  for (const rule of [...(state.ingress ?? []), ...(state.egress ?? [])]) {
    for (const use of [
      rule.sourceSelector,
      rule.sourceNotSelector,
      rule.destinationSelector,
      rule.destinationNotSelector,
    ]) {
      if (use) uses.push(use);
    }
  }
  return uses;
}
