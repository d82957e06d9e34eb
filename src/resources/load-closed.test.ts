import { describe, expect, test } from "vitest";
import { decodeTexts, type LoadResult } from "./load.ts";
import { objectName } from "./object.ts";

function load(text: string): LoadResult {
  return decodeTexts([{ file: "a.yaml", text }]);
}

describe("an object that is readable but wrong is in the answer", () => {
  const policy = (apiVersion: string, kind: string): string =>
    `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: p, namespace: x}\nspec: {podSelector: {matchLabels: {a: b}}}\n`;

  test.each([
    ["networking.k8s.io/v1", "networkpolicy", "NetworkPolicy x/p"],
    ["networking.k8s.io/v1", "NetworkPolcy", "NetworkPolicy x/p"],
    ["networking.k8s.io/v1beta1", "NetworkPolcy", "NetworkPolicy x/p"],
    ["networking.k8s.oi/v1", "NetworkPolcy", "NetworkPolicy x/p"],
    ["v1", "networkPolicy", "NetworkPolicy x/p"],
    ["projectcalico.org/v3", "GlobalNetworkPolcy", "GlobalNetworkPolicy p"],
    ["policy.networking.k8s.io/v1alpha2", "clusterNetworkPolicy", "ClusterNetworkPolicy p"],
  ])("%s %s is read as %s", (apiVersion, kind, name) => {
    const { objects, issues } = load(policy(apiVersion, kind));
    expect(objects.map(objectName)).toEqual([name]);
    expect(issues.filter(({ code }) => code === "unknown-kind")).toMatchObject([{ severity: "error" }]);
    expect(issues.filter(({ unread }) => unread)).toEqual([]);
  });

  test("a kind without its version is the one kind of that name", () => {
    const text = "kind: GlobalNetworkPolicy\nmetadata: {name: p}\nspec: {selector: all()}\n";
    const { objects, issues } = load(text);
    expect(objects.map(objectName)).toEqual(["GlobalNetworkPolicy p"]);
    expect(issues).toMatchObject([{ code: "missing-kind", hint: "write apiVersion: projectcalico.org/v3" }]);
  });

  test("the items of a list are as well", () => {
    const item = "{metadata: {name: p, namespace: x}, spec: {podSelector: {}}}";
    const { objects } = load(`apiVersion: networking.k8s.io/v1\nkind: NetworkPolcyList\nitems: [${item}]\n`);
    expect(objects.map(objectName)).toEqual(["NetworkPolicy x/p"]);
  });
});

const NP = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n";
const SPEC = "spec: {podSelector: {}}\n";

test.each([
  ["a text that is not YAML", "a: [1\n"],
  ["an undefined alias", `${NP}metadata: *x\n${SPEC}`],
  ["a tab", `${NP}metadata:\n\tname: a\n${SPEC}`],
  ["a text that was cut off", `${NP}metadata: {name: a}\nspec: {podSelector: {matchLa`],
  [
    "aliases that multiply",
    `a0: &a0 [x, x]\n${Array.from({ length: 30 }, (_, n) => `a${n + 1}: &a${n + 1} [${`*a${n}, `.repeat(9)}]`).join("\n")}\n`,
  ],
  ["too many levels", `${NP}spec: ${"[".repeat(501)}`],
  ["a text that is binary", "a: \0\n"],
  ["a scalar", "hello"],
  ["no kind", `apiVersion: networking.k8s.io/v1\nmetadata: {name: a}\n${SPEC}`],
  ["a kind that two groups have, without a version", `kind: NetworkPolicy\nmetadata: {name: a}\n${SPEC}`],
  ["a kind that is no word", "apiVersion: networking.k8s.io/v1\nkind: [NetworkPolicy]\n"],
  [
    "a kind that stands twice",
    "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nkind: NetworkPolicy\n",
  ],
  ["a kind like no other", "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicies\nmetadata: {name: a}\n"],
  ["a list with Items", "apiVersion: v1\nkind: List\nItems: []\n"],
  ["a list of null", "apiVersion: v1\nkind: List\nitems: null\n"],
  ["a list that is a mapping", "apiVersion: v1\nkind: List\nitems: {}\n"],
  ["a typed list of null", "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicyList\nitems:\n"],
  ["a list of scalars", "apiVersion: v1\nkind: List\nitems: [a]\n"],
  ["a namespace that is a number", `${NP}metadata: {name: a, namespace: 5}\n${SPEC}`],
  ["a namespace that none can have", `${NP}metadata: {name: a, namespace: Prod}\n${SPEC}`],
  ["a namespace that stands twice", `${NP}metadata: {name: a, namespace: x, namespace: y}\n${SPEC}`],
  ["metadata that is misspelt", `${NP}metdata: {name: a, namespace: x}\n${SPEC}`],
  ["metadata that is a list", `${NP}metadata: [a]\n${SPEC}`],
  ["metadata that stands twice", `${NP}metadata: {name: a}\nmetadata: {name: b}\n${SPEC}`],
  ["a pod without a name", "apiVersion: v1\nkind: Pod\nmetadata: {namespace: x}\nspec: {containers: []}\n"],
  ["a test that is none", "apiVersion: tortie.dev/v1alpha1\nkind: ConnectivityTest\nmetadata: [a]\n"],
  [
    "a test of a group that is misspelt",
    "apiVersion: tortie.dv/v1alpha1\nkind: ConnectivityTest\nmetadata: [a]\n",
  ],
] as const)("no object can be read, and that is said: %s", (_why, text) => {
  const { objects, tests, issues } = load(text);
  expect(issues.filter(({ unread, severity }) => unread && severity === "error")).not.toEqual([]);
  if (objects.length > 0) expect(text).toContain("NetworkPolicy");
  expect(tests).toEqual([]);
});

test.each([
  ["an empty list", "apiVersion: v1\nkind: List\nitems: []\n"],
  [
    "a kind of another group that ends like a list",
    "apiVersion: example.com/v1\nkind: AllowList\nspec: {}\n",
  ],
  ["a policy that selects nobody knows whom", `${NP}metadata: {name: a}\nspec: {podSelector: 5}\n`],
  ["a policy without a name", `${NP}metadata: {namespace: x}\n${SPEC}`],
])("an answer can do without: %s", (_why, text) => {
  expect(load(text).issues.filter(({ unread }) => unread)).toEqual([]);
});

test.each([
  ["Kind: NetworkPolicy\nApiVersion: networking.k8s.io/v1\n"],
  ["[{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy}]\n"],
  ["items: [{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy}]\n"],
  ["apiVersion\n"],
  ["kid: NetworkPolicy\nmetadata: {}\nspec: {}\n"],
])("a file of a folder that is half an object is no other program's: %j", (text) => {
  const { issues } = decodeTexts([{ file: "a.yaml", text, scanned: true }]);
  expect(issues).toMatchObject([{ severity: "error", unread: true }]);
});

test("of two objects of one name that differ, nobody knows which counts", () => {
  const policy = (label: string): string =>
    `${NP}metadata: {name: a}\nspec: {podSelector: {matchLabels: {app: ${label}}}}\n`;
  const unread = (...texts: readonly string[]): boolean[] =>
    load(texts.join("---\n")).issues.map((issue) => issue.unread === true);
  expect(unread(policy("x"), policy("z"))).toEqual([true]);
  expect(unread(policy("x"), `# the same\n${policy("x")}`)).toEqual([false]);
});
