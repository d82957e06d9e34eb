import { describe, expect, test } from "vitest";
import { GOLDENS } from "../../test/support/goldens.ts";
import { commentText, render, renderRule } from "./render.ts";
import type { NftTable } from "./table.ts";

describe("golden files, which test/kernel/goldens.test.ts gives to nft", () => {
  test.each(GOLDENS)("$file: $idea", async ({ file, table }) => {
    const text = render(table);
    expect(text.split("\n").length).toBeLessThanOrEqual(60);
    await expect(text).toMatchFileSnapshot(`testdata/${file}`);
  });
});

test("equal tables give equal bytes, in whatever order they were filled", () => {
  for (const { table } of GOLDENS) {
    const backwards: NftTable = {
      name: table.name,
      sets: new Map(
        [...table.sets]
          .reverse()
          .map(([name, set]) => [
            name,
            set.kind === "set"
              ? { ...set, elements: new Set([...set.elements].reverse()) }
              : { ...set, elements: new Map([...set.elements].reverse()) },
          ]),
      ),
      chains: new Map([...table.chains].reverse()),
    };
    expect(render(backwards)).toBe(render(table));
  }
});

test.each([
  ["a quote would end it", 'say "no"', "say ?no?"],
  ["nothing is escaped", "back\\slash\nline", "back?slash?line"],
  ["other scripts are not nft's", "größe", "gr??e"],
  ["nft takes 128 bytes with the zero at the end", "x".repeat(200), "x".repeat(127)],
])("a comment is made harmless: %s", (_why, given, comment) => {
  expect(commentText(given)).toBe(comment);
  expect(renderRule({ statements: [{ kind: "counter" }], comment: given })).toBe(
    `counter comment "${comment}"`,
  );
});
