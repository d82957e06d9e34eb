import fc from "fast-check";
import { expect, test } from "vitest";
import { isJsonObject, jsonEqual } from "./json-value.ts";
import { applyMergePatch } from "./merge-patch.ts";

/** A merge patch cannot say null, so neither may its target. */
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<unknown>(0, 1, "x", true, ""),
    fc.array(fc.constantFrom(1, 2), { maxLength: 2 }),
    fc.dictionary(fc.constantFrom("a", "b", "c"), tie("value")),
  ),
}));

function patchBetween(before: unknown, after: unknown): unknown {
  if (!isJsonObject(before) || !isJsonObject(after)) return after;
  const patch: Record<string, unknown> = {};
  for (const key of Object.keys(before)) if (!(key in after)) patch[key] = null;
  for (const [key, wanted] of Object.entries(after)) {
    if (!jsonEqual(before[key], wanted)) patch[key] = patchBetween(before[key], wanted);
  }
  return patch;
}

test("the patch between two documents makes the one the other", () => {
  fc.assert(
    fc.property(value, value, (before, after) => {
      expect(applyMergePatch(before, patchBetween(before, after))).toEqual(after);
    }),
  );
});

test("applying a patch again changes nothing", () => {
  fc.assert(
    fc.property(value, value, (target, patch) => {
      const once = applyMergePatch(target, patch);
      expect(applyMergePatch(once, patch)).toEqual(once);
    }),
  );
});
