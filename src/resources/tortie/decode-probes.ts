/** @module What a ConnectivityTest expects: probes and matrices. */
import { BAD, type Cursor, fieldNames, orAbsent, orElse, type Reading } from "../decode/cursor.ts";
import {
  decodeEnd,
  decodeExpectation,
  decodePattern,
  decodeProbePort,
  decodeProbeProtocol,
} from "./decode-fields.ts";
import type { MatrixExpectation, Probe } from "./types.ts";

const PROBE: ReadonlySet<string> = fieldNames("code established expect from port protocol to type");
const MATRIX: ReadonlySet<string> = fieldNames("allow default deny port protocol");

/** @returns undefined when the probe could not be read: the issues say why */
export function decodeProbe(cursor: Cursor): Probe | undefined {
  if (cursor.isAbsent) cursor.required();
  const fields = orAbsent(cursor.fields(PROBE));
  if (!fields) return undefined;
  const from = decodeEnd(fields.at("from"), { service: false });
  const to = decodeEnd(fields.at("to"), { service: true });
  const protocol = decodeProbeProtocol(fields.at("protocol"));
  const port = decodeProbePort(fields, protocol);
  const icmpType = decodeIcmpNumber(fields.at("type"), protocol);
  const icmpCode = decodeIcmpNumber(fields.at("code"), protocol);
  const expect = decodeExpectation(fields.at("expect"));
  const established = orElse(fields.at("established").boolean(), false);
  if (from === undefined || to === undefined || expect === undefined || protocol === BAD || port === BAD)
    return undefined;
  if (icmpType === BAD || icmpCode === BAD) return undefined;
  if (established && protocol === "SCTP") {
    // Kernels without SCTP sockets cannot keep an association open, so no judge could be held to the answer.
    fields
      .at("established")
      .error("established-sctp", "Forbidden: may not be specified when `protocol` is SCTP");
    return undefined;
  }
  return {
    path: cursor.path,
    from,
    to,
    ...(port === undefined ? {} : { port }),
    protocol,
    ...(icmpType === undefined ? {} : { icmpType }),
    ...(icmpCode === undefined ? {} : { icmpCode }),
    expect,
    established,
  };
}

function decodeIcmpNumber(cursor: Cursor, protocol: string | typeof BAD): Reading<number> {
  const number = cursor.integer();
  if (number === undefined || number === BAD) return number;
  if (protocol !== "ICMP") {
    cursor.error("icmp-only", "Forbidden: may only be specified when `protocol` is ICMP");
    return BAD;
  }
  return number >= 0 && number <= 255
    ? number
    : cursor.invalid("invalid-icmp", "must be between 0 and 255, inclusive");
}

export function decodeMatrix(cursor: Cursor): MatrixExpectation | undefined {
  if (cursor.isAbsent) cursor.required();
  const fields = orAbsent(cursor.fields(MATRIX));
  if (!fields) return undefined;
  const protocol = decodeProbeProtocol(fields.at("protocol"));
  const port = decodeProbePort(fields, protocol);
  const expected = decodeExpectation(fields.at("default"));
  const rows: MatrixExpectation["rows"][number][] = [];
  // `allow` and `deny` count in the order in which they stand, so that a later row wins over an earlier one.
  for (const [key, list] of fields.entries()) {
    if (key !== "allow" && key !== "deny") continue;
    for (const item of orElse(list.list(), [])) {
      const row = decodeRow(item);
      if (row) rows.push({ expect: key, ...row, path: item.path });
    }
  }
  if (protocol === BAD || port === BAD || expected === undefined) return undefined;
  return { path: cursor.path, ...(port === undefined ? {} : { port }), protocol, default: expected, rows };
}

function decodeRow(cursor: Cursor): { from: string; to: string } | undefined {
  const ends = orElse(cursor.list(), []);
  const [first, second] = ends;
  if (!first || !second || ends.length > 2) {
    if (cursor.isAbsent || Array.isArray(cursor.value)) cursor.invalid("invalid-row", "must be [from, to]");
    return undefined;
  }
  const from = decodePattern(first);
  const to = decodePattern(second);
  return from === undefined || to === undefined ? undefined : { from, to };
}
