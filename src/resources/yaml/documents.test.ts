import { expect, test } from "vitest";
import { parseDocuments } from "./documents.ts";

function values(text: string): unknown[] {
  const { documents, issues } = parseDocuments("a.yaml", text);
  expect(issues).toEqual([]);
  return documents.map(({ value }) => value);
}

function problems(text: string): unknown[] {
  return parseDocuments("a.yaml", text).issues.map(({ code, position }) => [
    code,
    position?.line,
    position?.column,
  ]);
}

test.each([
  // why                                                    text                                   values
  ["documents are cut at three dashes", "a: 1\n---\nb: 2\n", [{ a: 1 }, { b: 2 }]],
  ["empty documents and comments are no documents", "---\n# x\n---\n\n---\na: 1\n---\n", [{ a: 1 }]],
  ["a document may end with dots, and another follow bare", "a: 1\n...\nb: 2\n", [{ a: 1 }, { b: 2 }]],
  ["directives belong to the document after them", "%YAML 1.1\n---\na: 1\n", [{ a: 1 }]],
  ["content may follow the dashes", "--- {a: 1}\n--- {b: 2}\n", [{ a: 1 }, { b: 2 }]],
  ["a byte order mark is not content", "\uFEFFa: 1\n", [{ a: 1 }]],
  ["a byte order mark may precede the dashes", "\uFEFF---\na: 1\n", [{ a: 1 }]],
  ["lines may end as on Windows", "a: 1\r\n---\r\nb:\r\n  - 2\r\n", [{ a: 1 }, { b: [2] }]],
  ["indented dashes in a block scalar are text", "a: |\n  ---\n  x\n", [{ a: "---\nx\n" }]],
  ["JSON is read, tabs and all", '{\n\t"a": [1, {"b": null}]\n}', [{ a: [1, { b: null }] }]],
  ["a flow mapping is YAML, not JSON", "{a: 1, b: [x]}", [{ a: 1, b: ["x"] }]],
  ["an alias is the value of its anchor", "a: &x [1]\nb: *x\n", [{ a: [1], b: [1] }]],
  [
    "a key written after a merged one wins",
    "a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}\n",
    [{ a: { p: 1, q: 2 }, b: { p: 1, q: 3 } }],
  ],
  [
    "what is merged wins over a key that stands before it, as kubectl has it",
    "a: &x {p: 1, q: 2}\nb: {q: 3, <<: *x}\n",
    [{ a: { p: 1, q: 2 }, b: { p: 1, q: 2 } }],
  ],
  ["the first of several merged mappings wins", "b: {<<: [{p: 1}, {p: 2, q: 2}]}\n", [{ b: { p: 1, q: 2 } }]],
  ["a quoted merge key is a plain key", 'b: {"<<": 1}\n', [{ b: { "<<": 1 } }]],
  [
    "octal, hexadecimal and underscores are numbers",
    "a: [0777, 0x1F, 1_000, 0o17, 0b11, 1.5, -2]\n",
    [{ a: [511, 31, 1000, 15, 3, 1.5, -2] }],
  ],
  [
    "dates and versions are text",
    "a: [2020-01-01, 1.2.3, 10.0.0.0/8, 12:30]\n",
    [{ a: ["2020-01-01", "1.2.3", "10.0.0.0/8", "12:30"] }],
  ],
  ["a tag decides over the look", "a: !!str 5\nb: !!int '5'\n", [{ a: "5", b: 5 }]],
  ["a binary is the text that it encodes, as kubectl has it", "a: !!binary ZGI=\n", [{ a: "db" }]],
  ["a tag of one's own makes text", "a: !x 5\nb: !x yes\n", [{ a: "5", b: "yes" }]],
  ["null has four spellings", "{a: ~, b: null, c: , d: Null}", [{ a: null, b: null, c: null, d: null }]],
] as const)("%s", (_why, text, expected) => {
  expect(values(text)).toEqual(expected);
});

test("a key called __proto__ is a key, and changes no prototype", () => {
  const [value] = values("__proto__: {polluted: true}\n");
  expect(Object.keys(value as object)).toEqual(["__proto__"]);
  expect((value as { polluted?: boolean }).polluted).toBeUndefined();
});

test("words that are booleans to kubectl alone keep their text", () => {
  expect(values("{a: yes, b: Off, c: y}")).toMatchObject([
    { a: { value: true, text: "yes" }, b: { value: false, text: "Off" }, c: { value: true, text: "y" } },
  ]);
});

test.each([
  ["a tab indents", "a:\n\tb: 1\n", "yaml-tab", 2, 1],
  ["a tab indents after spaces", "a:\n  b: 1\n  \tc: 1\n", "yaml-tab", 3, 3],
  ["a bracket is left open", "a: [1\n", "yaml-syntax", 2, 1],
  ["two colons stand in a line", "a: b: c\n", "yaml-syntax", 1, 5],
  ["a key stands twice", "a: 1\nb: {c: 1, c: 2}\n", "yaml-duplicate-key", 2, 11],
  ["a key stands twice in JSON", '{\n\t"a": 1,\n\t"a": 2}', "yaml-duplicate-key", 3, 3],
  ["a key stands twice in JSON, once in disguise", '{"ab": 1, "\\u0061b": 2}', "yaml-duplicate-key", 1, 12],
  ["a key is null", "~: 1\n", "yaml-syntax", 1, 1],
  ["a binary is none", "a: !!binary x\n", "yaml-syntax", 1, 4],
  ["a value is not what its tag says", "a: !!null x\n", "yaml-syntax", 1, 4],
  ["a tag gets another meaning", "%TAG ! tag:yaml.org,2002:\n---\na: !int '5'\n", "yaml-syntax", 1, 1],
  ["an alias has no anchor", "a: *b\n", "yaml-syntax", 1, 5],
  ["an anchor contains itself", "a: &b [*b]\n", "yaml-syntax", 1, 9],
  ["a key is a list", "? [a]\n: b\n", "yaml-syntax", 1, 3],
  ["brackets nest 100,000 deep", "[".repeat(100_000), "yaml-too-deep", 1, 500],
  [
    "braces of JSON nest 100,000 deep",
    `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`,
    "yaml-too-deep",
    1,
    2492,
  ],
  ["the text is binary", "a: \0\n", "not-text", 1, 4],
] as const)("an error with a place: %s", (_why, text, code, line, column) => {
  expect(problems(text)[0]).toEqual([code, line, column]);
});

test("a quoted text that ends where its key begins is refused, with what to do", () => {
  const { issues } = parseDocuments("a.yaml", "a:\n  b: '{\n    c\n  }'\n");
  expect(issues).toMatchObject([
    { code: "yaml-syntax", hint: expect.stringContaining("indent"), position: { line: 4 } },
  ]);
});

test.each(["name: {{ .Release.Name }}\n", "{{- if .Values.on }}\na: 1\n{{- end }}\n"])(
  "a template is refused as one: %j",
  (text) => {
    expect(parseDocuments("a.yaml", text).issues[0]).toMatchObject({
      code: "yaml-syntax",
      hint: "a template: render it first, as with helm template",
    });
  },
);

test("aliases that multiply are refused before they are expanded", () => {
  const levels = Array.from(
    { length: 30 },
    (_, level) => `a${level + 1}: &a${level + 1} [${`*a${level}, `.repeat(9)}]`,
  );
  expect(problems(["a0: &a0 [x, x]", ...levels].join("\n"))).toEqual([
    ["yaml-alias-bomb", 7, expect.any(Number)],
  ]);
});

test("merge keys that multiply are refused as well", () => {
  const levels = Array.from(
    { length: 30 },
    (_, level) => `a${level + 1}: &a${level + 1} {k${level}: *a${level}, <<: *a${level}, z: *a${level}}`,
  );
  expect(problems(["a0: &a0 {x: 1}", ...levels].join("\n"))).toEqual([
    ["yaml-alias-bomb", expect.any(Number), expect.any(Number)],
  ]);
});

test("aliases that are merely many are read", () => {
  expect(values(`a: &a {x: 1}\nb: [${"*a, ".repeat(10_000)}]\n`)).toHaveLength(1);
});

test("a broken document hides neither its neighbours nor their issues", () => {
  const { documents, issues } = parseDocuments("a.yaml", "a: 1\n---\nb: [\n---\nc: 1\n---\nd: {\n");
  expect(documents.map(({ value }) => value)).toEqual([{ a: 1 }, { c: 1 }]);
  expect(issues.map(({ code, position }) => [code, position?.line])).toEqual([
    ["yaml-syntax", 4],
    ["yaml-syntax", 8],
  ]);
});

const PLACES = `# a comment
---
kind: X
metadata:
  labels:
    app.io/x: b
spec:
  - a: 1
    b: &q {c: 1}
  - <<: *q
  - *q
`;

test.each([
  ["the object is where its first key is", "", 3, 1],
  ["a field is where its key is", "metadata.labels", 5, 3],
  ["a key that is no plain word stands in brackets", "metadata.labels[app.io/x]", 6, 5],
  ["what is absent is where its nearest parent is", "metadata.labels[zz].y", 5, 3],
  ["an item is where it begins", "spec[0]", 8, 5],
  ["an item that is absent is where its list is", "spec[9]", 7, 1],
  ["a merged field is where it was written", "spec[1].c", 9, 12],
  ["an aliased field is where it was written", "spec[2].c", 9, 12],
] as const)("%s", (_why, path, line, column) => {
  const [document] = parseDocuments("a.yaml", PLACES).documents;
  expect(document?.source.locate(path)).toEqual({ file: "a.yaml", line, column });
});

test("fields of JSON with tabs are found", () => {
  const [document] = parseDocuments("a.json", '{\n\t"a": {"b": [1,\n\t {"c": 2}]}}').documents;
  expect(document?.source.locate("a.b[1].c")).toMatchObject({ line: 3 });
});
