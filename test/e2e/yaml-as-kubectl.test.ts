/** @module What YAML says, held against kubectl's own reader: `kubectl label --local` prints what it has read as JSON. */
import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { decodeBody } from "../../src/apiserver/body.ts";
import { kubectlPath } from "../support/kubectl.ts";

const HEAD = "apiVersion: example.com/v1\nkind: Foo\nmetadata: {name: a}\n";
const kubectl = kubectlPath("v36");

/** @returns undefined for what kubectl refuses */
function readByKubectl(text: string): unknown {
  try {
    const args = ["label", "--local", "-f", "-", "-o", "json", "x=y"];
    const answer = execFileSync(kubectl, args, { input: text, stdio: "pipe", encoding: "utf8" });
    const { metadata: _, ...rest } = JSON.parse(answer) as Record<string, unknown>;
    return rest;
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
