/** @module Columns of tables: the headings that calicoctl has for each kind, and what stands under them. */
import { ownValue } from "../../base/own.ts";
import { isObject, type Json, type JsonObject, listAt, scalarText, textAt, valueAt } from "./json.ts";
import type { CtlKind } from "./kinds.ts";

export interface Column {
  readonly heading: string;
  readonly cell: (object: JsonObject) => string;
}

interface Table {
  readonly narrow: readonly string[];
  readonly wide: readonly string[];
  /** Besides NAME and NAMESPACE, which every kind has. */
  readonly cells: Readonly<Record<string, (object: JsonObject) => string>>;
}

/** As calicoctl writes a number that is not set. */
const UNSET = "<nil>";
const NETS_WIDTH = 80;

const spec =
  (...keys: readonly string[]) =>
  (object: JsonObject): string =>
    textAt(object, "spec", ...keys);

function specOr(otherwise: string, ...keys: readonly string[]): (object: JsonObject) => string {
  return (object) => textAt(object, "spec", ...keys) || otherwise;
}

function joined(...keys: readonly string[]): (object: JsonObject) => string {
  return (object) => {
    const value = valueAt(object, ["spec", ...keys]);
    if (!isObject(value))
      return listAt(object, "spec", ...keys)
        .map(scalarText)
        .join(",");
    return Object.entries(value)
      .map(([key, entry]) => `${key}=${scalarText(entry)}`)
      .sort()
      .join(",");
  };
}

function labels(object: JsonObject): string {
  const value = valueAt(object, ["metadata", "labels"]);
  if (!isObject(value)) return "<none>";
  return (
    Object.entries(value)
      .map(([key, entry]) => `${key}=${scalarText(entry)}`)
      .join(",") || "<none>"
  );
}

function shortened(text: string): string {
  return text.length > NETS_WIDTH ? `${text.slice(0, NETS_WIDTH - 3)}...` : text;
}

/** A Kubernetes label selector in kubectl's words: `app=web,tier in (a,b),!old`. */
function labelSelector(value: Json | undefined): string {
  if (!isObject(value)) return "";
  const labels = valueAt(value, ["matchLabels"]);
  const equal = isObject(labels)
    ? Object.entries(labels).map(([key, entry]) => `${key}=${scalarText(entry)}`)
    : [];
  const tests = listAt(value, "matchExpressions").map((test) => {
    const key = textAt(test, "key");
    const values = listAt(test, "values").map(scalarText).join(",");
    switch (textAt(test, "operator")) {
      case "In":
        return `${key} in (${values})`;
      case "NotIn":
        return `${key} notin (${values})`;
      case "DoesNotExist":
        return `!${key}`;
      default:
        return key;
    }
  });
  return [...equal, ...tests].join(",") || "<none>";
}

function subject(object: JsonObject): string {
  const pods = valueAt(object, ["spec", "subject", "pods"]);
  if (pods === undefined)
    return `namespaces ${labelSelector(valueAt(object, ["spec", "subject", "namespaces"]))}`;
  const namespaces = labelSelector(valueAt(pods, ["namespaceSelector"])) || "<none>";
  return `pods ${labelSelector(valueAt(pods, ["podSelector"]))} in namespaces ${namespaces}`;
}

/** Of Calico's Node, or of the annotations that Calico leaves on Kubernetes' own, or where the node says it is. */
function nodeAddress(family: 4 | 6): (object: JsonObject) => string {
  return (object) => {
    const calico =
      textAt(object, "spec", "bgp", `ipv${family}Address`) ||
      textAt(object, "metadata", "annotations", `projectcalico.org/IPv${family}Address`);
    const internal = listAt(object, "status", "addresses").filter(
      (address) =>
        textAt(address, "type") === "InternalIP" &&
        textAt(address, "address").includes(":") === (family === 6),
    );
    return calico || (internal[0] ? textAt(internal[0], "address") : "");
  };
}

function peerNode(object: JsonObject): string {
  return spec("node")(object) || spec("nodeSelector")(object) || "(global)";
}

const POLICY: Table = {
  narrow: ["NAME", "TIER"],
  wide: ["NAME", "TIER", "ORDER", "SELECTOR"],
  cells: { TIER: specOr("default", "tier"), ORDER: specOr(UNSET, "order"), SELECTOR: spec("selector") },
};
const KUBERNETES_POLICY: Table = {
  narrow: ["NAME"],
  wide: ["NAME", "PODSELECTOR"],
  cells: { PODSELECTOR: (object) => labelSelector(valueAt(object, ["spec", "podSelector"]) ?? {}) },
};
const SETS: Table = {
  narrow: ["NAME"],
  wide: ["NAME", "NETS"],
  cells: { NETS: (object) => shortened(joined("nets")(object)) },
};
const CLUSTER_POLICY: Table = {
  narrow: ["NAME", "TIER", "PRIORITY"],
  wide: ["NAME", "TIER", "PRIORITY", "SUBJECT"],
  cells: {
    TIER: (object) =>
      spec("tier")(object) || (object["kind"] === "BaselineAdminNetworkPolicy" ? "Baseline" : "Admin"),
    PRIORITY: specOr("0", "priority"),
    SUBJECT: subject,
  },
};

const TABLES: Readonly<Record<string, Table>> = {
  GlobalNetworkPolicy: POLICY,
  NetworkPolicy: POLICY,
  StagedGlobalNetworkPolicy: POLICY,
  StagedNetworkPolicy: POLICY,
  StagedKubernetesNetworkPolicy: KUBERNETES_POLICY,
  ClusterNetworkPolicy: CLUSTER_POLICY,
  AdminNetworkPolicy: CLUSTER_POLICY,
  BaselineAdminNetworkPolicy: CLUSTER_POLICY,
  GlobalNetworkSet: SETS,
  NetworkSet: SETS,
  Tier: {
    narrow: ["NAME", "ORDER"],
    wide: ["NAME", "ORDER", "DEFAULTACTION"],
    cells: { ORDER: specOr(UNSET, "order"), DEFAULTACTION: specOr("Deny", "defaultAction") },
  },
  HostEndpoint: {
    narrow: ["NAME", "NODE"],
    wide: ["NAME", "NODE", "INTERFACE", "IPS", "PROFILES"],
    cells: {
      NODE: spec("node"),
      INTERFACE: spec("interfaceName"),
      IPS: joined("expectedIPs"),
      PROFILES: joined("profiles"),
    },
  },
  WorkloadEndpoint: {
    narrow: ["WORKLOAD", "NODE", "NETWORKS", "INTERFACE"],
    wide: ["NAME", "WORKLOAD", "NODE", "NETWORKS", "INTERFACE", "PROFILES", "NATS"],
    cells: {
      WORKLOAD: (object) => spec("workload")(object) || spec("pod")(object),
      NODE: spec("node"),
      ORCHESTRATOR: spec("orchestrator"),
      NETWORKS: joined("ipNetworks"),
      INTERFACE: spec("interfaceName"),
      PROFILES: joined("profiles"),
      NATS: joined("ipNATs"),
    },
  },
  Profile: { narrow: ["NAME"], wide: ["NAME", "LABELS"], cells: { LABELS: joined("labelsToApply") } },
  IPPool: {
    narrow: ["NAME", "CIDR", "SELECTOR"],
    wide: ["NAME", "CIDR", "NAT", "IPIPMODE", "VXLANMODE", "DISABLED", "DISABLEBGPEXPORT", "SELECTOR"],
    cells: {
      CIDR: spec("cidr"),
      NAT: specOr("false", "natOutgoing"),
      IPIPMODE: specOr("Never", "ipipMode"),
      VXLANMODE: specOr("Never", "vxlanMode"),
      DISABLED: specOr("false", "disabled"),
      DISABLEBGPEXPORT: specOr("false", "disableBGPExport"),
      SELECTOR: specOr("all()", "nodeSelector"),
    },
  },
  IPReservation: {
    narrow: ["NAME"],
    wide: ["NAME", "CIDRS"],
    cells: { CIDRS: (object) => shortened(joined("reservedCIDRs")(object)) },
  },
  BGPPeer: {
    narrow: ["NAME", "PEERIP", "NODE", "ASN"],
    wide: ["NAME", "PEERIP", "NODE", "ASN"],
    cells: { PEERIP: spec("peerIP"), NODE: peerNode, ASN: specOr("0", "asNumber") },
  },
  BGPConfiguration: {
    narrow: ["NAME", "LOGSEVERITY", "MESHENABLED", "ASNUMBER"],
    wide: ["NAME", "LOGSEVERITY", "MESHENABLED", "ASNUMBER"],
    cells: {
      LOGSEVERITY: spec("logSeverityScreen"),
      MESHENABLED: specOr("-", "nodeToNodeMeshEnabled"),
      ASNUMBER: specOr("-", "asNumber"),
    },
  },
  Pod: {
    narrow: ["NAME"],
    wide: ["NAME", "NODE", "LABELS"],
    cells: { NODE: specOr("<none>", "nodeName"), LABELS: labels },
  },
  Node: {
    narrow: ["NAME"],
    wide: ["NAME", "ASN", "IPV4", "IPV6"],
    cells: { ASN: specOr("(64512)", "bgp", "asNumber"), IPV4: nodeAddress(4), IPV6: nodeAddress(6) },
  },
};
const LABELLED: Table = { narrow: ["NAME"], wide: ["NAME", "LABELS"], cells: { LABELS: labels } };
const PLAIN: Table = { narrow: ["NAME"], wide: ["NAME"], cells: {} };

const COMMON: Table["cells"] = {
  NAME: (object) => textAt(object, "metadata", "name"),
  NAMESPACE: (object) => textAt(object, "metadata", "namespace") || "default",
};

function tableOf(kind: CtlKind): Table {
  if (kind.id === "NetworkPolicy.networking.k8s.io") return KUBERNETES_POLICY;
  return TABLES[kind.name] ?? (kind.groups[0] === "" ? LABELLED : PLAIN);
}

export function defaultHeadings(kind: CtlKind, wide: boolean): readonly string[] {
  const table = tableOf(kind);
  return wide ? table.wide : table.narrow;
}

/** Every heading that the kind has, in the order of its widest table. */
export function headingsOf(kind: CtlKind): string[] {
  const { wide, cells } = tableOf(kind);
  return [...new Set([...(kind.isNamespaced ? ["NAMESPACE"] : []), "NAME", ...wide, ...Object.keys(cells)])];
}

/** @returns undefined for a heading that the kind has not */
export function columnOf(kind: CtlKind, heading: string): Column | undefined {
  if (!headingsOf(kind).includes(heading)) return undefined;
  const cell = ownValue({ ...COMMON, ...tableOf(kind).cells }, heading);
  return cell && { heading, cell };
}
