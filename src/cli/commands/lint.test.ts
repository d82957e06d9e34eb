import { describe, expect, test } from "vitest";
import { calico, documents, networkPolicy, pod } from "../../../test/support/lint.ts";
import { runCli } from "../testing.ts";

const CLEAN = documents(pod("web"), networkPolicy("web", "{podSelector: {}}"));
const WARNING = documents(CLEAN, calico("GlobalNetworkPolicy", "p", "{tier: nowhere, selector: has(app)}"));
const BROKEN = documents(WARNING, networkPolicy("broken", "{podSelector: {}, ingress: 5}"));

const lint = (input: string, ...argv: string[]) => runCli(["lint", "-f", "-", ...argv], { input });

describe("status", () => {
  test.each([
    ["nothing found", CLEAN, [], 0],
    ["nothing found, strictly", CLEAN, ["--strict"], 0],
    ["a warning", WARNING, [], 0],
    ["a warning, strictly", WARNING, ["--strict"], 1],
    ["what cannot be read", BROKEN, [], 2],
    ["what cannot be read, strictly", BROKEN, ["--strict"], 2],
    ["what cannot be read, going on", BROKEN, ["--keep-going"], 0],
    ["what cannot be read, going on strictly", BROKEN, ["--keep-going", "--strict"], 1],
  ])("%s", async (_why, input, argv, status) => {
    expect((await lint(input, ...argv)).exit).toBe(status);
  });
});

test("findings are the result: on stdout, as editors read them, with a count", async () => {
  const { out, err } = await lint(WARNING);
  expect(err).toBe("");
  expect(out.split("\n")).toEqual([
    expect.stringMatching(
      /^<stdin>:14:8: warning: GlobalNetworkPolicy p: spec\.tier: there is no tier nowhere.* \[unknown-tier\]$/,
    ),
    "1 warning",
  ]);
  expect((await lint(CLEAN)).out).toBe("nothing found");
  expect((await lint("# nothing yet\n")).out).toBe("nothing found, for there are no objects");
});

test("issues of reading come first, then findings about what could be read", async () => {
  const { out } = await lint(BROKEN);
  expect(out.split("\n").map((line) => /\[(.*)\]$/.exec(line)?.[1] ?? line)).toEqual([
    "invalid-type",
    "unknown-tier",
    "1 error, 1 warning",
  ]);
});

test("as data: counts and issues", async () => {
  expect(JSON.parse((await lint(WARNING, "-o", "json")).out)).toMatchObject({
    errors: 0,
    warnings: 1,
    issues: [
      {
        code: "unknown-tier",
        severity: "warning",
        object: "GlobalNetworkPolicy p",
        path: "spec.tier",
        position: { file: "<stdin>", line: 14, column: 8 },
      },
    ],
  });
});
