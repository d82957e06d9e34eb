import { describe, expect, test } from "vitest";
import { formatSelector } from "./format-selector.ts";
import { parseSelector, type SelectorProblem } from "./parse-selector.ts";

function canonical(text: string): string {
  const parsed = parseSelector(text);
  return "root" in parsed ? formatSelector(parsed.root) : `! ${parsed.problem.message}`;
}

function problem(text: string): SelectorProblem {
  const parsed = parseSelector(text);
  if ("root" in parsed) throw new Error(`${text} was read as ${formatSelector(parsed.root)}`);
  return parsed.problem;
}

describe("what is written and what it is read as", () => {
  test.each([
    ["nothing is everything", "", "all()"],
    ["blanks are nothing", " \t ", "all()"],
    ["all()", "all( )", "all()"],
    ["global()", "global()", "global()"],
    ["a label that is there", "has( a.b/c-d_e )", "has(a.b/c-d_e)"],
    ["equality needs no blanks", "a=='x'", 'a == "x"'],
    ["inequality", 'a != "x"', 'a != "x"'],
    ["contains", 'a contains"x"', 'a contains "x"'],
    ["two words with many blanks", "a starts \t with 'x'", 'a starts with "x"'],
    ["two words with none", "a endswith 'x'", 'a ends with "x"'],
    ["a set is sorted, each value once", "a in {'b','a', 'b' }", 'a in {"a", "b"}'],
    ["a set may end in a comma", "a in {'b',}", 'a in {"b"}'],
    ["a set may be empty", "a not in {}", "a not in {}"],
    ["notin in one word", "a notin { 'x' }", 'a not in {"x"}'],
    ["a value may hold the other quote", `a == 'say "x"'`, `a == 'say "x"'`],
    ["a value may hold anything else", `a == "'\n&& (é"`, `a == "'\n&& (é"`],
    ["and binds before or", "has(a) || has(b) && has(c)", "(has(a) || (has(b) && has(c)))"],
    ["parentheses bind first", "(has(a)||has(b))&&has(c)", "((has(a) || has(b)) && has(c))"],
    ["chains stay flat", "has(a) && has(b) && has(c)", "(has(a) && has(b) && has(c))"],
    ["groups stay groups", "(has(a) && has(b)) && has(c)", "((has(a) && has(b)) && has(c))"],
    ["not binds first", "!has(a) && has(b)", "(!has(a) && has(b))"],
    ["not negates a comparison", '! a == "x"', '!a == "x"'],
    ["two nots are none", "!!has(a)", "has(a)"],
    ["three are one", "! ! !has(a)", "!has(a)"],
    ["nots meet through parentheses", "!(!has(a))", "has(a)"],
    ["not of a group", "!(has(a) || all())", "!(has(a) || all())"],
    ["operators may be labels", "in in {'in'}", 'in in {"in"}'],
    ["and so may functions", "has == 'x' && all != 'y'", '(has == "x" && all != "y")'],
    ["contains contains", "contains contains 'x'", 'contains contains "x"'],
    ["a label may end in a function's name", "xhas == 'x'", 'xhas == "x"'],
  ] as const)("%s", (_why, text, expected) => {
    expect(canonical(text)).toBe(expected);
  });
});

describe("what is wrong is told with its place", () => {
  test.each([
    ["a = 'x'", 2, '"=" is not an operator: write "=="'],
    ["a == x", 5, 'expected a quoted string after "=="'],
    ["a ==", 4, 'expected a quoted string after "=="'],
    ["a != ", 5, 'expected a quoted string after "!="'],
    ["a starts with x", 14, 'expected a quoted string after "starts with"'],
    ["a == 'x", 5, "the quote is not closed: expected ' before the end"],
    ["a in 'x'", 5, 'expected "{" after "in"'],
    ["a in {x}", 6, 'expected a quoted string or "}" after "{"'],
    ["a in {,}", 6, 'expected a quoted string or "}" after "{"'],
    ["a in {'x' 'y'}", 10, 'expected "," or "}" after a value'],
    ["a in {'x', y}", 11, 'expected a quoted string or "}" after ","'],
    ["a in {'x'", 9, 'expected "," or "}" after a value'],
    ["a", 1, 'expected an operator after the label "a"; that the label is there is written has(a)'],
    ["a && has(b)", 2, 'expected an operator after the label "a"; that the label is there is written has(a)'],
    ["a is 'x'", 2, 'expected an operator after the label "a"'],
    ["a:b == 'x'", 1, '":" may not stand in a label'],
    ["has (a)", 4, 'no blank may stand between "has" and "("'],
    ["all () ", 4, 'no blank may stand between "all" and "("'],
    ["has()", 4, 'expected a label after "has("'],
    ["has('a')", 4, 'expected a label after "has("'],
    ["has(a b)", 6, 'expected ")" after "has(a"'],
    ["all(a)", 4, 'expected ")" after "all("'],
    ["has(a) has(b)", 7, 'expected "&&", "||" or the end'],
    ["has(a) & has(b)", 7, '"&" is not an operator: write "&&"'],
    ["has(a) | has(b)", 7, '"|" is not an operator: write "||"'],
    ["has(a) &&", 9, 'expected a label, "has(", "!" or "(" before the end'],
    ["(has(a)", 7, 'expected ")" for the "(" at character 1'],
    ["has(a))", 6, 'expected "&&", "||" or the end'],
    ["()", 1, 'expected a label, "has(", "!" or "(", found ")"'],
    ["'a' == 'b'", 0, 'expected a label, which is not quoted, "has(", "!" or "("'],
    [
      "has(a) &&\nhas(b)",
      9,
      "a newline is not allowed in a selector: only blanks and tabs may stand between its parts",
    ],
    [
      "a == 'x'\n",
      8,
      "a newline is not allowed in a selector: only blanks and tabs may stand between its parts",
    ],
    ["größe == 'x'", 2, 'the character "ö" is not allowed here'],
    ["a == ”x”", 5, 'the character "”" is not allowed here'],
  ] as const)("%j", (text, offset, message) => {
    expect(problem(text)).toEqual({ offset, message });
  });
});

test("every node knows its place in the text", () => {
  const text = " (a == 'x' ||  !has(b) ) && all()";
  const parsed = parseSelector(text);
  if (!("root" in parsed) || parsed.root.kind !== "and") throw new Error("no conjunction");
  const [group, all] = parsed.root.terms;
  const at = (node: { start: number; end: number } | undefined) => node && text.slice(node.start, node.end);
  expect(at(parsed.root)).toBe("(a == 'x' ||  !has(b) ) && all()");
  expect(at(group)).toBe("(a == 'x' ||  !has(b) )");
  expect(at(all)).toBe("all()");
  if (group?.kind !== "or") throw new Error("no disjunction");
  expect(group.terms.map(at)).toEqual(["a == 'x'", "!has(b)"]);
});

describe("limits", () => {
  test("a selector has at most 1,024 characters", () => {
    const text = (length: number) => `a == "${"é".repeat(length - 7)}"`;
    expect(canonical(text(1024))).toBe(text(1024));
    expect(problem(text(1025))).toEqual({
      offset: 0,
      message: "a selector may not be longer than 1024 characters",
    });
    expect(problem("(".repeat(10_000_000)).offset).toBe(0);
  });

  test("characters outside the basic plane count once", () => {
    expect(canonical(`a == "${"😀".repeat(1017)}"`)).toContain("😀");
    expect(problem(`a == "${"😀".repeat(1018)}"`).offset).toBe(0);
  });

  test.each([200, 256])("%i parentheses nest", (depth) => {
    expect(canonical(`${"(".repeat(depth)}has(a)${")".repeat(depth)}`)).toBe("has(a)");
  });

  test("200 negations nest, in a row and in groups", () => {
    expect(canonical(`${"!".repeat(201)}has(a)`)).toBe("!has(a)");
    expect(canonical(`${"!(".repeat(201)}has(a)${")".repeat(201)}`)).toBe("!has(a)");
  });

  test("one parenthesis more is refused at its place", () => {
    expect(problem(`${"(".repeat(257)}has(a)${")".repeat(257)}`)).toEqual({
      offset: 256,
      message: "parentheses may not nest deeper than 256",
    });
    expect(problem("(".repeat(1024)).offset).toBe(256);
  });

  test("a label has at most 512 characters", () => {
    expect(canonical(`has(${"a".repeat(512)})`)).toBe(`has(${"a".repeat(512)})`);
    expect(problem(`has(${"a".repeat(513)})`)).toEqual({
      offset: 4,
      message: "a label may not be longer than 512 characters",
    });
  });
});
