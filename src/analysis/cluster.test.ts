import { describe, expect, test } from "vitest";
import { OpError } from "../base/errors.ts";
import { decodeTexts } from "../resources/load.ts";
import { Cluster } from "./cluster.ts";
import { allPairs } from "./connectivity.ts";
import { matrixOf, quotient } from "./matrix.ts";
import { answer, type Question, resolveQuestion } from "./question.ts";

function clusterOf(text: string): Cluster {
  const { objects, issues } = decodeTexts([{ file: "t.yaml", text }]);
  expect(issues.filter(({ severity }) => severity === "error")).toEqual([]);
  const cluster = new Cluster();
  cluster.apply(objects);
  cluster.sync();
  return cluster;
}

const pod = (name: string, extra = "", spec = ""): string =>
  `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}${extra}}\nspec: {containers: [{name: c, image: i}]${spec}}\n---\n`;
const deployment = (name: string, replicas: number): string =>
  `apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: ${name}}\nspec: {replicas: ${replicas}, selector: {matchLabels: {app: ${name}}}, template: {metadata: {labels: {app: ${name}}}, spec: {containers: [{name: c, image: i, ports: [{name: http, containerPort: 8080}]}]}}}\n---\n`;
const service = (name: string, target: string): string =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {selector: {app: ${name}}, ports: [{name: web, port: 80, targetPort: ${target}}]}\n---\n`;
const denyAll = (namespace: string): string =>
  `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny-all, namespace: ${namespace}}\nspec: {podSelector: {}, ingress: []}\n---\n`;

const ask = (cluster: Cluster, from: string, to: string, rest: Partial<Question> = {}): string =>
  answer(cluster, { from, to, protocol: "TCP", port: 8080, ...rest }).outcome;

describe("names", () => {
  const cluster = clusterOf(
    pod("a") + pod("b", ", namespace: other") + deployment("web", 2) + service("web", "http"),
  );

  test.each(["a", "default/a", "pod/a", "pods/a"])("%s is the pod default/a", (name) => {
    expect(ask(cluster, name, "other/b")).toBe("allow");
  });

  test.each([
    "deploy/web",
    "default/deploy/web",
    "deployment/web",
    "web",
    "default/web",
    "web-1",
    "default/web-2",
  ])("%s is a pod of the Deployment", (name) => {
    expect(
      answer(cluster, { from: "a", to: name, protocol: "TCP", port: 8080 }).verdicts[0]?.flow.destination,
    ).toMatchObject({
      kind: "endpoint",
      endpoint: { workload: "Deployment/web" },
    });
  });

  test("a name that nothing has is refused, with the names that there are", () => {
    expect(() => ask(cluster, "nobody", "a")).toThrow(OpError);
    expect(() => ask(cluster, "nobody", "a")).toThrow(/nothing is called nobody; there are default\/a/);
  });

  test("a bare name is the default namespace's; in two others it is ambiguous", () => {
    const elsewhere = (namespace: string): string =>
      deployment("web", 1).replace("{name: web}", `{name: web, namespace: ${namespace}}`);
    const two = clusterOf(deployment("web", 1) + elsewhere("other"));
    expect(
      answer(two, { from: "web", to: "other/web", protocol: "TCP", port: 80 }).verdicts[0]?.flow.source,
    ).toMatchObject({ endpoint: { namespace: "default" } });
    expect(() => ask(clusterOf(elsewhere("one") + elsewhere("two")), "deploy/web", "one/web")).toThrow(
      /ambiguous: one\/Deployment\/web, two\/Deployment\/web/,
    );
  });
});

describe("Services", () => {
  test("a named target port is resolved on each pod, and a Service without pods cannot be reached", () => {
    const cluster = clusterOf(
      pod("a") + deployment("web", 3) + service("web", "http") + service("none", "80"),
    );
    const web = answer(cluster, { from: "a", to: "svc/web", protocol: "TCP", port: 80 });
    expect(web.verdicts.map(({ flow }) => flow.destinationPort)).toEqual([8080, 8080, 8080]);
    expect(answer(cluster, { from: "a", to: "svc/none", protocol: "TCP", port: 80 })).toMatchObject({
      outcome: "deny",
      problem: "Service default/none has no endpoints",
    });
  });

  test("backends that are treated differently make the answer mixed", () => {
    const cluster = clusterOf(pod("a") + deployment("web", 2) + service("web", "8080"));
    cluster.label({ kind: "Pod", namespace: "default", name: "web-1" }, { closed: "yes" });
    cluster.apply(
      decodeTexts([
        {
          file: "p",
          text: denyAll("default").replace("podSelector: {}", "podSelector: {matchLabels: {closed: 'yes'}}"),
        },
      ]).objects,
    );
    cluster.sync();
    expect(ask(cluster, "a", "svc/web", { port: 80 })).toBe("mixed");
  });
});

test("finished pods have no address, and pods on the host's network are their node", () => {
  const cluster = clusterOf(
    pod("a") +
      `${pod("done")}`.replace("---", "status: {phase: Succeeded}\n---") +
      pod("host", "", ", hostNetwork: true") +
      denyAll("default"),
  );
  expect(() => ask(cluster, "a", "done")).toThrow(/has finished/);
  expect(cluster.graph.endpoints.has("default/host")).toBe(false);
  expect(ask(cluster, "a", "host")).toBe("allow");
});

test("deleting a policy opens what it closed, and only changes are told", () => {
  const cluster = clusterOf(pod("a") + pod("b") + denyAll("default"));
  expect(ask(cluster, "a", "b")).toBe("deny");
  expect(cluster.delete({ kind: "NetworkPolicy", namespace: "default", name: "deny-all" })).toBe(true);
  const { graph, network } = cluster.sync();
  expect([...graph.policies]).toEqual(["NetworkPolicy default/deny-all"]);
  expect(network).toMatchObject({ added: [], removed: [] });
  expect(ask(cluster, "a", "b")).toBe("allow");
  expect(cluster.delete({ kind: "NetworkPolicy", namespace: "default", name: "deny-all" })).toBe(false);
});

describe("a workload's name", () => {
  const oneOfDb = denyAll("default").replace(
    "podSelector: {}",
    "podSelector: {matchLabels: {statefulset.kubernetes.io/pod-name: db-1}}",
  );
  const db = deployment("db", 3).replace("kind: Deployment", "kind: StatefulSet");

  test("means all of its pods: some yes and some no is mixed", () => {
    const cluster = clusterOf(pod("a") + db + oneOfDb);
    expect(ask(cluster, "a", "sts/db")).toBe("mixed");
    expect(ask(cluster, "sts/db", "a")).toBe("allow");
    const { flows, meant } = resolveQuestion(cluster, { from: "a", to: "db", port: 80, protocol: "TCP" });
    expect(meant).toEqual({ from: 1, to: 3 });
    expect(flows).toHaveLength(3);
  });

  test("asks about one pod of those that are treated alike", () => {
    const cluster = clusterOf(deployment("web", 40) + deployment("api", 30) + denyAll("default"));
    const { flows } = resolveQuestion(cluster, { from: "web", to: "api", port: 80, protocol: "TCP" });
    expect(flows).toHaveLength(1);
  });

  test("asked about itself means two different pods, where it has two", () => {
    expect(ask(clusterOf(deployment("web", 2) + denyAll("default")), "web", "web")).toBe("deny");
    expect(ask(clusterOf(deployment("web", 1) + denyAll("default")), "web", "web")).toBe("allow");
  });

  test("tells pods apart by the blocks that their addresses are in", () => {
    const blocked = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: block}
spec:
  podSelector: {matchLabels: {app: a}}
  ingress: [{from: [{ipBlock: {cidr: 192.168.0.0/26}}]}]
---
`;
    expect(ask(clusterOf(deployment("a", 1) + deployment("web", 4) + blocked), "web", "deploy/a")).toBe(
      "mixed",
    );
  });

  test("on the host's network means every node: each reaches its own pods only", () => {
    const host = deployment("ne", 1)
      .replace("kind: Deployment", "kind: DaemonSet")
      .replace("containers:", "hostNetwork: true, containers:");
    const cluster = clusterOf(host + deployment("web", 2) + denyAll("default"));
    expect(ask(cluster, "ds/ne", "web")).toBe("mixed");
    expect(ask(cluster, "web", "ds/ne")).toBe("allow");
  });
});

test("a name that means nothing is told with the nearest one that does", () => {
  const cluster = clusterOf(deployment("frontend", 2));
  expect(() => ask(cluster, "default/frontent", "default/frontend")).toThrow(
    /did you mean default\/frontend\?/,
  );
  expect(() => ask(cluster, "frontent", "default/frontend")).toThrow(/did you mean default\/frontend\?/);
  expect(() => ask(cluster, "svc/frontend", "default/frontend")).toThrow(/opens no connections/);
});

describe("truth tables", () => {
  test("replicas are one row, and a lone pod reaches itself", () => {
    const cluster = clusterOf(pod("a") + deployment("web", 3) + denyAll("default"));
    const matrix = matrixOf(allPairs(cluster.graph, { family: 4, protocol: 6, port: 80 }), false);
    expect(matrix.groups.map(({ name, pods }) => [name, pods.length])).toEqual([
      ["default/a", 1],
      ["default/web", 3],
    ]);
    expect([0, 1].map((from) => [0, 1].map((to) => matrix.cell(from, to)))).toEqual([
      ["allow", "deny"],
      ["deny", "deny"],
    ]);
  });

  test("workloads that nobody can tell apart are one class, and no others are", () => {
    const names = Array.from({ length: 30 }, (_, index) => `app${String(index).padStart(2, "0")}`);
    const closed = (name: string): string =>
      denyAll("default")
        .replace("deny-all", `deny-${name}`)
        .replace("podSelector: {}", `podSelector: {matchLabels: {app: ${name}}}`);
    const cluster = clusterOf(
      names.map((name) => deployment(name, 1)).join("") + names.slice(0, 10).map(closed).join(""),
    );
    const matrix = matrixOf(allPairs(cluster.graph, { family: 4, protocol: 6, port: 80 }), false);
    const { classes, cells } = quotient(matrix);
    expect(classes.map(({ members }) => members.length)).toEqual([10, 20]);
    expect(cells).toEqual([
      ["deny", "allow"],
      ["deny", "allow"],
    ]);
  });
});
