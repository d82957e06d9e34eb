import { describe, expect, test } from "vitest";
import {
  allOf,
  formatSelector,
  type LabelTest,
  NONE,
  passes,
  type Selectable,
  type Selector,
  selects,
} from "./selector.ts";

const pod = (facts: Partial<Selectable> = {}): Selectable => ({
  kind: "pod",
  namespace: "prod",
  labels: { app: "web" },
  namespaceLabels: { team: "a" },
  serviceAccount: "default",
  serviceAccountLabels: {},
  ...facts,
});

describe("a missing label", () => {
  test.each([
    ["in is false", { op: "in", values: ["a"] }, false],
    ["not-in is true", { op: "not-in", values: ["a"] }, true],
    ["exists is false", { op: "exists" }, false],
    ["contains is false", { op: "contains", value: "" }, false],
    ["starts-with is false", { op: "starts-with", value: "" }, false],
    ["ends-with is false", { op: "ends-with", value: "" }, false],
  ] as const)("%s", (_why, labelTest, result) => {
    expect(passes(labelTest as LabelTest, undefined)).toBe(result);
  });

  test("a label called constructor is not found on a pod that has none", () => {
    const selector: Selector = { kind: "label", of: "endpoint", key: "constructor", test: { op: "exists" } };
    expect(selects(selector, pod())).toBe(false);
  });
});

test("a pod's own label cannot pass for its namespace's", () => {
  const selector: Selector = {
    kind: "label",
    of: "namespace",
    key: "team",
    test: { op: "in", values: ["b"] },
  };
  expect(selects(selector, pod({ labels: { team: "b", "pcns.team": "b" } }))).toBe(false);
});

test("no terms select everything, and one that selects nothing makes nothing of all", () => {
  expect(allOf([])).toEqual({ kind: "all" });
  expect(allOf([{ kind: "all" }, NONE])).toEqual(NONE);
});

test("equal selectors have equal text, whatever the order of terms and values", () => {
  const a: Selector = { kind: "label", of: "endpoint", key: "a", test: { op: "in", values: ["2", "1"] } };
  const b: Selector = { kind: "label", of: "namespace", key: "b", test: { op: "exists" } };
  const swapped: Selector = { ...a, test: { op: "in", values: ["1", "2"] } };
  expect(formatSelector({ kind: "and", terms: [a, b] })).toBe(
    formatSelector({ kind: "and", terms: [b, swapped] }),
  );
  expect(formatSelector({ kind: "and", terms: [a, b] })).toBe("(a in {'1', '2'} && has(namespace.b))");
});
