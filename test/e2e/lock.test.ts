/** @module What `npm run check` says of a lock file. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../support/cli.ts";

interface Entry {
  readonly version?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly hasInstallScript?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}
type LockProblems = (
  lock: { readonly packages: Readonly<Record<string, Entry>> },
  manifest: { readonly allowScripts?: Readonly<Record<string, boolean>> },
) => string[];

const { lockProblems } = (await import(path.join(ROOT, "scripts/check-lock.mjs"))) as {
  lockProblems: LockProblems;
};
const read = (name: string): unknown => JSON.parse(readFileSync(path.join(ROOT, name), "utf8"));

const INTEGRITY = `sha512-${"A".repeat(86)}==`;
const GOOD: Entry = { version: "1.0.0", integrity: INTEGRITY };

test("the lock file of this repository is whole", () => {
  const lock = read("package-lock.json") as Parameters<LockProblems>[0];
  expect(lockProblems(lock, read("package.json") as Parameters<LockProblems>[1])).toEqual([]);
  expect(Object.keys(lock.packages).length).toBeGreaterThan(100);
});

test.each([
  ["no integrity", { "node_modules/a": { version: "1.0.0" } }, {}, "no integrity"],
  ["a weak integrity", { "node_modules/a": { ...GOOD, integrity: "sha1-AAAA" } }, {}, "no integrity"],
  ["an address", { "node_modules/a": { ...GOOD, resolved: "somewhere" } }, {}, "names the registry"],
  ["a script", { "node_modules/@x/a": { ...GOOD, hasInstallScript: true } }, {}, "not named in allowScripts"],
  [
    "a script further in",
    { "node_modules/b/node_modules/a": { ...GOOD, hasInstallScript: true } },
    { b: false },
    "not named",
  ],
  ["a name without a script", { "node_modules/a": GOOD }, { a: false }, "has no install script"],
  [
    "another platform's package",
    { "node_modules/a": { ...GOOD, optionalDependencies: { "a-darwin": "1.0.0" } } },
    {},
    "is missing",
  ],
] as const)("told: %s", (_why, packages, allowScripts, words) => {
  expect(lockProblems({ packages }, { allowScripts })).toContainEqual(expect.stringContaining(words));
});

test("a script that is named, allowed or not, is no problem", () => {
  const packages = { "node_modules/@x/a": { ...GOOD, hasInstallScript: true } };
  for (const allowed of [true, false])
    expect(lockProblems({ packages }, { allowScripts: { "@x/a": allowed } })).toEqual([]);
});
