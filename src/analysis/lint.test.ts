import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { calico, clusterOf, documents, findings, lint, pod } from "../../test/support/lint.ts";
import { decodeTexts } from "../resources/load.ts";
import { Cluster } from "./cluster.ts";
import { lintCluster } from "./lint.ts";

test("findings come in the order of the objects in the input", () => {
  const policy = (name: string): string =>
    calico("GlobalNetworkPolicy", name, "{tier: none, selector: app == 'x'}");
  expect(lint(documents(policy("b"), pod("web"), policy("a")))).toEqual([
    "unknown-tier GlobalNetworkPolicy b spec.tier",
    "selects-nothing GlobalNetworkPolicy b spec.selector",
    "unknown-tier GlobalNetworkPolicy a spec.tier",
    "selects-nothing GlobalNetworkPolicy a spec.selector",
  ]);
});

test("each finding is a warning with a code, a place and what to do", () => {
  const text = documents(
    pod("web"),
    calico(
      "GlobalNetworkPolicy",
      "p",
      "{tier: none, egress: [{action: Log}, {action: Deny, source: {selector: a != 'b'}}]}",
    ),
  );
  const issues = findings(text);
  expect(issues.length).toBeGreaterThan(2);
  for (const issue of issues) {
    expect(issue).toMatchObject({ severity: "warning", position: { file: "t.yaml" } });
    expect(issue.code).toMatch(/^[a-z]+(-[a-z]+)*$/);
    expect(issue.hint).toBeTruthy();
    expect(issue.message).toMatch(/^[^A-Z]|^DNS|^[a-z]/);
  }
});

test("of the examples nothing is said but that some policies wait for labels, which the walkthrough sets", () => {
  const folder = fileURLToPath(new URL("../../examples/go-demo-2", import.meta.url));
  const texts = readdirSync(folder)
    .filter((file) => /\.ya?ml$/.test(file))
    .map((file) => ({ file, text: readFileSync(path.join(folder, file), "utf8") }));
  const cluster = new Cluster();
  cluster.apply(decodeTexts(texts).objects);
  cluster.sync();
  expect(lintCluster(cluster).map(({ code, object }) => `${code} ${object}`)).toEqual([
    "selects-nothing NetworkPolicy default/backend-policy",
    "selects-nothing NetworkPolicy default/db-policy",
  ]);
});

test("no selector is evaluated that the graph has evaluated", () => {
  const policies = Array.from({ length: 200 }, (_, index) =>
    calico(
      "GlobalNetworkPolicy",
      `p${index}`,
      `{selector: app == 'a${index % 20}', order: ${index % 7}, types: [Ingress], ingress: [{action: ${index % 2 ? "Allow" : "Deny"}, source: {selector: "x != '${index % 5}'"}}]}`,
    ),
  );
  const pods = Array.from({ length: 60 }, (_, index) => pod(`a${index}`));
  const cluster = clusterOf(documents(...policies, ...pods));
  const before = cluster.graph.counters.selectorEvaluations;
  expect(lintCluster(cluster).length).toBeGreaterThan(50);
  expect(cluster.graph.counters.selectorEvaluations).toBe(before);
});
