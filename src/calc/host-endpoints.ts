/** @module Graph node: host endpoints by their node and by the addresses that they expect. */
import { formatIp, type Ip } from "../base/ip.ts";
import type { Endpoint } from "../policy/model.ts";
import { uplinkEndpoint, wildcardEndpoint } from "../policy/passage.ts";
import { MultiMap } from "./multi-map.ts";

export class HostEndpoints {
  readonly #all = new Map<string, Endpoint>();
  readonly #byNode = new MultiMap<string, Endpoint>();
  readonly #byAddress = new MultiMap<string, Endpoint>();

  set(id: string, endpoint: Endpoint | null): void {
    const before = this.#all.get(id);
    if (before) {
      this.#all.delete(id);
      this.#byNode.delete(before.node, before);
      for (const ip of before.addresses) this.#byAddress.delete(formatIp(ip), before);
    }
    if (endpoint?.kind !== "host") return;
    this.#all.set(id, endpoint);
    this.#byNode.add(endpoint.node, endpoint);
    for (const ip of endpoint.addresses) this.#byAddress.add(formatIp(ip), endpoint);
  }

  get isEmpty(): boolean {
    return this.#all.size === 0;
  }

  /** Names of nodes that have any. */
  nodes(): Iterable<string> {
    return this.#byNode.keys();
  }

  ofNode(node: string): Iterable<Endpoint> {
    return this.#byNode.get(node);
  }

  at(address: Ip): Iterable<Endpoint> {
    return this.#byAddress.get(formatIp(address));
  }

  /** @see uplinkEndpoint */
  uplink(node: string, addresses: readonly Ip[]): Endpoint | undefined {
    return this.#byNode.count(node) === 0
      ? undefined
      : uplinkEndpoint([...this.#byNode.get(node)], addresses);
  }

  wildcard(node: string): Endpoint | undefined {
    return this.#byNode.count(node) === 0 ? undefined : wildcardEndpoint([...this.#byNode.get(node)]);
  }
}
