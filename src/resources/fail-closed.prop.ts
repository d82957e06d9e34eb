import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeValue } from "./load.ts";
import type { KubernetesObject } from "./object.ts";
import { NO_SOURCE } from "./source.ts";

/** A value with one place in it replaced. */
function replace(value: unknown, at: readonly string[], by: unknown): unknown {
  const [key, ...rest] = at;
  if (key === undefined) return by;
  if (Array.isArray(value))
    return value.map((item, index) => (String(index) === key ? replace(item, rest, by) : item));
  const record = value as Record<string, unknown>;
  return { ...record, [key]: replace(record[key], rest, by) };
}

/** All places in a value, from the outside in. */
function places(value: unknown, at: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== "object" || value === null) return [at];
  return [at, ...Object.entries(value).flatMap(([key, inner]) => places(inner, [...at, key]))];
}

function decode(value: unknown): { object: KubernetesObject; errors: number } {
  const { objects, issues } = decodeValue(value, NO_SOURCE);
  const [object] = objects;
  if (!object) throw new Error("no object");
  return { object, errors: issues.filter(({ severity }) => severity === "error").length };
}

interface Rule {
  readonly path: string;
  readonly action: string;
  readonly malformed: boolean;
}

type Lists = Readonly<Record<"ingress" | "egress", readonly Rule[]>>;

function pathOf(value: unknown): unknown {
  return typeof value === "object" && value !== null && "path" in value ? value.path : undefined;
}

/** Whether every part that is there before is there after, lists perhaps with fewer items and never with none. */
function expectNarrower(before: unknown, after: unknown): void {
  // Nearly everything is as before, and an assertion costs more than a look.
  if (JSON.stringify(before) === JSON.stringify(after)) return;
  if (Array.isArray(before)) {
    expect(after).not.toHaveLength(0);
    for (const item of after as unknown[]) {
      const same = before.find((one) => pathOf(one) !== undefined && pathOf(one) === pathOf(item)) as unknown;
      if (same === undefined) expect(before).toContainEqual(item);
      else expectNarrower(same, item);
    }
    return;
  }
  if (typeof before !== "object" || before === null) {
    expect(after).toEqual(before);
    return;
  }
  expect(Object.keys(after as object).sort()).toEqual(Object.keys(before).sort());
  for (const [key, inner] of Object.entries(before))
    expectNarrower(inner, (after as Record<string, unknown>)[key]);
}

/** Never wider: what allowed allows at most what it did, and whatever denied or passed on still does, or denies all. */
function expectClosed(before: Lists, after: Lists): void {
  for (const direction of ["ingress", "egress"] as const) {
    const rules = after[direction];
    const isAllDenied = rules[0]?.malformed === true;
    for (const rule of before[direction]) {
      const now = rules.find(({ path }) => path === rule.path);
      if (rule.action === "Deny" || rule.action === "Pass") {
        if (isAllDenied && !now) continue;
        expect(now).toBeDefined();
        if (!now?.malformed) expect(now).toEqual(rule);
      } else if (now && !now.malformed) {
        expectNarrower(rule, now);
      }
    }
    for (const { path, malformed } of rules) {
      expect(malformed || before[direction].some((rule) => rule.path === path)).toBe(true);
    }
  }
}

const WRONG = fc.constantFrom<unknown>(
  7.5,
  true,
  "no good/",
  -1,
  [5],
  [[]],
  [null],
  [[{}], "no good/"],
  [{ oops: 1 }],
  Number.NaN,
);

const ENTITY = {
  selector: "a == 'x'",
  notSelector: "has(b)",
  namespaceSelector: "all()",
  nets: ["10.0.0.0/8", "11.0.0.0/8"],
  notNets: ["10.1.0.0/16", "10.2.0.0/16"],
  ports: [80, "90:99", "http"],
  notPorts: [95, 96],
  serviceAccounts: { names: ["a", "b"], selector: "has(c)" },
};

const calicoRule = (action: string): unknown => ({
  action,
  ipVersion: 4,
  protocol: "TCP",
  notProtocol: 17,
  source: ENTITY,
  destination: ENTITY,
});
const ICMP = { action: "Deny", protocol: "ICMP", icmp: { type: 8, code: 0 }, notICMP: { type: 3, code: 1 } };
const SERVICES = { action: "Deny", source: { services: { name: "s", namespace: "ns" } } };
const CALICO_RULES = [...["Allow", "Deny", "Pass", "Log"].map(calicoRule), ICMP];

const GLOBAL_POLICY = {
  apiVersion: "projectcalico.org/v3",
  kind: "GlobalNetworkPolicy",
  metadata: { name: "p" },
  spec: {
    tier: "t",
    order: 5,
    selector: "has(a)",
    namespaceSelector: "has(n)",
    serviceAccountSelector: "has(s)",
    types: ["Ingress", "Egress"],
    doNotTrack: false,
    preDNAT: false,
    applyOnForward: true,
    ingress: [...CALICO_RULES, SERVICES],
    egress: CALICO_RULES,
  },
};

test("of a Calico policy, what cannot be read takes permissions away, and never adds one", () => {
  const before = decode(GLOBAL_POLICY).object;
  if (before.kind !== "GlobalNetworkPolicy") throw new Error("another kind");
  expect(decode(GLOBAL_POLICY).errors).toBe(0);
  const inSpec = places(GLOBAL_POLICY).filter(([first]) => first === "spec");
  fc.assert(
    fc.property(fc.constantFrom(...inSpec), WRONG, (at, by) => {
      const { object, errors } = decode(replace(GLOBAL_POLICY, at, by));
      // Some replacements are valid, and mean what they say.
      if (errors === 0 || object.kind !== "GlobalNetworkPolicy") return;
      const { spec } = object;
      expect(spec.types).toEqual({ ingress: true, egress: true });
      expectClosed(before.spec, spec);
      const subject = ["selector", "namespaceSelector", "serviceAccountSelector"] as const;
      const left = subject.filter((name) => spec[name] !== undefined);
      for (const name of left) expect(spec[name]).toEqual(before.spec[name]);
      if (left.length < subject.length) {
        expect(left).toEqual([]);
        expect([...spec.ingress, ...spec.egress].every(({ action }) => action === "Deny")).toBe(true);
      }
    }),
    { numRuns: 4000, seed: 1 },
  );
});

const PODS = {
  namespaceSelector: { matchLabels: { n: "1" } },
  podSelector: { matchExpressions: [{ key: "b", operator: "In", values: ["x"] }] },
};
const PEERS = [{ namespaces: { matchLabels: { n: "1" } } }, { pods: PODS }];
const NETWORKS = [{ networks: ["10.0.0.0/8", "11.0.0.0/8"] }, { nodes: { matchLabels: { z: "1" } } }];
const PROTOCOLS = [
  { tcp: { destinationPort: { number: 80 } } },
  { udp: { destinationPort: { range: { start: 1, end: 9 } } } },
  { sctp: { destinationPort: { number: 9 } } },
];

const CLUSTER_POLICY = {
  apiVersion: "policy.networking.k8s.io/v1alpha2",
  kind: "ClusterNetworkPolicy",
  metadata: { name: "p" },
  spec: {
    tier: "Admin",
    priority: 0,
    subject: { pods: PODS },
    ingress: ["Accept", "Deny", "Pass"].map((action) => ({ action, from: PEERS, protocols: PROTOCOLS })),
    egress: ["Accept", "Deny", "Pass"].map((action) => ({
      action,
      to: [...PEERS, ...NETWORKS],
      protocols: PROTOCOLS,
    })),
  },
};

test("of a cluster-wide policy, what cannot be read takes permissions away, and never adds one", () => {
  const before = decode(CLUSTER_POLICY).object;
  if (before.kind !== "ClusterNetworkPolicy") throw new Error("another kind");
  expect(decode(CLUSTER_POLICY).errors).toBe(0);
  const inSpec = places(CLUSTER_POLICY).filter(([first]) => first === "spec");
  fc.assert(
    fc.property(fc.constantFrom(...inSpec), WRONG, (at, by) => {
      const { object, errors } = decode(replace(CLUSTER_POLICY, at, by));
      if (errors === 0 || object.kind !== "ClusterNetworkPolicy") return;
      const { spec } = object;
      expectClosed(before.spec, spec);
      expect([spec.tier, spec.priority]).toEqual(["Admin", 0]);
      const { subject } = spec;
      const isWhole = subject.podSelector !== undefined;
      if (isWhole) expect(subject).toEqual(before.spec.subject);
      else {
        expect(subject.namespaceSelector.requirements).toEqual([]);
        expect([...spec.ingress, ...spec.egress].every(({ action }) => action === "Deny")).toBe(true);
      }
    }),
    { numRuns: 4000, seed: 1 },
  );
});
