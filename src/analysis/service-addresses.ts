/** @module Cluster addresses for Services whose manifests leave them out, as the API server would allot them. */

import { must } from "../base/errors.ts";
import { formatIp, type Ip, parseIp } from "../base/ip.ts";
import type { Service } from "../resources/core/types.ts";

/** The customary service network, from where kube-dns stands on. */
const FIRST: Readonly<Record<4 | 6, string>> = { 4: "10.96.0.11", 6: "fd00:10:96::11" };

export class ServiceAddresses {
  readonly #given = new Map<string, string>();
  readonly #taken = new Set<string>();
  readonly #next = new Map<4 | 6, bigint>();

  /** The Service with an address of its own; the same one each time it is asked for. */
  complete(service: Service, families: readonly (4 | 6)[]): Service {
    if (service.headless || service.type === "ExternalName" || service.clusterIPs.length > 0) {
      for (const address of service.clusterIPs) this.#taken.add(address);
      return service;
    }
    return { ...service, clusterIPs: families.map((family) => this.#address(service, family)) };
  }

  #address(service: Service, family: 4 | 6): string {
    const key = `${family} ${service.namespace}/${service.name}`;
    const known = this.#given.get(key);
    if (known !== undefined) return known;
    let ip: Ip = {
      family,
      bits: this.#next.get(family) ?? must(parseIp(FIRST[family]), "first service address").bits,
    };
    while (this.#taken.has(formatIp(ip))) ip = { family, bits: ip.bits + 1n };
    const text = formatIp(ip);
    this.#taken.add(text);
    this.#given.set(key, text);
    this.#next.set(family, ip.bits + 1n);
    return text;
  }
}
