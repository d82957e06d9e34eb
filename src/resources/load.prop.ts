import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeTexts, decodeValue } from "./load.ts";
import type { NetworkPolicy, NetworkPolicyRule } from "./networking/types.ts";
import { NO_SOURCE } from "./source.ts";

const MANIFEST = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: p
  labels: {app.io/x: "y", &a b: c}
spec:
  podSelector: {matchLabels: {app: a}}
  ingress:
  - from: [{podSelector: {}}]
    ports: [{port: 80}]
---
apiVersion: v1
kind: Pod
metadata: {name: p}
spec: {containers: [{ports: [{containerPort: 80, name: http}]}]}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: p}
spec:
  selector: "app == 'a' && has(b)"
  ingress:
  - action: Allow
    source:
      selector: |-
        app == 'b'
      nets: ['10.0.0.0/8']
`;

test("no text makes decoding throw, and every issue has a place in the file", () => {
  const piece = fc.constantFrom(
    "\t",
    "- ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    "&a ",
    "*a",
    "<<: *a",
    "|\n",
    "---\n",
    "...\n",
    "%YAML",
    "!!x ",
    '"',
    "'",
    "#",
    "\r",
    "\u2028",
    "~",
    "? ",
  );
  const edit = fc.record({
    at: fc.nat(MANIFEST.length),
    drop: fc.nat(20),
    insert: fc.oneof(piece, fc.string()),
  });
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 5 }), (edits) => {
      let text = MANIFEST;
      for (const { at, drop, insert } of edits) text = text.slice(0, at) + insert + text.slice(at + drop);
      const lines = text.split(/\r\n|\r|\n/).length;
      for (const { position } of decodeTexts([{ file: "a.yaml", text }]).issues) {
        expect(position?.line).toBeGreaterThanOrEqual(1);
        expect(position?.line).toBeLessThanOrEqual(lines);
        expect(position?.column).toBeGreaterThanOrEqual(1);
      }
    }),
    { numRuns: 3000, seed: 1 },
  );
});

const KINDS = ["Namespace", "Node", "Pod", "Service", "ServiceAccount", "List"];

const POLICY_KINDS = [
  "GlobalNetworkPolicy",
  "StagedNetworkPolicy",
  "StagedKubernetesNetworkPolicy",
  "Tier",
  "NetworkSet",
  "HostEndpoint",
  "Profile",
  "WorkloadEndpoint",
  "IPPool",
  "ClusterNetworkPolicy",
  "AdminNetworkPolicy",
];

test("no value makes decoding throw", () => {
  const named = fc.record({
    apiVersion: fc.constantFrom(
      "v1",
      "networking.k8s.io/v1",
      "apps/v1",
      "tortie.dev/v1alpha1",
      "projectcalico.org/v3",
      "policy.networking.k8s.io/v1alpha1",
      "policy.networking.k8s.io/v1alpha2",
    ),
    kind: fc.constantFrom(...KINDS, "NetworkPolicy", "Deployment", "ConnectivityTest", ...POLICY_KINDS),
    metadata: fc.jsonValue(),
    spec: fc.oneof(
      fc.jsonValue(),
      fc.dictionary(
        fc.constantFrom(
          "podSelector",
          "ingress",
          "egress",
          "containers",
          "ports",
          "probes",
          "steps",
          "template",
          "selector",
          "types",
          "order",
          "subject",
          "priority",
          "nets",
          "cidr",
          "stagedAction",
        ),
        fc.jsonValue(),
      ),
    ),
    status: fc.jsonValue(),
    items: fc.jsonValue(),
  });
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), named), (value) => {
      decodeValue(value, NO_SOURCE);
    }),
    { numRuns: 10_000, seed: 1 },
  );
});

/** A policy whose every field says something, so that losing any one of them shows. */
function fullSpec(): Record<string, unknown> {
  const peers = [
    {
      podSelector: {
        matchLabels: { a: "1" },
        matchExpressions: [{ key: "b", operator: "In", values: ["x"] }],
      },
    },
    { namespaceSelector: { matchLabels: { n: "1" } }, podSelector: { matchLabels: { a: "2" } } },
    { ipBlock: { cidr: "10.0.0.0/8", except: ["10.1.0.0/16", "10.2.0.0/16"] } },
  ];
  const ports = [{ port: 80, protocol: "TCP" }, { port: 90, endPort: 99, protocol: "UDP" }, { port: "http" }];
  return {
    podSelector: { matchLabels: { app: "db" } },
    policyTypes: ["Ingress", "Egress"],
    ingress: [{ from: peers, ports }],
    egress: [{ to: peers, ports }],
  };
}

function decodeSpec(spec: unknown): { policy: NetworkPolicy; errors: number } {
  const value = { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: { name: "p" }, spec };
  const { objects, issues } = decodeValue(value, NO_SOURCE);
  const [policy] = objects;
  if (policy?.kind !== "NetworkPolicy") throw new Error("no policy");
  return { policy, errors: issues.filter(({ severity }) => severity === "error").length };
}

/** All places in a value, from the outside in. */
function places(value: unknown, at: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== "object" || value === null) return [at];
  return [at, ...Object.entries(value).flatMap(([key, inner]) => places(inner, [...at, key]))];
}

function replace(value: unknown, at: readonly string[], by: unknown): unknown {
  const [key, ...rest] = at;
  if (key === undefined) return by;
  if (Array.isArray(value))
    return value.map((item, index) => (String(index) === key ? replace(item, rest, by) : item));
  const record = value as Record<string, unknown>;
  return { ...record, [key]: replace(record[key], rest, by) };
}

function expectNoWider(rules: readonly NetworkPolicyRule[], original: readonly NetworkPolicyRule[]): void {
  for (const rule of rules) {
    const before = original.find(({ path }) => path === rule.path);
    expect(before).toBeDefined();
    for (const part of ["peers", "ports"] as const) {
      const left: unknown[] | "any" = rule[part] === "any" ? "any" : [...rule[part]];
      expect(left).not.toBe("any");
      for (const one of left) expect(before?.[part]).toContainEqual(one);
    }
  }
}

test("what cannot be read takes permissions away, and never adds one", () => {
  const original = decodeSpec(fullSpec()).policy.spec;
  const wrong = fc.constantFrom<unknown>(7.5, true, "", "no good/", -1, [5], [[]], [null], { oops: 1 }, [
    { oops: 1 },
  ]);
  fc.assert(
    fc.property(fc.constantFrom(...places(fullSpec())), wrong, (at, by) => {
      const { policy, errors } = decodeSpec(replace(fullSpec(), at, by));
      // Some replacements are valid, and mean what they say.
      if (errors === 0) return;
      expect(policy.spec.policyTypes).toEqual({ ingress: true, egress: true });
      expectNoWider(policy.spec.ingress, original.ingress);
      expectNoWider(policy.spec.egress, original.egress);
      const subject = policy.spec.podSelector.requirements;
      expect(subject.length === 0 || subject.length === 1).toBe(true);
    }),
    { numRuns: 5000, seed: 1 },
  );
});
