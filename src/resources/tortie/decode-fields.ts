/** @module Values that several parts of a ConnectivityTest share: names, addresses, the two ends of a probe. */
import { parseIp } from "../../base/ip.ts";
import { BAD, type Cursor, type Fields, orAbsent, orElse, type Reading } from "../decode/cursor.ts";
import { decodeLabels } from "../decode/metadata.ts";
import {
  checkDnsLabel,
  checkDnsSubdomain,
  checkPortName,
  checkPortNumber,
  type TextRule,
} from "../decode/names.ts";
import { makeLabels } from "../labels.ts";
import type { Labels } from "../object.ts";
import type { ProbeProtocol } from "./types.ts";

/** @returns undefined when it is missing or not a valid name, which has been reported */
export function decodeName(cursor: Cursor, rule: TextRule = checkDnsSubdomain): string | undefined {
  const name = cursor.isAbsent || cursor.value === "" ? cursor.required() : cursor.string();
  if (name === BAD || name === undefined) return undefined;
  const problems = rule(name);
  for (const problem of problems) cursor.invalid("invalid-name", problem);
  return problems.length === 0 ? name : undefined;
}

export function decodeNamespaceName(cursor: Cursor): string | undefined {
  return cursor.isAbsent ? "default" : decodeName(cursor, checkDnsLabel);
}

export function labelsAt(cursor: Cursor): Labels {
  return orElse(decodeLabels(cursor), makeLabels([]));
}

export function decodeAddress(cursor: Cursor): string | undefined {
  const text = orAbsent(cursor.string());
  if (text === undefined || parseIp(text)) return text;
  cursor.invalid("invalid-ip", "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
  return undefined;
}

export function decodeProbeProtocol(cursor: Cursor): ProbeProtocol | typeof BAD {
  const protocol = cursor.oneOf(["TCP", "UDP", "SCTP", "ICMP"]);
  return protocol === undefined ? "TCP" : protocol;
}

export function decodeExpectation(cursor: Cursor): "allow" | "deny" | undefined {
  if (!cursor.isAbsent) return orAbsent(cursor.oneOf(["allow", "deny"]));
  cursor.required("say allow or deny");
  return undefined;
}

/** A port's number or name; required unless the protocol has no ports. BAD where that does not hold. */
export function decodeProbePort(
  fields: Fields,
  protocol: ProbeProtocol | typeof BAD,
): Reading<number | string> {
  const cursor = fields.at("port");
  if (cursor.isAbsent) return protocol === "ICMP" || protocol === BAD ? undefined : cursor.required();
  if (protocol === "ICMP") {
    cursor.error("port-with-icmp", "Forbidden: may not be specified when `protocol` is ICMP");
    return BAD;
  }
  const port = cursor.integerOrString();
  if (port === BAD || port === undefined) return port;
  const problems = typeof port === "number" ? checkPortNumber(port) : checkPortName(port);
  for (const problem of problems) cursor.invalid("invalid-port", problem);
  return problems.length === 0 ? port : BAD;
}

export interface EndForms {
  /** Whether `svc/namespace/name` is taken. */
  readonly service: boolean;
}

/** One end of a probe: `namespace/pod`, an address, or `svc/namespace/name`. */
export function decodeEnd(cursor: Cursor, forms: EndForms): string | undefined {
  const end = cursor.isAbsent ? cursor.required() : cursor.string();
  if (end === BAD || end === undefined) return undefined;
  const parts = end.split("/");
  const isPod = parts.length === 2 && !parts.includes("");
  const isService = forms.service && parts.length === 3 && parts[0] === "svc" && !parts.includes("");
  if (parseIp(end) || isPod || isService) return end;
  const wanted = forms.service
    ? "namespace/pod, svc/namespace/name or an address"
    : "namespace/pod or an address";
  cursor.invalid("invalid-endpoint", `must be ${wanted}`);
  return undefined;
}

/** One side of a matrix row: `*`, or `namespace/pod` with `*` for either half. */
export function decodePattern(cursor: Cursor): string | undefined {
  const pattern = cursor.isAbsent ? cursor.required() : cursor.string();
  if (pattern === BAD || pattern === undefined) return undefined;
  const parts = pattern.split("/");
  const isRight = pattern === "*" || (parts.length === 2 && parts.every((part) => /^(\*|[^*]+)$/.test(part)));
  if (isRight) return pattern;
  cursor.invalid("invalid-pattern", "must be *, or namespace/pod with * for either half");
  return undefined;
}
