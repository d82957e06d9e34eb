/** @module The resources that an agent follows: all that policy depends on, and nothing else. */
import {
  ENDPOINT_SLICES,
  NAMESPACES,
  NETWORK_POLICIES,
  NODES,
  PODS,
  SERVICE_ACCOUNTS,
  SERVICES,
} from "../client/kinds.ts";
import type { ResourceType } from "../client/objects.ts";

const CALICO = "projectcalico.org";
const POLICY = "policy.networking.k8s.io";

function calico(kind: string, plural: string, namespaced: boolean): ResourceType {
  return { group: CALICO, version: "v3", kind, plural, namespaced };
}

function cluster(version: string, kind: string, plural: string): ResourceType {
  return { group: POLICY, version, kind, plural, namespaced: false };
}

const POLICIES: readonly ResourceType[] = [
  NETWORK_POLICIES,
  cluster("v1alpha2", "ClusterNetworkPolicy", "clusternetworkpolicies"),
  cluster("v1alpha1", "AdminNetworkPolicy", "adminnetworkpolicies"),
  cluster("v1alpha1", "BaselineAdminNetworkPolicy", "baselineadminnetworkpolicies"),
  calico("NetworkPolicy", "networkpolicies", true),
  calico("GlobalNetworkPolicy", "globalnetworkpolicies", false),
];

export const FOLLOWED: readonly ResourceType[] = [
  PODS,
  NODES,
  NAMESPACES,
  SERVICES,
  ENDPOINT_SLICES,
  SERVICE_ACCOUNTS,
  ...POLICIES,
  calico("Tier", "tiers", false),
  calico("NetworkSet", "networksets", true),
  calico("GlobalNetworkSet", "globalnetworksets", false),
  calico("HostEndpoint", "hostendpoints", false),
  calico("Profile", "profiles", false),
];

export function isPolicy(type: ResourceType): boolean {
  return POLICIES.includes(type);
}
