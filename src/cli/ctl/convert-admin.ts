/**
 * @module AdminNetworkPolicy and BaselineAdminNetworkPolicy v1alpha1 as ClusterNetworkPolicy v1alpha2: the same in other
 * words, with fewer items in a list.
 * @see https://network-policy-api.sigs.k8s.io/
 */
import { type Conversion, fail } from "./conversion.ts";
import { entryOf, isObject, type Json, type JsonObject, listAt, textAt, valueAt } from "./json.ts";

const API = "policy.networking.k8s.io/v1alpha2";
/** Rules of a direction, peers of a rule, ports of a rule. The older kinds have room for 100. */
const MAX_ITEMS = 25;
const MAX_NETWORKS = 25;

export function convertAdminPolicy(value: JsonObject): Conversion {
  const priority = valueAt(value, ["spec", "priority"]) ?? 0;
  return convert(value, { tier: "Admin", priority });
}

export function convertBaselinePolicy(value: JsonObject): Conversion {
  return convert(value, { tier: "Baseline", priority: 0 });
}

function convert(value: JsonObject, place: { tier: string; priority: Json }): Conversion {
  const problems: string[] = [];
  const rules = (direction: "ingress" | "egress"): readonly Json[] => {
    const converted = listAt(value, "spec", direction).flatMap((rule, index) =>
      convertRule(rule, { direction, path: `spec.${direction}[${index}]`, problems }),
    );
    if (converted.length > MAX_ITEMS)
      problems.push(
        `spec.${direction}: it takes ${converted.length} rules, and a ClusterNetworkPolicy has at most ${MAX_ITEMS} in a direction: split the policy`,
      );
    return converted;
  };
  const ingress = rules("ingress");
  const egress = rules("egress");
  const spec = {
    ...place,
    subject: valueAt(value, ["spec", "subject"]) ?? {},
    ...(ingress.length > 0 && { ingress }),
    ...(egress.length > 0 && { egress }),
  };
  if (problems.length > 0) return fail(...problems);
  const metadata = entryOf(value, "metadata") ?? {};
  return {
    kind: "converted",
    value: { apiVersion: API, kind: "ClusterNetworkPolicy", metadata, spec },
    notes: [],
  };
}

interface RulePlace {
  readonly direction: "ingress" | "egress";
  readonly path: string;
  readonly problems: string[];
}

/** Peers and ports are alternatives, so a rule with too many becomes several in its place. */
function convertRule(rule: Json, { direction, path, problems }: RulePlace): JsonObject[] {
  const side = direction === "ingress" ? "from" : "to";
  const peers = listAt(rule, side).flatMap((peer, index) => {
    if (entryOf(peer, "domainNames") !== undefined)
      problems.push(
        `${path}.${side}[${index}]: domain names are not evaluated, so what they mean cannot be kept`,
      );
    return splitNetworks(peer);
  });
  const ports = entryOf(rule, "ports") === undefined ? undefined : listAt(rule, "ports").map(convertPort);
  const action = textAt(rule, "action");
  const name = textAt(rule, "name");
  return chunks(peers).flatMap((from) =>
    (ports === undefined ? [undefined] : chunks(ports)).map((protocols) => ({
      ...(name !== "" && { name }),
      action: action === "Allow" ? "Accept" : action,
      [side]: from,
      ...(protocols && { protocols }),
    })),
  );
}

function splitNetworks(peer: Json): Json[] {
  const networks = listAt(peer, "networks");
  return networks.length <= MAX_NETWORKS
    ? [peer]
    : chunks(networks).map((part) => ({ ...(isObject(peer) ? peer : {}), networks: part }));
}

function convertPort(port: Json): JsonObject {
  const name = textAt(port, "namedPort");
  if (name !== "") return { destinationNamedPort: name };
  const number = entryOf(port, "portNumber");
  const written = number ?? entryOf(port, "portRange") ?? {};
  const protocol = (textAt(written, "protocol") || "TCP").toLowerCase();
  const start = entryOf(written, "start") ?? 0;
  const end = entryOf(written, "end") ?? 0;
  const destinationPort =
    number === undefined ? { range: { start, end } } : { number: entryOf(written, "port") ?? 0 };
  return { [protocol]: { destinationPort } };
}

function chunks<T>(items: readonly T[]): (readonly T[])[] {
  return Array.from({ length: Math.ceil(items.length / MAX_ITEMS) }, (_, index) =>
    items.slice(index * MAX_ITEMS, (index + 1) * MAX_ITEMS),
  );
}
