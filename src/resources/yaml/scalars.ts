/**
 * @module What an unquoted YAML scalar means. As kubectl has it, whose reader is go-yaml v2: YAML 1.1 words for booleans,
 * `0777` octal, timestamps are text.
 * @see https://github.com/kubernetes-sigs/yaml goyaml.v2/resolve.go
 */

/**
 * A word that is a boolean to kubectl and a string to YAML 1.2: `y`, `yes`, `on`, `n`, `no`, `off`. Kept with its text,
 * so that a label `env: no` is refused as the API server refuses it, with the word that the user wrote.
 */
export class BooleanWord {
  readonly text: string;
  readonly value: boolean;
  constructor(text: string, value: boolean) {
    this.text = text;
    this.value = value;
  }
}

const WORDS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ...["", "~", "null", "Null", "NULL"].map((word) => [word, null] as const),
  ...["true", "True", "TRUE"].map((word) => [word, true] as const),
  ...["false", "False", "FALSE"].map((word) => [word, false] as const),
  ...["y", "Y", "yes", "Yes", "YES", "on", "On", "ON"].map(
    (word) => [word, new BooleanWord(word, true)] as const,
  ),
  ...["n", "N", "no", "No", "NO", "off", "Off", "OFF"].map(
    (word) => [word, new BooleanWord(word, false)] as const,
  ),
  ...[".nan", ".NaN", ".NAN"].map((word) => [word, Number.NaN] as const),
  ...[".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"].map(
    (word) => [word, Number.POSITIVE_INFINITY] as const,
  ),
  ...["-.inf", "-.Inf", "-.INF"].map((word) => [word, Number.NEGATIVE_INFINITY] as const),
]);

const LONGEST_WORD = 5;
const DECIMAL = /^[-+]?(?:0|[1-9][0-9]*)$/;
const OTHER_INTEGER = /^([-+]?)(0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+)$/;
const FLOAT = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/;

/** @param text - an unquoted scalar without a tag */
export function resolvePlain(text: string): unknown {
  if (text.length <= LONGEST_WORD && WORDS.has(text)) return WORDS.get(text);
  const first = text.charCodeAt(0);
  // Digits, sign or point; everything else is text, and most scalars of a manifest end here.
  if ((first >= 48 && first <= 57) || first === 43 || first === 45 || first === 46)
    return resolveNumber(text) ?? text;
  return text;
}

/** @returns undefined when the text is no number */
export function resolveNumber(text: string): number | undefined {
  // Underscores may stand anywhere; in what begins with a point, between digits only.
  const isSpaced = text.includes("_") && !(text.startsWith(".") && /(?<![0-9])_|_(?![0-9])/.test(text));
  const digits = isSpaced ? text.replaceAll("_", "") : text;
  if (DECIMAL.test(digits)) return Number(digits);
  const other = OTHER_INTEGER.exec(digits);
  if (other) {
    const sign = other[1] === "-" ? -1 : 1;
    const literal = (other[2] ?? "").toLowerCase();
    return sign * (/^0[0-7]/.test(literal) ? Number.parseInt(literal, 8) : Number(literal));
  }
  // What is beyond a float64 is no number to Go either, but text.
  const float = FLOAT.test(digits) ? Number(digits) : Number.NaN;
  return Number.isFinite(float) ? float : undefined;
}
