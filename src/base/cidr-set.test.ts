import fc from "fast-check";
import { expect, test } from "vitest";
import { CidrSet, uncovered } from "./cidr-set.ts";
import { type Cidr, cidrContains, formatCidr, type Ip, parseCidr, parseIp } from "./ip.ts";

const cidr = (text: string): Cidr => parseCidr(text)!.cidr;
const ip = (text: string): Ip => parseIp(text)!;

test("blocks that others cover are left out, and the rest is sorted", () => {
  const nets = [
    "10.1.0.0/16",
    "::/0",
    "10.0.0.0/8",
    "9.9.9.9/32",
    "2001:db8::/32",
    "10.0.0.0/8",
    "0.0.0.0/32",
  ];
  expect(uncovered(nets.map(cidr)).map(formatCidr)).toEqual([
    "0.0.0.0/32",
    "9.9.9.9/32",
    "10.0.0.0/8",
    "::/0",
  ]);
});

test("the whole of IPv4 covers everything of IPv4 and nothing of IPv6", () => {
  const all = new CidrSet([cidr("0.0.0.0/0"), cidr("255.255.255.255/32")]);
  expect([all.has(ip("0.0.0.0")), all.has(ip("255.255.255.255")), all.has(ip("::"))]).toEqual([
    true,
    true,
    false,
  ]);
});

test("the first and the last address of a block are in it, and their neighbours are not", () => {
  const set = new CidrSet([cidr("10.0.0.4/30"), cidr("2001:db8::8/125"), cidr("10.0.0.9/32")]);
  const asked = [
    "10.0.0.3",
    "10.0.0.4",
    "10.0.0.7",
    "10.0.0.8",
    "10.0.0.9",
    "10.0.0.10",
    "2001:db8::f",
    "2001:db8::10",
  ];
  expect(asked.filter((text) => set.has(ip(text)))).toEqual([
    "10.0.0.4",
    "10.0.0.7",
    "10.0.0.9",
    "2001:db8::f",
  ]);
});

test("a set holds what one of its blocks contains, whatever they are", () => {
  const net = fc
    .tuple(
      fc.constantFrom(4 as const, 6 as const),
      fc.integer({ min: 0, max: 63 }),
      fc.integer({ min: 0, max: 6 }),
    )
    .map(([family, low, host]): Cidr => {
      const prefix = (family === 4 ? 32 : 128) - host;
      return { family, bits: (BigInt(low) >> BigInt(host)) << BigInt(host), prefix };
    });
  fc.assert(
    fc.property(fc.array(net, { maxLength: 12 }), (nets) => {
      const set = new CidrSet(nets);
      for (const family of [4, 6] as const) {
        for (let bits = 0n; bits < 66n; bits++) {
          const address: Ip = { family, bits };
          expect(set.has(address)).toBe(nets.some((one) => cidrContains(one, address)));
        }
      }
    }),
  );
});
