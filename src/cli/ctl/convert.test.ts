import { load, loadAll } from "js-yaml";
import { describe, expect, test } from "vitest";
import { Random } from "../../../test/support/random.ts";
import { allPairs, answer, Cluster, matrixOf } from "../../analysis/index.ts";
import { PROTOCOL } from "../../policy/model.ts";
import { decodeTexts } from "../../resources/load.ts";
import { runCli } from "../testing.ts";

const convert = (text: string, ...argv: string[]) =>
  runCli(["ctl", "convert", "-f", "-", ...argv], { input: text });

describe("stored Calico objects", () => {
  test("metadata comes back from its annotation, the name loses its tier, types are written out", async () => {
    const { exit, out, err } = await convert(`
apiVersion: crd.projectcalico.org/v1
kind: GlobalNetworkPolicy
metadata:
  name: default.deny
  uid: 1-2
  resourceVersion: "7"
  labels: {stored: "1"}
  annotations:
    projectcalico.org/metadata: '{"uid":"x","labels":{"team":"net"},"annotations":{"note":"hi"}}'
    kubectl.kubernetes.io/last-applied-configuration: "{}"
spec: {order: 5, egress: [{action: Deny}]}`);
    expect(exit).toBe(0);
    expect(load(out)).toEqual({
      apiVersion: "projectcalico.org/v3",
      kind: "GlobalNetworkPolicy",
      metadata: { name: "deny", labels: { stored: "1", team: "net" }, annotations: { note: "hi" } },
      spec: { order: 5, egress: [{ action: "Deny" }], types: ["Egress"] },
    });
    expect(err).toContain("it names no types: written out as the API would, Egress; Felix takes");
  });

  test.each(["default.deny", "deny"])(
    "the name that the annotation holds is the policy's: %s",
    async (name) => {
      const { out } = await convert(`
apiVersion: crd.projectcalico.org/v1
kind: GlobalNetworkPolicy
metadata: {name: default.deny, annotations: {projectcalico.org/metadata: '{"name":"${name}"}'}}
spec: {tier: default, types: [Ingress]}`);
      expect(load(out)).toMatchObject({ metadata: { name } });
    },
  );

  test("a policy of another tier keeps its name, as 3.32 does", async () => {
    const { out } = await convert(`
apiVersion: crd.projectcalico.org/v1
kind: NetworkPolicy
metadata: {name: security.deny, namespace: shop}
spec: {tier: security, types: [Ingress]}`);
    expect(load(out)).toMatchObject({ metadata: { name: "security.deny", namespace: "shop" } });
  });

  test("IPAMConfig has another name in the API; what is in the API stays as it is", async () => {
    const { out } = await convert(`
apiVersion: crd.projectcalico.org/v1
kind: IPAMConfig
metadata: {name: default}
spec: {strictAffinity: true}
---
apiVersion: projectcalico.org/v3
kind: Tier
metadata: {name: t}
spec: {order: 1}`);
    expect(loadAll(out)).toMatchObject([{ kind: "IPAMConfiguration" }, { kind: "Tier", spec: { order: 1 } }]);
  });
});

describe("what cannot be said is an error", () => {
  test.each([
    [
      "a label that Calico's selectors take for a namespace's",
      "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}\nspec: {podSelector: {matchLabels: {pcns.x: b}}}",
      "<stdin>:1:1: KubernetesNetworkPolicy(default/a): spec.podSelector.matchLabels[pcns.x]: label pcns.x cannot be asked for",
    ],
    [
      "a name that Calico does not allow",
      "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a.b.c}\nspec: {podSelector: {}}",
      "metadata.name",
    ],
    [
      "domain names",
      "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: {name: a}\nspec: {priority: 1, subject: {namespaces: {}}, egress: [{action: Allow, to: [{domainNames: [a.example]}]}]}",
      "spec.egress[0].to[0]: domain names are not evaluated",
    ],
    [
      "what is broken",
      "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}\nspec: {podSelector: 5}",
      "<stdin>:4:",
    ],
    ["nothing to convert", "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}", "nothing to convert in -"],
  ])("%s", async (_why, text, message) => {
    const { exit, out, err } = await convert(text);
    expect({ exit, out }).toEqual({ exit: 2, out: "" });
    expect(err).toContain(message);
  });
});

test("a baseline policy whose name is taken gets another, and is told", async () => {
  const policy = (kind: string, spec: string): string =>
    `apiVersion: policy.networking.k8s.io/v1alpha1\nkind: ${kind}\nmetadata: {name: default}\nspec: {${spec}subject: {namespaces: {}}}\n`;
  const text = `${policy("BaselineAdminNetworkPolicy", "")}---\n${policy("AdminNetworkPolicy", "priority: 3, ")}`;
  const { out, err } = await convert(text);
  expect(loadAll(out)).toMatchObject([
    { metadata: { name: "default" }, spec: { tier: "Admin", priority: 3 } },
    { metadata: { name: "baseline-default" }, spec: { tier: "Baseline" } },
  ]);
  expect(err).toContain("its name is taken");
});

test("JSON: one object is itself, several are a list", async () => {
  const policy =
    "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}\nspec: {podSelector: {}}";
  expect(JSON.parse((await convert(policy, "-o", "json")).out)).toMatchObject({ kind: "NetworkPolicy" });
  const two = `${policy}\n---\n${policy.replace("name: a", "name: b")}`;
  expect(JSON.parse((await convert(two, "-o", "json")).out)).toMatchObject({ kind: "List", items: [{}, {}] });
});

test("a staged Kubernetes policy becomes a staged Calico policy, and its target is spoken of", async () => {
  const { out, err } = await convert(
    "apiVersion: projectcalico.org/v3\nkind: StagedKubernetesNetworkPolicy\nmetadata: {name: a, namespace: x}\nspec: {podSelector: {}, policyTypes: [Egress]}",
  );
  expect(load(out)).toMatchObject({
    kind: "StagedNetworkPolicy",
    spec: { stagedAction: "Set", types: ["Egress"], order: 1000 },
  });
  expect(err).toContain("convert the Kubernetes policy of that name too");
});

// ── the same verdicts, by the model ───────────────────────────────────────────────────────────────────────────────

const KEYS = ["app", "tier", "env"];
const VALUES = ["a", "b", "c"];
const NAMESPACES = ["x", "y", "z"];
const OUTSIDE = ["192.0.2.1", "198.51.100.7"];
const CIDRS = [
  "0.0.0.0/0",
  "192.168.0.0/16",
  "192.168.0.0/26",
  "192.168.0.2/32",
  "192.0.2.0/24",
  "198.51.100.0/25",
];

function labels(random: Random): Record<string, string> {
  return Object.fromEntries(KEYS.filter(() => random.chance(0.6)).map((key) => [key, random.pick(VALUES)]));
}

function selector(random: Random): object {
  if (random.chance(0.2)) return {};
  const operator = random.pick(["In", "NotIn", "Exists", "DoesNotExist"]);
  const values = operator.endsWith("In") || operator === "In" ? { values: random.some(VALUES, 2) } : {};
  return {
    ...(random.chance(0.6) && { matchLabels: { [random.pick(KEYS)]: random.pick(VALUES) } }),
    ...(random.chance(0.5) && { matchExpressions: [{ key: random.pick(KEYS), operator, ...values }] }),
  };
}

/** Pods, workload endpoints that are no pods, and network sets: whom Calico's selectors could mean besides. */
function world(random: Random): object[] {
  const namespace = (): string => random.pick(NAMESPACES);
  const calico = { apiVersion: "projectcalico.org/v3" };
  return [
    ...NAMESPACES.map((name) => ({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name, labels: labels(random) },
    })),
    ...Array.from({ length: 6 }, (_, index) => ({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: `p${index}`, namespace: namespace(), labels: labels(random) },
      spec: {
        containers: [
          {
            name: "c",
            ports: [{ name: random.pick(["http", "alt"]), containerPort: random.pick([80, 8080]) }],
          },
        ],
      },
    })),
    {
      ...calico,
      kind: "WorkloadEndpoint",
      metadata: { name: "node1-vm-v-eth0", namespace: namespace(), labels: labels(random) },
      spec: {
        orchestrator: "vm",
        workload: "v",
        node: "node1",
        endpoint: "eth0",
        ipNetworks: ["10.9.0.1/32"],
        interfaceName: "tap1",
        profiles: [],
      },
    },
    {
      ...calico,
      kind: "NetworkSet",
      metadata: { name: "s", namespace: namespace(), labels: labels(random) },
      spec: { nets: ["192.0.2.0/24"] },
    },
    {
      ...calico,
      kind: "GlobalNetworkSet",
      metadata: { name: "g", labels: labels(random) },
      spec: { nets: ["198.51.100.0/24"] },
    },
  ];
}

function kubernetesPolicy(random: Random, index: number): object {
  const port = (): object =>
    random.pick<object>([
      { port: 80 },
      { port: "http" },
      { protocol: "UDP" },
      { protocol: "SCTP", port: 80 },
      { protocol: "TCP", port: 80, endPort: 443 },
      { port: 8080 },
    ]);
  const peer = (): object => {
    if (random.chance(0.3)) {
      const cidr = random.pick(CIDRS);
      const except = CIDRS.filter((other) => cidr === "0.0.0.0/0" && other !== cidr);
      return {
        ipBlock: { cidr, ...(except.length > 0 && random.chance(0.5) && { except: random.some(except, 3) }) },
      };
    }
    const kind = random.below(3);
    return {
      ...(kind !== 1 && { podSelector: selector(random) }),
      ...(kind !== 0 && { namespaceSelector: selector(random) }),
    };
  };
  const rules = (side: "from" | "to"): object[] =>
    Array.from({ length: random.between(0, 2) }, () => ({
      ...(random.chance(0.8) && { [side]: Array.from({ length: random.between(0, 2) }, peer) }),
      ...(random.chance(0.7) && { ports: Array.from({ length: random.between(0, 3) }, port) }),
    }));
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: `np${index}`, namespace: random.pick(NAMESPACES) },
    spec: {
      podSelector: selector(random),
      ...(random.chance(0.6) && { policyTypes: random.some(["Ingress", "Egress"]) }),
      ingress: rules("from"),
      egress: rules("to"),
    },
  };
}

function adminPolicy(random: Random, index: number): object {
  const pods = (): object => ({ namespaceSelector: selector(random), podSelector: selector(random) });
  const peer = (side: "from" | "to"): object =>
    random.pick<() => object>([
      () => ({ namespaces: selector(random) }),
      () => ({ pods: pods() }),
      ...(side === "to" ? [() => ({ networks: random.some(CIDRS, 3) })] : []),
    ])();
  const port = (): object =>
    random.pick<object>([
      { portNumber: { protocol: "TCP", port: 80 } },
      { portNumber: { port: 8080 } },
      { portRange: { protocol: "UDP", start: 70, end: 90 } },
    ]);
  const rules = (side: "from" | "to", actions: readonly string[]): object[] =>
    Array.from({ length: random.between(0, 2) }, () => ({
      action: random.pick(actions),
      [side]: Array.from({ length: random.pick([1, 2, 30]) }, () => peer(side)),
      ...(random.chance(0.6) && { ports: Array.from({ length: random.pick([1, 3]) }, port) }),
    }));
  const isBaseline = index === 0;
  const actions = isBaseline ? ["Allow", "Deny"] : ["Allow", "Deny", "Pass"];
  return {
    apiVersion: "policy.networking.k8s.io/v1alpha1",
    kind: isBaseline ? "BaselineAdminNetworkPolicy" : "AdminNetworkPolicy",
    metadata: { name: isBaseline ? "default" : `anp${index}` },
    spec: {
      ...(!isBaseline && { priority: index }),
      subject: random.chance(0.5) ? { namespaces: selector(random) } : { pods: pods() },
      ingress: rules("from", actions),
      egress: rules("to", actions),
    },
  };
}

function cluster(text: string): Cluster {
  const { objects, issues } = decodeTexts([{ file: "a.yaml", text }]);
  expect(issues.filter(({ severity }) => severity === "error")).toEqual([]);
  const made = new Cluster();
  made.apply(objects);
  made.sync();
  return made;
}

/** Between all workloads, and from and to addresses that are nobody's. */
function verdicts(made: Cluster): unknown {
  const kinds = [
    ...[80, 443, 8080, 9000, "http"].map((port) => ({ protocol: PROTOCOL.TCP, port })),
    { protocol: PROTOCOL.UDP, port: 80 },
    { protocol: PROTOCOL.SCTP, port: 80 },
    { protocol: PROTOCOL.ICMP, icmp: { type: 8, code: 0 } },
  ];
  const inside = kinds.map((kind) => {
    const matrix = matrixOf(allPairs(made.graph, { family: 4, ...kind }), true);
    return matrix.groups.flatMap(({ name }, from) =>
      matrix.groups.map((group, to) => `${name} ${group.name} ${matrix.cell(from, to)}`),
    );
  });
  const ids = [...made.graph.endpoints.keys()];
  const outside = OUTSIDE.flatMap((address) =>
    ids.flatMap((id) =>
      ([80, 9000] as const).map((port) => [
        answer(made, { from: address, to: id, port, protocol: "TCP" }).outcome,
        answer(made, { from: id, to: address, port, protocol: "TCP" }).outcome,
      ]),
    ),
  );
  return { inside, outside };
}

const json = (objects: readonly object[]): string =>
  objects.map((object) => JSON.stringify(object)).join("\n---\n");

test.each([
  ["Kubernetes' policies", kubernetesPolicy, 4],
  ["admin policies", adminPolicy, 3],
])("converted, random %s give the same verdicts", async (_what, make, count) => {
  const first = Number(process.env["TORTIE_SEED"] ?? 1);
  const clusters =
    process.env["TORTIE_SEED"] === undefined ? Number(process.env["TORTIE_CLUSTERS"] ?? 40) : 1;
  for (let seed = first; seed < first + clusters; seed++) {
    const random = new Random(seed);
    const around = json(world(random));
    const policies = Array.from({ length: count }, (_, index) => make(random, index));
    const { exit, out, err } = await convert(json(policies));
    expect({ exit, err: exit === 0 ? "" : err }, `TORTIE_SEED=${seed}`).toEqual({ exit: 0, err: "" });
    expect(out).not.toMatch(/networking\.k8s\.io\/v1$|AdminNetworkPolicy/m);
    const before = verdicts(cluster(`${around}\n---\n${json(policies)}`));
    const after = verdicts(cluster(`${around}\n---\n${out}`));
    expect(after, `TORTIE_SEED=${seed}`).toEqual(before);
  }
});
