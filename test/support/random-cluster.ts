/** @module Random small clusters that hold every feature of the model, and flows to ask about. */
import { type Cidr, type Ip, parseCidr, parseIp } from "../../src/base/ip.ts";
import { fromNetworkPolicy } from "../../src/policy/from-network-policy.ts";
import type {
  Endpoint,
  EntityMatch,
  Flow,
  IcmpMatch,
  Match,
  NetworkSet,
  Origin,
  Party,
  Policy,
  PortMatch,
  Rule,
  Tier,
} from "../../src/policy/model.ts";
import { OPEN_PROFILE, PROFILE_TIER, PROTOCOL } from "../../src/policy/model.ts";
import { NONE, type Selector } from "../../src/policy/selector.ts";
import type { World } from "../../src/policy/world.ts";
import type {
  LabelRequirement,
  LabelSelector,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  NetworkPolicyRule,
} from "../../src/resources/networking/types.ts";
import { NO_SOURCE } from "../../src/resources/source.ts";
import { Random } from "./random.ts";

const KEYS = ["app", "tier", "env"];
const VALUES = ["a", "b", "c"];
const NAMESPACES = ["x", "y", "z"];
const PORTS = [80, 81, 443, 8080];
/** One that is a failsafe of host endpoints among them. */
const ASKED_PORTS = [...PORTS, 22];
const PORT_NAMES = ["http", "alt"];
const PROTOCOLS = ["TCP", "UDP", "SCTP"] as const;
/** A protocol without ports. */
const GRE = 47;
const NODES = ["node1", "node2"];
export const OUTSIDE = ["192.0.2.1", "198.51.100.7", "2001:db8::7"];

export function ip(text: string): Ip {
  const parsed = parseIp(text);
  if (!parsed) throw new Error(`no address: ${text}`);
  return parsed;
}

export function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  if (!parsed) throw new Error(`no CIDR: ${text}`);
  return parsed.cidr;
}

const CIDRS = [
  "0.0.0.0/0",
  "192.168.0.0/16",
  "192.168.0.0/26",
  "192.168.0.64/26",
  "192.168.0.1/32",
  "192.168.0.66/31",
  "192.0.2.0/24",
  "198.51.100.0/25",
  "172.18.0.0/16",
  "::/0",
  "fd00:10:244::/64",
  "fd00:10:244::1/128",
  "2001:db8::/32",
];

export interface RandomCluster {
  readonly seed: number;
  readonly world: World;
  readonly flows: readonly Flow[];
}

export interface RandomOptions {
  /** Only what Kubernetes' own API can say. */
  readonly kubernetesOnly?: boolean;
  readonly flows?: number;
  /** Whether some flows name the client's port; real clients take what they are given. */
  readonly clientPorts?: boolean;
}

export function randomCluster(seed: number, options: RandomOptions = {}): RandomCluster {
  const random = new Random(seed);
  const namespaces = new Map(
    NAMESPACES.slice(0, random.between(1, 3)).map((name) => [
      name,
      { "kubernetes.io/metadata.name": name, ...randomLabels(random) },
    ]),
  );
  const names = [...namespaces.keys()];
  // The rich ones hold what Calico alone can say.
  const general = options.kubernetesOnly !== true && random.chance(0.6);
  const rich = general && random.chance(0.5);
  const endpoints = new Map<string, Endpoint>();
  const count = random.between(2, 7);
  for (let index = 0; index < count; index++) {
    const node = random.below(2);
    const dual = random.chance(0.6);
    const endpoint: Endpoint = {
      id: `${random.pick(names)}/p${index}`,
      namespace: "",
      labels: randomLabels(random),
      serviceAccount: random.pick(["default", "bot"]),
      node: NODES[node] ?? "",
      addresses: [
        ip(`192.168.0.${node * 64 + index + 1}`),
        ...(dual ? [ip(`fd00:10:244::${node * 64 + index + 1}`)] : []),
      ],
      ports: random.chance(0.6)
        ? [
            {
              name: random.pick(PORT_NAMES),
              protocol: PROTOCOL[random.pick(["TCP", "TCP", "UDP", "SCTP"] as const)],
              port: random.pick(PORTS),
            },
          ]
        : [],
      profile: OPEN_PROFILE,
      ...(rich && random.chance(0.15) && { ...randomEnd(random), kind: "workload" as const }),
    };
    const [namespace = ""] = endpoint.id.split("/");
    endpoints.set(endpoint.id, { ...endpoint, namespace });
  }
  if (rich) for (const host of randomHosts(random)) endpoints.set(host.id, host);
  const policies: Policy[] = rich ? PROFILE_NAMES.map((name) => randomProfile(random, name, names)) : [];
  const total = random.between(0, rich ? 7 : 5);
  for (let index = 0; index < total; index++) {
    policies.push(
      general && random.chance(0.6)
        ? randomPolicy(random, index, names, rich)
        : fromNetworkPolicy(randomNetworkPolicy(random, index, names)),
    );
  }
  const networkSets: NetworkSet[] = general
    ? Array.from({ length: random.below(3) }, (_, index) => ({
        id: `NetworkSet s${index}`,
        namespace: random.chance(0.5) ? random.pick(names) : "",
        labels: randomLabels(random),
        nets: random.some(CIDRS, 3).map(cidr),
      }))
    : [];
  const tiers: Tier[] = general
    ? [
        {
          name: "first",
          order: random.pick([1, 5, Number.POSITIVE_INFINITY]),
          defaultAction: random.pick(["deny", "pass"]),
        },
        { name: "second", order: random.pick([2, 5]), defaultAction: random.pick(["deny", "pass"]) },
      ]
    : [];
  const world: World = {
    tiers,
    policies,
    namespaces,
    serviceAccounts: new Map(names.map((name) => [`${name}/bot`, randomLabels(random)])),
    endpoints,
    networkSets,
    nodes: new Map([
      ["node1", [ip("172.18.0.2"), ip("fd00:172:18::2")]],
      ["node2", [ip("172.18.0.3"), ip("fd00:172:18::3")]],
    ]),
  };
  return {
    seed,
    world,
    flows: Array.from({ length: options.flows ?? 24 }, () => randomFlow(random, world, options.clientPorts)),
  };
}

/** At a port that flows ask about, or just before one, so that an end which is off by one shows. */
function rangeEnd(random: Random, first: number): number {
  return random.pick(
    PORTS.flatMap((port) => [port - 1, port])
      .filter((port) => port > first)
      .concat(first + 1),
  );
}

function randomLabels(random: Random): Record<string, string> {
  return Object.fromEntries(KEYS.filter(() => random.chance(0.6)).map((key) => [key, random.pick(VALUES)]));
}

// ── flows ───────────────────────────────────────────────────────────────────────────────────────────────────────

function randomParty(random: Random, world: World, family: 4 | 6): Party | undefined {
  const dice = random.next();
  if (dice < 0.75) {
    const endpoint = random.pick([...world.endpoints.values()].filter(({ kind }) => kind !== "host"));
    const address = endpoint.addresses.find((candidate) => candidate.family === family);
    return address && { kind: "endpoint", endpoint, address };
  }
  if (dice < 0.85) {
    const [node, addresses] = random.pick([...world.nodes]);
    const address = addresses.find((candidate) => candidate.family === family);
    return address && { kind: "node", node, address };
  }
  const address = random.pick(OUTSIDE.map(ip).filter((candidate) => candidate.family === family));
  return { kind: "outside", address };
}

/** At least one side is a pod, or a node where host endpoints are: nothing else is anybody's policy. */
export function randomFlow(random: Random, world: World, clientPorts = true): Flow {
  const hosts = [...world.endpoints.values()].some(({ kind }) => kind === "host");
  const policed = hosts ? ["endpoint", "node"] : ["endpoint"];
  for (;;) {
    const family = random.chance(0.7) ? 4 : 6;
    const source = randomParty(random, world, family);
    const destination = randomParty(random, world, family);
    if (!source || !destination) continue;
    if (!policed.includes(source.kind) && !policed.includes(destination.kind)) continue;
    if (source.kind === "node" && destination.kind === "node" && source.node === destination.node) continue;
    const base = {
      source,
      destination,
      ...(clientPorts && random.chance(0.15) && { sourcePort: random.pick([...PORTS, 40_000]) }),
    };
    if (random.chance(0.15)) {
      const protocol = family === 4 ? PROTOCOL.ICMP : PROTOCOL.ICMPv6;
      return {
        source,
        destination,
        protocol,
        icmp: { type: randomIcmpType(random, family, clientPorts), code: random.chance(0.3) ? 1 : 0 },
      };
    }
    const named = destination.kind === "endpoint" ? destination.endpoint.ports[0] : undefined;
    if (named && random.chance(0.4))
      return { ...base, protocol: named.protocol, destinationPort: named.port };
    // Others than clients can probe: one with ports, and one without.
    if (clientPorts && random.chance(0.05))
      return { ...base, protocol: PROTOCOL.UDPLite, destinationPort: random.pick(ASKED_PORTS) };
    if (clientPorts && random.chance(0.05)) return { source, destination, protocol: GRE };
    return { ...base, protocol: PROTOCOL[random.pick(PROTOCOLS)], destinationPort: random.pick(ASKED_PORTS) };
  }
}

/** @param all - false for what clients can send and see answered: echo requests */
function randomIcmpType(random: Random, family: 4 | 6, all: boolean): number {
  if (all && random.chance(0.3)) return random.pick(family === 4 ? [0, 3] : [1, 135]);
  return family === 4 ? 8 : 128;
}

// ── Kubernetes policies ─────────────────────────────────────────────────────────────────────────────────────────

function randomNetworkPolicy(random: Random, index: number, namespaces: readonly string[]): NetworkPolicy {
  const rules = (side: "ingress" | "egress"): NetworkPolicyRule[] =>
    Array.from({ length: random.between(0, 2) }, (_, at) =>
      randomKubernetesRule(random, `spec.${side}[${at}]`),
    );
  const ingress = random.chance(0.75);
  return {
    kind: "NetworkPolicy",
    apiVersion: "networking.k8s.io/v1",
    namespace: random.pick(namespaces),
    name: `np${index}`,
    labels: {},
    source: NO_SOURCE,
    spec: {
      podSelector: randomLabelSelector(random, "spec.podSelector"),
      policyTypes: { ingress, egress: !ingress || random.chance(0.4) },
      ingress: rules("ingress"),
      egress: rules("egress"),
    },
  };
}

function randomLabelSelector(random: Random, path: string): LabelSelector {
  const count = random.pick([0, 1, 1, 2]);
  return {
    requirements: Array.from({ length: count }, (): LabelRequirement => {
      const operator = random.pick(["In", "In", "NotIn", "Exists", "DoesNotExist"] as const);
      const values = operator === "In" || operator === "NotIn" ? random.some(VALUES, 2) : [];
      return { key: random.pick(KEYS), operator, values, path };
    }),
  };
}

function randomKubernetesRule(random: Random, path: string): NetworkPolicyRule {
  const peers = Array.from({ length: random.between(1, 2) }, (_, at): NetworkPolicyPeer => {
    const peerPath = `${path}.peers[${at}]`;
    if (random.chance(0.3)) {
      const block = random.pick(CIDRS);
      const except = CIDRS.filter(
        (other) =>
          other !== block &&
          cidr(other).family === cidr(block).family &&
          cidr(other).prefix > cidr(block).prefix,
      );
      return {
        kind: "ipBlock",
        path: peerPath,
        cidr: block,
        except: except.length > 0 && random.chance(0.5) ? random.some(except, 6) : [],
      };
    }
    return {
      kind: "pods",
      path: peerPath,
      ...(random.chance(0.8) && { podSelector: randomLabelSelector(random, peerPath) }),
      ...(random.chance(0.5) && { namespaceSelector: randomLabelSelector(random, peerPath) }),
    };
  });
  const ports = Array.from({ length: random.between(1, 3) }, (_, at): NetworkPolicyPort => {
    const base = { path: `${path}.ports[${at}]`, protocol: random.pick(PROTOCOLS) };
    const dice = random.next();
    if (dice < 0.2) return { ...base, port: { kind: "all" } };
    if (dice < 0.4) return { ...base, port: { kind: "named", name: random.pick(PORT_NAMES) } };
    const first = random.pick(PORTS);
    return {
      ...base,
      port: { kind: "range", first, last: random.chance(0.3) ? rangeEnd(random, first) : first },
    };
  });
  return { path, peers: random.chance(0.25) ? "any" : peers, ports: random.chance(0.4) ? "any" : ports };
}

// ── policies of the whole model ─────────────────────────────────────────────────────────────────────────────────

function randomSelector(random: Random, namespaces: readonly string[], depth = 0): Selector {
  const dice = random.below(depth > 1 ? 7 : 10);
  switch (dice) {
    case 3:
      return {
        kind: "subject-kind",
        kinds: random.some(["pod", "workload", "host", "network-set"] as const, 3),
      };
    case 0:
      return { kind: "all" };
    case 1:
      return { kind: "namespace", names: random.some(namespaces, 2) };
    case 2:
      return { kind: "service-account", names: [random.pick(["default", "bot"])] };
    case 7:
      return {
        kind: "and",
        terms: [randomSelector(random, namespaces, depth + 1), randomSelector(random, namespaces, depth + 1)],
      };
    case 8:
      return {
        kind: "or",
        terms: [randomSelector(random, namespaces, depth + 1), randomSelector(random, namespaces, depth + 1)],
      };
    case 9:
      return { kind: "not", term: randomSelector(random, namespaces, depth + 1) };
    default: {
      const of = random.pick(["endpoint", "endpoint", "namespace", "service-account"] as const);
      const value = random.pick(VALUES);
      const test = random.pick([
        { op: "in", values: random.some(VALUES, 2) },
        { op: "not-in", values: random.some(VALUES, 2) },
        { op: "exists" },
        { op: "contains", value },
        { op: "starts-with", value },
        { op: "ends-with", value },
      ] as const);
      if (random.chance(0.1))
        return { kind: "label", of: "identity", key: random.pick(["namespace", "serviceaccount"]), test };
      return { kind: "label", of, key: random.pick(KEYS), test };
    }
  }
}

function randomPolicy(random: Random, index: number, namespaces: readonly string[], rich: boolean): Policy {
  const origin: Origin = { object: `GlobalNetworkPolicy g${index}`, path: "", source: NO_SOURCE };
  const direction = (governs: boolean, side: string): Policy["ingress"] =>
    governs
      ? {
          governs,
          rules: Array.from({ length: random.between(0, 3) }, (_, at) =>
            randomRule(random, { ...origin, path: `spec.${side}[${at}]` }, namespaces),
          ),
        }
      : { governs };
  const stage = rich ? random.pick([undefined, undefined, "untracked", "pre-dnat"] as const) : undefined;
  const ingress = stage === "pre-dnat" || random.chance(0.75);
  const onForward = stage !== undefined || (rich && random.chance(0.4));
  return {
    ...(stage && { stage }),
    ...(onForward && { applyOnForward: true }),
    ...(random.chance(0.5) && { tie: random.pick(["a//GlobalNetworkPolicy", "g//GlobalNetworkPolicy"]) }),
    id: origin.object,
    tier: random.pick(["default", "first", "second", "missing", "kube-admin", "kube-baseline"]),
    order: random.pick([1, 10, 10, 1000, Number.POSITIVE_INFINITY]),
    subject: randomSelector(random, namespaces),
    ingress: direction(ingress, "ingress"),
    egress: direction(stage !== "pre-dnat" && (!ingress || random.chance(0.5)), "egress"),
    origin,
  };
}

const PROFILE_NAMES = ["p", "q"];
const profileId = (name: string): string => `Profile ${name}`;

function randomProfile(random: Random, name: string, namespaces: readonly string[]): Policy {
  const origin: Origin = { object: profileId(name), path: "", source: NO_SOURCE };
  const rules = (): Policy["ingress"] => ({
    governs: true,
    rules: Array.from({ length: random.between(0, 2) }, () => randomRule(random, origin, namespaces)),
  });
  return {
    id: origin.object,
    tier: PROFILE_TIER,
    order: 0,
    subject: NONE,
    ingress: rules(),
    egress: rules(),
    origin,
  };
}

/** What decides where no tier does. */
function randomEnd(random: Random): Pick<Endpoint, "profile" | "profiles"> {
  const side = (): "allow" | "deny" => random.pick(["allow", "deny"]);
  return {
    profile: { ingress: side(), egress: side() },
    ...(random.chance(0.6) && { profiles: random.some([...PROFILE_NAMES, "nobodys"]).map(profileId) }),
  };
}

/** None, one or two for each node. */
function randomHosts(random: Random): Endpoint[] {
  return NODES.flatMap((node, index) =>
    Array.from({ length: random.below(3) }, (_, at): Endpoint => {
      const own = [ip(`172.18.0.${index + 2}`), ip(`fd00:172:18::${index + 2}`)];
      return {
        id: `HostEndpoint ${random.pick(["a", "b"])}${at}-${node}`,
        kind: "host",
        interfaceName: random.pick(["eth0", "*", ""]),
        namespace: "",
        labels: randomLabels(random),
        serviceAccount: "",
        node,
        addresses: random.chance(0.6) ? random.some(own) : [],
        ports: random.chance(0.5)
          ? [{ name: random.pick(PORT_NAMES), protocol: PROTOCOL.TCP, port: random.pick(PORTS) }]
          : [],
        ...randomEnd(random),
      };
    }),
  );
}

function randomRule(random: Random, origin: Origin, namespaces: readonly string[]): Rule {
  const protocol = random.pick([
    undefined,
    undefined,
    PROTOCOL.TCP,
    PROTOCOL.UDP,
    PROTOCOL.SCTP,
    PROTOCOL.ICMP,
    PROTOCOL.ICMPv6,
    random.pick([PROTOCOL.UDPLite, GRE]),
  ]);
  const action = random.pick(["allow", "allow", "allow", "deny", "deny", "pass", "log"] as const);
  // Rules that match much, so that what comes after them shows.
  if (random.chance(0.2)) return { action, match: { source: {}, destination: {} }, origin };
  const isIcmp = protocol === PROTOCOL.ICMP || protocol === PROTOCOL.ICMPv6;
  const icmp = (): IcmpMatch => ({
    type: random.pick([0, 8, 128]),
    ...(random.chance(0.5) && { code: random.pick([0, 1]) }),
  });
  const match: Match = {
    ...(random.chance(0.2) && { family: random.pick([4, 6] as const) }),
    ...(protocol !== undefined && { protocol }),
    ...(random.chance(0.15) && { notProtocol: random.pick([PROTOCOL.TCP, PROTOCOL.UDP, GRE]) }),
    ...(random.chance(isIcmp ? 0.5 : 0.1) && { icmp: icmp() }),
    ...(random.chance(isIcmp ? 0.3 : 0.1) && { notIcmp: icmp() }),
    source: randomEntity(random, origin, namespaces, false),
    destination: randomEntity(random, origin, namespaces, true),
  };
  return { action, match, origin };
}

/** All ports that a client may have, or some that none has: what lies between, nobody can say. */
function randomClientPorts(random: Random, origin: Origin): PortMatch {
  const last = random.pick([1_023, 65_535]);
  return { kind: "range", first: random.pick([1, 81]), last, origin };
}

function randomEntity(
  random: Random,
  origin: Origin,
  namespaces: readonly string[],
  ports: boolean,
): EntityMatch {
  const port = (): PortMatch => {
    if (random.chance(0.4)) return { kind: "named", name: random.pick(PORT_NAMES), origin };
    const first = random.pick(PORTS);
    return { kind: "range", first, last: random.chance(0.4) ? rangeEnd(random, first) : first, origin };
  };
  return {
    ...(random.chance(0.3) && { selector: randomSelector(random, namespaces) }),
    ...(random.chance(0.15) && { notSelector: randomSelector(random, namespaces) }),
    ...(random.chance(0.2) && { nets: random.some(CIDRS, 3).map(cidr) }),
    ...(random.chance(0.15) && { notNets: random.some(CIDRS, 6).map(cidr) }),
    ...(!ports && random.chance(0.05) && { ports: [randomClientPorts(random, origin)] }),
    ...(!ports && random.chance(0.05) && { notPorts: [randomClientPorts(random, origin)] }),
    ...(ports && random.chance(0.3) && { ports: Array.from({ length: random.between(0, 3) }, port) }),
    ...(ports && random.chance(0.1) && { notPorts: Array.from({ length: random.between(1, 2) }, port) }),
  };
}
