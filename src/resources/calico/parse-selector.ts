/**
 * @module Calico's selector language. Errors are data: the place in the text, and what was expected there.
 *
 * Linear in the text: no character is read more than a fixed number of times, and groups nest no deeper than a limit, so
 * that neither this parser nor anybody who walks the tree runs out of stack.
 * @see https://docs.tigera.io/calico/latest/reference/resources/networkpolicy#selectors
 */
import type { SelectorNode } from "./selector-syntax.ts";

export interface SelectorProblem {
  /** In the text, from 0; its length for a text that ends too early. */
  readonly offset: number;
  /** What was expected or found, in words that follow a colon. */
  readonly message: string;
}

export type SelectorParse = { readonly root: SelectorNode } | { readonly problem: SelectorProblem };

const MAX_LENGTH = 1024;
/** Calico has no limit of its own; nobody writes a tenth of this. */
const MAX_DEPTH = 256;
const MAX_LABEL_LENGTH = 512;

/** Nothing but blanks selects all, as `all()` does. Never throws. */
export function parseSelector(text: string): SelectorParse {
  // Characters, as the API counts them: those outside the basic plane take two units.
  if (text.length > MAX_LENGTH && [...text.slice(0, 2 * MAX_LENGTH + 1)].length > MAX_LENGTH) {
    const message = `a selector may not be longer than ${MAX_LENGTH} characters`;
    return { problem: { offset: 0, message } };
  }
  try {
    return { root: new Parser(text).run() };
  } catch (error) {
    if (error instanceof SyntaxProblem) return { problem: error.problem };
    throw error;
  }
}

/** Thrown and caught in this file: a parser by recursive descent has no shorter way out. */
class SyntaxProblem extends Error {
  override readonly name = "SyntaxProblem";
  readonly problem: SelectorProblem;
  constructor(problem: SelectorProblem) {
    super(problem.message);
    this.problem = problem;
  }
}

const COMPARISONS = ["==", "!=", "contains", "starts with", "ends with"] as const;
type Comparison = (typeof COMPARISONS)[number];
type Operator = Comparison | "in" | "not in";

/** In the order in which they are tried. Between two words any blanks may stand, or none. */
const OPERATORS: readonly (readonly [RegExp, Operator])[] = [
  [/==/y, "=="],
  [/!=/y, "!="],
  [/contains/y, "contains"],
  [/starts[ \t]*with/y, "starts with"],
  [/ends[ \t]*with/y, "ends with"],
  [/not[ \t]*in/y, "not in"],
  [/in/y, "in"],
];

const LABEL = /[A-Za-z0-9_./-]+/y;
const BLANKS = /[ \t]*/y;
const CALL = /(?:has|all|global)(?=\()/y;

class Parser {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  run(): SelectorNode {
    this.#skipBlanks();
    if (this.#isAtEnd()) return { kind: "all", start: 0, end: this.#text.length };
    const root = this.#or();
    if (!this.#isAtEnd()) this.#failAfterTerm();
    return root;
  }

  #or(): SelectorNode {
    return this.#chain("or", "||", () => this.#chain("and", "&&", () => this.#negated()));
  }

  #chain(kind: "and" | "or", sign: string, next: () => SelectorNode): SelectorNode {
    const first = next();
    const terms = [first];
    while (this.#take(sign)) terms.push(next());
    const last = terms.at(-1);
    if (terms.length === 1 || !last) return first;
    return { kind, terms, start: first.start, end: last.end };
  }

  #negated(): SelectorNode {
    const start = this.#at;
    let isNegated = false;
    while (this.#take("!")) isNegated = !isNegated;
    const term = this.#primary();
    if (!isNegated) return term.start === start ? term : { ...term, start };
    return term.kind === "not"
      ? { ...term.term, start, end: term.end }
      : { kind: "not", term, start, end: term.end };
  }

  #primary(): SelectorNode {
    const start = this.#at;
    const call = this.#match(CALL);
    if (call !== undefined) return this.#call(call, start);
    if (this.#take("(")) return this.#group(start);
    const label = this.#label();
    if (label === undefined) return this.#fail(this.#at, this.#expectedTerm());
    return this.#comparison(label, start);
  }

  #group(start: number): SelectorNode {
    this.#depth++;
    if (this.#depth > MAX_DEPTH) this.#fail(start, `parentheses may not nest deeper than ${MAX_DEPTH}`);
    const inner = this.#or();
    this.#depth--;
    if (this.#peek() !== ")") this.#failAfterTerm(`expected ")" for the "(" at character ${start + 1}`);
    return { ...inner, start, end: this.#step() };
  }

  #call(name: string, start: number): SelectorNode {
    this.#take("(");
    const label = name === "has" ? this.#label() : undefined;
    if (name === "has" && label === undefined) this.#fail(this.#at, 'expected a label after "has("');
    if (this.#peek() !== ")") {
      const before = label === undefined ? `"${name}("` : `"has(${label}"`;
      this.#fail(this.#at, this.#strangeCharacter() ?? `expected ")" after ${before}`);
    }
    const end = this.#step();
    if (label !== undefined) return { kind: "has", label, start, end };
    return { kind: name === "global" ? "global" : "all", start, end };
  }

  #comparison(label: string, start: number): SelectorNode {
    const operator = this.#operator(label);
    if (operator === "in" || operator === "not in") {
      const { values, end } = this.#values(operator);
      return { kind: operator, label, values, start, end };
    }
    const { value, end } = this.#string(`after "${operator}"`);
    return { kind: "compare", op: operator, label, value, start, end };
  }

  #operator(label: string): Operator {
    const start = this.#at;
    for (const [pattern, operator] of OPERATORS) if (this.#match(pattern) !== undefined) return operator;
    if (this.#peek() === "=") return this.#fail(start, '"=" is not an operator: write "=="');
    if (this.#peek() === ":") return this.#fail(start, '":" may not stand in a label');
    if (this.#peek() === "(" && /^(?:has|all|global)$/.test(label)) {
      return this.#fail(start, `no blank may stand between "${label}" and "("`);
    }
    const isAlone = this.#isAtEnd() || this.#peek() === ")" || this.#peek() === "&" || this.#peek() === "|";
    const hint = isAlone ? `; that the label is there is written has(${label})` : "";
    const strange = this.#strangeCharacter();
    return this.#fail(start, strange ?? `expected an operator after the label "${label}"${hint}`);
  }

  #values(operator: Operator): { values: readonly string[]; end: number } {
    if (!this.#take("{")) {
      this.#fail(this.#at, this.#strangeCharacter() ?? `expected "{" after "${operator}"`);
    }
    const values = new Set<string>();
    while (this.#peek() !== "}") {
      values.add(this.#string(values.size === 0 ? 'or "}" after "{"' : 'or "}" after ","').value);
      if (!this.#take(",")) break;
    }
    if (this.#peek() !== "}") {
      this.#fail(this.#at, this.#strangeCharacter() ?? 'expected "," or "}" after a value');
    }
    return { values: [...values].sort(), end: this.#step() };
  }

  /** No escapes: a text may hold the other quote, or anything else but its own. */
  #string(place: string): { value: string; end: number } {
    const quote = this.#peek();
    const start = this.#at;
    if (quote !== '"' && quote !== "'") {
      this.#fail(start, this.#strangeCharacter() ?? `expected a quoted string ${place}`);
    }
    const close = this.#text.indexOf(quote, start + 1);
    if (close < 0) this.#fail(start, `the quote is not closed: expected ${quote} before the end`);
    this.#at = close;
    return { value: this.#text.slice(start + 1, close), end: this.#step() };
  }

  #label(): string | undefined {
    const start = this.#at;
    const label = this.#match(LABEL);
    if (label !== undefined && label.length > MAX_LABEL_LENGTH) {
      return this.#fail(start, `a label may not be longer than ${MAX_LABEL_LENGTH} characters`);
    }
    return label;
  }

  #expectedTerm(): string {
    const strange = this.#strangeCharacter();
    if (strange !== undefined) return strange;
    const next = this.#peek();
    if (next === '"' || next === "'") return 'expected a label, which is not quoted, "has(", "!" or "("';
    if (this.#isAtEnd()) return 'expected a label, "has(", "!" or "(" before the end';
    return `expected a label, "has(", "!" or "(", found ${JSON.stringify(next)}`;
  }

  #failAfterTerm(expected = 'expected "&&", "||" or the end'): never {
    const next = this.#peek();
    const single = (next === "&" || next === "|") && `"${next}" is not an operator: write "${next}${next}"`;
    return this.#fail(this.#at, this.#strangeCharacter() ?? (single || expected));
  }

  /** What no selector may hold outside quotes, said before anything that is merely out of place. */
  #strangeCharacter(): string | undefined {
    const next = this.#peek();
    if (next === "\n" || next === "\r") {
      return "a newline is not allowed in a selector: only blanks and tabs may stand between its parts";
    }
    return /^[^\x20-\x7e]$/.test(next)
      ? `the character ${JSON.stringify(next)} is not allowed here`
      : undefined;
  }

  #isAtEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  #peek(): string {
    return this.#text.charAt(this.#at);
  }

  /** Steps over one character and the blanks behind it. @returns the offset behind the character */
  #step(): number {
    const end = this.#at + 1;
    this.#at = end;
    this.#skipBlanks();
    return end;
  }

  #take(sign: string): boolean {
    if (!this.#text.startsWith(sign, this.#at)) return false;
    this.#at += sign.length;
    this.#skipBlanks();
    return true;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found === undefined) return undefined;
    this.#at += found.length;
    this.#skipBlanks();
    return found;
  }

  #skipBlanks(): void {
    BLANKS.lastIndex = this.#at;
    this.#at += BLANKS.exec(this.#text)?.[0].length ?? 0;
  }

  #fail(offset: number, message: string): never {
    throw new SyntaxProblem({ offset, message });
  }
}
