/** @module What is behind a Service: its pods as endpoints, grouped by the ports that they have. Pure. */
import type { Endpoint, EndpointPort } from "kubernetes-types/discovery/v1.js";
import { parseIp } from "../base/ip.ts";
import type { Node, Pod, Service } from "../client/kinds.ts";
import { canonical } from "./equal.ts";
import { isDeleting } from "./owners.ts";
import { isFinished, isReady } from "./pod-state.ts";

export type AddressType = "IPv4" | "IPv6";

export interface PodEndpoint {
  readonly pod: Pod;
  readonly address: string;
  readonly endpoint: Endpoint;
}

export interface EndpointGroup {
  readonly ports: readonly EndpointPort[];
  readonly endpoints: readonly PodEndpoint[];
}

function familyOf(address: string): AddressType | undefined {
  const ip = parseIp(address);
  return ip && (ip.family === 4 ? "IPv4" : "IPv6");
}

/** The families that a Service speaks. */
export function familiesOf({ spec }: Service): AddressType[] {
  const named = (spec.ipFamilies ?? []).filter((one) => one === "IPv4" || one === "IPv6");
  if (named.length > 0) return [...named];
  const own = familyOf(spec.clusterIP ?? "");
  return [own ?? "IPv4"];
}

export function addressOf(pod: Pod, family: AddressType): string | undefined {
  const all = pod.status?.podIPs?.map(({ ip }) => ip) ?? [];
  if (pod.status?.podIP && !all.includes(pod.status.podIP)) all.unshift(pod.status.podIP);
  return all.find((ip) => ip !== undefined && familyOf(ip) === family);
}

export function isHeadless({ spec }: Service): boolean {
  return spec.clusterIP === "None";
}

/** A port by its name is what the pod's own container says. @returns undefined when the pod has no such port */
function portOf(pod: Pod, port: NonNullable<Service["spec"]["ports"]>[number]): number | undefined {
  const target = port.targetPort ?? port.port;
  if (typeof target === "number") return target === 0 ? port.port : target;
  if (target === "") return port.port;
  const protocol = port.protocol ?? "TCP";
  for (const container of pod.spec.containers)
    for (const one of container.ports ?? [])
      if (one.name === target && (one.protocol ?? "TCP") === protocol) return one.containerPort;
  return undefined;
}

function portsOf(service: Service, pod: Pod): EndpointPort[] {
  return (service.spec.ports ?? []).flatMap((port) => {
    const number = portOf(pod, port);
    if (number === undefined) return [];
    return [
      {
        name: port.name ?? "",
        port: number,
        protocol: port.protocol ?? "TCP",
        ...(port.appProtocol !== undefined && { appProtocol: port.appProtocol }),
      },
    ];
  });
}

export function endpointOf(service: Service, pod: Pod, address: string, node: Node | undefined): Endpoint {
  const isServing = isReady(pod);
  const zone = node?.metadata.labels?.["topology.kubernetes.io/zone"];
  const { hostname, subdomain, nodeName } = pod.spec;
  const isNamed = hostname && subdomain === service.metadata.name;
  const { name, namespace, uid } = pod.metadata;
  return {
    addresses: [address],
    conditions: {
      ready: service.spec.publishNotReadyAddresses === true || (isServing && !isDeleting(pod)),
      serving: isServing,
      terminating: isDeleting(pod),
    },
    ...(isNamed && { hostname }),
    ...(nodeName && { nodeName }),
    ...(zone !== undefined && { zone }),
    targetRef: {
      kind: "Pod",
      name,
      ...(namespace !== undefined && { namespace }),
      ...(uid !== undefined && { uid }),
    },
  };
}

/** Pods that are over, or have no address yet, are behind nothing. */
export function endpointGroups(
  service: Service,
  pods: readonly Pod[],
  family: AddressType,
  nodeOf: (name: string) => Node | undefined,
): EndpointGroup[] {
  const groups = new Map<string, { ports: EndpointPort[]; endpoints: PodEndpoint[] }>();
  for (const pod of pods) {
    const address = addressOf(pod, family);
    if (isFinished(pod) || address === undefined) continue;
    const ports = portsOf(service, pod);
    // Without any of its ports the pod cannot be reached; a headless Service may have no ports at all.
    if (ports.length === 0 && (service.spec.ports ?? []).length > 0) continue;
    const key = canonical(ports);
    const group = groups.get(key) ?? { ports, endpoints: [] };
    groups.set(key, group);
    const endpoint = endpointOf(service, pod, address, nodeOf(pod.spec.nodeName ?? ""));
    group.endpoints.push({ pod, address, endpoint });
  }
  return [...groups.values()];
}
