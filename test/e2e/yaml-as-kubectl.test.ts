/** @module What YAML says, held against kubectl's own reader: `kubectl label --local` prints what it has read as JSON. */
import { execFileSync } from "node:child_process";
import { isDeepStrictEqual } from "node:util";
import { describe, expect, it } from "vitest";
import { decodeBody } from "../../src/apiserver/body.ts";
import { kubectlPath } from "../support/kubectl.ts";
import { Random } from "../support/random.ts";

const HEAD = "apiVersion: example.com/v1\nkind: Foo\nmetadata: {name: a}\n";
const kubectl = kubectlPath("v36");

/** What kubectl makes of each document of a text. @throws Error where it refuses one */
function readAllByKubectl(text: string): Record<string, unknown>[] {
  const args = ["label", "--local", "-f", "-", "-o", "json", "x=y"];
  const maxBuffer = 64 * 1024 * 1024;
  const answer = execFileSync(kubectl, args, { input: text, stdio: "pipe", encoding: "utf8", maxBuffer });
  return answer.split(/(?<=^\})\n(?=\{)/m).map((part) => {
    const { metadata: _, ...rest } = JSON.parse(part) as Record<string, unknown>;
    return rest;
  });
}

/** @returns undefined for what kubectl refuses */
function readByKubectl(text: string): unknown {
  try {
    return readAllByKubectl(text)[0];
  } catch {
    return undefined;
  }
}

function readHere(text: string): unknown {
  try {
    const { value } = decodeBody(Buffer.from(text), "application/yaml");
    const { metadata: _, ...rest } = value as Record<string, unknown>;
    return JSON.parse(JSON.stringify(rest));
  } catch {
    return undefined;
  }
}

const READ: Readonly<Record<string, string>> = {
  "numbers of every form": `a: [0120, 0o17, 08, 1_000, 0b11, 0x1F, +1, 1e3, 1:30, 1_0.5, 0_, ._1, -0x1F, 1., .5, 0X1f,
    -0b1, +.5, 1__0, 0b, 0x, 2020-01-01, =, 0o8, 0O17, 0B1, -0o7, 1_e3, 1e+3, 0.0, 00, 012_3, +0x1, .e3, .]`,
  "words for booleans": "a: [yes, No, on, y, Y, n, TRUE, OFF, yEs, 'yes']",
  "words for nothing": "a: [~, null, NULL, nUll]\nb:\n",
  "keys that are no text": "1: a\n1.5: b\n2.50: c\nyes: d\nfalse: e\n",
  "what is merged wins over what stands before": "a: &a {p: 1, q: 1}\nb: {q: 3, <<: *a}\n",
  "what stands after wins over what is merged": "a: &a {p: 1, q: 1}\nb: {<<: *a, q: 3}\n",
  "the first of several merged ones wins": "a: {q: 3, <<: [{q: 5, r: 1}, {q: 6, r: 2, s: 2}]}",
  "a merge key by its tag": "a: &a {p: 1}\nb: {!!merge <<: *a}\n",
  "a merge key of nothing": "a: {<<: []}",
  "a quoted merge key is a key": "a: {'<<': {q: 1}}",
  base64: 'a: !!binary aGVsbG8=\nb: !!binary\nc: !!binary "w7w="\n',
  "base64 of lines": "a: !!binary |\n  aGVs\n  bG8=\n",
  "tags that fit":
    "a: !!str 5\nb: !!int '5'\nc: !!float 3\nd: !!bool 'on'\ne: !!null ''\nf: !!timestamp 2020-01-01\n",
  "tags of one's own": "a: !foo 5\nb: !foo yes\nc: ! yes\nd: !\n",
  "a tag at full length": 'a: !<tag:yaml.org,2002:int> "5"',
  "tags of lists and mappings say nothing": "a: !!str [x]\nb: !!seq {x: z}\nc: !!set {x, z}\n",
  "the last of two keys": "a: 1\nb: {c: 1, c: 2}\na: 3\n",
};

const REFUSED: Readonly<Record<string, string>> = {
  "a tag that does not fit": "a: !!null x",
  "a float for an integer": "a: !!int 1.5",
  "nothing for an integer": 'a: !!int ""',
  "a word for a boolean": 'a: !!bool "x"',
  "a word for a time": "a: !!timestamp x",
  "half of base64": "a: !!binary aGVsbG8",
  "base64 with a blank": 'a: !!binary "aGVs bG8="',
  "a key that is null": "~: 1",
  "a key that is a list": "? [a]\n: 1\n",
  "not a number": "a: .nan",
  infinity: "a: [-.inf]",
  "a merge of a scalar": "a: {<<: 5}",
  "a merge of null": "a: {<<: }",
  "an anchor in itself": "a: &x {<<: *x}",
  "an anchor of another document": "a: &x 1\n---\nb: *x\n",
};

describe("a body of YAML is what kubectl would have sent", () => {
  it.each(Object.entries(READ))("%s", (_why, text) => {
    const expected = readByKubectl(HEAD + text);
    expect(expected).toBeDefined();
    expect(readHere(HEAD + text)).toEqual(expected);
  });

  it.each(Object.entries(REFUSED))("refused by both: %s", (_why, text) => {
    expect([readByKubectl(HEAD + text), readHere(HEAD + text)]).toEqual([undefined, undefined]);
  });
});

/** `TORTIE_SEED=12345` replays one run. */
const SEED = Number(process.env["TORTIE_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const LETTERS = "0123456789xXoObBeE+-._:yYnNfaltrusi~";

/** Unquoted, near to numbers and words; none that ends or begins something else. */
function randomScalar(random: Random): string {
  for (;;) {
    const reach = random.chance(0.5) ? 18 : LETTERS.length;
    const text = Array.from({ length: random.between(1, 7) }, () => LETTERS[random.below(reach)]).join("");
    if (!/:$|^-$|^:|^---|^\.\.\.|^[-+]?\.(?:inf|nan)$/i.test(text)) return text;
  }
}

/** A mapping whose keys, merges and aliases come in any order, and may come twice. */
function randomMapping(random: Random, anchors: number, depth: number): string {
  const entries = Array.from({ length: random.below(5) }, () => {
    const alias = (): string => `*a${random.below(anchors)}`;
    const key = random.pick(["p", "q", "r", "s", "1", "yes", "'<<'"]);
    switch (random.below(depth > 0 && anchors > 0 ? 6 : 1)) {
      case 0:
      case 1:
        return `${key}: ${random.between(0, 9)}`;
      case 2:
        return `${key}: ${randomMapping(random, anchors, depth - 1)}`;
      case 3:
        return `${key}: ${alias()} `;
      case 4:
        return `<<: [${alias()} , ${randomMapping(random, anchors, 0)}, ${alias()} ]`;
      default:
        return random.chance(0.5) ? `<<: ${alias()} ` : `<<: ${randomMapping(random, anchors, depth - 1)}`;
    }
  });
  return `{${entries.join(", ")}}`;
}

describe(`random texts, from seed ${SEED}`, () => {
  it("10,000 scalars are read as kubectl reads them", () => {
    const random = new Random(SEED);
    const scalars = [...new Set(Array.from({ length: 10_000 }, () => randomScalar(random)))];
    const text = `${HEAD}a:\n${scalars.map((scalar) => `- ${scalar}\n`).join("")}`;
    const [theirs, ours] = [readByKubectl(text), readHere(text)].map((read) => (read as { a: unknown[] }).a);
    const wrong = scalars.flatMap((scalar, at) =>
      JSON.stringify(ours?.[at]) === JSON.stringify(theirs?.[at]) ? [] : [[scalar, ours?.[at], theirs?.[at]]],
    );
    expect(wrong).toEqual([]);
  });

  it("500 documents of anchors, merges and keys that come twice are read as kubectl reads them", () => {
    const random = new Random(SEED);
    const texts = Array.from({ length: 500 }, () => {
      const count = random.between(1, 4);
      const anchored = Array.from(
        { length: count },
        (_, at) => `a${at}: &a${at} ${randomMapping(random, at, 2)}\n`,
      );
      return `${HEAD}${anchored.join("")}z: ${randomMapping(random, count, 3)}\n`;
    });
    const theirs = readAllByKubectl(texts.join("---\n"));
    expect(theirs).toHaveLength(texts.length);
    const wrong = texts.filter((text, at) => {
      const ours = readHere(text);
      return ours === undefined || !isDeepStrictEqual(ours, theirs[at]);
    });
    expect(wrong).toEqual([]);
  });
});
