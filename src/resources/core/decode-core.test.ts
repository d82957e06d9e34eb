import { expect, test } from "vitest";
import { decodeTexts } from "../load.ts";
import type { KubernetesObject } from "../object.ts";

function decode(text: string): { object: KubernetesObject | undefined; problems: string[] } {
  const { objects, issues } = decodeTexts([{ file: "a.yaml", text }]);
  return { object: objects[0], problems: issues.map(({ code, path }) => `${code} ${path}`) };
}

function decodePod(spec: string, status = "{}"): ReturnType<typeof decode> {
  return decode(`apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: ${spec}\nstatus: ${status}\n`);
}

test("a pod has what policy needs to know", () => {
  const { object, problems } = decodePod(
    `{nodeName: n1, hostNetwork: true, serviceAccount: old, nodeSelector: {a: b},
      initContainers: [{name: i, ports: [{containerPort: 1}]}],
      containers: [{name: a, ports: [{containerPort: 53, protocol: UDP, name: dns}]}, {name: b}]}`,
    "{phase: Failed, podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}, {ip: 'fd00::1'}]}",
  );
  expect(problems).toEqual([]);
  expect(object).toMatchObject({
    spec: {
      nodeName: "n1",
      hostNetwork: true,
      serviceAccountName: "old",
      nodeSelector: { a: "b" },
      ports: [
        { port: 1, protocol: "TCP" },
        { name: "dns", port: 53, protocol: "UDP" },
      ],
    },
    phase: "Failed",
    podIPs: ["10.0.0.1", "fd00::1"],
  });
});

test("a pod without a status runs, as the default account, without an address", () => {
  expect(decodePod("{containers: [{name: c}]}").object).toMatchObject({
    spec: { hostNetwork: false, serviceAccountName: "default", ports: [] },
    phase: "Running",
    podIPs: [],
  });
});

test("one address stands for the list where there is none", () => {
  expect(decodePod("{containers: []}", "{podIP: 10.0.0.9}").object).toMatchObject({ podIPs: ["10.0.0.9"] });
});

test.each([
  ["{}", "no-containers spec.containers"],
  ["{containers: [], hostNetwork: maybe}", "invalid-type spec.hostNetwork"],
  ["{containers: [{ports: [{}]}]}", "required spec.containers[0].ports[0].containerPort"],
  [
    "{containers: [{ports: [{containerPort: 1, protocol: tcp}]}]}",
    "unsupported-value spec.containers[0].ports[0].protocol",
  ],
  [
    "{containers: [{ports: [{containerPort: 1, name: a--b}]}]}",
    "invalid-port-name spec.containers[0].ports[0].name",
  ],
  ["{containers: {}}", "invalid-type spec.containers"],
  ["5", "invalid-type spec"],
] as const)("the pod spec %s has one issue, and the pod stays", (spec, problem) => {
  const { object, problems } = decodePod(spec);
  expect(problems).toEqual([problem]);
  expect(object?.kind).toBe("Pod");
});

test("an address that is none is left out and told", () => {
  const { object, problems } = decodePod("{containers: []}", "{podIPs: [{ip: 10.0.0.300}, {ip: 10.0.0.3}]}");
  expect(problems).toEqual(["invalid-ip status.podIPs[0].ip"]);
  expect(object).toMatchObject({ podIPs: ["10.0.0.3"] });
});

test("a node's internal addresses come IPv4 first", () => {
  const { object, problems } = decode(`apiVersion: v1
kind: Node
metadata: {name: node1}
spec: {podCIDR: 10.244.0.0/24, podCIDRs: [10.244.0.0/24, 'fd00:1::/64']}
status: {addresses: [{type: Hostname, address: node1}, {type: InternalIP, address: 'fd00::1'}, {type: InternalIP, address: 172.18.0.3}]}
`);
  expect(problems).toEqual([]);
  expect(object).toMatchObject({
    namespace: "",
    addresses: ["172.18.0.3", "fd00::1"],
    podCIDRs: ["10.244.0.0/24", "fd00:1::/64"],
  });
});

test.each([
  [
    "a Service has a type, addresses and ports",
    "{type: NodePort, clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1], selector: {a: b}, ports: [{port: 80, targetPort: http, nodePort: 30080, name: web}]}",
    {
      type: "NodePort",
      clusterIPs: ["10.96.0.1"],
      headless: false,
      selector: { a: "b" },
      ports: [{ name: "web", protocol: "TCP", port: 80, targetPort: "http", nodePort: 30080 }],
    },
  ],
  [
    "a port leads to itself where it does not say",
    "{ports: [{port: 53, protocol: UDP}]}",
    { type: "ClusterIP", clusterIPs: [], ports: [{ protocol: "UDP", port: 53, targetPort: 53 }] },
  ],
  [
    "a headless Service has no address",
    "{clusterIP: None, selector: {a: b}}",
    { headless: true, clusterIPs: [] },
  ],
] as const)("%s", (_why, spec, expected) => {
  const { object, problems } = decode(`apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: ${spec}\n`);
  expect(problems).toEqual([]);
  expect(object).toMatchObject(expected);
});

test.each([["{}"], ["{selector: {}}"], ["{selector: null}"]])(
  "the Service %s selects no pods of its own",
  (spec) => {
    expect(
      decode(`apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: ${spec}\n`).object,
    ).not.toHaveProperty("selector");
  },
);

test.each([
  ["{ports: [{}]}", "required spec.ports[0].port"],
  ["{ports: [{port: 0}]}", "invalid-port spec.ports[0].port"],
  ["{type: External}", "unsupported-value spec.type"],
  ["{clusterIP: x}", "invalid-ip spec.clusterIP"],
  ["{port: []}", "unknown-field spec.port"],
] as const)("the Service %s has one issue", (spec, problem) => {
  expect(decode(`apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: ${spec}\n`).problems).toEqual([
    problem,
  ]);
});

test("an endpoint is ready unless it says otherwise", () => {
  const { object, problems } = decode(`apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: s-x, labels: {kubernetes.io/service-name: s}}
addressType: IPv4
endpoints: [{addresses: [10.0.0.1]}, {addresses: [10.0.0.2], conditions: {ready: false}}, {addresses: [10.0.0.3], conditions: {}}]
ports: [{name: web, port: 80}, {}]
`);
  expect(problems).toEqual([]);
  expect(object).toMatchObject({
    serviceName: "s",
    endpoints: [
      { addresses: ["10.0.0.1"], ready: true },
      { addresses: ["10.0.0.2"], ready: false },
      { addresses: ["10.0.0.3"], ready: true },
    ],
    ports: [
      { name: "web", protocol: "TCP", port: 80 },
      { name: "", protocol: "TCP" },
    ],
  });
});
