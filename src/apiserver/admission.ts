/** @module What is seen to on every write beyond the object's own kind: its namespace, its service account, its addresses. */
import type { Cidr } from "../base/ip.ts";
import { cidrContains, formatIp, parseIp } from "../base/ip.ts";
import type { Store } from "../store/store.ts";
import { Allocation, canonicalAddress, randomAddress } from "./allocation.ts";
import { arrayAt, at, isObject, stringAt } from "./json.ts";
import { invalid } from "./metadata.ts";
import type { Draft, ServedResource } from "./served.ts";
import { errors } from "./status-error.ts";
import type { Admission, Caller } from "./storage.ts";

/** kube-apiserver's default --service-node-port-range. */
const NODE_PORTS = { first: 30_000, last: 32_767 };
/** Low addresses are left to those who ask for one by hand. */
const RESERVED_ADDRESSES = 256;

export interface AdmissionOptions {
  readonly store: Store;
  /** One a family; the first is the family of Services that name none. */
  readonly serviceNetworks: readonly Cidr[];
}

export class ClusterAdmission implements Admission {
  readonly #store: Store;
  readonly #networks: readonly Cidr[];
  readonly #addresses: Allocation;
  readonly #ports: Allocation;

  constructor({ store, serviceNetworks }: AdmissionOptions) {
    this.#store = store;
    this.#networks = serviceNetworks;
    this.#addresses = new Allocation(store, "clusterips");
    this.#ports = new Allocation(store, "nodeports");
  }

  async create(resource: ServedResource, object: Draft, caller: Caller): Promise<void> {
    if (resource.namespaced) await this.#checkNamespace(resource, object);
    if (resource.group !== "") return;
    if (resource.kind === "Pod") await this.#admitPod(resource, object);
    if (resource.kind === "Service") await this.#admitService(resource, object, undefined, caller);
  }

  async update(resource: ServedResource, object: Draft, before: Draft, caller: Caller): Promise<void> {
    if (resource.group === "" && resource.kind === "Service")
      await this.#admitService(resource, object, before, caller);
  }

  release(resource: ServedResource, object: Readonly<Draft>): void {
    if (resource.group !== "" || resource.kind !== "Service") return;
    const owner = ownerOf(object);
    for (const address of arrayAt(object, "spec", "clusterIPs").map(String))
      if (address !== "None") void this.#addresses.release(address, owner);
    for (const port of nodePortsOf(object)) void this.#ports.release(String(port), owner);
  }

  async #checkNamespace(resource: ServedResource, object: Draft): Promise<void> {
    const namespace = object.metadata.namespace ?? "";
    const entry = await this.#store.get(`/registry/core/namespaces/${namespace}`);
    if (!entry) throw errors.notFound({ group: "", plural: "namespaces", kind: "Namespace" }, namespace);
    if (!entry.value.includes('"deletionTimestamp"')) return;
    if (stringAt(JSON.parse(entry.value), "metadata", "deletionTimestamp") === undefined) return;
    throw errors.forbidden(
      resource,
      object.metadata.name,
      `unable to create new content in namespace ${namespace} because it is being terminated`,
    );
  }

  /** As the ServiceAccount admission plugin, but for the token: the kubelet sees to that. */
  async #admitPod(resource: ServedResource, object: Draft): Promise<void> {
    const spec = object["spec"];
    if (!isObject(spec)) return;
    const name = stringAt(spec, "serviceAccountName") || stringAt(spec, "serviceAccount") || "default";
    spec["serviceAccountName"] = name;
    spec["serviceAccount"] = name;
    const { namespace = "" } = object.metadata;
    // The controller makes the default account a moment after its namespace; nobody is to wait for it.
    if (name === "default") return;
    if (await this.#store.get(`/registry/core/serviceaccounts/${namespace}/${name}`)) return;
    throw errors.forbidden(
      resource,
      object.metadata.name,
      `error looking up service account ${namespace}/${name}: serviceaccount ${JSON.stringify(name)} not found`,
    );
  }

  async #admitService(
    resource: ServedResource,
    object: Draft,
    before: Draft | undefined,
    caller: Caller,
  ): Promise<void> {
    const spec = object["spec"];
    if (!isObject(spec)) return;
    const owner = ownerOf(object);
    await this.#allotAddresses(resource, object, spec, { before, owner, caller });
    await this.#allotPorts(resource, object, spec, { before, owner, caller });
  }

  async #allotAddresses(
    resource: ServedResource,
    object: Draft,
    spec: Record<string, unknown>,
    { before, owner, caller }: { before: Draft | undefined; owner: string; caller: Caller },
  ): Promise<void> {
    const had = arrayAt(before, "spec", "clusterIPs").map(String);
    if (spec["type"] === "ExternalName") {
      for (const address of had) if (address !== "None") void this.#addresses.release(address, owner);
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
      given.push(await this.#takeAddress(resource, object, network, { wanted, had, owner, place, caller }));
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
      owner,
      place,
      caller,
    }: { wanted: string | undefined; had: readonly string[]; owner: string; place: number; caller: Caller },
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
      if (caller.dryRun) return canonical;
      if (!(await this.#addresses.take(canonical, owner)))
        refuse(`failed to allocate IP ${wanted}: provided IP is already allocated`);
      return canonical;
    }
    if (caller.dryRun) return formatIp(randomAddress(network, RESERVED_ADDRESSES));
    const taken = await this.#addresses.takeAny(
      () => formatIp(randomAddress(network, RESERVED_ADDRESSES)),
      owner,
    );
    if (taken === undefined) throw errors.internal("failed to allocate a serviceIP: range is full");
    return taken;
  }

  async #allotPorts(
    resource: ServedResource,
    object: Draft,
    spec: Record<string, unknown>,
    { before, owner, caller }: { before: Draft | undefined; owner: string; caller: Caller },
  ): Promise<void> {
    const had = new Set(before ? nodePortsOf(before) : []);
    const needs =
      spec["type"] === "NodePort" ||
      (spec["type"] === "LoadBalancer" && spec["allocateLoadBalancerNodePorts"] !== false);
    const wanted = new Set<number>();
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
        if (!had.has(asked) && !caller.dryRun && !(await this.#ports.take(String(asked), owner)))
          throw errors.invalid(resource, object.metadata.name, [
            invalid(field, asked, "provided port is already allocated"),
          ]);
        port["nodePort"] = asked;
      } else if (!caller.dryRun) {
        const span = NODE_PORTS.last - NODE_PORTS.first + 1;
        const taken = await this.#ports.takeAny(
          () => String(NODE_PORTS.first + Math.floor(Math.random() * span)),
          owner,
        );
        if (taken === undefined) throw errors.internal("failed to allocate a nodePort: range is full");
        port["nodePort"] = Number(taken);
      }
      const nodePort = port["nodePort"];
      if (typeof nodePort === "number") wanted.add(nodePort);
    }
    for (const port of had)
      if (!wanted.has(port) && !caller.dryRun) void this.#ports.release(String(port), owner);
  }
}

function portKey(port: unknown): string {
  return `${stringAt(port, "protocol") ?? "TCP"} ${String(at(port, "port"))}`;
}

function ownerOf(object: Readonly<Draft>): string {
  return object.metadata.uid ?? "";
}

function nodePortsOf(object: Readonly<Draft>): number[] {
  return arrayAt(object, "spec", "ports").flatMap((port) => {
    const nodePort = at(port, "nodePort");
    return typeof nodePort === "number" && nodePort > 0 ? [nodePort] : [];
  });
}
