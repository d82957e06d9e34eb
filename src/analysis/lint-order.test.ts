import { describe, expect, test } from "vitest";
import { calico, documents, findings, lint, networkPolicy, pod } from "../../test/support/lint.ts";
import type { Match } from "../policy/model.ts";
import { mayMeet } from "./lint-order.ts";

const policy = (name: string, action: string, rest = "", selector = "app == 'web'"): string =>
  calico(
    "GlobalNetworkPolicy",
    name,
    `{selector: "${selector}", order: 10, types: [Ingress], ingress: [{action: ${action}${rest}}]}`,
  );

describe("equal orders", () => {
  test("the one that goes last by name is told, with those that go first and where they meet", () => {
    const [issue, ...more] = findings(documents(pod("web"), policy("b", "Allow"), policy("a", "Deny")));
    expect(more).toEqual([]);
    expect(issue).toMatchObject({
      code: "equal-order",
      severity: "warning",
      object: "GlobalNetworkPolicy b",
      path: "spec.order",
      position: { file: "t.yaml", line: 9 },
    });
    expect(issue?.message).toContain("equal order (10) as GlobalNetworkPolicy a");
    expect(issue?.message).toContain("ingress of default/web");
  });

  test.each([
    ["both allow", [policy("a", "Allow"), policy("b", "Allow")]],
    ["both deny", [policy("a", "Deny"), policy("b", "Deny")]],
    ["they select different pods", [policy("a", "Allow"), policy("b", "Deny", "", "app == 'db'")]],
    ["their orders differ", [policy("a", "Allow"), policy("b", "Deny").replace("order: 10", "order: 11")]],
    [
      "their tiers differ",
      [
        policy("a", "Allow"),
        policy("b", "Deny").replace("order: 10", "order: 10, tier: other"),
        calico("Tier", "other", "{order: 1}"),
      ],
    ],
    [
      "their directions differ",
      [policy("a", "Allow"), policy("b", "Deny").replace("Ingress", "Egress").replace("ingress", "egress")],
    ],
    [
      "no connection matches both",
      [policy("a", "Allow", ", protocol: TCP"), policy("b", "Deny", ", protocol: UDP")],
    ],
  ])("nothing where %s", (_why, policies) => {
    expect(lint(documents(pod("web"), pod("db"), ...policies), "equal-order")).toEqual([]);
  });

  test("orders that are left out are equal, too", () => {
    const unset = (text: string): string => text.replace("order: 10, ", "");
    const [issue] = findings(
      documents(pod("web"), unset(policy("a", "Pass")), unset(policy("b", "Allow"))),
      "equal-order",
    );
    expect(issue?.message).toContain("equal order (unset) as GlobalNetworkPolicy a");
  });

  test("Kubernetes' policies have order 1000, and contradict Calico's of that order", () => {
    const kubernetes = networkPolicy("web", "{podSelector: {matchLabels: {app: web}}, ingress: [{}]}");
    const other = networkPolicy("other", "{podSelector: {}, ingress: [{}]}");
    expect(
      lint(
        documents(pod("web"), kubernetes, other, policy("x", "Deny").replace("order: 10", "order: 1000")),
        "equal-order",
      ),
    ).toEqual(["equal-order GlobalNetworkPolicy x spec.order"]);
  });

  test("a NetworkPolicy that goes last has no order that could be changed", () => {
    const web = networkPolicy("web", "{podSelector: {}, ingress: [{}]}");
    const [issue] = findings(
      documents(pod("web"), web, policy("a", "Deny").replace("order: 10", "order: 1000")),
      "equal-order",
    );
    expect(issue).toMatchObject({ object: "NetworkPolicy default/web" });
    expect(issue?.path).toBeUndefined();
    expect(issue?.hint).toContain("order 1000");
  });

  test("of many, three are named and the rest is counted", () => {
    const many = Array.from({ length: 9 }, (_, index) => policy(`a${index}`, "Allow"));
    const [issue] = findings(documents(pod("web"), ...many, policy("z", "Deny")), "equal-order");
    expect(issue?.message).toContain(
      "as GlobalNetworkPolicy a0, GlobalNetworkPolicy a1, GlobalNetworkPolicy a2 and 6 more,",
    );
  });

  test("equal priorities of cluster-wide policies are left open by their API", () => {
    const admin = (name: string, action: string): string =>
      `apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: {name: ${name}}\nspec: {priority: 5, subject: {namespaces: {}}, ingress: [{action: ${action}, from: [{namespaces: {}}]}]}`;
    const [issue] = findings(documents(pod("web"), admin("a", "Allow"), admin("b", "Deny")), "equal-order");
    expect(issue).toMatchObject({ object: "AdminNetworkPolicy b", path: "spec.priority" });
    expect(issue?.message).toContain("the API leaves open which goes first");
  });

  test("thousands of policies of one order on one pod stay within the bound", () => {
    const many = Array.from({ length: 2_500 }, (_, index) =>
      policy(`p${index}`, index % 2 ? "Allow" : "Deny"),
    );
    const before = performance.now();
    const issues = findings(documents(pod("web"), ...many), "equal-order");
    expect(issues.length).toBeGreaterThan(1_000);
    // Generous: what is asserted is that nothing is quadratic without a bound.
    expect(performance.now() - before).toBeLessThan(20_000);
  });
});

describe("two matches", () => {
  const match = (part: Partial<Match>): Match => ({ source: {}, destination: {}, ...part });
  const origin = { object: "", path: "", source: { file: "", locate: () => undefined } };
  const ports = (first: number, last: number): Partial<Match> => ({
    destination: { ports: [{ kind: "range", first, last, origin }] },
  });
  const named: Partial<Match> = { destination: { ports: [{ kind: "named", name: "http", origin }] } };

  test.each([
    ["everything meets everything", {}, {}, true],
    ["families", { family: 4 }, { family: 6 }, false],
    ["protocols", { protocol: 6 }, { protocol: 17 }, false],
    ["a protocol and its negation", { protocol: 6 }, { notProtocol: 6 }, false],
    ["ports side by side", ports(1, 9), ports(10, 20), false],
    ["ports that share one", ports(1, 10), ports(10, 20), true],
    ["a name may be any number", named, ports(1, 1), true],
    ["a list of no address", { source: { nets: [] } }, {}, false],
  ] as const)("%s", (_why, a, b, meet) => {
    expect(mayMeet(match(a), match(b))).toBe(meet);
    expect(mayMeet(match(b), match(a))).toBe(meet);
  });
});
