/** @module The resources that policy depends on, of every API. */
import {
  ENDPOINT_SLICES,
  NAMESPACES,
  NETWORK_POLICIES,
  NODES,
  PODS,
  SERVICE_ACCOUNTS,
  SERVICES,
} from "./kinds.ts";
import type { ResourceType } from "./objects.ts";

function calico(kind: string, plural: string, namespaced: boolean): ResourceType {
  return { group: "projectcalico.org", version: "v3", kind, plural, namespaced };
}

function clusterWide(version: string, kind: string, plural: string): ResourceType {
  return { group: "policy.networking.k8s.io", version, kind, plural, namespaced: false };
}

export const POLICIES: readonly ResourceType[] = [
  NETWORK_POLICIES,
  clusterWide("v1alpha2", "ClusterNetworkPolicy", "clusternetworkpolicies"),
  clusterWide("v1alpha1", "AdminNetworkPolicy", "adminnetworkpolicies"),
  clusterWide("v1alpha1", "BaselineAdminNetworkPolicy", "baselineadminnetworkpolicies"),
  calico("NetworkPolicy", "networkpolicies", true),
  calico("GlobalNetworkPolicy", "globalnetworkpolicies", false),
];

export const POLICY_FACTS: readonly ResourceType[] = [
  PODS,
  NODES,
  NAMESPACES,
  SERVICES,
  ENDPOINT_SLICES,
  SERVICE_ACCOUNTS,
  calico("Tier", "tiers", false),
  calico("NetworkSet", "networksets", true),
  calico("GlobalNetworkSet", "globalnetworksets", false),
  calico("HostEndpoint", "hostendpoints", false),
  calico("Profile", "profiles", false),
];

export const STAGED_POLICIES: readonly ResourceType[] = [
  calico("StagedNetworkPolicy", "stagednetworkpolicies", true),
  calico("StagedGlobalNetworkPolicy", "stagedglobalnetworkpolicies", false),
  calico("StagedKubernetesNetworkPolicy", "stagedkubernetesnetworkpolicies", true),
];

export function isPolicy(type: ResourceType): boolean {
  return POLICIES.includes(type);
}
