import { describe, expect, test } from "vitest";
import { decodeTexts } from "../load.ts";
import type { ClusterPolicy } from "./types.ts";

type Kind = ClusterPolicy["kind"];

const VERSION: Readonly<Record<Kind, string>> = {
  ClusterNetworkPolicy: "v1alpha2",
  AdminNetworkPolicy: "v1alpha1",
  BaselineAdminNetworkPolicy: "v1alpha1",
};

function load(kind: Kind, spec: string, name = "default"): { policy: ClusterPolicy; issues: string[] } {
  const text = `apiVersion: policy.networking.k8s.io/${VERSION[kind]}\nkind: ${kind}\nmetadata: {name: ${name}}\n${spec}\n`;
  const { objects, issues } = decodeTexts([{ file: "a.yaml", text }]);
  const [policy] = objects;
  if (policy?.kind !== kind) throw new Error("another kind");
  return { policy: policy as ClusterPolicy, issues: issues.map(({ code, path }) => `${code} ${path}`) };
}

const PLACE = "tier: Admin, priority: 10, subject: {namespaces: {}}";
const ALL = { requirements: [] };

/** A ClusterNetworkPolicy with one rule. Paths in issues are inside the rule. */
function rule(
  text: string,
  direction = "egress",
): { rules: ClusterPolicy["spec"]["egress"]; issues: string[] } {
  const { policy, issues } = load("ClusterNetworkPolicy", `spec: {${PLACE}, ${direction}: [${text}]}`);
  const rules = direction === "egress" ? policy.spec.egress : policy.spec.ingress;
  return { rules, issues: issues.map((issue) => issue.replace(`spec.${direction}[0]`, "-")) };
}

const DENY_ALL = {
  path: "spec.egress[0]",
  name: "",
  action: "Deny",
  peers: [],
  protocols: "any",
  malformed: true,
};

test("all that a ClusterNetworkPolicy may say", () => {
  const { policy, issues } = load(
    "ClusterNetworkPolicy",
    `spec:
  tier: Baseline
  priority: 1000
  subject: {pods: {namespaceSelector: {matchLabels: {a: b}}, podSelector: {matchLabels: {c: d}}}}
  ingress:
  - {name: first, action: Accept, from: [{namespaces: {}}, {pods: {podSelector: {}}}]}
  egress:
  - action: Pass
    to: [{nodes: {}}, {networks: [10.0.0.0/8, "2001:db8::/32"]}]
    protocols:
    - {tcp: {destinationPort: {number: 80}}}
    - {udp: {destinationPort: {range: {start: 1, end: 9}}}}
    - {sctp: {destinationPort: {number: 65535}}}
  - {action: Deny, to: [{namespaces: {}}], protocols: [{destinationNamedPort: http}]}
status: {conditions: []}`,
  );
  expect(issues).toEqual([]);
  expect(policy.spec).toMatchObject({
    tier: "Baseline",
    priority: 1000,
    subject: {
      path: "spec.subject",
      namespaceSelector: { requirements: [{ key: "a" }] },
      podSelector: { requirements: [{ key: "c" }] },
    },
    ingress: [
      {
        path: "spec.ingress[0]",
        name: "first",
        action: "Accept",
        peers: [
          { kind: "pods", path: "spec.ingress[0].from[0]", namespaceSelector: ALL },
          { kind: "pods", namespaceSelector: ALL, podSelector: ALL },
        ],
        protocols: "any",
        malformed: false,
      },
    ],
    egress: [
      {
        action: "Pass",
        peers: [
          { kind: "nodes", selector: ALL },
          { kind: "networks", cidrs: ["10.0.0.0/8", "2001:db8::/32"] },
        ],
        protocols: [
          { path: "spec.egress[0].protocols[0]", protocol: 6, port: { kind: "range", first: 80, last: 80 } },
          { protocol: 17, port: { kind: "range", first: 1, last: 9 } },
          { protocol: 132, port: { kind: "range", first: 65535, last: 65535 } },
        ],
      },
      { action: "Deny", protocols: [{ port: { kind: "named", name: "http" } }] },
    ],
  });
});

test("an AdminNetworkPolicy says the same in its own words", () => {
  const { policy, issues } = load(
    "AdminNetworkPolicy",
    `spec:
  priority: 0
  subject: {namespaces: {matchLabels: {a: b}}}
  egress:
  - action: Allow
    to: [{namespaces: {}}]
    ports:
    - {portNumber: {protocol: TCP, port: 80}}
    - {portNumber: {port: 443}}
    - {portRange: {protocol: UDP, start: 1, end: 9}}
    - {namedPort: http}`,
    "anp",
  );
  expect(issues).toEqual([]);
  expect(policy.spec).toMatchObject({
    tier: "Admin",
    priority: 0,
    subject: { namespaceSelector: { requirements: [{ key: "a" }] } },
    ingress: [],
    egress: [
      {
        action: "Accept",
        protocols: [
          { protocol: 6, port: { first: 80, last: 80 } },
          { protocol: 6, port: { first: 443, last: 443 } },
          { protocol: 17, port: { first: 1, last: 9 } },
          { port: { kind: "named", name: "http" } },
        ],
      },
    ],
  });
  expect(policy.spec.subject).not.toHaveProperty("podSelector");
});

test("a BaselineAdminNetworkPolicy has no priority, no Pass, and one name", () => {
  const deny = "spec: {subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}";
  expect(load("BaselineAdminNetworkPolicy", deny)).toMatchObject({
    policy: { spec: { tier: "Baseline", priority: 0, ingress: [{ action: "Deny", malformed: false }] } },
    issues: [],
  });
  expect(load("BaselineAdminNetworkPolicy", deny, "other").issues).toEqual(["invalid-name metadata.name"]);
  expect(load("BaselineAdminNetworkPolicy", deny.replace("Deny", "Pass"))).toMatchObject({
    policy: { spec: { ingress: [{ action: "Deny", malformed: true }] } },
    issues: ["unsupported-value spec.ingress[0].action"],
  });
});

test("each kind's word for allowing is told where another's is written", () => {
  const spec = `spec: {${PLACE}, ingress: [{action: Allow, from: [{namespaces: {}}]}]}`;
  const text = `apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: a}\n${spec}\n`;
  const { issues } = decodeTexts([{ file: "a.yaml", text }]);
  expect(issues).toMatchObject([{ hint: "ClusterNetworkPolicy calls it Accept" }]);
});

const TO = "to: [{namespaces: {}}]";

/** What cannot be read in a rule, and the issue. An Accept with it is left out, a Deny or a Pass denies everything. */
describe.each([
  ["to: []", "required -.to"],
  ["name: x", "required -.to"],
  ["to: {}", "invalid-type -.to"],
  ["to: [{}]", "empty-peer -.to[0]"],
  ["to: [~]", "required -.to[0]"],
  ["to: [{namespaces: {}, pods: {podSelector: {}}}]", "mixed-peer -.to[0]"],
  ["to: [{namespaces: {matchLabels: {a: no good}}}]", "invalid-label-value -.to[0].namespaces.matchLabels.a"],
  ["to: [{pods: {namespaceSelector: {}}}]", "required -.to[0].pods.podSelector"],
  ["to: [{networks: []}]", "required -.to[0].networks"],
  ["to: [{networks: [10.0.0.0]}]", "invalid-cidr -.to[0].networks[0]"],
  [`${TO}, protocols: []`, "required -.protocols"],
  [`${TO}, protocols: [{}]`, "empty-protocol -.protocols[0]"],
  [`${TO}, protocols: [{tcp: {}}]`, "required -.protocols[0].tcp.destinationPort"],
  [`${TO}, protocols: [{tcp: {destinationPort: {}}}]`, "empty-port -.protocols[0].tcp.destinationPort"],
  [
    `${TO}, protocols: [{tcp: {destinationPort: {number: 0}}}]`,
    "invalid-port -.protocols[0].tcp.destinationPort.number",
  ],
  [
    `${TO}, protocols: [{udp: {destinationPort: {range: {start: 9, end: 9}}}}]`,
    "invalid-port-range -.protocols[0].udp.destinationPort.range.end",
  ],
  [
    `${TO}, protocols: [{tcp: {destinationPort: {number: 1}}, destinationNamedPort: a}]`,
    "mixed-protocol -.protocols[0]",
  ],
  ["to: [{nodes: {}}], protocols: [{destinationNamedPort: http}]", "named-port-without-pods -"],
])("{%s}", (match, issue) => {
  test("is told, and takes an Accept away", () => {
    expect(rule(`{action: Accept, ${match}}`)).toEqual({ rules: [], issues: [issue] });
  });

  test.each(["Deny", "Pass"])("is told, and makes a %s deny everything", (action) => {
    const { rules, issues } = rule(`{action: ${action}, ${match}}`);
    expect(issues).toEqual([issue]);
    expect(rules).toEqual([{ ...DENY_ALL, name: match.includes("name: x") ? "x" : "" }]);
  });
});

test.each([
  ["{action: Drop, to: [{namespaces: {}}]}", "unsupported-value -.action"],
  ["{to: [{namespaces: {}}]}", "required -.action"],
  ["~", "required -"],
])("an action that cannot be read denies everything: %s", (text, issue) => {
  expect(rule(text)).toEqual({ rules: [DENY_ALL], issues: [issue] });
});

describe("one alternative of several that cannot be read", () => {
  test.each([
    ["to: [{namespaces: {}}, {}]", { peers: [{ kind: "pods" }] }],
    ["to: [{networks: [10.0.0.0/8, x]}]", { peers: [{ cidrs: ["10.0.0.0/8"] }] }],
    [`${TO}, protocols: [{}, {destinationNamedPort: a}]`, { protocols: [{ port: { name: "a" } }] }],
  ])("is left out of an Accept, and makes a Deny deny everything: {%s}", (match, expected) => {
    expect(rule(`{action: Accept, ${match}}`).rules).toMatchObject([expected]);
    expect(rule(`{action: Deny, ${match}}`).rules).toEqual([DENY_ALL]);
  });
});

test.each(["nodes: {}", "networks: [10.0.0.0/8]", "domainNames: [a.example]"])(
  "{%s} may not be the source of ingress",
  (peer) => {
    const [field] = peer.split(":");
    expect(rule(`{action: Accept, from: [{${peer}}]}`, "ingress")).toEqual({
      rules: [],
      issues: [`misplaced-peer -.from[0].${field}`],
    });
  },
);

test("domain names accept nothing, and deny everything", () => {
  const to = "to: [{domainNames: ['*.example.com']}";
  expect(rule(`{action: Accept, ${to}]}`)).toEqual({
    rules: [],
    issues: ["domain-names-not-evaluated -.to[0].domainNames"],
  });
  expect(rule(`{action: Accept, ${to}, {namespaces: {}}]}`).rules).toMatchObject([
    { peers: [{ kind: "pods" }] },
  ]);
  expect(rule(`{action: Deny, ${to}]}`).rules).toEqual([DENY_ALL]);
  expect(rule(`{action: Pass, ${to}]}`).rules).toEqual([DENY_ALL]);
});

const RULES = `egress: [{action: Accept, ${TO}}, {name: second, action: Pass, ${TO}}, {name: third, action: Deny, ${TO}}]`;

test.each([
  ["tier: Admin, priority: 1, subject: {}", "empty-subject spec.subject"],
  ["tier: Admin, priority: 1", "required spec.subject"],
  ["tier: Admin, priority: 1, subject: {namespaces: 5}", "invalid-type spec.subject.namespaces"],
  [
    "tier: Admin, priority: 1, subject: {namespaces: {}, pods: {podSelector: {}}}",
    "mixed-subject spec.subject",
  ],
  ["tier: Admin, priority: 1, subject: {pods: {}}", "required spec.subject.pods.podSelector"],
  ["tier: Tortie, priority: 1, subject: {namespaces: {}}", "unsupported-value spec.tier"],
  ["priority: 1, subject: {namespaces: {}}", "required spec.tier"],
  ["tier: Admin, subject: {namespaces: {}}", "required spec.priority"],
  ["tier: Admin, priority: 1001, subject: {namespaces: {}}", "invalid-priority spec.priority"],
])("a policy that cannot be placed only denies: {%s}", (place, issue) => {
  const { policy, issues } = load("ClusterNetworkPolicy", `spec: {${place}, ${RULES}}`);
  expect(issues).toEqual([issue]);
  expect(policy.spec).toMatchObject({ tier: "Admin", subject: { namespaceSelector: ALL } });
  expect(policy.spec.egress).toEqual([
    { ...DENY_ALL, path: "spec.egress[1]", name: "second" },
    expect.objectContaining({ path: "spec.egress[2]", name: "third", action: "Deny", malformed: false }),
  ]);
});

test.each(["", "spec: 5", "spec: [a]"])(
  "a policy of which nothing can be read denies everything (%s)",
  (spec) => {
    expect(load("ClusterNetworkPolicy", spec).policy.spec).toMatchObject({
      tier: "Admin",
      priority: 0,
      subject: { namespaceSelector: ALL },
      ingress: [{ action: "Deny", malformed: true }],
      egress: [{ action: "Deny", malformed: true }],
    });
  },
);

test("a list of rules that cannot be read denies everything, for it may have denied", () => {
  const { policy } = load("ClusterNetworkPolicy", `spec: {${PLACE}, ingress: 5}`);
  expect(policy.spec.ingress).toMatchObject([{ path: "spec.ingress", action: "Deny", malformed: true }]);
});

test("limits are told, and what is beyond them is read all the same", () => {
  const many = (count: number): string => new Array(count).fill(`{action: Deny, ${TO}}`).join(", ");
  const { policy, issues } = load("ClusterNetworkPolicy", `spec: {${PLACE}, egress: [${many(26)}]}`);
  expect(issues).toEqual(["too-many spec.egress"]);
  expect(policy.spec.egress).toHaveLength(26);
  const admin = `spec: {priority: 1, subject: {namespaces: {}}, egress: [${many(100)}]}`;
  expect(load("AdminNetworkPolicy", admin).issues).toEqual([]);
});

test("a misspelt field is told, and that the rule means every port without it", () => {
  expect(rule(`{action: Accept, ${TO}, ports: []}`).issues).toEqual(["unknown-field -.ports", "wide-rule -"]);
});
