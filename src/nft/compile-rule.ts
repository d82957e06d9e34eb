/**
 * @module One rule of the model → the nftables rules that match the same packets.
 *
 * Criteria are AND-ed, alternatives of a criterion OR-ed; nftables has only AND in a rule, so a rule becomes the
 * product of its alternatives (mostly one for each address family). Addresses and long lists live in sets.
 */
import { uncovered } from "../base/cidr-set.ts";
import { type Cidr, type Family, formatCidr } from "../base/ip.ts";
import type { CompiledRule, SelectorState } from "../calc/types.ts";
import {
  type Action,
  type EntityMatch,
  hasPorts,
  type IcmpMatch,
  type Match,
  type Policy,
  type PortMatch,
  PROTOCOL,
} from "../policy/model.ts";
import { cidrSet, namedPortSet, portSet, selectorNetsSet, selectorSet } from "./names.ts";
import type { NftField, NftRule, NftStatement } from "./table.ts";

/** A set that rules use; whoever keeps the table sees that it is there and filled. */
export type SetNeed =
  | {
      readonly kind: "selector";
      readonly name: string;
      readonly selector: SelectorState;
      readonly family: Family;
    }
  | {
      readonly kind: "selector-nets";
      readonly name: string;
      readonly selector: SelectorState;
      readonly family: Family;
    }
  | {
      readonly kind: "cidrs";
      readonly name: string;
      readonly family: Family;
      readonly cidrs: readonly string[];
    }
  | { readonly kind: "ports"; readonly name: string; readonly ports: readonly number[] }
  | { readonly kind: "named-port"; readonly name: string; readonly key: string; readonly family: Family };

/** Marks that a Pass rule matched, for the chain that called. One bit, cleared before each tier. */
export const PASS_MARK = 0x0100_0000;

/** Marks what an early stage of a host endpoint allowed: its later stages let it pass. */
export const ALLOWED_MARK = 0x0200_0000;

/** How a denied packet is told of: not at all, or with an ICMP message to whoever sent it. */
export type DenyWith = "drop" | "reject";

export function denyStatement(denyWith: DenyWith): NftStatement {
  return denyWith === "reject"
    ? { kind: "reject", saying: "admin-prohibited" }
    : { kind: "verdict", to: { verdict: "drop" } };
}

/** What all rules of a node are written for. */
export interface RuleOptions {
  readonly families: readonly Family[];
  readonly denyWith: DenyWith;
}

/** Kernel log lines a second that one Log rule may write: enough to see, too few to fill a disk. */
const LOG_PER_SECOND = 10;

/** Up to so many exceptions are compared one by one; more are looked up in a set. */
const INLINE_EXCEPTIONS = 4;

const NFPROTO: Readonly<Record<Family, number>> = { 4: 2, 6: 10 };

type Side = "source" | "destination";
/** Statements that all must hold. */
type Conjunction = readonly NftStatement[];
/** Conjunctions of which one must hold; none: nothing can match. */
type Alternatives = readonly Conjunction[];

export function addressField(side: Side, family: Family): NftField {
  return `${side}-address${family}`;
}

/** @param stage - the stage of host endpoints that the rule's policy is for, if not the usual ones */
export function compileRule(
  compiled: CompiledRule,
  { families, denyWith }: RuleOptions,
  stage?: Policy["stage"],
): { rules: NftRule[]; needs: SetNeed[] } {
  const needs: SetNeed[] = [];
  const { match, action, origin } = compiled.rule;
  const rules: NftRule[] = [];
  const comment = `${origin.object} ${origin.path}`.trim();
  for (const family of familiesOf(match, families)) {
    const criteria: Alternatives[] = [
      family === undefined
        ? [[]]
        : [[{ kind: "compare", field: "family", equal: true, value: NFPROTO[family] }]],
      addressAlternatives(
        { side: "source", family, needs },
        match.source,
        compiled.sourceSelector,
        compiled.sourceNotSelector,
      ),
      addressAlternatives(
        { side: "destination", family, needs },
        match.destination,
        compiled.destinationSelector,
        compiled.destinationNotSelector,
      ),
      protocolAlternatives(match, family, needs),
    ];
    for (const statements of product(criteria)) {
      rules.push({
        statements: [
          ...statements,
          { kind: "counter" },
          ...actionStatements(action, { comment, denyWith, stage }),
        ],
        comment,
      });
    }
  }
  return { rules, needs };
}

interface ActionOptions {
  readonly comment: string;
  readonly denyWith: DenyWith;
  readonly stage: Policy["stage"];
}

function actionStatements(action: Action, { comment, denyWith, stage }: ActionOptions): NftStatement[] {
  switch (action) {
    case "allow":
      return [
        ...(stage ? [{ kind: "mark-set" as const, mask: ALLOWED_MARK, value: ALLOWED_MARK }] : []),
        ...(stage === "untracked" ? [{ kind: "notrack" as const }] : []),
        { kind: "verdict", to: { verdict: "accept" } },
      ];
    case "deny":
      // Before routing there is nobody to answer for.
      return [denyStatement(stage ? "drop" : denyWith)];
    case "pass":
      return [
        { kind: "mark-set", mask: PASS_MARK, value: PASS_MARK },
        { kind: "verdict", to: { verdict: "return" } },
      ];
    case "log":
      return [{ kind: "log", prefix: `tortie ${comment}`.slice(0, 120), perSecond: LOG_PER_SECOND }];
  }
}

/** The families that a rule is written for; undefined: once, for both, since it speaks of no address. */
function familiesOf(match: Match, families: readonly Family[]): readonly (Family | undefined)[] {
  if (match.family !== undefined) return families.includes(match.family) ? [match.family] : [];
  const speaksOfAddresses = [match.source, match.destination].some(
    (side) =>
      side.selector ||
      side.notSelector ||
      side.nets ||
      side.notNets ||
      [...(side.ports ?? []), ...(side.notPorts ?? [])].some((port) => port.kind === "named"),
  );
  return speaksOfAddresses ? families : [undefined];
}

/** What a part of a rule is written for, and where the sets that it takes are gathered. */
interface Writing {
  readonly side: Side;
  /** undefined: for both, since the rule speaks of no address. */
  readonly family: Family | undefined;
  readonly needs: SetNeed[];
}

function addressAlternatives(
  { side, family, needs }: Writing,
  match: EntityMatch,
  selector: SelectorState | undefined,
  notSelector: SelectorState | undefined,
): Alternatives {
  if (family === undefined) return [[]];
  const field = addressField(side, family);
  const always: NftStatement[] = [];
  if (notSelector) {
    for (const set of selectorSets(notSelector, family, needs))
      always.push({ kind: "lookup", fields: [field], set, present: false });
  }
  const exceptions = notNetsStatements(field as AddressField, match.notNets, family, needs);
  if (!exceptions) return [];
  always.push(...exceptions);
  const bySelector: Alternatives = selector
    ? selectorSets(selector, family, needs).map((set) => [
        { kind: "lookup", fields: [field], set, present: true },
      ])
    : [[]];
  const byNet = netsAlternatives(field as AddressField, match.nets, family, needs);
  return product([bySelector, byNet, [always]]);
}

type AddressField = Extract<NftStatement, { kind: "prefix" }>["field"];

/** A selector's pods are hashed, its network sets' CIDRs need intervals: two sets where it has both. */
function selectorSets(selector: SelectorState, family: Family, needs: SetNeed[]): string[] {
  const pods: SetNeed = { kind: "selector", name: selectorSet(selector.key, family), selector, family };
  needs.push(pods);
  if (selector.networkSets.size === 0) return [pods.name];
  const nets: SetNeed = {
    kind: "selector-nets",
    name: selectorNetsSet(selector.key, family),
    selector,
    family,
  };
  needs.push(nets);
  return [pods.name, nets.name];
}

function netsAlternatives(
  field: AddressField,
  nets: readonly Cidr[] | undefined,
  family: Family,
  needs: SetNeed[],
): Alternatives {
  if (!nets) return [[]];
  const own = uncovered(nets.filter((net) => net.family === family));
  const [first] = own;
  if (first === undefined) return [];
  if (first.prefix === 0) return [[]];
  if (own.length === 1) return [[{ kind: "prefix", field, cidr: formatCidr(first), inside: true }]];
  return [[{ kind: "lookup", fields: [field], set: needCidrs(own, family, needs), present: true }]];
}

/** @returns undefined when every address is excepted */
function notNetsStatements(
  field: AddressField,
  notNets: readonly Cidr[] | undefined,
  family: Family,
  needs: SetNeed[],
): NftStatement[] | undefined {
  const own = uncovered((notNets ?? []).filter((net) => net.family === family));
  if (own[0]?.prefix === 0) return undefined;
  if (own.length > INLINE_EXCEPTIONS) {
    return [{ kind: "lookup", fields: [field], set: needCidrs(own, family, needs), present: false }];
  }
  return own.map((net) => ({ kind: "prefix", field, cidr: formatCidr(net), inside: false }));
}

function needCidrs(nets: readonly Cidr[], family: Family, needs: SetNeed[]): string {
  const cidrs = nets.map(formatCidr);
  const name = cidrSet(cidrs, family);
  needs.push({ kind: "cidrs", name, family, cidrs });
  return name;
}

function protocolAlternatives(match: Match, family: Family | undefined, needs: SetNeed[]): Alternatives {
  const withPorts = [match.source, match.destination].some((side) => side.ports || side.notPorts);
  const icmp = icmpAlternatives(match);
  if (!withPorts) return product([protocolStatements(match.protocol, match.notProtocol), icmp]);
  const protocols =
    match.protocol === undefined
      ? [PROTOCOL.TCP, PROTOCOL.UDP, PROTOCOL.SCTP, PROTOCOL.UDPLite]
      : [match.protocol];
  return protocols
    .filter((protocol) => hasPorts(protocol) && protocol !== match.notProtocol)
    .flatMap((protocol) =>
      product([
        protocolStatements(protocol, undefined),
        portAlternatives({ side: "source", family, needs }, match.source, protocol),
        portAlternatives({ side: "destination", family, needs }, match.destination, protocol),
        icmp,
      ]),
    );
}

function protocolStatements(protocol: number | undefined, notProtocol: number | undefined): Alternatives {
  const statements: NftStatement[] = [];
  if (protocol !== undefined)
    statements.push({ kind: "compare", field: "protocol", equal: true, value: protocol });
  if (notProtocol !== undefined)
    statements.push({ kind: "compare", field: "protocol", equal: false, value: notProtocol });
  return [statements];
}

function portAlternatives(writing: Writing, match: EntityMatch, protocol: number): Alternatives {
  const field: NftField = `${writing.side}-port`;
  const never = (match.notPorts ?? []).flatMap((port) => portConjunction(writing, port, protocol, false));
  if (!match.ports) return [never];
  const singles = match.ports.flatMap((port) =>
    port.kind === "range" && port.first === port.last ? [port.first] : [],
  );
  const others = match.ports.filter((port) => !(port.kind === "range" && port.first === port.last));
  const alternatives: Conjunction[] = [];
  const distinct = [...new Set(singles)].sort((a, b) => a - b);
  const [only] = distinct;
  if (only !== undefined && distinct.length === 1)
    alternatives.push([{ kind: "compare", field, equal: true, value: only }]);
  if (distinct.length > 1) {
    const name = portSet(distinct);
    writing.needs.push({ kind: "ports", name, ports: distinct });
    alternatives.push([{ kind: "lookup", fields: [field], set: name, present: true }]);
  }
  for (const port of others) alternatives.push(portConjunction(writing, port, protocol, true));
  return alternatives.map((alternative) => [...alternative, ...never]);
}

/** @param holds - false for the negated match */
function portConjunction(
  { side, family, needs }: Writing,
  port: PortMatch,
  protocol: number,
  holds: boolean,
): NftStatement[] {
  const field = `${side}-port` as const;
  if (port.kind === "range") {
    return port.first === port.last
      ? [{ kind: "compare", field, equal: holds, value: port.first }]
      : [{ kind: "range", field, first: port.first, last: port.last, inside: holds }];
  }
  // A name speaks of the endpoint's address, so the rule was written for a family (see familiesOf).
  const known = family ?? 4;
  const key = `${protocol}:${port.name}`;
  const name = namedPortSet(key, known);
  needs.push({ kind: "named-port", name, key, family: known });
  return [{ kind: "lookup", fields: [addressField(side, known), field], set: name, present: holds }];
}

function icmpAlternatives(match: Match): Alternatives {
  const positive = match.icmp ? icmpKinds(match.protocol).map((kind) => icmpHolds(kind, match.icmp)) : [[]];
  if (!match.notIcmp) return positive;
  const { type, code } = match.notIcmp;
  const negative: Conjunction[] = [];
  for (const kind of icmpKinds(match.protocol)) {
    negative.push([kind.protocol, { kind: "compare", field: kind.type, equal: false, value: type }]);
    if (code !== undefined) {
      negative.push([
        kind.protocol,
        { kind: "compare", field: kind.type, equal: true, value: type },
        { kind: "compare", field: kind.code, equal: false, value: code },
      ]);
    }
  }
  // A packet that is no ICMP at all passes a negated ICMP match.
  negative.push([
    { kind: "compare", field: "protocol", equal: false, value: PROTOCOL.ICMP },
    { kind: "compare", field: "protocol", equal: false, value: PROTOCOL.ICMPv6 },
  ]);
  return product([positive, negative]);
}

interface IcmpKind {
  readonly protocol: NftStatement;
  readonly type: NftField;
  readonly code: NftField;
}

function icmpKinds(protocol: number | undefined): IcmpKind[] {
  const kinds = [
    { number: PROTOCOL.ICMP, type: "icmp-type", code: "icmp-code" },
    { number: PROTOCOL.ICMPv6, type: "icmp6-type", code: "icmp6-code" },
  ] as const;
  return kinds
    .filter(({ number }) => protocol === undefined || protocol === number)
    .map(({ number, type, code }) => ({
      protocol: { kind: "compare", field: "protocol", equal: true, value: number },
      type,
      code,
    }));
}

function icmpHolds(kind: IcmpKind, icmp: IcmpMatch | undefined): Conjunction {
  if (!icmp) return [];
  const statements: NftStatement[] = [
    kind.protocol,
    { kind: "compare", field: kind.type, equal: true, value: icmp.type },
  ];
  if (icmp.code !== undefined)
    statements.push({ kind: "compare", field: kind.code, equal: true, value: icmp.code });
  return statements;
}

/** One conjunction for each way to pick an alternative of every criterion; none when some criterion has none. */
function product(criteria: readonly Alternatives[]): Conjunction[] {
  return criteria.reduce<Conjunction[]>(
    (sofar, alternatives) => sofar.flatMap((head) => alternatives.map((tail) => [...head, ...tail])),
    [[]],
  );
}
