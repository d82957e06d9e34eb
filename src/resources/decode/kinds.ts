/** @module Which kinds are read, by whom, and what is said of the others. */
import {
  decodeCronJob,
  decodeDaemonSet,
  decodeDeployment,
  decodeJob,
  decodeReplicaSet,
  decodeStatefulSet,
} from "../apps/decode-workload.ts";
import { decodeHostEndpoint, decodeProfile, decodeWorkloadEndpoint } from "../calico/decode-endpoint.ts";
import { decodeIpPool } from "../calico/decode-ip-pool.ts";
import { decodeGlobalNetworkSet, decodeNetworkSet } from "../calico/decode-network-set.ts";
import {
  decodeCalicoNetworkPolicy,
  decodeGlobalNetworkPolicy,
  decodeStagedGlobalNetworkPolicy,
  decodeStagedKubernetesNetworkPolicy,
  decodeStagedNetworkPolicy,
} from "../calico/decode-policy.ts";
import { decodeTier } from "../calico/decode-tier.ts";
import { decodeNamespaceObject, decodeNode, decodePod, decodeServiceAccount } from "../core/decode-core.ts";
import { decodeEndpointSlice, decodeService } from "../core/decode-service.ts";
import { decodeNetworkPolicy } from "../networking/decode-network-policy.ts";
import type { KubernetesObject } from "../object.ts";
import {
  decodeAdminNetworkPolicy,
  decodeBaselineAdminNetworkPolicy,
  decodeClusterNetworkPolicy,
} from "../policy-api/decode-cluster-policy.ts";
import { closestWord } from "./closest-word.ts";
import type { ObjectInput } from "./metadata.ts";

export interface Kind {
  /** The version that is written today. */
  readonly apiVersion: string;
  /** Others that say the same. */
  readonly sameVersions: readonly string[];
  /** Groups that the kind lived in before, or that people take for its own. */
  readonly formerGroups: readonly string[];
  readonly decode: (input: ObjectInput) => KubernetesObject | undefined;
}

/** By name; of kinds that share one, each has its group. */
const KINDS: ReadonlyMap<string, readonly Kind[]> = groupByName([
  ["Namespace", core(decodeNamespaceObject)],
  ["Node", core(decodeNode)],
  ["Pod", core(decodePod)],
  ["Service", core(decodeService)],
  ["ServiceAccount", core(decodeServiceAccount)],
  ["EndpointSlice", kind("discovery.k8s.io/v1", ["discovery.k8s.io"], decodeEndpointSlice)],
  ["Deployment", kind("apps/v1", ["apps", "extensions"], decodeDeployment)],
  ["ReplicaSet", kind("apps/v1", ["apps", "extensions"], decodeReplicaSet)],
  ["StatefulSet", kind("apps/v1", ["apps"], decodeStatefulSet)],
  ["DaemonSet", kind("apps/v1", ["apps", "extensions"], decodeDaemonSet)],
  ["Job", kind("batch/v1", ["batch", "extensions"], decodeJob)],
  ["CronJob", kind("batch/v1", ["batch"], decodeCronJob)],
  [
    "NetworkPolicy",
    kind("networking.k8s.io/v1", ["networking.k8s.io", "extensions", "", "apps"], decodeNetworkPolicy),
  ],
  ["NetworkPolicy", calico(decodeCalicoNetworkPolicy)],
  ["GlobalNetworkPolicy", calico(decodeGlobalNetworkPolicy)],
  ["StagedNetworkPolicy", calico(decodeStagedNetworkPolicy)],
  ["StagedGlobalNetworkPolicy", calico(decodeStagedGlobalNetworkPolicy)],
  ["StagedKubernetesNetworkPolicy", calico(decodeStagedKubernetesNetworkPolicy)],
  ["Tier", calico(decodeTier)],
  ["NetworkSet", calico(decodeNetworkSet)],
  ["GlobalNetworkSet", calico(decodeGlobalNetworkSet)],
  ["HostEndpoint", calico(decodeHostEndpoint)],
  ["Profile", calico(decodeProfile)],
  ["WorkloadEndpoint", calico(decodeWorkloadEndpoint)],
  ["IPPool", calico(decodeIpPool)],
  ["ClusterNetworkPolicy", policyApi("v1alpha2", decodeClusterNetworkPolicy)],
  ["AdminNetworkPolicy", policyApi("v1alpha1", decodeAdminNetworkPolicy)],
  ["BaselineAdminNetworkPolicy", policyApi("v1alpha1", decodeBaselineAdminNetworkPolicy)],
]);

function groupByName(entries: readonly (readonly [string, Kind])[]): ReadonlyMap<string, readonly Kind[]> {
  const kinds = new Map<string, Kind[]>();
  for (const [name, one] of entries) kinds.set(name, [...(kinds.get(name) ?? []), one]);
  return kinds;
}

function kind(apiVersion: string, formerGroups: readonly string[], decode: Kind["decode"]): Kind {
  return { apiVersion, sameVersions: [], formerGroups, decode };
}

/** The API, and the form in which it is stored in a cluster, which kubectl shows where no API server of Calico runs. */
function calico(decode: Kind["decode"]): Kind {
  return {
    apiVersion: "projectcalico.org/v3",
    sameVersions: ["crd.projectcalico.org/v1"],
    formerGroups: ["projectcalico.org", "crd.projectcalico.org"],
    decode,
  };
}

function policyApi(version: string, decode: Kind["decode"]): Kind {
  return kind(`policy.networking.k8s.io/${version}`, ["policy.networking.k8s.io"], decode);
}

/** @returns the kind that an object is of, also where its version is not one that is written today */
export function findKind(name: string, apiVersion: string): Kind | undefined {
  const namesakes = KINDS.get(name) ?? [];
  return (
    namesakes.find((one) => isVersionOf(one, apiVersion)) ??
    namesakes.find(({ formerGroups }) => formerGroups.includes(groupOf(apiVersion))) ??
    namesakes.find(({ formerGroups }) => isSlipOf(formerGroups, apiVersion))
  );
}

/** @returns the kind's name and the kind that an object is near to, of the group that it names or misspells */
export function findNearKind(name: string, apiVersion: string): readonly [string, Kind] | undefined {
  const group = groupOf(apiVersion);
  const names = [...KINDS]
    .filter(([, namesakes]) =>
      namesakes.some(
        ({ formerGroups }) => formerGroups.includes(group) || isSlipOf(formerGroups, apiVersion),
      ),
    )
    .map(([known]) => known);
  const near = closestWord(name, names);
  const kind = near === undefined ? undefined : findKind(near, apiVersion);
  return near === undefined || kind === undefined ? undefined : [near, kind];
}

/** @returns the kind of that name where there is one only, whatever its group */
export function findOnlyKind(name: string): readonly [string, Kind] | undefined {
  const near = KINDS.has(name) ? name : closestWord(name, KINDS.keys());
  const [only, ...others] = near === undefined ? [] : (KINDS.get(near) ?? []);
  return near === undefined || !only || others.length > 0 ? undefined : [near, only];
}

/** `projectcalico/v3`, `networking.k8s.oi/v1`, and a group without its version: to be told, and read all the same. */
function isSlipOf(groups: readonly string[], apiVersion: string): boolean {
  const [written = ""] = apiVersion.split("/");
  return (
    closestWord(written, groups) !== undefined ||
    groups.some((group) => written !== "" && group.startsWith(`${written}.`))
  );
}

export function isVersionOf(one: Kind, apiVersion: string): boolean {
  return one.apiVersion === apiVersion || one.sameVersions.includes(apiVersion);
}

function core(decode: Kind["decode"]): Kind {
  return kind("v1", ["", "core"], decode);
}

export const TEST_KIND = "ConnectivityTest";
export const TEST_API_VERSION = "tortie.dev/v1alpha1";

/** `""` for the core group. */
export function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf("/");
  return slash < 0 ? "" : apiVersion.slice(0, slash);
}

/** With those of Calico's commercial editions and of its configuration files, which are no slips of the pen. */
const CALICO: readonly string[] = words(`
  AlertException AuthenticationReview AuthorizationReview BFDConfiguration BGPConfiguration BGPFilter BGPPeer
  BlockAffinity CalicoAPIConfig CalicoNodeStatus ClusterInformation DeepPacketInspection EarlyNetworkConfiguration
  EgressGatewayPolicy ExternalNetwork FelixConfiguration GlobalAlert GlobalAlertTemplate GlobalNetworkPolicy
  GlobalNetworkSet GlobalReport GlobalReportType GlobalThreatFeed HostEndpoint IPAMBlock IPAMConfig IPAMConfiguration
  IPAMHandle IPPool IPReservation KubeControllersConfiguration LicenseKey LiveMigration ManagedCluster Network
  NetworkPolicy NetworkSet Node PacketCapture PolicyRecommendationScope PolicyRecommendationStatus Profile
  RemoteClusterConfiguration SecurityEventWebhook StagedGlobalNetworkPolicy StagedKubernetesNetworkPolicy
  StagedNetworkPolicy Tier UISettings UISettingsGroup WorkloadEndpoint`);

/** All kinds of the versions that we know whole, so that a misspelt kind is told from one that does not bear on policy. */
const SERVED: Readonly<Record<string, readonly string[]>> = {
  v1: words(`Binding ComponentStatus ConfigMap Endpoints Event LimitRange List Namespace Node PersistentVolume
    PersistentVolumeClaim Pod PodTemplate ReplicationController ResourceQuota Secret Service ServiceAccount Status`),
  "apps/v1": words("ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet"),
  "batch/v1": words("CronJob Job"),
  "discovery.k8s.io/v1": words("EndpointSlice"),
  "networking.k8s.io/v1": words("IPAddress Ingress IngressClass NetworkPolicy ServiceCIDR"),
  "projectcalico.org/v3": CALICO,
  "crd.projectcalico.org/v1": CALICO,
  "policy.networking.k8s.io/v1alpha1": words("AdminNetworkPolicy BaselineAdminNetworkPolicy"),
  "policy.networking.k8s.io/v1alpha2": words("ClusterNetworkPolicy"),
  [TEST_API_VERSION]: [TEST_KIND],
};

function words(text: string): readonly string[] {
  return text.trim().split(/\s+/);
}

/** @returns undefined for versions of which we do not know all kinds */
export function servedKinds(apiVersion: string): readonly string[] | undefined {
  return Object.hasOwn(SERVED, apiVersion) ? SERVED[apiVersion] : undefined;
}

/** Whether an object of a kind that is not read says who may talk to whom, so that leaving it out must be said. */
export function bearsOnPolicy(apiVersion: string, name: string): boolean {
  return name.endsWith("NetworkPolicy") || groupOf(apiVersion) === "policy.networking.k8s.io";
}
