import { expect, test } from "vitest";
import { ownValue, setOwn } from "./own.ts";

test.each(["constructor", "toString", "__proto__"])("what is not an object's own is not there: %s", (key) => {
  const record: Record<string, unknown> = {};
  expect(ownValue(record, key)).toBeUndefined();
  setOwn(record, key, { a: 1 });
  expect(ownValue(record, key)).toEqual({ a: 1 });
  expect(Object.keys(record)).toEqual([key]);
  expect((record as { a?: number }).a).toBeUndefined();
});
