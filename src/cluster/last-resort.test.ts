import { expect, test } from "vitest";
import { BugError } from "../base/errors.ts";
import { LastResort, START_AGAIN } from "./last-resort.ts";

function setting(isHome = true): {
  readonly lines: string[];
  readonly ends: number[];
  readonly resort: LastResort;
  time: number;
} {
  const it = { lines: [] as string[], ends: [] as number[], time: 0 };
  const resort = new LastResort({
    log: (line) => it.lines.push(line),
    end: (code) => it.ends.push(code),
    isHome: () => isHome,
    now: () => it.time,
  });
  return Object.assign(it, { resort });
}

test("one failure is logged, and nothing ends", () => {
  const { resort, lines, ends } = setting();
  resort.caught(
    Object.assign(new Error("Callback called multiple times"), { code: "ERR_MULTIPLE_CALLBACK" }),
  );
  expect(lines[0]).toContain("Callback called multiple times");
  expect(ends).toEqual([]);
});

test.each([
  ["a broken invariant", new BugError("x"), true],
  ["a thread in a foreign namespace", new Error("x"), false],
])("%s starts again", (_what, error, isHome) => {
  const { resort, ends } = setting(isHome);
  resort.caught(error);
  expect(ends).toEqual([START_AGAIN]);
});

test("failures that do not end start again; as many over an hour do not", () => {
  const often = setting();
  for (let count = 0; count < 61; count++) often.resort.caught(new Error("x"));
  expect(often.ends).toEqual([START_AGAIN]);
  const seldom = setting();
  for (let count = 0; count < 61; count++) {
    seldom.time += 60_000;
    seldom.resort.caught(new Error("x"));
  }
  expect(seldom.ends).toEqual([]);
});
