/**
 * @module The connections that a network namespace remembers (linux/netfilter/nfnetlink_conntrack.h), and forgetting
 * those of an address: who has it next is not who opened them.
 */

import { OpError } from "../base/errors.ts";
import { formatIp, type Ip, ipBytes, ipFromBytes } from "../base/ip.ts";
import { AF_INET, AF_INET6 } from "./constants.ts";
import { errnoName } from "./libc.ts";
import {
  NETLINK_NETFILTER,
  NetlinkSocket,
  NetlinkWriter,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_REQUEST,
  parseAttributes,
} from "./netlink.ts";
import type { Netns } from "./netns.ts";

const NFNL_SUBSYS_CTNETLINK = 1;
const IPCTNL_MSG_CT_GET = 1;
const IPCTNL_MSG_CT_DELETE = 2;

const CTA_TUPLE_ORIG = 1;
const CTA_TUPLE_REPLY = 2;
const CTA_FILTER = 25;
const CTA_TUPLE_IP = 1;
const CTA_IP_SRC: Readonly<Record<4 | 6, number>> = { 4: 1, 6: 3 };
/** `CTA_FILTER_ORIG_FLAGS`, `CTA_FILTER_REPLY_FLAGS`: the numbers of the tuples too. */
const FILTER_FLAGS: Readonly<Record<number, number>> = { [CTA_TUPLE_ORIG]: 1, [CTA_TUPLE_REPLY]: 2 };
const CTA_FILTER_F_CTA_IP_SRC = 1;

/** A connection's two ends are the source of what was asked and the source of what is answered, translated or not. */
const TUPLES = [CTA_TUPLE_ORIG, CTA_TUPLE_REPLY] as const;

const ENOENT = 2;
const GENERIC_BYTES = 4;

/** `struct nfgenmsg`. Version 1: a deletion minds the family. */
function generic(family: number): Buffer {
  return Buffer.from([family, 1, 0, 0]);
}

export class Conntrack {
  readonly #socket: NetlinkSocket;

  constructor(ns: Netns) {
    this.#socket = NetlinkSocket.open(ns, NETLINK_NETFILTER);
  }

  /** Who takes part in a connection that is remembered. Cost: the connections. @throws OpError `netlink-failed` */
  addresses(): Set<string> {
    const found = new Set<string>();
    const writer = new NetlinkWriter();
    writer.begin(
      (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET,
      NLM_F_REQUEST | NLM_F_DUMP,
      this.#socket.nextSequence(),
    );
    writer.raw(generic(0));
    writer.end();
    this.#socket.dump(writer.bytes(), "list connections", ({ payload }) => {
      const attributes = parseAttributes(payload.subarray(GENERIC_BYTES));
      for (const tuple of TUPLES) {
        const fields = parseAttributes(attributes.get(tuple) ?? Buffer.alloc(0)).get(CTA_TUPLE_IP);
        const parts = parseAttributes(fields ?? Buffer.alloc(0));
        const ip = ipFromBytes(parts.get(CTA_IP_SRC[4]) ?? parts.get(CTA_IP_SRC[6]) ?? Buffer.alloc(0));
        if (ip) found.add(formatIp(ip));
      }
    });
    return found;
  }

  /**
   * Deletes what is remembered of connections from and to an address; Linux 5.8 chooses them itself.
   * Cost: the kernel's walk over all connections, twice. @throws OpError `netlink-failed`
   */
  forget(ip: Ip): void {
    for (const tuple of TUPLES) {
      const writer = new NetlinkWriter();
      writer.begin(
        (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE,
        NLM_F_REQUEST | NLM_F_ACK,
        this.#socket.nextSequence(),
      );
      writer.raw(generic(ip.family === 4 ? AF_INET : AF_INET6));
      const outer = writer.open(tuple);
      const inner = writer.open(CTA_TUPLE_IP);
      writer.attribute(CTA_IP_SRC[ip.family], ipBytes(ip));
      writer.close(inner);
      writer.close(outer);
      const filter = writer.open(CTA_FILTER);
      writer.u32(FILTER_FLAGS[tuple] ?? 0, CTA_FILTER_F_CTA_IP_SRC);
      writer.close(filter);
      writer.end();
      const [refusal] = this.#socket.transact(writer.bytes()).refusals;
      // There may be none.
      if (!refusal || refusal.errno === ENOENT) continue;
      throw new OpError(`cannot forget connections of ${formatIp(ip)}: ${errnoName(refusal.errno)}`, {
        code: "netlink-failed",
        facts: { errno: errnoName(refusal.errno), ...(refusal.message && { kernel: refusal.message }) },
      });
    }
  }

  close(): void {
    this.#socket.close();
  }
}
