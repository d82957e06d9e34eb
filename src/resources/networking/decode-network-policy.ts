/**
 * @module Decoder of networking.k8s.io/v1 NetworkPolicy. Never wider than what was written: what cannot be read takes a
 * permission away, or puts more pods under the policy, and never the other way.
 * @see https://github.com/kubernetes/kubernetes pkg/apis/networking/validation ValidateNetworkPolicySpec
 * @see https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/
 */

import { decodeProtocol } from "../core/decode-pod-spec.ts";
import { closestWord } from "../decode/closest-word.ts";
import { BAD, type Cursor, type Fields, fieldNames, orElse } from "../decode/cursor.ts";
import { decodeMetadata, type ObjectInput } from "../decode/metadata.ts";
import { checkPortName, checkPortNumber } from "../decode/names.ts";
import { decodeIpBlock } from "./decode-ip-block.ts";
import { decodeLabelSelector } from "./decode-label-selector.ts";
import type {
  LabelSelector,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  NetworkPolicyRule,
  NetworkPolicySpec,
} from "./types.ts";

// `status` was there from 1.24 to 1.27, and exported objects still carry it.
const OBJECT: ReadonlySet<string> = fieldNames("apiVersion kind metadata spec status");
const SPEC: ReadonlySet<string> = fieldNames("egress ingress podSelector policyTypes");
const PEER: ReadonlySet<string> = fieldNames("ipBlock namespaceSelector podSelector");
const PORT: ReadonlySet<string> = fieldNames("endPort port protocol");
const RULE = {
  ingress: { fields: fieldNames("from ports"), peers: "from" },
  egress: { fields: fieldNames("ports to"), peers: "to" },
} as const;

function isMeantForEgress(name: string): boolean {
  if (SPEC.has(name)) return false;
  const near = closestWord(name, SPEC);
  return near === "policyTypes" || near === "egress";
}

const ALL: LabelSelector = { requirements: [] };
const MAX_POLICY_TYPES = 2;

/** Always a policy: one that cannot be read isolates what it may have selected. */
export function decodeNetworkPolicy(input: ObjectInput): NetworkPolicy {
  const { head } = decodeMetadata(input, { scope: "namespaced" });
  input.root.reportUnknown(OBJECT);
  return { kind: "NetworkPolicy", ...head, spec: decodeNetworkPolicySpec(input.root.at("spec"), []) };
}

/** @param more - fields that another kind's spec has besides */
export function decodeNetworkPolicySpec(cursor: Cursor, more: readonly string[]): NetworkPolicySpec {
  const fields = cursor.fields(new Set([...SPEC, ...more]));
  if (fields === BAD) {
    return { podSelector: ALL, policyTypes: { ingress: true, egress: true }, ingress: [], egress: [] };
  }
  if (fields === undefined) {
    return { podSelector: ALL, policyTypes: { ingress: true, egress: false }, ingress: [], egress: [] };
  }
  const podSelector = decodeLabelSelector(fields.at("podSelector"));
  const policyTypes = decodePolicyTypes(fields);
  // Read in any case, so that everything wrong with them is told at once.
  const ingress = decodeRules(fields.at("ingress"), "ingress");
  const egress = decodeRules(fields.at("egress"), "egress");
  // Rules add up over policies: for pods that another policy isolates, these would open what nobody meant to open.
  if (podSelector === BAD) return { podSelector: ALL, policyTypes, ingress: [], egress: [] };
  return { podSelector: podSelector ?? ALL, policyTypes, ingress, egress };
}

/**
 * "If this field is not specified, it will default based on the existence of ingress or egress rules; policies that
 * contain an egress section are assumed to affect egress, and all policies (whether or not they contain an ingress
 * section) are assumed to affect ingress." The API server counts rules: an empty egress section does not count.
 */
function decodePolicyTypes(fields: Fields): NetworkPolicySpec["policyTypes"] {
  const both = { ingress: true, egress: true };
  const cursor = fields.at("policyTypes");
  const items = cursor.list();
  if (items === BAD) return both;
  if (items === undefined || items.length === 0) {
    const egress = fields.at("egress");
    const mayHaveRules = !egress.isAbsent && !(Array.isArray(egress.value) && egress.value.length === 0);
    if (!mayHaveRules && fields.entries().some(([name]) => isMeantForEgress(name))) {
      fields.report.warn({
        code: "wide-policy",
        path: fields.path,
        message:
          "the API server ignores unknown fields, so what is left of this policy says nothing about egress",
      });
    }
    return { ingress: true, egress: mayHaveRules };
  }
  if (items.length > MAX_POLICY_TYPES) {
    cursor.invalid("too-many-policy-types", "may not specify more than two policyTypes");
    return both;
  }
  const types = items.map((item) => (item.isAbsent ? item.required() : item.oneOf(["Ingress", "Egress"])));
  if (types.includes(BAD)) return both;
  return { ingress: types.includes("Ingress"), egress: types.includes("Egress") };
}

function decodeRules(cursor: Cursor, direction: keyof typeof RULE): NetworkPolicyRule[] {
  return orElse(cursor.list(), []).flatMap((item) => decodeRule(item, direction) ?? []);
}

/** @returns undefined when the rule, or all of what it allows, could not be read */
function decodeRule(cursor: Cursor, direction: keyof typeof RULE): NetworkPolicyRule | undefined {
  if (cursor.isAbsent) {
    // The API server takes null for {}, which allows everything. Nobody means that by an empty dash.
    cursor.error("empty-rule", "Required value: must be a rule", "write {} to allow everything");
    return undefined;
  }
  const fields = cursor.fields(RULE[direction].fields);
  if (fields === BAD || fields === undefined) return undefined;
  const { fields: known, peers: peersField } = RULE[direction];
  const isMisspelt = fields.hasUnknown(known);
  for (const [field, meaning] of [
    [peersField, "every peer"],
    ["ports", "every port"],
  ] as const) {
    if (!fields.at(field).isAbsent || !(isMisspelt || fields.isNull(field))) continue;
    // The API server drops what it does not know, and takes null for absent; what is left says more than its author meant.
    const ignored = fields.isNull(field) ? "takes null for absent" : "ignores unknown fields";
    cursor.warn(
      "wide-rule",
      `the API server ${ignored}, so without \`${field}\` this rule allows ${meaning}`,
    );
  }
  const peers = decodeList(fields.at(peersField), decodePeer);
  const ports = decodeList(fields.at("ports"), decodePort);
  return peers === BAD || ports === BAD ? undefined : { path: cursor.path, peers, ports };
}

/** @returns "any" for a list that is absent or empty; BAD where it has items and none can be read */
function decodeList<T>(
  cursor: Cursor,
  decodeItem: (item: Cursor) => T | typeof BAD,
): "any" | T[] | typeof BAD {
  const items = cursor.list();
  if (items === BAD) return BAD;
  if (items === undefined || items.length === 0) return "any";
  const readable: T[] = [];
  for (const item of items) {
    const decoded = decodeItem(item);
    if (decoded !== BAD) readable.push(decoded);
  }
  return readable.length === 0 ? BAD : readable;
}

function decodePeer(cursor: Cursor): NetworkPolicyPeer | typeof BAD {
  const fields = cursor.fields(PEER);
  if (fields === BAD) return BAD;
  const isThere = (name: string): boolean => fields !== undefined && !fields.at(name).isAbsent;
  const hasSelector = isThere("podSelector") || isThere("namespaceSelector");
  if (fields === undefined || !(hasSelector || isThere("ipBlock"))) {
    cursor.error("empty-peer", "Required value: must specify a peer");
    return BAD;
  }
  if (fields.hasUnknown(PEER) || fields.isNull("podSelector")) warnOfWidth(fields);
  // All three are read in any case, so that everything wrong with them is told at once.
  const podSelector = decodeLabelSelector(fields.at("podSelector"));
  const namespaceSelector = decodeLabelSelector(fields.at("namespaceSelector"));
  const ipBlock = isThere("ipBlock") ? decodeIpBlock(fields.at("ipBlock")) : undefined;
  if (hasSelector && ipBlock !== undefined) {
    cursor.error("mixed-peer", "Forbidden: may not specify both ipBlock and another peer");
    return BAD;
  }
  if (podSelector === BAD || namespaceSelector === BAD || ipBlock === BAD) return BAD;
  if (ipBlock) return { kind: "ipBlock", path: cursor.path, ...ipBlock };
  return {
    kind: "pods",
    path: cursor.path,
    ...(podSelector ? { podSelector } : {}),
    ...(namespaceSelector ? { namespaceSelector } : {}),
  };
}

/** The API server drops what it does not know, and takes null for absent; what is left says more than was meant. */
function warnOfWidth(fields: Fields): void {
  const pods = !fields.at("podSelector").isAbsent;
  const namespaces = !fields.at("namespaceSelector").isAbsent;
  if (pods === namespaces) return;
  const path = fields.path;
  const message = namespaces
    ? "without `podSelector` this peer is every pod of the namespaces"
    : "without `namespaceSelector` this peer is pods of the policy's own namespace";
  fields.report.warn({
    code: "wide-peer",
    path,
    message: `the API server ignores unknown fields and nulls: ${message}`,
  });
}

function decodePort(cursor: Cursor): NetworkPolicyPort | typeof BAD {
  if (cursor.isAbsent) {
    cursor.error("empty-port", "Required value: must be a port", "write {} to allow every TCP port");
    return BAD;
  }
  const fields = cursor.fields(PORT);
  if (fields === BAD || fields === undefined) return BAD;
  const protocol = decodeProtocol(fields.at("protocol"), ["TCP", "UDP", "SCTP"]);
  const port = decodePortRange(fields.at("port"), fields.at("endPort"));
  if (fields.at("port").isAbsent && fields.hasUnknown(PORT)) {
    cursor.warn("wide-rule", "the API server ignores unknown fields, so without `port` this is every port");
  }
  return protocol === BAD || port === BAD ? BAD : { path: cursor.path, protocol, port };
}

function decodePortRange(first: Cursor, last: Cursor): NetworkPolicyPort["port"] | typeof BAD {
  const port = first.integerOrString();
  const endPort = last.integer();
  if (port === BAD || endPort === BAD) return BAD;
  if (port === undefined) {
    if (endPort === undefined) return { kind: "all" };
    return last.invalid("end-port-without-port", "may not be specified when `port` is not specified");
  }
  if (typeof port === "string") {
    const problems = checkPortName(port);
    const hint = /^[0-9]+$/.test(port) ? `a number must not be quoted: write ${port}` : undefined;
    for (const problem of problems) first.invalid("invalid-port-name", problem, hint);
    if (endPort !== undefined)
      return last.invalid("end-port-with-name", "may not be specified when `port` is non-numeric");
    return problems.length === 0 ? { kind: "named", name: port } : BAD;
  }
  return decodeNumericRange(first, port, last, endPort);
}

function decodeNumericRange(
  first: Cursor,
  port: number,
  last: Cursor,
  endPort: number | undefined,
): NetworkPolicyPort["port"] | typeof BAD {
  const firstProblems = checkPortNumber(port);
  for (const problem of firstProblems) first.invalid("invalid-port", problem);
  const lastProblems = endPort === undefined ? [] : checkPortNumber(endPort);
  if (endPort !== undefined && endPort < port) {
    last.invalid("end-port-below-port", "must be greater than or equal to `port`");
    return BAD;
  }
  for (const problem of lastProblems) last.invalid("invalid-port", problem);
  if (firstProblems.length + lastProblems.length > 0) return BAD;
  return { kind: "range", first: port, last: endPort ?? port };
}
