import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { OpError } from "../../src/base/errors.ts";
import type { Netns } from "../../src/linux/netns.ts";
import { inNamespace } from "../../src/linux/netns.ts";
import { canonicalTable } from "../../src/linux/nft-canonical.ts";
import { NftDriver } from "../../src/linux/nft-driver.ts";
import { NftProgram } from "../../src/linux/nft-program.ts";
import type { NftChain, NftChange, NftRule, NftSet, NftStatement, NftTable } from "../../src/nft/table.ts";
import { TABLE_NAME } from "../../src/nft/table.ts";
import { currentNetns, kernelAvailable, withNetns } from "../support/kernel.ts";

const available = kernelAvailable();
const startedIn = currentNetns();

const table = (sets: readonly NftSet[], chains: readonly NftChain[]): NftTable => ({
  name: TABLE_NAME,
  sets: new Map(sets.map((set) => [set.name, set])),
  chains: new Map(chains.map((chain) => [chain.name, chain])),
});

const creation = (wanted: NftTable): NftChange[] => [
  { change: "create-table", table: wanted.name },
  ...[...wanted.chains.values()].map((chain): NftChange => ({ change: "create-chain", chain })),
  ...[...wanted.sets.values()].map((set): NftChange => ({ change: "create-set", set })),
  ...[...wanted.chains.values()].map((chain): NftChange => ({ change: "replace-rules", chain })),
];

const listing = (ns: Netns): string =>
  inNamespace(ns, () => spawnSync("nft", ["list", "ruleset"], { encoding: "utf8" })).stdout;

const withDriver = async (body: (driver: NftDriver, ns: Netns) => void): Promise<void> => {
  await withNetns((ns) => {
    const driver = new NftDriver(ns);
    try {
      body(driver, ns);
    } finally {
      driver.close();
    }
  });
};

const rule = (...statements: NftStatement[]): NftRule => ({ statements });
const chain = (name: string, ...rules: NftRule[]): NftChain => ({ name, rules });
const accept: NftStatement = { kind: "verdict", to: { verdict: "accept" } };

const SETS: readonly NftSet[] = [
  {
    kind: "set",
    name: "a4",
    key: ["address4"],
    interval: false,
    elements: new Set(["10.0.0.1", "255.255.255.255", "0.0.0.0"]),
  },
  {
    kind: "set",
    name: "a6",
    key: ["address6"],
    interval: false,
    elements: new Set(["::", "fd00::1", "2001:db8::a:b"]),
  },
  { kind: "set", name: "p", key: ["port"], interval: false, elements: new Set(["0", "80", "65535"]) },
  { kind: "set", name: "proto", key: ["protocol"], interval: false, elements: new Set(["6", "132"]) },
  {
    kind: "set",
    name: "i",
    key: ["interface"],
    interval: false,
    elements: new Set(["eth0", "tt0123456789abc"]),
  },
  {
    kind: "set",
    name: "app",
    key: ["address4", "protocol", "port"],
    interval: false,
    elements: new Set(["10.0.0.1 . 6 . 80"]),
  },
  {
    kind: "set",
    name: "app6",
    key: ["address6", "protocol", "port"],
    interval: false,
    elements: new Set(["fd00::1 . 17 . 53"]),
  },
  {
    kind: "set",
    name: "ia",
    key: ["interface", "address4"],
    interval: false,
    elements: new Set(["eth0 . 10.0.0.1"]),
  },
  { kind: "set", name: "empty", key: ["address4"], interval: false, elements: new Set() },
  {
    kind: "set",
    name: "c4",
    key: ["address4"],
    interval: true,
    elements: new Set(["0.0.0.0/8", "10.0.0.0/25", "10.0.0.128/25", "10.0.1.7/32", "128.0.0.0/1"]),
  },
  {
    kind: "set",
    name: "c6",
    key: ["address6"],
    interval: true,
    elements: new Set(["fd00::/8", "2001:db8::/32", "8000::/2"]),
  },
  { kind: "set", name: "all6", key: ["address6"], interval: true, elements: new Set(["::/0"]) },
  { kind: "set", name: "none4", key: ["address4"], interval: true, elements: new Set() },
  {
    kind: "verdict-map",
    name: "v",
    key: ["interface"],
    elements: new Map([
      ["eth0", { verdict: "accept" }],
      ["eth1", { verdict: "drop" }],
      ["eth2", { verdict: "jump", chain: "target" }],
      ["eth3", { verdict: "goto", chain: "target" }],
      ["eth4", { verdict: "return" }],
    ]),
  },
  {
    kind: "verdict-map",
    name: "v2",
    key: ["address4", "port"],
    elements: new Map([["10.0.0.1 . 80", { verdict: "accept" }]]),
  },
];

/** Each with its own name, so that a failure says which. */
const STATEMENTS: Readonly<Record<string, readonly NftStatement[]>> = {
  "in interface": [{ kind: "compare", field: "in-interface", equal: true, value: "eth0" }],
  "out interface not": [{ kind: "compare", field: "out-interface", equal: false, value: "eth0" }],
  family: [{ kind: "compare", field: "family", equal: true, value: 10 }, accept],
  "family not": [{ kind: "compare", field: "family", equal: false, value: 2 }],
  protocol: [{ kind: "compare", field: "protocol", equal: true, value: 132 }],
  "source 4": [{ kind: "compare", field: "source-address4", equal: true, value: "10.0.0.1" }],
  "destination 4 not": [{ kind: "compare", field: "destination-address4", equal: false, value: "10.0.0.1" }],
  "source 6": [{ kind: "compare", field: "source-address6", equal: true, value: "fd00::1" }],
  "destination 6": [{ kind: "compare", field: "destination-address6", equal: true, value: "fd00::1" }],
  "both addresses": [
    { kind: "compare", field: "source-address4", equal: true, value: "10.0.0.1" },
    { kind: "compare", field: "destination-address4", equal: true, value: "10.0.0.2" },
  ],
  "family, interface, address": [
    { kind: "compare", field: "family", equal: true, value: 2 },
    { kind: "compare", field: "in-interface", equal: true, value: "eth0" },
    { kind: "compare", field: "source-address4", equal: true, value: "10.0.0.1" },
  ],
  ports: [
    { kind: "compare", field: "protocol", equal: true, value: 6 },
    { kind: "compare", field: "source-port", equal: true, value: 1 },
    { kind: "compare", field: "destination-port", equal: false, value: 65_535 },
  ],
  "icmp type and code": [
    { kind: "compare", field: "icmp-type", equal: true, value: 8 },
    { kind: "compare", field: "icmp-code", equal: true, value: 0 },
  ],
  "icmp6 type and code": [
    { kind: "compare", field: "protocol", equal: true, value: 58 },
    { kind: "compare", field: "icmp6-type", equal: true, value: 128 },
    { kind: "compare", field: "icmp6-code", equal: true, value: 0 },
  ],
  mark: [{ kind: "compare", field: "mark", equal: true, value: 0xdeadbeef }],
  "interface prefix": [{ kind: "interface-prefix", field: "in-interface", prefix: "tt" }],
  "out interface prefix": [{ kind: "interface-prefix", field: "out-interface", prefix: "tt" }],
  "port range": [{ kind: "range", field: "destination-port", first: 80, last: 90, inside: true }],
  "port range not": [{ kind: "range", field: "source-port", first: 80, last: 90, inside: false }],
  "port range of one": [{ kind: "range", field: "destination-port", first: 80, last: 80, inside: true }],
  "protocol range": [{ kind: "range", field: "protocol", first: 2, last: 5, inside: true }],
  "icmp range": [{ kind: "range", field: "icmp-type", first: 2, last: 5, inside: true }],
  "icmp6 range": [{ kind: "range", field: "icmp6-type", first: 2, last: 5, inside: false }],
  "prefix of bytes": [{ kind: "prefix", field: "source-address4", cidr: "10.0.0.0/8", inside: true }],
  "prefix of bits": [{ kind: "prefix", field: "destination-address4", cidr: "10.0.0.0/9", inside: false }],
  "prefix of one": [{ kind: "prefix", field: "destination-address4", cidr: "10.0.0.1/32", inside: true }],
  "prefix of all": [{ kind: "prefix", field: "source-address4", cidr: "0.0.0.0/0", inside: true }],
  "prefix of none": [{ kind: "prefix", field: "source-address4", cidr: "0.0.0.0/0", inside: false }],
  "prefix 6": [{ kind: "prefix", field: "source-address6", cidr: "fd00::/7", inside: true }],
  "prefix 6 of bytes": [
    { kind: "prefix", field: "destination-address6", cidr: "2001:db8::/32", inside: false },
  ],
  "prefix 6 of all": [{ kind: "prefix", field: "destination-address6", cidr: "::/0", inside: true }],
  "prefix 6 of half": [{ kind: "prefix", field: "destination-address6", cidr: "fd00::/65", inside: true }],
  "ct state": [{ kind: "ct-state", states: ["established", "related"] }, accept],
  "ct state of all": [{ kind: "ct-state", states: ["invalid", "new", "related", "established"] }],
  "ct dnat": [{ kind: "ct-dnat" }],
  lookup: [{ kind: "lookup", fields: ["source-address4"], set: "a4", present: true }],
  "lookup not": [{ kind: "lookup", fields: ["source-address4"], set: "c4", present: false }],
  "lookup 6": [{ kind: "lookup", fields: ["destination-address6"], set: "c6", present: true }],
  "lookup three": [
    {
      kind: "lookup",
      fields: ["destination-address4", "protocol", "destination-port"],
      set: "app",
      present: true,
    },
  ],
  "lookup three 6": [
    {
      kind: "lookup",
      fields: ["destination-address6", "protocol", "destination-port"],
      set: "app6",
      present: false,
    },
  ],
  "lookup interface": [
    { kind: "lookup", fields: ["in-interface", "source-address4"], set: "ia", present: true },
  ],
  "two lookups": [
    { kind: "lookup", fields: ["source-address4"], set: "a4", present: true },
    { kind: "lookup", fields: ["destination-address4"], set: "a4", present: false },
  ],
  "verdict map": [{ kind: "verdict-map", fields: ["in-interface"], map: "v" }],
  "verdict map of two": [
    { kind: "verdict-map", fields: ["destination-address4", "destination-port"], map: "v2" },
  ],
  "mark test": [{ kind: "mark-test", mask: 0xf0, value: 0x10 }],
  "mark set": [{ kind: "mark-set", mask: 0xf0, value: 0x20 }],
  "mark set whole": [{ kind: "mark-set", mask: 0xffffffff, value: 0xdeadbeef }],
  "counter and verdict": [{ kind: "counter" }, { kind: "verdict", to: { verdict: "drop" } }],
  log: [{ kind: "log", prefix: "tortie drop ", perSecond: 10 }],
  reject: [{ kind: "reject", saying: "admin-prohibited" }],
  "reject as a closed port": [{ kind: "reject", saying: "port-unreachable" }],
  return: [{ kind: "verdict", to: { verdict: "return" } }],
  jump: [{ kind: "verdict", to: { verdict: "jump", chain: "target" } }],
  goto: [{ kind: "verdict", to: { verdict: "goto", chain: "target" } }],
};

const TCP: NftStatement = { kind: "compare", field: "protocol", equal: true, value: 6 };
const NAT_CHAINS: readonly NftChain[] = [
  {
    name: "services",
    hook: { type: "nat", hook: "prerouting", priority: -100, policy: "accept" },
    rules: [
      rule(TCP, { kind: "dnat", family: 4, backends: [{ address: "10.0.0.1", port: 80 }] }),
      rule(TCP, {
        kind: "dnat",
        family: 4,
        backends: [
          { address: "10.0.0.2", port: 81 },
          { address: "10.0.0.1", port: 80 },
          { address: "10.0.0.1", port: 80 },
        ],
      }),
      rule(TCP, { kind: "dnat", family: 6, backends: [{ address: "fd00::1", port: 80 }] }),
      rule(TCP, {
        kind: "dnat",
        family: 6,
        backends: [
          { address: "fd00::2", port: 65_535 },
          { address: "fd00::1", port: 1 },
        ],
      }),
    ],
  },
  {
    name: "hairpin",
    hook: { type: "nat", hook: "postrouting", priority: 100, policy: "accept" },
    rules: [rule({ kind: "masquerade" })],
  },
  {
    name: "raw",
    hook: { type: "filter", hook: "prerouting", priority: -300, policy: "accept" },
    rules: [rule({ kind: "notrack" })],
  },
];

const FULL: NftTable = table(SETS, [
  chain("target"),
  {
    name: "forward",
    hook: { type: "filter", hook: "forward", priority: -5, policy: "drop" },
    rules: [rule({ kind: "counter" })],
  },
  ...Object.entries(STATEMENTS).map(([name, statements], index) =>
    chain(`s${index}`, { statements, comment: `${name} "quoted" ${"x".repeat(150)}` }),
  ),
  ...NAT_CHAINS,
]);

describe.skipIf(!available)("the netlink driver", () => {
  test("every statement and kind of set reads back as it was written", async () => {
    await withDriver((driver, ns) => {
      driver.apply(creation(FULL));
      const read = driver.read();
      for (const [name, wanted] of canonicalTable(FULL).chains)
        expect(read?.chains.get(name), name).toEqual(wanted);
      for (const [name, wanted] of FULL.sets) expect(read?.sets.get(name), name).toEqual(wanted);
      expect(read).toEqual(canonicalTable(FULL));
      // nft understands what the encoder wrote: no rule is printed as bytes or is left out.
      const text = listing(ns).replace(/\s+/g, " ");
      expect(text).toContain("10.0.0.0/25, 10.0.0.128/25");
      expect(text).toContain('"eth2" : jump target');
      expect(text).toContain("10.0.0.1 . tcp . 80");
      expect(text).toContain("numgen random mod 3 map");
      expect(text).toContain('comment "log ?quoted? xxx');
      expect(text).not.toMatch(/@nh|@th|unknown|0x00000000 \[invalid/);
    });
  });

  test("a table loaded by nft and the same through the encoder read back equal", async () => {
    const text = `table inet tortie {
      set a4 { type ipv4_addr; elements = { 10.0.0.1, 10.0.0.2 }
      }
      set c4 { type ipv4_addr; flags interval; elements = { 10.0.0.0/25, 10.0.0.128/25, 128.0.0.0/1 }
      }
      set app { type ipv4_addr . inet_proto . inet_service; elements = { 10.0.0.1 . 6 . 80 }
      }
      chain web {
      }
      map v { type ifname : verdict; elements = { "eth0" : jump web }
      }
      chain forward { type filter hook forward priority 0; policy drop;
        ct state established,related accept
        iifname vmap @v
        ip saddr @c4 ip daddr @a4 meta l4proto tcp th dport 80-90 counter accept comment "from here"
        ip saddr 10.1.2.3 ip daddr 10.3.2.1 drop
        icmp type 8 icmp code 0 accept
        icmpv6 type 128 accept
        meta l4proto 6 th sport 5 th dport 6 accept
        ip daddr . meta l4proto . th dport @app accept
        ip saddr != 10.0.0.0/9 ip6 nexthdr 6 accept
      }
      chain more {
        ip6 saddr fd00::/7 ip6 daddr != 2001:db8::/32 accept
        iifname "tt*" oifname "eth0" return
        meta mark & 0x000000f0 == 0x00000010 meta mark set meta mark & 0xffffff0f | 0x00000020
        meta mark set 5
        limit rate 7/second log prefix "tortie "
        ct status dnat th dport != 1-5 reject with icmpx admin-prohibited
      }
      chain nat { type nat hook prerouting priority -100; policy accept;
        meta l4proto tcp th dport 80 dnat ip to numgen random mod 2 map { 0 : 10.0.0.1 . 80, 1 : 10.0.0.2 . 81 }
        meta l4proto tcp dnat ip to 10.0.0.1:80
      }
    }\n`.replace(/^.*nexthdr.*\n/m, "");
    await withNetns(async (ns) => {
      new NftProgram(ns, () => text).apply([{ change: "create-table", table: TABLE_NAME }]);
      const byProgram = new NftDriver(ns);
      const loaded = byProgram.read();
      byProgram.close();
      expect(loaded).toBeDefined();
      if (!loaded) return;
      expect([...loaded.chains.values()].flatMap((one) => one.rules.map((r) => r.comment))).not.toContain(
        "(not understood)",
      );
      expect(loaded.chains.get("forward")?.rules).toHaveLength(8);
      expect(loaded.chains.get("forward")?.rules[2]).toEqual({
        statements: [
          { kind: "lookup", fields: ["source-address4"], set: "c4", present: true },
          { kind: "lookup", fields: ["destination-address4"], set: "a4", present: true },
          { kind: "compare", field: "protocol", equal: true, value: 6 },
          { kind: "range", field: "destination-port", first: 80, last: 90, inside: true },
          { kind: "counter" },
          accept,
        ],
        comment: "from here",
      });
      await withDriver((driver, other) => {
        driver.apply(creation(loaded));
        expect(driver.read()).toEqual(loaded);
        // And nft prints the two alike.
        const lines = (of: Netns): string[] =>
          listing(of)
            .split("\n")
            .map((line) => line.trim())
            .sort();
        expect(lines(other)).toEqual(lines(ns));
      });
    });
  });

  test("elements, verdicts and rules change in place", async () => {
    await withDriver((driver) => {
      const set = (...keys: string[]): NftSet => ({
        kind: "set",
        name: "s",
        key: ["address4"],
        interval: false,
        elements: new Set(keys),
      });
      const blocks = (...keys: string[]): NftSet => ({
        kind: "set",
        name: "c",
        key: ["address4"],
        interval: true,
        elements: new Set(keys),
      });
      const map = (verdict: "accept" | "drop"): NftSet => ({
        kind: "verdict-map",
        name: "m",
        key: ["interface"],
        elements: new Map([["eth0", { verdict }]]),
      });
      driver.apply(
        creation(
          table(
            [set("10.0.0.1"), blocks("10.0.0.0/24"), map("drop")],
            [chain("x", rule({ kind: "counter" }))],
          ),
        ),
      );
      driver.apply([
        { change: "add-elements", set: set("10.0.0.1", "10.0.0.2"), keys: ["10.0.0.2"] },
        { change: "delete-elements", set: set(), keys: ["10.0.0.1"] },
        { change: "add-elements", set: blocks(), keys: ["10.0.1.0/24", "10.0.2.0/23", "255.255.255.0/24"] },
        { change: "delete-elements", set: blocks(), keys: ["10.0.0.0/24"] },
        { change: "delete-elements", set: map("drop"), keys: ["eth0"] },
        { change: "add-elements", set: map("accept"), keys: ["eth0"] },
        { change: "replace-rules", chain: chain("x", rule(accept), rule({ kind: "ct-dnat" })) },
      ]);
      expect(driver.read()).toEqual(
        table(
          [set("10.0.0.2"), blocks("10.0.1.0/24", "10.0.2.0/23", "255.255.255.0/24"), map("accept")],
          [chain("x", rule(accept), rule({ kind: "ct-dnat" }))],
        ),
      );
      driver.apply([
        { change: "delete-elements", set: blocks(), keys: ["255.255.255.0/24", "10.0.2.0/23"] },
        { change: "delete-chain", name: "x" },
        { change: "delete-set", name: "m" },
      ]);
      expect(driver.read()).toEqual(table([set("10.0.0.2"), blocks("10.0.1.0/24")], []));
      driver.apply([{ change: "delete-table", table: TABLE_NAME }]);
      expect(driver.read()).toBeUndefined();
    });
  });

  test("a refused change leaves everything as it was, and is named", async () => {
    await withDriver((driver) => {
      const before = table([], [chain("x", rule(accept))]);
      driver.apply(creation(before));
      const attempt = (): void =>
        driver.apply([
          { change: "replace-rules", chain: chain("x") },
          { change: "delete-set", name: "nowhere" },
          { change: "create-chain", chain: chain("y") },
        ]);
      expect(attempt).toThrow(OpError);
      try {
        attempt();
      } catch (error) {
        expect(error).toMatchObject({
          code: "nft-refused",
          facts: { index: 1, change: "delete-set", errno: "ENOENT" },
        });
      }
      expect(driver.read()).toEqual(before);
    });
  });

  test("a loop of jumps is refused as a whole", async () => {
    await withDriver((driver) => {
      const jump = (to: string): NftRule => rule({ kind: "verdict", to: { verdict: "jump", chain: to } });
      const base: NftChain = {
        name: "base",
        hook: { type: "filter", hook: "forward", priority: 0, policy: "accept" },
        rules: [jump("x")],
      };
      expect(() =>
        driver.apply(creation(table([], [base, chain("x", jump("y")), chain("y", jump("x"))]))),
      ).toThrow(expect.objectContaining({ code: "nft-refused" }));
      expect(driver.read()).toBeUndefined();
    });
  });

  test("foreign tables are neither read nor touched", async () => {
    await withDriver((driver, ns) => {
      const foreign =
        "table inet other {\n\tchain tortie {\n\t\tip saddr 10.0.0.1 accept\n\t}\n}\ntable ip tortie {\n\tchain x {\n\t}\n}\n";
      new NftProgram(ns, () => foreign).load(foreign);
      expect(driver.read()).toBeUndefined();
      driver.apply(creation(table([], [chain("x")])));
      expect(driver.read()).toEqual(table([], [chain("x")]));
      driver.apply([{ change: "delete-table", table: TABLE_NAME }]);
      expect(listing(ns)).toBe(foreign);
    });
  });

  test("a rule that we cannot say equals no rule of ours", async () => {
    await withDriver((driver, ns) => {
      const text = "table inet tortie {\n chain x { tcp flags syn accept\n }\n}\n";
      new NftProgram(ns, () => text).load(text);
      expect(driver.read()?.chains.get("x")?.rules).toEqual([
        { statements: [], comment: "(not understood)" },
      ]);
    });
  });

  test("large changes are one transaction", async () => {
    await withDriver((driver) => {
      const addresses = Array.from(
        { length: 100_000 },
        (_, n) => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`,
      );
      const set: NftSet = {
        kind: "set",
        name: "s",
        key: ["address4"],
        interval: false,
        elements: new Set(addresses),
      };
      driver.apply(creation(table([set], [])));
      // As text: deep equality of sets is quadratic.
      expect([...(driver.read()?.sets.get("s")?.elements.keys() ?? [])].sort().join()).toBe(
        [...addresses].sort().join(),
      );
      const chains = Array.from({ length: 10_000 }, (_, n) =>
        chain(`pod-${n}`, {
          statements: [{ kind: "lookup", fields: ["source-address4"], set: "s", present: true }, accept],
          comment: "NetworkPolicy default/some-policy",
        }),
      );
      const changes = chains.flatMap((one): NftChange[] => [
        { change: "create-chain", chain: one },
        { change: "replace-rules", chain: one },
      ]);
      driver.apply(changes);
      expect(driver.read()?.chains.size).toBe(10_000);
    });
  });

  test("the namespace that the tests run in stays as it is", () => {
    expect(currentNetns()).toBe(startedIn);
  });
});
