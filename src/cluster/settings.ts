/** @module A cluster's settings: what `tortie up` was asked for, kept so that the next `up` gives the same cluster. */
import { existsSync, readFileSync } from "node:fs";
import { OpError } from "../base/errors.ts";
import { type Cidr, formatCidr, formatIp, type Ip, parseCidr } from "../base/ip.ts";
import type { DenyWith } from "../nft/compile-rule.ts";
import { writeWhole } from "./disk-space.ts";
import type { Layout } from "./layout.ts";

export interface Settings {
  readonly nodes: number;
  /** One a family. */
  readonly podNetworks: readonly string[];
  readonly serviceNetworks: readonly string[];
  /** Addresses of LoadBalancers. */
  readonly loadBalancers: readonly string[];
  /** Of the API, on 127.0.0.1. */
  readonly port: number;
  /** `memory`, `disk`, `etcd://host:port[/prefix]` or `etcd+unix:///path/etcd.sock[/prefix]` */
  readonly store: string;
  readonly denyWith: DenyWith;
  /** A YAML file of stand-ins for images, beside those that are built in. */
  readonly images?: string;
}

export const DEFAULTS: Omit<Settings, "port"> = {
  nodes: 2,
  podNetworks: ["192.168.0.0/16"],
  serviceNetworks: ["10.96.0.0/12"],
  loadBalancers: ["172.19.0.0/24"],
  store: "disk",
  denyWith: "drop",
};

export const IPV6 = {
  podNetwork: "fd00:10:244::/64",
  serviceNetwork: "fd00:10:96::/112",
  loadBalancers: "fd00:172:19::/120",
};

export function readSettings(layout: Layout): Settings | undefined {
  if (!existsSync(layout.settings)) return undefined;
  return JSON.parse(readFileSync(layout.settings, "utf8")) as Settings;
}

/** @throws OpError `output-failed` */
export function writeSettings(layout: Layout, settings: Settings): void {
  writeWhole(layout.settings, `${JSON.stringify(settings, null, 2)}\n`);
}

export function nodeName(index: number): string {
  return `node${index + 1}`;
}

/** @throws OpError `input-invalid` */
export function cidrsOf(texts: readonly string[]): readonly Cidr[] {
  return texts.map((text) => {
    const cidr = parseCidr(text)?.cidr;
    if (cidr) return cidr;
    throw new OpError(`${text} is not a CIDR`, { code: "input-invalid", facts: { cidr: text } });
  });
}

/** The n-th address of a network. */
export function addressAt(network: Cidr, offset: bigint): Ip {
  return { family: network.family, bits: network.bits + offset };
}

/** The Service of the API, and of DNS, as kubeadm places them. */
export function wellKnownAddresses(settings: Settings): {
  readonly api: string;
  readonly dns: readonly string[];
} {
  const networks = cidrsOf(settings.serviceNetworks);
  const [first] = networks;
  if (!first) throw new OpError("a cluster needs a network for its Services", { code: "input-invalid" });
  return {
    api: formatIp(addressAt(first, 1n)),
    dns: networks.map((network) => formatIp(addressAt(network, 10n))),
  };
}

/** Room for this many nodes is kept, where the network is large enough, so that nodes have equal parts. */
const ROOM = 16;

/**
 * Each node's part of the pod networks.
 * @throws OpError `input-invalid` when there are more nodes than addresses
 */
export function podCidrsOf(settings: Settings, index: number): readonly string[] {
  return cidrsOf(settings.podNetworks).map((network) => {
    const bits = network.family === 4 ? 32 : 128;
    const wanted = Math.max(ROOM, settings.nodes);
    let part = Math.ceil(Math.log2(wanted));
    // A small network is parted among the nodes that there are.
    if (bits - network.prefix - part < 3) part = Math.ceil(Math.log2(settings.nodes));
    const prefix = network.prefix + part;
    if (prefix > bits) {
      throw new OpError(`${formatCidr(network)} is too small for ${settings.nodes} nodes`, {
        code: "input-invalid",
        facts: { network: formatCidr(network), nodes: settings.nodes },
      });
    }
    const start = network.bits + (BigInt(index) << BigInt(bits - prefix));
    return formatCidr({ family: network.family, bits: start, prefix });
  });
}
