import { describe, expect, test } from "vitest";
import type { Json } from "./json.ts";
import { jsonPatch } from "./json-patch.ts";
import { mergePatch, strategicPatch } from "./merge-patch.ts";

describe("JSON Patch, by the RFC's examples", () => {
  test.each<[string, Json, Json, Json]>([
    [
      "A.1 adds a member",
      { foo: "bar" },
      [{ op: "add", path: "/baz", value: "qux" }],
      { baz: "qux", foo: "bar" },
    ],
    [
      "A.2 adds an item",
      { foo: ["bar", "baz"] },
      [{ op: "add", path: "/foo/1", value: "qux" }],
      { foo: ["bar", "qux", "baz"] },
    ],
    ["A.3 removes a member", { baz: 1, foo: 2 }, [{ op: "remove", path: "/baz" }], { foo: 2 }],
    ["A.4 removes an item", { foo: [1, 2, 3] }, [{ op: "remove", path: "/foo/1" }], { foo: [1, 3] }],
    ["A.5 replaces", { baz: 1, foo: 2 }, [{ op: "replace", path: "/baz", value: 3 }], { baz: 3, foo: 2 }],
    [
      "A.6 moves",
      { a: { x: 1 }, b: {} },
      [{ op: "move", from: "/a/x", path: "/b/y" }],
      { a: {}, b: { y: 1 } },
    ],
    [
      "A.7 moves an item",
      { foo: [1, 2, 3, 4] },
      [{ op: "move", from: "/foo/1", path: "/foo/3" }],
      { foo: [1, 3, 4, 2] },
    ],
    [
      "A.8 tests",
      { baz: "q", foo: ["a", 2] },
      [{ op: "test", path: "/foo/1", value: 2 }],
      { baz: "q", foo: ["a", 2] },
    ],
    ["A.14 escapes", { "/": 9, "~1": 10 }, [{ op: "replace", path: "/~01", value: 1 }], { "/": 9, "~1": 1 }],
    [
      "A.16 appends",
      { foo: ["bar"] },
      [{ op: "add", path: "/foo/-", value: ["a"] }],
      { foo: ["bar", ["a"]] },
    ],
    ["copies", { a: [1] }, [{ op: "copy", from: "/a", path: "/b" }], { a: [1], b: [1] }],
    ["null is a value", { a: 1 }, [{ op: "add", path: "/b", value: null }], { a: 1, b: null }],
  ])("%s", (_why, target, patch, value) => {
    expect(jsonPatch(target, patch)).toEqual({ kind: "patched", value });
  });

  test.each<[string, Json, boolean]>([
    ["a test that fails", [{ op: "test", path: "/a", value: 2 }], false],
    ["a parent that is not there", [{ op: "add", path: "/x/y", value: 2 }], false],
    ["a member that is not there", [{ op: "remove", path: "/x" }], false],
    ["a place outside of the list", [{ op: "add", path: "/l/3", value: 2 }], false],
    ["an index with a zero in front", [{ op: "replace", path: "/l/00", value: 2 }], false],
    ["into itself", [{ op: "move", from: "/o", path: "/o/x" }], false],
    ["an unknown operation", [{ op: "merge", path: "/a" }], true],
    ["no value", [{ op: "add", path: "/b" }], true],
    ["a path without its slash", [{ op: "remove", path: "a" }], true],
    ["no list", { op: "remove" }, true],
  ])("%s is an error", (_why, patch, isMalformed) => {
    expect(jsonPatch({ a: 1, l: [1], o: {} }, patch)).toMatchObject({ kind: "failed", isMalformed });
  });
});

describe("merge patch, by the RFC's table", () => {
  test.each<[Json, Json, Json]>([
    [{ a: "b" }, { a: "c" }, { a: "c" }],
    [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
    [{ a: "b" }, { a: null }, {}],
    [{ a: ["b"] }, { a: "c" }, { a: "c" }],
    [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
    [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
    [
      ["a", "b"],
      ["c", "d"],
      ["c", "d"],
    ],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: "b", c: null }, { a: "b" }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])("%j with %j", (target, patch, value) => {
    expect(mergePatch(target, patch)).toEqual(value);
  });
});

test("strategic: lists of Kubernetes' own kinds are merged by their key, others are replaced", () => {
  const pod = { spec: { containers: [{ name: "a", image: "1" }, { name: "b" }] } };
  const patch = { spec: { containers: [{ name: "a", image: "2" }, { name: "c" }] } };
  expect(strategicPatch(pod, patch, true)).toEqual({
    spec: { containers: [{ name: "a", image: "2" }, { name: "b" }, { name: "c" }] },
  });
  expect(strategicPatch(pod, patch, false)).toEqual(patch);
  expect(() => strategicPatch(pod, { spec: { $patch: "replace" } }, true)).toThrow("$patch");
});
