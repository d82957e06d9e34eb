import { expect, test } from "vitest";
import { applyMergePatch } from "./merge-patch.ts";

// The examples of RFC 7386, appendix A.
test.each([
  [{ a: "b" }, { a: "c" }, { a: "c" }],
  [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
  [{ a: "b" }, { a: null }, {}],
  [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
  [{ a: ["b"] }, { a: "c" }, { a: "c" }],
  [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
  [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
  [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
  [
    ["a", "b"],
    ["c", "d"],
    ["c", "d"],
  ],
  [{ a: "b" }, ["c"], ["c"]],
  [{ a: "foo" }, null, null],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: "b", c: null }, { a: "b" }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
])("%j patched with %j is %j", (target, patch, result) => {
  const before = JSON.stringify(target);
  expect(applyMergePatch(target, patch)).toEqual(result);
  expect(JSON.stringify(target)).toBe(before);
});

test("a key __proto__ becomes a key and no prototype", () => {
  const result = applyMergePatch({}, JSON.parse('{"__proto__":{"polluted":true}}')) as object;
  expect(Object.keys(result)).toEqual(["__proto__"]);
  expect("polluted" in result).toBe(false);
});
