/** @module Decoders of Service and EndpointSlice. */
import { BAD, type Cursor, type Fields, fieldNames, orAbsent, orElse } from "../decode/cursor.ts";
import { decodeLabelsStrictly, decodeMetadata, type ObjectInput } from "../decode/metadata.ts";
import { checkDns1035Label, checkPortName, checkPortNumber } from "../decode/names.ts";
import { decodeIps } from "./decode-core.ts";
import { decodeProtocol } from "./decode-pod-spec.ts";
import type { EndpointSlice, Service, ServicePort } from "./types.ts";

const OBJECT: ReadonlySet<string> = fieldNames("apiVersion kind metadata spec status");
const SERVICE_SPEC: ReadonlySet<string> = fieldNames(`
  allocateLoadBalancerNodePorts clusterIP clusterIPs externalIPs externalName externalTrafficPolicy healthCheckNodePort
  internalTrafficPolicy ipFamilies ipFamilyPolicy loadBalancerClass loadBalancerIP loadBalancerSourceRanges ports
  publishNotReadyAddresses selector sessionAffinity sessionAffinityConfig trafficDistribution type`);
const SERVICE_PORT: ReadonlySet<string> = fieldNames("appProtocol name nodePort port protocol targetPort");
const SERVICE_TYPES = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"] as const;

const SLICE: ReadonlySet<string> = fieldNames("addressType apiVersion endpoints kind metadata ports");
const ENDPOINT: ReadonlySet<string> = fieldNames(
  "addresses conditions deprecatedTopology hints hostname nodeName targetRef zone",
);
const SLICE_PORT: ReadonlySet<string> = fieldNames("appProtocol name port protocol");
const SERVICE_NAME_LABEL = "kubernetes.io/service-name";

export function decodeService(input: ObjectInput): Service | undefined {
  const { head, isNamed } = decodeMetadata(input, { scope: "namespaced", name: checkDns1035Label });
  input.root.reportUnknown(OBJECT);
  const spec = orAbsent(input.root.at("spec").fields(SERVICE_SPEC));
  if (!isNamed) return undefined;
  if (!spec)
    return { kind: "Service", ...head, type: "ClusterIP", clusterIPs: [], headless: false, ports: [] };
  const many = orElse(spec.at("clusterIPs").list(), []);
  const addresses = many.length > 0 ? many : [spec.at("clusterIP")];
  const headless = addresses.some((cursor) => cursor.value === "None");
  // An empty selector is none: the API server takes both for a Service whose endpoints are written by hand.
  // One that cannot be read whole would mean more pods without the missing part, so it means none.
  const read = orAbsent(decodeLabelsStrictly(spec.at("selector")));
  const selector = read?.complete ? read.labels : undefined;
  return {
    kind: "Service",
    ...head,
    type: orElse(spec.at("type").oneOf(SERVICE_TYPES), "ClusterIP"),
    clusterIPs: headless ? [] : decodeIps(addresses),
    headless,
    ...(selector && Object.keys(selector).length > 0 ? { selector } : {}),
    ports: orElse(spec.at("ports").list(), []).flatMap((item) => decodeServicePort(item) ?? []),
    ...decodeExposure(spec, input.root),
  };
}

/** How a Service is reached besides by its cluster address, and how its backends are chosen. */
function decodeExposure(
  spec: Fields,
  root: Fields,
): Pick<Service, "externalAddresses" | "localOnly" | "sessionAffinity"> {
  const balancer = orAbsent(root.at("status").fields());
  const ingress = orElse(orAbsent(balancer?.at("loadBalancer").fields())?.at("ingress").list() ?? [], []);
  const addresses = decodeIps([
    ...orElse(spec.at("externalIPs").list(), []),
    ...ingress.flatMap((item) => {
      const ip = orAbsent(item.fields())?.at("ip");
      return ip && !ip.isAbsent ? [ip] : [];
    }),
  ]);
  const internal = orAbsent(spec.at("internalTrafficPolicy").string()) === "Local";
  const external = orAbsent(spec.at("externalTrafficPolicy").string()) === "Local";
  return {
    ...(addresses.length > 0 && { externalAddresses: addresses }),
    ...(orAbsent(spec.at("sessionAffinity").string()) === "ClientIP" && { sessionAffinity: true as const }),
    ...((internal || external) && { localOnly: { internal, external } }),
  };
}

function decodeServicePort(cursor: Cursor): ServicePort | undefined {
  const fields = orAbsent(cursor.fields(SERVICE_PORT));
  if (!fields) return undefined;
  const port = decodePort(fields.at("port"));
  const protocol = decodeProtocol(fields.at("protocol"));
  const target = decodeTargetPort(fields.at("targetPort"));
  if (fields.at("port").isAbsent) fields.at("port").required();
  if (port === BAD || port === undefined || protocol === BAD || target === BAD) return undefined;
  const name = orElse(fields.at("name").string(), "");
  const nodePort = orElse(decodePort(fields.at("nodePort")), 0);
  return {
    ...(name === "" ? {} : { name }),
    protocol,
    port,
    targetPort: target ?? port,
    ...(nodePort === 0 ? {} : { nodePort }),
  };
}

/** Zero is what an unset number comes back as from the API; it counts as absent for node ports and target ports. */
function decodePort(cursor: Cursor): number | undefined | typeof BAD {
  const port = cursor.integer();
  if (typeof port !== "number" || (port === 0 && !cursor.path.endsWith(".port"))) return port;
  const problems = checkPortNumber(port);
  for (const problem of problems) cursor.invalid("invalid-port", problem);
  return problems.length === 0 ? port : BAD;
}

function decodeTargetPort(cursor: Cursor): number | string | undefined | typeof BAD {
  const target = cursor.integerOrString();
  if (target === 0 || target === "") return undefined;
  if (typeof target === "number") return decodePort(cursor);
  if (typeof target !== "string") return target;
  const problems = checkPortName(target);
  for (const problem of problems) cursor.invalid("invalid-port-name", problem);
  return problems.length === 0 ? target : BAD;
}

export function decodeEndpointSlice(input: ObjectInput): EndpointSlice | undefined {
  const { head, isNamed } = decodeMetadata(input, { scope: "namespaced" });
  const { root } = input;
  root.reportUnknown(SLICE);
  const type = root.at("addressType");
  const addressType = type.isAbsent ? type.required() : type.oneOf(["IPv4", "IPv6", "FQDN"]);
  if (!isNamed || addressType === BAD || addressType === undefined) return undefined;
  const serviceName = head.labels[SERVICE_NAME_LABEL];
  return {
    kind: "EndpointSlice",
    ...head,
    addressType,
    ...(serviceName === undefined ? {} : { serviceName }),
    endpoints: orElse(root.at("endpoints").list(), []).flatMap(
      (item) => decodeEndpoint(item, addressType) ?? [],
    ),
    ports: orElse(root.at("ports").list(), []).flatMap((item) => decodeSlicePort(item) ?? []),
  };
}

function decodeEndpoint(
  cursor: Cursor,
  addressType: EndpointSlice["addressType"],
): EndpointSlice["endpoints"][number] | undefined {
  const fields = orAbsent(cursor.fields(ENDPOINT));
  if (!fields) return undefined;
  const items = orElse(fields.at("addresses").list(), []);
  const addresses =
    addressType === "FQDN" ? items.flatMap((item) => orAbsent(item.string()) ?? []) : decodeIps(items);
  const conditions = orAbsent(fields.at("conditions").fields());
  // "nil should be interpreted as true" (discovery/v1 EndpointConditions).
  return { addresses, ready: conditions ? orElse(conditions.at("ready").boolean(), true) : true };
}

function decodeSlicePort(cursor: Cursor): EndpointSlice["ports"][number] | undefined {
  const fields = orAbsent(cursor.fields(SLICE_PORT));
  if (!fields) return undefined;
  const port = decodePort(fields.at("port"));
  const protocol = decodeProtocol(fields.at("protocol"));
  if (port === BAD || protocol === BAD) return undefined;
  const name = orElse(fields.at("name").string(), "");
  return { name, protocol, ...(port === undefined ? {} : { port }) };
}
