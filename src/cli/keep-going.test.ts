import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { documents, pod } from "../../test/support/lint.ts";
import { runCli } from "./testing.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "tortie-going-"));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

async function write(name: string, text: string): Promise<void> {
  await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
  await writeFile(path.join(folder, name), text);
}

const run = (...argv: readonly string[]): ReturnType<typeof runCli> => runCli(argv, { folder });

const PODS = documents(pod("client"), pod("server"));
const NP = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n";
const SPEC = "spec: {podSelector: {}}\n";
const ASK = ["explain", "client", "server", "-p", "80", "-f", ".", "--keep-going"] as const;

describe("nothing that cannot be read is answered without", () => {
  test.each([
    ["an undefined alias", `${NP}metadata: {name: a}\nspec: *x\n`],
    ["a tab", `${NP}metadata: {name: a}\nspec:\n\tpodSelector: {}\n`],
    ["a text that was cut off", `${NP}metadata: {name: a}\nspec: {podSelector: {matchLa`],
    ["too many levels", `${NP}metadata: {name: a}\nspec: ${"[".repeat(501)}`],
    ["no kind", `apiVersion: networking.k8s.io/v1\nmetadata: {name: a}\n${SPEC}`],
    ["no version", `kind: NetworkPolicy\nmetadata: {name: a}\n${SPEC}`],
    [
      "a list with Items",
      `apiVersion: v1\nkind: List\nItems: [{${NP.replaceAll("\n", ", ")}metadata: {name: a}, ${SPEC.trim()}}]\n`,
    ],
    ["a list of null", "apiVersion: v1\nkind: List\nitems: null\n"],
    ["a list that is a mapping", "apiVersion: v1\nkind: List\nitems: {}\n"],
    ["a namespace that is a number", `${NP}metadata: {name: a, namespace: 5}\n${SPEC}`],
    ["metadata that is misspelt", `${NP}metdata: {name: a, namespace: default}\n${SPEC}`],
  ])("%s", async (_why, text) => {
    await write("pods.yaml", PODS);
    await write("bad.yaml", text);
    const { exit, out, err } = await run(...ASK);
    expect([exit, out, err]).toEqual([2, "", expect.stringContaining("could not be read at all")]);
    expect((await run("lint", "-f", ".", "--keep-going")).exit).toBe(2);
    expect((await run(...ASK, "--exclude", "bad.yaml")).exit).toBe(0);
  });
});

describe("what is readable but wrong isolates its subject", () => {
  test.each([
    [
      "a kind in the wrong case",
      `${NP.replace("NetworkPolicy", "networkpolicy")}metadata: {name: a}\n${SPEC}`,
    ],
    ["a kind that is misspelt", `${NP.replace("NetworkPolicy", "NetworkPolcy")}metadata: {name: a}\n${SPEC}`],
    ["no name", `${NP}metadata: {}\n${SPEC}`],
    ["a subject that is none", `${NP}metadata: {name: a}\nspec: {podSelector: 5}\n`],
    [
      "no version of a kind that one group has",
      "kind: GlobalNetworkPolicy\nmetadata: {name: a}\nspec: {selector: all()}\n",
    ],
  ])("%s", async (_why, text) => {
    await write("all.yaml", documents(PODS, text));
    expect((await run(...ASK)).exit).toBe(1);
  });
});

describe("a test that cannot be read is no test that holds", () => {
  const good =
    "apiVersion: tortie.dev/v1alpha1\nkind: ConnectivityTest\nmetadata: {name: t}\nspec:\n  manifests: [pods.yaml]\n  probes: [{from: default/client, to: default/server, port: 80, expect: allow}]\n";

  test.each([
    ["a group that is misspelt", good.replace("tortie.dev", "tortie.dv"), 2],
    ["a probe that is none", good.replace("default/server", "server"), 2],
    ["metadata that is none", good.replace("{name: t}", "[t]"), 2],
    ["a text that was cut off", `${good}  matrix: [{`, 2],
  ])("%s", async (_why, text, exit) => {
    await write("pods.yaml", PODS);
    await write("t/good.yaml", good.replace("pods.yaml", "../pods.yaml"));
    await write("t/bad.yaml", text.replace("pods.yaml", "../pods.yaml"));
    expect((await run("test", "t", "--keep-going")).exit).toBe(exit);
    expect((await run("test", "t", "--exclude", "bad.*")).exit).toBe(0);
  });
});

test("files that a test names may be excluded", async () => {
  await write("sub/m/pods.yaml", PODS);
  await write("sub/m/charts/x.yaml", "a: {{ .Values.a }}\n");
  await write(
    "sub/t.yaml",
    "apiVersion: tortie.dev/v1alpha1\nkind: ConnectivityTest\nmetadata: {name: t}\nspec:\n  manifests: [m]\n  probes: [{from: default/client, to: default/server, port: 80, expect: allow}]\n",
  );
  expect((await run("test", "sub/t.yaml")).exit).toBe(2);
  expect((await run("test", "sub/t.yaml", "--exclude", "charts")).exit).toBe(0);
  expect((await run("test", "sub/t.yaml", "--exclude", "sub/m/charts")).exit).toBe(0);
});

test("a store with a file that cannot be read is not judged without it", async () => {
  await write("store/pods.yaml", PODS);
  await write("store/bad.yaml", `${NP}metadata: {name: a}\nspec: *x\n`);
  await write("new.yaml", `${NP}metadata: {name: b}\n${SPEC}`);
  const ask = ["ctl", "validate", "-f", "new.yaml", "--store", "store"] as const;
  expect((await run(...ask)).exit).toBe(2);
  expect((await run(...ask, "--exclude", "store/bad.yaml")).exit).toBe(0);
});
