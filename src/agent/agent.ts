/**
 * @module The agent of one node: what the API says → the graph → this node's table → the kernel.
 *
 *   informers ──► LiveCluster ──flush──► NodeRuleset ──one transaction──► kernel
 *   kubelet ──"pod P has address A"──┘                                      └──► NodeNetwork status
 *
 * All that arrives in one turn of the event loop goes into the kernel together.
 */
import { LiveCluster } from "../analysis/live-cluster.ts";
import type { Family } from "../base/ip.ts";
import { formatIssue, type Issue } from "../base/issue.ts";
import type { Client } from "../client/client.ts";
import { Informer } from "../client/informer.ts";
import type { KubeObject, ResourceType } from "../client/objects.ts";
import { isPolicy, POLICIES, POLICY_FACTS } from "../client/policy-kinds.ts";
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
import { serviceMappings } from "./service-mappings.ts";

export interface AgentOptions {
  readonly node: string;
  readonly client: Client;
  /** This node's kernel tables. */
  readonly driver: NftDriver;
  readonly families: readonly Family[];
  readonly denyWith?: DenyWith;
  /** CIDRs that only Services have addresses in. */
  readonly serviceNetworks: readonly string[];
  readonly log: (line: string) => void;
}

export class Agent {
  readonly #options: AgentOptions;
  readonly #cluster = new LiveCluster();
  readonly #ruleset: NodeRuleset;
  readonly #informers: Informer<KubeObject>[] = [];
  readonly #report: Report;
  readonly #waiters: (() => void)[] = [];
  #started = false;
  #scheduled = false;
  #servicesChanged = true;
  #retry: NodeJS.Timeout | undefined;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#ruleset = new NodeRuleset(this.#cluster.graph, {
      node: options.node,
      interfaceOf: podInterfaceName,
      podPrefix: POD_INTERFACE_PREFIX,
      families: options.families,
      uplink: UPLINK,
      serviceNetworks: options.serviceNetworks,
      ...(options.denyWith && { denyWith: options.denyWith }),
    });
    this.#report = new Report(options.client, options.node, options.log);
  }

  /** Resolves when everything that the API says is in force. */
  async start(): Promise<void> {
    for (const type of [...POLICY_FACTS, ...POLICIES]) this.#follow(type);
    await Promise.all(this.#informers.map(({ ready }) => ready));
    this.#begin();
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
    this.#started = true;
    this.#options.log(`in force: ${changes.length} changes to what was there`);
    this.#report.inForce();
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
    for (const decoded of objects) {
      this.#cluster.set(decoded);
      if (isPolicy(type)) this.#report.policy(type, object);
    }
    this.#changed(type);
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
    this.#cluster.remove({ kind, namespace, name });
    if (isPolicy(type)) this.#report.policyGone(type, object);
    this.#changed(type);
  }

  #changed(type: ResourceType): void {
    if (type.plural === "services" || type.plural === "endpointslices" || type.plural === "nodes")
      this.#servicesChanged = true;
    this.#schedule();
  }

  /** A pod of this node has these addresses: resolves when its policy is in force, before its link may come up. */
  addPod(id: string, addresses: readonly string[]): Promise<void> {
    this.#cluster.setAddresses(id, addresses);
    return this.#inForce();
  }

  /** The pod's link is gone. */
  removePod(id: string): void {
    this.#cluster.dropAddresses(id);
    this.#schedule();
  }

  /** Whether the pod is known to us: until it is, nothing says what its policy is. */
  knows(id: string): boolean {
    return this.#cluster.pods.has(id);
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
    const { driver, log, node } = this.#options;
    const changes: NftChange[] = [];
    try {
      changes.push(...this.#ruleset.update(this.#cluster.flush()));
      if (this.#servicesChanged)
        changes.push(...this.#ruleset.setServices(serviceMappings(this.#cluster, node)));
      this.#servicesChanged = false;
      if (changes.length > 0) driver.apply(changes);
    } catch (error) {
      log(`the kernel does not follow: ${error instanceof Error ? error.message : String(error)}`);
      this.#resync();
      return;
    }
    this.#report.inForce();
    for (const done of this.#waiters.splice(0)) done();
  }

  /** What the kernel refused leaves it behind what we want; it is read back and held to that, until it is so. */
  #resync(): void {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => {
      const { driver, log } = this.#options;
      try {
        driver.apply(diffTables(driver.read(), canonicalTable(this.#ruleset.table)));
        this.#report.inForce();
        for (const done of this.#waiters.splice(0)) done();
      } catch (error) {
        log(`the kernel still does not follow: ${error instanceof Error ? error.message : String(error)}`);
        this.#resync();
      }
    }, 1000);
  }

  stop(): void {
    clearTimeout(this.#retry);
    for (const informer of this.#informers) informer.stop();
    this.#report.stop();
    this.#ruleset.close();
  }
}
