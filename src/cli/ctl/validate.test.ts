import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type CliResult, runCli } from "../testing.ts";

const pod = (name: string, app: string): string =>
  `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}, labels: {app: ${app}}}\nspec: {containers: [{name: c}]}\n---\n`;
const PODS = pod("web", "web") + pod("db", "db") + pod("busybox", "tool");
const DB = `apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: db, namespace: default}
spec:
  order: 10
  selector: app == 'db'
  types: [Ingress]
  ingress:
  - {action: Allow, protocol: TCP, source: {selector: app == 'web'}, destination: {ports: [5432]}}
`;

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "tortie-ctl."));
});
afterEach(() => rmSync(folder, { recursive: true }));

const write = (name: string, text: string): void => writeFileSync(path.join(folder, name), text);
const validate = (...argv: string[]): Promise<CliResult> => runCli(["ctl", "validate", ...argv], { folder });

test("what a policy selects, governs, closes and opens", async () => {
  write("a.yaml", PODS + DB);
  const { exit, out } = await validate();
  expect(exit).toBe(0);
  expect(out.split("\n").slice(0, 5)).toEqual([
    "CalicoNetworkPolicy default/db (a.yaml:16:1)",
    "  selects 1 pod: default/db",
    "  governs ingress, in tier default, order 10",
    "  closes 1 of 6 connections between workloads (TCP 5432): default/busybox → default/db",
    "  closes 2 of 6 connections between workloads (any other TCP port): default/busybox → default/db, default/web → default/db",
  ]);
  expect(out).toContain("1 policy, 0 errors");
});

test("a file is judged as if it were applied, and compared with what the store has in its place", async () => {
  write("store.yaml", PODS + DB);
  const text = DB.replace("app == 'web'", "app == 'tool'");
  const { exit, out } = await runCli(["ctl", "validate", "-f", "-", "-o", "json"], { folder, input: text });
  expect(exit).toBe(0);
  expect(JSON.parse(out)).toMatchObject({
    errors: 0,
    policies: [
      {
        name: "db",
        selects: { count: 1, names: ["default/db"] },
        prospective: true,
        changes: [
          {
            packets: ["TCP 5432"],
            connections: 6,
            closed: [{ from: "default/web", to: "default/db" }],
            opened: [{ from: "default/busybox", to: "default/db" }],
          },
        ],
      },
    ],
  });
  expect(readFileSync(path.join(folder, "store.yaml"), "utf8")).toBe(PODS + DB);
});

test("a file of the store itself is compared with the store without it", async () => {
  write("pods.yaml", PODS);
  write("db.yaml", DB);
  expect((await validate("-f", "db.yaml")).out).toContain(
    "would close 1 of 6 connections between workloads (TCP 5432)",
  );
});

test("a staged policy is told as if it were enforced", async () => {
  write("a.yaml", PODS + DB.replace("kind: Net", "kind: StagedNet"));
  const { out } = await validate();
  expect(out).toContain("enforced, it would close 1 of 6 connections between workloads (TCP 5432)");
  expect(out).toContain("  selects 1 pod: default/db");
  expect(out).toContain("1 policy, 0 errors, 0 warnings");
  write(
    "a.yaml",
    `${PODS}${DB}---\napiVersion: projectcalico.org/v3\nkind: StagedNetworkPolicy\nmetadata: {name: db}\nspec: {stagedAction: Delete}\n`,
  );
  expect((await validate()).out).toContain(
    "enforced, it would open 1 of 6 connections between workloads (TCP 5432)",
  );
});

test("selecting nothing is a warning, told once, which --strict minds", async () => {
  write("a.yaml", PODS + DB.replace("app == 'db'", "app == 'dbs'"));
  const { exit, out } = await validate();
  expect(exit).toBe(0);
  expect(out).toContain("  selects nothing");
  expect(out.match(/\[selects-nothing\]/g)).toHaveLength(1);
  expect(out).toContain("changes no connection between workloads (compared: TCP 5432, any other TCP port)");
  expect((await validate("--strict")).exit).toBe(1);
});

test("errors are told with their places, policies are judged all the same, and the status is 2", async () => {
  write(
    "a.yaml",
    `${PODS}${DB}---\n${DB.replace("name: db", "name: bad").replace("order: 10", "order: high")}`,
  );
  const { exit, out } = await validate();
  expect(exit).toBe(2);
  expect(out).toContain("a.yaml:30:3: error: CalicoNetworkPolicy default/bad: spec.order:");
  expect(out).toContain("selects 1 pod: default/db");
});

test("errors elsewhere in the store are counted, not told, beside a file", async () => {
  write("bad.yaml", DB.replace("order: 10", "order: high").replace("name: db", "name: bad"));
  write("pods.yaml", PODS);
  const { exit, err } = await runCli(["ctl", "validate", "-f", "-"], { folder, input: DB });
  expect(exit).toBe(0);
  expect(err).toBe("1 error in the store: tortie ctl validate --store . tells them");
});

test("long lists are cut short for people, not for programs", async () => {
  const names = Array.from({ length: 12 }, (_, index) => `p${String(index).padStart(2, "0")}`);
  write("a.yaml", `${names.map((name) => pod(name, "web")).join("")}${DB.replace("app == 'db'", "all()")}`);
  const { out } = await validate();
  expect(out).toContain(
    "selects 12 pods: default/p00, default/p01, default/p02, default/p03, default/p04 and 7 more",
  );
  expect(out).toMatch(
    /closes 132 of 132 connections between workloads \(any other TCP port\): .* and 124 more/,
  );
  const data: unknown = JSON.parse((await validate("-o", "json")).out);
  expect(data).toMatchObject({ policies: [{ selects: { count: 12 } }] });
});
