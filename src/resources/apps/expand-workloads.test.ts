import { expect, test } from "vitest";
import { decodeTexts } from "../load.ts";
import type { KubernetesObject } from "../object.ts";
import { expandWorkloads } from "./expand-workloads.ts";

function decode(...texts: string[]): readonly KubernetesObject[] {
  const { objects, issues } = decodeTexts([{ file: "a.yaml", text: texts.join("\n---\n") }]);
  expect(issues).toEqual([]);
  return objects;
}

const TEMPLATE =
  "template: {metadata: {labels: {app: w}}, spec: {serviceAccountName: sa, containers: [{name: c, ports: [{containerPort: 80, name: http}]}]}}";
const SELECTOR = "selector: {matchLabels: {app: w}}";

function workload(kind: string, spec = "", metadata = ""): string {
  const version = kind === "Job" || kind === "CronJob" ? "batch/v1" : "apps/v1";
  const selector = version === "apps/v1" ? `${SELECTOR}, ` : "";
  const body = kind === "CronJob" ? `schedule: "* * * * *", jobTemplate: {spec: {${TEMPLATE}}}` : TEMPLATE;
  return `apiVersion: ${version}\nkind: ${kind}\nmetadata: {name: w, namespace: ns${metadata}}\nspec: {${selector}${body}${spec}}`;
}

function node(name: string, labels = ""): string {
  return `apiVersion: v1\nkind: Node\nmetadata: {name: ${name}, labels: {${labels}}}`;
}

function pod(name: string, owner = "", labels = ""): string {
  const references = owner === "" ? "" : `, ownerReferences: [{controller: true, ${owner}}]`;
  return `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}, namespace: ns, labels: {${labels}}${references}}\nspec: {containers: []}`;
}

function names(...texts: string[]): string[] {
  return expandWorkloads(decode(...texts)).map(({ name }) => name);
}

test.each([
  ["a Deployment has one pod where it does not say", [workload("Deployment")], ["w-1"]],
  [
    "a Deployment has as many pods as it says",
    [workload("Deployment", ", replicas: 3")],
    ["w-1", "w-2", "w-3"],
  ],
  ["no replicas are no pods", [workload("Deployment", ", replicas: 0")], []],
  ["a ReplicaSet is numbered from one", [workload("ReplicaSet", ", replicas: 2")], ["w-1", "w-2"]],
  ["a StatefulSet is numbered from zero", [workload("StatefulSet", ", replicas: 2")], ["w-0", "w-1"]],
  ["a Job runs in parallel", [workload("Job", ", parallelism: 2")], ["w-1", "w-2"]],
  [
    "a Job runs no more pods than it wants completed",
    [workload("Job", ", parallelism: 5, completions: 2")],
    ["w-1", "w-2"],
  ],
  ["a CronJob has one pod", [workload("CronJob")], ["w-1"]],
  ["a DaemonSet has one pod a node", [workload("DaemonSet"), node("a"), node("b")], ["w-a", "w-b"]],
  ["a DaemonSet without nodes has one pod", [workload("DaemonSet")], ["w-1"]],
  ["a taken name is passed over", [workload("Deployment", ", replicas: 2"), pod("w-1")], ["w-2", "w-3"]],
  ["a taken name on a node is numbered", [workload("DaemonSet"), node("a"), pod("w-a")], ["w-a-2"]],
  [
    "real pods of the workload are all there is",
    [workload("StatefulSet", ", replicas: 2"), pod("w-0", "kind: StatefulSet, name: w")],
    [],
  ],
  [
    "real pods of its ReplicaSet are a Deployment's",
    [workload("Deployment"), pod("w-5d-x", "kind: ReplicaSet, name: w-5d", "pod-template-hash: 5d")],
    [],
  ],
  [
    "pods of another workload are none of its own",
    [workload("Deployment"), pod("v-5d-x", "kind: ReplicaSet, name: v-5d", "pod-template-hash: 5d")],
    ["w-1"],
  ],
  [
    "a ReplicaSet leaves its pods to its Deployment",
    [
      workload("Deployment"),
      workload("ReplicaSet", "", ", ownerReferences: [{controller: true, kind: Deployment, name: w}]"),
    ],
    ["w-1"],
  ],
  [
    "a Job leaves its pods to its CronJob",
    [
      workload("CronJob"),
      workload("Job", "", ", ownerReferences: [{controller: true, kind: CronJob, name: w}]"),
    ],
    ["w-1"],
  ],
] as const)("%s", (_why, texts, expected) => {
  expect(names(...texts)).toEqual(expected);
});

test("a pod has its template's labels and spec, and knows its workload", () => {
  expect(expandWorkloads(decode(workload("Deployment")))).toMatchObject([
    {
      kind: "Pod",
      apiVersion: "v1",
      namespace: "ns",
      labels: { app: "w" },
      spec: { serviceAccountName: "sa", ports: [{ name: "http", port: 80, protocol: "TCP" }] },
      phase: "Running",
      podIPs: [],
      workload: { kind: "Deployment", name: "w" },
    },
  ]);
});

test("pods carry the labels that their controller sets", () => {
  expect({ ...expandWorkloads(decode(workload("StatefulSet")))[0]?.labels }).toEqual({
    app: "w",
    "statefulset.kubernetes.io/pod-name": "w-0",
    "apps.kubernetes.io/pod-index": "0",
  });
  expect({ ...expandWorkloads(decode(workload("Job")))[0]?.labels }).toEqual({
    app: "w",
    "job-name": "w",
    "batch.kubernetes.io/job-name": "w",
  });
});

test("pods of a DaemonSet stand on the nodes that it selects", () => {
  const text = workload("DaemonSet").replace("serviceAccountName: sa", "nodeSelector: {disk: ssd}");
  const pods = expandWorkloads(decode(text, node("a", "disk: ssd"), node("b")));
  expect(pods.map(({ name, spec }) => [name, spec.nodeName])).toEqual([["w-a", "a"]]);
});

test("a pod's place is its template", () => {
  const [made] = expandWorkloads(decode(workload("CronJob")));
  expect(made?.source.locate("metadata.labels")).toMatchObject({ file: "a.yaml", line: 4 });
});

test.each([
  [
    "the Deployment, by the hash in the name",
    "kind: ReplicaSet, name: web-5d4f",
    "pod-template-hash: 5d4f",
    { kind: "Deployment", name: "web" },
  ],
  [
    "the ReplicaSet, where no hash tells",
    "kind: ReplicaSet, name: web-5d4f",
    "",
    { kind: "ReplicaSet", name: "web-5d4f" },
  ],
  ["the Job, without its CronJob at hand", "kind: Job, name: tick-1", "", { kind: "Job", name: "tick-1" }],
  ["the node's own, for static pods", "kind: Node, name: node1", "", { kind: "Node", name: "node1" }],
] as const)("a pod is known by %s", (_why, owner, labels, workloadOfPod) => {
  expect(decode(pod("p", owner, labels))).toMatchObject([{ workload: workloadOfPod }]);
});

test("a pod of a Job is known by the CronJob, where the Job names it", () => {
  const job = workload("Job", "", ", ownerReferences: [{controller: true, kind: CronJob, name: tick}]");
  expect(decode(job, pod("p", "kind: Job, name: w"))[1]).toMatchObject({
    workload: { kind: "CronJob", name: "tick" },
  });
});
