/** @module HostEndpoint, WorkloadEndpoint and Profile: what Calico's policies apply to besides pods. */
import { formatIp, parseIp, WIDTH } from "../../base/ip.ts";
import { BAD, type Cursor, type Fields, fieldNames, orAbsent, orElse } from "../decode/cursor.ts";
import { decodeLabels, decodeMetadata, type ObjectInput } from "../decode/metadata.ts";
import { checkPortNumber } from "../decode/names.ts";
import { makeLabels } from "../labels.ts";
import { decodeNet } from "./decode-net.ts";
import { decodeCalicoProtocol, isCalicoPortName } from "./decode-protocol.ts";
import { decodeCalicoRules, denyEverything } from "./decode-rule.ts";
import type { EndpointPort, HostEndpoint, Profile, WorkloadEndpoint } from "./types.ts";

const OBJECT: ReadonlySet<string> = fieldNames("apiVersion kind metadata spec status");
const HOST_SPEC: ReadonlySet<string> = fieldNames("expectedIPs interfaceName node ports profiles");
const PROFILE_SPEC: ReadonlySet<string> = fieldNames("egress ingress labelsToApply");
const WORKLOAD_SPEC: ReadonlySet<string> = fieldNames(`
  allowSpoofedSourcePrefixes containerID endpoint interfaceName ipNATs ipNetworks ipv4Gateway ipv6Gateway mac node
  orchestrator pod ports profiles qosControls serviceAccountName workload`);
const PORT: ReadonlySet<string> = fieldNames("hostIP hostPort name port protocol");

/** The kernel's limit. */
const MAX_INTERFACE_NAME = 15;
const MAX_NODE_NAME = 253;

export function decodeHostEndpoint(input: ObjectInput): HostEndpoint | undefined {
  const { head, isNamed } = decodeMetadata(input, { scope: "cluster" });
  input.root.reportUnknown(OBJECT);
  const cursor = input.root.at("spec");
  const spec = orAbsent(cursor.fields(HOST_SPEC));
  if (cursor.isAbsent) cursor.required("node");
  if (!spec) return undefined;
  const interfaceName = decodeInterfaceName(spec.at("interfaceName"));
  const expectedIPs = orElse(spec.at("expectedIPs").list(), []).flatMap(decodeAddress);
  if (spec.at("interfaceName").isAbsent && spec.at("expectedIPs").isAbsent) {
    spec.at("interfaceName").required("a host endpoint needs an interfaceName or expectedIPs");
  }
  const endpoint = {
    node: decodeNodeName(spec.at("node")),
    expectedIPs,
    profiles: decodeTexts(spec.at("profiles")),
    ports: decodePorts(spec.at("ports")),
    ...(interfaceName === undefined ? {} : { interfaceName }),
  };
  return isNamed ? { kind: "HostEndpoint", ...head, ...endpoint } : undefined;
}

/** @returns "" where none could be read: such an endpoint is on no node, and its addresses are still known */
function decodeNodeName(cursor: Cursor): string {
  const node = orElse(cursor.string(), "");
  if (cursor.isAbsent || cursor.value === "") cursor.required("the node that the endpoint is on");
  if (node.length > MAX_NODE_NAME) {
    cursor.invalid("invalid-name", `must be no more than ${MAX_NODE_NAME} characters`);
  }
  return node;
}

function decodeInterfaceName(cursor: Cursor): string | undefined {
  const name = orAbsent(cursor.string());
  if (name === undefined || name === "") return undefined;
  if (name === "*" || /^[a-zA-Z0-9_.-]{1,15}$/.test(name)) return name;
  const rule = `must be "*", or at most ${MAX_INTERFACE_NAME} letters, digits, "_", "." and "-"`;
  cursor.invalid("invalid-interface-name", rule);
  return undefined;
}

function decodeAddress(cursor: Cursor): string[] {
  const text = cursor.isAbsent ? cursor.required() : cursor.string();
  if (text === BAD || text === undefined) return [];
  const ip = parseIp(text);
  if (ip) return [formatIp(ip)];
  cursor.invalid("invalid-ip", "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
  return [];
}

function decodeTexts(cursor: Cursor): string[] {
  return orElse(cursor.list(), []).flatMap((item) => {
    const text = item.isAbsent ? item.required() : item.string();
    return text === BAD || text === undefined ? [] : text;
  });
}

function decodePorts(cursor: Cursor): EndpointPort[] {
  return orElse(cursor.list(), []).flatMap((item) => decodePort(item) ?? []);
}

function decodePort(cursor: Cursor): EndpointPort | undefined {
  const fields = cursor.isAbsent ? cursor.required() : cursor.fields(PORT);
  if (fields === BAD || fields === undefined) return undefined;
  const nameAt = fields.at("name");
  const portAt = fields.at("port");
  const protocolAt = fields.at("protocol");
  const name = nameAt.isAbsent ? nameAt.required() : nameAt.string();
  const port = portAt.isAbsent ? portAt.required() : portAt.integer();
  const protocol = protocolAt.isAbsent ? protocolAt.required() : decodeCalicoProtocol(protocolAt);
  if (name === BAD || port === BAD || protocol === BAD) return undefined;
  if (name === undefined || port === undefined || protocol === undefined) return undefined;
  const problems = checkPortNumber(port);
  for (const problem of problems) portAt.invalid("invalid-port", problem);
  if (isCalicoPortName(name)) return problems.length === 0 ? { name, protocol, port } : undefined;
  nameAt.invalid("invalid-port-name", 'must be 1 to 128 letters, digits, "_", "." and "-"');
  return undefined;
}

export function decodeProfile(input: ObjectInput): Profile | undefined {
  const { head, isNamed } = decodeMetadata(input, { scope: "cluster" });
  input.root.reportUnknown(OBJECT);
  const cursor = input.root.at("spec");
  const fields = cursor.fields(PROFILE_SPEC);
  return isNamed ? { kind: "Profile", ...head, ...decodeProfileSpec(cursor, fields) } : undefined;
}

function decodeProfileSpec(
  { path }: Cursor,
  fields: Fields | undefined | typeof BAD,
): Pick<Profile, "labelsToApply" | "ingress" | "egress"> {
  if (fields === BAD) {
    return { labelsToApply: makeLabels([]), ingress: [denyEverything(path)], egress: [denyEverything(path)] };
  }
  if (fields === undefined) return { labelsToApply: makeLabels([]), ingress: [], egress: [] };
  const namespace = undefined;
  return {
    labelsToApply: orElse(decodeLabels(fields.at("labelsToApply")), makeLabels([])),
    ingress: decodeCalicoRules(fields.at("ingress"), { direction: "ingress", namespace }),
    egress: decodeCalicoRules(fields.at("egress"), { direction: "egress", namespace }),
  };
}

export function decodeWorkloadEndpoint(input: ObjectInput): WorkloadEndpoint | undefined {
  const { head, isNamed } = decodeMetadata(input, { scope: "namespaced" });
  input.root.reportUnknown(OBJECT);
  const spec = orAbsent(input.root.at("spec").fields(WORKLOAD_SPEC));
  if (!spec || !isNamed) return undefined;
  const text = (name: string): string => orElse(spec.at(name).string(), "");
  return {
    kind: "WorkloadEndpoint",
    ...head,
    orchestrator: text("orchestrator"),
    workload: text("workload"),
    node: text("node"),
    pod: text("pod"),
    serviceAccountName: text("serviceAccountName"),
    ipNetworks: orElse(spec.at("ipNetworks").list(), []).flatMap(decodeSingleAddress),
    profiles: decodeTexts(spec.at("profiles")),
    interfaceName: decodeInterfaceName(spec.at("interfaceName")) ?? "",
    ports: decodePorts(spec.at("ports")),
  };
}

function decodeSingleAddress(cursor: Cursor): string[] {
  const net = decodeNet(cursor);
  if (net === BAD) return [];
  const { cidr } = net;
  if (cidr.prefix === WIDTH[cidr.family]) return [formatIp(cidr)];
  cursor.invalid("invalid-cidr", "must be a single address: /32 for IPv4, /128 for IPv6");
  return [];
}
