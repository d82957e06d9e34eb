import { describe, expect, test } from "vitest";
import { calico, documents, findings, lint, networkPolicy, pod } from "../../test/support/lint.ts";

const global = (spec: string): string => calico("GlobalNetworkPolicy", "p", spec);
const NEEDS = ["cuts-dns", "cuts-api-server"] as const;
const told = (spec: string): string[] => lint(documents(pod("web"), global(spec)), ...NEEDS);
const DNS = "{action: Allow, protocol: UDP, destination: {ports: [53]}}";

describe("what every pod needs", () => {
  test.each([
    ["without rules", "{types: [Egress]}"],
    ["of pods alone", "{namespaceSelector: all(), types: [Egress]}"],
    ["by a Deny of everything", "{types: [Egress], egress: [{action: Deny}]}"],
    [
      "with an Allow to the web alone",
      "{types: [Egress], egress: [{action: Allow, protocol: TCP, destination: {ports: [80]}}]}",
    ],
    [
      "by a Deny of all ports",
      "{types: [Egress], egress: [{action: Deny, protocol: UDP}, {action: Deny, protocol: TCP}]}",
    ],
  ])("a global egress policy %s cuts DNS and the API server", (_why, spec) => {
    expect(told(spec)).toEqual([
      "cuts-dns GlobalNetworkPolicy p spec.egress",
      "cuts-api-server GlobalNetworkPolicy p spec.egress",
    ]);
  });

  test("one that leaves kube-system out cuts DNS of the others", () => {
    const [issue, ...more] = findings(
      documents(
        pod("web"),
        global("{namespaceSelector: projectcalico.org/name != 'kube-system', types: [Egress]}"),
      ),
      ...NEEDS,
    );
    expect(more).toEqual([]);
    expect(issue?.code).toBe("cuts-dns");
    expect(issue?.message).toContain("keeps pods from DNS");
  });

  test("one that allows DNS cuts the API server alone, and only in kube-system", () => {
    expect(told(`{types: [Egress], egress: [${DNS}]}`)).toEqual([
      "cuts-api-server GlobalNetworkPolicy p spec.egress",
    ]);
    expect(
      told(`{namespaceSelector: projectcalico.org/name != 'kube-system', types: [Egress], egress: [${DNS}]}`),
    ).toEqual([]);
  });

  test("an Allow of some is not looked into: it may be to where DNS is", () => {
    const allow = "{action: Allow, destination: {nets: [10.96.0.0/12]}}";
    expect(told(`{types: [Egress], egress: [${allow}]}`)).toEqual([]);
  });

  test.each([
    ["it governs ingress", "{types: [Ingress]}"],
    ["it selects by labels", "{selector: has(app), types: [Egress]}"],
    ["it passes on what it does not know", "{types: [Egress], egress: [{action: Pass}]}"],
  ])("nothing where %s", (_why, spec) => {
    expect(told(spec)).toEqual([]);
  });

  test("a namespace's own policy is its own affair", () => {
    const own = networkPolicy("deny", "{podSelector: {}, policyTypes: [Egress]}");
    expect(lint(documents(pod("web"), own), ...NEEDS)).toEqual([]);
  });

  test("cluster-wide policies that deny are asked too", () => {
    const admin = `apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: {name: a}\nspec: {priority: 5, subject: {namespaces: {}}, egress: [{action: Deny, to: [{networks: [0.0.0.0/0]}]}]}`;
    // It denies what the CIDRs hold, which is not known to be all.
    expect(lint(documents(pod("web"), admin), ...NEEDS)).toEqual([]);
  });
});

describe("rules that only log", () => {
  test.each([
    ["in the default tier", "{selector: has(app), types: [Ingress], ingress: [{action: Log}]}", true],
    [
      "and in a tier that passes on",
      "{tier: open, selector: has(app), types: [Ingress], ingress: [{action: Log}]}",
      false,
    ],
    [
      "with an Allow behind",
      "{selector: has(app), types: [Ingress], ingress: [{action: Log}, {action: Allow}]}",
      false,
    ],
    ["with no rules", "{selector: has(app), types: [Ingress]}", false],
    [
      "of an untracked policy",
      "{selector: has(app), types: [Ingress], doNotTrack: true, applyOnForward: true, ingress: [{action: Log}]}",
      false,
    ],
  ])("%s", (_why, spec, isTold) => {
    const text = documents(
      pod("web"),
      calico("Tier", "open", "{order: 1, defaultAction: Pass}"),
      global(spec),
    );
    expect(lint(text, "log-only")).toEqual(isTold ? ["log-only GlobalNetworkPolicy p spec.ingress"] : []);
  });
});
