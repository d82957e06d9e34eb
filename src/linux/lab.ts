/**
 * @module A whole cluster's network in this process: every node and pod a network namespace, held by file descriptors
 * only. Nothing of the machine's own network is touched, and nothing is left when the process ends.
 *
 *            outside namespace (every address that no pod or node has)
 *                 │eth0
 *   ┌─────────────┴──────────── bridge in the fabric namespace ───────────┐
 *   │eth0                                                                 │eth0
 *  node a: routes, policy (inet tortie, forward)                        node b
 *   │tt…        │tt…                                                      │tt…
 *  pod eth0    pod eth0   /32 and /128, default route to a fixed         pod eth0
 *                         gateway with a permanent neighbour entry
 */
import { writeFileSync } from "node:fs";
import { OpError, must } from "../base/errors.ts";
import { hostCidr, parseCidr } from "../base/ip.ts";
import type { Cidr, Family } from "../base/ip.ts";
import { planChange } from "../network/plan.ts";
import type { NetworkChange, NetworkPlan, PlannedChange, PlannedNode, PlannedPod } from "../network/plan.ts";
import { Listeners } from "./listeners.ts";
import type { ListenPort } from "./listeners.ts";
import { pause } from "./libc.ts";
import { NETLINK_ROUTE, NetlinkSocket } from "./netlink.ts";
import { closeNetns, createNetns, inNamespace } from "./netns.ts";
import type { Netns } from "./netns.ts";
import { NftDriver } from "./nft-driver.ts";
import { Poller } from "./poller.ts";
import { Prober } from "./prober.ts";
import type { ConnectionHandle, ProbeRequest, ProbeResult } from "./prober.ts";
import { RouteBatch, listLinks, runBatch } from "./rtnetlink.ts";
import type { Mac } from "./rtnetlink.ts";
import { ipOf, raiseFileLimit } from "./sockets.ts";

export interface LabNode {
  readonly plan: PlannedNode;
  readonly namespace: Netns;
  readonly nft: NftDriver;
  /** The interface towards the other nodes and the outside. */
  readonly uplink: string;
}

export interface LabPod {
  readonly plan: PlannedPod;
  /** Of a pod on its node's network, the node's. */
  readonly namespace: Netns;
}

export interface AddPodsHooks {
  /** Called when the pods' links exist, all still down: the place to put their policy in force. */
  readonly beforeUp?: (pods: readonly PlannedPod[]) => void;
}

const UPLINK = "eth0";
const UPLINK_INDEX = 2;
const BRIDGE_INDEX = 10;
const FIRST_PORT_INDEX = 100;
const FIRST_POD_INDEX = 1000;
/** The far end of every pod's link. No interface has these addresses; the neighbour entries alone make them work. */
const POD_GATEWAY: Readonly<Record<Family, string>> = { 4: "169.254.1.1", 6: "fe80::ecee:eeff:feee:eeee" };
const HOST_MAC: Mac = Uint8Array.of(0xee, 0xee, 0xee, 0xee, 0xee, 0xee);
/** Pods made in one go; bounded by the answers that a netlink socket without privileges can hold. */
const POD_BATCH = 100;

/** Locally administered addresses, told apart by kind and number. */
function macOf(kind: number, number: number): Mac {
  return Uint8Array.of(0x02, kind, (number >>> 24) & 255, (number >>> 16) & 255, (number >>> 8) & 255, number & 255);
}

const NODE_KIND = 1;
const OUTSIDE_KIND = 2;
const POD_KIND = 3;

function sysctls(ns: Netns, settings: Readonly<Record<string, number>>): void {
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
const EVERYWHERE = {
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

const ON_NODES = {
  ...EVERYWHERE,
  "ipv4/ip_forward": 1,
  "ipv6/conf/all/forwarding": 1,
  "ipv6/conf/default/forwarding": 1,
  "ipv4/conf/all/send_redirects": 0,
  "ipv4/conf/default/send_redirects": 0,
};

const IN_PODS = {
  ...EVERYWHERE,
  // A pod may reach itself through a Service: its own address as the source of a packet that comes in.
  "ipv4/conf/all/accept_local": 1,
};

const DEFAULT_ROUTE: Readonly<Record<Family, Cidr>> = {
  4: { family: 4, bits: 0n, prefix: 0 },
  6: { family: 6, bits: 0n, prefix: 0 },
};

const cidrOf = (text: string): Cidr => must(parseCidr(text), `a CIDR, not ${text}`).cidr;

const OPERATIONAL_TIMEOUT_MS = 5000;

function waitOperational(sockets: readonly { readonly socket: NetlinkSocket; readonly name: string }[]): void {
  const deadline = performance.now() + OPERATIONAL_TIMEOUT_MS;
  for (const { socket, name } of sockets) {
    while (!listLinks(socket).every((link) => link.name === "lo" || !link.up || link.operational)) {
      if (performance.now() > deadline) {
        throw new OpError(`the links of ${name} do not come up`, { code: "netlink-failed", facts: { name } });
      }
      pause(1);
    }
  }
}

export class Lab {
  #plan: NetworkPlan;
  readonly #fabric: Netns;
  readonly #outside: Netns;
  readonly #nodes = new Map<string, LabNode>();
  readonly #pods = new Map<string, LabPod>();
  readonly #owners = new Map<string, Netns>();
  readonly #poller = new Poller();
  readonly #prober: Prober;
  readonly #listeners: Listeners;
  #closed = false;

  private constructor(plan: NetworkPlan) {
    this.#plan = { ...plan, pods: [] };
    this.#prober = new Prober(this.#poller, (address) => this.#owners.get(address));
    this.#listeners = new Listeners(this.#poller, this.#prober.raw);
    this.#fabric = createNetns("fabric");
    this.#outside = createNetns("outside");
  }

  /**
   * Builds what the plan says, in new namespaces. Needs CAP_NET_ADMIN and CAP_SYS_ADMIN in the current user namespace
   * (see `enterPrivateNetwork`).
   * @throws OpError `kernel-unavailable`, `netlink-failed`; nothing is left then
   */
  static create(plan: NetworkPlan, hooks: AddPodsHooks = {}): Lab {
    raiseFileLimit();
    const lab = new Lab(plan);
    try {
      lab.#build(plan);
      lab.#buildPods(plan.pods, hooks);
      lab.#plan = plan;
      return lab;
    } catch (error) {
      lab.close();
      throw error;
    }
  }

  get plan(): NetworkPlan {
    return this.#plan;
  }

  #build(plan: NetworkPlan): void {
    sysctls(this.#fabric, EVERYWHERE);
    runBatch(this.#fabric, new RouteBatch().addBridge("fabric", BRIDGE_INDEX).up(BRIDGE_INDEX));
    sysctls(this.#outside, EVERYWHERE);
    this.#plug(this.#outside, { name: "outside", portIndex: FIRST_PORT_INDEX - 1, mac: macOf(OUTSIDE_KIND, 0) });
    for (const node of plan.nodes) {
      const namespace = createNetns(`node ${node.name}`);
      sysctls(namespace, ON_NODES);
      this.#nodes.set(node.name, { plan: node, namespace, nft: new NftDriver(namespace), uplink: UPLINK });
      for (const address of node.addresses) this.#owners.set(address, namespace);
      this.#plug(namespace, {
        name: `n${node.index}`,
        portIndex: FIRST_PORT_INDEX + node.index,
        mac: macOf(NODE_KIND, node.index),
      });
    }
    this.#addressOutside(plan);
    for (const node of plan.nodes) this.#addressNode(plan, node);
    const sockets = [this.#fabric, this.#outside, ...[...this.#nodes.values()].map((node) => node.namespace)].map(
      (ns) => ({ socket: NetlinkSocket.open(ns, NETLINK_ROUTE), name: ns.name }),
    );
    try {
      waitOperational(sockets);
    } finally {
      for (const { socket } of sockets) socket.close();
    }
  }

  /** A link from a namespace's eth0 to the bridge. */
  #plug(ns: Netns, port: { readonly name: string; readonly portIndex: number; readonly mac: Mac }): void {
    runBatch(
      ns,
      new RouteBatch()
        .addVeth(
          { name: UPLINK, index: UPLINK_INDEX, mac: port.mac },
          { name: port.name, index: port.portIndex, mac: macOf(0, port.portIndex), netns: this.#fabric },
        )
        .up(1)
        .up(UPLINK_INDEX),
    );
    runBatch(this.#fabric, new RouteBatch().setMaster(port.portIndex, BRIDGE_INDEX).up(port.portIndex));
  }

  /** Every address on the bridge is a host route with a permanent neighbour: no ARP that a policy could break. */
  #addressOutside(plan: NetworkPlan): void {
    const batch = new RouteBatch();
    for (const gateway of plan.outsideGateways) {
      const ip = ipOf(gateway);
      batch.addAddress(UPLINK_INDEX, ip, hostCidr(ip).prefix);
      this.#owners.set(gateway, this.#outside);
    }
    for (const node of plan.nodes) this.#reach(batch, node.addresses, macOf(NODE_KIND, node.index));
    for (const node of plan.nodes) {
      for (const block of node.blocks) this.#routeVia(batch, block, node);
    }
    for (const node of plan.nodes) {
      for (const route of node.routes) {
        const owner = plan.nodes.find((other) => other.addresses.includes(route.via));
        if (owner) this.#routeVia(batch, route.to, owner);
      }
    }
    for (const address of plan.outside) this.#ownOutside(batch, address);
    runBatch(this.#outside, batch);
  }

  #ownOutside(batch: RouteBatch, address: string): void {
    const ip = ipOf(address);
    batch.addAddress(1, ip, hostCidr(ip).prefix);
    this.#owners.set(address, this.#outside);
  }

  #reach(batch: RouteBatch, addresses: readonly string[], mac: Mac): void {
    for (const address of addresses) {
      const ip = ipOf(address);
      batch.addRoute({ to: hostCidr(ip), device: UPLINK_INDEX }).addNeighbour(UPLINK_INDEX, ip, mac);
    }
  }

  #routeVia(batch: RouteBatch, to: string, node: PlannedNode): void {
    const cidr = cidrOf(to);
    const via = node.addresses.map(ipOf).find((ip) => ip.family === cidr.family);
    if (via) batch.addRoute({ to: cidr, via, device: UPLINK_INDEX, onlink: true });
  }

  #addressNode(plan: NetworkPlan, node: PlannedNode): void {
    const { namespace } = this.node(node.name);
    const batch = new RouteBatch();
    for (const address of node.addresses) batch.addAddress(UPLINK_INDEX, ipOf(address), hostCidr(ipOf(address)).prefix);
    for (const other of plan.nodes) {
      if (other !== node) this.#reach(batch, other.addresses, macOf(NODE_KIND, other.index));
    }
    this.#reach(batch, plan.outsideGateways, macOf(OUTSIDE_KIND, 0));
    for (const gateway of plan.outsideGateways) {
      const via = ipOf(gateway);
      batch.addRoute({ to: DEFAULT_ROUTE[via.family], via, device: UPLINK_INDEX, onlink: true });
    }
    this.#routeNode(batch, node.routes, node.blocks);
    runBatch(namespace, batch);
  }

  #routeNode(batch: RouteBatch, routes: PlannedNode["routes"], blocks: readonly string[]): void {
    for (const route of routes) {
      batch.addRoute({ to: cidrOf(route.to), via: ipOf(route.via), device: UPLINK_INDEX, onlink: true });
    }
    // What no pod of a block has goes nowhere; by the default route it would come back for ever.
    for (const block of blocks) batch.addRoute({ to: cidrOf(block), blackhole: true });
  }

  #buildPods(pods: readonly PlannedPod[], hooks: AddPodsHooks): void {
    for (const pod of pods) {
      if (pod.interface !== undefined) continue;
      this.#pods.set(pod.key, { plan: pod, namespace: this.node(pod.node).namespace });
    }
    const linked = pods.filter((pod) => pod.interface !== undefined);
    for (const pod of linked) {
      const namespace = createNetns(`pod ${pod.key}`);
      this.#pods.set(pod.key, { plan: pod, namespace });
      for (const address of pod.addresses) this.#owners.set(address, namespace);
      sysctls(namespace, IN_PODS);
      this.#createLink(pod, namespace);
    }
    hooks.beforeUp?.(pods);
    for (let start = 0; start < linked.length; start += POD_BATCH) this.#upPods(linked.slice(start, start + POD_BATCH));
  }

  #createLink(pod: PlannedPod, namespace: Netns): void {
    runBatch(
      namespace,
      new RouteBatch().addVeth(
        { name: UPLINK, index: UPLINK_INDEX, mac: macOf(POD_KIND, pod.index) },
        {
          name: must(pod.interface, "a pod's interface"),
          index: FIRST_POD_INDEX + pod.index,
          mac: HOST_MAC,
          netns: this.node(pod.node).namespace,
        },
      ),
    );
  }

  #upPods(pods: readonly PlannedPod[]): void {
    const sockets = pods.map((pod) => ({
      socket: NetlinkSocket.open(this.pod(pod.key).namespace, NETLINK_ROUTE),
      name: `pod ${pod.key}`,
      pod,
    }));
    try {
      for (const { socket, pod } of sockets) this.#podSide(pod).run(socket);
      const batches = new Map<string, RouteBatch>();
      for (const pod of pods) {
        const batch = batches.get(pod.node) ?? new RouteBatch();
        batches.set(pod.node, batch);
        this.#nodeSide(batch, pod);
      }
      for (const [node, batch] of batches) runBatch(this.node(node).namespace, batch);
      waitOperational(sockets);
    } finally {
      for (const { socket } of sockets) socket.close();
    }
  }

  #podSide(pod: PlannedPod): RouteBatch {
    const batch = new RouteBatch().up(1).up(UPLINK_INDEX);
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

  #nodeSide(batch: RouteBatch, pod: PlannedPod): void {
    const index = FIRST_POD_INDEX + pod.index;
    batch.up(index);
    for (const address of pod.addresses) {
      const ip = ipOf(address);
      batch.addRoute({ to: hostCidr(ip), device: index }).addNeighbour(index, ip, macOf(POD_KIND, pod.index));
    }
  }

  /** Adds and removes pods, and adds outside addresses, as {@link planChange} plans it. @returns what was planned */
  change(change: NetworkChange, hooks: AddPodsHooks = {}): PlannedChange {
    const planned = planChange(this.#plan, change);
    this.follow(planned, hooks);
    return planned;
  }

  /** Makes a change that was planned already, from the plan that this lab has. */
  follow(planned: PlannedChange, hooks: AddPodsHooks = {}): void {
    this.#dropPods(planned.removed);
    this.#reroute(planned);
    this.#plan = planned.plan;
    this.#buildPods(planned.added, hooks);
  }

  addPods(pods: NonNullable<NetworkChange["add"]>, hooks: AddPodsHooks = {}): readonly PlannedPod[] {
    return this.change({ add: pods }, hooks).added;
  }

  removePods(keys: readonly string[]): readonly PlannedPod[] {
    return this.change({ remove: keys }).removed;
  }

  /** Gives the outside one more address, of either family. */
  addOutside(address: string): void {
    this.change({ addOutside: [address] });
  }

  #dropPods(pods: readonly PlannedPod[]): void {
    const byNode = new Map<string, RouteBatch>();
    for (const pod of pods) {
      const known = this.#pods.get(pod.key);
      this.#pods.delete(pod.key);
      if (!known || pod.interface === undefined) continue;
      for (const address of pod.addresses) this.#owners.delete(address);
      this.#release(known.namespace);
      const batch = byNode.get(pod.node) ?? new RouteBatch();
      byNode.set(pod.node, batch);
      batch.deleteLink(FIRST_POD_INDEX + pod.index);
    }
    for (const [node, batch] of byNode) {
      const socket = NetlinkSocket.open(this.node(node).namespace, NETLINK_ROUTE);
      try {
        // The namespace's own end may have taken the link away already.
        batch.run(socket, ["ENODEV"]);
      } finally {
        socket.close();
      }
    }
  }

  #reroute(planned: PlannedChange): void {
    const outside = new RouteBatch();
    for (const address of planned.addedOutside) this.#ownOutside(outside, address);
    for (const change of planned.routes) {
      const node = must(
        planned.plan.nodes.find((one) => one.name === change.node),
        "a planned node",
      );
      for (const block of change.addedBlocks) this.#routeVia(outside, block, node);
      for (const route of change.added) {
        const owner = planned.plan.nodes.find((one) => one.addresses.includes(route.via));
        if (owner) this.#routeVia(outside, route.to, owner);
      }
      const batch = new RouteBatch();
      for (const route of change.removed) {
        batch.deleteRoute({ to: cidrOf(route.to), via: ipOf(route.via), device: UPLINK_INDEX, onlink: true });
      }
      this.#routeNode(batch, change.added, change.addedBlocks);
      const { namespace, nft } = this.node(change.node);
      runBatch(namespace, batch);
      this.#nodes.set(change.node, { plan: node, namespace, nft, uplink: UPLINK });
    }
    runBatch(this.#outside, outside);
  }

  #release(ns: Netns): void {
    this.#listeners.closeNamespace(ns);
    this.#prober.raw.closeNamespace(ns);
    closeNetns(ns);
  }

  node(name: string): LabNode {
    const node = this.#nodes.get(name);
    if (!node) throw new OpError(`there is no node ${name}`, { code: "not-found", facts: { node: name } });
    return node;
  }

  nodes(): readonly LabNode[] {
    return [...this.#nodes.values()];
  }

  pod(key: string): LabPod {
    const pod = this.#pods.get(key);
    if (!pod) throw new OpError(`there is no pod ${key}`, { code: "not-found", facts: { pod: key } });
    return pod;
  }

  /** Where everything lives that is neither pod nor node. */
  get outside(): Netns {
    return this.#outside;
  }

  /** Who answers at an address. */
  namespaceOf(address: string): Netns | undefined {
    return this.#owners.get(address);
  }

  /** A pod as the source of a probe. @throws OpError `not-found` when it has no address of the family */
  from(key: string, family: Family = 4): ProbeRequest["from"] {
    const { plan, namespace } = this.pod(key);
    const address = plan.addresses.find((text) => ipOf(text).family === family);
    if (address === undefined) {
      throw new OpError(`pod ${key} has no IPv${family} address`, { code: "not-found", facts: { pod: key, family } });
    }
    return { namespace, address };
  }

  /** A node or outside address as the source of a probe. */
  fromAddress(address: string): ProbeRequest["from"] {
    const namespace = this.#owners.get(address);
    if (!namespace) throw new OpError(`nobody has address ${address}`, { code: "not-found", facts: { address } });
    return { namespace, address };
  }

  /** Listens in a pod, on all of its addresses; what arrives is sent back. */
  listen(key: string, ports: readonly ListenPort[]): void {
    const { namespace, plan } = this.pod(key);
    this.#listeners.listen({ namespace, addresses: plan.addresses, exact: false }, ports);
  }

  unlisten(key: string, ports: readonly ListenPort[]): void {
    const { namespace, plan } = this.pod(key);
    this.#listeners.stop({ namespace, addresses: plan.addresses, exact: false }, ports);
  }

  /** Listens at one address of the outside or of a node. */
  listenAt(address: string, ports: readonly ListenPort[]): void {
    const { namespace } = this.fromAddress(address);
    this.#listeners.listen({ namespace, addresses: [address], exact: true }, ports);
  }

  probe(requests: readonly ProbeRequest[]): Promise<ProbeResult[]> {
    return this.#prober.probe(requests);
  }

  openConnection(request: ProbeRequest): Promise<ConnectionHandle> {
    return this.#prober.openConnection(request);
  }

  checkConnection(handle: ConnectionHandle, timeoutMs?: number): Promise<boolean> {
    return this.#prober.checkConnection(handle, timeoutMs);
  }

  closeConnection(handle: ConnectionHandle): void {
    this.#prober.closeConnection(handle);
  }

  /** Closes every socket and lets go of every namespace; the kernel takes them down within a second or so. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#prober.closeAll();
    this.#listeners.closeAll();
    this.#poller.closeAll();
    for (const pod of this.#pods.values()) if (pod.plan.interface !== undefined) closeNetns(pod.namespace);
    for (const node of this.#nodes.values()) {
      node.nft.close();
      closeNetns(node.namespace);
    }
    closeNetns(this.#outside);
    closeNetns(this.#fabric);
  }
}
