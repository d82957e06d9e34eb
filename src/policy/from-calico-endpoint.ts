/**
 * @module Translates Calico's host endpoints and workload endpoints, and the profiles that endpoints name.
 *
 * Kubernetes' namespaces and service accounts imply profiles: `kns.NAMESPACE` allows both ways, which is what leaves a pod
 * open that no policy selects; `ksa.NAMESPACE.NAME` has no rules.
 * @see https://docs.tigera.io/calico/latest/reference/resources/hostendpoint
 */
import { parseIp } from "../base/ip.ts";
import type { EndpointPort, HostEndpoint, Profile, WorkloadEndpoint } from "../resources/calico/types.ts";
import type { Pod, Protocol } from "../resources/core/types.ts";
import { makeLabels } from "../resources/labels.ts";
import { type Labels, objectName } from "../resources/object.ts";
import { ORCHESTRATOR_LABEL } from "./calico-selector.ts";
import { type Endpoint, OPEN_PROFILE, PROTOCOL } from "./model.ts";

type ProfileEnd = Pick<Endpoint, "profile" | "profiles">;

const CLOSED_PROFILE: Endpoint["profile"] = { ingress: "deny", egress: "deny" };

/** What hosts are given so that they stay as they are until a policy selects them. */
const ALLOWING_PROFILE = "projectcalico-default-allow";
const NAMESPACE_PROFILE = "kns.";
const SERVICE_ACCOUNT_PROFILE = "ksa.";

/**
 * What decides at an endpoint when no tier does: the rules of its profiles in order. One that is not there denies; when
 * none is left, the answer is no.
 */
export function profileEnd(names: readonly string[], known: ReadonlyMap<string, Profile>): ProfileEnd {
  const profiles: string[] = [];
  let profile = CLOSED_PROFILE;
  for (const name of names) {
    const given = known.get(name);
    if (given) {
      profiles.push(objectName(given));
    } else if (!name.startsWith(SERVICE_ACCOUNT_PROFILE)) {
      const allows = name === ALLOWING_PROFILE || name.startsWith(NAMESPACE_PROFILE);
      profile = allows ? OPEN_PROFILE : CLOSED_PROFILE;
      break;
    }
  }
  return { profile, ...(profiles.length > 0 && { profiles }) };
}

/** The profiles of a pod, which nobody writes: its namespace's and its service account's. */
export function podProfiles(pod: { readonly namespace: string; readonly serviceAccount: string }): string[] {
  return [
    `${NAMESPACE_PROFILE}${pod.namespace}`,
    `${SERVICE_ACCOUNT_PROFILE}${pod.namespace}.${pod.serviceAccount}`,
  ];
}

/** An endpoint's own label wins over one that a profile applies; of two profiles the first. */
function withProfileLabels(
  own: Labels,
  names: readonly string[],
  known: ReadonlyMap<string, Profile>,
): Labels {
  const labels = new Map(Object.entries(own));
  for (const name of names) {
    for (const [key, value] of Object.entries(known.get(name)?.labelsToApply ?? {}))
      if (!labels.has(key)) labels.set(key, value);
  }
  return makeLabels(labels);
}

/** Only the addresses that it expects are known by its labels: an interface alone gives rules no addresses. */
export function fromHostEndpoint(host: HostEndpoint, known: ReadonlyMap<string, Profile>): Endpoint {
  return {
    id: objectName(host),
    kind: "host",
    interfaceName: host.interfaceName ?? "",
    namespace: "",
    labels: withProfileLabels(host.labels, host.profiles, known),
    serviceAccount: "",
    node: host.node,
    addresses: host.expectedIPs.flatMap((text) => parseIp(text) ?? []),
    ports: host.ports,
    ...profileEnd(host.profiles, known),
  };
}

/** What a workload endpoint changes in the endpoint of the pod that stands for it. */
export function fromWorkloadEndpoint(
  base: Endpoint,
  workload: WorkloadEndpoint,
  known: ReadonlyMap<string, Profile>,
): Endpoint {
  const labels = withProfileLabels(base.labels, workload.profiles, known);
  if (workload.orchestrator === "k8s") return { ...base, labels };
  return {
    ...base,
    kind: "workload",
    labels: { ...labels, [ORCHESTRATOR_LABEL]: workload.orchestrator },
    ...profileEnd(workload.profiles, known),
  };
}

/** A workload endpoint as a pod: what the network does for either is the same. */
export function podOfWorkloadEndpoint(workload: WorkloadEndpoint): Pod {
  const { apiVersion, name, namespace, labels, source } = workload;
  return {
    kind: "Pod",
    apiVersion,
    name,
    namespace,
    labels,
    source,
    phase: "Running",
    podIPs: workload.ipNetworks,
    spec: {
      ...(workload.node !== "" && { nodeName: workload.node }),
      hostNetwork: false,
      serviceAccountName: workload.serviceAccountName,
      ports: workload.ports.flatMap((port) => containerPort(port)),
      nodeSelector: {},
    },
  };
}

function containerPort({
  name,
  protocol,
  port,
}: EndpointPort): { name: string; port: number; protocol: Protocol }[] {
  const known = (["TCP", "UDP", "SCTP"] as const).find((word) => PROTOCOL[word] === protocol);
  return known ? [{ name, port, protocol: known }] : [];
}
