import { expect, test } from "vitest";
import { decodeTexts, decodeValue, type LoadResult } from "../load.ts";
import { sourceInside } from "../source.ts";

function load(spec: string): LoadResult {
  const text = `apiVersion: tortie.dev/v1alpha1\nkind: ConnectivityTest\nmetadata: {name: t}\nspec:\n${spec.replace(/^/gm, "  ")}\n`;
  return decodeTexts([{ file: "t.yaml", text }]);
}

function problems(spec: string): string[] {
  return load(spec).issues.map(({ severity, code, path }) => `${severity} ${code} ${path}`);
}

test("everything that the format knows is read", () => {
  const { tests, issues } = load(`manifests: [./manifests, extra/*.yaml]
objects: [{apiVersion: v1, kind: Namespace, metadata: {name: q}}]
cluster:
  nodes: [{name: node1, ip: 172.18.0.3, labels: {zone: a}}]
  namespaces: [{name: y, labels: {ns: y}}]
  pods:
    - {namespace: y, name: n, labels: {pod: n}, node: node1, ip: 10.244.1.10, hostNetwork: false, serviceAccount: sa, ports: [{port: 80, protocol: TCP, name: http}]}
    - {namespace: x, name: b, ips: [10.0.0.1, 'fd00::1']}
probes:
  - {from: x/a, to: x/b, port: 80, protocol: UDP, expect: allow}
  - {from: 192.0.2.1, to: svc/x/web, port: http, expect: deny, established: true}
  - {from: x/a, to: 'fd00::1', protocol: ICMP, type: 8, code: 0, expect: deny}
matrix:
  - {port: 80, default: allow, deny: [["*", x/a]], allow: [["y/*", "*/c"]]}
steps:
  - name: deny all
    apply: [deny.yaml, {apiVersion: v1, kind: Pod}]
    delete: [{kind: NetworkPolicy, namespace: x, name: d}, {kind: Namespace, name: y}]
    label: [{kind: Pod, namespace: x, name: a, labels: {tier: backend, old: null}}]
    probes: [{from: x/a, to: x/b, port: 80, expect: deny}]
  - {}
`);
  expect(issues).toEqual([]);
  expect(tests).toMatchObject([
    {
      kind: "ConnectivityTest",
      name: "t",
      manifests: ["./manifests", "extra/*.yaml"],
      objects: [{ path: "spec.objects[0]", value: { kind: "Namespace" } }],
      cluster: {
        nodes: [{ name: "node1", ip: "172.18.0.3", labels: { zone: "a" }, path: "spec.cluster.nodes[0]" }],
        namespaces: [{ name: "y", labels: { ns: "y" }, path: "spec.cluster.namespaces[0]" }],
        pods: [
          {
            namespace: "y",
            name: "n",
            labels: { pod: "n" },
            node: "node1",
            ips: ["10.244.1.10"],
            hostNetwork: false,
            serviceAccount: "sa",
            ports: [{ port: 80, protocol: "TCP", name: "http" }],
          },
          { namespace: "x", name: "b", ips: ["10.0.0.1", "fd00::1"], serviceAccount: "default", ports: [] },
        ],
      },
      probes: [
        {
          path: "spec.probes[0]",
          from: "x/a",
          to: "x/b",
          port: 80,
          protocol: "UDP",
          expect: "allow",
          established: false,
        },
        {
          from: "192.0.2.1",
          to: "svc/x/web",
          port: "http",
          protocol: "TCP",
          expect: "deny",
          established: true,
        },
        { to: "fd00::1", protocol: "ICMP", icmpType: 8, icmpCode: 0 },
      ],
      matrix: [
        {
          port: 80,
          protocol: "TCP",
          default: "allow",
          rows: [
            { expect: "deny", from: "*", to: "x/a", path: "spec.matrix[0].deny[0]" },
            { expect: "allow", from: "y/*", to: "*/c", path: "spec.matrix[0].allow[0]" },
          ],
        },
      ],
      steps: [
        {
          name: "deny all",
          path: "spec.steps[0]",
          apply: ["deny.yaml", { path: "spec.steps[0].apply[1]", value: { kind: "Pod" } }],
          delete: [
            { kind: "NetworkPolicy", namespace: "x", name: "d" },
            { kind: "Namespace", namespace: "", name: "y" },
          ],
          label: [{ kind: "Pod", namespace: "x", name: "a", labels: { tier: "backend", old: null } }],
          probes: [{ expect: "deny" }],
          matrix: [],
        },
        { name: "step 2", apply: [], delete: [], label: [], probes: [], matrix: [] },
      ],
    },
  ]);
});

test("rows count in the order in which allow and deny are written", () => {
  const { tests } = load("matrix: [{port: 1, default: deny, allow: [['*', '*']], deny: [[x/a, '*']]}]");
  expect(tests[0]?.matrix[0]?.rows.map(({ expect: verdict }) => verdict)).toEqual(["allow", "deny"]);
});

test("a single matrix need not be a list", () => {
  expect(load("matrix: {port: 1, default: deny}").tests[0]?.matrix).toMatchObject([
    { path: "spec.matrix", rows: [] },
  ]);
});

test("a key that the format does not know is an error with file, line and key", () => {
  expect(load("probes:\n  - {from: x/a, too: x/b, to: x/b, port: 1, expect: deny}").issues).toEqual([
    {
      code: "unknown-key",
      severity: "error",
      message: 'unknown key "too"',
      path: "spec.probes[0].too",
      object: "ConnectivityTest t",
      position: { file: "t.yaml", line: 6, column: 19 },
      hint: 'did you mean "to"?',
      unread: true,
    },
  ]);
});

test("words that kubectl takes for booleans are names here", () => {
  const { tests, issues } = load("cluster: {namespaces: [{name: y, labels: {ns: no}}]}");
  expect(issues).toEqual([]);
  expect(tests[0]?.cluster.namespaces).toMatchObject([{ name: "y", labels: { ns: "no" } }]);
});

test.each([
  ["probe: []", "unknown-key spec.probe"],
  ["cluster: {pod: []}", "unknown-key spec.cluster.pod"],
  ["cluster: {pods: [{name: a, lables: {}}]}", "unknown-key spec.cluster.pods[0].lables"],
  ["cluster: {pods: [{namespace: x}]}", "required spec.cluster.pods[0].name"],
  ["cluster: {pods: [{name: A}]}", "invalid-name spec.cluster.pods[0].name"],
  ["cluster: {pods: [{name: a, ip: 1.2.3}]}", "invalid-ip spec.cluster.pods[0].ip"],
  ["cluster: {pods: [{name: a, ip: 1.2.3.4, ips: []}]}", "ip-and-ips spec.cluster.pods[0].ips"],
  ["cluster: {pods: [{name: a, ports: [{port: 0}]}]}", "invalid-port spec.cluster.pods[0].ports[0].port"],
  ["probes: [{to: x/b, port: 1, expect: deny}]", "required spec.probes[0].from"],
  ["probes: [{from: a, to: x/b, port: 1, expect: deny}]", "invalid-endpoint spec.probes[0].from"],
  ["probes: [{from: svc/x/a, to: x/b, port: 1, expect: deny}]", "invalid-endpoint spec.probes[0].from"],
  ["probes: [{from: x/a, to: x/b, expect: deny}]", "required spec.probes[0].port"],
  ["probes: [{from: x/a, to: x/b, port: 80}]", "required spec.probes[0].expect"],
  ["probes: [{from: x/a, to: x/b, port: 80, expect: allowed}]", "unsupported-value spec.probes[0].expect"],
  [
    "probes: [{from: x/a, to: x/b, port: 80, protocol: ICMP, expect: deny}]",
    "port-with-icmp spec.probes[0].port",
  ],
  ["probes: [{from: x/a, to: x/b, port: 80, type: 8, expect: deny}]", "icmp-only spec.probes[0].type"],
  [
    "probes: [{from: x/a, to: x/b, protocol: ICMP, type: 256, expect: deny}]",
    "invalid-icmp spec.probes[0].type",
  ],
  ["probes: {from: x/a}", "invalid-type spec.probes"],
  ["probes: [null]", "required spec.probes[0]"],
  ["matrix: [{port: 80}]", "required spec.matrix[0].default"],
  ["matrix: [{port: 80, default: deny, allow: [[x/a]]}]", "invalid-row spec.matrix[0].allow[0]"],
  ["matrix: [{port: 80, default: deny, allow: [[a, x/b]]}]", "invalid-pattern spec.matrix[0].allow[0][0]"],
  ["steps: [{aply: []}]", "unknown-key spec.steps[0].aply"],
  ["steps: [{apply: [5]}]", "invalid-type spec.steps[0].apply[0]"],
  ["steps: [{delete: [{name: a}]}]", "required spec.steps[0].delete[0].kind"],
  [
    "steps: [{label: [{kind: Pod, name: a, labels: {a: 'b c'}}]}]",
    "invalid-label-value spec.steps[0].label[0].labels.a",
  ],
  ["objects: [5]", "invalid-type spec.objects[0]"],
  ["manifests: ./a", "invalid-type spec.manifests"],
] as const)("the test %s has one error", (spec, problem) => {
  expect(problems(spec)).toEqual([`error ${problem}`]);
});

test("inline objects are decoded where they stand", () => {
  const { tests } = load("objects:\n  - apiVersion: v1\n    kind: Pod\n    metadata:\n      name: 5");
  const [inline] = tests[0]?.objects ?? [];
  const { source } = tests[0] ?? {};
  if (!inline || !source) throw new Error("no inline object");
  const { issues } = decodeValue(inline.value, sourceInside(source, inline.path));
  expect(issues[0]).toMatchObject({
    path: "metadata.name",
    position: { file: "t.yaml", line: 9, column: 9 },
  });
});
