import { describe, expect, test } from "vitest";
import { calico, documents, networkPolicy, pod } from "../../test/support/lint.ts";
import { becauseLine } from "../policy/explain.ts";
import { decodeTexts } from "../resources/load.ts";
import { Cluster } from "./cluster.ts";
import { previewAnswer, previewable } from "./preview.ts";
import { answer, type Question } from "./question.ts";

const QUESTION: Question = { from: "web", to: "db", port: 80, protocol: "TCP" };
const PODS = documents(pod("web"), pod("db"));

function clusterOf(text: string, staged = false): Cluster {
  const { objects, issues } = decodeTexts([{ file: "t.yaml", text: documents(PODS, text) }]);
  expect(issues).toEqual([]);
  const cluster = new Cluster({ staged });
  cluster.apply(objects);
  cluster.sync();
  return cluster;
}

/** The answer in force, as it would be, and because of what that would change. */
function outcomes(text: string): [string, string | undefined, string] {
  const cluster = clusterOf(text);
  const preview = previewAnswer(cluster, {}, QUESTION);
  const because = preview?.telling ? becauseLine(preview.telling) : "";
  return [answer(cluster, QUESTION).outcome, preview?.answer.outcome, because];
}

const DENY = "{selector: app == 'db', types: [Ingress], ingress: [{action: Deny}]}";
const ALLOW = DENY.replace("Deny", "Allow");
const stagedKubernetes = (spec: string): string =>
  `apiVersion: projectcalico.org/v3\nkind: StagedKubernetesNetworkPolicy\nmetadata: {name: p}\nspec: ${spec}`;

describe("what a staged policy would change", () => {
  test.each([
    [
      "a new one denies",
      calico("StagedNetworkPolicy", "p", DENY),
      ["allow", "deny"],
      "StagedNetworkPolicy default/p",
    ],
    [
      "a new global one denies",
      calico("StagedGlobalNetworkPolicy", "p", DENY),
      ["allow", "deny"],
      "StagedGlobalNetworkPolicy p",
    ],
    [
      "a new one of Kubernetes isolates",
      stagedKubernetes("{podSelector: {matchLabels: {app: db}}}"),
      ["allow", "deny"],
      "isolated by StagedKubernetesNetworkPolicy default/p",
    ],
    [
      "one replaces the policy of its name",
      documents(calico("GlobalNetworkPolicy", "p", DENY), calico("StagedGlobalNetworkPolicy", "p", ALLOW)),
      ["deny", "allow"],
      "allowed by StagedGlobalNetworkPolicy p",
    ],
    [
      "one of Kubernetes replaces the policy of its name",
      documents(
        networkPolicy("p", "{podSelector: {}}"),
        stagedKubernetes("{podSelector: {}, ingress: [{}]}"),
      ),
      ["deny", "allow"],
      "allowed by StagedKubernetesNetworkPolicy default/p",
    ],
    [
      "one deletes the policy of its name",
      documents(
        calico("GlobalNetworkPolicy", "p", DENY),
        calico("StagedGlobalNetworkPolicy", "p", "{stagedAction: Delete}"),
      ),
      ["deny", "allow"],
      "no policy governs it on either side",
    ],
    [
      "one of Kubernetes deletes its policy",
      documents(networkPolicy("p", "{podSelector: {}}"), stagedKubernetes("{stagedAction: Delete}")),
      ["deny", "allow"],
      "no policy governs it on either side",
    ],
  ])("%s", (_what, text, [now, then], because) => {
    const [outcome, staged, reason] = outcomes(text);
    expect([outcome, staged]).toEqual([now, then]);
    expect(reason).toContain(because);
  });

  test("a replacement stands exactly where its target stands, between those of the same order", () => {
    const at = (kind: string, name: string, action: string): string =>
      calico(
        kind,
        name,
        `{selector: app == 'db', order: 5, types: [Ingress], ingress: [{action: ${action}}]}`,
      );
    const others = documents(at("GlobalNetworkPolicy", "b", "Log"), at("GlobalNetworkPolicy", "c", "Deny"));
    // Before c by its name, as b is: were it behind c, nothing would change.
    expect(outcomes(documents(others, at("StagedGlobalNetworkPolicy", "b", "Allow"))).slice(0, 2)).toEqual([
      "deny",
      "allow",
    ]);
    expect(outcomes(documents(others, at("StagedGlobalNetworkPolicy", "d", "Allow"))).slice(0, 2)).toEqual([
      "deny",
      undefined,
    ]);
  });

  test.each([
    ["it is about others", calico("StagedGlobalNetworkPolicy", "p", DENY.replace("db", "cart"))],
    ["it learns", calico("StagedGlobalNetworkPolicy", "p", DENY.replace("{", "{stagedAction: Learn, "))],
    ["it is ignored", calico("StagedGlobalNetworkPolicy", "p", DENY.replace("{", "{stagedAction: Ignore, "))],
    ["there is none", calico("GlobalNetworkPolicy", "p", DENY)],
  ])("nothing where %s", (_why, text) => {
    expect(outcomes(text)[1]).toBeUndefined();
  });

  test("nothing where the answer is about staged policies already", () => {
    const cluster = clusterOf(calico("StagedGlobalNetworkPolicy", "p", DENY), true);
    expect(answer(cluster, QUESTION).outcome).toBe("deny");
    expect(previewAnswer(cluster, { staged: true }, QUESTION)).toBeUndefined();
  });

  test("asked of a workload, it is about all of its pods", () => {
    const deployment = `apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api}\nspec: {replicas: 2, selector: {matchLabels: {app: api}}, template: {metadata: {labels: {app: api}}, spec: {containers: [{name: c, image: i}]}}}`;
    const lockdown = calico("StagedGlobalNetworkPolicy", "q", "{selector: app == 'api', types: [Egress]}");
    const cluster = clusterOf(documents(deployment, lockdown));
    const preview = previewAnswer(cluster, {}, { ...QUESTION, from: "deploy/api" });
    expect(preview?.answer).toMatchObject({ outcome: "deny", meant: { from: 2 } });
  });
});

test("Learn and Ignore cannot be previewed", () => {
  const staged = (name: string, action: string): string =>
    calico(
      "StagedGlobalNetworkPolicy",
      name,
      action === "Delete" ? "{stagedAction: Delete}" : `{stagedAction: ${action}, selector: has(app)}`,
    );
  const text = documents(
    ...["Set", "Delete", "Learn", "Ignore"].map((action) => staged(action.toLowerCase(), action)),
  );
  expect(previewable(clusterOf(text))).toBe(2);
});
