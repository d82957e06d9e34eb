/**
 * @module The kinds that `tortie ctl` knows, and the words for them: names, plurals and short names, as calicoctl and
 * kubectl take them. `networkpolicy` alone is Calico's, as it is to calicoctl.
 */

import { OpError } from "../../base/errors.ts";
import { ownValue } from "../../base/own.ts";
import { closestWord } from "../../resources/decode/closest-word.ts";
import { groupOf } from "../../resources/decode/kinds.ts";

export interface CtlKind {
  /** Unique: `NetworkPolicy.projectcalico.org`. */
  readonly id: string;
  /** As objects write it. */
  readonly name: string;
  /** The version that is written today. */
  readonly apiVersion: string;
  /** Of objects of this kind; the first is that of `apiVersion`. */
  readonly groups: readonly string[];
  readonly isNamespaced: boolean;
  /** Lower case; the first is the singular, the second the plural. */
  readonly words: readonly [string, string, ...string[]];
}

const CALICO = "projectcalico.org/v3";
const CALICO_GROUPS = ["projectcalico.org", "crd.projectcalico.org"];

function calico(name: string, scope: "namespaced" | "cluster", words: string): CtlKind {
  return make(name, { apiVersion: CALICO, groups: CALICO_GROUPS, scope, words });
}

function make(
  name: string,
  options: {
    readonly apiVersion: string;
    readonly groups: readonly string[];
    readonly scope: "namespaced" | "cluster";
    readonly words: string;
  },
): CtlKind {
  const [singular = "", plural = "", ...more] = options.words.split(" ");
  const group = options.groups[0] ?? "";
  return {
    id: group === "" ? name : `${name}.${group}`,
    name,
    apiVersion: options.apiVersion,
    groups: options.groups,
    isNamespaced: options.scope === "namespaced",
    words: [singular, plural, ...more],
  };
}

const core = (name: string, scope: "namespaced" | "cluster", words: string): CtlKind =>
  make(name, { apiVersion: "v1", groups: [""], scope, words });
const policyApi = (name: string, version: string, words: string): CtlKind =>
  make(name, {
    apiVersion: `policy.networking.k8s.io/${version}`,
    groups: ["policy.networking.k8s.io"],
    scope: "cluster",
    words,
  });

/** In the order in which `get all` shows them. */
export const KINDS: readonly CtlKind[] = [
  calico("Tier", "cluster", "tier tiers"),
  calico("GlobalNetworkPolicy", "cluster", "globalnetworkpolicy globalnetworkpolicies gnp gnps cgnp"),
  calico(
    "NetworkPolicy",
    "namespaced",
    "networkpolicy networkpolicies policy policies np pol pols cnp caliconetworkpolicy caliconetworkpolicies",
  ),
  make("NetworkPolicy", {
    apiVersion: "networking.k8s.io/v1",
    groups: ["networking.k8s.io", "extensions"],
    scope: "namespaced",
    words: "kubernetesnetworkpolicy kubernetesnetworkpolicies knp knps netpol",
  }),
  policyApi("ClusterNetworkPolicy", "v1alpha2", "clusternetworkpolicy clusternetworkpolicies"),
  policyApi("AdminNetworkPolicy", "v1alpha1", "adminnetworkpolicy adminnetworkpolicies anp"),
  policyApi(
    "BaselineAdminNetworkPolicy",
    "v1alpha1",
    "baselineadminnetworkpolicy baselineadminnetworkpolicies banp",
  ),
  calico(
    "StagedGlobalNetworkPolicy",
    "cluster",
    "stagedglobalnetworkpolicy stagedglobalnetworkpolicies sgnp sgnps",
  ),
  calico(
    "StagedNetworkPolicy",
    "namespaced",
    "stagednetworkpolicy stagednetworkpolicies snp stagedpolicy stagedpolicies spol spols",
  ),
  calico(
    "StagedKubernetesNetworkPolicy",
    "namespaced",
    "stagedkubernetesnetworkpolicy stagedkubernetesnetworkpolicies sknp stagedkubernetespolicy stagedkubernetespolicies skpol skpols",
  ),
  calico("GlobalNetworkSet", "cluster", "globalnetworkset globalnetworksets gns gnetsets"),
  calico("NetworkSet", "namespaced", "networkset networksets netset netsets"),
  calico("HostEndpoint", "cluster", "hostendpoint hostendpoints hep heps"),
  calico("WorkloadEndpoint", "namespaced", "workloadendpoint workloadendpoints wep weps"),
  calico("Profile", "cluster", "profile profiles pro pros"),
  calico("IPPool", "cluster", "ippool ippools ipp ipps pool pools"),
  calico("IPReservation", "cluster", "ipreservation ipreservations reservation reservations"),
  calico("IPAMConfiguration", "cluster", "ipamconfiguration ipamconfigurations ipamconfig ipamconfigs"),
  calico("IPAMBlock", "cluster", "ipamblock ipamblocks"),
  calico("IPAMHandle", "cluster", "ipamhandle ipamhandles"),
  calico("BlockAffinity", "cluster", "blockaffinity blockaffinities affinity affinities"),
  calico("BGPConfiguration", "cluster", "bgpconfiguration bgpconfigurations bgpconfig bgpconfigs"),
  calico("BGPPeer", "cluster", "bgppeer bgppeers bgpp bgpps bp bps"),
  calico("BGPFilter", "cluster", "bgpfilter bgpfilters"),
  calico("FelixConfiguration", "cluster", "felixconfiguration felixconfigurations felixconfig felixconfigs"),
  calico(
    "KubeControllersConfiguration",
    "cluster",
    "kubecontrollersconfiguration kubecontrollersconfigurations kcc kubecontrollersconfig",
  ),
  calico("ClusterInformation", "cluster", "clusterinformation clusterinformations clusterinfo"),
  calico("CalicoNodeStatus", "cluster", "caliconodestatus caliconodestatuses"),
  make("Node", {
    apiVersion: "v1",
    groups: ["", ...CALICO_GROUPS],
    scope: "cluster",
    words: "node nodes no nos",
  }),
  core("Namespace", "cluster", "namespace namespaces ns"),
  core("ServiceAccount", "namespaced", "serviceaccount serviceaccounts sa"),
  core("Pod", "namespaced", "pod pods po"),
];

/** Kinds that lost or changed their name between the stored form and the API. */
const RENAMED: Readonly<Record<string, string>> = { IPAMConfig: "IPAMConfiguration" };

const BY_WORD: ReadonlyMap<string, CtlKind> = new Map(
  KINDS.flatMap((kind) => [
    ...kind.words.map((word) => [word, kind] as const),
    ...kind.groups.flatMap((group) => {
      const qualified = kind.id === "NetworkPolicy.networking.k8s.io";
      // Group after the word, as kubectl has it; there `networkpolicy` is Kubernetes' own too.
      const words = qualified ? [...kind.words, "networkpolicy", "networkpolicies"] : kind.words;
      return group === "" ? [] : words.map((word) => [`${word}.${group}`, kind] as const);
    }),
  ]),
);

/** The kind that an object says it is of; undefined for kinds that ctl does not know. */
export function kindOfObject(kind: string, apiVersion: string): CtlKind | undefined {
  const group = groupOf(apiVersion);
  const name = ownValue(RENAMED, kind) ?? kind;
  return KINDS.find((one) => one.name === name && one.groups.includes(group));
}

/**
 * What a user's word means. Case does not count; several may be named with commas, and `all` means all.
 * @throws OpError `input-invalid` for a word that means nothing
 */
export function kindsOfWord(text: string): readonly CtlKind[] {
  const words = text.toLowerCase().split(",");
  if (words.includes("all")) return KINDS;
  return words.map((word) => {
    const kind = BY_WORD.get(word);
    if (kind) return kind;
    const near = closestWord(word, BY_WORD.keys());
    const hint = near === undefined ? "tortie ctl get --help lists them" : `did you mean ${near}?`;
    throw new OpError(`resource type '${word}' is not supported: ${hint}`, { code: "input-invalid" });
  });
}

/** @throws OpError `input-invalid` for a word that means no kind, or more than one */
export function kindOfWord(text: string): CtlKind {
  const kinds = kindsOfWord(text);
  const [only] = kinds;
  if (!only || kinds.length > 1)
    throw new OpError(`${text}: name one kind of resource`, { code: "input-invalid" });
  return only;
}
