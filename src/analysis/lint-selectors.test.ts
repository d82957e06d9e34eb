import { describe, expect, test } from "vitest";
import { calico, documents, findings, lint, networkPolicy, pod } from "../../test/support/lint.ts";

const global = (source: string, action = "Allow"): string =>
  calico(
    "GlobalNetworkPolicy",
    "p",
    `{selector: app == 'web', types: [Ingress], ingress: [{action: ${action}, source: ${source}}]}`,
  );
const own = (source: string): string =>
  calico(
    "NetworkPolicy",
    "p",
    `{selector: app == 'web', types: [Ingress], ingress: [{action: Allow, source: ${source}}]}`,
  );
const SET = calico("GlobalNetworkSet", "partners", "{nets: [203.0.113.0/24]}", "role: partner");

describe("a negated test in a rule", () => {
  test("is told where it selects somebody without the label, by name", () => {
    const text = documents(pod("web", "env: prod"), pod("db"), global("{selector: \"env != 'test'\"}"));
    const [issue, ...more] = findings(text, "missing-label-matches");
    expect(more).toEqual([]);
    expect(issue).toMatchObject({ object: "GlobalNetworkPolicy p", path: "spec.ingress[0].source" });
    expect(issue?.message).toContain("default/db has none");
    expect(issue?.hint).toContain("has(env) &&");
  });

  test.each([
    ["!=", "env != 'test'"],
    ["not in", "env not in {'test', 'dev'}"],
    ["a negation", "!(env == 'test')"],
    ["one of several tests", "has(role) && env != 'test'"],
  ])("%s selects network sets without the label", (_why, selector) => {
    const text = documents(pod("web", "env: prod"), SET, global(`{selector: "${selector}"}`));
    expect(findings(text, "missing-label-matches")[0]?.message).toContain(
      "GlobalNetworkSet partners has none",
    );
  });

  test("a namespace without the label is told, too", () => {
    const text = documents(pod("web"), global("{namespaceSelector: \"env != 'test'\"}"));
    expect(findings(text, "missing-label-matches")[0]?.message).toContain("namespace default has none");
  });

  test.each([
    ["everybody has the label", documents(pod("web", "env: prod"), global("{selector: \"env != 'test'\"}"))],
    [
      "the selector asks for it",
      documents(pod("web", "env: a"), pod("db"), SET, global("{selector: \"has(env) && env != 'test'\"}")),
    ],
    ["it is a test for a value", documents(pod("web"), global("{selector: \"env == 'prod'\"}"))],
    [
      "it is the policy's own subject",
      documents(
        pod("web"),
        calico("GlobalNetworkPolicy", "p", "{selector: \"env != 'test'\", types: [Ingress]}"),
      ),
    ],
    [
      "it is Kubernetes' NotIn",
      documents(
        pod("web"),
        networkPolicy(
          "np",
          "{podSelector: {}, ingress: [{from: [{podSelector: {matchExpressions: [{key: env, operator: NotIn, values: [a]}]}}]}]}",
        ),
      ),
    ],
  ])("nothing where %s", (_why, text) => {
    expect(lint(text, "missing-label-matches")).toEqual([]);
  });
});

describe("a notSelector alone", () => {
  test("of a global policy holds for the whole internet", () => {
    const [issue] = findings(documents(pod("web"), global("{notSelector: has(env)}")), "not-selector-world");
    expect(issue).toMatchObject({
      object: "GlobalNetworkPolicy p",
      path: "spec.ingress[0].source.notSelector",
    });
    expect(issue?.hint).toContain('selector: "!(has(env))"');
  });

  test("of a namespaced policy is limited to its namespace", () => {
    const [issue] = findings(documents(pod("web"), own("{notSelector: has(env)}")));
    expect(issue).toMatchObject({ code: "not-selector-limited", object: "CalicoNetworkPolicy default/p" });
    expect(issue?.message).toContain("the rest of namespace default");
  });

  test.each([
    ["something is selected", global("{selector: has(app), notSelector: has(env)}")],
    ["namespaces are selected", own("{namespaceSelector: all(), notSelector: has(env)}")],
    ["CIDRs limit it", global("{notSelector: has(env), nets: [10.0.0.0/8]}")],
    ["the rule denies", global("{notSelector: has(env)}", "Deny")],
    ["it is empty", global("{notSelector: ''}")],
  ])("nothing where %s", (_why, policy) => {
    expect(lint(documents(pod("web"), policy), "not-selector-world", "not-selector-limited")).toEqual([]);
  });
});

describe("a policy that selects nobody", () => {
  test.each([
    [
      networkPolicy("p", "{podSelector: {matchLabels: {app: nobody}}}"),
      "NetworkPolicy default/p spec.podSelector",
    ],
    [
      calico("NetworkPolicy", "p", "{selector: app == 'nobody'}"),
      "CalicoNetworkPolicy default/p spec.selector",
    ],
    [
      calico("GlobalNetworkPolicy", "p", "{selector: app == 'nobody'}"),
      "GlobalNetworkPolicy p spec.selector",
    ],
    [
      "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: {name: p}\nspec: {priority: 5, subject: {namespaces: {matchLabels: {a: b}}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}",
      "AdminNetworkPolicy p spec.subject",
    ],
  ])("%#: is told", (policy, where) => {
    expect(lint(documents(pod("web"), policy), "selects-nothing")).toEqual([`selects-nothing ${where}`]);
  });

  test("nothing where there is nobody to select, or it is a profile", () => {
    expect(lint(networkPolicy("p", "{podSelector: {}}"), "selects-nothing")).toEqual([]);
    expect(lint(documents(pod("web"), calico("Profile", "p", "{ingress: [{action: Allow}]}")))).toEqual([]);
  });
});
