import { describe, expect, test } from "vitest";
import { makeJudges } from "../../src/cli/commands/test.ts";
import { corpusFiles, playCorpusFile } from "../support/corpus.ts";

const files = corpusFiles();

describe("the model and the compiled ruleset answer as the sources say", () => {
  for (const file of files) {
    test(file.name, async () => {
      expect(await playCorpusFile(file, () => makeJudges(["model", "ruleset"]))).toEqual([]);
    });
  }
});

describe.skipIf(process.env["CORPUS"] !== undefined)("the corpus itself", () => {
  test("asks many questions", () => {
    expect(files.length).toBeGreaterThanOrEqual(120);
  });

  test("names a source for each, and states the fact in one line", () => {
    const bad = files.filter(({ text }) => !/^# Source: \S.*\n# \S.*\n/.test(text)).map(({ name }) => name);
    expect(bad).toEqual([]);
  });

  test("probes the allowed and the denied side of each", () => {
    const sides = /expect: allow|default: allow|allow:/;
    const others = /expect: deny|default: deny|deny:/;
    const bad = files
      .filter(({ name, text }) => !(sides.test(text) && others.test(text)) && !ALL_OPEN.has(name))
      .map(({ name }) => name);
    expect(bad).toEqual([]);
  });
});

/** Files whose fact has one side only. */
const ALL_OPEN: ReadonlySet<string> = new Set(["basics/no-policy-means-open"]);
