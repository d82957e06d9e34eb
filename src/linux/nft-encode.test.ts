import { expect, test } from "vitest";
import type { NftChange, NftSet } from "../nft/table.ts";
import { eachAttribute, NLMSG_HEADER, parseAttributes, parseMessages } from "./netlink.ts";
import { canonicalRule } from "./nft-canonical.ts";
import { decodeRule } from "./nft-decode.ts";
import { decodeIntervals } from "./nft-decode-set.ts";
import { encodeBatch, keyTypeNumber } from "./nft-encode.ts";
import { keyBytes, keyText } from "./nft-fields.ts";
import * as N from "./nft-names.ts";

const messages = (changes: readonly NftChange[]) =>
  [...parseMessages(Buffer.from(encodeBatch(changes).bytes))].map((message) => ({
    type: message.type & 255,
    attributes: parseAttributes(message.payload.subarray(4)),
    sequence: message.sequence,
    size: message.payload.length + NLMSG_HEADER,
  }));

test("a batch is one transaction: its beginning, the changes in order, its end", () => {
  const types = messages([
    { change: "create-table", table: "tortie" },
    { change: "create-chain", chain: { name: "x", rules: [] } },
    { change: "replace-rules", chain: { name: "x", rules: [{ statements: [] }] } },
    { change: "delete-chain", name: "x" },
  ]).map((message) => message.type);
  expect(types).toEqual([
    N.NFNL_MSG_BATCH_BEGIN,
    N.NFT_MSG_NEWTABLE,
    N.NFT_MSG_NEWCHAIN,
    N.NFT_MSG_DELRULE,
    N.NFT_MSG_NEWRULE,
    N.NFT_MSG_DELCHAIN,
    N.NFNL_MSG_BATCH_END,
  ]);
});

test("a message is known again as the change that it belongs to", () => {
  const batch = encodeBatch(
    [
      { change: "create-table", table: "t" },
      { change: "delete-set", name: "s" },
    ],
    { firstSequence: 100 },
  );
  expect([100, 101, 102, 103, 99].map((sequence) => batch.changeOf(sequence))).toEqual([-1, 0, 1, -1, -1]);
});

test("elements are split into messages whose attributes stay below 64 KiB", () => {
  const keys = Array.from({ length: 20_000 }, (_, n) => `10.0.${n >> 8}.${n & 255}`);
  const set: NftSet = { kind: "set", name: "s", key: ["address4"], interval: false, elements: new Set(keys) };
  const found = messages([{ change: "add-elements", set, keys }]).filter(
    (one) => one.type === N.NFT_MSG_NEWSETELEM,
  );
  expect(found.length).toBeGreaterThan(4);
  expect(Math.max(...found.map((message) => message.size))).toBeLessThan(65_536);
  const count = found.reduce((sum, one) => {
    return (
      sum + [...eachAttribute(one.attributes.get(N.NFTA_SET_ELEM_LIST_ELEMENTS) ?? Buffer.alloc(0))].length
    );
  }, 0);
  expect(count).toBe(20_000);
});

test.each([
  [["address4"], "10.0.0.1"],
  [["address6"], "fd00::1"],
  [["port"], "65535"],
  [["interface"], "tt0123456789abc"],
  [["address4", "protocol", "port"], "255.0.0.1 . 17 . 53"],
  [["interface", "address6"], "eth0 . ::"],
] as const)("the key of %j reads back", (types, key) => {
  expect(keyText(types, Buffer.from(keyBytes(types, key)))).toBe(key);
});

test.each([
  [["address4"], "10.0.0"],
  [["address4"], "10.0.0.1/24"],
  [["address6"], "10.0.0.1"],
  [["port"], "65536"],
  [["interface"], "sixteen-letters-"],
  [["address4", "port"], "10.0.0.1"],
] as const)("%j does not take %s", (types, key) => {
  expect(() => keyBytes(types, key)).toThrow();
});

test("types of a concatenation are six bits each, as nft has them", () => {
  expect(keyTypeNumber(["address4", "protocol", "port"])).toBe((7 << 12) | (12 << 6) | 13);
});

test("starts and ends become CIDRs, whatever their order, with or without ends between neighbours", () => {
  const start = (bits: bigint) => ({ bits, end: false });
  const end = (bits: bigint) => ({ bits, end: true });
  expect(decodeIntervals([end(0n), start(0x80000000n), end(0x0a000100n), start(0x0a000000n)], 4)).toEqual([
    "10.0.0.0/24",
    "128.0.0.0/1",
  ]);
  expect(decodeIntervals([start(0n), start(256n), end(512n)], 4)).toEqual(["0.0.0.0/24", "0.0.1.0/24"]);
  expect(decodeIntervals([start(1n), end(4n)], 4)).toEqual(["0.0.0.1-0.0.0.3"]);
});

test("a rule reads back from its own bytes, in canonical spelling", () => {
  const rule = {
    statements: [
      { kind: "compare", field: "protocol", equal: true, value: 1 },
      { kind: "compare", field: "icmp-type", equal: true, value: 8 },
      { kind: "prefix", field: "source-address4", cidr: "10.0.0.0/13", inside: false },
      { kind: "counter" },
      { kind: "verdict", to: { verdict: "goto", chain: "y" } },
    ],
    comment: 'said "so"',
  } as const;
  const [message] = messages([{ change: "replace-rules", chain: { name: "x", rules: [rule] } }]).filter(
    (one) => one.type === N.NFT_MSG_NEWRULE,
  );
  const decoded = decodeRule(message?.attributes ?? new Map(), new Map());
  expect(decoded.rule).toEqual(canonicalRule(rule));
  expect(decoded.rule.comment).toBe("said ?so?");
  // The protocol is implied by the type of ICMP.
  expect(decoded.rule.statements[0]).toEqual({ kind: "compare", field: "icmp-type", equal: true, value: 8 });
});
