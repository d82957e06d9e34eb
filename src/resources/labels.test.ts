import { expect, test } from "vitest";
import { applyLabels, makeLabels } from "./labels.ts";

test("labels are set, overwritten and removed, and the object before stays as it was", () => {
  const pod = {
    kind: "Pod",
    name: "a",
    labels: makeLabels([
      ["tier", "x"],
      ["old", "1"],
      ["kept", "2"],
    ]),
  };
  expect({ ...applyLabels(pod, { tier: "backend", old: null, absent: null, extra: "" }).labels }).toEqual({
    tier: "backend",
    kept: "2",
    extra: "",
  });
  expect(pod.labels).toMatchObject({ old: "1" });
});

test("a Namespace keeps the label with its name", () => {
  const namespace = {
    kind: "Namespace",
    name: "a",
    labels: makeLabels([["kubernetes.io/metadata.name", "a"]]),
  };
  expect({ ...applyLabels(namespace, { "kubernetes.io/metadata.name": null }).labels }).toEqual({
    "kubernetes.io/metadata.name": "a",
  });
});
