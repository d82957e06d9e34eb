/**
 * @module Services as this node is to translate them: what their EndpointSlices say, and where each may be reached; and
 * the host ports of its pods.
 */
import type { LiveCluster } from "../analysis/live-cluster.ts";
import { formatIp, type Ip, parseIp } from "../base/ip.ts";
import { podId } from "../policy/from-pod.ts";
import { PROTOCOL } from "../policy/model.ts";
import type { Backend, ServiceMapping } from "../policy/services.ts";
import type { Pod, Service } from "../resources/core/types.ts";

/** Cost: the endpoints, slices, pods and Services of the cluster. */
export function serviceMappings(cluster: LiveCluster, node: string): ServiceMapping[] {
  const index = cluster.serviceIndex();
  const local = localAddresses(cluster, node);
  const nodeAddresses = cluster.graph.nodes.get(node) ?? [];
  const mappings: ServiceMapping[] = [];
  for (const object of cluster.objects.values()) {
    if (object.kind !== "Service") continue;
    for (const mapping of index.mappings(object))
      mappings.push(...doorsOf(object, mapping, { local, nodeAddresses }));
  }
  for (const pod of cluster.pods.values()) {
    if (pod.spec.nodeName !== node || !hasHostPorts(pod)) continue;
    const addresses = cluster.graph.endpoints.get(podId(pod))?.endpoint.addresses ?? [];
    mappings.push(...hostPorts(pod, addresses, nodeAddresses));
  }
  return mappings;
}

/** Whether ports of its node lead to a pod. */
export function hasHostPorts(pod: Pod | undefined): boolean {
  return pod?.spec.hostNetwork === false && pod.spec.ports.some(({ hostPort }) => hostPort !== undefined);
}

/** What CNI's portmap plugin does: a Service of one pod, at its own node only. */
function hostPorts(pod: Pod, addresses: readonly Ip[], nodeAddresses: readonly Ip[]): ServiceMapping[] {
  return pod.spec.ports.flatMap(({ port, protocol, hostPort, hostIp = "" }) =>
    hostPort === undefined
      ? []
      : addresses.map((address): ServiceMapping => {
          const { family } = address;
          // The node's own addresses and no others: who is on a node does not say where the rest of the world is.
          const doors = nodeAddresses.filter((door) => isAt(hostIp, door));
          return {
            service: podId(pod),
            protocol: PROTOCOL[protocol],
            addresses: doors.filter((door) => door.family === family),
            port: hostPort,
            portName: String(port),
            family,
            backends: [{ address, port }],
            door: "host",
          };
        }),
  );
}

/** @param hostIp - "", or "any" of a family: every address */
function isAt(hostIp: string, address: Ip): boolean {
  if (hostIp === "" || hostIp === "0.0.0.0" || hostIp === "::") return true;
  const one = parseIp(hostIp);
  return one !== undefined && formatIp(one) === formatIp(address);
}

interface Here {
  /** Addresses of the pods on this node, and its own. */
  readonly local: ReadonlySet<string>;
  readonly nodeAddresses: readonly Ip[];
}

function localAddresses(cluster: LiveCluster, node: string): Set<string> {
  const local = new Set((cluster.graph.nodes.get(node) ?? []).map(formatIp));
  for (const { endpoint } of cluster.graph.endpoints.values()) {
    if (endpoint.kind === "host" || endpoint.node !== node) continue;
    for (const address of endpoint.addresses) local.add(formatIp(address));
  }
  return local;
}

/** The cluster address, this node's port, and addresses from outside; the last two answer alike. */
function doorsOf(
  service: Service,
  mapping: ServiceMapping,
  { local, nodeAddresses }: Here,
): ServiceMapping[] {
  const here = (backends: readonly Backend[]): Backend[] =>
    backends.filter(({ address }) => local.has(formatIp(address)));
  const affinity = service.sessionAffinity && { affinity: true as const };
  const inside: ServiceMapping = {
    ...mapping,
    ...affinity,
    ...(service.localOnly?.internal && { backends: here(mapping.backends) }),
  };
  const isLocal = service.localOnly?.external === true;
  const outside: ServiceMapping = {
    ...mapping,
    ...affinity,
    door: "external",
    // With only its own backends the node need not be on the way back, and the client's address stays to be seen.
    ...(isLocal ? { backends: here(mapping.backends) } : { masquerade: true as const }),
  };
  const external = (service.externalAddresses ?? []).flatMap((text) => {
    const ip = parseIp(text);
    return ip?.family === mapping.family ? [ip] : [];
  });
  const port = service.ports.find(
    (one) => (one.name ?? "") === mapping.portName && one.port === mapping.port,
  );
  const nodePort = service.type === "ClusterIP" ? undefined : port?.nodePort;
  const doors: ServiceMapping[] = [inside];
  if (external.length > 0) doors.push({ ...outside, addresses: external });
  if (nodePort !== undefined)
    doors.push({
      ...outside,
      addresses: nodeAddresses.filter(({ family }) => family === mapping.family),
      port: nodePort,
    });
  return doors;
}
