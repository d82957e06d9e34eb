import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { removeFolder, removeFolderSync } from "./remove-folder.ts";

/** Deeper than a path may be long. */
function deepFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "tortie-deep."));
  const script = `cd ${folder} && i=0; while [ $i -lt 60 ]; do d=$(printf 'x%.0s' $(seq 100)); mkdir $d && cd -P $d || exit 1; i=$((i+1)); done; echo end > file`;
  expect(spawnSync("sh", ["-c", script]).status).toBe(0);
  return folder;
}

test("a folder that is deeper than any path is deleted", async () => {
  const folder = deepFolder();
  await removeFolder(folder);
  expect(existsSync(folder)).toBe(false);
});

test("and at once", () => {
  const folder = deepFolder();
  removeFolderSync(folder);
  expect(existsSync(folder)).toBe(false);
});

test("one that there is not is no error", async () => {
  await removeFolder("/tmp/tortie-none");
  removeFolderSync("/tmp/tortie-none");
});
