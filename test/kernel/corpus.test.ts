/**
 * @module The corpus with real packets. Run it in private namespaces:
 * `unshare --user --map-root-user --net npx vitest run --project kernel test/kernel/corpus.test.ts`
 */
import { describe, expect, test, vi } from "vitest";
import { makeJudges } from "../../src/cli/commands/test.ts";
import { corpusFiles, playCorpusFile } from "../support/corpus.ts";
import { kernelAvailable } from "../support/kernel.ts";

/** Most of a file's time is silence that is waited for, so that several files can wait together. */
vi.setConfig({ maxConcurrency: 6 });

describe.skipIf(!kernelAvailable())(
  "packets go where the sources say, and the kernel holds the wanted tables",
  () => {
    for (const file of corpusFiles()) {
      test.concurrent(file.name, { timeout: 60_000 }, async () => {
        expect(await playCorpusFile(file, () => makeJudges(["model", "ruleset", "kernel"]))).toEqual([]);
      });
    }
  },
);
