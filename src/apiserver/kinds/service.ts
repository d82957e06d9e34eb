/** @module Services: defaults and validation. Addresses and ports are given out by admission. */
import { type Cidr, cidrContains, parseCidr, parseIp } from "../../base/ip.ts";
import { arrayAt, at, isObject, stringAt } from "../json.ts";
import {
  duplicate,
  forbidden,
  invalid,
  nameFault,
  notSupported,
  required,
  validateLabels,
} from "../metadata.ts";
import type { Strategy } from "../served.ts";
import type { StatusCause } from "../status-error.ts";
import { portFault, portNameFault } from "./container.ts";

const TYPES = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const PROTOCOLS = ["SCTP", "TCP", "UDP"];
const AFFINITY_SECONDS = 10_800;

export const SERVICE: Strategy = {
  setDefaults: (object) => {
    const spec = object["spec"];
    if (!isObject(spec)) return;
    spec["type"] ||= "ClusterIP";
    spec["sessionAffinity"] ||= "None";
    if (spec["sessionAffinity"] === "ClientIP")
      spec["sessionAffinityConfig"] ??= { clientIP: { timeoutSeconds: AFFINITY_SECONDS } };
    else delete spec["sessionAffinityConfig"];
    for (const port of arrayAt(spec, "ports")) {
      if (!isObject(port)) continue;
      port["protocol"] ||= "TCP";
      if (port["targetPort"] === undefined || port["targetPort"] === 0 || port["targetPort"] === "")
        port["targetPort"] = port["port"];
    }
    if (isExposed(spec)) spec["externalTrafficPolicy"] ??= "Cluster";
    if (spec["type"] === "LoadBalancer") spec["allocateLoadBalancerNodePorts"] ??= true;
    if (spec["type"] !== "ExternalName") spec["internalTrafficPolicy"] ??= "Cluster";
  },
  prepareCreate: (object) => {
    object["status"] = { loadBalancer: {} };
  },
  prepareUpdate: (object, before) => {
    const spec = object["spec"];
    if (isObject(spec)) dropFieldsOfType(spec, before["spec"]);
    // Whoever leaves out the address keeps it, as long as the type has one.
    if (isObject(spec) && spec["type"] !== "ExternalName" && spec["clusterIP"] === undefined) {
      const address = stringAt(before, "spec", "clusterIP");
      if (address !== undefined) spec["clusterIP"] = address;
    }
  },
  validate: (object) => {
    const spec = object["spec"];
    const causes: StatusCause[] = [];
    const type = stringAt(spec, "type") ?? "";
    if (!TYPES.includes(type)) causes.push(notSupported("spec.type", type, TYPES));
    const isHeadless = stringAt(spec, "clusterIP") === "None";
    const ports = arrayAt(spec, "ports");
    if (ports.length === 0 && !isHeadless && type !== "ExternalName") causes.push(required("spec.ports"));
    if (isHeadless && (type === "NodePort" || type === "LoadBalancer"))
      causes.push(invalid("spec.clusterIPs[0]", "None", `may not be set to 'None' for ${type} services`));
    if (type === "ExternalName") {
      const name = stringAt(spec, "externalName") ?? "";
      const fault = name === "" ? undefined : nameFault(name.replace(/\.$/, ""), "subdomain");
      if (name === "") causes.push(required("spec.externalName"));
      else if (fault !== undefined) causes.push(invalid("spec.externalName", name, fault));
    }
    causes.push(...validatePorts(ports));
    causes.push(...validateLabels(at(spec, "selector"), "spec.selector"));
    const affinity = stringAt(spec, "sessionAffinity");
    if (affinity !== undefined && affinity !== "None" && affinity !== "ClientIP")
      causes.push(notSupported("spec.sessionAffinity", affinity, ["ClientIP", "None"]));
    for (const field of ["internalTrafficPolicy", "externalTrafficPolicy"]) {
      const policy = stringAt(spec, field);
      if (policy !== undefined && policy !== "Cluster" && policy !== "Local")
        causes.push(notSupported(`spec.${field}`, policy, ["Cluster", "Local"]));
    }
    return [...causes, ...validateExposure(spec)];
  },
  validateUpdate: (object, before) => {
    const now = stringAt(object, "spec", "clusterIP");
    const was = stringAt(before, "spec", "clusterIP");
    const leaves =
      stringAt(object, "spec", "type") === "ExternalName" ||
      stringAt(before, "spec", "type") === "ExternalName";
    if (leaves || !was || now === was) return [];
    return [invalid("spec.clusterIPs[0]", [now], "may not change once set")];
  },
};

function isExposed(spec: unknown): boolean {
  const type = stringAt(spec, "type");
  return type === "NodePort" || type === "LoadBalancer" || arrayAt(spec, "externalIPs").length > 0;
}

/** What came with the type that a Service had, and nobody has asked for since. */
function dropFieldsOfType(spec: Record<string, unknown>, before: unknown): void {
  const drop = (field: string): void => {
    if (spec[field] === at(before, field)) delete spec[field];
  };
  if (!isExposed(spec)) drop("externalTrafficPolicy");
  if (spec["type"] !== "LoadBalancer") drop("allocateLoadBalancerNodePorts");
}

const OF_LOAD_BALANCERS = "may only be used when `type` is 'LoadBalancer'";

function validateExposure(spec: unknown): StatusCause[] {
  const causes: StatusCause[] = [];
  const isBalanced = stringAt(spec, "type") === "LoadBalancer";
  const policy = stringAt(spec, "externalTrafficPolicy");
  if (policy !== undefined && !isExposed(spec))
    causes.push(
      invalid("spec.externalTrafficPolicy", policy, "may only be set for externally-accessible services"),
    );
  if (!isBalanced && at(spec, "allocateLoadBalancerNodePorts") !== undefined)
    causes.push(forbidden("spec.allocateLoadBalancerNodePorts", OF_LOAD_BALANCERS));
  const ranges = arrayAt(spec, "loadBalancerSourceRanges");
  if (!isBalanced && ranges.length > 0)
    causes.push(forbidden("spec.loadBalancerSourceRanges", OF_LOAD_BALANCERS));
  else {
    for (const [place, range] of ranges.entries()) {
      const parsed = parseCidr(String(range).trim());
      if (!parsed)
        causes.push(
          invalid(
            `spec.loadBalancerSourceRanges[${place}]`,
            range,
            "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",
          ),
        );
    }
  }
  for (const [place, address] of arrayAt(spec, "externalIPs").entries()) {
    const fault = externalFault(String(address));
    if (fault !== undefined) causes.push(invalid(`spec.externalIPs[${place}]`, address, fault));
  }
  return causes;
}

/** Addresses that are not one host's to the rest of the world. */
const SPECIAL: readonly (readonly [fault: string, ranges: readonly Cidr[]])[] = (
  [
    ["may not be unspecified (0.0.0.0 or ::)", ["0.0.0.0/32", "::/128"]],
    ["may not be in the loopback range (127.0.0.0/8, ::1/128)", ["127.0.0.0/8", "::1/128"]],
    ["may not be in the link-local range (169.254.0.0/16, fe80::/10)", ["169.254.0.0/16", "fe80::/10"]],
    ["may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)", ["224.0.0.0/24", "ff02::/16"]],
  ] as const
).map(([fault, ranges]) => [fault, ranges.flatMap((range) => parseCidr(range)?.cidr ?? [])]);

function externalFault(text: string): string | undefined {
  const ip = parseIp(text);
  if (!ip) return "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
  return SPECIAL.find(([, ranges]) => ranges.some((range) => cidrContains(range, ip)))?.[0];
}

function validatePorts(ports: readonly unknown[]): StatusCause[] {
  const causes: StatusCause[] = [];
  const names = new Set<string>();
  const numbers = new Set<string>();
  for (const [place, port] of ports.entries()) {
    const path = `spec.ports[${place}]`;
    const name = stringAt(port, "name") ?? "";
    if (name === "") {
      if (ports.length > 1) causes.push(required(`${path}.name`));
    } else {
      const fault = nameFault(name, "label");
      if (fault !== undefined) causes.push(invalid(`${path}.name`, name, fault));
      if (names.has(name)) causes.push(duplicate(`${path}.name`, name));
      names.add(name);
    }
    causes.push(...portFault(at(port, "port"), `${path}.port`));
    const protocol = stringAt(port, "protocol") ?? "TCP";
    if (!PROTOCOLS.includes(protocol)) causes.push(notSupported(`${path}.protocol`, protocol, PROTOCOLS));
    const target = at(port, "targetPort");
    if (typeof target === "number") causes.push(...portFault(target, `${path}.targetPort`));
    else if (typeof target === "string") {
      const fault = portNameFault(target);
      if (fault !== undefined) causes.push(invalid(`${path}.targetPort`, target, fault));
    }
    const key = `${String(at(port, "port"))}/${protocol}`;
    if (numbers.has(key)) causes.push(duplicate(path, { port: at(port, "port"), protocol }));
    numbers.add(key);
  }
  return causes;
}
