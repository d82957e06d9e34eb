import { expect, test } from "vitest";
import { indexPath, joinPath, keyPath, parsePath } from "./field-path.ts";

test.each([
  ["plain words are joined with dots", keyPath(keyPath("", "spec"), "podSelector"), "spec.podSelector"],
  ["other keys stand in brackets", keyPath("metadata.labels", "app.io/name"), "metadata.labels[app.io/name]"],
  ["numbers are items", indexPath("spec.ingress", 2), "spec.ingress[2]"],
  ["a path inside another follows a dot", joinPath("items[0]", "spec.a"), "items[0].spec.a"],
  ["a path that starts with a bracket follows as it is", joinPath("items", "[0].a"), "items[0].a"],
  ["the empty path is the object itself", joinPath("spec.objects[1]", ""), "spec.objects[1]"],
])("%s", (_why, path, expected) => {
  expect(path).toBe(expected);
});

test.each([["a"], ["x.y"], ["a]b"], ["a\\b"], ["[0]"], ["ключ"], ["a/b.c-d_e"]])(
  "the key %j survives its path",
  (key) => {
    expect(parsePath(keyPath(indexPath("spec", 3), key))).toEqual(["spec", "3", key]);
  },
);
