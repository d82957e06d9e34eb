import { expect, test } from "vitest";
import { closestWord } from "./closest-word.ts";
import {
  checkDns1035Label,
  checkDnsLabel,
  checkDnsSubdomain,
  checkLabelKey,
  checkLabelValue,
  checkPortName,
} from "./names.ts";

const LONG = "a".repeat(64);

test.each([
  [checkDnsLabel, ["a", "a-b", "1a", "a".repeat(63)], ["", "-a", "a-", "A", "a.b", "a_b", LONG]],
  [checkDnsSubdomain, ["a", "a.b-c.d", "1"], ["", ".a", "a.", "a..b", "A", "a_b", "a".repeat(254)]],
  [checkDns1035Label, ["a", "a1"], ["1a", "a.b", LONG]],
  [
    checkLabelKey,
    ["a", "A.b_c-d", "example.com/a", "a".repeat(63)],
    ["", "/a", "a/", "a/b/c", "A_/b", "-a", "a b", LONG, `x/${LONG}`],
  ],
  [checkLabelValue, ["", "a", "A.b_c-d"], ["-a", "a-", "a b", "a/b", LONG]],
  [checkPortName, ["http", "a-1", "1a"], ["", "1", "a--b", "-a", "a-", "A", "a".repeat(16)]],
] as const)("%o tells right from wrong", (check, right, wrong) => {
  expect(right.filter((text) => check(text).length > 0)).toEqual([]);
  expect(wrong.filter((text) => check(text).length === 0)).toEqual([]);
});

test("a wrong label key is explained in the API server's words", () => {
  expect(checkLabelKey("-a")).toEqual([
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
  ]);
});

test.each([
  ["a swapped pair is one slip", "podSelcetor", ["podSelector", "ports"], "podSelector"],
  ["the case does not count", "podselector", ["podSelector"], "podSelector"],
  ["a missing letter is one slip", "form", ["from", "ports"], "from"],
  ["what is far from everything is nothing", "hello", ["podSelector", "ports"], undefined],
  ["short words are not taken for any other", "x", ["to"], undefined],
] as const)("%s", (_why, word, candidates, expected) => {
  expect(closestWord(word, candidates)).toBe(expected);
});
