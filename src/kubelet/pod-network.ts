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
  readonly uid: string;
  readonly planned: PlannedPod;
  readonly netns: Netns;
}

export class PodNetwork {
  readonly #options: PodNetworkOptions;
  /** Over, their links still there. */
  readonly #leaving: ConnectedPod[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(options: PodNetworkOptions) {
    this.#options = options;
  }

  /**
   * Undone whole when any step fails: the address goes back, the link goes.
   * @param wanted - addresses that the pod had before
   * @throws OpError `address-space-full`, `api-unreachable` when there is no agent: a pod without policy is not connected
   */
  async connect(key: string, uid: string, wanted: readonly string[]): Promise<ConnectedPod> {
    const { node, links, pool, agent, nextIndex } = this.#options;
    // Its link would have the name of one that is still there.
    if (this.#leaving.some(({ planned }) => planned.key === key)) this.#leave();
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
      await agent.ask({ do: "add", pod: key, uid, addresses });
      links.raisePods([planned]);
      return { uid, planned, netns: namespace };
    } catch (error) {
      if (linked) links.dropPods([planned]);
      for (const address of addresses) pool.release(address);
      throw error;
    }
  }

  /**
   * Its link goes in a moment, with those of others: each deletion for itself would hold everybody up. Its addresses
   * stay its own until {@link release}.
   */
  disconnect(connected: ConnectedPod): void {
    this.#leaving.push(connected);
    this.#timer ??= setTimeout(() => this.#leave(), LEAVE_MS);
  }

  /** The API says that the pod is over, so nobody takes who has its addresses next for it. */
  release({ planned }: ConnectedPod): void {
    if (this.#leaving.some((one) => one.planned === planned)) this.#leave();
    for (const address of planned.addresses) this.#options.pool.release(address);
  }

  #leave(): void {
    const { links, agent } = this.#options;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const leaving = this.#leaving.splice(0);
    links.dropPods(leaving.map(({ planned }) => planned));
    for (const { planned, uid } of leaving) {
      // An agent that is not there finds the pod gone when it comes back.
      agent.ask({ do: "remove", pod: planned.key, uid }).catch(() => undefined);
    }
  }

  /** What is left goes with the machine. */
  close(): void {
    clearTimeout(this.#timer);
    this.#leaving.length = 0;
  }
}
