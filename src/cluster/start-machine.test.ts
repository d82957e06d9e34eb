import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { SUPERVISE } from "./start-machine.ts";

/** @returns how often the command was run, and how the shell ended */
function supervise(script: string): { readonly runs: string[]; readonly status: number | null } {
  const folder = mkdtempSync(path.join(tmpdir(), "tortie-supervise."));
  try {
    const command = `echo "\${TORTIE_STARTED_AGAIN:-first}" >> ${folder}/runs; ${script}`;
    const { status } = spawnSync("sh", ["-c", SUPERVISE, "sh", "sh", "-c", command]);
    return { runs: readFileSync(path.join(folder, "runs"), "utf8").trim().split("\n"), status };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test.each([
  ["ends well", "exit 0", 0],
  ["could not start", "exit 1", 1],
  ["is killed", "kill -9 $$", 137],
])("a machine that %s is not started again", (_what, script, status) => {
  expect(supervise(script)).toEqual({ runs: ["first"], status });
});

test("one that asks for it is started again, and knows", () => {
  const script = '[ -n "$TORTIE_STARTED_AGAIN" ] && exit 0; exit 75';
  expect(supervise(script)).toEqual({ runs: ["first", "1"], status: 0 });
});

test("one that crashes again and again is given up", () => {
  expect(supervise("kill -SEGV $$")).toEqual({ runs: ["first", "1", "2", "3", "4", "5"], status: 139 });
});
