/**
 * @module The agent of one node: what the API says → the graph → this node's table → the kernel.
 *
 *   informers ──► LiveCluster ──flush──► NodeRuleset ──one transaction──► kernel
 *   kubelet ──"pod P has address A"──┘                                      └──► NodeNetwork status
 *
 * All that arrives in one turn of the event loop goes into the kernel together.
 */
import { LiveCluster } from "../analysis/live-cluster.ts";
import { type Family, formatIp, type Ip, parseIp } from "../base/ip.ts";
import { formatIssue, type Issue } from "../base/issue.ts";
import type { PodIdentity } from "../client/agent-protocol.ts";
import type { Client } from "../client/client.ts";
import { Informer } from "../client/informer.ts";
import { ENDPOINT_SLICES, NODES, PODS, SERVICES } from "../client/kinds.ts";
import type { KubeObject, ResourceType } from "../client/objects.ts";
import { isPolicy, POLICIES, POLICY_FACTS } from "../client/policy-kinds.ts";
import type { Conntrack } from "../linux/conntrack.ts";
import { canonicalTable } from "../linux/nft-canonical.ts";
import type { NftDriver } from "../linux/nft-driver.ts";
import { POD_INTERFACE_PREFIX, podInterfaceName, UPLINK } from "../network/interface-name.ts";
import type { DenyWith } from "../nft/compile-rule.ts";
import { diffTables } from "../nft/diff.ts";
import { NodeRuleset } from "../nft/node-ruleset.ts";
import type { NftChange } from "../nft/table.ts";
import { decodeValue } from "../resources/load.ts";
import { NO_SOURCE } from "../resources/source.ts";
import { Report } from "./report.ts";
import { hasHostPorts, serviceMappings } from "./service-mappings.ts";

export interface AgentOptions {
  readonly node: string;
  readonly client: Client;
  /** This node's kernel tables. */
  readonly driver: NftDriver;
  /** What this node remembers of connections. */
  readonly conntrack: Conntrack;
  readonly families: readonly Family[];
  readonly denyWith?: DenyWith;
  /** CIDRs that only Services have addresses in. */
  readonly serviceNetworks: readonly string[];
  readonly log: (line: string) => void;
}

const RESYNC_MS = 1000;
const FEW_ADDRESSES = 16;
/** Services that are worked off so soon need no pause; after others there is one, so many times as long. */
const BRIEF_MS = 10;
const SERVICES_PAUSE = 3;

export class Agent {
  readonly #options: AgentOptions;
  readonly #cluster = new LiveCluster();
  readonly #uids = new Map<string, string>();
  /** Addresses of connections that were there before us, whose pods may be gone. */
  #former = new Set<string>();
  #ruleset: NodeRuleset;
  readonly #informers: Informer<KubeObject>[] = [];
  readonly #report: Report;
  readonly #waiters: (() => void)[] = [];
  #started = false;
  /** The kernel has refused something, and has not yet all that it should. */
  #isBehind = false;
  #scheduled = false;
  #servicesChanged = true;
  #servicesNotBefore = 0;
  #servicesTimer: NodeJS.Timeout | undefined;
  /** Nodes and their addresses, as text. */
  #nodes = "";
  #retry: NodeJS.Timeout | undefined;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#ruleset = this.#newRuleset();
    this.#report = new Report(options.client, options.node, options.log);
  }

  #newRuleset(): NodeRuleset {
    const { node, families, serviceNetworks, denyWith } = this.#options;
    return new NodeRuleset(this.#cluster.graph, {
      node,
      interfaceOf: podInterfaceName,
      podPrefix: POD_INTERFACE_PREFIX,
      families,
      uplink: UPLINK,
      serviceNetworks,
      ...(denyWith && { denyWith }),
    });
  }

  /** Resolves when everything that the API says is in force. */
  async start(): Promise<void> {
    for (const type of [...POLICY_FACTS, ...POLICIES]) this.#follow(type);
    await Promise.all(this.#informers.map(({ ready }) => ready));
    this.#begin();
    this.#started = true;
    this.#former = this.#options.conntrack.addresses();
    for (const { endpoint } of this.#cluster.graph.endpoints.values())
      for (const ip of endpoint.addresses) this.#former.delete(formatIp(ip));
  }

  /** Holds the kernel's table to what should be there: what is right already is not touched, so nothing is cut. */
  #begin(): void {
    this.#cluster.flush();
    const { driver } = this.#options;
    this.#ruleset.start();
    this.#ruleset.setServices(serviceMappings(this.#cluster, this.#options.node));
    const changes = diffTables(driver.read(), canonicalTable(this.#ruleset.table));
    this.#servicesChanged = false;
    if (changes.length > 0) driver.apply(changes);
    this.#options.log(`in force: ${changes.length} changes to what was there`);
    this.#tellInForce();
  }

  #tellInForce(): void {
    this.#forget(this.#cluster.takeLeft());
    this.#report.inForce();
    for (const done of this.#waiters.splice(0)) done();
  }

  /** Who gets an address next has none of the connections that were open to it. */
  #forget(left: readonly Ip[]): void {
    const { conntrack, log } = this.#options;
    try {
      // The kernel looks at every connection for each address: of many, those are asked for first that have some.
      const some = left.length > FEW_ADDRESSES ? conntrack.addresses() : undefined;
      for (const ip of left) if (!some || some.has(formatIp(ip))) conntrack.forget(ip);
    } catch (error) {
      log(`connections of pods that are gone: ${error instanceof Error ? error.message : String(error)}`);
      for (const ip of left) this.#former.add(formatIp(ip));
    }
  }

  #follow(type: ResourceType): void {
    const { client, log } = this.#options;
    const informer = new Informer<KubeObject>(client, type, {
      onError: (error) => log(`${type.plural}: ${error instanceof Error ? error.message : String(error)}`),
      onVersion: (version) => this.#report.seen(type, version),
    });
    informer.on({
      changed: (object) => this.#set(type, object),
      deleted: (object) => this.#remove(type, object),
    });
    this.#informers.push(informer.start());
  }

  #set(type: ResourceType, object: KubeObject): void {
    const { objects, issues } = decodeValue(object, NO_SOURCE);
    this.#tellIssues(type, object, issues);
    const { namespace = "", name, uid = "" } = object.metadata;
    const id = `${namespace}/${name}`;
    if (type === PODS) this.#uids.set(id, uid);
    const before = type === PODS ? this.#hostPorts(id) : "";
    for (const decoded of objects) {
      this.#cluster.set(decoded);
      if (isPolicy(type)) this.#report.policy(type, object);
    }
    if (type === PODS && before !== this.#hostPorts(id)) this.#servicesChanged = true;
    this.#changed(type);
  }

  /** What of a pod of this node decides where its host ports lead, as text; "" when it has none. */
  #hostPorts(id: string): string {
    const pod = this.#cluster.pods.get(id);
    if (!pod || pod.spec.nodeName !== this.#options.node || !hasHostPorts(pod)) return "";
    return JSON.stringify([pod.spec.ports, pod.podIPs, pod.phase]);
  }

  /** What cannot be read fails closed where its subject can be read; either way it is told. */
  #tellIssues(type: ResourceType, object: KubeObject, issues: readonly Issue[]): void {
    if (!isPolicy(type)) return;
    for (const issue of issues)
      if (issue.severity === "error")
        this.#options.log(`${object.kind} ${object.metadata.name}: ${formatIssue(issue)}`);
  }

  #remove(type: ResourceType, object: KubeObject): void {
    const { namespace = "", name } = object.metadata;
    const kind =
      type.group === "projectcalico.org" && type.kind === "NetworkPolicy" ? "CalicoNetworkPolicy" : type.kind;
    const id = `${namespace}/${name}`;
    if (type === PODS && this.#hostPorts(id) !== "") this.#servicesChanged = true;
    this.#cluster.remove({ kind, namespace, name });
    if (type === PODS) this.#uids.delete(id);
    if (isPolicy(type)) this.#report.policyGone(type, object);
    this.#changed(type);
  }

  #changed(type: ResourceType): void {
    if (type === SERVICES || type === ENDPOINT_SLICES || (type === NODES && this.#nodesChanged()))
      this.#servicesChanged = true;
    this.#schedule();
  }

  /** Nodes tell of themselves all the time, and seldom anything that concerns Services. */
  #nodesChanged(): boolean {
    const text = [...this.#cluster.graph.nodes]
      .map(([name, addresses]) => `${name} ${addresses.map(formatIp).join(" ")}`)
      .join("\n");
    const isNews = text !== this.#nodes;
    this.#nodes = text;
    return isNews;
  }

  /**
   * A pod of this node has these addresses: resolves when its policy is in force, before its link may come up.
   * @throws OpError `netlink-failed` when connections of who had an address before cannot be forgotten
   */
  addPod({ pod }: PodIdentity, addresses: readonly string[]): Promise<void> {
    for (const text of addresses) {
      const ip = parseIp(text);
      if (!ip || !this.#former.has(formatIp(ip))) continue;
      this.#options.conntrack.forget(ip);
      this.#former.delete(formatIp(ip));
    }
    this.#cluster.setAddresses(pod, addresses);
    if (this.#hostPorts(pod) !== "") this.#servicesChanged = true;
    return this.#inForce();
  }

  /** The pod's link is gone. */
  removePod({ pod, uid }: PodIdentity): void {
    if (this.#uids.has(pod) && this.#uids.get(pod) !== uid) return;
    this.#cluster.dropAddresses(pod);
    if (this.#hostPorts(pod) !== "") this.#servicesChanged = true;
    this.#schedule();
  }

  /** Whether the pod and its namespace are known to us: until they are, nothing says what its policy is. */
  knows({ pod, uid }: PodIdentity): boolean {
    const [namespace = ""] = pod.split("/");
    return this.#uids.get(pod) === uid && this.#cluster.hasNamespace(namespace);
  }

  #inForce(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiters.push(resolve);
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (this.#started) this.#apply();
    });
  }

  #apply(): void {
    // The resync does all at once, and tells when it is done.
    if (this.#isBehind) return;
    const { driver, log, node } = this.#options;
    const changes: NftChange[] = [];
    try {
      changes.push(...this.#ruleset.update(this.#cluster.flush()));
      if (this.#servicesChanged) changes.push(...this.#services(node));
      if (changes.length > 0) driver.apply(changes);
    } catch (error) {
      log(`the kernel does not follow: ${error instanceof Error ? error.message : String(error)}`);
      this.#isBehind = true;
      this.#resync();
      return;
    }
    this.#tellInForce();
  }

  /**
   * Cost: all Services and endpoints, however few changed; so many of them, changing often, must not hold up policy,
   * and have a share of the time.
   */
  #services(node: string): NftChange[] {
    const began = performance.now();
    if (began < this.#servicesNotBefore) {
      this.#servicesTimer ??= setTimeout(() => {
        this.#servicesTimer = undefined;
        this.#schedule();
      }, this.#servicesNotBefore - began);
      return [];
    }
    const changes = this.#ruleset.setServices(serviceMappings(this.#cluster, node));
    this.#servicesChanged = false;
    const took = performance.now() - began;
    this.#servicesNotBefore = took < BRIEF_MS ? 0 : performance.now() + took * SERVICES_PAUSE;
    return [...changes];
  }

  /** What was refused may be half compiled: all is compiled anew, and the kernel is read back and held to it. */
  #resync(): void {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => {
      this.#ruleset.close();
      this.#ruleset = this.#newRuleset();
      try {
        this.#begin();
        this.#isBehind = false;
      } catch (error) {
        const words = error instanceof Error ? error.message : String(error);
        this.#options.log(`the kernel still does not follow: ${words}`);
        this.#resync();
      }
    }, RESYNC_MS);
  }

  stop(): void {
    clearTimeout(this.#retry);
    clearTimeout(this.#servicesTimer);
    for (const informer of this.#informers) informer.stop();
    this.#report.stop();
    this.#ruleset.close();
  }
}
