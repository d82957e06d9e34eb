/**
 * @module Services → where their connections really go. Policy sees addresses after this translation.
 * @see https://kubernetes.io/docs/concepts/services-networking/service/
 */

import type { Ip } from "../base/ip.ts";
import { parseIp } from "../base/ip.ts";
import { ownValue } from "../base/own.ts";
import type { EndpointSlice, Service, ServicePort } from "../resources/core/types.ts";
import { type Endpoint, PROTOCOL } from "./model.ts";
import type { ServiceBackend } from "./translation.ts";

export interface Backend {
  readonly address: Ip;
  readonly port: number;
}

/** One port of a Service, for one address family. No backends: connections to it are dropped. */
export interface ServiceMapping {
  /** `namespace/name`. */
  readonly service: string;
  readonly protocol: number;
  /** Cluster addresses of the mapping's family; none for headless Services. */
  readonly addresses: readonly Ip[];
  readonly port: number;
  readonly portName: string;
  readonly family: 4 | 6;
  readonly backends: readonly Backend[];
  /** Another door to the same Service, with a chain of its own; "host": a pod's own port of its node. */
  readonly door?: "external" | "host";
  /** Connections of one client go to one backend. */
  readonly affinity?: true;
  /** The backend sees the node's address: its replies have to come back this way. */
  readonly masquerade?: true;
}

/** A pod as a Service sees it; one on the host's network stands at its node's addresses. */
export type ServiceTarget = Pick<Endpoint, "namespace" | "labels" | "addresses" | "ports">;

function selectedBy(selector: Readonly<Record<string, string>>, endpoint: ServiceTarget): boolean {
  return Object.entries(selector).every(([key, value]) => ownValue(endpoint.labels, key) === value);
}

/** A name resolves on each pod by itself; pods without a port of that name are no backends. */
function targetPort(port: ServicePort, endpoint: ServiceTarget): number | undefined {
  if (typeof port.targetPort === "number") return port.targetPort;
  const protocol = PROTOCOL[port.protocol];
  return endpoint.ports.find((named) => named.name === port.targetPort && named.protocol === protocol)?.port;
}

function selectedBackends(
  service: Service,
  port: ServicePort,
  family: 4 | 6,
  endpoints: Iterable<ServiceTarget>,
): Backend[] {
  const { selector } = service;
  if (!selector || Object.keys(selector).length === 0) return [];
  const backends: Backend[] = [];
  for (const endpoint of endpoints) {
    if (endpoint.namespace !== service.namespace || !selectedBy(selector, endpoint)) continue;
    const number = targetPort(port, endpoint);
    const address = endpoint.addresses.find((ip) => ip.family === family);
    if (number !== undefined && address) backends.push({ address, port: number });
  }
  return backends;
}

function slicedBackends(
  service: Service,
  port: ServicePort,
  family: 4 | 6,
  slices: readonly EndpointSlice[],
): Backend[] {
  const backends: Backend[] = [];
  for (const slice of slices) {
    if (slice.namespace !== service.namespace || slice.serviceName !== service.name) continue;
    if (slice.addressType !== (family === 4 ? "IPv4" : "IPv6")) continue;
    const slicePort = slice.ports.find(
      (entry) => entry.name === (port.name ?? "") && entry.protocol === port.protocol,
    );
    if (slicePort?.port === undefined) continue;
    for (const { addresses, ready } of slice.endpoints) {
      const address = ready ? parseIp(addresses[0] ?? "") : undefined;
      if (address) backends.push({ address, port: slicePort.port });
    }
  }
  return backends;
}

/**
 * Every address and port behind a Service, as policies that name it mean it: ready or not, headless or not. A slice's
 * port counts whether or not the Service names it.
 */
export function backendsOf(
  ref: { readonly namespace: string; readonly name: string },
  service: Service | undefined,
  endpoints: Iterable<ServiceTarget>,
  slices: readonly EndpointSlice[],
): ServiceBackend[] {
  const own = slices.filter((slice) => slice.namespace === ref.namespace && slice.serviceName === ref.name);
  if (own.length > 0) return own.flatMap(sliceBackends);
  if (!service) return [];
  const candidates = [...endpoints];
  return service.ports.flatMap((port) =>
    ([4, 6] as const).flatMap((family) =>
      selectedBackends(service, port, family, candidates).map((backend) => ({
        ...backend,
        protocol: PROTOCOL[port.protocol],
      })),
    ),
  );
}

function sliceBackends(slice: EndpointSlice): ServiceBackend[] {
  return slice.endpoints.flatMap(({ addresses }) =>
    addresses.flatMap((text) => {
      const address = parseIp(text);
      if (!address) return [];
      return slice.ports.flatMap(({ port, protocol }) =>
        port === undefined ? [] : [{ address, port, protocol: PROTOCOL[protocol] }],
      );
    }),
  );
}

/**
 * @param slices - all EndpointSlices; where a Service has any, they are its truth, else its selector is
 * @returns a mapping for each port and family that the Service has an address or a backend in
 */
export function mapService(
  service: Service,
  endpoints: Iterable<ServiceTarget>,
  slices: readonly EndpointSlice[],
): ServiceMapping[] {
  if (service.type === "ExternalName") return [];
  const clusterIps = service.clusterIPs.flatMap((text) => parseIp(text) ?? []);
  const own = slices.filter(
    (slice) => slice.namespace === service.namespace && slice.serviceName === service.name,
  );
  const candidates = [...endpoints];
  const mappings: ServiceMapping[] = [];
  for (const port of service.ports) {
    for (const family of [4, 6] as const) {
      const addresses = clusterIps.filter((ip) => ip.family === family);
      const backends =
        own.length > 0
          ? slicedBackends(service, port, family, own)
          : selectedBackends(service, port, family, candidates);
      if (addresses.length === 0 && backends.length === 0) continue;
      mappings.push({
        service: `${service.namespace}/${service.name}`,
        protocol: PROTOCOL[port.protocol],
        addresses,
        port: port.port,
        portName: port.name ?? "",
        family,
        backends,
      });
    }
  }
  return mappings;
}
