import { describe, expect, test } from "vitest";
import { loadGraph } from "../../test/support/judges.ts";
import { randomCluster } from "../../test/support/random-cluster.ts";
import { Cluster } from "../analysis/cluster.ts";
import { answer, type Question } from "../analysis/question.ts";
import { verdict } from "../calc/verdict.ts";
import { decodeTexts } from "../resources/load.ts";
import { evaluate } from "./evaluate.ts";
import { explain, explainWalk } from "./explain.ts";
import { type PointTrace, traceVerdict } from "./trace.ts";
import { traceData, traceLines } from "./trace-text.ts";
import type { Verdict } from "./verdict.ts";

/** What the walk came to; undefined where there was none. */
function endOf({ side, tiers, profiles }: PointTrace): boolean | undefined {
  if (tiers.length === 0) return undefined;
  const decided = tiers.find(({ ended }) => ["allowed", "denied", "default-deny"].includes(ended));
  if (decided) return decided.ended === "allowed";
  const rule = profiles
    .flatMap(({ rules }) => rules)
    .find(({ failed, rule: { action } }) => failed === undefined && action !== "log" && action !== "pass");
  if (rule) return rule.rule.action === "allow";
  return side.decision.kind === "profile" ? side.allowed : undefined;
}

test("the walk ends where the verdict does, at every side that is asked, for both evaluators", () => {
  const seen = { sides: 0, tiers: 0, profiles: 0, hosts: 0 };
  for (let seed = 1; seed <= 1_500; seed++) {
    const { world, flows } = randomCluster(seed, { flows: 8 });
    const graph = loadGraph(world);
    for (const flow of flows) {
      for (const result of [evaluate(world, flow), verdict(graph, flow)]) {
        for (const trace of traceVerdict(world, result)) {
          const { side, tiers, profiles } = trace;
          const isReply = "host" in side && side.reply;
          if (side.decision.kind === "exempt" || isReply) {
            expect(tiers).toEqual([]);
            continue;
          }
          expect(endOf(trace), `seed ${seed}`).toBe(side.allowed);
          const passing = [...tiers.flatMap(({ policies }) => policies), ...profiles]
            .flatMap(({ rules }) => rules)
            .filter(({ failed, rule }) => failed === undefined && ["pass", "log"].includes(rule.action));
          expect(passing.map(({ rule }) => rule)).toEqual(side.passing.map(({ rule }) => rule));
          seen.sides++;
          if (tiers.filter(({ policies }) => policies.length > 0).length > 1) seen.tiers++;
          if (profiles.length > 0) seen.profiles++;
          if ("host" in side) seen.hosts++;
        }
      }
    }
  }
  // A generator that never has several tiers, profiles or hosts would prove little.
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(100);
});

const POD = (name: string): string =>
  `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}, labels: {app: ${name}}}\nspec: {containers: [{name: c, image: i}]}\n---\n`;
const CALICO = "apiVersion: projectcalico.org/v3";

function told(
  manifests: string,
  question: Partial<Question> = {},
): { verdict: Verdict; traces: PointTrace[] } {
  const { objects, issues } = decodeTexts([{ file: "t.yaml", text: POD("web") + POD("db") + manifests }]);
  expect(issues).toEqual([]);
  const cluster = new Cluster();
  cluster.apply(objects);
  cluster.sync();
  const result = answer(cluster, { from: "web", to: "db", port: 80, protocol: "TCP", ...question });
  const [first] = result.verdicts;
  return { verdict: first!, traces: traceVerdict(cluster.graph.world(), first!) };
}

const PLATFORM = `${CALICO}
kind: Tier
metadata: {name: platform}
spec: {order: 10}
---
${CALICO}
kind: GlobalNetworkPolicy
metadata: {name: watch}
spec:
  tier: platform
  selector: app == 'db'
  types: [Ingress]
  ingress:
    - {action: Log, protocol: TCP}
    - {action: Deny, protocol: UDP}
    - {action: Pass}
---
`;
const NETPOL = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db}
spec: {podSelector: {matchLabels: {app: db}}, ingress: [{ports: [{port: 443}]}]}
`;

describe("in words", () => {
  test("with several tiers each is told: why it applies, what it logged, how it ended", () => {
    const { verdict: result, traces } = told(PLATFORM + NETPOL);
    expect(explainWalk(result, traces).slice(2)).toEqual([
      "  ingress denied: default/db is isolated, and no rule of these allows it",
      "          NetworkPolicy default/db (t.yaml:28:1): 1 rule, no match",
      "          tier platform: applies because of GlobalNetworkPolicy watch (t.yaml:16:1); logged by GlobalNetworkPolicy watch spec.ingress[0] (t.yaml:24:7); passed on by GlobalNetworkPolicy watch spec.ingress[2] (t.yaml:26:7)",
      "          tier default: applies because of NetworkPolicy default/db (t.yaml:28:1); no rule decides, and its end denies",
    ]);
  });

  test("with one tier the form is short, whether a walk is given or not", () => {
    const { verdict: result, traces } = told(NETPOL);
    expect(explainWalk(result, traces)).toEqual(explain(result));
  });

  test("the end of a tier that is not the default one names the tier", () => {
    const { verdict: result, traces } = told(PLATFORM.replace("- {action: Pass}", "").trimEnd());
    expect(explainWalk(result, traces).slice(2)).toEqual([
      "  ingress denied: default/db is isolated in tier platform, and no rule of these allows it",
      "          GlobalNetworkPolicy watch (t.yaml:16:1): 2 rules, and those that match only log",
      "          logged by GlobalNetworkPolicy watch spec.ingress[0] (t.yaml:24:7)",
    ]);
  });

  test("a tier that passes on by its end is told, since no rule of it is", () => {
    const { verdict: result, traces } = told(
      `apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: {name: a}\nspec:\n  priority: 1\n  subject: {namespaces: {}}\n  ingress: [{action: Deny, from: [{namespaces: {matchLabels: {x: z}}}]}]\n`,
    );
    expect(explainWalk(result, traces).at(-1)).toBe(
      "          tier kube-admin: applies because of AdminNetworkPolicy a (t.yaml:11:1); no rule decides, and its end passes on",
    );
  });

  test("the whole walk shows each tier, each policy, each rule and the clause that failed", () => {
    const { verdict: result, traces } = told(PLATFORM + NETPOL);
    expect(traceLines(result, traces)).toEqual([
      "default/web → default/db TCP 80: DENIED",
      "  egress of default/web: allowed",
      "    tier platform: no policy of it governs this",
      "    tier kube-admin: no policy of it governs this",
      "    tier default: no policy of it governs this",
      "    tier kube-baseline: no policy of it governs this",
      "    no policy decides: the profile allows",
      "  ingress of default/db: denied",
      "    tier platform",
      "      GlobalNetworkPolicy watch (t.yaml:16:1)",
      "        spec.ingress[0] (t.yaml:24:7): log TCP",
      "          match: logged, and on to the next rule",
      "        spec.ingress[1] (t.yaml:25:7): deny UDP",
      "          no match: the protocol is TCP, not UDP",
      "        spec.ingress[2] (t.yaml:26:7): pass everything",
      "          match: passed on to the next tier",
      "    tier kube-admin: no policy of it governs this",
      "    tier default",
      "      NetworkPolicy default/db (t.yaml:28:1)",
      "        spec.ingress[0] (t.yaml:31:57): allow TCP to port 443",
      "          no match: destination port 80 is not port 443",
      "      end of the tier: denied, since policies apply and no rule decides",
      "    tier kube-baseline: no policy of it governs this",
    ]);
  });

  test("rules that do not match are bounded, and those that do are always shown", () => {
    const rules = Array.from({ length: 30 }, () => "    - {action: Deny, protocol: UDP}\n").join("");
    const many = PLATFORM.replace("    - {action: Pass}\n", `${rules}    - {action: Pass}\n`);
    const { verdict: result, traces } = told(many);
    const shown = (most?: number): string[] => traceLines(result, traces, most);
    expect(shown().filter((line) => line.includes("no match")).length).toBe(20);
    expect(shown()).toContain("        (and 11 more that do not match: --verbose shows them)");
    expect(shown().join("\n")).toContain("pass everything\n          match: passed on");
    expect(shown(Number.POSITIVE_INFINITY).filter((line) => line.includes("no match")).length).toBe(31);
  });

  test("what comes after the decision is not asked, and says so", () => {
    const { verdict: result, traces } = told(
      PLATFORM.replace("- {action: Pass}", "- {action: Deny}") + NETPOL,
    );
    const lines = traceLines(result, traces);
    expect(lines).toContain("    tier default: not asked, since it was decided before");
    expect(lines).toContain("      NetworkPolicy default/db (t.yaml:28:1): not asked");
  });

  test("who is exempt has a reason instead of a walk", () => {
    const { verdict: result, traces } = told(PLATFORM, { from: "192.0.2.1" });
    expect(traceLines(result, traces)[1]).toBe(
      "  egress  allowed: it is outside the cluster, where nothing is enforced",
    );
  });
});

test("before translation the walk is about the Service's address, as the verdict is", () => {
  const hosts = ["node1", "node2"].map(
    (name) =>
      `${CALICO}\nkind: HostEndpoint\nmetadata: {name: ${name}, labels: {role: node}}\nspec: {node: ${name}, interfaceName: "*"}\n---\n`,
  );
  const early = (name: string, tier: string, net: string): string =>
    `${CALICO}\nkind: GlobalNetworkPolicy\nmetadata: {name: ${name}}\nspec: {${tier}selector: has(role), preDNAT: true, applyOnForward: true, types: [Ingress], ingress: [{action: Deny, destination: {nets: [${net}]}}]}\n`;
  const { verdict: result, traces } = told(
    `apiVersion: v1\nkind: Service\nmetadata: {name: db}\nspec: {clusterIP: 10.96.0.5, selector: {app: db}, ports: [{port: 80}]}\n---\n${hosts.join("")}${early("q", "tier: platform, ", "10.0.0.0/32")}---\n${CALICO}\nkind: Tier\nmetadata: {name: platform}\nspec: {order: 1}\n---\n${early("p", "", "10.96.0.5/32")}`,
    { to: "svc/db" },
  );
  expect(result.hosts[0]).toMatchObject({ stage: "pre-dnat", allowed: false });
  const trace = traces.find(({ side }) => side === result.hosts[0]);
  // An early stage singles packets out: its tiers deny nothing by their end.
  expect(trace?.tiers.map(({ tier, ended }) => `${tier} ${ended}`)).toEqual([
    "platform default-pass",
    "kube-admin skipped",
    "default denied",
    "kube-baseline skipped",
  ]);
});

test("as data the walk says the same", () => {
  const { verdict: result, traces } = told(PLATFORM + NETPOL);
  const [egress, ingress] = traceData(result, traces);
  expect(egress).toMatchObject({
    direction: "egress",
    at: "default/web",
    allowed: true,
    decision: "profile",
  });
  expect(ingress?.tiers.map(({ tier, ended }) => [tier, ended])).toEqual([
    ["platform", "passed"],
    ["kube-admin", "skipped"],
    ["default", "default-deny"],
    ["kube-baseline", "skipped"],
  ]);
  expect(ingress?.tiers[0]?.policies[0]?.rules[1]).toEqual({
    object: "GlobalNetworkPolicy watch",
    path: "spec.ingress[1]",
    position: "t.yaml:25:7",
    action: "deny",
    rule: "deny UDP",
    matched: false,
    failed: "the protocol is TCP, not UDP",
  });
});

describe("the clause that failed", () => {
  const clause = (rule: string, question: Partial<Question> = {}): string | undefined => {
    const { traces } = told(
      `${CALICO}\nkind: GlobalNetworkPolicy\nmetadata: {name: p}\nspec:\n  selector: app == 'db'\n  types: [Ingress]\n  ingress: [${rule}]\n`,
      question,
    );
    return traces.at(-1)?.tiers.flatMap(({ policies }) => policies)[0]?.rules[0]?.failed;
  };

  test.each([
    ["its protocol", "{action: Allow, protocol: UDP}", "the protocol is TCP, not UDP"],
    ["a protocol left out", "{action: Allow, notProtocol: TCP}", "the protocol is TCP"],
    ["its family", "{action: Allow, ipVersion: 6}", "the addresses are IPv4, not IPv6"],
    ["ICMP", "{action: Allow, protocol: ICMP}", "the protocol is TCP, not ICMP"],
    [
      "who it comes from",
      "{action: Allow, source: {selector: app == 'cart'}}",
      "the source, default/web (192.168.0.1), is not among endpoints with app=cart",
    ],
    [
      "who it does not come from",
      "{action: Allow, source: {notSelector: app == 'web'}}",
      "the source, default/web (192.168.0.1), is among endpoints with app=web",
    ],
    [
      "where it comes from",
      "{action: Allow, source: {nets: [10.0.0.0/8]}}",
      "the source, default/web (192.168.0.1), is not in 10.0.0.0/8",
    ],
    [
      "where it does not come from",
      "{action: Allow, source: {notNets: [192.168.0.0/16]}}",
      "the source, default/web (192.168.0.1), is in 192.168.0.0/16",
    ],
    [
      "its port",
      "{action: Allow, protocol: TCP, destination: {ports: [443, '8000:9000', sql]}}",
      "destination port 80 is not port 443 or ports 8000-9000 or port sql",
    ],
    [
      "a port left out",
      "{action: Allow, protocol: TCP, destination: {notPorts: [80]}}",
      "destination port 80 is port 80",
    ],
    [
      "the client's port",
      "{action: Allow, protocol: TCP, source: {ports: [53]}}",
      "the client's port is not port 53",
    ],
  ])("%s", (_what, rule, text) => {
    expect(clause(rule)).toBe(text);
  });

  test("what has no ports matches no rule with ports", () => {
    const rule = "{action: Allow, destination: {ports: [sql]}}";
    expect(clause(rule, { protocol: "ICMP" })).toBe("ICMP has no ports");
  });
});
