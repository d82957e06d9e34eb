/**
 * @module Reads a value of any shape field by field. A reading has three outcomes, and callers must tell them apart to
 * fail closed: a value, `undefined` for a field that is absent (or null, which the API server takes for absent), and
 * `BAD` for a field that is there and cannot be read, which has been reported.
 */
import { UNREADABLE } from "../yaml/construct.ts";
import { indexPath, keyPath } from "../yaml/field-path.ts";
import { BooleanWord } from "../yaml/scalars.ts";
import { closestWord } from "./closest-word.ts";
import type { Report } from "./report.ts";

export const BAD: unique symbol = Symbol("bad");
export type Reading<T> = T | undefined | typeof BAD;

/** The value, or `fallback` where there is none that can be read. */
export function orElse<T>(reading: Reading<T>, fallback: T): T {
  return reading === undefined || reading === BAD ? fallback : reading;
}

/** The value; undefined also where it could not be read. For fields that decide nothing when they are missing. */
export function orAbsent<T>(reading: Reading<T>): T | undefined {
  return reading === BAD ? undefined : reading;
}

const MAX_QUOTE = 300;

/** @param names - separated by blanks */
export function fieldNames(names: string): ReadonlySet<string> {
  return new Set(names.trim().split(/\s+/));
}

/** A value that has not been looked at, and where it stands. */
export class Cursor {
  readonly report: Report;
  readonly value: unknown;
  readonly path: string;

  constructor(report: Report, value: unknown, path: string) {
    this.report = report;
    this.value = value;
    this.path = path;
  }

  get isAbsent(): boolean {
    return this.value === undefined || this.value === null;
  }

  /** Whether {@link fields} can open it. */
  get isMapping(): boolean {
    return isMapping(this.value);
  }

  /** @param known - all names that the object may have; left out, any are taken */
  fields(known?: ReadonlySet<string>): Reading<Fields> {
    if (this.isAbsent) return undefined;
    if (!isMapping(this.value)) return this.#wrongType("a mapping");
    const fields = new Fields(this.report, this.value, this.path);
    if (known) fields.reportUnknown(known);
    return fields;
  }

  list(): Reading<readonly Cursor[]> {
    if (this.isAbsent) return undefined;
    if (!Array.isArray(this.value)) return this.#wrongType("a list");
    return this.value.map((item, index) => new Cursor(this.report, item, indexPath(this.path, index)));
  }

  string(): Reading<string> {
    if (this.isAbsent) return undefined;
    if (typeof this.value === "string") return this.value;
    if (this.value instanceof BooleanWord && this.report.options.booleanWords === "strings")
      return this.value.text;
    return this.#wrongType("a string");
  }

  /** A whole number that a 32-bit field of the API holds. */
  integer(): Reading<number> {
    if (this.isAbsent) return undefined;
    if (typeof this.value === "number" && (this.value | 0) === this.value) return this.value;
    return this.#wrongType("an integer");
  }

  boolean(): Reading<boolean> {
    if (this.isAbsent) return undefined;
    if (typeof this.value === "boolean") return this.value;
    if (this.value instanceof BooleanWord) return this.value.value;
    return this.#wrongType("a boolean");
  }

  /**
   * Any number but NaN and the infinities, which no API takes.
   * @param hint - what follows where it is none
   */
  finiteNumber(hint: string): Reading<number> {
    if (this.isAbsent) return undefined;
    if (typeof this.value === "number" && Number.isFinite(this.value)) return this.value;
    return this.#wrongType("a finite number", hint);
  }

  integerOrString(): Reading<number | string> {
    return typeof this.value === "number" ? this.integer() : this.string();
  }

  /** @param supported - in the order in which the message lists them */
  oneOf<const T extends string>(supported: readonly T[]): Reading<T> {
    const value = this.string();
    if (value === undefined || value === BAD) return value;
    const found = supported.find((one) => one === value);
    if (found !== undefined) return found;
    const list = supported.map((one) => JSON.stringify(one)).join(", ");
    const near = closestWord(value, supported);
    this.error(
      "unsupported-value",
      `Unsupported value: ${JSON.stringify(value)}: supported values: ${list}`,
      didYouMean(near),
    );
    return BAD;
  }

  error(code: string, message: string, hint?: string): void {
    this.report.error({ code, path: this.path, message, hint });
  }

  warn(code: string, message: string, hint?: string): void {
    this.report.warn({ code, path: this.path, message, hint });
  }

  /** @param detail - in the API server's words */
  invalid(code: string, detail: string, hint?: string): typeof BAD {
    this.error(code, `Invalid value: ${quote(this.value)}: ${detail}`, hint);
    return BAD;
  }

  /** As {@link invalid}, for what is wrong at a place inside the value's text. */
  invalidAt(offset: number, code: string, detail: string): typeof BAD {
    const message = `Invalid value: ${quote(this.value)}: ${detail}`;
    this.report.error({ code, path: this.path, message, offset });
    return BAD;
  }

  /** @param detail - in the API server's words; may be empty */
  required(detail = "", hint?: string): typeof BAD {
    this.error("required", detail === "" ? "Required value" : `Required value: ${detail}`, hint);
    return BAD;
  }

  #wrongType(expected: string, consequence?: string): typeof BAD {
    // A key that stands twice has been reported as such.
    if (this.value === UNREADABLE) return BAD;
    const scalar = !(typeof this.value === "object") || this.value instanceof BooleanWord;
    const hint = expected === "a string" && scalar ? "quote the value to make it a string" : consequence;
    this.error("invalid-type", `expected ${expected}, found ${describe(this.value)}`, hint);
    return BAD;
  }
}

/** A mapping that has been opened. */
export class Fields {
  readonly report: Report;
  readonly path: string;
  readonly #record: Readonly<Record<string, unknown>>;

  constructor(report: Report, record: Readonly<Record<string, unknown>>, path: string) {
    this.report = report;
    this.path = path;
    this.#record = record;
  }

  at(name: string): Cursor {
    const value = Object.hasOwn(this.#record, name) ? this.#record[name] : undefined;
    return new Cursor(this.report, value, keyPath(this.path, name));
  }

  /** Whether a key is there and has no value: `podSelector:`. */
  isNull(name: string): boolean {
    return Object.hasOwn(this.#record, name) && this.#record[name] === null;
  }

  /** Keys and values in the order written. */
  entries(): (readonly [string, Cursor])[] {
    return Object.keys(this.#record).map((key) => [key, this.at(key)] as const);
  }

  /** The same mapping, its issues going elsewhere. */
  reportingTo(report: Report): Fields {
    return new Fields(report, this.#record, this.path);
  }

  hasUnknown(known: ReadonlySet<string>): boolean {
    return Object.keys(this.#record).some((key) => !known.has(key));
  }

  reportUnknown(known: ReadonlySet<string>): void {
    for (const key in this.#record) {
      if (known.has(key)) continue;
      const path = keyPath(this.path, key);
      const { unknownField } = this.report.options;
      this.report.add(unknownField, {
        code: unknownField === "error" ? "unknown-key" : "unknown-field",
        path,
        message: unknownField === "error" ? `unknown key "${key}"` : `unknown field "${path}"`,
        hint: didYouMean(closestWord(key, known)),
      });
    }
  }
}

export function didYouMean(word: string | undefined): string | undefined {
  return word === undefined ? undefined : `did you mean "${word}"?`;
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof BooleanWord)
  );
}

/** A value as the API server quotes it; long ones are cut, for a message is read by people. */
function quote(value: unknown): string {
  const text = (JSON.stringify(value) as string | undefined) ?? "";
  return text.length > MAX_QUOTE ? `${text.slice(0, MAX_QUOTE)}…` : text;
}

/** How a value is named in a message: what it is, and what it says where that is short. */
function describe(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (value instanceof BooleanWord) return `the boolean ${value.value} (written ${value.text})`;
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a mapping";
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return `the ${typeof value} ${text.length > 60 ? `${text.slice(0, 60)}…` : text}`;
}
