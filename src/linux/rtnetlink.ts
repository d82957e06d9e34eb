/**
 * @module Links, addresses, routes and neighbours, in batches: one send for many steps (linux/rtnetlink.h,
 * linux/if_link.h). Each step knows what it attempts, so that a refusal can name it.
 */

import { OpError } from "../base/errors.ts";
import type { Cidr, Ip } from "../base/ip.ts";
import { ipBytes } from "../base/ip.ts";
import { AF_INET, AF_INET6 } from "./constants.ts";
import { errnoName } from "./libc.ts";
import type { NetlinkRefusal } from "./netlink.ts";
import {
  NETLINK_ROUTE,
  NetlinkSocket,
  NetlinkWriter,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  NLM_F_REQUEST,
  parseAttributes,
} from "./netlink.ts";
import type { Netns } from "./netns.ts";

const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RTM_NEWNEIGH = 28;
const RTM_DELNEIGH = 29;

const IFF_UP = 0x1;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_MASTER = 10;
const IFLA_OPERSTATE = 16;
const IFLA_LINKINFO = 18;
const IFLA_AF_SPEC = 26;
const IFLA_GROUP = 27;
const IFLA_NET_NS_FD = 28;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const VETH_INFO_PEER = 1;
const IFLA_INET6_ADDR_GEN_MODE = 8;
const IN6_ADDR_GEN_MODE_NONE = 1;
/** RFC 2863 operational state (linux/if.h). */
const IF_OPER_UP = 6;

const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_FLAGS = 8;
/** No duplicate address detection: the address is usable at once (linux/if_addr.h). */
const IFA_F_NODAD = 0x02;

const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PREFSRC = 7;
const RT_TABLE_MAIN = 254;
const RTPROT_STATIC = 4;
const RT_SCOPE_UNIVERSE = 0;
const RT_SCOPE_LINK = 253;
const RTN_UNICAST = 1;
const RTN_BLACKHOLE = 6;
const RTNH_F_ONLINK = 4;

const NDA_DST = 1;
const NDA_LLADDR = 2;
const NUD_PERMANENT = 0x80;

/** Six bytes. */
export type Mac = Uint8Array;

export interface LinkEnd {
  readonly name: string;
  readonly index: number;
  readonly mac: Mac;
  /** Where this end is put, when it is not the batch's own namespace. */
  readonly netns?: Netns;
}

export interface Route {
  /** A block, or the default route of a family as prefix 0. */
  readonly to: Cidr;
  /** Without a gateway, the destination is on the link. */
  readonly via?: Ip;
  readonly device?: number;
  /** The gateway is reached over `device`, although no address says so. */
  readonly onlink?: boolean;
  /** The source address of connections that this host opens itself. */
  readonly source?: Ip;
  readonly blackhole?: boolean;
}

const afOf = (ip: { readonly family: 4 | 6 }): number => (ip.family === 4 ? AF_INET : AF_INET6);

function header(fields: { readonly size: number; readonly set: (bytes: Buffer) => void }): Buffer {
  const bytes = Buffer.alloc(fields.size);
  fields.set(bytes);
  return bytes;
}

/** `struct ifinfomsg` */
function linkHeader(index: number, flags = 0, change = 0): Buffer {
  return header({
    size: 16,
    set: (bytes) => {
      bytes.writeInt32LE(index, 4);
      bytes.writeUInt32LE(flags, 8);
      bytes.writeUInt32LE(change, 12);
    },
  });
}

/**
 * Every acknowledgement takes up to 1 KiB of the socket's receive buffer, bookkeeping included, and without privileges
 * that is 208 KiB by default (net.core.rmem_default).
 */
const STEPS_PER_SEND = 128;

/** Steps to be done in one namespace, in order. Nothing happens before {@link run}. */
export class RouteBatch {
  readonly #writer = new NetlinkWriter(8192);
  readonly #attempts: string[] = [];
  /** Where each step's message starts. */
  readonly #starts: number[] = [];

  get size(): number {
    return this.#attempts.length;
  }

  #begin(type: number, flags: number, attempt: string, fixed: Uint8Array): NetlinkWriter {
    this.#attempts.push(attempt);
    this.#starts.push(this.#writer.length);
    // Every step is acknowledged: a batch of routes is not a transaction, the kernel goes on after a refusal.
    this.#writer.begin(type, NLM_F_REQUEST | NLM_F_ACK | flags, this.#attempts.length);
    this.#writer.raw(fixed);
    return this.#writer;
  }

  /** A pair of virtual Ethernet ends. The peer must be brought up later: with IFF_UP here the kernel says ENOTCONN. */
  addVeth(near: LinkEnd, far: LinkEnd, mtuBytes = 1500): this {
    const w = this.#begin(
      RTM_NEWLINK,
      NLM_F_CREATE | NLM_F_EXCL,
      `create veth ${near.name}`,
      linkHeader(near.index),
    );
    const describe = (end: LinkEnd): void => {
      w.string(IFLA_IFNAME, end.name);
      w.attribute(IFLA_ADDRESS, end.mac);
      w.u32(IFLA_MTU, mtuBytes);
      if (end.netns) w.u32(IFLA_NET_NS_FD, end.netns.fd);
    };
    describe(near);
    const info = w.open(IFLA_LINKINFO);
    w.string(IFLA_INFO_KIND, "veth");
    const data = w.open(IFLA_INFO_DATA);
    const peer = w.open(VETH_INFO_PEER);
    w.raw(linkHeader(far.index));
    describe(far);
    w.close(peer);
    w.close(data);
    w.close(info);
    w.end();
    return this;
  }

  addBridge(name: string, index: number): this {
    const w = this.#begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, `create bridge ${name}`, linkHeader(index));
    w.string(IFLA_IFNAME, name);
    const info = w.open(IFLA_LINKINFO);
    w.string(IFLA_INFO_KIND, "bridge");
    w.close(info);
    w.end();
    return this;
  }

  setGroup(index: number, group: number): this {
    const w = this.#begin(RTM_NEWLINK, 0, `put link ${index} into group ${group}`, linkHeader(index));
    w.u32(IFLA_GROUP, group);
    w.end();
    return this;
  }

  /** All links of a group at once: the kernel waits out its readers once, some 40 ms, instead of once a link. */
  deleteGroup(group: number): this {
    const w = this.#begin(RTM_DELLINK, 0, `delete the links of group ${group}`, linkHeader(0));
    w.u32(IFLA_GROUP, group);
    w.end();
    return this;
  }

  setMaster(index: number, master: number): this {
    const w = this.#begin(RTM_NEWLINK, 0, `attach link ${index} to bridge ${master}`, linkHeader(index));
    w.u32(IFLA_MASTER, master);
    w.end();
    return this;
  }

  /** No link-local IPv6 address of the kernel's own making, and so no duplicate detection and no multicast noise. */
  withoutLinkLocal(index: number): this {
    const w = this.#begin(
      RTM_NEWLINK,
      0,
      `turn link-local addresses of link ${index} off`,
      linkHeader(index),
    );
    const spec = w.open(IFLA_AF_SPEC);
    const inet6 = w.open(AF_INET6);
    w.u8(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
    w.close(inet6);
    w.close(spec);
    w.end();
    return this;
  }

  up(index: number): this {
    this.#begin(RTM_NEWLINK, 0, `bring link ${index} up`, linkHeader(index, IFF_UP, IFF_UP)).end();
    return this;
  }

  #address(type: number, flags: number, index: number, ip: Ip, prefix: number): this {
    const fixed = header({
      size: 8,
      set: (bytes) => {
        bytes[0] = afOf(ip);
        bytes[1] = prefix;
        bytes.writeUInt32LE(index, 4);
      },
    });
    const attempt = `${type === RTM_NEWADDR ? "add" : "delete"} an address on link ${index}`;
    const w = this.#begin(type, flags, attempt, fixed);
    const bytes = ipBytes(ip);
    w.attribute(IFA_LOCAL, bytes);
    w.attribute(IFA_ADDRESS, bytes);
    if (ip.family === 6) w.u32(IFA_FLAGS, IFA_F_NODAD);
    w.end();
    return this;
  }

  addAddress(index: number, ip: Ip, prefix: number): this {
    return this.#address(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, index, ip, prefix);
  }

  deleteAddress(index: number, ip: Ip, prefix: number): this {
    return this.#address(RTM_DELADDR, 0, index, ip, prefix);
  }

  #route(type: number, flags: number, route: Route): this {
    const fixed = header({
      size: 12,
      set: (bytes) => {
        bytes[0] = afOf(route.to);
        bytes[1] = route.to.prefix;
        bytes[4] = RT_TABLE_MAIN;
        bytes[5] = RTPROT_STATIC;
        bytes[6] = route.via || route.blackhole ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
        bytes[7] = route.blackhole ? RTN_BLACKHOLE : RTN_UNICAST;
        bytes.writeUInt32LE(route.onlink ? RTNH_F_ONLINK : 0, 8);
      },
    });
    const attempt = `${type === RTM_NEWROUTE ? "add" : "delete"} a route to a /${route.to.prefix} of IPv${route.to.family}`;
    const w = this.#begin(type, flags, attempt, fixed);
    if (route.to.prefix > 0) w.attribute(RTA_DST, ipBytes(route.to));
    if (route.via) w.attribute(RTA_GATEWAY, ipBytes(route.via));
    if (route.device !== undefined) w.u32(RTA_OIF, route.device);
    if (route.source) w.attribute(RTA_PREFSRC, ipBytes(route.source));
    w.end();
    return this;
  }

  addRoute(route: Route): this {
    return this.#route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route);
  }

  deleteRoute(route: Route): this {
    return this.#route(RTM_DELROUTE, 0, route);
  }

  #neighbour(type: number, flags: number, index: number, ip: Ip, mac: Mac): this {
    const fixed = header({
      size: 12,
      set: (bytes) => {
        bytes[0] = afOf(ip);
        bytes.writeInt32LE(index, 4);
        bytes.writeUInt16LE(NUD_PERMANENT, 8);
      },
    });
    const w = this.#begin(
      type,
      flags,
      `${type === RTM_NEWNEIGH ? "add" : "delete"} a neighbour on link ${index}`,
      fixed,
    );
    w.attribute(NDA_DST, ipBytes(ip));
    w.attribute(NDA_LLADDR, mac);
    w.end();
    return this;
  }

  /**
   * A permanent neighbour. Exempt from net.ipv4.neigh.default.gc_thresh3, which is one limit (1,024) for all
   * namespaces of a machine: with ordinary ARP, 500 pods already lose most connections.
   */
  addNeighbour(index: number, ip: Ip, mac: Mac): this {
    return this.#neighbour(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, index, ip, mac);
  }

  deleteNeighbour(index: number, ip: Ip, mac: Mac): this {
    return this.#neighbour(RTM_DELNEIGH, 0, index, ip, mac);
  }

  /**
   * Does all steps, in the socket's namespace.
   * @param ignore - errno names that mean "already as wanted" to the caller
   * @throws OpError `netlink-failed` naming the first step refused; others may have been done
   */
  run(socket: NetlinkSocket, ignore: readonly string[] = []): void {
    const bytes = this.#writer.bytes();
    for (let first = 0; first < this.#starts.length; first += STEPS_PER_SEND) {
      const last = Math.min(first + STEPS_PER_SEND, this.#starts.length);
      const part = bytes.subarray(this.#starts[first], this.#starts[last] ?? bytes.length);
      const { refusals, acknowledged } = socket.transact(part);
      const refusal = refusals.find((one) => !ignore.includes(errnoName(one.errno)));
      if (refusal) throw this.#refused(refusal);
      if (acknowledged + refusals.length < last - first) {
        throw new OpError("the kernel did not answer every link and route change", {
          code: "netlink-failed",
          facts: { acknowledged, steps: last - first },
        });
      }
    }
  }

  #refused(refusal: NetlinkRefusal): OpError {
    const attempt = this.#attempts[refusal.sequence - 1] ?? "send a batch of link and route changes";
    const words = refusal.message ? ` (${refusal.message})` : "";
    const name = errnoName(refusal.errno);
    return new OpError(`cannot ${attempt}: ${name}${words}`, {
      code: "netlink-failed",
      facts: { errno: name, step: refusal.sequence, steps: this.#attempts.length },
    });
  }
}

/** Opens a socket for one batch, runs it and closes the socket. */
export function runBatch(ns: Netns, batch: RouteBatch): void {
  const socket = NetlinkSocket.open(ns, NETLINK_ROUTE);
  try {
    batch.run(socket);
  } finally {
    socket.close();
  }
}

export interface LinkState {
  readonly index: number;
  readonly name: string;
  readonly up: boolean;
  /** Packets can be sent: the kernel has seen the carrier. Follows `up` of both ends a little later. */
  readonly operational: boolean;
}

export function listLinks(socket: NetlinkSocket): LinkState[] {
  const links: LinkState[] = [];
  const writer = new NetlinkWriter(64);
  writer.begin(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 1);
  writer.raw(linkHeader(0));
  writer.end();
  socket.dump(writer.bytes(), "list links", (message) => {
    const attributes = parseAttributes(message.payload.subarray(16));
    links.push({
      index: message.payload.readInt32LE(4),
      name: attributes.get(IFLA_IFNAME)?.toString("latin1").replace(/\0.*$/s, "") ?? "",
      up: (message.payload.readUInt32LE(8) & IFF_UP) !== 0,
      operational: attributes.get(IFLA_OPERSTATE)?.[0] === IF_OPER_UP,
    });
  });
  return links;
}
