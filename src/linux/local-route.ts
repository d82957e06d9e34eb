/** @module Whether an address that was added takes packets in. */
import { OpError } from "../base/errors.ts";
import { hostCidr, type Ip, ipBytes } from "../base/ip.ts";
import { AF_INET, AF_INET6 } from "./constants.ts";
import { type NetlinkSocket, NetlinkWriter, NLM_F_ACK, NLM_F_REQUEST } from "./netlink.ts";

const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;
const RTA_DST = 1;
const RTN_LOCAL = 2;

/**
 * IPv6 addresses are listed at once, but the kernel makes their local route in a worker of its own, a little later, also
 * without duplicate detection (addrconf_dad_work). Until then packets to them have no route.
 */
export function isInForce(socket: NetlinkSocket, ip: Ip): boolean {
  // `struct rtmsg`
  const fixed = Buffer.alloc(12);
  fixed[0] = ip.family === 4 ? AF_INET : AF_INET6;
  fixed[1] = hostCidr(ip).prefix;
  const writer = new NetlinkWriter(64);
  writer.begin(RTM_GETROUTE, NLM_F_REQUEST | NLM_F_ACK, 1);
  writer.raw(fixed);
  writer.attribute(RTA_DST, ipBytes(ip));
  writer.end();
  let isLocal = false;
  try {
    socket.dump(writer.bytes(), "look a route up", (message) => {
      if (message.type === RTM_NEWROUTE) isLocal = message.payload[7] === RTN_LOCAL;
    });
  } catch (error) {
    // "No route" and its like: it is not there yet.
    if (error instanceof OpError && error.facts["errno"] !== undefined) return false;
    throw error;
  }
  return isLocal;
}
