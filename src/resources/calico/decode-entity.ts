/** @module One side of a Calico rule. All its fields must hold, so one that cannot be read makes the whole unreadable. */
import { formatCidr } from "../../base/ip.ts";
import { type Alternatives, decodeAll, decodeAlternatives } from "../decode/alternatives.ts";
import { BAD, type Cursor, type Fields, fieldNames, type Reading } from "../decode/cursor.ts";
import { checkDnsSubdomain } from "../decode/names.ts";
import { decodeMaskedNet } from "./decode-net.ts";
import { decodeCalicoPort } from "./decode-protocol.ts";
import { decodeSelector } from "./decode-selector.ts";
import type { CalicoEntity } from "./types.ts";

const ENTITY: ReadonlySet<string> = fieldNames(`
  domains namespaceSelector nets notNets notPorts notSelector ports selector serviceAccounts services`);
const SERVICE_ACCOUNTS: ReadonlySet<string> = fieldNames("names selector");
const SERVICES: ReadonlySet<string> = fieldNames("name namespace");
const NOT_BESIDE_SERVICES = [
  "selector",
  "notSelector",
  "nets",
  "notNets",
  "namespaceSelector",
  "serviceAccounts",
] as const;

const MAX_NETS = 256;
const MAX_PORTS = 50;
/** The API sets none for names. */
const MAX_NAMES: number = Number.POSITIVE_INFINITY;

/** Where an entity stands, which decides what may be in it. */
export interface EntityPlace {
  readonly direction: "ingress" | "egress";
  readonly side: "source" | "destination";
  /** The policy's; undefined for policies without one. */
  readonly namespace: string | undefined;
}

export interface DecodedEntity {
  readonly entity: CalicoEntity;
  /** Whether no alternative of a list had to be left out. */
  readonly isComplete: boolean;
}

/** @returns BAD where any of what must hold could not be read, or contradicts the rest */
export function decodeEntity(cursor: Cursor, place: EntityPlace): DecodedEntity | typeof BAD {
  const fields = cursor.fields(ENTITY);
  if (fields === BAD) return BAD;
  if (fields === undefined) return { entity: { path: cursor.path }, isComplete: true };
  // All are read in any case, so that everything wrong with them is told at once.
  const nets = decodeAlternatives(fields.at("nets"), decodeNetText, MAX_NETS);
  const ports = decodeAlternatives(fields.at("ports"), decodeCalicoPort, MAX_PORTS);
  const serviceAccounts = decodeServiceAccounts(fields.at("serviceAccounts"));
  const rest = decodePlainFields(fields, place);
  if (!fields.at("domains").isAbsent) return refuseDomains(fields.at("domains"));
  if (nets === BAD || ports === BAD || serviceAccounts === BAD || rest === BAD) return BAD;
  if (!isServicesAlone(fields, place)) return BAD;
  const entity: CalicoEntity = {
    path: cursor.path,
    ...rest,
    ...(nets ? { nets: nets.items } : {}),
    ...(ports ? { ports: ports.items } : {}),
    ...(serviceAccounts ? { serviceAccounts: serviceAccounts.value } : {}),
  };
  warnOfWidth(fields, entity);
  const lists = [nets, ports, serviceAccounts];
  return { entity, isComplete: lists.every((list) => list === undefined || list.isComplete) };
}

/** Addresses of names are learnt from DNS at run time, by Calico's commercial editions: without them a rule says too much. */
function refuseDomains(cursor: Cursor): typeof BAD {
  cursor.error(
    "domains-not-evaluated",
    "domain names are not evaluated: what allows by them allows nothing, what denies by them denies everything",
    "name addresses in nets, or in a NetworkSet",
  );
  return BAD;
}

/** The API server drops what it does not know, and what is left says more than its author meant. */
function warnOfWidth(fields: Fields, entity: CalicoEntity): void {
  if (!fields.hasUnknown(ENTITY)) return;
  if (entity.selector === undefined && entity.namespaceSelector !== undefined) {
    fields.report.warn({
      code: "wide-peer",
      path: fields.path,
      message:
        "the API server ignores unknown fields: without `selector` this side is everything of the namespaces",
    });
  }
  if (Object.keys(entity).length > 1) return;
  fields.report.warn({
    code: "wide-rule",
    path: fields.path,
    message: "the API server ignores unknown fields, so this side of the rule matches everything",
  });
}

type PlainFields = Pick<
  CalicoEntity,
  "selector" | "notSelector" | "namespaceSelector" | "notNets" | "notPorts" | "services"
>;

/** The fields that are read whole or not at all. */
function decodePlainFields(fields: Fields, place: EntityPlace): PlainFields | typeof BAD {
  const selector = decodeSelector(fields.at("selector"));
  const notSelector = decodeSelector(fields.at("notSelector"));
  const namespaceSelector = decodeSelector(fields.at("namespaceSelector"), "alone");
  const notNets = decodeAll(fields.at("notNets"), decodeExceptedNet, MAX_NETS);
  const notPorts = decodeAll(fields.at("notPorts"), decodeCalicoPort, MAX_PORTS);
  const services = decodeServices(fields.at("services"), place);
  if (selector === BAD || notSelector === BAD || namespaceSelector === BAD) return BAD;
  if (notNets === BAD || notPorts === BAD || services === BAD) return BAD;
  return {
    ...(selector ? { selector } : {}),
    ...(notSelector ? { notSelector } : {}),
    ...(namespaceSelector ? { namespaceSelector } : {}),
    ...(notNets ? { notNets } : {}),
    ...(notPorts ? { notPorts } : {}),
    ...(services ? { services } : {}),
  };
}

function decodeNetText(cursor: Cursor): string | typeof BAD {
  const cidr = decodeMaskedNet(cursor);
  return cidr === BAD ? BAD : formatCidr(cidr);
}

function decodeExceptedNet(cursor: Cursor): string | typeof BAD {
  const cidr = decodeMaskedNet(cursor);
  if (cidr === BAD) return BAD;
  if (cidr.prefix > 0) return formatCidr(cidr);
  return cursor.invalid("excludes-everything", "a rule that excepts every address matches nothing");
}

/** A Service's fields, which the API refuses beside most others. */
function isServicesAlone(fields: Fields, { side }: EntityPlace): boolean {
  if (fields.at("services").isAbsent) return true;
  const forbidden: string[] = [
    ...NOT_BESIDE_SERVICES,
    ...(side === "destination" ? ["ports", "notPorts"] : []),
  ];
  const beside = forbidden.filter((name) => isWritten(fields.at(name)));
  for (const name of beside) {
    fields.at(name).error("services-not-alone", `Forbidden: may not be specified beside \`services\``);
  }
  return beside.length === 0;
}

function isWritten({ isAbsent, value }: Cursor): boolean {
  return !isAbsent && value !== "" && !(Array.isArray(value) && value.length === 0);
}

function decodeServices(cursor: Cursor, place: EntityPlace): Reading<NonNullable<CalicoEntity["services"]>> {
  const fields = cursor.fields(SERVICES);
  if (fields === BAD || fields === undefined) return fields;
  const isPlaced = (place.direction === "ingress") === (place.side === "source");
  if (!isPlaced) {
    const message = "Forbidden: services may only be the source of ingress or the destination of egress";
    cursor.error("misplaced-services", message);
  }
  const nameAt = fields.at("name");
  const name =
    nameAt.isAbsent || nameAt.value === "" ? nameAt.required("a Service must be named") : nameAt.string();
  const namespaceAt = fields.at("namespace");
  const written = namespaceAt.string();
  const namespace = written === undefined || written === "" ? place.namespace : written;
  if (namespace === undefined) namespaceAt.required("a policy without a namespace must give the Service's");
  if (name === BAD || name === undefined || namespace === BAD || namespace === undefined) return BAD;
  return isPlaced ? { name, namespace } : BAD;
}

type ServiceAccounts = NonNullable<CalicoEntity["serviceAccounts"]>;

/** Names and selector must both hold; the names are alternatives. Neither says nothing. */
function decodeServiceAccounts(
  cursor: Cursor,
): Reading<{ readonly value: ServiceAccounts; readonly isComplete: boolean }> {
  const fields = cursor.fields(SERVICE_ACCOUNTS);
  if (fields === BAD || fields === undefined) return fields;
  const names: Reading<Alternatives<string>> = decodeAlternatives(fields.at("names"), decodeName, MAX_NAMES);
  const selector = decodeSelector(fields.at("selector"));
  if (names === BAD || selector === BAD) return BAD;
  if (!names && !selector) {
    if (fields.hasUnknown(SERVICE_ACCOUNTS))
      cursor.warn("wide-rule", "the API server ignores unknown fields, so this limits nothing");
    return undefined;
  }
  const value = { names: names?.items ?? [], ...(selector ? { selector } : {}) };
  return { value, isComplete: names?.isComplete ?? true };
}

function decodeName(cursor: Cursor): string | typeof BAD {
  const name = cursor.isAbsent ? cursor.required() : cursor.string();
  if (name === BAD || name === undefined) return BAD;
  const problems = checkDnsSubdomain(name);
  for (const problem of problems) cursor.invalid("invalid-name", problem);
  return problems.length === 0 ? name : BAD;
}
