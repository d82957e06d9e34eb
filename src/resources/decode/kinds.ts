/** @module Which kinds are read, by whom, and what is said of the others. */
import {
  decodeCronJob,
  decodeDaemonSet,
  decodeDeployment,
  decodeJob,
  decodeReplicaSet,
  decodeStatefulSet,
} from "../apps/decode-workload.ts";
import { decodeNamespaceObject, decodeNode, decodePod, decodeServiceAccount } from "../core/decode-core.ts";
import { decodeEndpointSlice, decodeService } from "../core/decode-service.ts";
import { decodeNetworkPolicy } from "../networking/decode-network-policy.ts";
import type { KubernetesObject } from "../object.ts";
import type { ObjectInput } from "./metadata.ts";

export interface Kind {
  readonly apiVersion: string;
  /** Groups that the kind lived in before, or that people take for its own. */
  readonly formerGroups: readonly string[];
  readonly decode: (input: ObjectInput) => KubernetesObject | undefined;
}

export const KINDS: ReadonlyMap<string, Kind> = new Map<string, Kind>([
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
]);

function kind(apiVersion: string, formerGroups: readonly string[], decode: Kind["decode"]): Kind {
  return { apiVersion, formerGroups, decode };
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

/** All kinds of the versions that we know whole, so that a misspelt kind is told from one that does not bear on policy. */
const SERVED: Readonly<Record<string, readonly string[]>> = {
  v1: words(`Binding ComponentStatus ConfigMap Endpoints Event LimitRange List Namespace Node PersistentVolume
    PersistentVolumeClaim Pod PodTemplate ReplicationController ResourceQuota Secret Service ServiceAccount Status`),
  "apps/v1": words("ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet"),
  "batch/v1": words("CronJob Job"),
  "discovery.k8s.io/v1": words("EndpointSlice"),
  "networking.k8s.io/v1": words("IPAddress Ingress IngressClass NetworkPolicy ServiceCIDR"),
  [TEST_API_VERSION]: [TEST_KIND],
};

function words(text: string): readonly string[] {
  return text.trim().split(/\s+/);
}

/** @returns undefined for versions of which we do not know all kinds */
export function servedKinds(apiVersion: string): readonly string[] | undefined {
  return Object.hasOwn(SERVED, apiVersion) ? SERVED[apiVersion] : undefined;
}

const CALICO_KINDS: ReadonlySet<string> = new Set(
  words(`GlobalNetworkSet HostEndpoint NetworkSet Profile StagedGlobalNetworkPolicy StagedKubernetesNetworkPolicy
    StagedNetworkPolicy Tier`),
);

/** Whether an object of a kind that is not read says who may talk to whom, so that leaving it out must be said. */
export function bearsOnPolicy(apiVersion: string, name: string): boolean {
  const group = groupOf(apiVersion);
  if (group.endsWith("projectcalico.org") && CALICO_KINDS.has(name)) return true;
  return name.endsWith("NetworkPolicy") || group === "policy.networking.k8s.io";
}
