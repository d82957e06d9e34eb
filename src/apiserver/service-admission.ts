/** @module Addresses and node ports of Services: given out on create and update, given back when a write has left them. */
import type { Cidr } from "../base/ip.ts";
import { cidrContains, formatIp, parseIp } from "../base/ip.ts";
import type { Store } from "../store/store.ts";
import { Allocation, canonicalAddress, randomAddress } from "./allocation.ts";
import { arrayAt, at, isObject, stringAt } from "./json.ts";
import { invalid } from "./metadata.ts";
import type { Draft, ServedResource } from "./served.ts";
import { type Allocations, Claims, heldBy, nodePortsOf } from "./service-claims.ts";
import { errors } from "./status-error.ts";
import type { Admitted, Caller } from "./storage.ts";

/** kube-apiserver's default --service-node-port-range. */
const NODE_PORTS = { first: 30_000, last: 32_767 };
/** Low addresses are left to those who ask for one by hand. */
const RESERVED_ADDRESSES = 256;

export interface ServiceNetworks {
  readonly store: Store;
  /** One a family; the first is the family of Services that name none. */
  readonly serviceNetworks: readonly Cidr[];
  readonly podNetworks: readonly Cidr[];
}

interface AllotRequest {
  readonly resource: ServedResource;
  readonly object: Draft;
  readonly spec: Record<string, unknown>;
  readonly before: Readonly<Draft> | undefined;
  readonly claims: Claims;
}

export class ServiceAdmission {
  readonly #store: Store;
  readonly #networks: readonly Cidr[];
  readonly #podNetworks: readonly Cidr[];
  readonly #allocations: Allocations;

  constructor({ store, serviceNetworks, podNetworks }: ServiceNetworks) {
    this.#store = store;
    this.#networks = serviceNetworks;
    this.#podNetworks = podNetworks;
    this.#allocations = {
      address: new Allocation(store, "clusterips"),
      port: new Allocation(store, "nodeports"),
    };
  }

  /** Gives a Service addresses and ports. @throws StatusError 422; nothing is taken then */
  async admit(
    resource: ServedResource,
    object: Draft,
    before: Readonly<Draft> | undefined,
    caller: Caller,
  ): Promise<Admitted> {
    const claims = new Claims(this.#store, this.#allocations, object, caller.dryRun);
    const spec = object["spec"];
    if (!isObject(spec)) return claims.of(before);
    const request: AllotRequest = { resource, object, spec, before, claims };
    try {
      this.#checkExternal(request);
      await this.#allotAddresses(request);
      await this.#allotPorts(request);
    } catch (error) {
      await claims.of(before).undone();
      throw error;
    }
    return claims.of(before);
  }

  /** When a Service is gone. */
  async release(object: Readonly<Draft>): Promise<void> {
    await new Claims(this.#store, this.#allocations, object, false).release(heldBy(object));
  }

  /** An address of the cluster's own would be taken over from whoever has it. */
  #checkExternal({ resource, object, spec, before }: AllotRequest): void {
    const had = arrayAt(before, "spec", "externalIPs");
    const causes = arrayAt(spec, "externalIPs").flatMap((address, place) => {
      const ip = parseIp(String(address));
      if (!ip || had.includes(address)) return [];
      const field = `spec.externalIPs[${place}]`;
      if (this.#networks.some((network) => cidrContains(network, ip)))
        return [
          invalid(
            field,
            address,
            "may not be in the service network: it would take over the address of another Service",
          ),
        ];
      if (this.#podNetworks.some((network) => cidrContains(network, ip)))
        return [
          invalid(field, address, "may not be in a pod network: it would take over the address of a pod"),
        ];
      return [];
    });
    if (causes.length > 0) throw errors.invalid(resource, object.metadata.name, causes);
  }

  async #allotAddresses({ resource, object, spec, before, claims }: AllotRequest): Promise<void> {
    const had = arrayAt(before, "spec", "clusterIPs").map(String);
    if (spec["type"] === "ExternalName") {
      delete spec["clusterIP"];
      delete spec["clusterIPs"];
      return;
    }
    let asked = arrayAt(spec, "clusterIPs").map(String);
    const first = stringAt(spec, "clusterIP");
    if (first) asked = [first, ...asked.slice(1)];
    else if (asked.length === 0) asked = had;
    if (asked[0] === "None") {
      spec["clusterIP"] = "None";
      spec["clusterIPs"] = ["None"];
      this.#setFamilies(spec, this.#families(spec, []));
      return;
    }
    const families = this.#families(spec, asked);
    const given: string[] = [];
    for (const [place, family] of families.entries()) {
      const network = this.#networks.find((one) => one.family === family);
      if (!network) {
        throw errors.invalid(resource, object.metadata.name, [
          invalid(`spec.ipFamilies[${place}]`, `IPv${family}`, "not configured on this cluster"),
        ]);
      }
      const wanted = asked[place];
      given.push(await this.#takeAddress(resource, object, network, { wanted, had, place, claims }));
    }
    spec["clusterIP"] = given[0];
    spec["clusterIPs"] = given;
    this.#setFamilies(spec, families);
  }

  #families(spec: Record<string, unknown>, asked: readonly string[]): (4 | 6)[] {
    const named = arrayAt(spec, "ipFamilies").map((one) => (one === "IPv6" ? 6 : 4));
    const policy = stringAt(spec, "ipFamilyPolicy") ?? "SingleStack";
    const all = this.#networks.map(({ family }) => family);
    const fromAddresses = asked.flatMap((text): (4 | 6)[] => {
      const ip = parseIp(text);
      return ip ? [ip.family] : [];
    });
    const start = fromAddresses.length > 0 ? fromAddresses : named;
    const wanted = [...new Set<4 | 6>([...start, ...named, ...all])];
    if (policy === "SingleStack") return wanted.slice(0, Math.max(1, Math.min(fromAddresses.length, 1)));
    return wanted.filter((family) => all.includes(family) || start.includes(family)).slice(0, 2);
  }

  #setFamilies(spec: Record<string, unknown>, families: readonly (4 | 6)[]): void {
    spec["ipFamilies"] = families.map((family) => `IPv${family}`);
    spec["ipFamilyPolicy"] ??= families.length > 1 ? "PreferDualStack" : "SingleStack";
  }

  async #takeAddress(
    resource: ServedResource,
    object: Draft,
    network: Cidr,
    {
      wanted,
      had,
      place,
      claims,
    }: { wanted: string | undefined; had: readonly string[]; place: number; claims: Claims },
  ): Promise<string> {
    const field = place === 0 ? "spec.clusterIP" : `spec.clusterIPs[${place}]`;
    const refuse = (detail: string): never => {
      throw errors.invalid(resource, object.metadata.name, [
        { ...invalid("spec.clusterIPs", [wanted], detail), field: "spec.clusterIPs" },
      ]);
    };
    if (wanted) {
      const ip = parseIp(wanted);
      const canonical = canonicalAddress(wanted);
      if (!ip || canonical === undefined) {
        throw errors.invalid(resource, object.metadata.name, [
          invalid(field, wanted, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"),
        ]);
      }
      if (had.includes(canonical)) return canonical;
      if (!cidrContains(network, ip))
        refuse(`failed to allocate IP ${wanted}: the provided IP (${wanted}) is not in the valid range`);
      if (!(await claims.take("address", canonical)))
        refuse(`failed to allocate IP ${wanted}: provided IP is already allocated`);
      return canonical;
    }
    const taken = await claims.takeAny("address", () => formatIp(randomAddress(network, RESERVED_ADDRESSES)));
    if (taken === undefined) throw errors.internal("failed to allocate a serviceIP: range is full");
    return taken;
  }

  async #allotPorts({ resource, object, spec, before, claims }: AllotRequest): Promise<void> {
    const had = new Set(before ? nodePortsOf(before) : []);
    const needs =
      spec["type"] === "NodePort" ||
      (spec["type"] === "LoadBalancer" && spec["allocateLoadBalancerNodePorts"] !== false);
    const byNumber = new Map<string, number>();
    for (const port of arrayAt(before, "spec", "ports")) {
      const nodePort = at(port, "nodePort");
      if (typeof nodePort === "number" && nodePort > 0) byNumber.set(portKey(port), nodePort);
    }
    for (const [place, port] of arrayAt(spec, "ports").entries()) {
      if (!isObject(port)) continue;
      if (!needs) {
        delete port["nodePort"];
        continue;
      }
      const asked = port["nodePort"] || byNumber.get(portKey(port));
      if (typeof asked === "number" && asked > 0) {
        const field = `spec.ports[${place}].nodePort`;
        if (asked < NODE_PORTS.first || asked > NODE_PORTS.last) {
          throw errors.invalid(resource, object.metadata.name, [
            invalid(
              field,
              asked,
              `provided port is not in the valid range. The range of valid ports is ${NODE_PORTS.first}-${NODE_PORTS.last}`,
            ),
          ]);
        }
        if (!had.has(asked) && !(await claims.take("port", String(asked))))
          throw errors.invalid(resource, object.metadata.name, [
            invalid(field, asked, "provided port is already allocated"),
          ]);
        port["nodePort"] = asked;
      } else {
        const span = NODE_PORTS.last - NODE_PORTS.first + 1;
        const taken = await claims.takeAny("port", () =>
          String(NODE_PORTS.first + Math.floor(Math.random() * span)),
        );
        if (taken === undefined) throw errors.internal("failed to allocate a nodePort: range is full");
        port["nodePort"] = Number(taken);
      }
    }
  }
}

function portKey(port: unknown): string {
  return `${stringAt(port, "protocol") ?? "TCP"} ${String(at(port, "port"))}`;
}
