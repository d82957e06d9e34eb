/** @module The walkthroughs: each page is played with the real kubectl, and prints what it says. */
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { missingLine, parsePage } from "../../src/cli/learn/page.ts";
import { kubectlPath } from "../support/kubectl.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), "tortie-learn-test."));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(command: string, args: readonly string[]): Promise<{ status: number; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, [...args], {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...process.env,
        KUBECTL: kubectlPath("v36"),
        XDG_STATE_HOME: folder,
        TORTIE_RUN_DIR: folder,
        TORTIE: path.join(ROOT, "dist", "bin", "tortie.js"),
        NO_COLOR: "1",
      },
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => {
        output += chunk.toString();
      });
    child.once("error", reject);
    child.once("close", (status) => resolve({ status: status ?? 1, output }));
  });
}

const PAGES = readdirSync(path.join(ROOT, "docs", "learn")).map((file) => file.replace(/\.md$/, ""));

describe("walkthroughs", () => {
  it("there is a page for each of them, listed with its title", async () => {
    expect(PAGES).toEqual(["go-demo-2", "networkdemo", "server-and-clients"]);
    const { output } = await run(path.join(ROOT, "dist", "bin", "tortie.js"), ["learn"]);
    for (const page of PAGES) expect(output).toContain(page);
  });

  it.each(PAGES)("%s prints what its page says", { timeout: 180_000 }, async (page) => {
    const { status, output } = await run(path.join(ROOT, "examples", page, "run.sh"), []);
    expect(output).not.toContain("✕");
    expect(status).toBe(0);
    expect(output.split("✓").length - 1).toBeGreaterThan(10);
  });

  it("nothing of them is left", () => {
    expect(readdirSync(folder).flatMap((name) => readdirSync(path.join(folder, name)))).toEqual([]);
  });
});

describe("a page", () => {
  it("is prose and commands, with what is printed and what is typed", () => {
    const { title, parts } = parsePage(
      "# Title\n\nSome words.\n\n```console\n$ a \\\n  b\nout\n$ c\n/ # typed\nmore\n```\nEnd\n",
    );
    expect(title).toBe("Title");
    expect(parts.map(({ kind }) => kind)).toEqual(["prose", "command", "command", "prose"]);
    expect(parts[1]).toMatchObject({ command: { text: "a \\\n  b", expected: ["out"], typed: [], line: 6 } });
    expect(parts[2]).toMatchObject({
      command: { text: "c", typed: [{ text: "typed", expected: ["more"] }] },
    });
  });

  it("a line of it must be printed, in order; … is anything", () => {
    expect(missingLine(["a … c", "d"], ["x", "a b  c", "y", "d"])).toBeUndefined();
    expect(missingLine(["d", "a"], ["a", "d"])).toBe("a");
    expect(missingLine(["not: bad…"], ["badly"])).toBe("not: bad…");
    expect(missingLine(["web-… 1/1"], ["web-5d8   1/1"])).toBeUndefined();
  });
});
