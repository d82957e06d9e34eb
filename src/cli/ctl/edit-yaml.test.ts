import { load } from "js-yaml";
import { describe, expect, test } from "vitest";
import { editYaml } from "./edit-yaml.ts";
import type { JsonObject } from "./json.ts";

const POLICY = `# who may reach the shop
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata:
  name: web     # the front
  labels: {team: shop, zone: "a"}
  annotations:
spec:
  ingress:
    # from the edge
    - action: Allow
      protocol: TCP
      destination:
        ports: [80]   # http

    # the rest
    - action: Deny
  selector: app == 'web'
  note: |
    first
    second
# the end
`;

const read = (text: string): JsonObject => load(text) as JsonObject;

/** Lines that were taken away, with `-`, and that came, with `+`. */
function difference(before: string, after: string): string[] {
  const old = before.split("\n");
  const now = after.split("\n");
  return [
    ...old.filter((line) => !now.includes(line)).map((line) => `-${line}`),
    ...now.filter((line) => !old.includes(line)).map((line) => `+${line}`),
  ];
}

function edit(text: string, change: (value: JsonObject) => JsonObject): string[] | undefined {
  const before = read(text);
  const edited = editYaml(text, before, change(structuredClone(before)));
  return edited === undefined ? undefined : difference(text, edited);
}

// biome-ignore lint/suspicious/noExplicitAny: test values are plain data of many shapes
type Loose = any;
const changing =
  (change: (value: Loose) => void) =>
  (value: JsonObject): JsonObject => {
    change(value);
    return value;
  };

describe("only the lines that must change do", () => {
  test.each<[string, (value: Loose) => void, string[]]>([
    ["nothing", () => undefined, []],
    [
      "a scalar keeps the comment behind it",
      (v) => {
        v.metadata.name = "front";
      },
      ["-  name: web     # the front", "+  name: front     # the front"],
    ],
    [
      "a mapping in brackets stays in brackets",
      (v) => {
        v.metadata.labels.zone = "b c";
      },
      [`-  labels: {team: shop, zone: "a"}`, "+  labels: {team: shop, zone: b c}"],
    ],
    [
      "an empty value is filled",
      (v) => {
        v.metadata.annotations = { a: "yes", b: "1" };
      },
      [`+    a: "yes"`, `+    b: "1"`],
    ],
    [
      "a new entry comes after the last, behind a block of text",
      (v) => {
        v.spec.order = 5;
      },
      ["+  order: 5"],
    ],
    [
      "an entry goes",
      (v) => {
        delete v.spec.selector;
      },
      ["-  selector: app == 'web'"],
    ],
    [
      "an item is put between others, which keep their comments",
      (v) => {
        v.spec.ingress.splice(1, 0, { action: "Log" });
      },
      ["+    - action: Log"],
    ],
    [
      "an item is put in front",
      (v) => {
        v.spec.ingress.unshift({ action: "Log", source: { nets: ["10.0.0.0/8"] } });
      },
      ["+    - action: Log", "+      source:", "+        nets:", "+          - 10.0.0.0/8"],
    ],
    [
      "an item goes",
      (v) => {
        v.spec.ingress.pop();
      },
      ["-    - action: Deny"],
    ],
    [
      "deep inside an item",
      (v) => {
        v.spec.ingress[0].destination.ports = [80, "https"];
      },
      ["-        ports: [80]   # http", "+        ports: [80, https]   # http"],
    ],
    [
      "the first key of an item",
      (v) => {
        v.spec.ingress[1].action = "Pass";
      },
      ["-    - action: Deny", "+    - action: Pass"],
    ],
    [
      "a block of text",
      (v) => {
        v.spec.note = "third\nfourth\n";
      },
      ["-    first", "-    second", "+    third", "+    fourth"],
    ],
    [
      "a list becomes empty",
      (v) => {
        v.spec.ingress = [];
      },
      expect.arrayContaining(["-    - action: Deny", "+  ingress: []"]) as string[],
    ],
  ])("%s", (_why, change, expected) => {
    expect(edit(POLICY, changing(change))).toEqual(expected);
  });
});

test("the text says the new value, whatever the layout", () => {
  const layouts = [
    POLICY,
    POLICY.replaceAll("\n", "\r\n"),
    POLICY.trimEnd(),
    `--- # marked\n${POLICY}...\n`,
    JSON.stringify(read(POLICY), null, 2),
    JSON.stringify(read(POLICY)),
  ];
  for (const text of layouts) {
    const before = read(text.replace(/\.\.\.\n$/, ""));
    const after = { ...before, status: { ready: true }, kind: "Other" };
    const edited = editYaml(text, before, after);
    expect(edited, text).toBeDefined();
    expect(read(edited ?? "")).toEqual(after);
  }
});

test.each([
  ["a: &x {b: 1}\nc: *x\n", { a: { b: 2 }, c: { b: 1 } }],
  ["base: &x\n  b: 1\na:\n  <<: *x\n  c: 2\n", { base: { b: 1 }, a: { b: 5, c: 2 } }],
])("text that other text depends on is not touched: %j", (text, after) => {
  expect(editYaml(text, read(text), after)).toBeUndefined();
});

test("beside such text, the rest can change", () => {
  const text = "a: &x {b: 1}\nc: *x\nd: 1 # one\n";
  expect(editYaml(text, read(text), { a: { b: 1 }, c: { b: 1 }, d: 2 })).toBe(
    "a: &x {b: 1}\nc: *x\nd: 2 # one\n",
  );
});
