/**
 * @module Objects that no manifest holds and a cluster shows all the same: tiers that are always there, profiles of
 * namespaces and service accounts, and pods as workload endpoints. To be read, not written.
 */
import { Cluster } from "../../analysis/cluster.ts";
import { formatIp } from "../../base/ip.ts";
import { BUILT_IN_TIERS } from "../../policy/model.ts";
import { decodeTexts, type InputText } from "../../resources/load.ts";
import { clusterOptions } from "../inputs.ts";
import { type JsonObject, textAt, valueAt } from "./json.ts";
import { type CtlKind, KINDS } from "./kinds.ts";
import { refKey } from "./manifest.ts";
import type { StoredObject } from "./store.ts";

const CALICO = "projectcalico.org/v3";
const VIEW = "";

/** @param texts - the store's. @returns those of the kinds asked for that the store does not hold itself */
export function viewsOf(
  kinds: readonly CtlKind[],
  stored: readonly StoredObject[],
  texts: readonly InputText[],
): StoredObject[] {
  const asked = new Set(kinds.map(({ name }) => name));
  const held = new Set(stored.map(({ ref }) => refKey(ref)));
  return [
    ...(asked.has("Tier") ? tiers() : []),
    ...(asked.has("Profile") ? profiles(stored) : []),
    ...(asked.has("WorkloadEndpoint") ? workloadEndpoints(stored, texts) : []),
  ].filter(({ ref }) => !held.has(refKey(ref)));
}

function view(kindName: string, metadata: JsonObject, spec: JsonObject): StoredObject[] {
  const kind = KINDS.find(({ id }) => id === `${kindName}.projectcalico.org`);
  if (!kind) return [];
  const value = { apiVersion: CALICO, kind: kindName, metadata, spec };
  const ref = {
    kind,
    namespace: textAt(value, "metadata", "namespace"),
    name: textAt(value, "metadata", "name"),
  };
  return [{ ref, value, place: VIEW }];
}

function tiers(): StoredObject[] {
  return BUILT_IN_TIERS.flatMap(({ name, order, defaultAction }) =>
    view("Tier", { name }, { order, defaultAction: defaultAction === "deny" ? "Deny" : "Pass" }),
  );
}

/** One for each namespace and service account that a manifest describes. */
function profiles(stored: readonly StoredObject[]): StoredObject[] {
  const allow = [{ action: "Allow" }];
  return stored.flatMap(({ ref, value }) => {
    if (ref.kind.name === "Namespace") {
      const labelsToApply = prefixed("pcns.", value, ref.name);
      return view("Profile", { name: `kns.${ref.name}` }, { labelsToApply, ingress: allow, egress: allow });
    }
    if (ref.kind.name !== "ServiceAccount") return [];
    const labelsToApply = prefixed("pcsa.", value, ref.name);
    return view("Profile", { name: `ksa.${ref.namespace}.${ref.name}` }, { labelsToApply });
  });
}

function prefixed(prefix: string, value: JsonObject, name: string): JsonObject {
  const labels = Object.entries(valueAt(value, ["metadata", "labels"]) ?? {});
  return Object.fromEntries([
    ...labels.map(([key, entry]) => [prefix + key, entry] as const),
    [`${prefix}projectcalico.org/name`, name],
  ]);
}

/** Of pods with an address of their own, with the nodes, addresses and interfaces that tortie gives them. */
function workloadEndpoints(stored: readonly StoredObject[], texts: readonly InputText[]): StoredObject[] {
  const { objects } = decodeTexts(texts);
  const cluster = new Cluster(clusterOptions(objects));
  cluster.apply(objects);
  cluster.sync();
  const links = new Map(cluster.plan.pods.map((pod) => [pod.key, pod.interface ?? ""]));
  const accounts = new Set(
    stored.flatMap(({ ref }) => (ref.kind.name === "ServiceAccount" ? `${ref.namespace}/${ref.name}` : [])),
  );
  return [...cluster.graph.endpoints.values()].flatMap(({ endpoint }) => {
    const { id, kind, namespace, node, labels, addresses, serviceAccount } = endpoint;
    // Those that manifests describe are not views.
    if (kind !== undefined) return [];
    const pod = id.slice(namespace.length + 1);
    const account = accounts.has(`${namespace}/${serviceAccount}`)
      ? [`ksa.${namespace}.${serviceAccount}`]
      : [];
    return view(
      "WorkloadEndpoint",
      {
        name: [node, "k8s", pod, "eth0"].map((part) => part.replaceAll("-", "--")).join("-"),
        namespace,
        labels: {
          ...labels,
          "projectcalico.org/namespace": namespace,
          "projectcalico.org/orchestrator": "k8s",
          "projectcalico.org/serviceaccount": serviceAccount,
        },
      },
      {
        orchestrator: "k8s",
        node,
        pod,
        endpoint: "eth0",
        serviceAccountName: serviceAccount,
        ipNetworks: addresses.map((ip) => `${formatIp(ip)}/${ip.family === 4 ? 32 : 128}`),
        profiles: [`kns.${namespace}`, ...account],
        interfaceName: links.get(id) ?? "",
      },
    );
  });
}
