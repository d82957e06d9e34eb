/** @module Addresses for Services of type LoadBalancer, out of networks that are given. Nothing but the statuses remembers them. */
import { type Cidr, cidrContains, cidrRange, formatIp, parseCidr, parseIp, WIDTH } from "../base/ip.ts";
import type { Client } from "../client/client.ts";
import { EventRecorder } from "../client/events.ts";
import type { Informer } from "../client/informer.ts";
import type { Service } from "../client/kinds.ts";
import { SERVICES } from "../client/kinds.ts";
import { keyOf } from "../client/objects.ts";
import type { Context, Controller } from "./context.ts";
import { isDeleting, uidOf } from "./owners.ts";
import { ControllerQueue } from "./queue.ts";
import { familiesOf } from "./service-endpoints.ts";
import { writeStatus } from "./status.ts";

const NAME = "service-lb-controller";

export class LoadBalancerController implements Controller {
  readonly #client: Client;
  readonly #events: EventRecorder;
  readonly #networks: readonly Cidr[];
  readonly #services: Informer<Service>;
  readonly #queue: ControllerQueue;
  /** Whose each address is, by uid. One worker changes it, and it is filled before the first look. */
  readonly #owners = new Map<string, string>();
  readonly #waiting = new Set<string>();

  constructor({ informers, client, log }: Context, networks: readonly string[]) {
    this.#client = client(NAME);
    this.#events = new EventRecorder(this.#client, { component: NAME });
    this.#networks = networks.flatMap((text) => parseCidr(text)?.cidr ?? []);
    this.#queue = new ControllerQueue((key) => this.#look(key), {
      name: NAME,
      log,
      ready: informers.ready(SERVICES),
      workers: 1,
    });
    this.#services = informers.of(SERVICES).on({
      changed: (service, before) => {
        if (before && before.metadata.uid !== service.metadata.uid) this.#release(before);
        for (const ip of givenTo(service)) if (!this.#owners.has(ip)) this.#owners.set(ip, uidOf(service));
        this.#queue.add(keyOf(service));
      },
      deleted: (service) => {
        this.#release(service);
        this.#waiting.delete(keyOf(service));
      },
    });
  }

  #release(service: Service): void {
    for (const [ip, owner] of this.#owners) if (owner === service.metadata.uid) this.#owners.delete(ip);
    for (const key of this.#waiting) this.#queue.add(key);
  }

  async #look(key: string): Promise<void> {
    const service = this.#services.byKey(key);
    if (!service || isDeleting(service)) return;
    this.#waiting.delete(key);
    if (!isOurs(service)) {
      if (givenTo(service).length === 0) return;
      await writeStatus(this.#client, SERVICES, service, { ...service.status, loadBalancer: {} });
      this.#release(service);
      return;
    }
    const addresses = this.#choose(service);
    if (addresses.length === 0) {
      this.#waiting.add(key);
      this.#events.warning(service, "AllocationFailed", "No address is free for this load balancer");
    }
    const uid = uidOf(service);
    for (const [ip, owner] of this.#owners)
      if (owner === uid && !addresses.includes(ip)) this.#owners.delete(ip);
    for (const ip of addresses) this.#owners.set(ip, uid);
    const ingress = addresses.map((ip) => ({ ip, ipMode: "VIP" }));
    const isNew = givenTo(service).join() !== addresses.join();
    if (!isNew) return;
    await writeStatus(this.#client, SERVICES, service, {
      ...service.status,
      loadBalancer: ingress.length > 0 ? { ingress } : {},
    });
    if (addresses.length > 0)
      this.#events.normal(service, "EnsuredLoadBalancer", `Address ${addresses.join(", ")}`);
  }

  /** What it has, where that is still right; what it asks for; else the first that is free. */
  #choose(service: Service): string[] {
    const uid = uidOf(service);
    const isFree = (ip: string): boolean => (this.#owners.get(ip) ?? uid) === uid;
    const asked = service.spec.loadBalancerIP;
    if (asked) {
      const ip = parseIp(asked);
      if (!ip || !this.#networks.some((network) => cidrContains(network, ip))) return [];
      const text = formatIp(ip);
      return isFree(text) ? [text] : [];
    }
    const present = givenTo(service);
    return familiesOf(service).flatMap((family) => {
      const number = family === "IPv4" ? 4 : 6;
      const networks = this.#networks.filter((network) => network.family === number);
      const kept = present.find((text) => {
        const ip = parseIp(text);
        return ip && isFree(text) && networks.some((network) => cidrContains(network, ip));
      });
      if (kept !== undefined) return [kept];
      for (const network of networks) {
        const free = this.#firstFree(network);
        if (free !== undefined) return [free];
      }
      return [];
    });
  }

  #firstFree(network: Cidr): string | undefined {
    let { first, last } = cidrRange(network);
    // A network's own address, and its broadcast, are nobody's.
    if (WIDTH[network.family] - network.prefix > 1) {
      first += 1n;
      if (network.family === 4) last -= 1n;
    }
    // No more are taken than are remembered, so one of so many is free, if any is.
    for (let bits = first; bits <= last && bits <= first + BigInt(this.#owners.size); bits++) {
      const ip = formatIp({ family: network.family, bits });
      if (!this.#owners.has(ip)) return ip;
    }
    return undefined;
  }

  stop(): void {
    this.#queue.stop();
  }
}

/** Those of another class are somebody else's. */
function isOurs({ spec }: Service): boolean {
  return spec.type === "LoadBalancer" && !(spec as { loadBalancerClass?: string }).loadBalancerClass;
}

function givenTo(service: Service): string[] {
  if ((service.spec as { loadBalancerClass?: string }).loadBalancerClass) return [];
  return (service.status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip ?? []);
}
