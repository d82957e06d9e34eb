/** @module Policies and programs → chains; and the base chains that send packets to them. */
import type { Family } from "../base/ip.ts";
import type { DirectionProgram, PolicyState, TierProgram } from "../calc/types.ts";
import { NEIGHBOUR_DISCOVERY } from "../policy/failsafe.ts";
import { type Direction, PROTOCOL } from "../policy/model.ts";
import {
  addressField,
  compileRule,
  type DenyWith,
  denyStatement,
  PASS_MARK,
  type RuleOptions,
  type SetNeed,
} from "./compile-rule.ts";
import { BASE, policyChain, programChain, selfSet, sourceSet, tierChain } from "./names.ts";
import type { NftChain, NftRule, NftStatement, NftVerdict } from "./table.ts";

/** Equal policies give equal chains on every machine. Cost: its rules × their alternatives. */
export function compilePolicy(
  state: PolicyState,
  direction: Direction,
  options: RuleOptions,
): { chain: NftChain; needs: SetNeed[] } {
  const rules: NftRule[] = [];
  const needs = new Map<string, SetNeed>();
  for (const compiled of state[direction] ?? []) {
    const result = compileRule(compiled, options, state.policy.stage);
    rules.push(...result.rules);
    for (const need of result.needs) needs.set(need.name, need);
  }
  return { chain: { name: policyChain(direction, state.policy.id), rules }, needs: [...needs.values()] };
}

/**
 * The chains of a program: its own, and one for each tier in which a rule may pass. Accept ends the base chain that
 * the packet is in, so it means "this direction allows"; the other direction has a base chain of its own.
 */
export function compileProgram(
  program: DirectionProgram,
  direction: Direction,
  denyWith: DenyWith,
): NftChain[] {
  const chains: NftChain[] = [];
  const rules: NftRule[] = [];
  for (const tier of program.tiers) {
    const body = tierRules(tier, direction, denyWith);
    if (!mayPass(tier, direction)) {
      rules.push(...body);
      // Nothing comes behind a tier that denies at its end and passes nothing on.
      if (tier.defaultAction === "deny")
        return [...chains, { name: programChain(direction, program.key), rules }];
      continue;
    }
    const name = tierChain(direction, program.key, tier.tier);
    chains.push({ name, rules: body });
    rules.push(
      rule({ kind: "mark-set", mask: PASS_MARK, value: 0 }),
      rule(verdict({ verdict: "jump", chain: name })),
    );
  }
  for (const { policy } of program.profiles)
    rules.push(rule(verdict({ verdict: "jump", chain: policyChain(direction, policy.id) })));
  if (program.profile !== "none") {
    const end = program.profile === "allow" ? verdict({ verdict: "accept" }) : denyStatement(denyWith);
    rules.push({
      statements: [{ kind: "counter" }, end],
      comment: `profile ${program.profile === "allow" ? "allows" : "denies"}`,
    });
  }
  return [...chains, { name: programChain(direction, program.key), rules }];
}

function mayPass(tier: TierProgram, direction: Direction): boolean {
  return tier.policies.some((state) => passes(state, direction));
}

/** Whether a rule of the policy may pass: its callers must look at the mark then. */
export function passes(state: PolicyState, direction: Direction): boolean {
  return (state[direction] ?? []).some(({ rule: { action } }) => action === "pass");
}

function tierRules(tier: TierProgram, direction: Direction, denyWith: DenyWith): NftRule[] {
  const rules: NftRule[] = [];
  for (const state of tier.policies) {
    rules.push(rule(verdict({ verdict: "jump", chain: policyChain(direction, state.policy.id) })));
    if (passes(state, direction)) {
      rules.push(
        rule({ kind: "mark-test", mask: PASS_MARK, value: PASS_MARK }, verdict({ verdict: "return" })),
      );
    }
  }
  if (tier.defaultAction === "deny") {
    rules.push({
      statements: [{ kind: "counter" }, denyStatement(denyWith)],
      comment: `tier ${tier.tier} default deny`,
    });
  }
  return rules;
}

export function rule(...statements: NftStatement[]): NftRule {
  return { statements };
}

function verdict(to: NftVerdict): NftStatement {
  return { kind: "verdict", to };
}

export function verdictOf(program: DirectionProgram, direction: Direction): NftVerdict {
  return program.key === ""
    ? { verdict: "accept" }
    : { verdict: "goto", chain: programChain(direction, program.key) };
}

export const NEIGHBOUR_DISCOVERY_RULE: NftRule = rule(
  { kind: "compare", field: "protocol", equal: true, value: PROTOCOL.ICMPv6 },
  { kind: "range", field: "icmp6-type", ...NEIGHBOUR_DISCOVERY, inside: true },
  verdict({ verdict: "accept" }),
);

/** Policy is about opening a connection. */
export const established: NftRule = rule(
  { kind: "ct-state", states: ["established", "related"] },
  { kind: "counter" },
  verdict({ verdict: "accept" }),
);

/**
 * The base chains. Egress and ingress are two chains at one hook, one after the other, because a packet between two
 * pods of one node must pass both. First of all a pod must be who it says: another's connections, and what a pod sends
 * to itself, are known by addresses alone. Established connections are accepted before any policy, which is about
 * opening a connection. Interfaces named like pods that no map knows are dropped; other interfaces are none of ours.
 */
export function baseChains(families: readonly Family[], podPrefix: string): NftChain[] {
  // Who sends itself something is on this node, so its own interface is where that comes from.
  const self = families.map((family) =>
    rule(
      {
        kind: "lookup",
        fields: ["in-interface", addressField("source", family)],
        set: sourceSet(family),
        present: true,
      },
      {
        kind: "lookup",
        fields: [addressField("source", family), addressField("destination", family)],
        set: selfSet(family),
        present: true,
      },
      verdict({ verdict: "accept" }),
    ),
  );
  const spoofed = families.map(
    (family): NftRule => ({
      statements: [
        { kind: "interface-prefix", field: "in-interface", prefix: podPrefix },
        { kind: "compare", field: "family", equal: true, value: family === 4 ? 2 : 10 },
        {
          kind: "lookup",
          fields: ["in-interface", addressField("source", family)],
          set: sourceSet(family),
          present: false,
        },
        { kind: "counter" },
        verdict({ verdict: "drop" }),
      ],
      comment: "a source address that is not the pod's",
    }),
  );
  const unknown = (field: "in-interface" | "out-interface"): NftRule => ({
    statements: [
      { kind: "interface-prefix", field, prefix: podPrefix },
      { kind: "counter" },
      verdict({ verdict: "drop" }),
    ],
    comment: "an interface that no pod is known by",
  });
  const egress: NftRule[] = [
    rule({ kind: "verdict-map", fields: ["in-interface"], map: BASE.egressMap }),
    unknown("in-interface"),
  ];
  const filter = (name: string, hook: "forward" | "input", priority: number, rules: NftRule[]): NftChain => ({
    name,
    hook: { type: "filter", hook, priority, policy: "accept" },
    rules,
  });
  return [
    filter(BASE.forwardEgress, "forward", 0, [...spoofed, established, ...self, ...egress]),
    filter(BASE.forwardIngress, "forward", 1, [
      established,
      ...self,
      rule({ kind: "verdict-map", fields: ["out-interface"], map: BASE.ingressMap }),
      unknown("out-interface"),
    ]),
    filter(BASE.input, "input", 0, [NEIGHBOUR_DISCOVERY_RULE, ...spoofed, established, ...egress]),
  ];
}
