/**
 * @module The network of a cluster as data: who has which address, on which node, behind which interface, and which
 * routes that takes. Pure; `linux/lab.ts` builds it.
 */
import { must, OpError } from "../base/errors.ts";
import type { Cidr, Family, Ip } from "../base/ip.ts";
import { cidrContains, formatCidr, formatIp, hostCidr, parseCidr, parseIp } from "../base/ip.ts";
import { AddressBlocks } from "./address-blocks.ts";
import { podInterfaceName } from "./interface-name.ts";

export interface NodeRequest {
  readonly name: string;
  /** At most one of each family; what is missing is allotted. */
  readonly addresses?: readonly string[];
}

export interface PodRequest {
  /** `namespace/name` */
  readonly key: string;
  /** Left out: nodes take turns. */
  readonly node?: string;
  /** At most one of each family; when any is given, no other is allotted. */
  readonly addresses?: readonly string[];
  /** The pod is its node: the node's addresses, no interface of its own. */
  readonly hostNetwork?: boolean;
}

export interface NetworkRequest {
  readonly nodes: readonly NodeRequest[];
  readonly pods: readonly PodRequest[];
  /** Addresses that belong to no pod or node but answer all the same. */
  readonly outside?: readonly string[];
  /** One CIDR a family; pods get an address of each family named here. */
  readonly podNetworks?: readonly string[];
}

export interface PlannedRoute {
  /** A block, or a single address as /32 or /128. */
  readonly to: string;
  /** The other node's address, or the outside's. */
  readonly via: string;
}

export interface PlannedNode {
  readonly name: string;
  readonly index: number;
  readonly addresses: readonly string[];
  /** The node's own blocks. */
  readonly blocks: readonly string[];
  /** Addresses of the node's pods that lie outside of its blocks, as /32 or /128. */
  readonly singles: readonly string[];
  /** To what other nodes and the outside own. Everything else goes to the outside by the default route. */
  readonly routes: readonly PlannedRoute[];
}

export interface PlannedPod {
  readonly key: string;
  readonly node: string;
  readonly addresses: readonly string[];
  /** Absent for a pod on its node's own network. */
  readonly interface?: string;
  /** Unique in the plan and in every plan derived from it. */
  readonly index: number;
}

export interface NetworkPlan {
  readonly podNetworks: readonly string[];
  readonly nodes: readonly PlannedNode[];
  readonly pods: readonly PlannedPod[];
  readonly outside: readonly string[];
  /** Where nodes send what no pod or node owns. */
  readonly outsideGateways: readonly string[];
  readonly nextPodIndex: number;
}

export const DEFAULT_POD_NETWORKS: readonly string[] = ["192.168.0.0/16", "fd00:10:244::/64"];
/** The first node's addresses; the next node has the next. */
const FIRST_NODE: Readonly<Record<Family, string>> = { 4: "172.18.0.2", 6: "fd00:172:18::2" };
const OUTSIDE_GATEWAY: Readonly<Record<Family, string>> = {
  4: "172.18.255.254",
  6: "fd00:172:18::ffff:fffe",
};
const FAMILIES: readonly Family[] = [4, 6];

function address(text: string, owner: string): Ip {
  const ip = parseIp(text);
  if (ip) return ip;
  throw new OpError(`${owner}: ${text} is not an IP address`, {
    code: "input-invalid",
    facts: { owner, address: text },
  });
}

function ofFamily(addresses: readonly string[], family: Family): string | undefined {
  return addresses.find((text) => parseIp(text)?.family === family);
}

/** The work of one planning: pools, and who owns what. */
class Planner {
  readonly #pools = new Map<Family, AddressBlocks>();
  readonly #networks: readonly Cidr[];
  readonly #owners = new Map<string, string>();

  constructor(podNetworks: readonly string[]) {
    this.#networks = podNetworks.map((text) => {
      const parsed = parseCidr(text);
      if (!parsed)
        throw new OpError(`${text} is not a CIDR`, { code: "input-invalid", facts: { network: text } });
      return parsed.cidr;
    });
    for (const network of this.#networks) this.#pools.set(network.family, new AddressBlocks(network));
  }

  get families(): readonly Family[] {
    return FAMILIES.filter((family) => this.#pools.has(family));
  }

  blocks(): readonly { readonly node: string; readonly cidr: Cidr }[] {
    return this.families.flatMap((family) => this.#pools.get(family)?.blocks ?? []);
  }

  adopt(node: string, cidr: Cidr): void {
    this.#pools.get(cidr.family)?.adopt({ node, cidr });
  }

  isTaken(ip: Ip): boolean {
    return this.#owners.has(formatIp(ip));
  }

  /** @throws OpError `input-invalid` when two owners ask for one address */
  claim(text: string, owner: string): string {
    const ip = address(text, owner);
    const canonical = formatIp(ip);
    const before = this.#owners.get(canonical);
    if (before !== undefined) {
      throw new OpError(`${owner} and ${before} have the same address ${canonical}`, {
        code: "input-invalid",
        facts: { address: canonical, owner, before },
      });
    }
    this.#owners.set(canonical, owner);
    this.#pools.get(ip.family)?.reserve(ip);
    return canonical;
  }

  allot(node: string, owner: string): readonly string[] {
    return this.families.map((family) => {
      const pool = must(this.#pools.get(family), "the pool of a family");
      const text = formatIp(pool.allot(node));
      this.#owners.set(text, owner);
      return text;
    });
  }
}

function planNodes(
  planner: Planner,
  requests: readonly NodeRequest[],
): { name: string; addresses: readonly string[] }[] {
  const asked = requests.map((request) => ({
    name: request.name,
    addresses: (request.addresses ?? []).map((text) => planner.claim(text, `node ${request.name}`)),
  }));
  const next = new Map<Family, bigint>(
    FAMILIES.map((family) => [family, must(parseIp(FIRST_NODE[family]), "").bits]),
  );
  return asked.map(({ name, addresses }) => {
    // In the order IPv4, IPv6, whatever was asked for.
    const complete = planner.families.flatMap((family) => {
      const given = ofFamily(addresses, family);
      if (given !== undefined) return [given];
      let bits = must(next.get(family), "the next node address");
      while (planner.isTaken({ family, bits })) bits++;
      next.set(family, bits + 1n);
      return [planner.claim(formatIp({ family, bits }), `node ${name}`)];
    });
    return { name, addresses: complete };
  });
}

function planPods(
  planner: Planner,
  nodes: readonly { readonly name: string; readonly addresses: readonly string[] }[],
  requests: readonly PodRequest[],
  firstIndex: number,
): PlannedPod[] {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  // Addresses that are asked for go first: none of them may be allotted to a pod that comes earlier in the list.
  const asked = requests.map((request) =>
    request.hostNetwork
      ? []
      : (request.addresses ?? []).map((text) => planner.claim(text, `pod ${request.key}`)),
  );
  return requests.map((request, place) => {
    const index = firstIndex + place;
    const name = request.node ?? nodes[index % Math.max(1, nodes.length)]?.name;
    const node = name === undefined ? undefined : byName.get(name);
    if (!node) {
      throw new OpError(`pod ${request.key} is on node ${name ?? "(none)"}, which is not planned`, {
        code: "input-invalid",
        facts: { pod: request.key, node: name },
      });
    }
    if (request.hostNetwork) return { key: request.key, node: node.name, addresses: node.addresses, index };
    const given = asked[place] ?? [];
    const addresses = given.length > 0 ? given : planner.allot(node.name, `pod ${request.key}`);
    return { key: request.key, node: node.name, addresses, interface: podInterfaceName(request.key), index };
  });
}

/** A destination and whose it is; the outside's where no node is named. */
interface Owned {
  readonly to: string;
  readonly owner: string | undefined;
  readonly family: Family;
}

function planRoutes(
  planner: Planner,
  nodes: readonly { readonly name: string; readonly addresses: readonly string[] }[],
  pods: readonly PlannedPod[],
  outside: readonly string[],
): PlannedNode[] {
  const blocks = planner.blocks();
  const blocksOf = new Map(
    nodes.map((node) => [node.name, blocks.filter((block) => block.node === node.name)]),
  );
  const shared: Owned[] = [];
  const singles: Owned[] = [];
  for (const block of blocks)
    shared.push({ to: formatCidr(block.cidr), owner: block.node, family: block.cidr.family });
  for (const pod of pods) {
    if (pod.interface === undefined) continue;
    for (const text of pod.addresses) {
      const ip = address(text, `pod ${pod.key}`);
      if (blocksOf.get(pod.node)?.some((block) => cidrContains(block.cidr, ip))) continue;
      singles.push({ to: formatCidr(hostCidr(ip)), owner: pod.node, family: ip.family });
    }
  }
  shared.push(...singles);
  for (const text of outside) {
    const ip = address(text, "outside");
    if (blocks.some((block) => cidrContains(block.cidr, ip))) {
      shared.push({ to: formatCidr(hostCidr(ip)), owner: undefined, family: ip.family });
    }
  }
  const addressesOf = new Map(nodes.map((node) => [node.name, node.addresses]));
  return nodes.map((node, index) => ({
    name: node.name,
    index,
    addresses: node.addresses,
    blocks: (blocksOf.get(node.name) ?? []).map((block) => formatCidr(block.cidr)),
    singles: singles.filter((single) => single.owner === node.name).map((single) => single.to),
    routes: shared.flatMap((route): PlannedRoute[] => {
      if (route.owner === node.name) return [];
      const via =
        route.owner === undefined
          ? OUTSIDE_GATEWAY[route.family]
          : ofFamily(addressesOf.get(route.owner) ?? [], route.family);
      return via === undefined ? [] : [{ to: route.to, via }];
    }),
  }));
}

/**
 * Allots what a request leaves open. Equal requests give equal plans.
 *
 * @returns nodes and pods in the order of the request
 * @throws OpError `address-space-full`; `input-invalid` for an address asked for twice or a node that is not there
 */
export function planNetwork(request: NetworkRequest): NetworkPlan {
  const podNetworks = request.podNetworks ?? DEFAULT_POD_NETWORKS;
  const planner = new Planner(podNetworks);
  const gateways = planner.families.map((family) =>
    planner.claim(OUTSIDE_GATEWAY[family], "the outside's gateway"),
  );
  const outside = [...new Set(request.outside)].map((text) => planner.claim(text, `outside ${text}`));
  const nodes = planNodes(planner, request.nodes);
  const pods = planPods(planner, nodes, request.pods, 0);
  return {
    podNetworks,
    nodes: planRoutes(planner, nodes, pods, outside),
    pods,
    outside,
    outsideGateways: gateways,
    nextPodIndex: pods.length,
  };
}

export interface NetworkChange {
  readonly add?: readonly PodRequest[];
  /** Keys of pods. */
  readonly remove?: readonly string[];
  readonly addOutside?: readonly string[];
}

export interface PlannedChange {
  readonly plan: NetworkPlan;
  readonly added: readonly PlannedPod[];
  readonly removed: readonly PlannedPod[];
  readonly addedOutside: readonly string[];
  readonly routes: readonly {
    readonly node: string;
    readonly added: readonly PlannedRoute[];
    readonly removed: readonly PlannedRoute[];
    readonly addedBlocks: readonly string[];
    readonly addedSingles: readonly string[];
    readonly removedSingles: readonly string[];
  }[];
}

/**
 * Adds and removes pods without moving any other: addresses, nodes, blocks and indexes of the rest stay.
 * A pod that is both removed and added is replaced.
 * @throws OpError as {@link planNetwork}
 */
export function planChange(plan: NetworkPlan, change: NetworkChange): PlannedChange {
  const gone = new Set(change.remove);
  const removed = plan.pods.filter((pod) => gone.has(pod.key));
  const kept = plan.pods.filter((pod) => !gone.has(pod.key));
  const planner = new Planner(plan.podNetworks);
  for (const text of plan.outsideGateways) planner.claim(text, "the outside's gateway");
  for (const node of plan.nodes) {
    for (const text of node.addresses) planner.claim(text, `node ${node.name}`);
    for (const block of node.blocks) planner.adopt(node.name, must(parseCidr(block), block).cidr);
  }
  for (const text of plan.outside) planner.claim(text, `outside ${text}`);
  for (const pod of kept) {
    if (pod.interface !== undefined) for (const text of pod.addresses) planner.claim(text, `pod ${pod.key}`);
  }
  const known = new Set(plan.outside);
  const addedOutside = [...new Set(change.addOutside)]
    .map((text) => formatIp(address(text, "outside")))
    .filter((text) => !known.has(text))
    .map((text) => planner.claim(text, `outside ${text}`));
  const added = planPods(planner, plan.nodes, change.add ?? [], plan.nextPodIndex);
  const pods = [...kept, ...added];
  const outside = [...plan.outside, ...addedOutside];
  const nodes = planRoutes(planner, plan.nodes, pods, outside);
  const next = { ...plan, nodes, pods, outside, nextPodIndex: plan.nextPodIndex + added.length };
  const routes = nodes.map((node, index) => routeChange(must(plan.nodes[index], "a node"), node));
  return { plan: next, added, removed, addedOutside, routes };
}

function routeChange(before: PlannedNode, after: PlannedNode): PlannedChange["routes"][number] {
  const text = (route: PlannedRoute): string => `${route.to} ${route.via}`;
  const had = new Set(before.routes.map(text));
  const has = new Set(after.routes.map(text));
  const missing = (all: readonly string[], from: readonly string[]): readonly string[] => {
    const known = new Set(from);
    return all.filter((one) => !known.has(one));
  };
  return {
    node: after.name,
    added: after.routes.filter((route) => !had.has(text(route))),
    removed: before.routes.filter((route) => !has.has(text(route))),
    addedBlocks: missing(after.blocks, before.blocks),
    addedSingles: missing(after.singles, before.singles),
    removedSingles: missing(before.singles, after.singles),
  };
}
