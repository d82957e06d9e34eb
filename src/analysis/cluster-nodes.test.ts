import { expect, test } from "vitest";
import { formatIp } from "../base/ip.ts";
import { decodeTexts } from "../resources/load.ts";
import { Cluster } from "./cluster.ts";
import { answer } from "./question.ts";

const node = (name: string, address?: string): string =>
  `apiVersion: v1\nkind: Node\nmetadata: {name: ${name}}\n${address ? `status: {addresses: [{type: InternalIP, address: ${address}}]}\n` : ""}`;
const pod = `apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: x}\nspec: {nodeName: n1, containers: [{name: c, image: i}]}\nstatus: {podIP: 192.168.0.1}\n`;
const denyAll = `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny, namespace: x}\nspec: {podSelector: {}}\n`;
const calico = (kind: string, metadata: string, spec: string): string =>
  `apiVersion: projectcalico.org/v3\nkind: ${kind}\nmetadata: ${metadata}\nspec: ${spec}\n`;

function apply(cluster: Cluster, ...texts: readonly string[]): void {
  const { objects, issues } = decodeTexts([{ file: "t.yaml", text: texts.join("---\n") }]);
  expect(issues.filter(({ severity }) => severity === "error")).toEqual([]);
  cluster.apply(objects);
  cluster.sync();
}

const addressesOf = ({ graph }: Cluster): Record<string, string[]> =>
  Object.fromEntries([...graph.nodes].map(([name, addresses]) => [name, addresses.map(formatIp)]));

test("a node has the address that its newest object gives it", () => {
  const cluster = new Cluster();
  apply(cluster, node("b"));
  expect(addressesOf(cluster)).toEqual({ b: ["172.18.0.2"] });
  apply(cluster, node("a", "172.18.0.2"));
  expect(addressesOf(cluster)).toEqual({ b: ["172.18.0.3"], a: ["172.18.0.2"] });
  apply(cluster, node("b", "172.18.0.99"));
  expect(addressesOf(cluster)).toEqual({ b: ["172.18.0.99"], a: ["172.18.0.2"] });
});

test("a host endpoint governs the node that comes to have the address which it expects", () => {
  const host = calico("HostEndpoint", "{name: h}", "{node: b, expectedIPs: [172.18.0.99]}");
  const cluster = new Cluster();
  const ask = (): string =>
    answer(cluster, { from: "192.0.2.1", to: "node/b", port: 80, protocol: "TCP" }).outcome;
  apply(cluster, node("b", "172.18.0.2"), host);
  expect(ask()).toBe("allow");
  apply(cluster, node("b", "172.18.0.99"));
  expect(ask()).toBe("deny");
});

test("a workload endpoint's node is one of the cluster's", () => {
  const cluster = new Cluster();
  const spec =
    "{orchestrator: openstack, workload: w, node: n9, endpoint: eth0, ipNetworks: [192.168.0.7/32], interfaceName: cali1}";
  apply(cluster, calico("WorkloadEndpoint", "{name: n9-openstack-w-eth0, namespace: x}", spec));
  expect(Object.keys(addressesOf(cluster))).toEqual(["n9"]);
});

test("a host endpoint that expects a pod's address takes nothing from the pod's policies", () => {
  const cluster = new Cluster();
  apply(cluster, pod, denyAll);
  const spec =
    "{node: n1, interfaceName: eth0, expectedIPs: [192.168.0.1], profiles: [projectcalico-default-allow]}";
  apply(cluster, calico("HostEndpoint", "{name: h}", spec));
  const { outcome } = answer(cluster, {
    from: "192.0.2.1",
    to: "192.168.0.1",
    port: 80,
    protocol: "TCP",
  });
  expect(outcome).toBe("deny");
});
