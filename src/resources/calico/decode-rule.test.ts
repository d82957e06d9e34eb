import { describe, expect, test } from "vitest";
import { decodeTexts } from "../load.ts";
import type { CalicoRule } from "./types.ts";

interface Decoded {
  readonly rules: readonly CalicoRule[];
  readonly issues: readonly string[];
}

const HEAD = "apiVersion: projectcalico.org/v3\nmetadata: {name: p}\n";

function decode(rule: string, direction = "ingress", kind = "NetworkPolicy"): Decoded {
  const text = `${HEAD}kind: ${kind}\nspec: {${direction}: [${rule}]}\n`;
  const { objects, issues } = decodeTexts([{ file: "a.yaml", text }]);
  const [policy] = objects;
  if (policy?.kind !== "CalicoNetworkPolicy" && policy?.kind !== "GlobalNetworkPolicy")
    throw new Error("none");
  const rules = direction === "ingress" ? policy.spec.ingress : policy.spec.egress;
  return {
    rules,
    issues: issues.map(({ code, path }) => `${code} ${path?.replace(`spec.${direction}[0]`, "-")}`),
  };
}

const DENY_ALL = {
  path: "spec.ingress[0]",
  action: "Deny",
  source: { path: "spec.ingress[0].source" },
  destination: { path: "spec.ingress[0].destination" },
  http: false,
  malformed: true,
};

test("a rule that says nothing matches everything", () => {
  expect(decode("{action: Allow}")).toEqual({
    rules: [{ ...DENY_ALL, action: "Allow", malformed: false }],
    issues: [],
  });
});

test("all that a rule may say", () => {
  const { rules, issues } = decode(`{
    action: Deny, protocol: TCP, notProtocol: 17, ipVersion: 4, metadata: {annotations: {why: because}},
    source: {
      selector: a == 'x', notSelector: has(b), namespaceSelector: global(), nets: [10.0.0.0/8, 192.0.2.1],
      notNets: [10.1.0.0/16], ports: [80, "90:99", "1000", http_alt.x-1], notPorts: [95],
      serviceAccounts: {names: [web, db], selector: has(c)}},
    destination: {selector: "", nets: [], notPorts: [], serviceAccounts: {}}}`);
  expect(issues).toEqual([]);
  expect(rules).toMatchObject([
    {
      action: "Deny",
      protocol: 6,
      notProtocol: 17,
      ipVersion: 4,
      source: {
        selector: { text: "a == 'x'", path: "spec.ingress[0].source.selector", root: { kind: "compare" } },
        notSelector: { root: { kind: "has", label: "b" } },
        namespaceSelector: { root: { kind: "global" } },
        nets: ["10.0.0.0/8", "192.0.2.1/32"],
        notNets: ["10.1.0.0/16"],
        ports: [
          { path: "spec.ingress[0].source.ports[0]", port: { kind: "range", first: 80, last: 80 } },
          { port: { kind: "range", first: 90, last: 99 } },
          { port: { kind: "range", first: 1000, last: 1000 } },
          { port: { kind: "named", name: "http_alt.x-1" } },
        ],
        notPorts: [{ port: { kind: "range", first: 95, last: 95 } }],
        serviceAccounts: { names: ["web", "db"], selector: { text: "has(c)" } },
      },
      malformed: false,
    },
  ]);
  expect(rules[0]?.destination).toEqual({ path: "spec.ingress[0].destination" });
});

test.each([
  ["protocol: UDPLite", { protocol: 136 }],
  ["protocol: SCTP", { protocol: 132 }],
  ["protocol: 255", { protocol: 255 }],
  ["protocol: ICMP", { protocol: 1, ipVersion: 4 }],
  ["protocol: ICMPv6, icmp: {}", { protocol: 58, ipVersion: 6, icmp: {} }],
  ["protocol: 1, icmp: {type: 8, code: 0}", { protocol: 1, icmp: { type: 8, code: 0 } }],
  ["protocol: ICMPv6, notICMP: {type: 254, code: 255}", { notICMP: { type: 254, code: 255 } }],
  ["destination: {ports: [http]}", { destination: { ports: [{ port: { kind: "named", name: "http" } }] } }],
  ["source: {services: {name: s}}", { source: { services: { name: "s", namespace: "default" } } }],
  [
    "source: {services: {name: s, namespace: ns}, ports: [http]}",
    { source: { services: { namespace: "ns" } } },
  ],
] as const)("{%s} is valid", (match, expected) => {
  const { rules, issues } = decode(`{action: Allow, ${match}}`);
  expect(issues).toEqual([]);
  expect(rules).toMatchObject([expected]);
});

/** What cannot be read, and the issue. An Allow or a Log with it is left out, a Deny or a Pass denies everything. */
const UNREADABLE: readonly (readonly [string, string])[] = [
  ["protocol: tcp", "invalid-protocol -.protocol"],
  ["protocol: '6'", "invalid-protocol -.protocol"],
  ["protocol: 0", "invalid-protocol -.protocol"],
  ["protocol: 256", "invalid-protocol -.protocol"],
  ["notProtocol: GRE", "invalid-protocol -.notProtocol"],
  ["ipVersion: 5", "invalid-ip-version -.ipVersion"],
  ["ipVersion: four", "invalid-type -.ipVersion"],
  ["protocol: ICMP, ipVersion: 6", "icmp-family -.ipVersion"],
  ["protocol: ICMPv6, ipVersion: 4", "icmp-family -.ipVersion"],
  ["icmp: {type: 8}", "icmp-without-protocol -.icmp"],
  ["protocol: TCP, notICMP: {type: 8}", "icmp-without-protocol -.notICMP"],
  ["protocol: ICMP, icmp: {code: 0}", "icmp-code-without-type -.icmp.code"],
  ["protocol: ICMP, icmp: {type: 255}", "invalid-icmp -.icmp.type"],
  ["protocol: ICMP, icmp: {type: 3, code: 256}", "invalid-icmp -.icmp.code"],
  ["protocol: ICMP, icmp: {type: -1}", "invalid-icmp -.icmp.type"],
  ["protocol: ICMP, icmp: 8", "invalid-type -.icmp"],
  ["source: [a]", "invalid-type -.source"],
  ["source: {selector: a = 'x'}", "invalid-selector -.source.selector"],
  ["source: {selector: 5}", "invalid-type -.source.selector"],
  ["source: {selector: global()}", "misplaced-global -.source.selector"],
  ["source: {notSelector: a = 'x'}", "invalid-selector -.source.notSelector"],
  ["source: {notSelector: global()}", "misplaced-global -.source.notSelector"],
  ["source: {namespaceSelector: a = 'x'}", "invalid-selector -.source.namespaceSelector"],
  ["source: {nets: 10.0.0.0/8}", "invalid-type -.source.nets"],
  ["source: {nets: [10.0.0.0/33]}", "invalid-cidr -.source.nets[0]"],
  ["source: {nets: [~]}", "required -.source.nets[0]"],
  ["source: {notNets: [10.0.0.0/8, 10.0.0.0/33]}", "invalid-cidr -.source.notNets[1]"],
  ["source: {notNets: [0.0.0.0/0]}", "excludes-everything -.source.notNets[0]"],
  ["source: {notNets: ['::/0']}", "excludes-everything -.source.notNets[0]"],
  ["source: {nets: [10.0.0.0/8, '2001:db8::/32']}", "mixed-families -"],
  ["source: {nets: [10.0.0.0/8]}, destination: {notNets: ['2001:db8::/32']}", "mixed-families -"],
  ["ipVersion: 6, source: {nets: [10.0.0.0/8]}", "mixed-families -"],
  ["protocol: ICMP, source: {nets: ['2001:db8::/32']}", "mixed-families -"],
  ["protocol: TCP, source: {ports: [0]}", "invalid-port -.source.ports[0]"],
  ["protocol: TCP, source: {ports: [65536]}", "invalid-port -.source.ports[0]"],
  ["protocol: TCP, source: {ports: ['90:80']}", "invalid-port -.source.ports[0]"],
  ["protocol: TCP, source: {ports: ['80:']}", "invalid-port -.source.ports[0]"],
  ["protocol: TCP, source: {ports: ['80-90:']}", "invalid-port -.source.ports[0]"],
  ["protocol: TCP, source: {ports: [1.5]}", "invalid-type -.source.ports[0]"],
  ["protocol: TCP, source: {notPorts: [80, 0]}", "invalid-port -.source.notPorts[1]"],
  ["source: {ports: [80]}", "ports-without-protocol -.source.ports"],
  ["destination: {notPorts: ['80:90']}", "ports-without-protocol -.destination.notPorts"],
  ["protocol: UDPLite, source: {ports: [80]}", "ports-without-protocol -.source.ports"],
  ["protocol: ICMP, source: {ports: [80]}", "ports-without-protocol -.source.ports"],
  ["source: {serviceAccounts: {selector: a = 'x'}}", "invalid-selector -.source.serviceAccounts.selector"],
  ["source: {serviceAccounts: {names: [Web]}}", "invalid-name -.source.serviceAccounts.names[0]"],
  ["source: {services: {name: s}, selector: has(a)}", "services-not-alone -.source.selector"],
  ["source: {services: {name: s}, nets: [10.0.0.0/8]}", "services-not-alone -.source.nets"],
  [
    "source: {services: {name: s}, namespaceSelector: all()}",
    "services-not-alone -.source.namespaceSelector",
  ],
  [
    "source: {services: {name: s}, serviceAccounts: {names: [a]}}",
    "services-not-alone -.source.serviceAccounts",
  ],
  ["source: {services: {namespace: ns}}", "required -.source.services.name"],
  ["source: {services: s}", "invalid-type -.source.services"],
  ["destination: {services: {name: s}}", "misplaced-services -.destination.services"],
];

describe.each(UNREADABLE)("{%s}", (match, issue) => {
  test.each(["Allow", "Log"])("is told, and takes an %s away", (action) => {
    expect(decode(`{action: ${action}, ${match}}`)).toEqual({ rules: [], issues: [issue] });
  });

  test.each(["Deny", "Pass"])("is told, and makes a %s deny everything", (action) => {
    expect(decode(`{action: ${action}, ${match}}`)).toEqual({ rules: [DENY_ALL], issues: [issue] });
  });
});

test.each([
  ["{action: allow}", "unsupported-value -.action"],
  ["{action: 5}", "invalid-type -.action"],
  ["{}", "required -.action"],
  ["~", "required -"],
  ["Allow", "invalid-type -"],
])("an action that cannot be read denies everything: %s", (rule, issue) => {
  expect(decode(rule)).toEqual({ rules: [DENY_ALL], issues: [issue] });
});

test("a list of rules that cannot be read denies everything, for it may have denied", () => {
  const text = `${HEAD}kind: NetworkPolicy\nspec: {ingress: {action: Allow}}\n`;
  const { objects } = decodeTexts([{ file: "a.yaml", text }]);
  expect(objects).toMatchObject([{ spec: { ingress: [{ action: "Deny", malformed: true }] } }]);
});

describe("one alternative of several that cannot be read", () => {
  const ALTERNATIVES = [
    ["source: {nets: [10.0.0.0/8, x]}", { source: { nets: ["10.0.0.0/8"] } }],
    [
      "protocol: TCP, source: {ports: [80, '!']}",
      { source: { ports: [{ port: { kind: "range", first: 80, last: 80 } }] } },
    ],
    ["source: {serviceAccounts: {names: [a, B]}}", { source: { serviceAccounts: { names: ["a"] } } }],
  ] as const;

  test.each(ALTERNATIVES)("is left out of an Allow: %s", (match, expected) => {
    const { rules, issues } = decode(`{action: Allow, ${match}}`);
    expect(issues).toHaveLength(1);
    expect(rules).toMatchObject([expected]);
  });

  test.each(ALTERNATIVES)("makes a Deny deny everything: %s", (match) => {
    expect(decode(`{action: Deny, ${match}}`).rules).toEqual([DENY_ALL]);
  });
});

describe("services", () => {
  test.each([
    ["ports", "protocol: TCP, destination: {services: {name: s}, ports: [80]}"],
    ["notPorts", "destination: {services: {name: s}, notPorts: [http]}"],
  ])("of a destination leave no room for %s", (field, match) => {
    const { issues } = decode(`{action: Allow, ${match}}`, "egress");
    expect(issues).toEqual([`services-not-alone -.destination.${field}`]);
  });

  test("may be the destination of egress, and not its source", () => {
    expect(decode("{action: Allow, destination: {services: {name: s}}}", "egress").issues).toEqual([]);
    expect(decode("{action: Allow, source: {services: {name: s}}}", "egress").issues).toEqual([
      "misplaced-services -.source.services",
    ]);
  });

  test("need a namespace in a policy that has none", () => {
    const rule = (namespace: string): string => `{action: Allow, source: {services: {name: s${namespace}}}}`;
    expect(decode(rule(""), "ingress", "GlobalNetworkPolicy")).toEqual({
      rules: [],
      issues: ["required -.source.services.namespace"],
    });
    expect(decode(rule(", namespace: ns"), "ingress", "GlobalNetworkPolicy").issues).toEqual([]);
  });
});

describe("http", () => {
  test("is read, kept as a mark, and told that nothing enforces it", () => {
    const { rules, issues } = decode(
      "{action: Allow, protocol: TCP, http: {methods: [GET], paths: [{exact: /a}, {prefix: /b}]}}",
    );
    expect(issues).toEqual(["http-not-enforced -.http"]);
    expect(rules).toMatchObject([{ action: "Allow", protocol: 6, http: true }]);
  });

  test.each([
    ["{action: Deny, http: {methods: [GET]}}", "ingress", "misplaced-http -.http", 1],
    ["{action: Allow, http: {methods: [GET]}}", "egress", "misplaced-http -.http", 0],
    ["{action: Allow, protocol: UDP, http: {methods: [GET]}}", "ingress", "misplaced-http -.http", 0],
    ["{action: Allow, http: {paths: [{}]}}", "ingress", "invalid-http-path -.http.paths[0]", 0],
    [
      "{action: Allow, http: {paths: [{exact: a, prefix: b}]}}",
      "ingress",
      "invalid-http-path -.http.paths[0]",
      0,
    ],
    ["{action: Allow, http: {methods: GET}}", "ingress", "invalid-type -.http.methods", 0],
  ] as const)("%s as %s is refused", (rule, direction, issue, denials) => {
    const decoded = decode(rule, direction);
    expect(decoded.issues).toEqual([issue]);
    expect(decoded.rules.filter(({ malformed }) => malformed)).toHaveLength(denials);
    expect(decoded.rules).toHaveLength(denials);
  });
});

describe("limits are told, and what is beyond them is read all the same", () => {
  const many = (count: number, item: string): string => new Array(count).fill(item).join(", ");
  test.each([
    ["257 nets", `source: {nets: [${many(257, "10.0.0.0/8")}]}`, "-.source.nets"],
    ["51 ports", `source: {ports: [${many(51, "http")}]}`, "-.source.ports"],
    ["51 excepted ports", `source: {notPorts: [${many(51, "http")}]}`, "-.source.notPorts"],
  ])("%s", (_why, match, path) => {
    const { rules, issues } = decode(`{action: Allow, ${match}}`);
    expect(issues).toEqual([`too-many ${path}`]);
    expect(rules).toHaveLength(1);
  });

  test("1,025 rules", () => {
    const { rules, issues } = decode(many(1025, "{action: Allow}"));
    expect(issues).toEqual(["too-many spec.ingress"]);
    expect(rules).toHaveLength(1025);
  });
});

test("host bits of a rule's CIDR are masked, and told", () => {
  const { rules, issues } = decode("{action: Allow, source: {nets: [10.1.2.3/8]}}");
  expect(issues).toEqual(["cidr-host-bits -.source.nets[0]"]);
  expect(rules[0]?.source.nets).toEqual(["10.0.0.0/8"]);
});

test("a rule that was cut off, or lost one of two selectors, is told to be wide", () => {
  expect(decode("{action: Allow, source: }").issues).toEqual(["wide-rule -"]);
  expect(decode("{action: Allow, source: {namespaceSelector: all(), slector: has(a)}}").issues).toEqual([
    "unknown-field -.source.slector",
    "wide-peer -.source",
  ]);
});

test("a misspelt field is told, and that the rule is wide without it", () => {
  expect(decode("{action: Allow, sorce: {}}").issues).toEqual(["unknown-field -.sorce", "wide-rule -"]);
  expect(decode("{action: Allow, source: {slector: has(a)}}").issues).toEqual([
    "unknown-field -.source.slector",
    "wide-rule -.source",
  ]);
  const misspeltBeside =
    "{action: Allow, protocol: TCP, sorce: {nets: [10.0.0.0/8]}, destination: {ports: [80]}}";
  expect(decode(misspeltBeside).issues).toEqual(["unknown-field -.sorce", "wide-rule -"]);
  expect(decode("{action: Allow, source: {serviceAccounts: {name: a}}}").issues).toEqual([
    "unknown-field -.source.serviceAccounts.name",
    "wide-rule -.source.serviceAccounts",
  ]);
  const whole = "{action: Allow, comment: x, protocol: TCP, source: {}, destination: {}}";
  expect(decode(whole).issues).toEqual(["unknown-field -.comment"]);
});

test.each([
  ["Allow", []],
  ["Deny", [{ action: "Deny", malformed: true }]],
])("domain names are not evaluated: what %ss by them is never wider", (action, rules) => {
  const decoded = decode(`{action: ${action}, destination: {domains: ["*.example.com"]}}`, "egress");
  expect(decoded.rules).toMatchObject(rules);
  expect(decoded.rules).toHaveLength(rules.length);
  expect(decoded.issues).toEqual(["domains-not-evaluated -.destination.domains"]);
});
