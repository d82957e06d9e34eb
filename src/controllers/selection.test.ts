import { expect, test } from "vitest";
import type { Node } from "../client/kinds.ts";
import { isEqual } from "./equal.ts";
import { matchesTerm, selects } from "./selection.ts";

const node: Node = { apiVersion: "v1", kind: "Node", metadata: { name: "n", labels: { app: "a" } } };

test.each(["constructor", "toString", "__proto__"])("what has no label %s is selected as such", (key) => {
  const by = (operator: string, values?: string[]) => [
    selects({ matchExpressions: [{ key, operator, ...(values && { values }) }] }, { app: "a" }),
    matchesTerm({ matchExpressions: [{ key, operator, ...(values && { values }) }] }, node),
  ];
  expect(by("Exists")).toEqual([false, false]);
  expect(by("DoesNotExist")).toEqual([true, true]);
  expect(by("In", ["a"])).toEqual([false, false]);
  expect(by("NotIn", ["a"])).toEqual([true, true]);
  expect(by("Gt", ["-1"])).toEqual([false, false]);
});

test("a field that one of two values has is not what the other inherits", () => {
  expect(isEqual({}, { constructor: "a" })).toBe(false);
  expect(isEqual({ toString: {} }.toString, {}.toString)).toBe(false);
  expect(isEqual({ constructor: undefined }, {})).toBe(true);
});
