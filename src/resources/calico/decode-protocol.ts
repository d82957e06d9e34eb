/** @module Protocols and ports of Calico's rules and endpoints. */

import { closestWord } from "../decode/closest-word.ts";
import { BAD, type Cursor, didYouMean, type Reading } from "../decode/cursor.ts";
import { checkPortNumber } from "../decode/names.ts";
import type { CalicoPort } from "./types.ts";

const NUMBERS: ReadonlyMap<string, number> = new Map([
  ["TCP", 6],
  ["UDP", 17],
  ["ICMP", 1],
  ["ICMPv6", 58],
  ["SCTP", 132],
  ["UDPLite", 136],
]);

export const ICMP = 1;
export const ICMPV6 = 58;
/** Those whose ports have numbers in rules. UDPLite has ports, and Calico does not match them. */
export const WITH_PORTS: ReadonlySet<number> = new Set([6, 17, 132]);

/** By name, in the case that Calico writes it, or by number. @returns the IANA number */
export function decodeCalicoProtocol(cursor: Cursor): Reading<number> {
  const written = cursor.integerOrString();
  if (written === undefined || written === BAD) return written;
  if (typeof written === "number") {
    if (1 <= written && written <= 255) return written;
    return cursor.invalid("invalid-protocol", "must be between 1 and 255, inclusive");
  }
  const known = NUMBERS.get(written);
  if (known !== undefined) return known;
  const list = [...NUMBERS.keys()].join(", ");
  const hint = /^[0-9]+$/.test(written)
    ? `a number must not be quoted: write ${written}`
    : didYouMean(closestWord(written, NUMBERS.keys()));
  return cursor.invalid("invalid-protocol", `must be one of ${list}, or a number from 1 to 255`, hint);
}

const PORT_NAME = /^[a-zA-Z0-9_.-]{1,128}$/;

/** A number, a range `first:last`, or a name. */
export function decodeCalicoPort(cursor: Cursor): CalicoPort | typeof BAD {
  const written = cursor.isAbsent ? cursor.required() : cursor.integerOrString();
  if (written === undefined || written === BAD) return BAD;
  const text = String(written);
  const [, first, last] = /^([0-9]+)(?::([0-9]+))?$/.exec(text) ?? [];
  if (typeof written === "number" || first !== undefined) {
    const range = { first: Number(first ?? text), last: Number(last ?? first ?? text) };
    return decodeRange(cursor, range);
  }
  if (PORT_NAME.test(text)) return { path: cursor.path, port: { kind: "named", name: text } };
  const rule = 'must be a port number, a range "first:last", or a name of letters, digits, "_", "." and "-"';
  return cursor.invalid("invalid-port", rule);
}

function decodeRange(cursor: Cursor, range: { first: number; last: number }): CalicoPort | typeof BAD {
  const [problem] = [...checkPortNumber(range.first), ...checkPortNumber(range.last)];
  if (problem !== undefined) return cursor.invalid("invalid-port", problem);
  if (range.last < range.first) {
    return cursor.invalid("invalid-port", "the range must not end before it begins");
  }
  return { path: cursor.path, port: { kind: "range", ...range } };
}

export function isCalicoPortName(text: string): boolean {
  return PORT_NAME.test(text);
}
