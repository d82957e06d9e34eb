import fc from "fast-check";
import { expect, test } from "vitest";
import { parseDocuments } from "../../resources/yaml/documents.ts";
import { editYaml } from "./edit-yaml.ts";
import { type JsonObject, plain } from "./json.ts";
import { documentYaml } from "./render-yaml.ts";

const scalar = fc.oneof(
  fc.constantFrom<null | boolean | number | string>(
    null,
    true,
    0,
    1.5,
    "",
    "yes",
    "0777",
    "1_0",
    "a: b",
    "- x",
    "# c",
  ),
  fc.constantFrom(
    "app == 'x'",
    'has(a) && b == "c"',
    "!has(x)",
    "10.0.0.0/8",
    "fd00::/8",
    "53:60",
    "two\nlines\n",
    " x",
  ),
  fc.string({ maxLength: 6 }),
);
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    scalar,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom("a", "b", "spec", "a b", "no", "1"), tie("value"), { maxKeys: 4 }),
  ),
}));
const object = fc
  .dictionary(fc.constantFrom("metadata", "spec", "x"), value, { minKeys: 1 })
  .map((entries) => entries as JsonObject);

const read = (text: string): unknown => plain(parseDocuments("a.yaml", text).documents[0]?.value);

test("what is written reads back, in each style of lists", () => {
  fc.assert(
    fc.property(object, fc.constantFrom(0, 2), (wanted, listIndent) => {
      expect(read(documentYaml(wanted, { listIndent }))).toEqual(wanted);
    }),
  );
});

test("every value can be edited into every other, and comments outside of what changes stay", () => {
  fc.assert(
    fc.property(object, object, fc.constantFrom(0, 2), (before, after, listIndent) => {
      const text = `# head\n${documentYaml({ first: 1, ...before, last: 2 }, { listIndent }).replace("first: 1", "first: 1 # one")}# tail\n`;
      const edited = editYaml(text, { first: 1, ...before, last: 2 }, { first: 1, ...after, last: 2 });
      expect(edited).toBeDefined();
      expect(read(edited ?? "")).toEqual({ first: 1, ...after, last: 2 });
      for (const comment of ["# head\n", "first: 1 # one\n", "# tail\n"]) expect(edited).toContain(comment);
    }),
  );
});
