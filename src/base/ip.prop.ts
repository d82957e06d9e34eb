import { BlockList, isIP } from "node:net";
import fc from "fast-check";
import { expect, test } from "vitest";
import { cidrContains, cidrRange, formatCidr, formatIp, type Ip, ipBytes, parseCidr, parseIp } from "./ip.ts";

/** What Node says of a text: the address in WHATWG's form, an IPv4-mapped one as IPv4; undefined for what is none. */
function readByNode(text: string): string | undefined {
  // Node takes a zone, which no field of an object may have.
  if (text.includes("%") || isIP(text) === 0) return undefined;
  if (isIP(text) === 4) return text;
  const host = new URL(`http://[${text}]/`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(host);
  if (!mapped) return host;
  return [mapped[1], mapped[2]]
    .map((group) => Number.parseInt(group ?? "", 16))
    .map((group) => `${group >> 8}.${group & 255}`)
    .join(".");
}

function readHere(text: string): string | undefined {
  const ip = parseIp(text);
  return ip && formatIp(ip);
}

const part = fc.oneof(
  fc.nat({ max: 65_535 }).map((group) => group.toString(16)),
  fc.constantFrom("", "0", "00", "10.0.0.0", "1.2.3.4", "255", "256", "01", "ffff", "FFFF", "10000", "g"),
);
const joined = fc
  .array(fc.tuple(part, fc.constantFrom(":", ":", ":", "::", ".", "", "%", "/")), { maxLength: 9 })
  .map((parts) => parts.flat().join(""));
const well = fc.oneof(
  fc.ipV4(),
  fc.ipV6(),
  fc.ipV6().map((text) => text.replace(/(^|:)0(:0)+(:|$)/, "::")),
);
const mutated = fc
  .tuple(
    well,
    fc.array(fc.tuple(fc.nat(), fc.constantFrom("", ":", "::", ".", "0", "f", "/", " ")), { maxLength: 3 }),
  )
  .map(([text, changes]) =>
    changes.reduce((before, [place, put]) => {
      const at = place % (before.length + 1);
      return before.slice(0, at) + put + before.slice(put === "" ? at + 1 : at);
    }, text),
  );
const anyText = fc.oneof(
  well,
  joined,
  mutated,
  fc.tuple(well, well).map(([a, b]) => `${a}::${b}`),
);

test("what is an address, and which, is what Node and WHATWG say", () => {
  fc.assert(
    fc.property(anyText, (text) => {
      expect(readHere(text)).toBe(readByNode(text));
    }),
    {
      numRuns: 20_000,
      seed: 1,
      examples: [["10.0.0.0::"], ["1.2.3.4::"], ["1.2.3.4::5"], ["::1.2.3.4"], ["1::2.3.4.5"]],
    },
  );
});

test("a block is there exactly if its address and its prefix are, and holds what Node says it holds", () => {
  const prefix = fc.oneof(
    fc.integer({ min: -1, max: 130 }).map(String),
    fc.constantFrom("", "08", "+8", "8 ", "1e1"),
  );
  fc.assert(
    fc.property(anyText, prefix, well, fc.boolean(), (address, length, other, isNear) => {
      const parsed = parseCidr(`${address}/${length}`);
      const ip = parseIp(address);
      const family = isIP(address);
      // IPv4-mapped blocks are refused, as Kubernetes refuses them.
      const isBlock =
        family !== 0 &&
        !address.includes("%") &&
        ip?.family === family &&
        String(Number(length)) === length &&
        Number(length) >= 0 &&
        Number(length) <= (family === 4 ? 32 : 128);
      expect(parsed !== undefined).toBe(isBlock);
      if (!parsed) return;
      const { cidr } = parsed;
      const list = new BlockList();
      list.addSubnet(address, cidr.prefix, cidr.family === 4 ? "ipv4" : "ipv6");
      const { first, last } = cidrRange(cidr);
      const asked: Ip | undefined = isNear
        ? { family: cidr.family, bits: [first, last, first - 1n, last + 1n][other.length % 4] ?? first }
        : parseIp(other);
      if (!asked || asked.bits < 0n || ipBytes(asked).length === 0) return;
      const width = cidr.family === 4 ? 32n : 128n;
      if (asked.bits >> width !== 0n && asked.family === cidr.family) return;
      // Node's lists take IPv4 addresses for mapped ones in IPv6 blocks.
      if (asked.family !== cidr.family) expect(cidrContains(cidr, asked)).toBe(false);
      else
        expect(cidrContains(cidr, asked)).toBe(
          list.check(formatIp(asked), asked.family === 4 ? "ipv4" : "ipv6"),
        );
      expect(parseCidr(formatCidr(cidr))).toEqual({ cidr, hostBits: false });
    }),
    {
      numRuns: 20_000,
      seed: 1,
      examples: [
        ["10.0.0.0::", "0", "::1", false],
        ["1.2.3.4::", "64", "::1", false],
      ],
    },
  );
});
