/** @module `labelSelector` and `fieldSelector` of a request: texts to tests of an object (apimachinery's labels.Parse, fields.ParseSelector). */
import { ownValue } from "../base/own.ts";
import { at } from "./json.ts";
import { errors } from "./status-error.ts";

export type Test = (object: unknown) => boolean;

type LabelTest = (labels: Readonly<Record<string, unknown>>) => boolean;

const KEY = /^(?:[a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const VALUE = /^(?:[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/;
const SET = /^(\S+)\s+(in|notin)\s+\(([^()]*)\)$/;
const PAIR = /^([^=!<>\s]+)\s*(==|=|!=|>|<)\s*(\S*)$/;

/** Commas outside of parentheses part requirements. */
function split(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let place = 0; place < text.length; place++) {
    const letter = text[place];
    if (letter === "(") depth++;
    else if (letter === ")") depth--;
    else if (letter === "," && depth === 0) {
      parts.push(text.slice(start, place));
      start = place + 1;
    }
  }
  parts.push(text.slice(start));
  return parts.map((part) => part.trim());
}

function refuse(text: string, why: string): never {
  throw errors.badRequest(`unable to parse requirement: ${why} (in the selector ${JSON.stringify(text)})`);
}

function checked(text: string, key: string, values: readonly string[]): void {
  if (!KEY.test(key)) refuse(text, `key ${JSON.stringify(key)} is not a label's name`);
  for (const value of values)
    if (!VALUE.test(value)) refuse(text, `value ${JSON.stringify(value)} is not a label's value`);
}

function requirement(text: string, part: string): LabelTest {
  const set = SET.exec(part);
  if (set) {
    const [, key = "", operator, list = ""] = set;
    const values = list.split(",").map((value) => value.trim());
    checked(text, key, values);
    return operator === "in"
      ? (labels) => values.includes(ownValue(labels, key) as string)
      : (labels) => !values.includes(ownValue(labels, key) as string);
  }
  const pair = PAIR.exec(part);
  if (pair) {
    const [, key = "", operator, value = ""] = pair;
    checked(text, key, [value]);
    if (operator === "!=") return (labels) => ownValue(labels, key) !== value;
    if (operator === ">" || operator === "<") {
      const bound = Number(value);
      if (!Number.isInteger(bound)) refuse(text, `for '>', '<' operators, the value must be an integer`);
      return (labels) => {
        const number = Number(ownValue(labels, key) ?? Number.NaN);
        return operator === ">" ? number > bound : number < bound;
      };
    }
    return (labels) => ownValue(labels, key) === value;
  }
  const isAbsent = part.startsWith("!");
  const key = isAbsent ? part.slice(1).trim() : part;
  checked(text, key, []);
  return isAbsent ? (labels) => !Object.hasOwn(labels, key) : (labels) => Object.hasOwn(labels, key);
}

/** @throws StatusError 400 */
export function parseLabelSelector(text: string): Test | undefined {
  if (text.trim() === "") return undefined;
  const tests = split(text).map((part) => requirement(text, part));
  return (object) => {
    const labels = (at(object, "metadata", "labels") ?? {}) as Readonly<Record<string, unknown>>;
    return tests.every((test) => test(labels));
  };
}

/**
 * @param fields - how a resource's other fields than name and namespace are read
 * @throws StatusError 400
 */
export function parseFieldSelector(
  text: string,
  fields: Readonly<Record<string, (object: unknown) => string>>,
): Test | undefined {
  if (text.trim() === "") return undefined;
  const tests = text.split(",").map((part): Test => {
    const match = /^\s*([^=!\s]+)\s*(==|=|!=)\s*(.*?)\s*$/.exec(part);
    if (!match) throw errors.badRequest(`invalid selector: '${part}'; can't understand '${part}'`);
    const [, name = "", operator, value = ""] = match;
    const read = fieldReader(name, fields);
    if (!read) throw errors.badRequest(`field label not supported: ${name}`);
    return operator === "!=" ? (object) => read(object) !== value : (object) => read(object) === value;
  });
  return (object) => tests.every((test) => test(object));
}

function fieldReader(
  name: string,
  fields: Readonly<Record<string, (object: unknown) => string>>,
): ((object: unknown) => string) | undefined {
  if (name === "metadata.name") return (object) => String(at(object, "metadata", "name") ?? "");
  if (name === "metadata.namespace") return (object) => String(at(object, "metadata", "namespace") ?? "");
  return ownValue(fields, name);
}

/** A field read by its path, for a resource's list of fields. */
export function field(path: string): (object: unknown) => string {
  const parts = path.split(".");
  return (object) => {
    const value = at(object, ...parts);
    return value === undefined || value === null ? "" : String(value);
  };
}
