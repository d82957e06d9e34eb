/** @module Protocols and ports of a cluster-wide policy's rule, in the words of v1alpha2 and of v1alpha1. */
import { BAD, type Cursor, type Fields, fieldNames } from "../decode/cursor.ts";
import { checkPortNumber } from "../decode/names.ts";
import { onlyField } from "./decode-pod-peer.ts";
import type { Dialect } from "./dialects.ts";
import type { ClusterPolicyPort } from "./types.ts";

const PROTOCOL_FIELDS: ReadonlySet<"tcp" | "udp" | "sctp" | "destinationNamedPort"> = new Set([
  "tcp",
  "udp",
  "sctp",
  "destinationNamedPort",
] as const);
const PORT_FIELDS: ReadonlySet<"portNumber" | "portRange" | "namedPort"> = new Set([
  "portNumber",
  "portRange",
  "namedPort",
] as const);
const DESTINATION: ReadonlySet<string> = fieldNames("destinationPort");
const NUMBER_OR_RANGE: ReadonlySet<"number" | "range"> = new Set(["number", "range"] as const);
const RANGE: ReadonlySet<string> = fieldNames("end start");
const OLD_NUMBER: ReadonlySet<string> = fieldNames("port protocol");
const OLD_RANGE: ReadonlySet<string> = fieldNames("end protocol start");

const NUMBERS = { tcp: 6, udp: 17, sctp: 132 } as const;
const OLD_NUMBERS = { TCP: 6, UDP: 17, SCTP: 132 } as const;

export function decodeClusterPort(cursor: Cursor, dialect: Dialect): ClusterPolicyPort | typeof BAD {
  return dialect.ports === "protocols" ? decodeProtocol(cursor) : decodeOldPort(cursor);
}

function decodeProtocol(cursor: Cursor): ClusterPolicyPort | typeof BAD {
  const fields = cursor.isAbsent ? cursor.required() : cursor.fields(PROTOCOL_FIELDS);
  if (fields === BAD || fields === undefined) return BAD;
  const field = onlyField(fields, PROTOCOL_FIELDS, "protocol");
  if (field === BAD) return BAD;
  const { path } = cursor;
  if (field === "destinationNamedPort") return decodeNamedPort(fields.at(field), path);
  const inside = fields.at(field).fields(DESTINATION);
  if (inside === BAD || inside === undefined) return BAD;
  const port = decodeDestination(inside);
  return port === BAD ? BAD : { path, protocol: NUMBERS[field], port };
}

/** The API asks for a port; one that is left out may be a field of a newer version. */
function decodeDestination(fields: Fields): ClusterPolicyPort["port"] | typeof BAD {
  const cursor = fields.at("destinationPort");
  const inside = cursor.isAbsent
    ? cursor.required("the API has no other match")
    : cursor.fields(NUMBER_OR_RANGE);
  if (inside === BAD || inside === undefined) return BAD;
  const field = onlyField(inside, NUMBER_OR_RANGE, "port");
  if (field === BAD) return BAD;
  if (field === "number") return decodeNumber(inside.at("number"));
  const range = inside.at("range").fields(RANGE);
  return range === BAD || range === undefined ? BAD : decodeRange(range);
}

function decodeOldPort(cursor: Cursor): ClusterPolicyPort | typeof BAD {
  const fields = cursor.isAbsent ? cursor.required() : cursor.fields(PORT_FIELDS);
  if (fields === BAD || fields === undefined) return BAD;
  const field = onlyField(fields, PORT_FIELDS, "port");
  if (field === BAD) return BAD;
  const { path } = cursor;
  if (field === "namedPort") return decodeNamedPort(fields.at(field), path);
  const inside = fields.at(field).fields(field === "portNumber" ? OLD_NUMBER : OLD_RANGE);
  if (inside === BAD || inside === undefined) return BAD;
  const protocol = inside.at("protocol").oneOf(["TCP", "UDP", "SCTP"]) ?? "TCP";
  const port = field === "portNumber" ? decodeNumber(inside.at("port")) : decodeRange(inside);
  return port === BAD || protocol === BAD ? BAD : { path, protocol: OLD_NUMBERS[protocol], port };
}

function decodeNamedPort(cursor: Cursor, path: string): ClusterPolicyPort | typeof BAD {
  const name = cursor.string();
  if (name === BAD || name === undefined) return BAD;
  return name === "" ? cursor.required("a port's name") : { path, port: { kind: "named", name } };
}

function decodeNumber(cursor: Cursor): ClusterPolicyPort["port"] | typeof BAD {
  const number = readPort(cursor);
  return number === BAD ? BAD : { kind: "range", first: number, last: number };
}

function decodeRange(fields: Fields): ClusterPolicyPort["port"] | typeof BAD {
  const first = readPort(fields.at("start"));
  const last = readPort(fields.at("end"));
  if (first === BAD || last === BAD) return BAD;
  if (first < last) return { kind: "range", first, last };
  return fields.at("end").invalid("invalid-port-range", "must be greater than `start`");
}

function readPort(cursor: Cursor): number | typeof BAD {
  const port = cursor.isAbsent ? cursor.required() : cursor.integer();
  if (port === BAD || port === undefined) return BAD;
  const problems = checkPortNumber(port);
  for (const problem of problems) cursor.invalid("invalid-port", problem);
  return problems.length === 0 ? port : BAD;
}
