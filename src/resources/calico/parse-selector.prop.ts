import fc from "fast-check";
import { expect, test } from "vitest";
import { formatSelector } from "./format-selector.ts";
import { parseSelector } from "./parse-selector.ts";
import type { SelectorNode } from "./selector-syntax.ts";

/** The tree without its places. */
function shape(node: SelectorNode): unknown {
  const { start: _start, end: _end, ...rest } = node;
  if (rest.kind === "not") return { ...rest, term: shape(rest.term) };
  if (rest.kind === "and" || rest.kind === "or") return { ...rest, terms: rest.terms.map(shape) };
  return rest;
}

function parsed(text: string): SelectorNode {
  const result = parseSelector(text);
  if ("problem" in result) throw new Error(`${text}: ${result.problem.message}`);
  return result.root;
}

const PIECES = [
  ..."!(){}=,&|'\" \t\n\r:é",
  ..."has( all( global( == != contains in not in starts with ends with && || a b.c/d 'x' \"y\" {'x'} () {}".split(
    " ",
  ),
];

const token = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...PIECES) },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 5 }) },
);

test("no text makes the parser throw, and every problem has a place in the text", () => {
  fc.assert(
    fc.property(fc.array(token, { maxLength: 40 }), fc.constantFrom("", " "), (tokens, glue) => {
      const text = tokens.join(glue);
      const result = parseSelector(text);
      if ("problem" in result) {
        expect(result.problem.offset).toBeGreaterThanOrEqual(0);
        expect(result.problem.offset).toBeLessThanOrEqual(text.length);
        return;
      }
      expect(shape(parsed(formatSelector(result.root)))).toEqual(shape(result.root));
    }),
    { numRuns: 20_000, seed: 1 },
  );
});

const label = fc.stringMatching(/^[A-Za-z0-9_./-]{1,8}$/);
const value = fc.string({ maxLength: 6 }).filter((text) => !(text.includes("'") && text.includes('"')));
const values = fc.uniqueArray(value, { maxLength: 3 }).map((list) => list.sort());
const place = { start: fc.constant(0), end: fc.constant(0) };

const leaf: fc.Arbitrary<SelectorNode> = fc.oneof(
  fc.record({ ...place, kind: fc.constantFrom("all" as const, "global" as const) }),
  fc.record({ ...place, kind: fc.constant("has" as const), label }),
  fc.record({
    ...place,
    kind: fc.constant("compare" as const),
    op: fc.constantFrom(
      "==" as const,
      "!=" as const,
      "contains" as const,
      "starts with" as const,
      "ends with" as const,
    ),
    label,
    value,
  }),
  fc.record({ ...place, kind: fc.constantFrom("in" as const, "not in" as const), label, values }),
);

const { tree } = fc.letrec<{ tree: SelectorNode; positive: SelectorNode }>((tie) => ({
  // A parser gives no negation of a negation.
  positive: fc.oneof(
    { maxDepth: 4, depthIdentifier: "tree" },
    leaf,
    fc.record({
      ...place,
      kind: fc.constantFrom("and" as const, "or" as const),
      terms: fc.array(tie("tree"), { minLength: 2, maxLength: 3 }),
    }),
  ),
  tree: fc.oneof(
    { maxDepth: 4, depthIdentifier: "tree" },
    tie("positive"),
    fc.record({ ...place, kind: fc.constant("not" as const), term: tie("positive") }),
  ),
}));

test("a tree that is printed and read again is the same, and is printed the same", () => {
  fc.assert(
    fc.property(tree, (node) => {
      const text = formatSelector(node);
      fc.pre(text.length <= 1024);
      expect(shape(parsed(text))).toEqual(shape(node));
      expect(formatSelector(parsed(text))).toBe(text);
    }),
    { numRuns: 5_000, seed: 1 },
  );
});
