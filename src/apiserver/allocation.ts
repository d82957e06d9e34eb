/**
 * @module Addresses and ports of Services. Each one taken is a key of its own in the store, so that several API servers
 * over one store never give the same one twice.
 */

import type { Cidr, Ip } from "../base/ip.ts";
import { formatIp, parseIp } from "../base/ip.ts";
import type { Entry, Store } from "../store/store.ts";

const MAX_TRIES = 4096;

export class Allocation {
  readonly #store: Store;
  readonly #prefix: string;

  /** @param name - "clusterips", "nodeports", "loadbalancers" */
  constructor(store: Store, name: string) {
    this.#store = store;
    this.#prefix = `/allocations/${name}/`;
  }

  /** `had`: it was the owner's already. */
  async take(value: string, owner: string): Promise<"taken" | "had" | "refused"> {
    const result = await this.#store.put(this.#prefix + value, JSON.stringify({ owner }), { absent: true });
    if (result.ok) return "taken";
    return result.current && ownerOf(result.current) === owner ? "had" : "refused";
  }

  /** Whether {@link take} would give it. */
  async isFree(value: string, owner: string): Promise<boolean> {
    const entry = await this.#store.get(this.#prefix + value);
    return !entry || ownerOf(entry) === owner;
  }

  /** Tries what `candidates` gives until one is free. */
  async takeAny(candidates: () => string, owner: string): Promise<string | undefined> {
    for (let attempt = 0; attempt < MAX_TRIES; attempt++) {
      const value = candidates();
      const result = await this.#store.put(this.#prefix + value, JSON.stringify({ owner }), { absent: true });
      if (result.ok) return value;
    }
    return undefined;
  }

  async release(value: string, owner: string): Promise<void> {
    const entry = await this.#store.get(this.#prefix + value);
    if (entry && ownerOf(entry) === owner)
      await this.#store.delete(this.#prefix + value, { modified: entry.modified });
  }
}

function ownerOf(entry: Entry): string {
  return (JSON.parse(entry.value) as { readonly owner: string }).owner;
}

/** An address of a network at random: neither its first nor its last, nor among the first `reserved`. */
export function randomAddress(network: Cidr, reserved = 0): Ip {
  const hostBits = BigInt((network.family === 4 ? 32 : 128) - network.prefix);
  const size = hostBits > 30n ? 1 << 30 : 2 ** Number(hostBits);
  const first = Math.min(reserved, Math.max(1, size - 2)) + 1;
  const offset = first + Math.floor(Math.random() * Math.max(1, size - 1 - first));
  return { family: network.family, bits: network.bits + BigInt(offset) };
}

export function canonicalAddress(text: string): string | undefined {
  const ip = parseIp(text);
  return ip && formatIp(ip);
}
