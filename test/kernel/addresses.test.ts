/** @module Addresses of a lab are in force when the lab says that they are there. */
import { describe, expect, test } from "vitest";
import { Lab } from "../../src/linux/lab.ts";
import { isInForce } from "../../src/linux/local-route.ts";
import { NETLINK_ROUTE, NetlinkSocket } from "../../src/linux/netlink.ts";
import type { Netns } from "../../src/linux/netns.ts";
import { ipOf } from "../../src/linux/sockets.ts";
import { planNetwork } from "../../src/network/plan.ts";
import { kernelAvailable, withNetns } from "../support/kernel.ts";

function withSocket<T>(ns: Netns, body: (socket: NetlinkSocket) => T): T {
  const socket = NetlinkSocket.open(ns, NETLINK_ROUTE);
  try {
    return body(socket);
  } finally {
    socket.close();
  }
}

/** Those that are not, of what a lab says that it has. */
function missing(lab: Lab, addresses: readonly string[]): string[] {
  return addresses.filter((address) => {
    const ns = lab.namespaceOf(address);
    return ns === undefined || !withSocket(ns, (socket) => isInForce(socket, ipOf(address)));
  });
}

describe.skipIf(!kernelAvailable())("addresses", () => {
  test("of nodes, pods and the outside are in force once they are added", () => {
    const wrong: string[] = [];
    let count = 0;
    for (let round = 0; round < 10; round++) {
      const pods = Array.from({ length: 6 }, (_, index) => ({
        key: `d/p${index}`,
        node: index % 2 === 0 ? "a" : "b",
        addresses: [`192.168.0.${index + 1}`, `2001:db8:1::${index + 1}`],
      }));
      const outside = ["192.0.2.1", "2001:db8::1"];
      const plan = planNetwork({
        nodes: [
          { name: "a", addresses: ["10.9.9.8", "2001:db8:9::8"] },
          { name: "b", addresses: ["10.9.9.9", "2001:db8:9::9"] },
        ],
        pods,
        outside,
      });
      const lab = Lab.create(plan);
      try {
        const all = [...plan.nodes, ...plan.pods].flatMap(({ addresses }) => [...addresses]);
        wrong.push(...missing(lab, [...all, ...outside]));
        count += all.length + outside.length;
        for (let index = 0; index < 20; index++) {
          const address = `2001:db8:2::${index + 1}`;
          lab.addOutside(address);
          wrong.push(...missing(lab, [address]));
          count++;
        }
      } finally {
        lab.close();
      }
    }
    expect(wrong).toEqual([]);
    expect(count).toBe(10 * (4 + 12 + 2 + 20));
  });

  test("that nobody has are not in force", async () => {
    await withNetns((ns) => {
      withSocket(ns, (socket) => {
        expect(isInForce(socket, ipOf("2001:db8::1"))).toBe(false);
        expect(isInForce(socket, ipOf("192.0.2.1"))).toBe(false);
      });
    });
  });
});
