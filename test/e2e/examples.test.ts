/** @module Every example's test, as its reader runs it: the built command, real packets, in the example's folder. */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { kernelProblem } from "../../src/cli/enter-kernel.ts";
import { builtCommand, ROOT } from "../support/cli.ts";

const EXAMPLES = path.join(ROOT, "examples");

function judges(): "all" | "ruleset" {
  const problem = kernelProblem();
  if (problem === undefined) return "all";
  if (process.env["TORTIE_REQUIRE_KERNEL"] === "1")
    throw new Error(`namespaces are required, but: ${problem}`);
  process.stderr.write(`examples are played without packets: ${problem}\n`);
  return "ruleset";
}

describe("examples", () => {
  const files = readdirSync(EXAMPLES, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".test.yaml"))
    .sort();

  test("there are some", () => {
    expect(files).toEqual(["go-demo-2/go-demo-2.test.yaml", "tiers/tiers.test.yaml"]);
  });

  test.each(files)("%s holds", (file) => {
    const [folder = "", name = ""] = file.split("/");
    const result = spawnSync(process.execPath, [builtCommand(), "test", name, "--on", judges()], {
      cwd: path.join(EXAMPLES, folder),
      encoding: "utf8",
    });
    expect(result.stderr).toBe("");
    expect(result.stdout).toMatch(/[1-9][0-9]* passed, 0 failed/);
    expect(result.status).toBe(0);
  });
});
