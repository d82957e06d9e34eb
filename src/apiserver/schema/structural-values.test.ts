/** Words as kube-openapi's validation and apiextensions' registry tell them. */
import { describe, expect, test } from "vitest";
import { completeObject, objectFaults, schemaFaults, uncheckedRules } from "./structural-schema.ts";
import { valueFaults } from "./structural-values.ts";

const faults = (value: unknown, schema: object): string[] =>
  valueFaults(value, schema as never, "x").map(({ field, message }) => `${field}: ${message}`);
const text = { type: "string" };

describe("values", () => {
  test.each<[object, unknown, string[]]>([
    [{ type: "integer" }, "a", ['x: Invalid value: "string": x in body must be of type integer: "string"']],
    [{ type: "integer" }, 1.5, ['x: Invalid value: "number": x in body must be of type integer: "number"']],
    [{ type: "number" }, 1, []],
    [{ type: "string" }, null, ['x: Invalid value: "null": x in body must be of type string: "null"']],
    [{ type: "string", nullable: true }, null, []],
    [{ "x-kubernetes-int-or-string": true }, "a", []],
    [{ "x-kubernetes-int-or-string": true }, 1, []],
    [
      { "x-kubernetes-int-or-string": true },
      true,
      ['x: Invalid value: "boolean": x in body must be of type integer or string: "boolean"'],
    ],
    [{ ...text, minLength: 3 }, "ab", ['x: Invalid value: "ab": x in body should be at least 3 chars long']],
    [{ ...text, maxLength: 1 }, "ab", ["x: Too long: may not be more than 1 bytes"]],
    [{ ...text, maxLength: 1 }, "🙂", []],
    [{ ...text, pattern: "^a+$" }, "b", [`x: Invalid value: "b": x in body should match '^a+$'`]],
    [{ ...text, pattern: "(?i)^A$" }, "a", []],
    [{ ...text, pattern: "^a$", maxLength: 2 }, "aab", ["x: Too long: may not be more than 2 bytes"]],
    [
      { ...text, format: "ipv4" },
      "1.2.3",
      ['x: Invalid value: "1.2.3": x in body must be of type ipv4: "1.2.3"'],
    ],
    [
      { ...text, format: "date-time" },
      "2026-02-30T00:00:00Z",
      [expect.stringContaining("must be of type date-time")],
    ],
    [{ ...text, format: "nobody's" }, "a", []],
    [{ ...text, enum: ["a", "b"] }, "c", ['x: Unsupported value: "c": supported values: "a", "b"']],
    [
      { type: "integer", minimum: 1 },
      0,
      ["x: Invalid value: 0: x in body should be greater than or equal to 1"],
    ],
    [
      { type: "integer", minimum: 1, exclusiveMinimum: true },
      1,
      ["x: Invalid value: 1: x in body should be greater than 1"],
    ],
    [
      { type: "integer", maximum: 1 },
      2,
      ["x: Invalid value: 2: x in body should be less than or equal to 1"],
    ],
    [
      { type: "integer", maximum: 1, exclusiveMaximum: true },
      1,
      ["x: Invalid value: 1: x in body should be less than 1"],
    ],
    [{ type: "integer", multipleOf: 5 }, 7, ["x: Invalid value: 7: x in body should be a multiple of 5"]],
    [{ type: "array", minItems: 1 }, [], ["x: Invalid value: 0: x in body should have at least 1 items"]],
    [{ type: "array", maxItems: 1 }, [1, 2], ["x: Too many: 2: must have at most 1 item"]],
    [
      { type: "array", uniqueItems: true },
      [
        { a: 1, b: 2 },
        { b: 2, a: 1 },
      ],
      [expect.stringContaining("shouldn't contain duplicates")],
    ],
    [{ type: "array", "x-kubernetes-list-type": "set" }, ["a", "b", "a"], ['x[2]: Duplicate value: "a"']],
    [
      { type: "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n"] },
      [{ n: 1 }, { n: 2 }, { n: 1, o: 1 }],
      ['x[2]: Duplicate value: {"n":1}'],
    ],
    [
      { type: "object", minProperties: 1 },
      {},
      ["x: Invalid value: 0: x in body should have at least 1 properties"],
    ],
    [{ type: "object", maxProperties: 1 }, { a: 1, b: 1 }, ["x: Too many: 2: must have at most 1 item"]],
    [{ type: "object", required: ["y"] }, {}, ["x.y: Required value"]],
    [
      { type: "object", additionalProperties: text },
      { a: 1 },
      ['x.a: Invalid value: "integer": x.a in body must be of type string: "integer"'],
    ],
    [
      { anyOf: [{ minimum: 5 }, { maximum: 1 }] },
      3,
      [
        "x: Invalid value: 3: x in body must validate at least one schema (anyOf)",
        "x: Invalid value: 3: x in body should be greater than or equal to 5",
      ],
    ],
    [
      { oneOf: [{ minimum: 1 }, { minimum: 2 }] },
      3,
      [
        "x: Invalid value: 3: x in body must validate one and only one schema (oneOf). Found 2 valid alternatives",
      ],
    ],
    [{ oneOf: [{ required: ["a"] }, { required: ["b"] }] }, { a: 1 }, []],
    [{ allOf: [{ minimum: 5 }] }, 3, ["x: Invalid value: 3: x in body should be greater than or equal to 5"]],
    [{ not: { enum: [3] } }, 3, ["x: Invalid value: 3: x in body must not validate the schema (not)"]],
  ])("%j: %j", (schema, value, wanted) => {
    expect(faults(value, schema)).toEqual(wanted);
  });
});

test("a text that is too long for any pattern is held to none", () => {
  const schema = { ...text, pattern: "^a+$" };
  expect(faults("a".repeat(65_536), schema)).toEqual([]);
  expect(faults("a".repeat(65_537), schema)).toEqual([
    "x: Too long: may not be more than 65536 characters where a pattern is to be matched",
  ]);
});

describe("objects", () => {
  const complete = (schema: object, object: Record<string, unknown>) => {
    completeObject(object, schema as never);
    return object;
  };
  const spec = (field: object) => ({ type: "object", properties: { spec: field } });

  test("what nobody knows goes, but for metadata and where it is to stay", () => {
    const schema = spec({
      type: "object",
      properties: {
        a: text,
        open: {
          type: "object",
          "x-kubernetes-preserve-unknown-fields": true,
          properties: { b: { type: "object" } },
        },
        map: { type: "object", additionalProperties: { type: "object", properties: { a: text } } },
        pod: { type: "object", "x-kubernetes-embedded-resource": true, properties: {} },
      },
    });
    const object = {
      kind: "A",
      metadata: { x: 1 },
      rest: 1,
      spec: {
        a: "1",
        b: 1,
        open: { c: 1, b: { d: 1 } },
        map: { one: { a: "1", b: 1 } },
        pod: { kind: "Pod", apiVersion: "v1", metadata: {}, spec: 1 },
      },
    };
    expect(complete(schema, object)).toEqual({
      kind: "A",
      metadata: { x: 1 },
      spec: {
        a: "1",
        open: { c: 1, b: {} },
        map: { one: { a: "1" } },
        pod: { kind: "Pod", apiVersion: "v1", metadata: {} },
      },
    });
  });

  test("defaults stand where nothing does, inside of defaults and of lists too", () => {
    const item = { type: "object", properties: { a: { ...text, default: "A" } } };
    const schema = spec({
      ...item,
      default: {},
      properties: { ...item.properties, list: { type: "array", items: item } },
    });
    expect(complete(schema, {})).toEqual({ spec: { a: "A" } });
    expect(complete(schema, { spec: { a: null, list: [{}, { a: "b" }] } })).toEqual({
      spec: { a: "A", list: [{ a: "A" }, { a: "b" }] },
    });
  });

  test("a schema says of metadata what a name must be, and no more", () => {
    const schema = {
      type: "object",
      properties: { metadata: { type: "object", required: ["x"], properties: { name: { maxLength: 1 } } } },
    };
    const object = { apiVersion: "v1", kind: "A", metadata: { name: "ab" } };
    expect(objectFaults(object, schema).map(({ field }) => field)).toEqual(["metadata.name"]);
  });

  test("rules in CEL are found wherever they are", () => {
    const ruled = { "x-kubernetes-validations": [{ rule: "true" }] };
    expect(uncheckedRules(spec({ type: "array", items: ruled }))).toEqual([".properties[spec].items"]);
    expect(schemaFaults(spec({ pattern: "(" }) as never, "s").map(({ field }) => field)).toEqual([
      "s.properties[spec].pattern",
    ]);
  });
});
