/** @module The `icmp` and `http` matches of a Calico rule. */

import { reportTooMany } from "../decode/alternatives.ts";
import { BAD, type Cursor, fieldNames, type Reading } from "../decode/cursor.ts";
import { ICMP, ICMPV6 } from "./decode-protocol.ts";
import type { CalicoAction, CalicoIcmp } from "./types.ts";

const ICMP_FIELDS: ReadonlySet<string> = fieldNames("code type");
const HTTP: ReadonlySet<string> = fieldNames("methods paths");
const PATH: ReadonlySet<string> = fieldNames("exact prefix");

const MAX_ICMP_TYPE = 254;
const MAX_ICMP_CODE = 255;
const MAX_HTTP_ITEMS = 20;
const MAX_HTTP_PATH = 1024;
const TCP = 6;

/** @param protocol - the rule's, which must be ICMP or ICMPv6 */
export function decodeIcmp(cursor: Cursor, protocol: Reading<number>): Reading<CalicoIcmp> {
  const fields = cursor.fields(ICMP_FIELDS);
  if (fields === undefined || fields === BAD) return fields;
  const type = decodeByte(fields.at("type"), MAX_ICMP_TYPE);
  const code = decodeByte(fields.at("code"), MAX_ICMP_CODE);
  if (type === BAD || code === BAD || protocol === BAD) return BAD;
  if (protocol !== ICMP && protocol !== ICMPV6) {
    cursor.error("icmp-without-protocol", "needs the protocol ICMP or ICMPv6");
    return BAD;
  }
  if (code !== undefined && type === undefined) {
    return fields.at("code").invalid("icmp-code-without-type", "a code needs a type");
  }
  return { ...(type === undefined ? {} : { type }), ...(code === undefined ? {} : { code }) };
}

function decodeByte(cursor: Cursor, max: number): Reading<number> {
  const value = cursor.integer();
  if (value === undefined || value === BAD || (0 <= value && value <= max)) return value;
  return cursor.invalid("invalid-icmp", `must be between 0 and ${max}, inclusive`);
}

interface HttpRule {
  readonly action: CalicoAction | undefined;
  readonly direction: "ingress" | "egress";
  readonly protocol: number | undefined;
}

/** @returns true for a match that is there and was read */
export function decodeHttp(cursor: Cursor, rule: HttpRule): Reading<true> {
  const fields = cursor.fields(HTTP);
  if (fields === undefined || fields === BAD) return fields;
  const methods = fields.at("methods").list();
  const paths = fields.at("paths").list();
  reportTooMany(fields.at("methods"), lengthOf(methods), MAX_HTTP_ITEMS);
  reportTooMany(fields.at("paths"), lengthOf(paths), MAX_HTTP_ITEMS);
  if (methods === BAD || paths === BAD) return BAD;
  const areMethodsRead = (methods ?? []).map((method) => method.string()).every(isPresent);
  const arePathsRead = (paths ?? []).map(isPath).every(Boolean);
  const misuse = describeMisuse(rule);
  if (misuse !== undefined) cursor.error("misplaced-http", `Forbidden: ${misuse}`);
  if (misuse !== undefined || !areMethodsRead || !arePathsRead) return BAD;
  cursor.warn(
    "http-not-enforced",
    "no kernel can enforce an http match: without a proxy the rule allows what it says without it",
  );
  return true;
}

function lengthOf(list: Reading<readonly Cursor[]>): number {
  return list === undefined || list === BAD ? 0 : list.length;
}

function isPresent(reading: Reading<string>): boolean {
  return reading !== undefined && reading !== BAD;
}

function isPath(cursor: Cursor): boolean {
  const fields = cursor.isAbsent ? cursor.required() : cursor.fields(PATH);
  if (fields === BAD || fields === undefined) return false;
  const exact = fields.at("exact").string();
  const prefix = fields.at("prefix").string();
  if ((exact === undefined) === (prefix === undefined)) {
    cursor.error("invalid-http-path", "must have either `exact` or `prefix`");
    return false;
  }
  const text = exact ?? prefix;
  if (text === BAD || text === undefined) return false;
  if (text.length <= MAX_HTTP_PATH) return true;
  cursor.error("invalid-http-path", `may not be longer than ${MAX_HTTP_PATH} characters`);
  return false;
}

function describeMisuse({ action, direction, protocol }: HttpRule): string | undefined {
  if (action !== undefined && action !== "Allow") return "http may only stand in an Allow rule";
  if (direction === "egress") return "http may only stand in an ingress rule";
  if (protocol !== undefined && protocol !== TCP) return "http needs the protocol TCP, or none";
  return undefined;
}
