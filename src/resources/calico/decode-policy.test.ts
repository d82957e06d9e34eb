import { describe, expect, test } from "vitest";
import { decodeTexts } from "../load.ts";
import type { KubernetesObject } from "../object.ts";
import type { CalicoNetworkPolicy, GlobalNetworkPolicy } from "./types.ts";

function load(kind: string, spec: string, name = "p"): { object: KubernetesObject; issues: string[] } {
  const text = `apiVersion: projectcalico.org/v3\nkind: ${kind}\nmetadata: {name: ${name}}\nspec: ${spec}\n`;
  const { objects, issues } = decodeTexts([{ file: "a.yaml", text }]);
  const [object] = objects;
  if (!object) throw new Error("no object");
  return { object, issues: issues.map(({ code, path }) => `${code} ${path}`) };
}

function namespaced(spec: string): { policy: CalicoNetworkPolicy; issues: string[] } {
  const { object, issues } = load("NetworkPolicy", spec);
  if (object.kind !== "CalicoNetworkPolicy") throw new Error("another kind");
  return { policy: object, issues };
}

function global(spec: string): { policy: GlobalNetworkPolicy; issues: string[] } {
  const { object, issues } = load("GlobalNetworkPolicy", spec);
  if (object.kind !== "GlobalNetworkPolicy") throw new Error("another kind");
  return { policy: object, issues };
}

const ALLOW = "{action: Allow}";

test("what is left out has Calico's defaults", () => {
  const { policy, issues } = namespaced("{}");
  expect(issues).toEqual([]);
  expect(policy.spec).toEqual({
    tier: "default",
    order: Number.POSITIVE_INFINITY,
    types: { ingress: true, egress: false },
    ingress: [],
    egress: [],
  });
});

test("what a policy says of itself", () => {
  const { policy, issues } =
    namespaced(`{tier: t, order: -1.5, selector: has(a), serviceAccountSelector: has(b),
    types: [Egress], performanceHints: [AssumeNeededOnEveryNode]}`);
  expect(issues).toEqual([]);
  expect(policy.spec).toMatchObject({
    tier: "t",
    order: -1.5,
    selector: { text: "has(a)", path: "spec.selector" },
    serviceAccountSelector: { text: "has(b)" },
    types: { ingress: false, egress: true },
  });
});

test.each([
  ["no rules", "{}", true, false],
  ["rules for ingress", `{ingress: [${ALLOW}]}`, true, false],
  ["rules for egress alone", `{egress: [${ALLOW}]}`, false, true],
  ["rules for both", `{ingress: [${ALLOW}], egress: [${ALLOW}]}`, true, true],
  ["empty lists", "{ingress: [], egress: []}", true, false],
  ["an empty list of types", `{types: [], egress: [${ALLOW}]}`, false, true],
  ["types that contradict the rules", `{types: [Ingress], egress: [${ALLOW}]}`, true, false],
] as const)("directions with %s", (_why, spec, ingress, egress) => {
  const { policy, issues } = namespaced(spec);
  expect(issues).toEqual([]);
  expect(policy.spec.types).toEqual({ ingress, egress });
});

test.each([
  ["{types: [Both]}", "unsupported-value spec.types[0]"],
  ["{types: Ingress}", "invalid-type spec.types"],
  ["{types: [Ingress, Egress, Ingress]}", "too-many spec.types"],
  ["{types: [~]}", "required spec.types[0]"],
])("directions that cannot be read are both: %s", (spec, issue) => {
  const { policy, issues } = namespaced(spec);
  expect(issues).toEqual([issue]);
  expect(policy.spec.types).toEqual({ ingress: true, egress: true });
});

test("a direction that stands twice is told, and counts once", () => {
  const { policy, issues } = namespaced("{types: [Egress, Egress]}");
  expect(issues).toEqual(["duplicate-value spec.types"]);
  expect(policy.spec.types).toEqual({ ingress: false, egress: true });
});

test("a list of rules that cannot be read governs its direction", () => {
  expect(namespaced("{egress: 5}").policy.spec).toMatchObject({
    types: { ingress: false, egress: true },
    egress: [{ action: "Deny", malformed: true }],
  });
});

test("a misspelt direction is told, and what the policy says without it", () => {
  expect(namespaced(`{egres: [${ALLOW}]}`).issues).toEqual(["unknown-field spec.egres", "wide-policy spec"]);
  expect(namespaced("{type: [Egress]}").issues).toEqual(["unknown-field spec.type", "wide-policy spec"]);
});

test.each([".nan", ".inf", "-.inf", "first", "'100'", "[1]"])(
  "the order %s is told, and what the policy denies goes first",
  (order) => {
    const { policy, issues } = namespaced(`{order: ${order}, ingress: [${ALLOW}, {action: Deny}]}`);
    expect(issues).toEqual(["invalid-type spec.order"]);
    expect(policy.spec.order).toBe(Number.NEGATIVE_INFINITY);
    expect(policy.spec.ingress.map(({ action }) => action)).toEqual(["Deny"]);
  },
);

const RULES = `ingress: [${ALLOW}, {action: Log}, {action: Pass}, {action: Deny, protocol: TCP}]`;
const DENIALS = [
  { path: "spec.ingress[2]", action: "Deny", malformed: true },
  { path: "spec.ingress[3]", action: "Deny", protocol: 6, malformed: false },
];

describe.each([
  ["selector: a = 'x'", "invalid-selector spec.selector"],
  ["selector: [a]", "invalid-type spec.selector"],
  ["selector: global()", "misplaced-global spec.selector"],
  ["selector: has(a), serviceAccountSelector: a = 'x'", "invalid-selector spec.serviceAccountSelector"],
])("a subject that cannot be read: %s", (subject, issue) => {
  test.each([namespaced, global])("is everything in scope, and what denies stays (%o)", (decode) => {
    const { policy, issues } = decode(`{${subject}, ${RULES}}`);
    expect(issues).toEqual([issue]);
    expect(policy.spec.selector).toBeUndefined();
    expect(policy.spec.serviceAccountSelector).toBeUndefined();
    expect(policy.spec.types).toEqual({ ingress: true, egress: false });
    expect(policy.spec.ingress).toHaveLength(2);
    expect(policy.spec.ingress).toMatchObject(DENIALS);
  });
});

test("a namespaceSelector that cannot be read makes the subject everything", () => {
  const { policy, issues } = global(`{selector: has(a), namespaceSelector: a = 'x', ${RULES}}`);
  expect(issues).toEqual(["invalid-selector spec.namespaceSelector"]);
  expect(policy.spec).not.toHaveProperty("selector");
  expect(policy.spec).not.toHaveProperty("namespaceSelector");
  expect(policy.spec.ingress).toMatchObject(DENIALS);
});

test("a tier that cannot be read leaves what denies, in the default tier", () => {
  const { policy, issues } = namespaced(`{tier: 5, selector: has(a), ${RULES}}`);
  expect(issues).toEqual(["invalid-type spec.tier"]);
  expect(policy.spec).toMatchObject({ tier: "default", selector: { text: "has(a)" }, ingress: DENIALS });
});

test("a name that no tier has is told and kept", () => {
  const { policy, issues } = namespaced("{tier: My.Tier}");
  expect(issues).toEqual(["invalid-name spec.tier"]);
  expect(policy.spec.tier).toBe("My.Tier");
});

test.each(["NetworkPolicy", "GlobalNetworkPolicy"])(
  "a %s of which nothing can be read denies everything",
  (kind) => {
    expect(load(kind, "[a]").object).toMatchObject({
      spec: {
        types: { ingress: true, egress: true },
        ingress: [{ action: "Deny", malformed: true }],
        egress: [{ action: "Deny", malformed: true }],
      },
    });
  },
);

describe("where a global policy stands in a packet's way", () => {
  test.each([
    ["{}", { doNotTrack: false, preDNAT: false, applyOnForward: false }],
    ["{applyOnForward: true}", { doNotTrack: false, preDNAT: false, applyOnForward: true }],
    ["{applyOnForward: true, doNotTrack: true}", { doNotTrack: true, preDNAT: false, applyOnForward: true }],
    ["{applyOnForward: true, preDNAT: true}", { doNotTrack: false, preDNAT: true, applyOnForward: true }],
  ])("%s", (spec, expected) => {
    const { policy, issues } = global(spec);
    expect(issues).toEqual([]);
    expect(policy.spec).toMatchObject(expected);
  });

  test.each([
    ["applyOnForward: true, doNotTrack: true, preDNAT: true", "contradictory-hooks spec.preDNAT"],
    ["doNotTrack: true", "contradictory-hooks spec.doNotTrack"],
    ["preDNAT: true", "contradictory-hooks spec.preDNAT"],
    ["applyOnForward: true, preDNAT: true, egress: [{action: Deny}]", "contradictory-hooks spec.egress"],
    ["applyOnForward: true, preDNAT: true, types: [Ingress, Egress]", "contradictory-hooks spec.types"],
    ["doNotTrack: 1", "invalid-type spec.doNotTrack"],
    ["preDNAT: 1", "invalid-type spec.preDNAT"],
    ["applyOnForward: 1", "invalid-type spec.applyOnForward"],
  ])("{%s} cannot be known: the policy only denies, at the ordinary stage", (flags, issue) => {
    const { policy, issues } = global(`{${flags}, selector: has(a), ${RULES}}`);
    expect(issues).toEqual([issue]);
    expect(policy.spec).toMatchObject({
      doNotTrack: false,
      preDNAT: false,
      applyOnForward: true,
      selector: { text: "has(a)" },
      ingress: DENIALS,
    });
  });
});

test("a namespaced policy has no field of a global one", () => {
  expect(namespaced("{namespaceSelector: all()}").issues).toEqual(["unknown-field spec.namespaceSelector"]);
});

test.each(["p", "tier.p", "knp.default.some.name", "ossg.default.a.b.c"])(
  "a policy may be called %s",
  (name) => {
    expect(load("NetworkPolicy", "{}", name).issues).toEqual([]);
  },
);

test.each(["a.b.c", "P", `${"a".repeat(64)}.b`])("a policy may not be called %s", (name) => {
  expect(load("GlobalNetworkPolicy", "{}", name).issues).toEqual(["invalid-name metadata.name"]);
});

describe("staged policies", () => {
  test.each(["StagedNetworkPolicy", "StagedGlobalNetworkPolicy", "StagedKubernetesNetworkPolicy"])(
    "%s is to be set unless it says otherwise",
    (kind) => {
      expect(load(kind, "{}")).toMatchObject({ object: { kind, stagedAction: "Set" }, issues: [] });
      for (const action of ["Set", "Learn", "Ignore"]) {
        const { object, issues } = load(kind, `{stagedAction: ${action}}`);
        expect({ object, issues }).toMatchObject({ object: { stagedAction: action }, issues: [] });
      }
    },
  );

  test("a deletion says nothing but the tier", () => {
    const { object, issues } = load(
      "StagedNetworkPolicy",
      "{stagedAction: Delete, tier: t, selector: '', ingress: []}",
    );
    expect(issues).toEqual([]);
    expect(object).toMatchObject({ stagedAction: "Delete", spec: { tier: "t" } });
    expect(load("StagedNetworkPolicy", "{stagedAction: Delete, order: 5, selector: all()}").issues).toEqual([
      "staged-delete-field spec.order",
      "staged-delete-field spec.selector",
    ]);
  });

  test("an action that cannot be read is taken for Set", () => {
    expect(load("StagedNetworkPolicy", "{stagedAction: Drop}")).toMatchObject({
      object: { stagedAction: "Set" },
      issues: ["unsupported-value spec.stagedAction"],
    });
  });

  test("the spec of a Kubernetes policy is that of a Kubernetes policy", () => {
    const { object, issues } = load(
      "StagedKubernetesNetworkPolicy",
      "{stagedAction: Set, podSelector: {matchLabels: {a: b}}, ingress: [{}]}",
    );
    expect(issues).toEqual([]);
    expect(object).toMatchObject({
      spec: { podSelector: { requirements: [{ key: "a" }] }, ingress: [{ peers: "any" }] },
    });
  });

  test("what is no mapping is told once", () => {
    expect(load("StagedGlobalNetworkPolicy", "5").issues).toEqual(["invalid-type spec"]);
    expect(load("StagedGlobalNetworkPolicy", "yes").issues).toEqual(["invalid-type spec"]);
  });
});
