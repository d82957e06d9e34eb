import { describe, expect, test } from "vitest";
import { calico, documents, host, networkPolicy, node, pod } from "../../../test/support/lint.ts";
import { runCli } from "../testing.ts";

const PODS = documents(pod("web"), pod("db"));
const PLATFORM = documents(
  calico("Tier", "platform", "{order: 10}"),
  calico(
    "GlobalNetworkPolicy",
    "watch",
    "{tier: platform, selector: app == 'db', types: [Ingress], ingress: [{action: Log}, {action: Pass}]}",
  ),
);
const OPEN = networkPolicy("db", "{podSelector: {matchLabels: {app: db}}, ingress: [{ports: [{port: 80}]}]}");
const LOCKDOWN = calico(
  "StagedGlobalNetworkPolicy",
  "lockdown",
  "{selector: app == 'db', order: 1, types: [Ingress], ingress: [{action: Deny}]}",
);

const explain = (text: string, ...argv: string[]) =>
  runCli(["explain", "web", "db", "--port", "80", "-f", "-", ...argv], { input: documents(PODS, text) });

describe("several tiers", () => {
  test("each that had a say is told after the reason", async () => {
    const { exit, out } = await explain(documents(PLATFORM, OPEN));
    expect(exit).toBe(0);
    expect(out.split("\n").slice(2)).toEqual([
      "  ingress allowed by NetworkPolicy default/db spec.ingress[0] (<stdin>:24:57), port 80",
      "          allow TCP to port 80",
      "          tier platform: applies because of GlobalNetworkPolicy watch (<stdin>:16:1); logged by GlobalNetworkPolicy watch spec.ingress[0] (<stdin>:19:75); passed on by GlobalNetworkPolicy watch spec.ingress[1] (<stdin>:19:90)",
      "          tier default: applies because of NetworkPolicy default/db (<stdin>:21:1); allowed by NetworkPolicy default/db spec.ingress[0] (<stdin>:24:57)",
    ]);
  });

  test("--all is the whole walk, as text and as data", async () => {
    const { out } = await explain(documents(PLATFORM, OPEN), "--all");
    expect(out).toContain("    tier kube-admin: no policy of it governs this");
    expect(out).toContain("          match: logged, and on to the next rule");
    const data: unknown = JSON.parse((await explain(documents(PLATFORM, OPEN), "--all", "-o", "json")).out);
    expect(data).toMatchObject({
      outcome: "allow",
      verdicts: [
        {
          walk: [
            { direction: "egress", at: "default/web", decision: "profile" },
            {
              direction: "ingress",
              at: "default/db",
              tiers: [{ tier: "platform", ended: "passed" }, {}, {}, {}],
            },
          ],
        },
      ],
    });
  });

  test("without --all the data has no walk", async () => {
    expect((await explain(PLATFORM, "-o", "json")).out).not.toContain("walk");
  });

  test("--verbose shows every rule that does not match", async () => {
    const rules = Array.from({ length: 25 }, () => "{action: Deny, protocol: UDP}").join(", ");
    const many = calico(
      "GlobalNetworkPolicy",
      "many",
      `{selector: app == 'db', types: [Ingress], ingress: [${rules}]}`,
    );
    const count = (text: string): number =>
      text.split("\n").filter((line) => line.includes("no match:")).length;
    expect(count((await explain(many, "--all")).out)).toBe(20);
    expect(count((await explain(many, "--all", "-v")).out)).toBe(25);
  });

  test("host endpoints on the way are walked as well", async () => {
    const text = documents(
      host("eth0", "interfaceName: eth0, profiles: [projectcalico-default-allow]"),
      node("node2", "10.0.0.2"),
      calico(
        "GlobalNetworkPolicy",
        "hosts",
        "{selector: has(role), applyOnForward: true, types: [Ingress, Egress], ingress: [{action: Allow}], egress: [{action: Allow}]}",
      ),
      pod("a", "", ", nodeName: node1"),
      pod("b", "", ", nodeName: node2"),
    );
    const { out } = await runCli(["explain", "a", "b", "-p", "80", "--all", "-f", "-"], { input: text });
    expect(out).toContain("  egress of HostEndpoint eth0 (node node1, forwarded): allowed");
    expect(out).toContain("        spec.egress[0]");
  });
});

describe("staged policies", () => {
  test("what they would change is told in a line, and in data", async () => {
    const { exit, out } = await explain(LOCKDOWN);
    expect(exit).toBe(0);
    expect(out.split("\n").at(-1)).toMatch(
      /^ {2}staged: would be DENIED: ingress of default\/db: denied by StagedGlobalNetworkPolicy lockdown spec\.ingress\[0\]/,
    );
    expect(JSON.parse((await explain(LOCKDOWN, "-o", "json")).out)).toMatchObject({
      outcome: "allow",
      staged: {
        outcome: "deny",
        because: expect.stringContaining("StagedGlobalNetworkPolicy lockdown") as string,
      },
    });
  });

  test("--staged answers as if they were enforced", async () => {
    const { exit, out } = await explain(LOCKDOWN, "--staged");
    expect(exit).toBe(1);
    expect(out).toContain("ingress denied by StagedGlobalNetworkPolicy lockdown");
    expect(out).not.toContain("would be");
  });

  test("nothing is said where nothing would change", async () => {
    const learning = LOCKDOWN.replace("{selector", "{stagedAction: Learn, selector");
    for (const text of [learning, OPEN]) expect((await explain(text)).out).not.toContain("staged");
    expect((await explain(OPEN, "-o", "json")).out).not.toContain("staged");
  });

  test("where there is no connection at all, neither is a preview", async () => {
    const service =
      "apiVersion: v1\nkind: Service\nmetadata: {name: none}\nspec: {selector: {app: none}, ports: [{port: 80}]}";
    const { exit, out } = await runCli(["explain", "web", "svc/none", "-p", "80", "-f", "-"], {
      input: documents(PODS, LOCKDOWN, service),
    });
    expect({ exit, out }).toEqual({
      exit: 1,
      out: "web → svc/none: DENIED\n  Service default/none has no endpoints",
    });
  });

  test("matrix, get and ruleset take --staged", async () => {
    const text = documents(PODS, LOCKDOWN);
    const run = async (...argv: string[]): Promise<string> =>
      (await runCli([...argv, "-f", "-"], { input: text })).out;
    expect(await run("matrix", "-o", "csv")).toContain("default/web,default/db,allow");
    expect(await run("matrix", "-o", "csv", "--staged")).toContain("default/web,default/db,deny");
    expect(await run("get", "policies")).toContain("1 staged policy not in force");
    expect(await run("get", "policies", "--staged")).toMatch(
      /default +1 +GlobalNetworkPolicy lockdown +1 pod +1 rule +-/,
    );
    const counts = [await run("ruleset", "node2"), await run("ruleset", "node2", "--staged")].map(
      (table) => table.split("\n").length,
    );
    expect(counts[1]).toBeGreaterThan(counts[0]!);
  });
});

test("test --staged plays a test as if staged policies were enforced", async () => {
  const input = `apiVersion: tortie.dev/v1alpha1
kind: ConnectivityTest
metadata: {name: preview}
spec:
  cluster: {pods: [{namespace: default, name: web, labels: {app: web}}, {namespace: default, name: db, labels: {app: db}}]}
  objects:
    - ${JSON.stringify({ apiVersion: "projectcalico.org/v3", kind: "StagedGlobalNetworkPolicy", metadata: { name: "p" }, spec: { selector: "app == 'db'", types: ["Ingress"] } })}
  probes: [{from: default/web, to: default/db, port: 80, expect: deny}]
`;
  expect((await runCli(["test", "-"], { input })).exit).toBe(1);
  expect(await runCli(["test", "-", "--staged"], { input })).toMatchObject({ exit: 0, err: "" });
  expect((await runCli(["test", "-", "--staged", "--on", "ruleset"], { input })).exit).toBe(0);
});

test("get lists the policies of all kinds by tier and order, what they select, and no profiles", async () => {
  const text = documents(
    PODS,
    PLATFORM,
    OPEN,
    host("eth0", "interfaceName: eth0"),
    calico("Profile", "open", "{ingress: [{action: Allow}]}"),
    calico("GlobalNetworkPolicy", "all", "{order: 2.5, types: [Ingress, Egress]}"),
    "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: {name: admin}\nspec: {priority: 7, subject: {namespaces: {}}, egress: [{action: Deny, to: [{networks: [10.0.0.0/8]}]}]}",
  );
  const { out } = await runCli(["get", "policies", "-f", "-"], { input: text });
  expect(out.split("\n").map((line) => line.split(/ {2,}/))).toEqual([
    ["TIER", "ORDER", "POLICY", "SELECTS", "INGRESS", "EGRESS"],
    ["platform", "unset", "GlobalNetworkPolicy watch", "1 pod", "2 rules", "-"],
    ["kube-admin", "7", "AdminNetworkPolicy admin", "2 pods", "-", "1 rule"],
    ["default", "2.5", "GlobalNetworkPolicy all", "2 pods, 1 host endpoint", "deny all", "deny all"],
    ["default", "1000", "NetworkPolicy default/db", "1 pod", "1 rule", "-"],
  ]);
});
