import { expect, test } from "vitest";
import { formatIssue } from "../../base/issue.ts";
import { decodeTexts } from "../load.ts";

const HEAD = "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: p}\nspec:\n";

function place(spec: string): string {
  const { issues } = decodeTexts([{ file: "a.yaml", text: `${HEAD}${spec}\n` }]);
  const [issue] = issues;
  return `${issue?.position?.line}:${issue?.position?.column}`;
}

test("an issue names the object, the field, the value and what was expected, at its column", () => {
  const { issues } = decodeTexts([{ file: "a.yaml", text: `${HEAD}  selector: app == db\n` }]);
  expect(issues.map(formatIssue)).toEqual([
    'a.yaml:5:20: error: CalicoNetworkPolicy default/p: spec.selector: Invalid value: "app == db": expected a quoted string after "==" [invalid-selector]',
  ]);
});

test.each([
  ["unquoted", "  selector: app = 'db'", "5:17"],
  ["in double quotes", `  selector: "app = 'db'"`, "5:18"],
  ["behind an escaped quote", '  selector: "a == \\"x\\" && app = 1"', "5:32"],
  ["in single quotes", "  selector: 'app = \"db\"'", "5:18"],
  ["behind a doubled quote", "  selector: 'a == ''x'' && app = 1'", "5:32"],
  ["behind an escape of four digits", "  selector: \"a == '\\u00e9' = 1\"", "5:28"],
  ["in a literal block", "  selector: |-\n    app = 'db'", "6:9"],
  ["in a literal block with its own indentation", "  selector: |2-\n    app = 'db'", "6:9"],
  ["on a later line of a literal block", "  selector: |-\n    has(a) ||\n    has(b)", "6:14"],
  ["in a folded block of one line", "  selector: >-\n    app = 'db'", "6:9"],
  ["over several lines: where it starts", "  selector: >-\n    has(a) ||\n    app = 'db'", "6:5"],
  ["over several plain lines: where it starts", "  selector: has(a) ||\n    app = 'db'", "5:13"],
  ["through an alias: where it is written", "  selector: &s app = 'db'", "5:20"],
  ["in an item of a list", "  ingress:\n  - {action: Allow, source: {selector: app = 1}}", "6:44"],
])("the place inside a selector %s", (_why, spec, expected) => {
  expect(place(spec)).toBe(expected);
});

test("in JSON the place is exact too", () => {
  const text = `{"apiVersion": "projectcalico.org/v3", "kind": "Tier", "metadata": {"name": "t"}}
---
{"apiVersion": "projectcalico.org/v3", "kind": "NetworkPolicy", "metadata": {"name": "p"},
\t"spec": {"selector": "app = \\"x\\""}}`;
  const { issues } = decodeTexts([{ file: "a.json", text }]);
  expect(issues[0]?.position).toEqual({ file: "a.json", line: 4, column: 28 });
});

test.each([
  ["selector: global()", "5:3", "5:13"],
  ["serviceAccountSelector: has(a) || global()", "5:3", "5:37"],
])("global() may not stand in %s", (field, _field, expected) => {
  const { issues } = decodeTexts([{ file: "a.yaml", text: `${HEAD}  ${field}\n` }]);
  expect(issues).toMatchObject([{ code: "misplaced-global" }]);
  expect(place(`  ${field}`)).toBe(expected);
});

test.each([
  ["global()", []],
  ["( global( ) )", []],
  ["has(a) && global()", ["misplaced-global"]],
  ["!global()", ["misplaced-global"]],
])("as the namespaceSelector of a rule, %s", (selector, codes) => {
  const spec = `  ingress: [{action: Deny, source: {namespaceSelector: "${selector}"}}]`;
  const { issues } = decodeTexts([{ file: "a.yaml", text: `${HEAD}${spec}\n` }]);
  expect(issues.map(({ code }) => code)).toEqual(codes);
});
