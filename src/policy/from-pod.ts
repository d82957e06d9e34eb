/** @module Translates a pod into an endpoint. */
import { type Ip, parseIp } from "../base/ip.ts";
import type { Pod, PodSpec } from "../resources/core/types.ts";
import { type Endpoint, type NamedPort, OPEN_PROFILE, PROTOCOL } from "./model.ts";

/** The name by which probes, explanations and tables mean a pod. */
export function podId(pod: { readonly namespace: string; readonly name: string }): string {
  return `${pod.namespace}/${pod.name}`;
}

/** Finished pods have given their address back. @see https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/ */
export function isFinished(pod: Pod): boolean {
  return pod.phase === "Succeeded" || pod.phase === "Failed";
}

export function namedPorts(spec: PodSpec): NamedPort[] {
  return spec.ports.flatMap(({ name, port, protocol }) =>
    name === undefined ? [] : [{ name, port, protocol: PROTOCOL[protocol] }],
  );
}

/**
 * @param pod - any pod
 * @param placement - its node, and the addresses allotted where its status gives none
 * @returns undefined for pods without an address of their own: finished ones, and those on the host's network
 */
export function endpointFromPod(
  pod: Pod,
  placement: { readonly node: string; readonly addresses: readonly Ip[] },
): Endpoint | undefined {
  if (isFinished(pod) || pod.spec.hostNetwork) return undefined;
  const given = pod.podIPs.flatMap((text) => parseIp(text) ?? []);
  return {
    id: podId(pod),
    namespace: pod.namespace,
    labels: pod.labels,
    serviceAccount: pod.spec.serviceAccountName,
    node: placement.node,
    addresses: given.length > 0 ? given : placement.addresses,
    ports: namedPorts(pod.spec),
    profile: OPEN_PROFILE,
    ...(pod.workload && { workload: `${pod.workload.kind}/${pod.workload.name}` }),
  };
}
