/** @module The network of one node's pods: an address, a namespace, a link that comes up when policy is in force. */
import type { Netns } from "../linux/netns.ts";
import { podInterfaceName } from "../network/interface-name.ts";
import type { PlannedPod } from "../network/plan.ts";
import type { AddressPool } from "./address-pool.ts";
import type { AgentSocket } from "./agent-socket.ts";

/** What makes links: a lab's node, as far as we need it. */
export interface Links {
  linkPod(pod: PlannedPod): { readonly namespace: Netns };
  raisePods(pods: readonly PlannedPod[]): void;
  dropPods(pods: readonly PlannedPod[]): void;
}

const LEAVE_MS = 20;

export interface PodNetworkOptions {
  readonly node: string;
  readonly links: Links;
  readonly pool: AddressPool;
  readonly agent: AgentSocket;
  /** A number that no other pod of the machine has. */
  readonly nextIndex: () => number;
}

export interface ConnectedPod {
  readonly planned: PlannedPod;
  readonly netns: Netns;
}

export class PodNetwork {
  readonly #options: PodNetworkOptions;
  /** Over, their links still there. */
  readonly #leaving: PlannedPod[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(options: PodNetworkOptions) {
    this.#options = options;
  }

  /**
   * Undone whole when any step fails: the address goes back, the link goes.
   * @param wanted - addresses that the pod had before
   * @throws OpError `address-space-full`, `api-unreachable` when there is no agent: a pod without policy is not connected
   */
  async connect(key: string, wanted: readonly string[]): Promise<ConnectedPod> {
    const { node, links, pool, agent, nextIndex } = this.#options;
    // Its link would have the name of one that is still there.
    if (this.#leaving.some((one) => one.key === key)) this.#leave();
    const addresses = pool.take(wanted);
    const planned: PlannedPod = {
      key,
      node,
      addresses,
      interface: podInterfaceName(key),
      index: nextIndex(),
    };
    let linked = false;
    try {
      const { namespace } = links.linkPod(planned);
      linked = true;
      await agent.ask({ do: "add", pod: key, addresses });
      links.raisePods([planned]);
      return { planned, netns: namespace };
    } catch (error) {
      if (linked) links.dropPods([planned]);
      for (const address of addresses) pool.release(address);
      throw error;
    }
  }

  /** Its link goes in a moment, with those of others: each deletion for itself would hold everybody up. */
  disconnect({ planned }: ConnectedPod): void {
    this.#leaving.push(planned);
    this.#timer ??= setTimeout(() => this.#leave(), LEAVE_MS);
  }

  #leave(): void {
    const { links, pool, agent } = this.#options;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const leaving = this.#leaving.splice(0);
    links.dropPods(leaving);
    for (const { key, addresses } of leaving) {
      for (const address of addresses) pool.release(address);
      // An agent that is not there finds the pod gone when it comes back.
      agent.ask({ do: "remove", pod: key }).catch(() => undefined);
    }
  }

  /** What is left goes with the machine. */
  close(): void {
    clearTimeout(this.#timer);
    this.#leaving.length = 0;
  }
}
