import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Lab } from "../../src/linux/lab.ts";
import { inNamespace } from "../../src/linux/netns.ts";
import type { ProbeProtocol, ProbeRequest } from "../../src/linux/probe.ts";
import { planNetwork } from "../../src/network/plan.ts";
import type { NftChange, NftHook, NftRule, NftStatement } from "../../src/nft/table.ts";
import { TABLE_NAME } from "../../src/nft/table.ts";
import { currentNetns, kernelAvailable } from "../support/kernel.ts";

const available = kernelAvailable();
const FAMILIES = [4, 6] as const;
const PORTS = [
  { protocol: "tcp", port: 80 },
  { protocol: "udp", port: 53 },
  { protocol: "sctp", port: 99 },
] as const;

const rule = (...statements: NftStatement[]): NftRule => ({ statements });
const verdict = (to: "accept" | "drop"): NftStatement => ({ kind: "verdict", to: { verdict: to } });
const ESTABLISHED = rule({ kind: "ct-state", states: ["established", "related"] }, verdict("accept"));

const FORWARD: NftHook = { type: "filter", hook: "forward", priority: 0, policy: "accept" };

/** All of a node's forwarding rules. */
const policy = (...rules: NftRule[]): NftChange[] => [
  { change: "create-table", table: TABLE_NAME },
  { change: "delete-table", table: TABLE_NAME },
  { change: "create-table", table: TABLE_NAME },
  { change: "create-chain", chain: { name: "forward", hook: FORWARD, rules: [] } },
  { change: "replace-rules", chain: { name: "forward", hook: FORWARD, rules } },
];

const openFiles = (): number => readdirSync("/proc/self/fd").length;

describe.skipIf(!available)("a lab of two nodes", () => {
  let lab: Lab;
  const before = { netns: "", links: "" };

  beforeAll(() => {
    before.netns = currentNetns();
    before.links = readFileSync("/proc/thread-self/net/dev", "utf8").replace(/[0-9]+/g, "");
    lab = Lab.create(
      planNetwork({
        nodes: [{ name: "a" }, { name: "b", addresses: ["10.9.9.9"] }],
        pods: [
          { key: "d/client", node: "a" },
          { key: "d/near", node: "a" },
          { key: "d/far", node: "b" },
          { key: "d/quiet", node: "b" },
          { key: "d/odd", node: "b", addresses: ["192.168.0.20", "2001:db8:1::5"] },
          { key: "d/host", node: "b", hostNetwork: true },
        ],
        outside: ["192.0.2.1", "8.8.8.8", "2001:db8::1"],
      }),
    );
    for (const key of ["d/near", "d/far", "d/odd", "d/host"]) lab.listen(key, PORTS);
    for (const address of ["8.8.8.8", "2001:db8::1"]) lab.listenAt(address, PORTS);
  });

  afterAll(() => lab.close());

  const to = (key: string, family: 4 | 6): string => lab.from(key, family).address;
  const probes = (from: ProbeRequest["from"], address: string): ProbeRequest[] => [
    ...PORTS.map(({ protocol, port }) => ({ from, to: address, protocol: protocol as ProbeProtocol, port })),
    { from, to: address, protocol: "icmp" },
  ];
  const outcomes = async (requests: readonly ProbeRequest[]): Promise<string[]> =>
    (await lab.probe(requests)).map((result) => result.outcome);

  test("a pod whose link cannot be made leaves nothing of itself, and its predecessor as it was", () => {
    const { plan } = lab.pod("d/near");
    const files = openFiles();
    for (let tried = 0; tried < 3; tried++) expect(() => lab.linkPod(plan)).toThrow("EEXIST");
    expect(openFiles()).toBe(files);
    expect(lab.from("d/near").address).toBe(plan.addresses[0]);
  });

  test("no two owners share an address, and the machine's own network is not touched", () => {
    expect(currentNetns()).toBe(before.netns);
    expect(readFileSync("/proc/thread-self/net/dev", "utf8").replace(/[0-9]+/g, "")).toBe(before.links);
    const addresses = lab.plan.pods.filter((pod) => pod.interface).flatMap((pod) => pod.addresses);
    expect(new Set(addresses).size).toBe(addresses.length);
  });

  describe.each(FAMILIES)("over IPv%i", (family) => {
    test.each(["d/near", "d/far", "d/odd", "d/host"])(
      "all protocols reach %s, which listens",
      async (key) => {
        expect(await outcomes(probes(lab.from("d/client", family), to(key, family)))).toEqual([
          "open",
          "open",
          "open",
          "open",
        ]);
      },
    );

    test("a pod that does not listen refuses, which is reachable", async () => {
      const results = await lab.probe(probes(lab.from("d/client", family), to("d/quiet", family)));
      expect(results.map((result) => result.outcome)).toEqual(["refused", "refused", "refused", "open"]);
      expect(results.every((result) => result.reachable)).toBe(true);
    });

    test("a pod reaches itself", async () => {
      expect(await outcomes(probes(lab.from("d/far", family), to("d/far", family)))).toEqual([
        "open",
        "open",
        "open",
        "open",
      ]);
    });

    test("pods reach the outside, and the outside pods", async () => {
      const [listening, calling] = family === 4 ? ["8.8.8.8", "192.0.2.1"] : ["2001:db8::1", "2001:db8::1"];
      expect(await outcomes(probes(lab.from("d/client", family), listening))).toEqual([
        "open",
        "open",
        "open",
        "open",
      ]);
      for (const key of ["d/far", "d/odd"]) {
        expect(await outcomes(probes(lab.fromAddress(calling), to(key, family)))).toEqual([
          "open",
          "open",
          "open",
          "open",
        ]);
      }
    });

    test("nodes reach pods, and pods nodes", async () => {
      const node = lab.fromAddress(lab.node("a").plan.addresses[family === 4 ? 0 : 1] ?? "");
      expect(await outcomes(probes(node, to("d/near", family)))).toEqual(["open", "open", "open", "open"]);
      expect(await outcomes(probes(node, to("d/far", family)))).toEqual(["open", "open", "open", "open"]);
      const [tcp] = await outcomes(probes(lab.from("d/client", family), node.address));
      expect(tcp).toBe("refused");
    });

    test("an address that nobody has is silent", async () => {
      const request = {
        from: lab.from("d/client", family),
        protocol: "tcp",
        port: 80,
        timeoutMs: 100,
      } as const;
      const addresses = family === 4 ? ["192.168.0.60", "9.9.9.9"] : ["fd00:10:244::3a", "2001:db8::9"];
      expect(await outcomes(addresses.map((address) => ({ ...request, to: address })))).toEqual([
        "silent",
        "silent",
      ]);
    });

    test("ICMP of a kind that nobody answers is seen to arrive, or not", async () => {
      const icmp = family === 4 ? { type: 17, code: 0 } : { type: 200, code: 7 };
      const request = {
        from: lab.from("d/client", family),
        to: to("d/far", family),
        protocol: "icmp",
        icmp,
      } as const;
      expect(await outcomes([request])).toEqual(["open"]);
      const field = family === 4 ? "icmp-type" : "icmp6-type";
      const { nft } = lab.node("b");
      nft.apply(policy(rule({ kind: "compare", field, equal: true, value: icmp.type }, verdict("drop"))));
      expect(await outcomes([request])).toEqual(["silent"]);
      nft.apply(policy());
    });

    test("what a rule drops is silent, what it rejects is rejected, and the rest stays open", async () => {
      const { nft } = lab.node("b");
      const field = family === 4 ? "destination-address4" : "destination-address6";
      const drop = rule(
        { kind: "compare", field, equal: true, value: to("d/far", family) },
        { kind: "counter" },
        verdict("drop"),
      );
      nft.apply(policy(ESTABLISHED, drop));
      const client = lab.from("d/client", family);
      expect(await outcomes(probes(client, to("d/far", family)))).toEqual([
        "silent",
        "silent",
        "silent",
        "silent",
      ]);
      expect(await outcomes(probes(client, to("d/odd", family)))).toEqual(["open", "open", "open", "open"]);
      expect(nft.readCounters("forward").map((counter) => counter.packets)).toEqual([4]);
      nft.apply(
        policy(
          ESTABLISHED,
          rule(
            { kind: "compare", field, equal: true, value: to("d/far", family) },
            { kind: "reject", saying: "admin-prohibited" },
          ),
        ),
      );
      const rejected = await lab.probe(probes(client, to("d/far", family)));
      expect(rejected.map((result) => result.outcome)).toEqual([
        "rejected",
        "rejected",
        "rejected",
        "rejected",
      ]);
      expect(rejected.some((result) => result.reachable)).toBe(false);
      nft.apply(policy());
      expect(await outcomes(probes(client, to("d/far", family)))).toEqual(["open", "open", "open", "open"]);
    });

    test.each(["tcp", "udp", "icmp"] as const)(
      "an established %s flow survives a drop rule behind ct state",
      async (protocol) => {
        const { nft } = lab.node("b");
        nft.apply(policy(ESTABLISHED));
        const port = PORTS.find((one) => one.protocol === protocol)?.port;
        const base = { from: lab.from("d/client", family), to: to("d/far", family), protocol };
        const request: ProbeRequest = port === undefined ? base : { ...base, port };
        const flow = await lab.openConnection(request);
        expect(await lab.checkConnection(flow)).toBe(true);
        nft.apply(policy(ESTABLISHED, rule(verdict("drop"))));
        expect(await lab.checkConnection(flow)).toBe(true);
        expect(await outcomes([request])).toEqual(["silent"]);
        await expect(lab.openConnection(request)).rejects.toMatchObject({ code: "kernel-refused" });
        nft.apply(policy(rule(verdict("drop"))));
        expect(await lab.checkConnection(flow, 200)).toBe(false);
        nft.apply(policy());
        lab.closeConnection(flow);
      },
    );

    test("a pod reaches itself through a Service address", async () => {
      const { nft } = lab.node("b");
      const service = family === 4 ? "10.96.0.1" : "fd00:96::1";
      const pod = to("d/far", family);
      const [source, destination] =
        family === 4
          ? (["source-address4", "destination-address4"] as const)
          : (["source-address6", "destination-address6"] as const);
      const nat = (name: string, hook: NftHook["hook"], priority: number, rules: NftRule[]): NftChange[] => {
        const chain = { name, hook: { type: "nat", hook, priority, policy: "accept" }, rules } as const;
        return [
          { change: "create-chain", chain },
          { change: "replace-rules", chain },
        ];
      };
      nft.apply([
        ...policy(ESTABLISHED),
        ...nat("services", "prerouting", -100, [
          rule(
            { kind: "compare", field: destination, equal: true, value: service },
            { kind: "compare", field: "protocol", equal: true, value: 6 },
            { kind: "compare", field: "destination-port", equal: true, value: 8080 },
            { kind: "dnat", family, backends: [{ address: pod, port: 80 }] },
          ),
        ]),
        ...nat("hairpin", "postrouting", 100, [
          rule(
            { kind: "ct-dnat" },
            { kind: "compare", field: source, equal: true, value: pod },
            { kind: "compare", field: destination, equal: true, value: pod },
            { kind: "masquerade" },
          ),
        ]),
      ]);
      const request = { to: service, protocol: "tcp", port: 8080 } as const;
      expect(
        await outcomes([
          { ...request, from: lab.from("d/far", family) },
          { ...request, from: lab.from("d/quiet", family) },
        ]),
      ).toEqual(["open", "open"]);
      nft.apply(policy());
    });
  });

  test("packets lose one hop on a node, two between nodes", async () => {
    // An nft rule cannot look at the TTL in our vocabulary; a TTL of the sender's that is too small can.
    const setTtl = (value: number): void =>
      inNamespace(lab.pod("d/client").namespace, () => {
        writeSysctl("ipv4/ip_default_ttl", value);
      });
    const tcp = (key: string): ProbeRequest => ({
      from: lab.from("d/client"),
      to: to(key, 4),
      protocol: "tcp",
      port: 80,
    });
    setTtl(2);
    expect(await outcomes([tcp("d/near"), tcp("d/far")])).toEqual(["open", "rejected"]);
    setTtl(64);
    expect(await outcomes([tcp("d/near"), tcp("d/far")])).toEqual(["open", "open"]);
  });

  test("pods come and go without moving others, and policy is in force before their links are up", async () => {
    const far = lab.pod("d/far").plan;
    const { nft, namespace } = lab.node("b");
    let linksAtHook = "";
    const [added] = lab.addPods([{ key: "d/new", node: "b" }], {
      beforeUp: (pods) => {
        linksAtHook = inNamespace(namespace, () => readFileSync("/proc/thread-self/net/route", "utf8"));
        expect(pods.map((pod) => pod.key)).toEqual(["d/new"]);
        nft.apply(
          policy(
            rule(
              { kind: "compare", field: "out-interface", equal: true, value: pods[0]?.interface ?? "" },
              verdict("drop"),
            ),
          ),
        );
      },
    });
    expect(linksAtHook).not.toContain(added?.interface ?? "?");
    const probe = { from: lab.from("d/client"), to: to("d/new", 4), protocol: "tcp", port: 80 } as const;
    expect(await outcomes([probe])).toEqual(["silent"]);
    nft.apply(policy());
    expect(await outcomes([probe])).toEqual(["refused"]);
    expect(lab.pod("d/far").plan).toEqual(far);
    lab.removePods(["d/new"]);
    expect(() => lab.pod("d/new")).toThrow(expect.objectContaining({ code: "not-found" }));
    expect(await outcomes([probe])).toEqual(["silent"]);
    const [again] = lab.addPods([{ key: "d/new", node: "a" }]);
    expect(again?.node).toBe("a");
    expect(await outcomes([{ ...probe, to: to("d/new", 4) }])).toEqual(["refused"]);
    lab.addOutside("203.0.113.7");
    expect(await outcomes([{ ...probe, to: "203.0.113.7" }])).toEqual(["refused"]);
  });

  test("the machine's own network is still not touched", () => {
    expect(currentNetns()).toBe(before.netns);
    expect(readFileSync("/proc/thread-self/net/dev", "utf8").replace(/[0-9]+/g, "")).toBe(before.links);
  });
});

function writeSysctl(name: string, value: number): void {
  writeFileSync(`/proc/sys/net/${name}`, String(value));
}

describe.skipIf(!available)("a lab of 200 pods", () => {
  test("every pod reaches the next, every probe counts, and closing leaves no file open", async () => {
    const files = openFiles();
    const pods = Array.from({ length: 200 }, (_, n) => ({ key: `ns/p${n}` }));
    const lab = Lab.create(planNetwork({ nodes: [{ name: "a" }, { name: "b" }, { name: "c" }], pods }));
    try {
      for (const { key } of pods) lab.listen(key, [{ protocol: "tcp", port: 80 }]);
      const requests = pods.flatMap(({ key }, n) =>
        FAMILIES.map((family): ProbeRequest => {
          const next = lab.from(`ns/p${(n * 7 + 1) % pods.length}`, family);
          return { from: lab.from(key, family), to: next.address, protocol: "tcp", port: 80 };
        }),
      );
      const results = await lab.probe(requests);
      expect(results.filter((result) => result.outcome !== "open")).toEqual([]);
    } finally {
      lab.close();
    }
    // libuv closes the watch on the epoll in its next round.
    await new Promise((resolve) => setImmediate(resolve));
    expect(openFiles()).toBeLessThanOrEqual(files + 1);
  });
});
