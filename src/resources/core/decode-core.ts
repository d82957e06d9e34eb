/** @module Decoders of v1 objects without ports of their own: Namespace, Node, Pod, ServiceAccount. */
import { parseCidr, parseIp } from "../../base/ip.ts";
import { type Cursor, fieldNames, orAbsent, orElse } from "../decode/cursor.ts";
import { decodeMetadata, type Metadata, type ObjectInput } from "../decode/metadata.ts";
import { checkDnsLabel } from "../decode/names.ts";
import { makeLabels, NAMESPACE_NAME_LABEL } from "../labels.ts";
import { decodePodSpec } from "./decode-pod-spec.ts";
import type { Namespace, Node, Pod, ServiceAccount, WorkloadRef } from "./types.ts";

const OBJECT: ReadonlySet<string> = fieldNames("apiVersion kind metadata spec status");
const SERVICE_ACCOUNT: ReadonlySet<string> = fieldNames(
  "apiVersion kind metadata automountServiceAccountToken imagePullSecrets secrets",
);
const NODE_SPEC: ReadonlySet<string> = fieldNames(
  "configSource externalID podCIDR podCIDRs providerID taints unschedulable",
);
const PHASES = ["Pending", "Running", "Succeeded", "Failed", "Unknown"] as const;

export function decodeNamespaceObject(input: ObjectInput): Namespace | undefined {
  const { head, isNamed } = decodeMetadata(input, { scope: "cluster", name: checkDnsLabel });
  input.root.reportUnknown(OBJECT);
  if (!isNamed) return undefined;
  const labels = makeLabels([...Object.entries(head.labels), [NAMESPACE_NAME_LABEL, head.name]]);
  return { kind: "Namespace", ...head, labels };
}

export function decodeServiceAccount(input: ObjectInput): ServiceAccount | undefined {
  const { head, isNamed } = decodeMetadata(input, { scope: "namespaced" });
  input.root.reportUnknown(SERVICE_ACCOUNT);
  return isNamed ? { kind: "ServiceAccount", ...head } : undefined;
}

export function decodeNode(input: ObjectInput): Node | undefined {
  const { head, isNamed } = decodeMetadata(input, { scope: "cluster" });
  input.root.reportUnknown(OBJECT);
  const spec = orAbsent(input.root.at("spec").fields(NODE_SPEC));
  const podCIDRs = spec ? decodePodCidrs(spec.at("podCIDRs"), spec.at("podCIDR")) : [];
  const status = orAbsent(input.root.at("status").fields());
  const addresses = status ? decodeInternalAddresses(status.at("addresses")) : [];
  return isNamed ? { kind: "Node", ...head, addresses, podCIDRs } : undefined;
}

function decodePodCidrs(many: Cursor, one: Cursor): string[] {
  const cursors = many.isAbsent ? (one.isAbsent ? [] : [one]) : orElse(many.list(), []);
  const cidrs: string[] = [];
  for (const cursor of cursors) {
    const text = orAbsent(cursor.string());
    if (text === undefined) continue;
    if (parseCidr(text)) cidrs.push(text);
    else cursor.invalid("invalid-cidr", "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
  }
  return cidrs;
}

function decodeInternalAddresses(cursor: Cursor): string[] {
  const addresses: { text: string; family: number }[] = [];
  for (const item of orElse(cursor.list(), [])) {
    const fields = orAbsent(item.fields());
    if (!fields || orAbsent(fields.at("type").string()) !== "InternalIP") continue;
    const ip = decodeIp(fields.at("address"));
    if (ip) addresses.push(ip);
  }
  return addresses.sort((a, b) => a.family - b.family).map(({ text }) => text);
}

function decodeIp(cursor: Cursor): { text: string; family: number } | undefined {
  const text = orAbsent(cursor.string());
  if (text === undefined || text === "") return undefined;
  const ip = parseIp(text);
  if (ip) return { text, family: ip.family };
  cursor.invalid("invalid-ip", "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
  return undefined;
}

/** The text of each valid address; what is none is reported and left out. */
export function decodeIps(cursors: readonly Cursor[]): string[] {
  return cursors.flatMap((cursor) => decodeIp(cursor)?.text ?? []);
}

export function decodePod(input: ObjectInput): Pod | undefined {
  const metadata = decodeMetadata(input, { scope: "namespaced" });
  input.root.reportUnknown(OBJECT);
  const spec = decodePodSpec(input.root.at("spec"));
  const status = orAbsent(input.root.at("status").fields());
  // A manifest has no status: the pod is taken as running, since that is what it is written for.
  const phase = status ? orElse(status.at("phase").oneOf(PHASES), "Running") : "Running";
  const podIPs = status ? decodePodIps(status.at("podIPs"), status.at("podIP")) : [];
  if (!metadata.isNamed) return undefined;
  const workload = nameWorkload(metadata);
  return { kind: "Pod", ...metadata.head, spec, phase, podIPs, ...(workload ? { workload } : {}) };
}

function decodePodIps(many: Cursor, one: Cursor): string[] {
  const list = orElse(many.list(), []);
  if (list.length === 0) return decodeIps([one]);
  return decodeIps(list.flatMap((item) => orAbsent(item.fields())?.at("ip") ?? []));
}

/**
 * A ReplicaSet of a Deployment is named `<deployment>-<hash>`, and its pods carry the hash as a label: that makes the
 * Deployment known without the ReplicaSet at hand.
 */
function nameWorkload({ owner, head }: Metadata): WorkloadRef | undefined {
  const hash = head.labels["pod-template-hash"];
  if (owner?.kind !== "ReplicaSet" || hash === undefined || hash === "") return owner;
  const suffix = `-${hash}`;
  if (!owner.name.endsWith(suffix) || owner.name === suffix) return owner;
  return { kind: "Deployment", name: owner.name.slice(0, -suffix.length) };
}
