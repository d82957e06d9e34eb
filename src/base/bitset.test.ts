import fc from "fast-check";
import { expect, test } from "vitest";
import {
  andInto,
  andNotInto,
  countBits,
  eachBit,
  emptyWords,
  fullWords,
  hasBit,
  isEmpty,
  orInto,
  setBit,
} from "./bitset.ts";

const members = fc.uniqueArray(fc.nat(99));
const of = (values: readonly number[]) => {
  const words = emptyWords(100);
  for (const value of values) setBit(words, value);
  return words;
};
const list = (words: Uint32Array): number[] => {
  const values: number[] = [];
  eachBit(words, (value) => values.push(value));
  return values;
};
const sorted = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);

test("words hold what a Set would", () => {
  fc.assert(
    fc.property(members, members, (a, b) => {
      expect(list(of(a))).toEqual(sorted(a));
      expect(countBits(of(a))).toBe(a.length);
      expect(isEmpty(of(a))).toBe(a.length === 0);
      const or = of(a);
      orInto(or, of(b));
      expect(list(or)).toEqual(sorted([...new Set([...a, ...b])]));
      const and = of(a);
      andInto(and, of(b));
      expect(list(and)).toEqual(sorted(a.filter((value) => b.includes(value))));
      const rest = of(a);
      andNotInto(rest, of(b));
      expect(list(rest)).toEqual(sorted(a.filter((value) => !b.includes(value))));
    }),
  );
});

test.each([0, 1, 31, 32, 33, 64, 100])("all of %i bits are set, and none beyond", (count) => {
  const words = fullWords(count);
  expect(countBits(words)).toBe(count);
  expect(hasBit(words, count)).toBe(false);
});
