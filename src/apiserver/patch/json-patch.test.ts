import { expect, test } from "vitest";
import { applyJsonPatch } from "./json-patch.ts";
import type { PatchError, PatchFault } from "./patch-error.ts";

test.each([
  ["add sets a key", { a: 1 }, [{ op: "add", path: "/b", value: 2 }], { a: 1, b: 2 }],
  ["add replaces a key", { a: 1 }, [{ op: "add", path: "/a", value: 2 }], { a: 2 }],
  ["add inserts into a list", [1, 3], [{ op: "add", path: "/1", value: 2 }], [1, 2, 3]],
  ["add at the length appends", [1], [{ op: "add", path: "/1", value: 2 }], [1, 2]],
  ["- is behind the end", { a: [1] }, [{ op: "add", path: "/a/-", value: 2 }], { a: [1, 2] }],
  ["an empty path is the document", { a: 1 }, [{ op: "add", path: "", value: [] }], []],
  ["remove takes a key", { a: 1, b: 2 }, [{ op: "remove", path: "/a" }], { b: 2 }],
  ["remove closes the gap", [1, 2, 3], [{ op: "remove", path: "/1" }], [1, 3]],
  ["replace sets an item", [1, 2], [{ op: "replace", path: "/0", value: 9 }], [9, 2]],
  ["move takes and sets", { a: 1 }, [{ op: "move", from: "/a", path: "/b" }], { b: 1 }],
  ["move within a list", [1, 2, 3], [{ op: "move", from: "/0", path: "/2" }], [2, 3, 1]],
  ["copy leaves the source", { a: 1 }, [{ op: "copy", from: "/a", path: "/b" }], { a: 1, b: 1 }],
  ["~1 is a slash", { a: {} }, [{ op: "add", path: "/a/x.io~1y", value: 1 }], { a: { "x.io/y": 1 } }],
  ["~01 is ~1", {}, [{ op: "add", path: "/~01", value: 1 }], { "~1": 1 }],
  ["null is a value", {}, [{ op: "add", path: "/a", value: null }], { a: null }],
  ["an empty key is a key", { "": 1 }, [{ op: "remove", path: "/" }], {}],
  ["test passes", { a: { b: [1] } }, [{ op: "test", path: "/a", value: { b: [1] } }], { a: { b: [1] } }],
  ["what is not there is null", {}, [{ op: "test", path: "/a", value: null }], {}],
  ["no operations change nothing", { a: 1 }, [], { a: 1 }],
])("%s", (_why, target, operations, result) => {
  const before = JSON.stringify(target);
  expect(applyJsonPatch(target, operations)).toEqual(result);
  expect(JSON.stringify(target)).toBe(before);
});

test.each<[string, unknown, unknown, PatchFault, RegExp]>([
  [
    "an object is no patch",
    {},
    {},
    "malformed",
    /cannot unmarshal object into Go value of type jsonpatch.Patch/,
  ],
  ["a number is no operation", {}, [1], "malformed", /jsonpatch.Operation/],
  ["an unknown operation", {}, [{ op: "put", path: "/a" }], "malformed", /Unexpected kind: put/],
  ["a path is needed", {}, [{ op: "remove" }], "malformed", /no path/],
  ["a value is needed", {}, [{ op: "add", path: "/a" }], "malformed", /no value/],
  ["a source is needed", {}, [{ op: "copy", path: "/a" }], "malformed", /no from/],
  ["paths start with a slash", {}, [{ op: "remove", path: "a" }], "malformed", /slash/],
  [
    "test finds another value",
    { a: 1 },
    [{ op: "test", path: "/a", value: 2 }],
    "inapplicable",
    /testing value \/a failed: test failed/,
  ],
  [
    "test finds nothing",
    {},
    [{ op: "test", path: "/a", value: 2 }],
    "inapplicable",
    /testing value \/a failed: test failed/,
  ],
  [
    "test finds no way there",
    {},
    [{ op: "test", path: "/a/b", value: 2 }],
    "inapplicable",
    /test operation does not apply: doc is missing path: \/a: missing value/,
  ],
  [
    "what is missing cannot go",
    {},
    [{ op: "remove", path: "/a" }],
    "inapplicable",
    /error in remove for path: '\/a': Unable to remove nonexistent key: a: missing value/,
  ],
  [
    "what is missing cannot be replaced",
    {},
    [{ op: "replace", path: "/a", value: 1 }],
    "inapplicable",
    /replace operation/,
  ],
  ["the parent must exist", {}, [{ op: "add", path: "/a/b", value: 1 }], "inapplicable", /missing path/],
  ["an index beyond the end", [1], [{ op: "add", path: "/2", value: 1 }], "inapplicable", /out of bounds/],
  ["a leading zero is no index", [1, 2], [{ op: "remove", path: "/01" }], "inapplicable", /no index/],
  [
    "nothing moves into itself",
    { a: {} },
    [{ op: "move", from: "/a", path: "/a/b" }],
    "inapplicable",
    /itself/,
  ],
  ["inherited keys are not there", {}, [{ op: "remove", path: "/toString" }], "inapplicable", /missing/],
])("%s", (_why, target, operations, fault, message) => {
  const attempt = () => applyJsonPatch(target, operations);
  expect(attempt).toThrow(message);
  expect(attempt).toThrow(expect.objectContaining({ fault }) as PatchError);
});
