import { expect, test } from "vitest";
import { decodeTexts } from "../load.ts";
import type { NetworkPolicy } from "./types.ts";

const HEAD = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: ns}\n";

function decode(spec: string): { policy: NetworkPolicy; issues: string[] } {
  const { objects, issues } = decodeTexts([{ file: "a.yaml", text: `${HEAD}spec: ${spec}\n` }]);
  const [policy] = objects;
  if (policy?.kind !== "NetworkPolicy") throw new Error("no policy");
  return { policy, issues: issues.map(({ code, path, severity }) => `${severity} ${code} ${path}`) };
}

function message(spec: string): string | undefined {
  return decodeTexts([{ file: "a.yaml", text: `${HEAD}spec: ${spec}\n` }]).issues[0]?.message;
}

test.each([
  ["only ingress without policyTypes and egress rules", "{}", { ingress: true, egress: false }],
  ["egress too where there are egress rules", "{egress: [{}]}", { ingress: true, egress: true }],
  ["an empty egress section does not count", "{egress: []}", { ingress: true, egress: false }],
  ["a null egress section does not count", "{egress: null}", { ingress: true, egress: false }],
  [
    "an empty list is defaulted like none",
    "{policyTypes: [], egress: [{}]}",
    { ingress: true, egress: true },
  ],
  ["what is written holds", "{policyTypes: [Egress]}", { ingress: false, egress: true }],
  ["null is absent", "{policyTypes: null}", { ingress: true, egress: false }],
] as const)("governed directions: %s", (_why, spec, policyTypes) => {
  const { policy, issues } = decode(spec);
  expect(policy.spec.policyTypes).toEqual(policyTypes);
  expect(issues).toEqual([]);
});

test.each([
  ["an absent selector selects all", "{}", []],
  ["an empty selector selects all", "{podSelector: {}}", []],
  ["a null selector selects all", "{podSelector: null}", []],
  [
    "labels come before expressions, in order",
    "{podSelector: {matchExpressions: [{key: c, operator: Exists}], matchLabels: {b: x, a.io/z: ''}}}",
    [
      { key: "b", operator: "In", values: ["x"], path: "spec.podSelector.matchLabels.b" },
      { key: "a.io/z", operator: "In", values: [""], path: "spec.podSelector.matchLabels[a.io/z]" },
      { key: "c", operator: "Exists", values: [], path: "spec.podSelector.matchExpressions[0]" },
    ],
  ],
] as const)("the subject: %s", (_why, spec, requirements) => {
  const { policy, issues } = decode(spec);
  expect(policy.spec.podSelector.requirements).toEqual(requirements);
  expect(issues).toEqual([]);
});

const ANY = { path: "spec.ingress[0]", peers: "any", ports: "any" };

test.each([
  ["an empty rule allows all", "{ingress: [{}]}", [ANY]],
  ["an empty list of peers is any", "{ingress: [{from: []}]}", [ANY]],
  ["an empty list of ports is any", "{ingress: [{ports: []}]}", [ANY]],
  ["no rule allows nothing", "{ingress: []}", []],
] as const)("rules: %s", (_why, spec, ingress) => {
  const { policy, issues } = decode(spec);
  expect(policy.spec.ingress).toEqual(ingress);
  expect(issues).toEqual([]);
});

test("null lists are any, as the API server has it, and that is told", () => {
  const { policy, issues } = decode("{ingress: [{from: null, ports: null}]}");
  expect(policy.spec.ingress).toEqual([ANY]);
  expect(issues).toEqual(Array.from({ length: 2 }, () => "warning wide-rule spec.ingress[0]"));
});

test("peers keep absent and empty selectors apart", () => {
  const { policy } = decode(
    "{ingress: [{from: [{podSelector: {}}, {namespaceSelector: {}, podSelector: null}]}]}",
  );
  expect(policy.spec.ingress[0]?.peers).toEqual([
    { kind: "pods", path: "spec.ingress[0].from[0]", podSelector: { requirements: [] } },
    { kind: "pods", path: "spec.ingress[0].from[1]", namespaceSelector: { requirements: [] } },
  ]);
});

test("blocks are masked and canonical, and host bits are warned of", () => {
  const { policy, issues } = decode(
    "{egress: [{to: [{ipBlock: {cidr: 10.0.0.1/8, except: [10.1.0.0/16, 10.2.0.9/24]}}, {ipBlock: {cidr: 'FD00:0::/8'}}]}]}",
  );
  expect(policy.spec.egress[0]?.peers).toEqual([
    {
      kind: "ipBlock",
      path: "spec.egress[0].to[0]",
      cidr: "10.0.0.0/8",
      except: ["10.1.0.0/16", "10.2.0.0/24"],
    },
    { kind: "ipBlock", path: "spec.egress[0].to[1]", cidr: "fd00::/8", except: [] },
  ]);
  expect(issues).toEqual([
    "warning cidr-host-bits spec.egress[0].to[0].ipBlock.cidr",
    "warning cidr-host-bits spec.egress[0].to[0].ipBlock.except[1]",
  ]);
});

test.each([
  [
    "a port that names none is all of its protocol",
    "{protocol: UDP}",
    { protocol: "UDP", port: { kind: "all" } },
  ],
  [
    "the protocol is TCP where left out",
    "{port: 80}",
    { protocol: "TCP", port: { kind: "range", first: 80, last: 80 } },
  ],
  [
    "a range includes its ends",
    "{port: 80, endPort: 90}",
    { protocol: "TCP", port: { kind: "range", first: 80, last: 90 } },
  ],
  [
    "a range may be one port",
    "{port: 80, endPort: 80}",
    { protocol: "TCP", port: { kind: "range", first: 80, last: 80 } },
  ],
  [
    "text is a name",
    "{port: http, protocol: SCTP}",
    { protocol: "SCTP", port: { kind: "named", name: "http" } },
  ],
] as const)("ports: %s", (_why, port, expected) => {
  const { policy, issues } = decode(`{ingress: [{ports: [${port}]}]}`);
  expect(policy.spec.ingress[0]?.ports).toEqual([{ path: "spec.ingress[0].ports[0]", ...expected }]);
  expect(issues).toEqual([]);
});

// Each of these is one thing wrong with the only peer of a rule: the peer goes, and the rule with it.
test.each([
  ["{}", "empty-peer", ""],
  ["null", "empty-peer", ""],
  ["{podSelector: null}", "empty-peer", ""],
  ["7", "invalid-type", ""],
  ["{podSelector: []}", "invalid-type", ".podSelector"],
  ["{podSelector: {}, ipBlock: {cidr: 10.0.0.0/8}}", "mixed-peer", ""],
  ["{namespaceSelector: {}, ipBlock: {cidr: 10.0.0.0/8}}", "mixed-peer", ""],
  ["{ipBlock: {}}", "required", ".ipBlock.cidr"],
  ["{ipBlock: {cidr: 10.0.0.300/8}}", "invalid-cidr", ".ipBlock.cidr"],
  ["{ipBlock: {cidr: 10.0.0.0}}", "invalid-cidr", ".ipBlock.cidr"],
  ["{ipBlock: {cidr: 10.0.0.0/33}}", "invalid-cidr", ".ipBlock.cidr"],
  ["{ipBlock: {cidr: 10}}", "invalid-type", ".ipBlock.cidr"],
  ["{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/16]}}", "except-outside-cidr", ".ipBlock.except[0]"],
  ["{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}", "except-outside-cidr", ".ipBlock.except[0]"],
  ["{ipBlock: {cidr: 10.0.0.0/8, except: [fd00::/16]}}", "except-outside-cidr", ".ipBlock.except[0]"],
  ["{ipBlock: {cidr: 10.0.0.0/8, except: [x]}}", "invalid-cidr", ".ipBlock.except[0]"],
  ["{ipBlock: {cidr: 10.0.0.0/8, except: 10.1.0.0/16}}", "invalid-type", ".ipBlock.except"],
  ["{podSelector: {matchLabels: {app: [a]}}}", "invalid-type", ".podSelector.matchLabels.app"],
  ["{podSelector: {matchLabels: {app: yes}}}", "invalid-type", ".podSelector.matchLabels.app"],
  ["{podSelector: {matchLabels: {app: 5}}}", "invalid-type", ".podSelector.matchLabels.app"],
  ["{podSelector: {matchLabels: {app: 'a b'}}}", "invalid-label-value", ".podSelector.matchLabels.app"],
  ["{podSelector: {matchLabels: {-a: b}}}", "invalid-label-key", ".podSelector.matchLabels[-a]"],
  [
    "{podSelector: {matchExpressions: [{key: a, operator: In}]}}",
    "operator-values",
    ".podSelector.matchExpressions[0].values",
  ],
  [
    "{podSelector: {matchExpressions: [{key: a, operator: NotIn, values: []}]}}",
    "operator-values",
    ".podSelector.matchExpressions[0].values",
  ],
  [
    "{podSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}",
    "operator-values",
    ".podSelector.matchExpressions[0].values",
  ],
  [
    "{podSelector: {matchExpressions: [{key: a, operator: in, values: [b]}]}}",
    "invalid-operator",
    ".podSelector.matchExpressions[0].operator",
  ],
  [
    "{podSelector: {matchExpressions: [{operator: Exists}]}}",
    "required",
    ".podSelector.matchExpressions[0].key",
  ],
  [
    "{podSelector: {matchExpressions: [{key: a}]}}",
    "invalid-operator",
    ".podSelector.matchExpressions[0].operator",
  ],
  ["{podSelector: {matchExpressions: {key: a}}}", "invalid-type", ".podSelector.matchExpressions"],
] as const)("the peer %s is an error and allows nothing", (peer, code, path) => {
  const { policy, issues } = decode(`{ingress: [{from: [${peer}]}]}`);
  expect(issues).toEqual([`error ${code} spec.ingress[0].from[0]${path}`]);
  expect(policy.spec.ingress).toEqual([]);
  expect(policy.spec.policyTypes.ingress).toBe(true);
});

test.each([
  ["{port: 0}", "invalid-port", ".port"],
  ["{port: 65536}", "invalid-port", ".port"],
  ["{port: 80.5}", "invalid-type", ".port"],
  ["{port: true}", "invalid-type", ".port"],
  ["{port: '80'}", "invalid-port-name", ".port"],
  ["{port: this-name-is-too-long}", "invalid-port-name", ".port"],
  ["{port: 90, endPort: 80}", "end-port-below-port", ".endPort"],
  ["{port: 90, endPort: 65536}", "invalid-port", ".endPort"],
  ["{port: http, endPort: 80}", "end-port-with-name", ".endPort"],
  ["{endPort: 80}", "end-port-without-port", ".endPort"],
  ["{port: 80, protocol: tcp}", "unsupported-value", ".protocol"],
  ["{port: 80, protocol: ICMP}", "unsupported-value", ".protocol"],
  ["http", "invalid-type", ""],
  ["null", "empty-port", ""],
] as const)("the port %s is an error and allows nothing", (port, code, path) => {
  const { policy, issues } = decode(`{ingress: [{ports: [${port}]}]}`);
  expect(issues).toEqual([`error ${code} spec.ingress[0].ports[0]${path}`]);
  expect(policy.spec.ingress).toEqual([]);
});

test("what can be read of a rule stays", () => {
  const { policy, issues } = decode(
    "{ingress: [{from: [{}, {podSelector: {}}], ports: [{port: 0}, {port: 80}]}, {from: 5}, null]}",
  );
  expect(policy.spec.ingress).toMatchObject([
    {
      path: "spec.ingress[0]",
      peers: [{ path: "spec.ingress[0].from[1]" }],
      ports: [{ path: "spec.ingress[0].ports[1]" }],
    },
  ]);
  expect(issues).toEqual([
    "error empty-peer spec.ingress[0].from[0]",
    "error invalid-port spec.ingress[0].ports[0].port",
    "error invalid-type spec.ingress[1].from",
    "error empty-rule spec.ingress[2]",
  ]);
});

test.each([
  ["a subject that cannot be read is all pods", "{podSelector: 5}", "invalid-type"],
  [
    "a subject with a label twice is all pods",
    "{podSelector: {matchLabels: {a: b, a: c}}}",
    "yaml-duplicate-key",
  ],
  [
    "a subject with a wrong label is all pods",
    "{podSelector: {matchLabels: {a: 'x y'}}}",
    "invalid-label-value",
  ],
] as const)("fails closed: %s", (_why, spec, code) => {
  const { policy, issues } = decode(spec);
  expect(policy.spec.podSelector).toEqual({ requirements: [] });
  expect(issues[0]).toContain(code);
});

test.each([
  ["a list is wanted", "{policyTypes: Ingress}", "invalid-type"],
  ["the case is wrong", "{policyTypes: [ingress]}", "unsupported-value"],
  ["there are three", "{policyTypes: [Ingress, Egress, Ingress]}", "too-many-policy-types"],
  ["one is null", "{policyTypes: [null]}", "required"],
  ["the section stands twice", "{policyTypes: [Ingress], policyTypes: [Egress]}", "yaml-duplicate-key"],
  ["the spec is no mapping", "[]", "invalid-type"],
] as const)("fails closed: both directions are governed where %s", (_why, spec, code) => {
  const { policy, issues } = decode(spec);
  expect(policy.spec.policyTypes).toEqual({ ingress: true, egress: true });
  expect(issues[0]).toContain(code);
});

test("a policy without a name still isolates its namespace", () => {
  const text = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {namespace: ns}\nspec: {}\n";
  const { objects, issues } = decodeTexts([{ file: "a.yaml", text: `${text}---\n${text}` }]);
  expect(objects.map(({ namespace, kind }) => [namespace, kind])).toEqual([
    ["ns", "NetworkPolicy"],
    ["ns", "NetworkPolicy"],
  ]);
  expect(issues.map(({ code }) => code)).toEqual(["required", "required"]);
});

test("a policy of an API version that is gone is an error and isolates", () => {
  const text =
    "apiVersion: extensions/v1beta1\nkind: NetworkPolicy\nmetadata: {name: p}\nspec: {podSelector: {}}\n";
  const { objects, issues } = decodeTexts([{ file: "a.yaml", text }]);
  expect(objects).toHaveLength(1);
  expect(issues).toMatchObject([
    {
      code: "unsupported-api-version",
      severity: "error",
      message: 'no matches for kind "NetworkPolicy" in version "extensions/v1beta1"',
      hint: "write apiVersion: networking.k8s.io/v1",
      position: { line: 1 },
    },
  ]);
});

test("an unknown field is warned of, with the field that was meant", () => {
  const { issues } = decodeTexts([{ file: "a.yaml", text: `${HEAD}spec:\n  podSelecter: {}\n` }]);
  expect(issues).toMatchObject([
    {
      code: "unknown-field",
      severity: "warning",
      message: 'unknown field "spec.podSelecter"',
      object: "NetworkPolicy ns/p",
      hint: 'did you mean "podSelector"?',
      position: { file: "a.yaml", line: 5, column: 3 },
    },
  ]);
});

test.each([
  [
    "{ingress: [{from: [{ipBlock: {cidr: 10.0.0.300/8}}]}]}",
    'Invalid value: "10.0.0.300/8": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
  ],
  [
    "{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/9]}}]}]}",
    'Invalid value: "11.0.0.0/9": must be a strict subset of `cidr`',
  ],
  [
    "{ingress: [{ports: [{port: 90, endPort: 80}]}]}",
    "Invalid value: 80: must be greater than or equal to `port`",
  ],
  [
    "{ingress: [{ports: [{port: a, endPort: 80}]}]}",
    "Invalid value: 80: may not be specified when `port` is non-numeric",
  ],
  [
    "{ingress: [{ports: [{endPort: 80}]}]}",
    "Invalid value: 80: may not be specified when `port` is not specified",
  ],
  ["{ingress: [{ports: [{port: 0}]}]}", "Invalid value: 0: must be between 1 and 65535, inclusive"],
  [
    "{ingress: [{ports: [{protocol: tcp}]}]}",
    'Unsupported value: "tcp": supported values: "TCP", "UDP", "SCTP"',
  ],
  ["{ingress: [{from: [{}]}]}", "Required value: must specify a peer"],
  [
    "{podSelector: {matchExpressions: [{key: a, operator: is}]}}",
    'Invalid value: "is": not a valid selector operator',
  ],
  [
    "{podSelector: {matchExpressions: [{key: a, operator: In}]}}",
    "Required value: must be specified when `operator` is 'In' or 'NotIn'",
  ],
] as const)("%s is refused in the API server's words", (spec, words) => {
  expect(message(spec)).toBe(words);
});

test("a misspelt field of a rule is told with what the rule says without it", () => {
  const { issues } = decode("{podSelector: {}, ingress: [{form: [{podSelector: {}}], ports: [{port: 80}]}]}");
  expect(issues).toEqual(["warning unknown-field spec.ingress[0].form", "warning wide-rule spec.ingress[0]"]);
  expect(decode("{podSelector: {}, ingress: [{}]}").issues).toEqual([]);
});

test.each([
  ["{podSelector: {}, policyType: [Egress]}", "wide-policy spec"],
  ["{podSelector: {}, egres: [{}]}", "wide-policy spec"],
  ["{podSelector: {matchLabel: {a: b}}}", "wide-selector spec.podSelector"],
  [
    "{ingress: [{from: [{podSelector: {matchLabel: {a: b}}}]}]}",
    "wide-selector spec.ingress[0].from[0].podSelector",
  ],
  [
    "{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, excpet: [10.1.0.0/16]}}]}]}",
    "wide-rule spec.ingress[0].from[0].ipBlock",
  ],
  ["{ingress: [{ports: [{prot: 80}]}]}", "wide-rule spec.ingress[0].ports[0]"],
])("what %s says without its misspelt field is told", (spec, issue) => {
  const { issues } = decode(spec);
  expect(issues).toHaveLength(2);
  expect(issues[1]).toBe(`warning ${issue}`);
});

test.each([
  "{podSelector: {matchLabels: {a: b}, matchExpresion: []}}",
  "{podselector: {}}",
  "{Ingress: [{}]}",
])("%s has a misspelt field that makes nothing wider", (spec) => {
  expect(decode(spec).issues).toHaveLength(1);
});

test.each([
  ["matchLabels: {app: no good}", { ingress: true, egress: true }],
  ["matchExpressions: [{key: a, operator: is}]", { ingress: true, egress: true }],
])(
  "where %s cannot be read, all pods are isolated and nothing is allowed to them",
  (selector, policyTypes) => {
    const { policy } = decode(`{podSelector: {${selector}}, ingress: [{}], egress: [{}]}`);
    expect(policy.spec).toEqual({ podSelector: { requirements: [] }, policyTypes, ingress: [], egress: [] });
  },
);

test("where the subject cannot be read, the directions are those that are declared", () => {
  const { policy } = decode("{podSelector: 5, policyTypes: [Egress], egress: [{}]}");
  expect(policy.spec).toMatchObject({ policyTypes: { ingress: false, egress: true }, egress: [] });
});

test.each([
  [
    "a podSelector that is misspelt",
    "{namespaceSelector: {}, podSelecter: {matchLabels: {a: b}}}",
    "wide-peer",
  ],
  ["a podSelector without a value", "{namespaceSelector: {}, podSelector: }", "wide-peer"],
  ["a namespaceSelector that is misspelt", "{podSelector: {}, namespaceSelecter: {}}", "wide-peer"],
  [
    "a podSelector of a misspelt field",
    "{namespaceSelector: {}, podSelector: {matchLables: {a: b}}}",
    "wide-selector",
  ],
  ["both, and a field more", "{namespaceSelector: {}, podSelector: {}, x: 1}", undefined],
  ["no podSelector", "{namespaceSelector: {}}", undefined],
  ["matchLabels without a value", "{podSelector: {matchLabels: }}", "wide-selector"],
])("a peer is told to be wider than it was meant: %s", (_why, peer, code) => {
  const text = `${HEAD}spec: {podSelector: {}, ingress: [{from: [${peer}]}]}\n`;
  const { issues } = decodeTexts([{ file: "a.yaml", text }]);
  expect(issues.map((issue) => issue.code).find((found) => found.startsWith("wide"))).toBe(code);
});

test.each([
  ["peers", "{from: , ports: [{port: 80}]}", ["wide-rule"]],
  ["ports", "{from: [{podSelector: {}}], ports: }", ["wide-rule"]],
  ["anything", "{from: , ports: }", ["wide-rule", "wide-rule"]],
  ["nothing missing", "{from: [{podSelector: {}}]}", []],
])("a rule that was cut off before its %s is told to be wide", (_why, rule, codes) => {
  const text = `${HEAD}spec: {podSelector: {}, ingress: [${rule}]}\n`;
  expect(decodeTexts([{ file: "a.yaml", text }]).issues.map(({ code }) => code)).toEqual(codes);
});
