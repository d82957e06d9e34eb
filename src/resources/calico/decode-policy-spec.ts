/** @module The spec that Calico's policies share, with v3's defaults: they hold for crd.projectcalico.org/v1 too. */
import { closestWord } from "../decode/closest-word.ts";
import { BAD, type Cursor, type Fields, fieldNames, orElse, type Reading } from "../decode/cursor.ts";
import { checkDnsLabel } from "../decode/names.ts";
import { decodeCalicoRules, denyEverything, keepDenials } from "./decode-rule.ts";
import { decodeSelector } from "./decode-selector.ts";
import type { CalicoPolicySpec, GlobalPolicySpec } from "./types.ts";

const SHARED = `
  egress ingress order performanceHints selector serviceAccountSelector tier types`;
const GLOBAL = "applyOnForward doNotTrack namespaceSelector preDNAT";

export interface PolicyPlace {
  /** undefined for a policy without one. */
  readonly namespace: string | undefined;
  readonly isStaged: boolean;
}

const DEFAULT_TIER = "default";
const MAX_TYPES = 2;

export function decodePolicySpec(cursor: Cursor, place: PolicyPlace): CalicoPolicySpec {
  const fields = cursor.fields(fieldNames(`${SHARED} ${place.isStaged ? "stagedAction" : ""}`));
  return decodeShared(cursor, fields, place).spec;
}

export function decodeGlobalPolicySpec(cursor: Cursor, place: PolicyPlace): GlobalPolicySpec {
  const fields = cursor.fields(fieldNames(`${SHARED} ${GLOBAL} ${place.isStaged ? "stagedAction" : ""}`));
  const { spec, isSubjectRead } = decodeShared(cursor, fields, place);
  if (fields === undefined || fields === BAD) {
    return { ...spec, doNotTrack: false, preDNAT: false, applyOnForward: fields === BAD };
  }
  const namespaceSelector = decodeSelector(fields.at("namespaceSelector"));
  const hooks = decodeHooks(fields, spec);
  const placed = { ...(hooks ? spec : denyAtMost(spec)), ...(hooks ?? CLOSED_HOOKS) };
  if (!isSubjectRead || namespaceSelector === BAD)
    return { ...governAll(placed), ...(hooks ?? CLOSED_HOOKS) };
  return { ...placed, ...(namespaceSelector ? { namespaceSelector } : {}) };
}

/** The rules of a policy of which it is not known where it applies: what denies stays. */
function denyAtMost(spec: CalicoPolicySpec): CalicoPolicySpec {
  return { ...spec, ingress: keepDenials(spec.ingress), egress: keepDenials(spec.egress) };
}

/** A policy of which it is not known whom it selects: it denies, to everything in its scope. */
function governAll(spec: CalicoPolicySpec): CalicoPolicySpec {
  const { tier, order, types, ingress, egress } = spec;
  return denyAtMost({ tier, order, types, ingress, egress });
}

function decodeShared(
  cursor: Cursor,
  fields: Reading<Fields>,
  place: PolicyPlace,
): { readonly spec: CalicoPolicySpec; readonly isSubjectRead: boolean } {
  const base = { tier: DEFAULT_TIER, order: Number.POSITIVE_INFINITY };
  if (fields === undefined) {
    const types = { ingress: true, egress: false };
    return { spec: { ...base, types, ingress: [], egress: [] }, isSubjectRead: true };
  }
  if (fields === BAD) {
    const rules = [denyEverything(cursor.path)];
    const types = { ingress: true, egress: true };
    return { spec: { ...base, types, ingress: rules, egress: rules }, isSubjectRead: false };
  }
  const selector = decodeSelector(fields.at("selector"));
  const serviceAccountSelector = decodeSelector(fields.at("serviceAccountSelector"));
  const tier = decodeTierName(fields.at("tier"));
  const order = fields
    .at("order")
    .finiteNumber("what the policy denies goes first, what it allows is left out");
  decodeHints(fields.at("performanceHints"));
  const { namespace } = place;
  const spec: CalicoPolicySpec = {
    tier: orElse(tier, DEFAULT_TIER),
    order: order === BAD ? Number.NEGATIVE_INFINITY : (order ?? Number.POSITIVE_INFINITY),
    ...(selector === BAD || !selector ? {} : { selector }),
    ...(serviceAccountSelector === BAD || !serviceAccountSelector ? {} : { serviceAccountSelector }),
    types: decodeTypes(fields),
    ingress: decodeCalicoRules(fields.at("ingress"), { direction: "ingress", namespace }),
    egress: decodeCalicoRules(fields.at("egress"), { direction: "egress", namespace }),
  };
  const isSubjectRead = selector !== BAD && serviceAccountSelector !== BAD;
  if (!isSubjectRead) return { spec: governAll(spec), isSubjectRead };
  // At a place that cannot be read, an Allow might come before a Deny that was to go first, and a Deny too late.
  return { spec: tier === BAD || order === BAD ? denyAtMost(spec) : spec, isSubjectRead };
}

/** What is no tier's name is kept: a tier of that name does not exist, and whoever knows all tiers says so. */
function decodeTierName(cursor: Cursor): Reading<string> {
  const tier = cursor.string();
  if (tier === BAD || tier === undefined || tier === "") return tier === "" ? undefined : tier;
  for (const problem of checkDnsLabel(tier)) cursor.invalid("invalid-name", problem);
  return tier;
}

/**
 * Where none are given: what there are rules for, and Ingress where there are none.
 * @returns both where they cannot be read
 */
function decodeTypes(fields: Fields): CalicoPolicySpec["types"] {
  const both = { ingress: true, egress: true };
  const cursor = fields.at("types");
  const list = cursor.list();
  if (list === BAD) return both;
  if (list === undefined || list.length === 0) return defaultTypes(fields);
  if (list.length > MAX_TYPES) {
    cursor.error("too-many", `Too many: ${list.length}: must have at most ${MAX_TYPES} items`);
    return both;
  }
  const types = list.map((item) => (item.isAbsent ? item.required() : item.oneOf(["Ingress", "Egress"])));
  const [first, second] = types;
  if (first === second && first !== BAD && first !== undefined) {
    cursor.error("duplicate-value", `Duplicate value: ${JSON.stringify(first)}`);
  }
  if (types.includes(BAD)) return both;
  return { ingress: types.includes("Ingress"), egress: types.includes("Egress") };
}

function defaultTypes(fields: Fields): CalicoPolicySpec["types"] {
  const mayHave = (name: string): boolean => {
    const { isAbsent, value } = fields.at(name);
    return !isAbsent && !(Array.isArray(value) && value.length === 0);
  };
  const egress = mayHave("egress");
  const ingress = mayHave("ingress") || !egress;
  const misspelt = fields.entries().find(([name]) => isMeantForDirections(name));
  if (misspelt && !(ingress && egress)) {
    const silent = egress ? "ingress" : "egress";
    fields.report.warn({
      code: "wide-policy",
      path: fields.path,
      message: `the API server ignores unknown fields, so what is left of this policy says nothing about ${silent}`,
    });
  }
  return { ingress, egress };
}

const DIRECTIONS = ["types", "ingress", "egress"] as const;
const KNOWN: ReadonlySet<string> = fieldNames(`${SHARED} ${GLOBAL} stagedAction`);

function isMeantForDirections(name: string): boolean {
  if (KNOWN.has(name)) return false;
  const near = closestWord(name, KNOWN);
  return DIRECTIONS.some((direction) => direction === near);
}

/** Hints change when things are programmed, never what they mean. */
function decodeHints(cursor: Cursor): void {
  for (const hint of orElse(cursor.list(), [])) hint.oneOf(["AssumeNeededOnEveryNode"]);
}

const CLOSED_HOOKS = { doNotTrack: false, preDNAT: false, applyOnForward: true } as const;

type Hooks = Pick<GlobalPolicySpec, "doNotTrack" | "preDNAT" | "applyOnForward">;

/**
 * Where in a packet's way a policy stands.
 * @returns undefined where that cannot be known. The closed reading is a policy of the ordinary stage that covers
 *   forwarded traffic too, and only denies: there its denials meet every packet that any of the stages would have shown
 *   it, while what it allows may have been meant for host interfaces alone and must not open workloads.
 */
function decodeHooks(fields: Fields, spec: CalicoPolicySpec): Hooks | undefined {
  const doNotTrack = fields.at("doNotTrack").boolean();
  const preDNAT = fields.at("preDNAT").boolean();
  const applyOnForward = fields.at("applyOnForward").boolean();
  if (doNotTrack === BAD || preDNAT === BAD || applyOnForward === BAD) return undefined;
  const hooks: Hooks = {
    doNotTrack: doNotTrack ?? false,
    preDNAT: preDNAT ?? false,
    applyOnForward: applyOnForward ?? false,
  };
  return reportContradictions(fields, hooks, spec) ? undefined : hooks;
}

function reportContradictions(fields: Fields, hooks: Hooks, spec: CalicoPolicySpec): boolean {
  const problems: string[] = [];
  const complain = (name: string, message: string): void => {
    fields.at(name).error("contradictory-hooks", message);
    problems.push(name);
  };
  if (hooks.doNotTrack && hooks.preDNAT) complain("preDNAT", "preDNAT and doNotTrack may not both be true");
  const early = hooks.preDNAT ? "preDNAT" : hooks.doNotTrack ? "doNotTrack" : undefined;
  if (early !== undefined && !hooks.applyOnForward) complain(early, `${early} needs applyOnForward: true`);
  if (hooks.preDNAT && spec.egress.length > 0)
    complain("egress", "a preDNAT policy may not have egress rules");
  else if (hooks.preDNAT && spec.types.egress)
    complain("types", "a preDNAT policy may not have the type Egress");
  return problems.length > 0;
}
