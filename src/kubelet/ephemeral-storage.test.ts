import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Pod } from "../client/kinds.ts";
import { removeFolderSync } from "../linux/remove-folder.ts";
import { folderUse, measurePod } from "./ephemeral-storage.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), "tortie-storage."));
  for (const name of ["volumes/data", "volumes/other", "logs/c"])
    mkdirSync(path.join(directory, name), { recursive: true });
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const write = (name: string, bytes: number): void =>
  writeFileSync(path.join(directory, name), Buffer.alloc(bytes, 1));

function pod(more: { readonly sizeLimit?: string; readonly limit?: string }): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "p" },
    spec: {
      volumes: [
        { name: "data", emptyDir: more.sizeLimit === undefined ? {} : { sizeLimit: more.sizeLimit } },
      ],
      containers: [
        {
          name: "c",
          ...(more.limit !== undefined && { resources: { limits: { "ephemeral-storage": more.limit } } }),
        },
      ],
    },
  };
}

const measure = (of: Pod): ReturnType<typeof measurePod> => measurePod(of, { directory, roots: new Map() });

test("a volume within its limit is no reason", async () => {
  write("volumes/data/a", 100_000);
  const { bytes, excess } = await measure(pod({ sizeLimit: "200Ki" }));
  expect(excess).toBeUndefined();
  expect(bytes).toBeGreaterThanOrEqual(100_000);
});

test.each([
  ["sizeLimit", { sizeLimit: "64Ki" }, 'Usage of EmptyDir volume "data" exceeds the limit "64Ki". '],
  [
    "the pod's limit",
    { limit: "64Ki" },
    "Pod ephemeral local storage usage exceeds the total limit of containers 65536. ",
  ],
])("a volume over %s is told in the kubelet's words", async (_what, more, words) => {
  mkdirSync(path.join(directory, "volumes/data/deep/er"), { recursive: true });
  write("volumes/data/deep/er/a", 100_000);
  expect((await measure(pod(more))).excess).toBe(words);
});

test("a container's log counts to its own limit", async () => {
  write("logs/c/0.log", 100_000);
  expect((await measure(pod({ limit: "64Ki" }))).excess).toBe(
    'Container c exceeded its local ephemeral storage limit "64Ki". ',
  );
});

test("a limit of zero is none", async () => {
  write("volumes/data/a", 100_000);
  expect((await measure(pod({ sizeLimit: "0" }))).excess).toBeUndefined();
});

test("links are not followed, and what is not there takes nothing", async () => {
  symlinkSync("/", path.join(directory, "volumes/data/everything"));
  expect((await folderUse(path.join(directory, "volumes/data"))).entries).toBe(1);
  expect(await folderUse(path.join(directory, "none"))).toEqual({ bytes: 0, entries: 0 });
});

test("what is too deep to be looked into is too much", async () => {
  const script = `cd ${path.join(directory, "volumes/data")} && i=0; while [ $i -lt 60 ]; do d=$(printf 'x%.0s' $(seq 100)); mkdir $d && cd -P $d || exit 1; i=$((i+1)); done; echo end > file`;
  expect(spawnSync("sh", ["-c", script]).status).toBe(0);
  expect((await measure(pod({}))).excess).toContain("too deep");
  removeFolderSync(directory);
});
