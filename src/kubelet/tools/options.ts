/** @module Options of small programs, as getopt_long reads them. */
import { ownValue } from "../../base/own.ts";

export interface OptionRules {
  /** Letters without a value. */
  readonly flags: string;
  /** Letters with one. */
  readonly values: string;
  /** Long names, and the letter that each stands for. A letter may be any name here. */
  readonly long: Readonly<Record<string, string>>;
  /** Long names that take a value and have no letter. */
  readonly longValues?: readonly string[];
}

export class Options {
  readonly #found = new Map<string, string[]>();
  readonly rest: string[] = [];

  add(name: string, value: string): void {
    const values = this.#found.get(name) ?? [];
    values.push(value);
    this.#found.set(name, values);
  }

  has(name: string): boolean {
    return this.#found.has(name);
  }

  /** The last that was given. */
  get(name: string): string | undefined {
    return this.#found.get(name)?.at(-1);
  }

  all(name: string): readonly string[] {
    return this.#found.get(name) ?? [];
  }
}

/** What is wrong with the words, in the words of busybox and curl. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

function takesValue(name: string, rules: OptionRules): boolean {
  return (name.length === 1 && rules.values.includes(name)) || (rules.longValues?.includes(name) ?? false);
}

/** @throws UsageError */
export function parseOptions(words: readonly string[], rules: OptionRules): Options {
  const options = new Options();
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? "";
    if (word === "--") {
      options.rest.push(...words.slice(index + 1));
      break;
    }
    if (word.startsWith("--")) {
      const equals = word.indexOf("=");
      const long = word.slice(2, equals < 0 ? undefined : equals);
      const name = ownValue(rules.long, long) ?? (rules.longValues?.includes(long) ? long : undefined);
      if (name === undefined) throw new UsageError(`unrecognized option '${word}'`);
      if (!takesValue(name, rules)) options.add(name, "");
      else if (equals >= 0) options.add(name, word.slice(equals + 1));
      else options.add(name, valueAfter(words, ++index, word));
      continue;
    }
    if (!word.startsWith("-") || word === "-") {
      options.rest.push(word);
      continue;
    }
    for (let at = 1; at < word.length; at++) {
      const letter = word[at] ?? "";
      if (rules.values.includes(letter)) {
        const joined = word.slice(at + 1);
        options.add(letter, joined === "" ? valueAfter(words, ++index, letter) : joined);
        break;
      }
      if (!rules.flags.includes(letter)) throw new UsageError(`invalid option -- '${letter}'`);
      options.add(letter, "");
    }
  }
  return options;
}

function valueAfter(words: readonly string[], index: number, option: string): string {
  const value = words[index];
  if (value === undefined) throw new UsageError(`option requires an argument -- '${option}'`);
  return value;
}

/** `5`, `2.5`, `5s`, `1m`, `500ms`: milliseconds. */
export function durationMs(text: string, unit = 1000): number | undefined {
  const found = /^(\d+(?:\.\d+)?|\.\d+)(ms|s|m|h)?$/.exec(text.trim());
  if (!found?.[1]) return undefined;
  const scale = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[found[2] ?? ""] ?? unit;
  return Number(found[1]) * scale;
}
