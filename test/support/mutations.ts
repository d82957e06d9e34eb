/** @module Compiled tables broken on purpose, as functions from a table to a table: each is a mistake that a compiler could make. */
import { ALLOWED_MARK, PASS_MARK } from "../../src/nft/compile-rule.ts";
import { BASE } from "../../src/nft/names.ts";
import type {
  NftChain,
  NftField,
  NftRule,
  NftSet,
  NftStatement,
  NftTable,
  NftVerdict,
} from "../../src/nft/table.ts";

/** @param before - the same node's table before the last change of the cluster */
export type Mutate = (table: NftTable, before: NftTable) => NftTable;

type EditRules = (rules: readonly NftRule[], chain: NftChain) => readonly NftRule[];
/** What stands in the statement's place: several, itself, or nothing. */
type EditStatement = (statement: NftStatement, rule: NftRule) => readonly NftStatement[];

function withChains(which: (chain: NftChain) => boolean, edit: EditRules): Mutate {
  return (table) => ({
    ...table,
    chains: new Map(
      [...table.chains].map(([name, chain]) => [
        name,
        which(chain) ? { ...chain, rules: edit(chain.rules, chain) } : chain,
      ]),
    ),
  });
}

function withStatements(which: (chain: NftChain) => boolean, edit: EditStatement): Mutate {
  return withChains(which, (rules) =>
    rules.map((rule) => ({ ...rule, statements: rule.statements.flatMap((one) => edit(one, rule)) })),
  );
}

function withSets(edit: (set: NftSet, table: NftTable, before: NftTable) => NftSet): Mutate {
  return (table, before) => ({
    ...table,
    sets: new Map([...table.sets].map(([name, set]) => [name, edit(set, table, before)])),
  });
}

const ofPolicies = ({ name }: NftChain): boolean => name.startsWith("in/") || name.startsWith("out/");
const ofPrograms = ({ name }: NftChain): boolean => name.startsWith("program-") || name.startsWith("tier-");
const ofBase = ({ hook }: NftChain): boolean => hook !== undefined;
const isPort = (field: NftField): boolean => field === "destination-port" || field === "source-port";
const ACCEPT: NftStatement = { kind: "verdict", to: { verdict: "accept" } };

function without(which: (chain: NftChain) => boolean, matches: (statement: NftStatement) => boolean): Mutate {
  return withStatements(which, (one) => (matches(one) ? [] : [one]));
}

function withoutRules(which: (chain: NftChain) => boolean, matches: (rule: NftRule) => boolean): Mutate {
  return withChains(which, (rules) => rules.filter((rule) => !matches(rule)));
}

const hasVerdict = ({ statements }: NftRule, verdict: string): boolean =>
  statements.some((one) => one.kind === "verdict" && one.to.verdict === verdict);

const OTHER_SIDE: Readonly<Partial<Record<NftField, NftField>>> = {
  "source-address4": "destination-address4",
  "destination-address4": "source-address4",
  "source-address6": "destination-address6",
  "destination-address6": "source-address6",
};

export const dropExceptions: Mutate = without(
  ofPolicies,
  (one) =>
    (one.kind === "prefix" && !one.inside) ||
    (one.kind === "lookup" && !one.present && one.set.startsWith("cidrs")),
);

export const acceptAtTierDefault: Mutate = withStatements(ofPrograms, (one, rule) =>
  rule.comment?.startsWith("tier ") && one.kind === "verdict" ? [ACCEPT] : [one],
);

export const swapDirections: Mutate = withSets((set, table) => {
  const other =
    set.name === BASE.egressMap ? BASE.ingressMap : set.name === BASE.ingressMap ? BASE.egressMap : undefined;
  const found = other === undefined ? undefined : table.sets.get(other);
  return found ? { ...found, name: set.name } : set;
});

export const rangeEndsLate: Mutate = withStatements(ofPolicies, (one) =>
  one.kind === "range" && isPort(one.field) ? [{ ...one, last: one.last + 1 }] : [one],
);

export const rangeEndsEarly: Mutate = withStatements(ofPolicies, (one) =>
  one.kind === "range" && isPort(one.field) ? [{ ...one, last: one.last - 1 }] : [one],
);

export const forgetProtocol: Mutate = without(
  ofPolicies,
  (one) => one.kind === "compare" && one.field === "protocol" && one.equal,
);

export const forgetIpv6: Mutate = withoutRules(ofPolicies, ({ statements }) =>
  statements.some((one) => one.kind === "compare" && one.field === "family" && one.value === 10),
);

export const forgetNegation: Mutate = withStatements(ofPolicies, (one) =>
  one.kind === "lookup" ? [{ ...one, present: true }] : [one],
);

export const allowOnPass: Mutate = withStatements(ofPolicies, (one, { statements }) => {
  const passes = statements.some((other) => other.kind === "mark-set" && other.value === PASS_MARK);
  return passes && one.kind === "verdict" ? [ACCEPT] : [one];
});

export const goOnAfterPass: Mutate = withoutRules(ofPrograms, ({ statements }) =>
  statements.some((one) => one.kind === "mark-test"),
);

export const keepPassMark: Mutate = without(ofPrograms, (one) => one.kind === "mark-set" && one.value === 0);

export const forgetDeny: Mutate = withoutRules(ofPolicies, (rule) => hasVerdict(rule, "drop"));

export const endAtLog: Mutate = withStatements(ofPolicies, (one) =>
  one.kind === "log" ? [one, ACCEPT] : [one],
);

/** Jumps of a tier, last policy first; what follows a jump stays with it. */
export const reversePolicies: Mutate = withChains(ofPrograms, (rules) => {
  const groups: NftRule[][] = [];
  for (const rule of rules) {
    const belongs = rule.statements.some((one) => one.kind === "mark-test");
    if (belongs) groups.at(-1)?.push(rule);
    else groups.push([rule]);
  }
  const isJump = (group: readonly NftRule[]): boolean =>
    group[0] !== undefined && group[0].statements.length === 1 && hasVerdict(group[0], "jump");
  const jumps = groups.filter(isJump).reverse();
  return groups.flatMap((group) => (isJump(group) ? (jumps.shift() ?? group) : group));
});

export const forgetNotPorts: Mutate = without(
  ofPolicies,
  (one) =>
    (one.kind === "compare" && isPort(one.field) && !one.equal) ||
    (one.kind === "range" && isPort(one.field) && !one.inside) ||
    (one.kind === "lookup" && !one.present && one.fields.some(isPort)),
);

/** Every address with every number that anyone has for the name. */
export const mixNamedPorts: Mutate = withSets((set) => {
  if (set.kind !== "set" || !set.name.startsWith("named")) return set;
  const parts = [...set.elements].map((key) => key.split(" . "));
  const keys = parts.flatMap(([address]) => parts.map(([, port]) => `${address} . ${port}`));
  return { ...set, elements: new Set(keys) };
});

export const swapSides: Mutate = withStatements(ofPolicies, (one) => {
  if (one.kind === "lookup")
    return [{ ...one, fields: one.fields.map((field) => OTHER_SIDE[field] ?? field) }];
  if (one.kind === "prefix")
    return [{ ...one, field: (OTHER_SIDE[one.field] ?? one.field) as typeof one.field }];
  return [one];
});

export const forgetIcmpCode: Mutate = without(
  ofPolicies,
  (one) => one.kind === "compare" && (one.field === "icmp-code" || one.field === "icmp6-code"),
);

const DROP: NftVerdict = { verdict: "drop" };

export const denyWithoutPolicy: Mutate = withSets((set) => {
  if (set.kind !== "verdict-map" || (set.name !== BASE.egressMap && set.name !== BASE.ingressMap)) return set;
  const closed = [...set.elements].map(([key, to]): [string, NftVerdict] => [
    key,
    to.verdict === "accept" ? DROP : to,
  ]);
  return { ...set, elements: new Map(closed) };
});

export const keepStaleElements: Mutate = withSets((set, _, before) => {
  const old = before.sets.get(set.name);
  if (set.kind !== "set" || old?.kind !== "set" || !set.name.startsWith("pods")) return set;
  return { ...set, elements: new Set([...old.elements, ...set.elements]) };
});

export const missNewElements: Mutate = withSets((set, _, before) => {
  const old = before.sets.get(set.name);
  if (set.kind !== "set" || old?.kind !== "set" || !set.name.startsWith("pods")) return set;
  return { ...set, elements: new Set([...set.elements].filter((key) => old.elements.has(key))) };
});

export const emptySelf: Mutate = withSets((set) =>
  set.kind === "set" && set.name.startsWith("self") ? { ...set, elements: new Set() } : set,
);

export const forgetEstablished: Mutate = withoutRules(ofBase, ({ statements }) =>
  statements.some((one) => one.kind === "ct-state"),
);

export const forgetSpoofCheck: Mutate = withoutRules(
  ofBase,
  ({ comment }) => comment?.startsWith("a source address") === true,
);

export const letUnknownInterfacesPass: Mutate = withoutRules(
  ofBase,
  ({ comment }) => comment?.startsWith("an interface that no pod") === true,
);

export const nothing: Mutate = (table) => table;

// ── host endpoints ──────────────────────────────────────────────────────────────────────────────────────────────

export const forgetProfiles: Mutate = withoutRules(ofPrograms, ({ statements }) =>
  statements.some(
    (one) => one.kind === "verdict" && one.to.verdict === "jump" && one.to.chain.includes("/Profile/"),
  ),
);

export const forgetAllowed: Mutate = without(
  ofPolicies,
  (one) => one.kind === "mark-set" && one.mask === ALLOWED_MARK,
);

export const keepTracking: Mutate = without(ofPolicies, (one) => one.kind === "notrack");

export const closeFailsafes: Mutate = withoutRules(ofBase, ({ comment }) => comment === "a failsafe port");

export function forgetChains(...names: readonly string[]): Mutate {
  return withChains(
    ({ name }) => names.includes(name),
    () => [],
  );
}
