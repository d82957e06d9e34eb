/** @module The links, addresses and routes of a lab, as steps for rtnetlink. */
import { writeFileSync } from "node:fs";
import { must, OpError } from "../base/errors.ts";
import type { Cidr, Family } from "../base/ip.ts";
import { hostCidr, parseCidr } from "../base/ip.ts";
import type { NetworkPlan, PlannedNode, PlannedPod } from "../network/plan.ts";
import { pause } from "./libc.ts";
import { isInForce } from "./local-route.ts";
import type { NetlinkSocket } from "./netlink.ts";
import type { Netns } from "./netns.ts";
import { inNamespace } from "./netns.ts";
import type { Mac } from "./rtnetlink.ts";
import { listLinks, RouteBatch } from "./rtnetlink.ts";
import { ipOf } from "./sockets.ts";

const LOOPBACK_INDEX = 1;
export const UPLINK_INDEX = 2;
export const BRIDGE_INDEX = 10;
export const FIRST_PORT_INDEX = 100;
export const FIRST_POD_INDEX = 1000;
/** The far end of every pod's link. No interface has these addresses; the neighbour entries alone make them work. */
const POD_GATEWAY: Readonly<Record<Family, string>> = { 4: "169.254.1.1", 6: "fe80::ecee:eeff:feee:eeee" };
export const HOST_MAC: Mac = Uint8Array.of(0xee, 0xee, 0xee, 0xee, 0xee, 0xee);

/** Locally administered addresses, told apart by kind and number. */
export function macOf(kind: number, number: number): Mac {
  return Uint8Array.of(
    0x02,
    kind,
    (number >>> 24) & 255,
    (number >>> 16) & 255,
    (number >>> 8) & 255,
    number & 255,
  );
}

export const NODE_KIND = 1;
export const OUTSIDE_KIND = 2;
export const POD_KIND = 3;

export function sysctls(ns: Netns, settings: Readonly<Record<string, number>>): void {
  inNamespace(ns, () => {
    for (const [name, value] of Object.entries(settings)) {
      try {
        writeFileSync(`/proc/sys/net/${name}`, `${value}`);
      } catch {
        // Not every kernel has every one; those that matter are seen to work by the first packet.
      }
    }
  });
}

/** ICMP answers are rate limited by default, which would make reachable look silent. */
export const EVERYWHERE: Readonly<Record<string, number>> = {
  "ipv4/conf/all/rp_filter": 0,
  "ipv4/conf/default/rp_filter": 0,
  "ipv4/icmp_ratelimit": 0,
  "ipv4/icmp_msgs_per_sec": 1_000_000,
  "ipv4/icmp_msgs_burst": 1_000_000,
  "ipv6/icmp/ratelimit": 0,
  // IN6_ADDR_GEN_MODE_NONE: no link-local addresses, so no duplicate detection and no multicast noise.
  "ipv6/conf/default/addr_gen_mode": 1,
  "ipv6/conf/default/accept_dad": 0,
};

export const ON_NODES: Readonly<Record<string, number>> = {
  ...EVERYWHERE,
  "ipv4/ip_forward": 1,
  "ipv6/conf/all/forwarding": 1,
  "ipv6/conf/default/forwarding": 1,
  "ipv4/conf/all/send_redirects": 0,
  "ipv4/conf/default/send_redirects": 0,
};

export const IN_PODS: Readonly<Record<string, number>> = {
  ...EVERYWHERE,
  // A pod may reach itself through a Service: its own address as the source of a packet that comes in.
  "ipv4/conf/all/accept_local": 1,
};

export const DEFAULT_ROUTE: Readonly<Record<Family, Cidr>> = {
  4: { family: 4, bits: 0n, prefix: 0 },
  6: { family: 6, bits: 0n, prefix: 0 },
};

export const cidrOf: (text: string) => Cidr = (text: string): Cidr =>
  must(parseCidr(text), `a CIDR, not ${text}`).cidr;

const IN_FORCE_TIMEOUT_MS = 5000;

/**
 * Never, or not soon, operational: a bridge forwards between its ports whatever its own state is, and the kernel looks
 * at that state once a second only (linkwatch, for links that are no one's other end).
 */
const WITHOUT_CARRIER: ReadonlySet<number> = new Set([LOOPBACK_INDEX, BRIDGE_INDEX]);

export interface Raised {
  readonly socket: NetlinkSocket;
  readonly name: string;
  /** What was added in the namespace. */
  readonly addresses: readonly string[];
}

/** Until links carry packets and addresses take them in. The kernel sees to both a little after it was told. */
export function waitInForce(raised: readonly Raised[]): void {
  const deadline = performance.now() + IN_FORCE_TIMEOUT_MS;
  const wait = (name: string, what: string, isThere: () => boolean): void => {
    while (!isThere()) {
      if (performance.now() > deadline)
        throw new OpError(`the ${what} of ${name} do not come up`, {
          code: "netlink-failed",
          facts: { name },
        });
      pause(1);
    }
  };
  for (const { socket, name } of raised) {
    wait(name, "links", () =>
      listLinks(socket).every((link) => WITHOUT_CARRIER.has(link.index) || !link.up || link.operational),
    );
  }
  for (const { socket, name, addresses } of raised) {
    // IPv4 addresses are in force when they are added.
    for (const ip of addresses.map(ipOf).filter(({ family }) => family === 6))
      wait(name, "addresses", () => isInForce(socket, ip));
  }
}

/** Another machine on the bridge: a host route and a permanent neighbour, so no ARP that a policy could break. */
export function reach(batch: RouteBatch, addresses: readonly string[], mac: Mac): void {
  for (const address of addresses) {
    const ip = ipOf(address);
    batch.addRoute({ to: hostCidr(ip), device: UPLINK_INDEX }).addNeighbour(UPLINK_INDEX, ip, mac);
  }
}

/** The outside's route to what a node has. */
export function routeVia(
  batch: RouteBatch,
  route: { readonly to: string; readonly node: PlannedNode; readonly remove?: boolean },
): void {
  const to = cidrOf(route.to);
  const via = route.node.addresses.map(ipOf).find((ip) => ip.family === to.family);
  if (!via) return;
  const step = { to, via, device: UPLINK_INDEX, onlink: true };
  if (route.remove) batch.deleteRoute(step);
  else batch.addRoute(step);
}

export function ownOutside(batch: RouteBatch, address: string): void {
  const ip = ipOf(address);
  batch.addAddress(LOOPBACK_INDEX, ip, hostCidr(ip).prefix);
}

/** What is done in the outside's namespace. */
export function outsideSide(plan: NetworkPlan): RouteBatch {
  const batch = new RouteBatch();
  for (const gateway of plan.outsideGateways) {
    const ip = ipOf(gateway);
    batch.addAddress(UPLINK_INDEX, ip, hostCidr(ip).prefix);
    // Nobody answers for what nobody has: without this route IPv6 says "no route", and IPv4 nothing.
    batch.addRoute({ to: DEFAULT_ROUTE[ip.family], blackhole: true });
  }
  for (const node of plan.nodes) {
    reach(batch, node.addresses, macOf(NODE_KIND, node.index));
    for (const to of [...node.blocks, ...node.singles]) routeVia(batch, { to, node });
  }
  for (const address of plan.outside) ownOutside(batch, address);
  return batch;
}

/** What is done in a node's namespace, towards the other nodes and the outside. */
export function uplinkSide(plan: NetworkPlan, node: PlannedNode): RouteBatch {
  const batch = new RouteBatch();
  for (const address of node.addresses) {
    const ip = ipOf(address);
    batch.addAddress(UPLINK_INDEX, ip, hostCidr(ip).prefix);
  }
  for (const other of plan.nodes) {
    if (other !== node) reach(batch, other.addresses, macOf(NODE_KIND, other.index));
  }
  reach(batch, plan.outsideGateways, macOf(OUTSIDE_KIND, 0));
  for (const gateway of plan.outsideGateways) {
    const via = ipOf(gateway);
    batch.addRoute({ to: DEFAULT_ROUTE[via.family], via, device: UPLINK_INDEX, onlink: true });
  }
  routeNode(batch, node.routes, node.blocks);
  return batch;
}

export function routeNode(batch: RouteBatch, routes: PlannedNode["routes"], blocks: readonly string[]): void {
  for (const route of routes) {
    batch.addRoute({ to: cidrOf(route.to), via: ipOf(route.via), device: UPLINK_INDEX, onlink: true });
  }
  // What no pod of a block has goes nowhere; by the default route it would come back for ever.
  for (const block of blocks) batch.addRoute({ to: cidrOf(block), blackhole: true });
}

export function unrouteNode(batch: RouteBatch, routes: PlannedNode["routes"]): void {
  for (const route of routes) {
    batch.deleteRoute({ to: cidrOf(route.to), via: ipOf(route.via), device: UPLINK_INDEX, onlink: true });
  }
}

/** What is done inside a pod's namespace. */
export function podSide(pod: PlannedPod): RouteBatch {
  const batch = new RouteBatch().up(LOOPBACK_INDEX).up(UPLINK_INDEX);
  for (const address of pod.addresses) {
    const ip = ipOf(address);
    const gateway = ipOf(POD_GATEWAY[ip.family]);
    batch
      .addAddress(UPLINK_INDEX, ip, hostCidr(ip).prefix)
      .addNeighbour(UPLINK_INDEX, gateway, HOST_MAC)
      .addRoute({ to: DEFAULT_ROUTE[ip.family], via: gateway, device: UPLINK_INDEX, onlink: true });
  }
  return batch;
}

/** What is done on its node. */
export function nodeSide(batch: RouteBatch, pod: PlannedPod): void {
  const index = FIRST_POD_INDEX + pod.index;
  batch.up(index);
  for (const address of pod.addresses) {
    const ip = ipOf(address);
    batch.addRoute({ to: hostCidr(ip), device: index }).addNeighbour(index, ip, macOf(POD_KIND, pod.index));
  }
}
