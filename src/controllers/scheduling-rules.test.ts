import { expect, test } from "vitest";
import type { Node, Pod } from "../client/kinds.ts";
import { decide } from "./scheduling-rules.ts";

const NODE: Node = {
  apiVersion: "v1",
  kind: "Node",
  metadata: { name: "node1" },
  spec: {},
  status: { conditions: [{ type: "Ready", status: "False" }], allocatable: { cpu: "1", memory: "1Gi" } },
};
const pod = (tolerationSeconds?: number): Pod => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "a", namespace: "default" },
  spec: {
    containers: [],
    tolerations: [
      {
        key: "node.kubernetes.io/not-ready",
        operator: "Exists",
        effect: "NoExecute",
        ...(tolerationSeconds !== undefined && { tolerationSeconds }),
      },
    ],
  },
});
const load = {
  pods: new Set(),
  exclusive: new Map(),
  byOwner: new Map(),
  cpu: 0,
  memory: 0,
  hostPorts: new Map(),
};
const surroundings = { nodes: [NODE], loads: { get: () => load }, pods: {} } as never;

test("who would stay a while on a node that gets into trouble is not put on one that is in trouble", () => {
  expect(decide(pod(300), surroundings)).toEqual({
    refusals: new Map([["node(s) had untolerated taint {node.kubernetes.io/not-ready: }", 1]]),
    total: 1,
  });
});
