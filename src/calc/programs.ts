/** @module Graph node: policies that select an identity → its program, in tier and policy order. */
import type { Direction, Tier } from "../policy/model.ts";
import { comparePolicies } from "../policy/world.ts";
import type { DirectionProgram, Identity, PolicyState, Program, TierProgram } from "./types.ts";

/**
 * @param tiers - all tiers in order; every policy's tier is among them
 * @returns what is enforced. Cost: policies that select the identity, sorted
 */
export function computeProgram(identity: Identity, tiers: readonly Tier[]): Program {
  const applying: PolicyState[] = [];
  for (const selector of identity.selectors) for (const policy of selector.subjectOf) applying.push(policy);
  applying.sort((a, b) => comparePolicies(a.policy, b.policy));
  return {
    ingress: directionProgram(identity, tiers, applying, "ingress"),
    egress: directionProgram(identity, tiers, applying, "egress"),
  };
}

function directionProgram(
  identity: Identity,
  tiers: readonly Tier[],
  applying: readonly PolicyState[],
  direction: Direction,
): DirectionProgram {
  const profile = identity.sample.profile[direction];
  const byTier = new Map<string, PolicyState[]>();
  for (const state of applying) {
    if (!state[direction]) continue;
    const list = byTier.get(state.policy.tier);
    if (list) list.push(state);
    else byTier.set(state.policy.tier, [state]);
  }
  const programs: TierProgram[] = [];
  if (byTier.size > 0) {
    for (const tier of tiers) {
      const policies = byTier.get(tier.name);
      if (policies) programs.push({ tier: tier.name, defaultAction: tier.defaultAction, policies });
    }
  }
  return { key: programKey(programs, profile), tiers: programs, profile };
}

function programKey(tiers: readonly TierProgram[], profile: "allow" | "deny"): string {
  if (tiers.length === 0 && profile === "allow") return "";
  const parts = tiers.map(
    ({ tier, defaultAction, policies }) =>
      `${tier}:${defaultAction}[${policies.map(({ policy }) => policy.id).join(";")}]`,
  );
  return `${parts.join("|")}|${profile}`;
}
