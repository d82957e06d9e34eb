/** @module Graph node: policies that select an identity → its program, in tier and policy order. */
import { appliesInStage, hasDefaults } from "../policy/evaluate.ts";
import type { Direction, Endpoint, Tier } from "../policy/model.ts";
import type { Stage } from "../policy/verdict.ts";
import { comparePolicies } from "../policy/world.ts";
import type { DirectionProgram, HostProgram, Identity, PolicyState, Program, TierProgram } from "./types.ts";

/** What programs are made of. */
export interface ProgramSources {
  /** All tiers in order; every policy's tier is among them. */
  readonly tiers: readonly Tier[];
  readonly policies: ReadonlyMap<string, PolicyState>;
}

/** @returns what is enforced. Cost: policies that select the identity, sorted */
export function computeProgram(identity: Identity, sources: ProgramSources): Program {
  const applying: PolicyState[] = [];
  for (const selector of identity.selectors) for (const policy of selector.subjectOf) applying.push(policy);
  applying.sort((a, b) => comparePolicies(a.policy, b.policy));
  const program = (direction: Direction, stage: Stage): DirectionProgram =>
    directionProgram(identity, sources, applying, { direction, stage });
  const both = (stage: Stage): Readonly<Record<Direction, DirectionProgram>> => ({
    ingress: program("ingress", stage),
    egress: program("egress", stage),
  });
  if (identity.selectable.kind !== "host") return both("normal");
  const host: HostProgram = {
    forward: both("forward"),
    untracked: both("untracked"),
    preDnat: program("ingress", "pre-dnat"),
  };
  return { ...both("normal"), host };
}

/** Equal texts mean that the same is enforced. */
export function programText({ ingress, egress, host }: Program): string {
  const parts = [ingress, egress];
  if (host) {
    const { forward, untracked, preDnat } = host;
    parts.push(forward.ingress, forward.egress, untracked.ingress, untracked.egress, preDnat);
  }
  return parts.map(({ key }) => key).join("\n");
}

function directionProgram(
  identity: Identity,
  sources: ProgramSources,
  applying: readonly PolicyState[],
  { direction, stage }: { readonly direction: Direction; readonly stage: Stage },
): DirectionProgram {
  const { sample } = identity;
  const byTier = new Map<string, PolicyState[]>();
  for (const state of applying) {
    if (!state[direction] || !appliesInStage(state.policy, stage)) continue;
    const list = byTier.get(state.policy.tier);
    if (list) list.push(state);
    else byTier.set(state.policy.tier, [state]);
  }
  const tiers: TierProgram[] = [];
  if (byTier.size > 0) {
    for (const { name, defaultAction } of sources.tiers) {
      const policies = byTier.get(name);
      if (policies) tiers.push(tierProgram(name, hasDefaults(stage) ? defaultAction : "pass", policies));
    }
  }
  const { profiles, profile } = stage === "normal" ? profileEnd(sample, sources, direction) : NO_END;
  return { key: programKey(tiers, profiles, profile), tiers, profiles, profile };
}

type End = Pick<DirectionProgram, "profiles" | "profile">;

const NO_END: End = { profiles: [], profile: "none" };

/** A profile that is not there might have denied: it ends the list, and denies. */
function profileEnd(sample: Endpoint, { policies }: ProgramSources, direction: Direction): End {
  const profiles: PolicyState[] = [];
  for (const id of sample.profiles ?? []) {
    const profile = policies.get(id);
    if (!profile) return { profiles, profile: "deny" };
    profiles.push(profile);
  }
  return { profiles, profile: sample.profile[direction] };
}

function tierProgram(
  tier: string,
  defaultAction: TierProgram["defaultAction"],
  policies: readonly PolicyState[],
): TierProgram {
  const ids = policies.map(({ policy }) => policy.id).join(";");
  return { tier, key: `${tier}:${defaultAction}[${ids}]`, defaultAction, policies };
}

function programKey(
  tiers: readonly TierProgram[],
  profiles: readonly PolicyState[],
  profile: DirectionProgram["profile"],
): string {
  if (tiers.length === 0 && profiles.length === 0 && profile !== "deny") return "";
  const parts = tiers.map(({ key }) => key);
  parts.push(...profiles.map(({ policy }) => policy.id));
  return `${parts.join("|")}|${profile}`;
}
