import { describe, expect, test } from "vitest";
import { formatIssue } from "../base/issue.ts";
import { decodeTexts, decodeValue, type LoadResult } from "./load.ts";
import { objectName } from "./object.ts";
import { NO_SOURCE } from "./source.ts";

function load(text: string): LoadResult {
  return decodeTexts([{ file: "a.yaml", text }]);
}

/** Code and path of each issue. */
function problems(text: string): string[] {
  return load(text).issues.map(({ code, path }) => `${code} ${path ?? ""}`.trimEnd());
}

const POD = "apiVersion: v1\nkind: Pod\n";

test("objects of all files come in order, with what is wrong in any of them", () => {
  const { objects, issues } = decodeTexts([
    { file: "a.yaml", text: `${POD}metadata: {name: a}\nspec: {containers: []}\n---\n[b` },
    {
      file: "b.yaml",
      text: `${POD}metadata: {name: b, namespace: x}\nspec: {containers: [], hostNetwork: 5}\n`,
    },
  ]);
  expect(objects.map(({ namespace, name }) => `${namespace}/${name}`)).toEqual(["default/a", "x/b"]);
  expect(issues.map(formatIssue)).toEqual([
    "a.yaml:6:3: error: unexpected end of the stream within a flow collection [yaml-syntax]",
    "b.yaml:4:24: error: Pod x/b: spec.hostNetwork: expected a boolean, found the number 5 [invalid-type]",
  ]);
});

test("objects that name no namespace go to the one that is given", () => {
  const { objects } = decodeTexts([{ file: "a.yaml", text: `${POD}metadata: {name: a}\n` }], {
    defaultNamespace: "prod",
  });
  expect(objects[0]?.namespace).toBe("prod");
});

test.each([
  ["a text that is not YAML", "{{ .Values.x }}: [", "yaml-syntax"],
  ["a scalar", "hello", "not-an-object"],
  ["a list", "- a\n", "not-an-object"],
  ["no kind", "apiVersion: v1\n", "missing-kind"],
  ["no version", "kind: Pod\nmetadata: {name: a}\nspec: {containers: []}\n", "missing-kind"],
  ["no version of a kind that two groups have", "kind: NetworkPolicy\nmetadata: {name: a}\n", "missing-kind"],
  ["a kind that is a number", "apiVersion: v1\nkind: 5\n", "invalid-type kind"],
  [
    "a kind in the wrong case",
    "apiVersion: v1\nkind: pod\nmetadata: {name: a}\nspec: {containers: []}\n",
    "unknown-kind kind",
  ],
  [
    "a kind that is misspelt",
    "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicies\nmetadata: {name: a}\n",
    "unknown-kind kind",
  ],
  [
    "a version that is gone",
    "apiVersion: extensions/v1beta1\nkind: Deployment\nmetadata: {name: a}\nspec: {selector: {}, template: {spec: {containers: []}}}\n",
    "unsupported-api-version apiVersion",
  ],
  ["no name", `${POD}metadata: {}\nspec: {containers: []}\n`, "required metadata.name"],
  ["no metadata", `${POD}spec: {containers: []}\n`, "required metadata"],
  [
    "a name with capitals",
    `${POD}metadata: {name: Web}\nspec: {containers: []}\n`,
    "invalid-name metadata.name",
  ],
  [
    "a name that is a number",
    `${POD}metadata: {name: 5}\nspec: {containers: []}\n`,
    "invalid-type metadata.name",
  ],
  [
    "a name that is too long",
    `${POD}metadata: {name: ${"a".repeat(254)}}\nspec: {containers: []}\n`,
    "invalid-name metadata.name",
  ],
  [
    "a label that is too long",
    `${POD}metadata: {name: a, labels: {app: ${"x".repeat(64)}}}\nspec: {containers: []}\n`,
    "invalid-label-value metadata.labels.app",
  ],
  [
    "a label key with a bad prefix",
    `${POD}metadata: {name: a, labels: {A_/b: c}}\nspec: {containers: []}\n`,
    "invalid-label-key metadata.labels[A_/b]",
  ],
  [
    "a label that is a boolean to kubectl",
    `${POD}metadata: {name: a, labels: {app: on}}\nspec: {containers: []}\n`,
    "invalid-type metadata.labels.app",
  ],
  [
    "an unknown field of metadata",
    `${POD}metadata: {name: a, label: {}}\nspec: {containers: []}\n`,
    "unknown-field metadata.label",
  ],
  [
    "an unknown field of a container",
    `${POD}metadata: {name: a}\nspec: {containers: [{port: []}]}\n`,
    "unknown-field spec.containers[0].port",
  ],
  [
    "a container port out of range",
    `${POD}metadata: {name: a}\nspec: {containers: [{ports: [{containerPort: 70000}]}]}\n`,
    "invalid-port spec.containers[0].ports[0].containerPort",
  ],
  [
    "a port's name twice",
    `${POD}metadata: {name: a}\nspec: {containers: [{ports: [{containerPort: 1, name: a}, {containerPort: 2, name: a}]}]}\n`,
    "duplicate-port-name spec.containers[0].ports[1].name",
  ],
  [
    "a Service's name that starts with a digit",
    "apiVersion: v1\nkind: Service\nmetadata: {name: 1a}\n",
    "invalid-name metadata.name",
  ],
  [
    "a selector that misses its template",
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: c}}, spec: {containers: []}}}\n",
    "selector-mismatch spec.template.metadata.labels",
  ],
] as const)("one issue for %s", (_why, text, expected) => {
  expect(problems(text)).toEqual([expected]);
});

test("a label that is a boolean to kubectl is named as it was written", () => {
  const { issues } = load(`${POD}metadata: {name: a, labels: {app: on}}\nspec: {containers: []}\n`);
  expect(issues[0]).toMatchObject({
    message: "expected a string, found the boolean true (written on)",
    hint: "quote the value to make it a string",
  });
});

test("the second of two objects with one name is refused, and told where the first is", () => {
  const pod = (label: string): string =>
    `${POD}metadata: {name: a, labels: {l: ${label}}}\nspec: {containers: []}\n`;
  const { objects, issues } = decodeTexts([
    { file: "a.yaml", text: pod("one") },
    { file: "b.yaml", text: `---\n${pod("two")}` },
  ]);
  expect(objects.map(({ labels }) => ({ ...labels }))).toEqual([{ l: "one" }]);
  expect(issues).toMatchObject([
    {
      code: "duplicate-object",
      message: "Pod default/a stands twice: the first is at a.yaml:1:1",
      position: { file: "b.yaml", line: 4 },
    },
  ]);
});

test("one name in two namespaces, or of two kinds, is two objects", () => {
  const text = `${POD}metadata: {name: a}\nspec: {containers: []}\n---\n${POD}metadata: {name: a, namespace: b}\nspec: {containers: []}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n`;
  expect(load(text)).toMatchObject({ objects: [{}, {}, {}], issues: [] });
});

test("a Namespace carries its name as a label, whatever was written", () => {
  const text =
    "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {kubernetes.io/metadata.name: b, team: x}}\n";
  expect({ ...load(text).objects[0]?.labels }).toEqual({ "kubernetes.io/metadata.name": "a", team: "x" });
});

test("the items of a list are objects, with positions of their own", () => {
  const text = `apiVersion: v1
kind: List
items:
  - apiVersion: v1
    kind: Namespace
    metadata: {name: a}
  - apiVersion: v1
    kind: Pod
    metadata:
      name: b
      oops: 1
    spec: {containers: []}
`;
  const { objects, issues } = load(text);
  expect(objects.map(({ kind }) => kind)).toEqual(["Namespace", "Pod"]);
  expect(objects[1]?.source.locate("metadata.name")).toMatchObject({ line: 10, column: 7 });
  expect(issues).toMatchObject([{ path: "metadata.oops", position: { line: 11, column: 7 } }]);
});

test("items of a typed list need no kind, as the API gives them", () => {
  const text =
    '{"apiVersion": "v1", "kind": "PodList", "items": [{"metadata": {"name": "a"}, "spec": {"containers": []}}]}';
  expect(load(text)).toMatchObject({ objects: [{ kind: "Pod", name: "a" }], issues: [] });
});

test("kinds that do not bear on policy are passed over and counted", () => {
  const text =
    "apiVersion: v1\nkind: ConfigMap\n---\napiVersion: example.com/v1\nkind: Deployment\n---\napiVersion: networking.k8s.io/v1\nkind: Ingress\n";
  expect(load(text)).toMatchObject({ objects: [], issues: [], ignored: 3 });
});

test.each([
  ["cilium.io/v2", "CiliumNetworkPolicy"],
  ["crd.antrea.io/v1beta1", "NetworkPolicy"],
  ["crd.antrea.io/v1beta1", "ClusterNetworkPolicy"],
] as const)("%s %s is a policy that is not evaluated, and that is said", (apiVersion, kind) => {
  const { issues, ignored } = load(`apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: a}\n`);
  expect(issues).toMatchObject([{ code: "unsupported-policy-kind", severity: "warning" }]);
  expect(ignored).toBe(1);
});

test.each(["Network", "CalicoAPIConfig", "EarlyNetworkConfiguration", "GlobalThreatFeed"])(
  "%s of Calico's editions and configuration files is passed over",
  (kind) => {
    const text = `apiVersion: projectcalico.org/v3\nkind: ${kind}\nmetadata: {name: a}\n`;
    expect(load(text)).toMatchObject({ issues: [], ignored: 1 });
  },
);

test.each([
  ["projectcalico/v3", "Tier", "projectcalico.org/v3"],
  ["projectcalico.org", "HostEndpoint", "projectcalico.org/v3"],
  ["projectcalcio.org/v3", "GlobalNetworkSet", "projectcalico.org/v3"],
  ["crd.projectcalico/v1", "GlobalNetworkPolicy", "projectcalico.org/v3"],
  ["networking.k8s/v1", "NetworkPolicy", "networking.k8s.io/v1"],
  ["app/v1", "Deployment", "apps/v1"],
] as const)(
  "%s, a slip of the pen, is no reason to leave a %s out in silence",
  (apiVersion, kind, wanted) => {
    const { issues, ignored } = load(
      `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: a}\nspec: {}\n`,
    );
    expect(issues[0]).toMatchObject({ code: "unsupported-api-version", hint: `write apiVersion: ${wanted}` });
    expect(ignored).toBe(0);
  },
);

test("one name in two groups is two kinds, and their objects do not clash", () => {
  const policy = (apiVersion: string): string =>
    `apiVersion: ${apiVersion}\nkind: NetworkPolicy\nmetadata: {name: p}\nspec: {}\n---\n`;
  const { objects, issues } = load(policy("networking.k8s.io/v1") + policy("projectcalico.org/v3"));
  expect(issues).toEqual([]);
  expect(objects.map(objectName)).toEqual(["NetworkPolicy default/p", "CalicoNetworkPolicy default/p"]);
});

describe("labels that a cluster stores in Calico's own annotation", () => {
  const stored = (metadata: string, apiVersion = "crd.projectcalico.org/v1"): string =>
    `apiVersion: ${apiVersion}\nkind: GlobalNetworkSet\nspec: {nets: [192.0.2.0/24]}\nmetadata:\n  name: a\n  labels: {feed: old, kept: x}\n  annotations: {projectcalico.org/metadata: '${metadata}'}\n`;

  test("are the object's, before those beside it", () => {
    const { objects, issues } = load(
      stored('{"labels":{"feed":"bad","other":"z"},"creationTimestamp":null}'),
    );
    expect(issues).toEqual([]);
    expect({ ...objects[0]?.labels }).toEqual({ feed: "bad", kept: "x", other: "z" });
  });

  test("need not be there", () => {
    const { objects, issues } = load(stored('{"creationTimestamp":null}'));
    expect(issues).toEqual([]);
    expect({ ...objects[0]?.labels }).toEqual({ feed: "old", kept: "x" });
  });

  test("mean nothing in the API itself", () => {
    const { objects } = load(stored('{"labels":{"feed":"bad"}}', "projectcalico.org/v3"));
    expect({ ...objects[0]?.labels }).toEqual({ feed: "old", kept: "x" });
  });

  test.each(["{", "[]", "5"])("that cannot be read are told: %s", (metadata) => {
    expect(load(stored(metadata)).issues).toMatchObject([
      { code: "invalid-stored-metadata", severity: "error", position: { line: 7 } },
    ]);
  });

  test("are checked as others are", () => {
    expect(load(stored('{"labels":{"feed":"!"}}')).issues).toMatchObject([{ code: "invalid-label-value" }]);
  });
});

test("of the two forms of Calico's API an object may have either, and not both", () => {
  const policy = (apiVersion: string): string =>
    `apiVersion: ${apiVersion}\nkind: NetworkPolicy\nmetadata: {name: p}\nspec: {egress: [{action: Allow}]}\n---\n`;
  const { objects, issues } = load(policy("crd.projectcalico.org/v1") + policy("projectcalico.org/v3"));
  expect(issues.map(({ code }) => code)).toEqual(["duplicate-object"]);
  expect(objects).toMatchObject([{ kind: "CalicoNetworkPolicy", spec: { types: { ingress: false } } }]);
});

test.each([
  ["projectcalico.org/v4", "NetworkPolicy", "CalicoNetworkPolicy", "projectcalico.org/v3"],
  ["crd.projectcalico.org/v2", "Tier", "Tier", "projectcalico.org/v3"],
  [
    "policy.networking.k8s.io/v1beta1",
    "ClusterNetworkPolicy",
    "ClusterNetworkPolicy",
    "policy.networking.k8s.io/v1alpha2",
  ],
])("%s %s is read, and its version refused", (apiVersion, kind, decodedKind, wanted) => {
  const { objects, issues } = load(`apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: p}\n`);
  expect(objects.map((object) => object.kind)).toEqual([decodedKind]);
  expect(issues[0]).toMatchObject({
    code: "unsupported-api-version",
    severity: "error",
    hint: `write apiVersion: ${wanted}`,
  });
});

test.each([
  ["projectcalico.org/v3", "GlobalNetworkPolcy", 'did you mean "GlobalNetworkPolicy"?'],
  ["crd.projectcalico.org/v1", "networkset", 'did you mean "NetworkSet"?'],
  ["policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicies", undefined],
])("%s %s is misspelt", (apiVersion, kind, hint) => {
  const { issues } = load(`apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: p}\n`);
  expect(issues.map((issue) => [issue.code, issue.hint])).toEqual([["unknown-kind", hint]]);
});

test.each(["BGPPeer", "FelixConfiguration", "IPReservation", "PacketCapture"])(
  "%s of Calico is passed over",
  (kind) => {
    const text = `apiVersion: projectcalico.org/v3\nkind: ${kind}\nmetadata: {name: a}\n`;
    expect(load(text)).toMatchObject({ objects: [], issues: [], ignored: 1 });
  },
);

test("a value without a text behind it decodes the same", () => {
  const value = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "a" },
    spec: { containers: [], nodeName: 5 },
  };
  const { objects, issues } = decodeValue(value, NO_SOURCE);
  expect(objects).toMatchObject([{ kind: "Pod", name: "a", source: { file: "<inline>" } }]);
  expect(issues).toEqual([
    {
      code: "invalid-type",
      severity: "error",
      message: "expected a string, found the number 5",
      hint: expect.any(String),
      path: "spec.nodeName",
      object: "Pod default/a",
    },
  ]);
});

test("labels have no keys but their own", () => {
  const { objects } = load(`${POD}metadata: {name: a}\nspec: {containers: []}\n`);
  const key = "constructor";
  expect(objects[0]?.labels[key]).toBeUndefined();
});

test("ten thousand manifests are ten thousand objects", () => {
  const one = (index: number): string => `---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: policy-${index}
  namespace: ns-${index % 100}
spec:
  podSelector:
    matchLabels: {app: app-${index}}
  policyTypes: [Ingress]
  ingress:
    - from:
        - podSelector: {matchLabels: {role: frontend}}
      ports:
        - {port: 80, protocol: TCP}
`;
  const text = Array.from({ length: 10_000 }, (_, index) => one(index)).join("");
  const start = performance.now();
  const { objects, issues } = load(text);
  const tookMs = performance.now() - start;
  expect(objects).toHaveLength(10_000);
  expect(issues).toEqual([]);
  expect(objects[9_999]?.source.locate("spec.ingress[0].ports[0]")).toMatchObject({ line: 9_999 * 15 + 15 });
  process.stdout.write(`10,000 manifests, ${text.length} characters: ${Math.round(tookMs)} ms\n`);
});

describe("a file found in a folder", () => {
  const load = (text: string) => decodeTexts([{ file: "f.yaml", text, scanned: true }]);

  test.each([
    ["a docker-compose file", "services: {web: {image: i}}\n"],
    ["a chart's values", "replicas: 3\n"],
    ["a list", "- a\n"],
    ["a chart's description", "apiVersion: v2\nname: web\nversion: 0.1.0\n"],
  ])("%s is passed over with a warning", (_why, text) => {
    expect(load(text).issues).toMatchObject([
      { code: "not-kubernetes", severity: "warning", position: { line: 1 } },
    ]);
  });

  test.each([
    ["a kind without a version", "kind: NetworkPolicy\n", "missing-kind"],
    ["a version without a kind", "apiVersion: v1\n", "missing-kind"],
    ["an object that lost its kind", "apiVersion: v1\nmetadata: {name: a}\n", "missing-kind"],
    ["what cannot be read at all", "a: [\n", "yaml-syntax"],
  ])("%s is an error all the same, for a policy may hide in it", (_why, text, code) => {
    expect(load(text).issues).toMatchObject([{ code, severity: "error" }]);
  });
});
