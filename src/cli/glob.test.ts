import { expect, test } from "vitest";
import { compileGlob, globRoot, isGlob } from "./glob.ts";

test.each([
  ["*.yaml", ["a.yaml", "a.b.yaml"], ["a.yml", "x/a.yaml", ".a.yaml"]],
  ["./*.yaml", ["a.yaml"], ["x/a.yaml"]],
  ["x/*/a.yaml", ["x/y/a.yaml"], ["x/a.yaml", "x/y/z/a.yaml"]],
  ["**/*.yaml", ["a.yaml", "x/a.yaml", "x/y/a.yaml"], ["a.yml", ".x/a.yaml"]],
  ["x/**", ["x/a", "x/y/a"], ["x", "y/a", "x/.a"]],
  ["x/**/a.yaml", ["x/a.yaml", "x/y/z/a.yaml"], ["a.yaml", "xa.yaml"]],
  ["a?.yaml", ["a1.yaml"], ["a.yaml", "a12.yaml", "a/.yaml"]],
  ["{a,b/c}.{yaml,json}", ["a.yaml", "b/c.json"], ["c.yaml", "a.yml"]],
  ["{a,{b,c}}*.yaml", ["a1.yaml", "b.yaml", "c.yaml"], ["d.yaml"]],
  ["a+(b)[c]*", ["a+(b)[c]d"], ["aab"]],
  ["../x/*.yaml", ["../x/a.yaml"], ["x/a.yaml"]],
  ["/x/*.yaml", ["/x/a.yaml"], ["x/a.yaml"]],
  ["{a*", ["{ab"], ["ab"]],
] as const)("the pattern %s", (pattern, right, wrong) => {
  const expression = compileGlob(pattern);
  expect(right.filter((path) => !expression.test(path))).toEqual([]);
  expect(wrong.filter((path) => expression.test(path))).toEqual([]);
});

test.each([
  ["*.yaml", "."],
  ["./*.yaml", "."],
  ["x/y/*.yaml", "x/y"],
  ["../x/*.yaml", "../x"],
  ["/x/**", "/x"],
  ["/*.yaml", "/"],
  ["{a,b}/c", "."],
])("the pattern %s is searched in %s", (pattern, root) => {
  expect(globRoot(pattern)).toBe(root);
});

test("a plain name is no pattern", () => {
  expect(["a.yaml", "./a/b", "-"].filter(isGlob)).toEqual([]);
});
