import { describe, expect, test } from "vitest";
import { uncovered } from "./cidr-set.ts";
import {
  cidrContains,
  cidrCovers,
  cidrRange,
  formatCidr,
  formatIp,
  ipBytes,
  ipFromBytes,
  parseCidr,
  parseIp,
} from "./ip.ts";

describe("addresses", () => {
  test.each([
    ["0.0.0.0", "0.0.0.0"],
    ["255.255.255.255", "255.255.255.255"],
    ["::", "::"],
    ["::1", "::1"],
    ["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["64:ff9b::192.0.2.1", "64:ff9b::c000:201"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
  ])("%s is printed as %s", (text, canonical) => {
    const ip = parseIp(text);
    expect(ip && formatIp(ip)).toBe(canonical);
  });

  test.each([
    "",
    "1.2.3",
    "1.2.3.4.5",
    "01.2.3.4",
    "256.1.1.1",
    "1.2.3.4/8",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7:8:9",
    "12345::",
    "fe80::1%eth0",
    "1.2.3.4 ",
    "1:2:3:4:5:6:7:8::",
  ])("%j is no address", (text) => {
    expect(parseIp(text)).toBeUndefined();
  });

  test("bytes and back are the same address", () => {
    for (const text of ["10.1.2.3", "2001:db8::7"]) {
      const ip = parseIp(text);
      expect(ip && ipFromBytes(ipBytes(ip))).toEqual(ip);
    }
  });
});

describe("CIDRs", () => {
  test.each([
    ["10.0.0.0/8", "10.0.0.0/8", false],
    ["10.1.2.3/8", "10.0.0.0/8", true],
    ["2001:db8::1/32", "2001:db8::/32", true],
    ["0.0.0.0/0", "0.0.0.0/0", false],
    ["::/0", "::/0", false],
  ])("%s is %s, host bits %s", (text, canonical, hostBits) => {
    const parsed = parseCidr(text);
    expect(parsed && formatCidr(parsed.cidr)).toBe(canonical);
    expect(parsed?.hostBits).toBe(hostBits);
  });

  test.each([
    "10.0.0.0",
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/08",
    "::/129",
    "x/8",
    "::ffff:10.0.0.0/104",
  ])("%s is no CIDR", (text) => {
    expect(parseCidr(text)).toBeUndefined();
  });

  const cidr = (text: string) => parseCidr(text)!.cidr;
  test("a block holds its first and last address and no other", () => {
    const block = cidr("192.168.4.0/22");
    const { first, last } = cidrRange(block);
    expect(cidrContains(block, { family: 4, bits: first })).toBe(true);
    expect(cidrContains(block, { family: 4, bits: last })).toBe(true);
    expect(cidrContains(block, { family: 4, bits: last + 1n })).toBe(false);
    expect(cidrContains(block, { family: 6, bits: first })).toBe(false);
  });

  test("families never cover each other", () => {
    expect(cidrCovers(cidr("0.0.0.0/0"), cidr("::/0"))).toBe(false);
  });

  test("what another block covers is left out, whatever the order", () => {
    const texts = ["10.0.0.0/8", "10.1.0.0/16", "11.0.0.0/9", "::/0", "2001:db8::/32", "10.0.0.0/8"];
    const wanted = ["10.0.0.0/8", "11.0.0.0/9", "::/0"];
    expect(uncovered(texts.map(cidr)).map(formatCidr)).toEqual(wanted);
    expect(uncovered(texts.reverse().map(cidr)).map(formatCidr)).toEqual(wanted);
  });
});
