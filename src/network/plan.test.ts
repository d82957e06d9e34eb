import { describe, expect, test } from "vitest";
import { podInterfaceName } from "./interface-name.ts";
import type { PodRequest } from "./plan.ts";
import { planChange, planNetwork } from "./plan.ts";

const pods = (count: number, rest: Partial<PodRequest> = {}): PodRequest[] =>
  Array.from({ length: count }, (_, n) => ({ key: `d/p${n}`, ...rest }));

describe("interface names", () => {
  test("are 15 characters, the longest that Linux takes, and the same every time", () => {
    expect(podInterfaceName("default/web")).toBe(podInterfaceName("default/web"));
    expect(podInterfaceName("default/web")).toMatch(/^tt[0-9a-v]{13}$/);
    expect(podInterfaceName("")).toMatch(/^tt[0-9a-v]{13}$/);
  });

  test("differ for like pods", () => {
    const names = new Set(Array.from({ length: 20_000 }, (_, n) => podInterfaceName(`d/p${n}`)));
    expect(names.size).toBe(20_000);
  });
});

describe("planning", () => {
  test("what is left open is allotted: node addresses, pods' nodes, blocks in order of need", () => {
    const plan = planNetwork({ nodes: [{ name: "a" }, { name: "b" }], pods: pods(3) });
    expect(plan.nodes.map((node) => node.addresses)).toEqual([
      ["172.18.0.2", "fd00:172:18::2"],
      ["172.18.0.3", "fd00:172:18::3"],
    ]);
    expect(plan.pods.map((pod) => [pod.node, ...pod.addresses])).toEqual([
      ["a", "192.168.0.1", "fd00:10:244::1"],
      ["b", "192.168.0.65", "fd00:10:244::41"],
      ["a", "192.168.0.2", "fd00:10:244::2"],
    ]);
    expect(plan.nodes[0]?.blocks).toEqual(["192.168.0.0/26", "fd00:10:244::/122"]);
    expect(plan.nodes[0]?.routes).toEqual([
      { to: "192.168.0.64/26", via: "172.18.0.3" },
      { to: "fd00:10:244::40/122", via: "fd00:172:18::3" },
    ]);
  });

  test("a node takes a further block when one is full", () => {
    const plan = planNetwork({ nodes: [{ name: "a" }, { name: "b" }], pods: pods(64, { node: "b" }) });
    expect(plan.nodes[1]?.blocks).toEqual([
      "192.168.0.0/26",
      "192.168.0.64/26",
      "fd00:10:244::/122",
      "fd00:10:244::40/122",
    ]);
    expect(plan.pods[63]?.addresses[0]).toBe("192.168.0.65");
  });

  test("an address asked for is never allotted to another pod, wherever it stands in the list", () => {
    const plan = planNetwork({
      nodes: [{ name: "a" }],
      pods: [
        ...pods(3),
        { key: "d/wish", addresses: ["192.168.0.2"] },
        { key: "d/far", addresses: ["10.7.7.7"] },
      ],
    });
    expect(plan.pods.map((pod) => pod.addresses[0])).toEqual([
      "192.168.0.1",
      "192.168.0.3",
      "192.168.0.4",
      "192.168.0.2",
      "10.7.7.7",
    ]);
  });

  test("single addresses outside of their node's blocks are routed one by one, outside addresses in blocks too", () => {
    const plan = planNetwork({
      nodes: [{ name: "a" }, { name: "b" }],
      pods: [...pods(2), { key: "d/wish", node: "b", addresses: ["192.168.0.9"] }],
      outside: ["192.168.0.30", "8.8.8.8"],
      podNetworks: ["192.168.0.0/16"],
    });
    expect(plan.nodes[0]?.routes).toEqual([
      { to: "192.168.0.64/26", via: "172.18.0.3" },
      { to: "192.168.0.9/32", via: "172.18.0.3" },
      { to: "192.168.0.30/32", via: "172.18.255.254" },
    ]);
    expect(plan.nodes[1]?.routes.map((route) => route.to)).toEqual(["192.168.0.0/26", "192.168.0.30/32"]);
  });

  test("a pod on its node's network has the node's addresses and no interface", () => {
    const [pod] = planNetwork({ nodes: [{ name: "a" }], pods: [{ key: "d/h", hostNetwork: true }] }).pods;
    expect(pod).toEqual({ key: "d/h", node: "a", addresses: ["172.18.0.2", "fd00:172:18::2"], index: 0 });
  });

  test.each([
    [
      "two pods",
      {
        nodes: [{ name: "a" }],
        pods: [
          { key: "x/1", addresses: ["10.0.0.1"] },
          { key: "x/2", addresses: ["10.0.0.1"] },
        ],
      },
    ],
    [
      "a pod and a node",
      { nodes: [{ name: "a", addresses: ["10.0.0.1"] }], pods: [{ key: "x/1", addresses: ["10.0.0.1"] }] },
    ],
    ["a pod on a node that is not there", { nodes: [{ name: "a" }], pods: [{ key: "x/1", node: "b" }] }],
    ["an address that is none", { nodes: [{ name: "a" }], pods: [{ key: "x/1", addresses: ["10.0.0"] }] }],
  ])("%s with one address is refused", (_why, request) => {
    expect(() => planNetwork(request)).toThrow(expect.objectContaining({ code: "input-invalid" }));
  });

  test("a full pod network says so", () => {
    const request = { nodes: [{ name: "a" }], pods: pods(127), podNetworks: ["10.0.0.0/25"] };
    expect(() => planNetwork(request)).toThrow(expect.objectContaining({ code: "address-space-full" }));
    expect(planNetwork({ ...request, pods: pods(126) }).pods).toHaveLength(126);
  });

  test("equal requests give equal plans", () => {
    const request = { nodes: [{ name: "a" }, { name: "b" }], pods: pods(200) };
    expect(planNetwork(request)).toEqual(planNetwork(request));
  });
});

describe("changing", () => {
  test("pods come and go without moving any other", () => {
    const plan = planNetwork({ nodes: [{ name: "a" }, { name: "b" }], pods: pods(10) });
    const change = planChange(plan, { remove: ["d/p0", "d/p4"], add: [{ key: "d/new", node: "a" }] });
    expect(change.removed.map((pod) => pod.key)).toEqual(["d/p0", "d/p4"]);
    expect(change.added).toEqual([
      {
        key: "d/new",
        node: "a",
        addresses: ["192.168.0.1", "fd00:10:244::1"],
        interface: podInterfaceName("d/new"),
        index: 10,
      },
    ]);
    const kept = plan.pods.filter((pod) => pod.key !== "d/p0" && pod.key !== "d/p4");
    expect(change.plan.pods.slice(0, -1)).toEqual(kept);
    expect(change.plan.nodes.map((node) => node.blocks)).toEqual(plan.nodes.map((node) => node.blocks));
    expect(change.routes.every((route) => route.added.length + route.removed.length === 0)).toBe(true);
  });

  test("a new block is a new route on every other node", () => {
    const plan = planNetwork({
      nodes: [{ name: "a" }, { name: "b" }],
      pods: [],
      podNetworks: ["10.0.0.0/24"],
    });
    const { routes } = planChange(plan, { add: [{ key: "d/x", node: "b" }] });
    expect(routes).toEqual([
      {
        node: "a",
        added: [{ to: "10.0.0.0/26", via: "172.18.0.3" }],
        removed: [],
        addedBlocks: [],
        addedSingles: [],
        removedSingles: [],
      },
      {
        node: "b",
        added: [],
        removed: [],
        addedBlocks: ["10.0.0.0/26"],
        addedSingles: [],
        removedSingles: [],
      },
    ]);
  });

  test("a pod's address outside of its node's blocks is its node's for as long as the pod is there", () => {
    const plan = planNetwork({ nodes: [{ name: "a" }], pods: [{ key: "d/x", addresses: ["10.7.7.7"] }] });
    expect(plan.nodes[0]?.singles).toEqual(["10.7.7.7/32"]);
    const [change] = planChange(plan, {
      remove: ["d/x"],
      add: [{ key: "d/y", addresses: ["10.7.7.8"] }],
    }).routes;
    expect(change).toMatchObject({
      addedSingles: ["10.7.7.8/32"],
      removedSingles: ["10.7.7.7/32"],
      added: [],
    });
  });

  test("an outside address that is there already is not added again", () => {
    const plan = planNetwork({ nodes: [{ name: "a" }], pods: [], outside: ["8.8.8.8"] });
    expect(planChange(plan, { addOutside: ["8.8.8.8", "2001:DB8::1"] }).addedOutside).toEqual([
      "2001:db8::1",
    ]);
  });
});
