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
import { must, OpError } from "../base/errors.ts";
import type { Family } from "../base/ip.ts";
import { UPLINK } from "../network/interface-name.ts";
import type { NetworkChange, NetworkPlan, PlannedChange, PlannedNode, PlannedPod } from "../network/plan.ts";
import { planChange } from "../network/plan.ts";
import type { ConnectionHandle } from "./flows.ts";
import {
  BRIDGE_INDEX,
  EVERYWHERE,
  FIRST_POD_INDEX,
  FIRST_PORT_INDEX,
  HOST_MAC,
  IN_PODS,
  macOf,
  NODE_KIND,
  nodeSide,
  ON_NODES,
  OUTSIDE_KIND,
  outsideSide,
  ownOutside,
  POD_KIND,
  podSide,
  routeNode,
  routeVia,
  sysctls,
  UPLINK_INDEX,
  unrouteNode,
  uplinkSide,
  waitInForce,
} from "./lab-links.ts";
import type { ListenPort } from "./listeners.ts";
import { Listeners } from "./listeners.ts";
import { NETLINK_ROUTE, NetlinkSocket } from "./netlink.ts";
import type { Netns } from "./netns.ts";
import { closeNetns, createNetns } from "./netns.ts";
import { NftDriver } from "./nft-driver.ts";
import { Poller } from "./poller.ts";
import type { ProbeRequest, ProbeResult } from "./probe.ts";
import { Prober } from "./prober.ts";
import type { Mac } from "./rtnetlink.ts";
import { RouteBatch, runBatch } from "./rtnetlink.ts";
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

/** Pods brought up in one go, each with a socket open meanwhile. */
const POD_BATCH = 100;
/** Links that are about to be deleted, together. */
const GROUP_OF_GOING = 7;

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
    this.#plug(this.#outside, {
      name: "outside",
      portIndex: FIRST_PORT_INDEX - 1,
      mac: macOf(OUTSIDE_KIND, 0),
    });
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
    for (const address of [...plan.outsideGateways, ...plan.outside])
      this.#owners.set(address, this.#outside);
    runBatch(this.#outside, outsideSide(plan));
    for (const node of plan.nodes) runBatch(this.node(node.name).namespace, uplinkSide(plan, node));
    this.#waitInForce([
      { namespace: this.#fabric, addresses: [] },
      { namespace: this.#outside, addresses: [...plan.outsideGateways, ...plan.outside] },
      ...[...this.#nodes.values()].map(({ namespace, plan: { addresses } }) => ({ namespace, addresses })),
    ]);
  }

  #waitInForce(
    raised: readonly { readonly namespace: Netns; readonly addresses: readonly string[] }[],
  ): void {
    const sockets = raised.map(({ namespace, addresses }) => ({
      socket: NetlinkSocket.open(namespace, NETLINK_ROUTE),
      name: namespace.name,
      addresses,
    }));
    try {
      waitInForce(sockets);
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

  #buildPods(pods: readonly PlannedPod[], hooks: AddPodsHooks): void {
    for (const pod of pods) {
      if (pod.interface !== undefined) continue;
      this.#pods.set(pod.key, { plan: pod, namespace: this.node(pod.node).namespace });
    }
    const linked = pods.filter((pod) => pod.interface !== undefined);
    for (const pod of linked) this.linkPod(pod);
    hooks.beforeUp?.(pods);
    for (let start = 0; start < linked.length; start += POD_BATCH)
      this.raisePods(linked.slice(start, start + POD_BATCH));
  }

  /**
   * A pod's namespace and its link, which is down: nothing can pass before {@link raisePods}. Outside of the plan, for
   * those who give out addresses themselves. Where it cannot be made, nothing of it is left.
   */
  linkPod(pod: PlannedPod): LabPod {
    const namespace = createNetns(`pod ${pod.key}`);
    try {
      sysctls(namespace, IN_PODS);
      this.#createLink(pod, namespace);
    } catch (error) {
      closeNetns(namespace);
      throw error;
    }
    const linked = { plan: pod, namespace };
    this.#pods.set(pod.key, linked);
    for (const address of pod.addresses) this.#owners.set(address, namespace);
    return linked;
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

  /** Addresses, routes and links of pods, up at both ends. */
  raisePods(pods: readonly PlannedPod[]): void {
    const sockets = pods.map((pod) => ({
      socket: NetlinkSocket.open(this.pod(pod.key).namespace, NETLINK_ROUTE),
      name: `pod ${pod.key}`,
      addresses: pod.addresses,
      pod,
    }));
    try {
      for (const { socket, pod } of sockets) podSide(pod).run(socket);
      const batches = new Map<string, RouteBatch>();
      for (const pod of pods) {
        const batch = batches.get(pod.node) ?? new RouteBatch();
        batches.set(pod.node, batch);
        nodeSide(batch, pod);
      }
      for (const [node, batch] of batches) runBatch(this.node(node).namespace, batch);
      waitInForce(sockets);
    } finally {
      for (const { socket } of sockets) socket.close();
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
    this.dropPods(planned.removed);
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

  addOutside(address: string): void {
    this.change({ addOutside: [address] });
  }

  /** Takes pods' links and namespaces away. */
  dropPods(pods: readonly PlannedPod[]): void {
    const byNode = new Map<string, RouteBatch>();
    const gone: Netns[] = [];
    for (const pod of pods) {
      const known = this.#pods.get(pod.key);
      this.#pods.delete(pod.key);
      if (!known || pod.interface === undefined) continue;
      for (const address of pod.addresses) this.#owners.delete(address);
      gone.push(known.namespace);
      const batch = byNode.get(pod.node) ?? new RouteBatch();
      byNode.set(pod.node, batch);
      batch.setGroup(FIRST_POD_INDEX + pod.index, GROUP_OF_GOING);
    }
    for (const [node, batch] of byNode) {
      const socket = NetlinkSocket.open(this.node(node).namespace, NETLINK_ROUTE);
      try {
        // A namespace's own end may have taken its link away already.
        batch.deleteGroup(GROUP_OF_GOING).run(socket, ["ENODEV"]);
      } finally {
        socket.close();
      }
    }
    for (const namespace of gone) this.#release(namespace);
  }

  #reroute(planned: PlannedChange): void {
    const outside = new RouteBatch();
    for (const address of planned.addedOutside) {
      ownOutside(outside, address);
      this.#owners.set(address, this.#outside);
    }
    const planOf = (name: string): PlannedNode =>
      must(
        planned.plan.nodes.find((one) => one.name === name),
        "a planned node",
      );
    // All that goes before all that comes: an address may move from one node to another.
    for (const { node, removedSingles } of planned.routes) {
      for (const to of removedSingles) routeVia(outside, { to, node: planOf(node), remove: true });
    }
    for (const change of planned.routes) {
      const plan = planOf(change.node);
      for (const to of [...change.addedBlocks, ...change.addedSingles]) routeVia(outside, { to, node: plan });
      const batch = new RouteBatch();
      unrouteNode(batch, change.removed);
      routeNode(batch, change.added, change.addedBlocks);
      const node = this.node(change.node);
      runBatch(node.namespace, batch);
      this.#nodes.set(change.node, { ...node, plan });
    }
    runBatch(this.#outside, outside);
    if (planned.addedOutside.length > 0)
      this.#waitInForce([{ namespace: this.#outside, addresses: planned.addedOutside }]);
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
      throw new OpError(`pod ${key} has no IPv${family} address`, {
        code: "not-found",
        facts: { pod: key, family },
      });
    }
    return { namespace, address };
  }

  /** A node or outside address as the source of a probe. */
  fromAddress(address: string): ProbeRequest["from"] {
    const namespace = this.#owners.get(address);
    if (!namespace)
      throw new OpError(`nobody has address ${address}`, { code: "not-found", facts: { address } });
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
    return this.#prober.flows.open(request);
  }

  checkConnection(handle: ConnectionHandle, timeoutMs?: number): Promise<boolean> {
    return this.#prober.flows.check(handle, timeoutMs);
  }

  closeConnection(handle: ConnectionHandle): void {
    this.#prober.flows.close(handle);
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
