/**
 * @module Random manifests of every kind and field that bears on policy: what `random-cluster.ts` is to the model, this
 * is to the objects that people write. All of them are valid; a decoder that complains is too strict.
 */
import type { Random } from "./random.ts";

export type Manifest = Readonly<Record<string, unknown>>;

const NAMESPACES = ["x", "w", "z"];
const KEYS = ["app", "tier", "env"];
const VALUES = ["a", "b", "c"];
const NODES = ["node1", "node2"];
const PORTS = [80, 81, 8080];
const PORT_NAMES = ["http", "alt"];
const V4 = [
  "192.168.0.0/16",
  "192.168.0.0/28",
  "172.18.0.0/24",
  "192.0.2.0/24",
  "198.51.100.7/32",
  "10.96.0.0/16",
];
const V6 = ["fd00:10:244::/64", "2001:db8::/32", "fd00:10:244::1/128"];
const TIERS = ["default", "first", "second", "nobodys"];

export const OUTSIDE: readonly string[] = ["192.0.2.1", "198.51.100.7"];

type Fields = Record<string, unknown>;

/** Valid together: names are unique among a kind, and what is named mostly exists. */
export function randomManifests(random: Random): Manifest[] {
  const several = (most: number, make: (index: number) => Manifest): Manifest[] =>
    Array.from({ length: random.below(most + 1) }, (_, index) => make(index));
  return [
    ...NODES.map((name, at) => node(random, name, at)),
    ...NAMESPACES.map((name) => core("Namespace", { name, labels: labels(random) })),
    ...NAMESPACES.map((namespace) =>
      core("ServiceAccount", { name: "bot", namespace, labels: labels(random) }),
    ),
    ...Array.from({ length: random.between(3, 6) }, (_, index) => pod(random, index)),
    ...several(2, (index) => service(random, index)),
    ...several(1, (index) => slice(random, index)),
    ...several(2, (index) => kubernetesPolicy(random, index)),
    ...several(2, (index) => calico("Tier", { name: TIERS[index + 1] }, tierSpec(random))),
    ...several(2, (index) => calico("NetworkSet", own(random, `s${index}`), { nets: nets(random, 3) })),
    ...several(2, (index) =>
      calico("GlobalNetworkSet", global(random, `s${index}`), { nets: nets(random, 3) }),
    ),
    ...several(3, (index) => calicoPolicy(random, index)),
    ...several(3, (index) => globalPolicy(random, index)),
    ...several(1, (index) => staged(random, index)),
    ...several(2, (index) => hostEndpoint(random, index)),
    ...several(2, (index) => calico("Profile", global(random, `p${index}`), profileSpec(random))),
    ...several(1, (index) => workloadEndpoint(random, index)),
    ...several(1, (index) => calico("IPPool", { name: `pool${index}` }, poolSpec(random))),
    ...several(2, (index) => clusterPolicy(random, index)),
    ...several(2, (index) => adminPolicy(random, index)),
    ...several(1, () => baselinePolicy(random)),
  ];
}

// ── pieces ──────────────────────────────────────────────────────────────────────────────────────────────────────

function labels(random: Random): Record<string, string> {
  return Object.fromEntries(KEYS.filter(() => random.chance(0.6)).map((key) => [key, random.pick(VALUES)]));
}

function maybe<T>(random: Random, probability: number, key: string, make: () => T): Fields {
  return random.chance(probability) ? { [key]: make() } : {};
}

const own = (random: Random, name: string): Fields => ({
  name,
  namespace: random.pick(NAMESPACES),
  labels: labels(random),
});
const global = (random: Random, name: string): Fields => ({ name, labels: labels(random) });

function core(kind: string, metadata: Fields, rest: Fields = {}): Manifest {
  return { apiVersion: "v1", kind, metadata, ...rest };
}

function calico(kind: string, metadata: Fields, spec: Fields): Manifest {
  return { apiVersion: "projectcalico.org/v3", kind, metadata, spec };
}

function nets(random: Random, most: number): string[] {
  return random.some([...V4, ...V6], most);
}

function node(random: Random, name: string, at: number): Manifest {
  const addresses = [{ type: "InternalIP", address: `172.18.0.${at + 2}` }];
  return core("Node", { name, labels: labels(random) }, { status: { addresses } });
}

function pod(random: Random, index: number): Manifest {
  const ports = random.some(PORT_NAMES).map((name) => ({ name, containerPort: random.pick(PORTS) }));
  return core("Pod", own(random, `p${index}`), {
    spec: {
      nodeName: random.pick(NODES),
      ...maybe(random, 0.5, "serviceAccountName", () => "bot"),
      ...maybe(random, 0.15, "hostNetwork", () => true),
      containers: [{ name: "c", image: "i", ports }],
    },
  });
}

function service(random: Random, index: number): Manifest {
  const target = random.chance(0.5) ? random.pick([...PORTS, 6443]) : random.pick(PORT_NAMES);
  return core("Service", own(random, `svc${index}`), {
    spec: {
      selector: { [random.pick(KEYS)]: random.pick(VALUES) },
      // One that is a failsafe of host endpoints, on either side of the translation.
      ports: [{ name: "main", port: random.pick([80, 80, 6443]), targetPort: target }],
      ...maybe(random, 0.2, "clusterIP", () => "None"),
    },
  });
}

function slice(random: Random, index: number): Manifest {
  const metadata = own(random, `svc${index}-slice`);
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { ...metadata, labels: { "kubernetes.io/service-name": `svc${index}` } },
    addressType: "IPv4",
    endpoints: random
      .some(["192.168.0.1", "192.168.0.2", "192.168.0.65"], 2)
      .map((address) => ({ addresses: [address], conditions: { ready: random.chance(0.7) } })),
    ports: [{ name: "main", port: random.pick(PORTS), protocol: random.pick(["TCP", "UDP"]) }],
  };
}

// ── Kubernetes ──────────────────────────────────────────────────────────────────────────────────────────────────

function labelSelector(random: Random): Fields {
  if (random.chance(0.4)) return {};
  if (random.chance(0.6)) return { matchLabels: { [random.pick(KEYS)]: random.pick(VALUES) } };
  const operator = random.pick(["In", "NotIn", "Exists", "DoesNotExist"]);
  const values = operator.endsWith("In") ? { values: random.some(VALUES, 2) } : {};
  return { matchExpressions: [{ key: random.pick(KEYS), operator, ...values }] };
}

function kubernetesSpec(random: Random): Fields {
  const peer = (): Fields =>
    random.chance(0.3)
      ? { ipBlock: { cidr: random.pick(V4) } }
      : {
          podSelector: labelSelector(random),
          ...maybe(random, 0.5, "namespaceSelector", () => labelSelector(random)),
        };
  const rule = (side: string): Fields => ({
    ...maybe(random, 0.7, side, () => Array.from({ length: random.between(1, 2) }, peer)),
    ...maybe(random, 0.5, "ports", () => [
      {
        protocol: random.pick(["TCP", "UDP"]),
        port: random.chance(0.7) ? random.pick(PORTS) : random.pick(PORT_NAMES),
      },
    ]),
  });
  return {
    podSelector: labelSelector(random),
    policyTypes: random.some(["Ingress", "Egress"]),
    ingress: [rule("from")],
    egress: [rule("to")],
  };
}

function kubernetesPolicy(random: Random, index: number): Manifest {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: own(random, `knp${index}`),
    spec: kubernetesSpec(random),
  };
}

// ── Calico ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** Every form of the language, of which some select nobody. */
export function randomSelector(random: Random, depth = 0): string {
  const key = random.pick([
    ...KEYS,
    "projectcalico.org/namespace",
    "projectcalico.org/orchestrator",
    "projectcalico.org/serviceaccount",
  ]);
  const value = random.pick([...VALUES, "x", "k8s", "bot"]);
  const inner = (): string => randomSelector(random, depth + 1);
  switch (random.below(depth > 1 ? 9 : 13)) {
    case 0:
      return `${key} == '${value}'`;
    case 1:
      return `${key} != "${value}"`;
    case 2:
      return `${key} in {'${value}', 'b',}`;
    case 3:
      return `${key} not in { "${value}" }`;
    case 4:
      return `has(${key})`;
    case 5:
      return "all()";
    case 6:
      return `${key} contains '${value}'`;
    case 7:
      return `${key} starts with '${value}'`;
    case 8:
      return `${key} endswith "${value}"`;
    case 9:
      return `${inner()} && ${inner()}`;
    case 10:
      return `(${inner()} || ${inner()})`;
    case 11:
      return `!(${inner()})`;
    default:
      return `!has(${key}) || ${inner()}`;
  }
}

/** @param all - whether it may be `global()`, which a policy's subject may not */
function namespaceSelector(random: Random, all: boolean): string {
  if (all && random.chance(0.2)) return "global()";
  const name = random.pick(NAMESPACES);
  return random.pick(["all()", `projectcalico.org/name == '${name}'`, `app != 'a'`, `has(env)`]);
}

/** All CIDRs of a rule are of one family. */
function entity(random: Random, cidrs: readonly string[], port: (() => unknown[]) | undefined): Fields {
  return {
    ...maybe(random, 0.35, "selector", () => randomSelector(random)),
    ...maybe(random, 0.15, "notSelector", () => randomSelector(random)),
    ...maybe(random, 0.25, "namespaceSelector", () => namespaceSelector(random, true)),
    ...maybe(random, 0.15, "serviceAccounts", () => ({
      ...maybe(random, 0.6, "names", () => ["bot"]),
      ...maybe(random, 0.4, "selector", () => "has(app)"),
    })),
    ...maybe(random, 0.2, "nets", () => random.some(cidrs, 2)),
    ...maybe(random, 0.15, "notNets", () => random.some(cidrs, 2)),
    ...(port ? { ...maybe(random, 0.4, "ports", port), ...maybe(random, 0.15, "notPorts", port) } : {}),
  };
}

const NUMBERED = ["TCP", "TCP", "UDP", "SCTP", 6, 17];

function calicoRule(random: Random, direction: "ingress" | "egress", namespace: string | undefined): Fields {
  const action = random.pick(["Allow", "Allow", "Deny", "Deny", "Pass", "Log"]);
  const dice = random.next();
  const family = random.chance(0.85) ? 4 : 6;
  const cidrs = family === 4 ? V4 : V6;
  if (dice < 0.15) {
    return {
      action,
      protocol: family === 4 ? "ICMP" : "ICMPv6",
      ...maybe(random, 0.5, "icmp", () => ({
        type: family === 4 ? 8 : 128,
        ...maybe(random, 0.4, "code", () => 0),
      })),
      ...maybe(random, 0.3, "notICMP", () => ({ type: random.pick([0, 8, 128]) })),
      source: entity(random, cidrs, undefined),
      destination: entity(random, cidrs, undefined),
    };
  }
  if (dice < 0.25 && namespace !== "") {
    const services = { name: `svc${random.below(2)}`, namespace: random.pick(NAMESPACES) };
    const side = direction === "ingress" ? "source" : "destination";
    return { action, [side]: { services } };
  }
  const protocol = random.chance(0.6) ? random.pick(NUMBERED) : undefined;
  const port = (): unknown[] =>
    protocol === undefined
      ? [random.pick(PORT_NAMES)]
      : random.some([80, "80:81", "8000:9000", "http", 443], 2);
  // All ports that a client may have, or some that none has: what lies between, nobody can say.
  const clientPorts = (): unknown[] => [random.pick(["1:65535", "1:1023"])];
  return {
    action,
    ...(protocol !== undefined && { protocol }),
    ...maybe(random, 0.1, "notProtocol", () => random.pick(["UDP", 132])),
    ...maybe(random, 0.1, "ipVersion", () => family),
    source: entity(random, cidrs, protocol === undefined || random.chance(0.8) ? undefined : clientPorts),
    destination: entity(random, cidrs, port),
    ...(action === "Allow" && protocol === "TCP" && direction === "ingress"
      ? maybe(random, 0.1, "http", () => ({ methods: ["GET"], paths: [{ prefix: "/" }] }))
      : {}),
    ...maybe(random, 0.1, "metadata", () => ({ annotations: { why: "because" } })),
  };
}

function rules(random: Random, direction: "ingress" | "egress", namespace?: string): Fields[] {
  return Array.from({ length: random.between(0, 3) }, () => calicoRule(random, direction, namespace));
}

function tierSpec(random: Random): Fields {
  return {
    ...maybe(random, 0.8, "order", () => random.pick([1, 2.5, 100])),
    defaultAction: random.pick(["Pass", "Deny"]),
  };
}

function policySpec(random: Random): Fields {
  return {
    ...maybe(random, 0.7, "tier", () => random.pick(TIERS)),
    ...maybe(random, 0.7, "order", () => random.pick([-1, 0, 10.5, 1000])),
    ...maybe(random, 0.6, "selector", () => randomSelector(random)),
    ...maybe(random, 0.15, "serviceAccountSelector", () => "has(app)"),
    ...maybe(random, 0.1, "performanceHints", () => ["AssumeNeededOnEveryNode"]),
    ...maybe(random, 0.4, "types", () => random.some(["Ingress", "Egress"])),
    ...maybe(random, 0.8, "ingress", () => rules(random, "ingress")),
    ...maybe(random, 0.4, "egress", () => rules(random, "egress")),
  };
}

function calicoPolicy(random: Random, index: number): Manifest {
  const apiVersion = random.pick(["projectcalico.org/v3", "crd.projectcalico.org/v1"]);
  return { ...calico("NetworkPolicy", own(random, `np${index}`), policySpec(random)), apiVersion };
}

function globalSpec(random: Random): Fields {
  const spec = {
    ...policySpec(random),
    ...maybe(random, 0.3, "namespaceSelector", () => namespaceSelector(random, false)),
  };
  const dice = random.next();
  if (dice < 0.12) return { ...spec, doNotTrack: true, applyOnForward: true };
  if (dice < 0.24) {
    const { egress: _, types: __, ...ingressOnly } = spec as Fields;
    return { ...ingressOnly, types: ["Ingress"], preDNAT: true, applyOnForward: true };
  }
  return { ...spec, ...maybe(random, 0.4, "applyOnForward", () => true) };
}

function globalPolicy(random: Random, index: number): Manifest {
  return calico("GlobalNetworkPolicy", global(random, `gnp${index}`), globalSpec(random));
}

function staged(random: Random, index: number): Manifest {
  const stagedAction = random.pick(["Set", "Set", "Delete", "Learn", "Ignore"]);
  const isDelete = stagedAction === "Delete";
  switch (random.below(3)) {
    case 0:
      return calico("StagedNetworkPolicy", own(random, `np${index}`), {
        stagedAction,
        ...(isDelete ? {} : policySpec(random)),
      });
    case 1:
      return calico("StagedGlobalNetworkPolicy", global(random, `gnp${index}`), {
        stagedAction,
        ...(isDelete ? {} : globalSpec(random)),
      });
    default:
      return calico("StagedKubernetesNetworkPolicy", own(random, `knp${index}`), {
        stagedAction,
        ...(isDelete ? {} : kubernetesSpec(random)),
      });
  }
}

function profiles(random: Random): string[] {
  return random.some(["p0", "p1", "projectcalico-default-allow", "nobodys", "kns.x"], 2);
}

function hostEndpoint(random: Random, index: number): Manifest {
  const at = random.below(2);
  const interfaceName = random.pick(["eth0", "*", undefined]);
  const isNamed = interfaceName !== undefined;
  return calico("HostEndpoint", global(random, `h${index}`), {
    node: NODES[at],
    ...(isNamed && { interfaceName }),
    ...((!isNamed || random.chance(0.4)) && { expectedIPs: [`172.18.0.${at + 2}`] }),
    ...maybe(random, 0.7, "profiles", () => profiles(random)),
    ...maybe(random, 0.3, "ports", () => [{ name: "http", protocol: "TCP", port: random.pick(PORTS) }]),
  });
}

function profileSpec(random: Random): Fields {
  return {
    ...maybe(random, 0.5, "labelsToApply", () => labels(random)),
    ingress: rules(random, "ingress", ""),
    egress: rules(random, "egress", ""),
  };
}

function poolSpec(random: Random): Fields {
  return { cidr: "192.168.0.0/16", ...maybe(random, 0.5, "natOutgoing", () => true), blockSize: 26 };
}

function workloadEndpoint(random: Random, index: number): Manifest {
  return calico("WorkloadEndpoint", own(random, `vm${index}`), {
    node: random.pick(NODES),
    orchestrator: random.pick(["openstack", "k8s"]),
    workload: `vm${index}`,
    endpoint: "eth0",
    interfaceName: "cali0",
    ipNetworks: [`192.168.0.${200 + index}/32`],
    ...maybe(random, 0.6, "profiles", () => profiles(random)),
    ...maybe(random, 0.4, "ports", () => [{ name: "http", protocol: "TCP", port: random.pick(PORTS) }]),
  });
}

// ── policy.networking.k8s.io ────────────────────────────────────────────────────────────────────────────────────

function podsPeer(random: Random): Fields {
  return random.chance(0.5)
    ? { namespaces: labelSelector(random) }
    : { pods: { namespaceSelector: labelSelector(random), podSelector: labelSelector(random) } };
}

/** Networks and nodes have no named ports. */
function clusterPeers(random: Random, direction: "ingress" | "egress", ports: Fields): Fields[] {
  const named = JSON.stringify(ports).includes("amedPort");
  return Array.from({ length: random.between(1, 2) }, () => {
    if (direction === "ingress" || named || random.chance(0.5)) return podsPeer(random);
    return random.chance(0.6) ? { networks: random.some(V4, 2) } : { nodes: labelSelector(random) };
  });
}

function clusterPolicy(random: Random, index: number): Manifest {
  const port = (): Fields =>
    random.chance(0.7)
      ? { destinationPort: { number: random.pick(PORTS) } }
      : { destinationPort: { range: { start: 80, end: 90 } } };
  const rule = (direction: "ingress" | "egress"): Fields => {
    const ports = maybe(random, 0.4, "protocols", () => [
      random.chance(0.8)
        ? { [random.pick(["tcp", "udp"])]: port() }
        : { destinationNamedPort: random.pick(PORT_NAMES) },
    ]);
    const peers = clusterPeers(random, direction, ports);
    return {
      action: random.pick(["Accept", "Deny", "Pass"]),
      [direction === "ingress" ? "from" : "to"]: peers,
      ...ports,
    };
  };
  return {
    apiVersion: "policy.networking.k8s.io/v1alpha2",
    kind: "ClusterNetworkPolicy",
    metadata: { name: `cnp${index}` },
    spec: {
      tier: random.pick(["Admin", "Baseline"]),
      priority: random.pick([1, 5, 5, 100]),
      subject: podsPeer(random),
      ...maybe(random, 0.7, "ingress", () => [rule("ingress"), rule("ingress")]),
      ...maybe(random, 0.4, "egress", () => [rule("egress")]),
    },
  };
}

function v1alpha1Spec(random: Random, actions: readonly string[]): Fields {
  const rule = (direction: "ingress" | "egress"): Fields => {
    const ports = maybe(random, 0.4, "ports", () => [
      random.pick([
        { portNumber: { protocol: "TCP", port: random.pick(PORTS) } },
        { portRange: { protocol: "UDP", start: 80, end: 90 } },
        { namedPort: random.pick(PORT_NAMES) },
      ]),
    ]);
    const peers = clusterPeers(random, direction, ports);
    return { action: random.pick(actions), [direction === "ingress" ? "from" : "to"]: peers, ...ports };
  };
  return {
    subject: podsPeer(random),
    ...maybe(random, 0.7, "ingress", () => [rule("ingress"), rule("ingress")]),
    ...maybe(random, 0.4, "egress", () => [rule("egress")]),
  };
}

function adminPolicy(random: Random, index: number): Manifest {
  return {
    apiVersion: "policy.networking.k8s.io/v1alpha1",
    kind: "AdminNetworkPolicy",
    metadata: { name: `anp${index}` },
    spec: { priority: random.pick([1, 5, 100]), ...v1alpha1Spec(random, ["Allow", "Deny", "Pass"]) },
  };
}

function baselinePolicy(random: Random): Manifest {
  return {
    apiVersion: "policy.networking.k8s.io/v1alpha1",
    kind: "BaselineAdminNetworkPolicy",
    metadata: { name: "default" },
    spec: v1alpha1Spec(random, ["Allow", "Deny"]),
  };
}
