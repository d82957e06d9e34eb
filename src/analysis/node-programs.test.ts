import { expect, test } from "vitest";
import { decodeTexts } from "../resources/load.ts";
import { Cluster } from "./cluster.ts";
import { nodePrograms } from "./node-programs.ts";
import { distinctPairs } from "./party-pairs.ts";
import { unitsOf } from "./units.ts";

const host = (node: string): string =>
  `apiVersion: projectcalico.org/v3\nkind: HostEndpoint\nmetadata: {name: ${node}-auto-hep}\nspec: {node: ${node}, interfaceName: "*", profiles: [projectcalico-default-allow]}\n`;
const pod = (name: string, node: string): string =>
  `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}}\nspec: {nodeName: ${node}, containers: [{name: c, image: i}]}\n`;
const global = (where: string): string =>
  `apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: p}\nspec: {types: [Ingress], ${where}}\n`;

function clusterOf(...texts: readonly string[]): Cluster {
  const nodes = ["n1", "n2", "n3"];
  const all = [...nodes.map(host), ...nodes.map((node) => pod(`on-${node}`, node)), ...texts];
  const { objects, issues } = decodeTexts([{ file: "t.yaml", text: all.join("---\n") }]);
  expect(issues.filter(({ severity }) => severity === "error")).toEqual([]);
  const cluster = new Cluster();
  cluster.apply(objects);
  cluster.sync();
  return cluster;
}

test.each([
  ["no policy", undefined, 0],
  ["a policy for the nodes' own traffic", "ingress: [{action: Allow}]", 0],
  ["one for forwarded traffic", "applyOnForward: true", 3],
  ["one before translation", "preDNAT: true, applyOnForward: true, ingress: [{action: Deny}]", 3],
  ["an untracked one", "doNotTrack: true, applyOnForward: true, ingress: [{action: Deny}]", 3],
])("host endpoints with %s tell pods apart by node only where they have a say", (_what, where, nodes) => {
  const { graph } = clusterOf(...(where === undefined ? [] : [global(where)]));
  expect(nodePrograms(graph).size).toBe(nodes);
  expect(unitsOf(graph, 4)).toHaveLength(Math.max(1, nodes));
});

test.each([
  ["none", "ingress: [{action: Allow}]", 1],
  ["some", "applyOnForward: true, ingress: [{action: Allow}]", 6],
])("pods of a workload are asked about by node only where nodes have a say: %s", (_what, where, pairs) => {
  const { graph } = clusterOf(global(where));
  const pods = [...graph.endpoints.values()].flatMap(({ endpoint }) =>
    endpoint.kind === "host"
      ? []
      : [endpoint.addresses.map((address) => ({ kind: "endpoint" as const, endpoint, address }))],
  );
  expect(distinctPairs(graph, pods, pods)).toHaveLength(pairs);
});
