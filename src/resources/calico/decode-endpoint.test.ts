import { describe, expect, test } from "vitest";
import { decodeTexts } from "../load.ts";

function load(kind: string, spec: string): { objects: readonly unknown[]; issues: string[] } {
  const text = `apiVersion: projectcalico.org/v3\nkind: ${kind}\nmetadata: {name: x}\n${spec}\n`;
  const { objects, issues } = decodeTexts([{ file: "a.yaml", text }]);
  return { objects, issues: issues.map(({ code, path }) => `${code} ${path}`) };
}

describe("host endpoints", () => {
  test("everything that one says", () => {
    const spec = `spec: {node: n1, interfaceName: eth0, expectedIPs: [192.0.2.1, "2001:DB8::1"], profiles: [p],
      ports: [{name: ssh, protocol: TCP, port: 22}]}`;
    expect(load("HostEndpoint", spec)).toMatchObject({
      objects: [
        {
          kind: "HostEndpoint",
          namespace: "",
          node: "n1",
          interfaceName: "eth0",
          expectedIPs: ["192.0.2.1", "2001:db8::1"],
          profiles: ["p"],
          ports: [{ name: "ssh", protocol: 6, port: 22 }],
        },
      ],
      issues: [],
    });
  });

  test.each([
    ["all interfaces", "{node: n1, interfaceName: '*'}"],
    ["an interface by its addresses", "{node: n1, expectedIPs: [192.0.2.1]}"],
  ])("one may stand for %s", (_why, spec) => {
    expect(load("HostEndpoint", `spec: ${spec}`).issues).toEqual([]);
  });

  test.each([
    ["{interfaceName: eth0}", "required spec.node"],
    ["{node: n1}", "required spec.interfaceName"],
    ["{node: n1, interfaceName: a-name-that-is-too-long}", "invalid-interface-name spec.interfaceName"],
    ["{node: n1, expectedIPs: [192.0.2.0/24]}", "invalid-ip spec.expectedIPs[0]"],
    [
      "{node: n1, interfaceName: eth0, ports: [{name: '!', protocol: TCP, port: 1}]}",
      "invalid-port-name spec.ports[0].name",
    ],
    [
      "{node: n1, interfaceName: eth0, ports: [{name: a, protocol: TCP, port: 0}]}",
      "invalid-port spec.ports[0].port",
    ],
    ["{node: n1, interfaceName: eth0, ports: [{name: a, port: 1}]}", "required spec.ports[0].protocol"],
  ])("%s is told", (spec, issue) => {
    const { objects, issues } = load("HostEndpoint", `spec: ${spec}`);
    expect(issues).toEqual([issue]);
    expect(objects).toMatchObject([{ ports: [] }]);
  });

  test("one without a spec is on no node and has no address", () => {
    expect(load("HostEndpoint", "")).toEqual({ objects: [], issues: ["required spec"] });
  });
});

describe("workload endpoints", () => {
  test("everything that bears on a verdict", () => {
    const spec = `spec: {orchestrator: openstack, workload: vm, node: n1, endpoint: eth0, serviceAccountName: sa,
      ipNetworks: [192.0.2.1/32, "2001:db8::1/128"], profiles: [p], interfaceName: cali1, mac: "00:00:00:00:00:01",
      ports: [{name: dns, protocol: UDP, port: 53, hostPort: 5353}]}`;
    expect(load("WorkloadEndpoint", spec)).toMatchObject({
      objects: [
        {
          namespace: "default",
          orchestrator: "openstack",
          workload: "vm",
          node: "n1",
          pod: "",
          serviceAccountName: "sa",
          ipNetworks: ["192.0.2.1", "2001:db8::1"],
          profiles: ["p"],
          interfaceName: "cali1",
          ports: [{ name: "dns", protocol: 17, port: 53 }],
        },
      ],
      issues: [],
    });
  });

  test("a network of more than one address is left out", () => {
    expect(load("WorkloadEndpoint", "spec: {ipNetworks: [192.0.2.0/31, 192.0.2.1/32]}")).toMatchObject({
      objects: [{ ipNetworks: ["192.0.2.1"] }],
      issues: ["invalid-cidr spec.ipNetworks[0]"],
    });
  });
});

describe("profiles", () => {
  test("labels and rules", () => {
    const spec = "spec: {labelsToApply: {a: b}, ingress: [{action: Allow}], egress: [{action: Deny}]}";
    expect(load("Profile", spec)).toMatchObject({
      objects: [{ labelsToApply: { a: "b" }, ingress: [{ action: "Allow" }], egress: [{ action: "Deny" }] }],
      issues: [],
    });
    expect(load("Profile", "").objects).toMatchObject([{ labelsToApply: {}, ingress: [], egress: [] }]);
  });

  test("one that cannot be read denies everything", () => {
    expect(load("Profile", "spec: 5").objects).toMatchObject([
      { ingress: [{ action: "Deny", malformed: true }], egress: [{ action: "Deny", malformed: true }] },
    ]);
  });
});

describe("tiers", () => {
  test.each([
    ["", { order: Number.POSITIVE_INFINITY, defaultAction: "Deny" }, []],
    ["spec: {order: 5, defaultAction: Pass}", { order: 5, defaultAction: "Pass" }, []],
    ["spec: {order: -0.5}", { order: -0.5, defaultAction: "Deny" }, []],
    [
      "spec: {order: .inf}",
      { order: Number.POSITIVE_INFINITY, defaultAction: "Deny" },
      ["invalid-type spec.order"],
    ],
    [
      "spec: {defaultAction: pass}",
      { order: Number.POSITIVE_INFINITY, defaultAction: "Deny" },
      ["unsupported-value spec.defaultAction"],
    ],
    ["status: {conditions: []}", { defaultAction: "Deny" }, []],
  ])("%s", (spec, tier, issues) => {
    expect(load("Tier", spec)).toMatchObject({ objects: [{ kind: "Tier", ...tier }], issues });
  });

  test("a tier's name has no dot", () => {
    const text = "apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {name: a.b}\n";
    expect(decodeTexts([{ file: "a.yaml", text }]).issues).toMatchObject([{ code: "invalid-name" }]);
  });
});

describe("pools", () => {
  test("what a pool says", () => {
    const spec =
      "spec: {cidr: 10.0.0.0/16, blockSize: 26, ipipMode: Never, natOutgoing: true, disabled: true, nodeSelector: all()}";
    expect(load("IPPool", spec)).toMatchObject({
      objects: [{ cidr: "10.0.0.0/16", natOutgoing: true, disabled: true }],
      issues: [],
    });
    expect(load("IPPool", "spec: {cidr: 'fd00::/64'}").objects).toMatchObject([
      { cidr: "fd00::/64", natOutgoing: false, disabled: false },
    ]);
  });

  test.each([
    ["spec: {}", "required spec.cidr"],
    ["spec: {cidr: 10.0.0.1/16}", "cidr-host-bits spec.cidr"],
    ["spec: {cidr: x}", "invalid-cidr spec.cidr"],
    ["spec: {cidr: 169.254.7.0/24}", "link-local-pool spec.cidr"],
    ["spec: {cidr: 'fe00::/8'}", "link-local-pool spec.cidr"],
  ])("%s is no pool", (spec, issue) => {
    expect(load("IPPool", spec)).toEqual({ objects: [], issues: [issue] });
  });
});
