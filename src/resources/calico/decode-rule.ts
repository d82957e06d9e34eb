/**
 * @module A rule of a Calico policy. Fails closed: where anything of it cannot be read, a rule that allows or logs is left
 * out, and one that denies or passes on denies everything. A list of alternatives may lose some of them in a rule that
 * allows, which then allows less; a rule that denies would deny less, so it denies everything instead.
 */

import { reportTooMany } from "../decode/alternatives.ts";
import { BAD, type Cursor, type Fields, fieldNames, type Reading } from "../decode/cursor.ts";
import { type DecodedEntity, decodeEntity } from "./decode-entity.ts";
import { decodeCalicoProtocol, ICMP, ICMPV6, WITH_PORTS } from "./decode-protocol.ts";
import { decodeHttp, decodeIcmp } from "./decode-rule-details.ts";
import type { CalicoAction, CalicoEntity, CalicoRule } from "./types.ts";

const RULE: ReadonlySet<string> = fieldNames(`
  action destination http icmp ipVersion metadata notICMP notProtocol protocol source`);
const MAX_RULES = 1024;

export interface RulePlace {
  readonly direction: "ingress" | "egress";
  /** The policy's; undefined for policies without one. */
  readonly namespace: string | undefined;
}

/** @returns in the order written; what stands for a list that cannot be read denies everything, for it may have denied */
export function decodeCalicoRules(cursor: Cursor, place: RulePlace): readonly CalicoRule[] {
  const list = cursor.list();
  if (list === BAD) return [denyEverything(cursor.path)];
  reportTooMany(cursor, list?.length ?? 0, MAX_RULES);
  return (list ?? []).flatMap((item) => decodeRule(item, place) ?? []);
}

/** For policies of which it is not known whom or what they apply to: what may allow too much is taken away. */
export function keepDenials(rules: readonly CalicoRule[]): readonly CalicoRule[] {
  return rules.flatMap((rule) => {
    if (rule.action === "Deny") return rule;
    return rule.action === "Pass" ? denyEverything(rule.path) : [];
  });
}

export function denyEverything(path: string): CalicoRule {
  return {
    path,
    action: "Deny",
    source: { path: `${path}.source` },
    destination: { path: `${path}.destination` },
    http: false,
    malformed: true,
  };
}

/** @returns undefined for a rule that is left out */
function decodeRule(cursor: Cursor, place: RulePlace): CalicoRule | undefined {
  const fields = cursor.isAbsent ? cursor.required("must be a rule with an action") : cursor.fields(RULE);
  if (fields === BAD || fields === undefined) return denyEverything(cursor.path);
  const actionAt = fields.at("action");
  const action = actionAt.isAbsent ? actionAt.required() : actionAt.oneOf(["Allow", "Deny", "Log", "Pass"]);
  const match = decodeMatch(fields, place, action === BAD ? undefined : action);
  if (action === BAD || action === undefined) return denyEverything(cursor.path);
  const isExact = match !== BAD && match.isComplete;
  if (action === "Deny" || action === "Pass") {
    if (!isExact) return denyEverything(cursor.path);
  } else if (match === BAD) {
    return undefined;
  }
  return { path: cursor.path, action, ...match.criteria, malformed: false };
}

type Criteria = Omit<CalicoRule, "path" | "action" | "malformed">;

interface Match {
  readonly criteria: Criteria;
  readonly isComplete: boolean;
}

function decodeMatch(fields: Fields, place: RulePlace, action: CalicoAction | undefined): Match | typeof BAD {
  const source = decodeEntity(fields.at("source"), { ...place, side: "source" });
  const destination = decodeEntity(fields.at("destination"), { ...place, side: "destination" });
  const transport = decodeTransport(fields);
  const http = decodeHttp(fields.at("http"), {
    action,
    direction: place.direction,
    protocol: transport === BAD ? undefined : transport.protocol,
  });
  // Ignored by every evaluation, but what is no mapping is told.
  fields.at("metadata").fields(METADATA);
  if (source === BAD || destination === BAD || transport === BAD || http === BAD) return BAD;
  const entities = [source, destination];
  if (!isOneFamily(fields, transport, entities) || !mayHavePorts(fields, transport, entities)) return BAD;
  warnOfWidth(fields);
  return {
    criteria: { ...transport, source: source.entity, destination: destination.entity, http: http ?? false },
    isComplete: source.isComplete && destination.isComplete,
  };
}

const METADATA: ReadonlySet<string> = fieldNames("annotations");

/** The API server drops what it does not know, and what is left says more than its author meant. */
function warnOfWidth(fields: Fields): void {
  const isNull = ["protocol", "source", "destination"].some((name) => fields.isNull(name));
  if (!isNull && !fields.hasUnknown(RULE)) return;
  const isAbsent = (name: string): boolean => fields.at(name).isAbsent;
  const saysNothing = [...RULE].every((name) => name === "action" || name === "metadata" || isAbsent(name));
  const missing = ["protocol", "source", "destination"].filter(
    (name) => isAbsent(name) && !(name === "protocol" && !isAbsent("notProtocol")),
  );
  if (missing.length === 0) return;
  const without = `without ${missing.map((name) => `\`${name}\``).join(" and ")} `;
  const everything = saysNothing ? "everything" : missing.map((name) => `every ${name}`).join(" and ");
  fields.report.warn({
    code: "wide-rule",
    path: fields.path,
    message: `the API server ${isNull ? "takes null for absent" : "ignores unknown fields"}, so ${saysNothing ? "" : without}this rule matches ${everything}`,
  });
}

type Transport = Pick<CalicoRule, "ipVersion" | "protocol" | "notProtocol" | "icmp" | "notICMP">;

function decodeTransport(fields: Fields): Transport | typeof BAD {
  const written = decodeIpVersion(fields.at("ipVersion"));
  const protocol = decodeCalicoProtocol(fields.at("protocol"));
  const notProtocol = decodeCalicoProtocol(fields.at("notProtocol"));
  const icmp = decodeIcmp(fields.at("icmp"), protocol);
  const notICMP = decodeIcmp(fields.at("notICMP"), protocol);
  if (written === BAD || protocol === BAD || notProtocol === BAD || icmp === BAD || notICMP === BAD)
    return BAD;
  const implied = protocol === ICMP ? 4 : protocol === ICMPV6 ? 6 : undefined;
  if (implied !== undefined && written !== undefined && written !== implied) {
    const name = implied === 4 ? "ICMP" : "ICMPv6";
    return fields.at("ipVersion").invalid("icmp-family", `must be ${implied} where the protocol is ${name}`);
  }
  const ipVersion = written ?? implied;
  return {
    ...(ipVersion === undefined ? {} : { ipVersion }),
    ...(protocol === undefined ? {} : { protocol }),
    ...(notProtocol === undefined ? {} : { notProtocol }),
    ...(icmp ? { icmp } : {}),
    ...(notICMP ? { notICMP } : {}),
  };
}

function decodeIpVersion(cursor: Cursor): Reading<4 | 6> {
  const version = cursor.integer();
  if (version === undefined || version === BAD || version === 4 || version === 6) return version;
  return cursor.invalid("invalid-ip-version", "must be 4 or 6");
}

/** Nets of both families, or of another than the rule's: Calico refuses them, for no packet is of two families. */
function isOneFamily(fields: Fields, { ipVersion }: Transport, entities: readonly DecodedEntity[]): boolean {
  const nets = entities.flatMap(({ entity }) => [...(entity.nets ?? []), ...(entity.notNets ?? [])]);
  const hasV6 = nets.some((net) => net.includes(":"));
  const hasV4 = nets.some((net) => !net.includes(":"));
  if (hasV4 && hasV6) {
    fields.report.error({
      code: "mixed-families",
      path: fields.path,
      message: "a rule may not have both IPv4 and IPv6 CIDRs",
      hint: "write a rule for each family",
    });
    return false;
  }
  if ((hasV4 && ipVersion === 6) || (hasV6 && ipVersion === 4)) {
    fields.report.error({
      code: "mixed-families",
      path: fields.path,
      message: `the CIDRs are of IPv${hasV4 ? 4 : 6}, and the rule is for IPv${ipVersion} alone`,
    });
    return false;
  }
  return true;
}

function mayHavePorts(
  { report }: Fields,
  { protocol }: Transport,
  entities: readonly DecodedEntity[],
): boolean {
  return entities.every(({ entity }) => {
    const numbered = portLists(entity).find(({ ports }) => ports?.some(({ port }) => port.kind === "range"));
    if (!numbered || (protocol !== undefined && WITH_PORTS.has(protocol))) return true;
    report.error({
      code: "ports-without-protocol",
      path: `${entity.path}.${numbered.name}`,
      message: "port numbers need the protocol TCP, UDP or SCTP",
      ...(protocol === undefined ? { hint: "add protocol: TCP" } : {}),
    });
    return false;
  });
}

function portLists({ ports, notPorts }: CalicoEntity): { name: string; ports: CalicoEntity["ports"] }[] {
  return [
    { name: "ports", ports },
    { name: "notPorts", ports: notPorts },
  ];
}
