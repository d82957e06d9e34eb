/** @module Graph node: who holds which named port, by protocol and name. */
import { formatIp, type Ip } from "../base/ip.ts";
import type { Endpoint } from "../policy/model.ts";
import { AddressDeltas } from "./address-deltas.ts";
import type { AddressDelta } from "./types.ts";

interface Holder {
  readonly ip: Ip;
  readonly port: number;
  count: number;
}

export class NamedPorts {
  /** `6:http` → `10.0.0.1 . 80` → how many endpoints. */
  readonly #holders = new Map<string, Map<string, Holder>>();
  readonly #deltas = new AddressDeltas();

  count(endpoint: Endpoint, by: 1 | -1): void {
    for (const { name, protocol, port } of endpoint.ports) {
      const key = `${protocol}:${name}`;
      const holders = this.#holders.get(key) ?? new Map<string, Holder>();
      this.#holders.set(key, holders);
      for (const ip of endpoint.addresses) this.#countOne(key, holders, { ip, port }, by);
      if (holders.size === 0) this.#holders.delete(key);
    }
  }

  #countOne(
    key: string,
    holders: Map<string, Holder>,
    { ip, port }: { readonly ip: Ip; readonly port: number },
    by: 1 | -1,
  ): void {
    const element = `${formatIp(ip)} . ${port}`;
    const holder = holders.get(element) ?? { ip, port, count: 0 };
    if (holder.count === 0) this.#deltas.record(key, "added", element, ip);
    holder.count += by;
    if (holder.count === 0) {
      holders.delete(element);
      this.#deltas.record(key, "removed", element, ip);
    } else {
      holders.set(element, holder);
    }
  }

  holders(key: string): ReadonlyMap<string, { readonly ip: Ip; readonly port: number }> {
    return this.#holders.get(key) ?? NOBODY;
  }

  takeDeltas(): ReadonlyMap<string, AddressDelta> {
    return this.#deltas.take();
  }

  /** For tests: equal states give equal lists. */
  picture(): readonly string[] {
    return [...this.#holders]
      .map(([key, holders]) => `${key} ${[...holders.keys()].sort().join(",")}`)
      .sort();
  }
}

const NOBODY: ReadonlyMap<string, Holder> = new Map();
