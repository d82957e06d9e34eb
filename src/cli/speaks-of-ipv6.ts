/** @module Whether an object speaks of IPv6: then pods get IPv6 addresses too, or what it says would be about nobody. */
import { PROTOCOL } from "../policy/model.ts";
import type { CalicoRule } from "../resources/calico/types.ts";
import type { NetworkPolicySpec } from "../resources/networking/types.ts";
import type { KubernetesObject } from "../resources/object.ts";
import type { ClusterPolicySpec } from "../resources/policy-api/types.ts";

/** Staged policies are asked too, so that a preview and the answer beside it are about the same addresses. */
export function speaksOfIpv6(object: KubernetesObject): boolean {
  switch (object.kind) {
    case "Pod":
      return has(object.podIPs);
    case "Node":
      return has(object.addresses) || has(object.podCIDRs);
    case "Service":
      return has(object.clusterIPs);
    case "NetworkPolicy":
    case "StagedKubernetesNetworkPolicy":
      return inBlocks(object.spec);
    case "CalicoNetworkPolicy":
    case "GlobalNetworkPolicy":
    case "StagedNetworkPolicy":
    case "StagedGlobalNetworkPolicy":
      return inRules([...object.spec.ingress, ...object.spec.egress]);
    case "Profile":
      return inRules([...object.ingress, ...object.egress]);
    case "ClusterNetworkPolicy":
    case "AdminNetworkPolicy":
    case "BaselineAdminNetworkPolicy":
      return inPeers(object.spec);
    case "NetworkSet":
    case "GlobalNetworkSet":
      return has(object.nets);
    case "HostEndpoint":
      return has(object.expectedIPs);
    case "WorkloadEndpoint":
      return has(object.ipNetworks);
    case "IPPool":
      return !object.disabled && has([object.cidr]);
    default:
      return false;
  }
}

function has(texts: readonly string[]): boolean {
  return texts.some((text) => text.includes(":"));
}

function inBlocks({ ingress, egress }: NetworkPolicySpec): boolean {
  return [...ingress, ...egress].some(
    ({ peers }) => peers !== "any" && peers.some((peer) => peer.kind === "ipBlock" && has([peer.cidr])),
  );
}

function inRules(rules: readonly CalicoRule[]): boolean {
  return rules.some(
    ({ ipVersion, protocol, source, destination }) =>
      ipVersion === 6 ||
      protocol === PROTOCOL.ICMPv6 ||
      [source, destination].some(({ nets, notNets }) => has([...(nets ?? []), ...(notNets ?? [])])),
  );
}

function inPeers({ ingress, egress }: ClusterPolicySpec): boolean {
  return [...ingress, ...egress].some(({ peers }) =>
    peers.some((peer) => peer.kind === "networks" && has(peer.cidrs)),
  );
}
