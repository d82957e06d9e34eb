/**
 * @module Kubernetes' NetworkPolicy as Calico's. A Kubernetes policy speaks of pods alone, while Calico's selectors mean
 * every endpoint and network set, so each selector says that pods are meant, as Calico itself writes it.
 */
import type { StagedKubernetesNetworkPolicy } from "../../resources/calico/types.ts";
import type {
  LabelRequirement,
  LabelSelector,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  NetworkPolicyRule,
  NetworkPolicySpec,
} from "../../resources/networking/types.ts";
import { type Conversion, fail } from "./conversion.ts";
import { entryOf, isObject, type Json, type JsonObject } from "./json.ts";

const CALICO = "projectcalico.org/v3";
const PODS = "projectcalico.org/orchestrator == 'k8s'";
/** Calico's order for Kubernetes policies. */
const ORDER = 1000;
const MAX_PORTS = 50;
const MAX_NETS = 256;
const MAX_RULES = 1024;

/** Keys that mean something else in Calico's selectors than the label of that name. */
const RESERVED_ON_PODS = /^(?:projectcalico\.org\/(?:namespace|serviceaccount|orchestrator)$|pcns\.|pcsa\.)/;
const RESERVED_ON_NAMESPACES = /^projectcalico\.org\/name$/;

/** Collects what cannot be said. */
class Problems {
  readonly found: string[] = [];
  add(path: string, why: string): void {
    this.found.push(`${path}: ${why}`);
  }
}

/** @param value - the object as written: labels and annotations are taken from it */
export function convertKubernetesPolicy(policy: NetworkPolicy, value: JsonObject): Conversion {
  const problems = new Problems();
  const spec = convertSpec(policy.spec, problems);
  if (problems.found.length > 0) return fail(...problems.found);
  const metadata = metadataOf(value, policy.namespace);
  return {
    kind: "converted",
    value: { apiVersion: CALICO, kind: "NetworkPolicy", metadata, spec },
    notes: [],
  };
}

export function convertStagedKubernetesPolicy(
  policy: StagedKubernetesNetworkPolicy,
  value: JsonObject,
): Conversion {
  const { stagedAction } = policy;
  const problems = new Problems();
  const spec = stagedAction === "Delete" ? {} : convertSpec(policy.spec, problems);
  if (problems.found.length > 0) return fail(...problems.found);
  return {
    kind: "converted",
    value: {
      apiVersion: CALICO,
      kind: "StagedNetworkPolicy",
      metadata: metadataOf(value, policy.namespace),
      spec: { stagedAction, ...spec },
    },
    notes: [
      `it now stands for Calico's NetworkPolicy ${policy.namespace}/${policy.name}: convert the Kubernetes policy of that name too`,
    ],
  };
}

function metadataOf(value: JsonObject, namespace: string): JsonObject {
  const metadata = entryOf(value, "metadata");
  return { ...(isObject(metadata) ? metadata : {}), namespace };
}

function convertSpec(spec: NetworkPolicySpec, problems: Problems): JsonObject {
  const { ingress, egress } = spec.policyTypes;
  const rules = (direction: "ingress" | "egress"): readonly Json[] => {
    const converted = spec[direction].flatMap((rule) => convertRule(rule, direction, problems));
    if (converted.length > MAX_RULES)
      problems.add(
        `spec.${direction}`,
        `it takes ${converted.length} of Calico's rules, of which ${MAX_RULES} are allowed`,
      );
    return converted;
  };
  return {
    order: ORDER,
    selector: podSelector(spec.podSelector, problems),
    types: [...(ingress ? ["Ingress"] : []), ...(egress ? ["Egress"] : [])],
    ...(ingress && spec.ingress.length > 0 && { ingress: rules("ingress") }),
    ...(egress && spec.egress.length > 0 && { egress: rules("egress") }),
  };
}

/** One for each peer and protocol: a Calico rule has one of each. */
function convertRule(
  { peers, ports }: NetworkPolicyRule,
  direction: "ingress" | "egress",
  problems: Problems,
): JsonObject[] {
  const entities = peers === "any" ? [{}] : peers.flatMap((peer) => convertPeer(peer, problems));
  return entities.flatMap((entity) =>
    portGroups(ports).map(({ protocol, ports: list }): JsonObject => {
      const where = list ? { ports: list } : {};
      const source = direction === "ingress" ? entity : {};
      const destination = direction === "ingress" ? where : { ...entity, ...where };
      return {
        action: "Allow",
        ...(protocol !== undefined && { protocol }),
        ...(Object.keys(source).length > 0 && { source }),
        ...(Object.keys(destination).length > 0 && { destination }),
      };
    }),
  );
}

interface PortGroup {
  readonly protocol?: string;
  readonly ports?: readonly Json[];
}

function portGroups(ports: "any" | readonly NetworkPolicyPort[]): PortGroup[] {
  if (ports === "any") return [{}];
  const groups = new Map<string, Json[] | "all">();
  for (const { protocol, port } of ports) {
    const group = groups.get(protocol) ?? [];
    if (group === "all" || port.kind === "all") groups.set(protocol, "all");
    else groups.set(protocol, [...group, portValue(port)]);
  }
  return [...groups].flatMap(([protocol, list]) =>
    list === "all" ? [{ protocol }] : chunks(list, MAX_PORTS).map((part) => ({ protocol, ports: part })),
  );
}

function portValue(port: Exclude<NetworkPolicyPort["port"], { kind: "all" }>): Json {
  if (port.kind === "named") return port.name;
  return port.first === port.last ? port.first : `${port.first}:${port.last}`;
}

function convertPeer(peer: NetworkPolicyPeer, problems: Problems): JsonObject[] {
  if (peer.kind === "ipBlock") {
    if (peer.except.length > MAX_NETS)
      problems.add(peer.path, `more than ${MAX_NETS} exceptions, which one of Calico's rules cannot have`);
    return [{ nets: [peer.cidr], ...(peer.except.length > 0 && { notNets: peer.except }) }];
  }
  const { podSelector: pods, namespaceSelector: namespaces } = peer;
  return [
    {
      selector: podSelector(pods ?? { requirements: [] }, problems),
      ...(namespaces && { namespaceSelector: namespaceSelector(namespaces, problems) }),
    },
  ];
}

function podSelector(selector: LabelSelector, problems: Problems): string {
  return [PODS, ...selector.requirements.map((one) => requirement(one, RESERVED_ON_PODS, problems))].join(
    " && ",
  );
}

function namespaceSelector(selector: LabelSelector, problems: Problems): string {
  const tests = selector.requirements.map((one) => requirement(one, RESERVED_ON_NAMESPACES, problems));
  return tests.length === 0 ? "all()" : tests.join(" && ");
}

function requirement(
  { key, operator, values, path }: LabelRequirement,
  reserved: RegExp,
  problems: Problems,
): string {
  if (reserved.test(key))
    problems.add(path, `label ${key} cannot be asked for: Calico's selectors mean something else by it`);
  const quoted = values.map((value) => `'${value}'`);
  switch (operator) {
    case "In":
      return quoted.length === 1 ? `${key} == ${quoted.join()}` : `${key} in {${quoted.join(", ")}}`;
    case "NotIn":
      return quoted.length === 1 ? `${key} != ${quoted.join()}` : `${key} not in {${quoted.join(", ")}}`;
    case "Exists":
      return `has(${key})`;
    case "DoesNotExist":
      return `!has(${key})`;
  }
}

function chunks<T>(items: readonly T[], size: number): (readonly T[])[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}
