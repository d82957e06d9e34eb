/**
 * @module The names of a cluster: what Services and their endpoints are called, kept in step object by object.
 * @see https://github.com/kubernetes/dns/blob/master/docs/specification.md version 1.1.0
 */
import { formatIp, type Ip, parseIp } from "../base/ip.ts";
import type { EndpointSlice, Service } from "../client/kinds.ts";
import { keyOf } from "../client/objects.ts";

export type RecordData =
  | { readonly type: "A" | "AAAA"; readonly address: string }
  | { readonly type: "CNAME" | "PTR"; readonly target: string }
  | {
      readonly type: "SRV";
      readonly target: string;
      readonly port: number;
      readonly priority: number;
      readonly weight: number;
    }
  | { readonly type: "TXT"; readonly text: string };

export interface Found {
  readonly name: string;
  readonly data: RecordData;
}

/** `exists` without records: the name is there, and has nothing of that type (NODATA). */
export interface Lookup {
  readonly exists: boolean;
  readonly answers: readonly Found[];
  /** What a resolver asks for next, told along with the answer. */
  readonly additional: readonly Found[];
}

/** Of an alias of an alias. */
const MOST_ALIASES = 8;
const NOTHING: Lookup = { exists: false, answers: [], additional: [] };
const EMPTY: Lookup = { exists: true, answers: [], additional: [] };
const SERVICE_LABEL = "kubernetes.io/service-name";
const SPECIFICATION = "1.1.0";

interface Target {
  readonly address: Ip;
  /** The first label of its own name: what it says, or its address with dashes. */
  readonly label: string;
  /** Whether it says what it is called. */
  readonly isNamed: boolean;
  readonly ports: readonly { readonly name: string; readonly protocol: string; readonly port: number }[];
}

/** Questions cost what they answer; a change costs the slices of its Service. */
export class Zone {
  readonly domain: string;
  readonly #services = new Map<string, Service>();
  /** By `namespace/service`, then by the slice's name. */
  readonly #slices = new Map<string, Map<string, EndpointSlice>>();
  readonly #namespaces = new Set<string>();
  /** `namespace/service` by cluster address. */
  readonly #byClusterAddress = new Map<string, string>();
  /** `namespace/service` by the address of an endpoint that has a name of its own. */
  readonly #byEndpoint = new Map<string, Set<string>>();

  constructor(domain = "cluster.local") {
    this.domain = domain;
  }

  setNamespace(name: string): void {
    this.#namespaces.add(name);
  }

  removeNamespace(name: string): void {
    this.#namespaces.delete(name);
  }

  setService(service: Service): void {
    const key = keyOf(service);
    const before = this.#services.get(key);
    if (before) this.#forgetAddresses(before);
    this.#services.set(key, service);
    for (const address of clusterAddresses(service)) this.#byClusterAddress.set(formatIp(address), key);
  }

  removeService(service: Service): void {
    this.#services.delete(keyOf(service));
    this.#forgetAddresses(service);
  }

  #forgetAddresses(service: Service): void {
    for (const address of clusterAddresses(service)) {
      const text = formatIp(address);
      if (this.#byClusterAddress.get(text) === keyOf(service)) this.#byClusterAddress.delete(text);
    }
  }

  setSlice(slice: EndpointSlice): void {
    this.removeSlice(slice);
    const key = serviceOf(slice);
    if (key === undefined) return;
    const slices = this.#slices.get(key) ?? new Map<string, EndpointSlice>();
    this.#slices.set(key, slices);
    slices.set(slice.metadata.name, slice);
    for (const text of namedAddresses(slice)) {
      const services = this.#byEndpoint.get(text) ?? new Set<string>();
      this.#byEndpoint.set(text, services);
      services.add(key);
    }
  }

  removeSlice(slice: EndpointSlice): void {
    const key = serviceOf(slice);
    const slices = key === undefined ? undefined : this.#slices.get(key);
    const known = slices?.get(slice.metadata.name);
    if (key === undefined || !slices || !known) return;
    slices.delete(slice.metadata.name);
    if (slices.size === 0) this.#slices.delete(key);
    for (const text of namedAddresses(known)) this.#byEndpoint.get(text)?.delete(key);
  }

  /** Whether the name is ours to answer for. */
  covers(name: string): boolean {
    const lower = name.toLowerCase();
    return lower === this.domain || lower.endsWith(`.${this.domain}`) || this.#reversed(lower) !== undefined;
  }

  /** @param type - `A`, `SRV` …; `ANY` asks for all */
  lookup(asked: string, type: string): Lookup {
    const name = asked.toLowerCase().replace(/\.$/, "");
    const reversed = this.#reversed(name);
    if (reversed) return this.#pointer(name, reversed, type);
    if (name === this.domain) return EMPTY;
    const labels = name.slice(0, -(this.domain.length + 1)).split(".");
    if (labels.length === 1 && labels[0] === "dns-version")
      return only(type, [{ name, data: { type: "TXT", text: SPECIFICATION } }]);
    const kind = labels.at(-1);
    const namespace = labels.at(-2);
    if (kind === "svc") {
      if (namespace === undefined) return EMPTY;
      return this.#service(name, namespace, labels.slice(0, -2), type);
    }
    if (kind === "pod") return this.#pod(name, namespace, labels.slice(0, -2), type);
    return NOTHING;
  }

  /** Resolvers do not ask on: where an alias leads to a name of ours, that one's addresses come along (RFC 1034 §4.3.2). */
  #alias(name: string, target: string, type: string, steps = 0): Lookup {
    const answers: Found[] = [{ name, data: { type: "CNAME", target } }];
    if (type === "CNAME" || steps >= MOST_ALIASES || !this.covers(target))
      return { exists: true, answers, additional: [] };
    const next = this.#aliasOf(target.toLowerCase());
    const found = next ? this.#alias(target, next, type, steps + 1) : this.lookup(target, type);
    return { exists: true, answers: [...answers, ...found.answers], additional: found.additional };
  }

  /** Where the name of an ExternalName leads. */
  #aliasOf(name: string): string | undefined {
    const [service = "", namespace = "", ...rest] = name.split(".");
    if (rest.join(".") !== `svc.${this.domain}`) return undefined;
    const { spec } = this.#services.get(`${namespace}/${service}`) ?? {};
    return spec?.type === "ExternalName" ? (spec.externalName ?? "").replace(/\.$/, "") : undefined;
  }

  #service(name: string, namespace: string, labels: readonly string[], type: string): Lookup {
    if (labels.length === 0) return this.#namespaces.has(namespace) ? EMPTY : NOTHING;
    const serviceName = labels.at(-1) ?? "";
    const service = this.#services.get(`${namespace}/${serviceName}`);
    if (!service) return NOTHING;
    const front = labels.slice(0, -1);
    const full = `${serviceName}.${namespace}.svc.${this.domain}`;
    if (service.spec.type === "ExternalName") {
      const target = (service.spec.externalName ?? "").replace(/\.$/, "");
      return front.length === 0 ? this.#alias(name, target, type) : NOTHING;
    }
    const targets = this.#targets(service);
    if (front.length === 0) {
      const addresses = isHeadless(service)
        ? targets.map(({ address }) => address)
        : clusterAddresses(service);
      return only(
        type,
        addresses.map((address) => addressRecord(name, address)),
      );
    }
    if (front.length === 2 && front.every((label) => label.startsWith("_"))) {
      return this.#ports(name, full, service, {
        port: front[0]?.slice(1) ?? "",
        protocol: front[1]?.slice(1) ?? "",
        type,
        targets,
      });
    }
    if (front.length > 1) return NOTHING;
    const own = targets.filter(({ label }) => label === front[0]);
    return own.length === 0
      ? NOTHING
      : only(
          type,
          own.map(({ address }) => addressRecord(name, address)),
        );
  }

  #ports(
    name: string,
    full: string,
    service: Service,
    {
      port,
      protocol,
      type,
      targets,
    }: { port: string; protocol: string; type: string; targets: readonly Target[] },
  ): Lookup {
    const answers: Found[] = [];
    const additional: Found[] = [];
    if (isHeadless(service)) {
      const hits = targets.flatMap((target) =>
        target.ports
          .filter((one) => one.name === port && one.protocol.toLowerCase() === protocol)
          .map((one) => ({ target, one })),
      );
      for (const { target, one } of hits) {
        const own = `${target.label}.${full}`;
        answers.push({
          name,
          data: { type: "SRV", target: own, port: one.port, priority: 0, weight: weightOf(hits.length) },
        });
        additional.push(addressRecord(own, target.address));
      }
    } else {
      for (const one of service.spec.ports ?? []) {
        if (one.name !== port || (one.protocol ?? "TCP").toLowerCase() !== protocol) continue;
        answers.push({ name, data: { type: "SRV", target: full, port: one.port, priority: 0, weight: 100 } });
        for (const address of clusterAddresses(service)) additional.push(addressRecord(full, address));
      }
    }
    if (answers.length === 0) return NOTHING;
    return type === "SRV" || type === "ANY" ? { exists: true, answers, additional } : EMPTY;
  }

  /** Every address that a pod could have, in a namespace that there is. */
  #pod(name: string, namespace: string | undefined, labels: readonly string[], type: string): Lookup {
    if (namespace === undefined) return EMPTY;
    if (!this.#namespaces.has(namespace)) return NOTHING;
    if (labels.length === 0) return EMPTY;
    const [label = "", ...more] = labels;
    const address =
      more.length === 0
        ? (parseIp(label.replaceAll("-", ".")) ?? parseIp(label.replaceAll("-", ":")))
        : undefined;
    return address ? only(type, [addressRecord(name, address)]) : NOTHING;
  }

  #pointer(name: string, address: string, type: string): Lookup {
    const key = this.#byClusterAddress.get(address);
    const targets: string[] = [];
    if (key !== undefined) targets.push(this.#nameOf(key));
    for (const service of this.#byEndpoint.get(address) ?? []) {
      const found = this.#services.get(service);
      if (!found || !isHeadless(found)) continue;
      for (const target of this.#targets(found))
        if (target.isNamed && formatIp(target.address) === address)
          targets.push(`${target.label}.${this.#nameOf(service)}`);
    }
    if (targets.length === 0) return NOTHING;
    return only(
      type,
      targets.map((target) => ({ name, data: { type: "PTR", target } })),
    );
  }

  #nameOf(key: string): string {
    const [namespace, service] = key.split("/");
    return `${service}.${namespace}.svc.${this.domain}`;
  }

  /** The address that a name under in-addr.arpa or ip6.arpa is about. */
  #reversed(name: string): string | undefined {
    if (name.endsWith(".in-addr.arpa")) {
      const ip = parseIp(name.slice(0, -".in-addr.arpa".length).split(".").reverse().join("."));
      return ip && formatIp(ip);
    }
    if (!name.endsWith(".ip6.arpa")) return undefined;
    const digits = name.slice(0, -".ip6.arpa".length).split(".").reverse().join("");
    const ip = /^[0-9a-f]{32}$/.test(digits) ? parseIp(digits.match(/.{4}/g)?.join(":") ?? "") : undefined;
    return ip && formatIp(ip);
  }

  /** Who answers for a headless Service: those that are ready, or all where it publishes those that are not. */
  #targets(service: Service): Target[] {
    const publishAll = service.spec.publishNotReadyAddresses === true;
    const targets: Target[] = [];
    for (const slice of this.#slices.get(keyOf(service))?.values() ?? []) {
      const ports = (slice.ports ?? []).map(({ name = "", protocol = "TCP", port = 0 }) => ({
        name,
        protocol,
        port,
      }));
      for (const { addresses, conditions, hostname } of slice.endpoints) {
        if (!publishAll && conditions?.ready === false) continue;
        for (const text of addresses) {
          const address = parseIp(text);
          if (!address) continue;
          const label = hostname ?? text.replaceAll(/[.:]/g, "-");
          targets.push({ address, label, isNamed: hostname !== undefined, ports });
        }
      }
    }
    return targets;
  }
}

function only(type: string, records: readonly Found[]): Lookup {
  return {
    exists: true,
    answers: type === "ANY" ? records : records.filter(({ data }) => data.type === type),
    additional: [],
  };
}

function addressRecord(name: string, address: Ip): Found {
  return { name, data: { type: address.family === 4 ? "A" : "AAAA", address: formatIp(address) } };
}

function weightOf(count: number): number {
  return Math.max(1, Math.floor(100 / count));
}

function isHeadless(service: Service): boolean {
  return service.spec.clusterIP === "None";
}

function clusterAddresses(service: Service): Ip[] {
  const { clusterIPs, clusterIP } = service.spec;
  return (clusterIPs ?? (clusterIP ? [clusterIP] : [])).flatMap((text) => parseIp(text) ?? []);
}

function serviceOf(slice: EndpointSlice): string | undefined {
  const name = slice.metadata.labels?.[SERVICE_LABEL];
  return name === undefined ? undefined : `${slice.metadata.namespace}/${name}`;
}

function namedAddresses(slice: EndpointSlice): string[] {
  return slice.endpoints.flatMap(({ hostname, addresses }) =>
    hostname === undefined
      ? []
      : addresses.flatMap((text) => {
          const ip = parseIp(text);
          return ip ? [formatIp(ip)] : [];
        }),
  );
}
