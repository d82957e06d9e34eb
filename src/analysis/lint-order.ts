/**
 * @module Policies of equal order that contradict each other: which goes first is then decided by their names, which
 * nobody chose with that in mind.
 */
import { cidrCovers, formatCidr } from "../base/ip.ts";
import type { Issue } from "../base/issue.ts";
import type { DirectionProgram, PolicyState, Program } from "../calc/types.ts";
import type { Direction, EntityMatch, Match, PortMatch, Rule } from "../policy/model.ts";
import { finding, kindOf, type LintView, listed } from "./lint-view.ts";

/** Pairs that are looked at, whatever the input is. */
const MOST_PAIRS = 2_000_000;
/** Rules of one policy that are held against another's; with more of them, they are taken to meet. */
const MOST_RULES = 50;
const SHOWN = 3;

/** What a policy lost to those that go first by name. */
interface Losses {
  readonly policy: PolicyState;
  readonly winners: PolicyState[];
  count: number;
  /** Where the two meet: `ingress of default/db`. */
  readonly where: string;
}

/**
 * Policies that go later than one of the same tier and order which says the opposite to the same endpoints.
 *
 * Kubernetes' NetworkPolicies only allow and so never contradict each other; against Calico's of order 1000 they may.
 * Cost: for each identity the policies of equal order in its program, pair by pair, at most MOST_PAIRS in all.
 */
export function* equalOrder(view: LintView): Iterable<Issue> {
  const search = new Search(view);
  for (const identity of view.cluster.graph.identities.values()) {
    const program = view.cluster.graph.programOf(identity);
    for (const [direction, part] of partsOf(program)) search.look(part, direction, identity.sample.id);
  }
  for (const { policy, winners, count, where } of search.losses.values()) {
    const names = listed(
      winners.map(({ policy: { origin } }) => origin.object),
      winners.length,
    );
    const rest = count - winners.length;
    const them = `${names}${rest > 0 ? ` and ${search.isCut ? "at least " : ""}${rest} more` : ""}`;
    yield finding(policy.policy.origin, {
      code: "equal-order",
      ...wordsFor(policy, `${them}, with opposite rules for the ${where}`),
    });
  }
}

/** Kubernetes' policies have no order of their own to change, and those of the cluster call it priority. */
function wordsFor(
  policy: PolicyState,
  whom: string,
): { readonly path: string; readonly message: string; readonly hint: string } {
  if (isClusterWide(policy)) {
    return {
      path: "spec.priority",
      message: `equal priority as ${whom}: the API leaves open which goes first, and here it is decided by name, this one last`,
      hint: "give each its own priority: the lower goes first",
    };
  }
  const order = Number.isFinite(policy.policy.order) ? String(policy.policy.order) : "unset";
  const message = `equal order (${order}) as ${whom}: which goes first is decided by name, this one last`;
  return kindOf(policy) === "NetworkPolicy"
    ? { path: "", message, hint: "NetworkPolicies have order 1000: give the other one a different order" }
    : { path: "spec.order", message, hint: "give them different orders: the lower goes first" };
}

function isClusterWide(state: PolicyState): boolean {
  return kindOf(state).endsWith("AdminNetworkPolicy") || kindOf(state) === "ClusterNetworkPolicy";
}

function partsOf({ ingress, egress, host }: Program): [Direction, DirectionProgram][] {
  const parts: [Direction, DirectionProgram][] = [
    ["ingress", ingress],
    ["egress", egress],
  ];
  if (!host) return parts;
  const { forward, untracked, preDnat } = host;
  return [
    ...parts,
    ["ingress", forward.ingress],
    ["egress", forward.egress],
    ["ingress", untracked.ingress],
    ["egress", untracked.egress],
    ["ingress", preDnat],
  ];
}

class Search {
  readonly losses = new Map<PolicyState, Losses>();
  readonly #numbers: ReadonlyMap<PolicyState, number>;
  /** Pairs that were looked at, by number; programs of equal keys are looked at once. */
  readonly #seen = new Set<number>();
  readonly #programs = new Set<string>();
  #pairs = 0;

  constructor({ policies }: LintView) {
    this.#numbers = new Map(policies.map((policy, index) => [policy, index]));
  }

  /** Whether there was more to look at than the bound allows. */
  get isCut(): boolean {
    return this.#pairs >= MOST_PAIRS;
  }

  look({ key, tiers }: DirectionProgram, direction: Direction, endpoint: string): void {
    const program = `${direction} ${key}`;
    if (this.#programs.has(program)) return;
    this.#programs.add(program);
    for (const { policies } of tiers) {
      for (let first = 0; first < policies.length; ) {
        let behind = first + 1;
        while (policies[behind]?.policy.order === policies[first]?.policy.order) behind++;
        if (behind > first + 1) this.#compare(policies.slice(first, behind), direction, endpoint);
        first = behind;
      }
    }
  }

  /** @param run - of equal order, those that go first before the others */
  #compare(run: readonly PolicyState[], direction: Direction, endpoint: string): void {
    const says = run.map((state) => opinionsOf(state, direction));
    if (!says.some(({ objects }) => objects)) return;
    for (const [later, loser] of run.entries()) {
      for (const [earlier, winner] of run.slice(0, later).entries()) {
        const [a, b] = [says[earlier], says[later]];
        if (!(a?.allows && b?.objects) && !(a?.objects && b?.allows)) continue;
        if (this.isCut) return;
        this.#pairs++;
        if (this.#isNew(winner, loser, direction) && contradict(winner, loser, direction))
          this.#add(loser, winner, `${direction} of ${endpoint}`);
      }
    }
  }

  #isNew(winner: PolicyState, loser: PolicyState, direction: Direction): boolean {
    const number = (state: PolicyState): number => this.#numbers.get(state) ?? 0;
    const pair =
      (number(winner) * this.#numbers.size + number(loser)) * 2 + (direction === "ingress" ? 0 : 1);
    if (this.#seen.has(pair)) return false;
    this.#seen.add(pair);
    return true;
  }

  #add(policy: PolicyState, winner: PolicyState, where: string): void {
    const losses = this.losses.get(policy) ?? { policy, winners: [], count: 0, where };
    this.losses.set(policy, losses);
    // The two may meet in both directions.
    if (losses.winners.includes(winner)) return;
    losses.count++;
    if (losses.winners.length < SHOWN) losses.winners.push(winner);
  }
}

function opinionsOf(
  state: PolicyState,
  direction: Direction,
): { readonly allows: boolean; readonly objects: boolean } {
  const rules = state[direction] ?? [];
  return {
    allows: rules.some(({ rule }) => rule.action === "allow"),
    objects: rules.some(({ rule }) => objects(rule)),
  };
}

function objects({ action }: Rule): boolean {
  return action === "deny" || action === "pass";
}

/** Whether some connection is allowed by one of them and not by the other, as far as packets and CIDRs tell. */
function contradict(a: PolicyState, b: PolicyState, direction: Direction): boolean {
  const rulesOf = (state: PolicyState): readonly Rule[] => (state[direction] ?? []).map(({ rule }) => rule);
  const [first, second] = [rulesOf(a), rulesOf(b)];
  if (first.length > MOST_RULES || second.length > MOST_RULES) return true;
  return first.some((one) =>
    second.some(
      (other) =>
        ((one.action === "allow" && objects(other)) || (objects(one) && other.action === "allow")) &&
        mayMeet(one.match, other.match),
    ),
  );
}

/** Whether a connection may match both: false only where that is certain. */
export function mayMeet(a: Match, b: Match): boolean {
  if (a.family !== undefined && b.family !== undefined && a.family !== b.family) return false;
  if (a.protocol !== undefined && b.protocol !== undefined && a.protocol !== b.protocol) return false;
  if (a.protocol !== undefined && a.protocol === b.notProtocol) return false;
  if (b.protocol !== undefined && b.protocol === a.notProtocol) return false;
  return sidesMayMeet(a.source, b.source) && sidesMayMeet(a.destination, b.destination);
}

function sidesMayMeet(a: EntityMatch, b: EntityMatch): boolean {
  return portsMayMeet(a.ports, b.ports) && netsMayMeet(a.nets, b.nets);
}

export function portsMayMeet(
  a: readonly PortMatch[] | undefined,
  b: readonly PortMatch[] | undefined,
): boolean {
  if (!a || !b) return true;
  return a.some((one) =>
    b.some(
      (other) =>
        one.kind === "named" ||
        other.kind === "named" ||
        (one.first <= other.last && other.first <= one.last),
    ),
  );
}

function netsMayMeet(a: EntityMatch["nets"], b: EntityMatch["nets"]): boolean {
  if (a?.length === 0 || b?.length === 0) return false;
  if (!a || !b) return true;
  const same = new Set(a.map(formatCidr));
  return (
    b.some((net) => same.has(formatCidr(net))) ||
    a.some((one) => b.some((other) => cidrCovers(one, other) || cidrCovers(other, one)))
  );
}
