/**
 * @module The corpus with real packets. Run it in private namespaces:
 * `unshare --user --map-root-user --net npx vitest run --project kernel test/kernel/corpus.test.ts`
 */
import { isDeepStrictEqual } from "node:util";
import { describe, expect, test, vi } from "vitest";
import { makeJudges } from "../../src/cli/commands/test.ts";
import type { Judge } from "../../src/judges/judge.ts";
import { KernelJudge } from "../../src/lab/kernel-judge.ts";
import { canonicalTable } from "../../src/linux/nft-canonical.ts";
import { corpusFiles, playCorpusFile } from "../support/corpus.ts";
import { kernelAvailable } from "../support/kernel.ts";
import { plainTable } from "../support/replay.ts";

/** Most of a file's time is silence that is waited for, so that several files can wait together. */
vi.setConfig({ maxConcurrency: 6 });

describe.skipIf(!kernelAvailable())(
  "packets go where the sources say, and the kernel holds the wanted tables",
  () => {
    for (const file of corpusFiles()) {
      test.concurrent(file.name, { timeout: 60_000 }, async () => {
        expect(
          await playCorpusFile(file, () => makeJudges(["model", "ruleset", "kernel"]), tableProblems),
        ).toEqual([]);
      });
    }
  },
);

/** Where a node's kernel holds another table than the one wanted. */
function tableProblems(judges: readonly Judge[]): string[] {
  return judges
    .filter((judge) => judge instanceof KernelJudge)
    .flatMap((judge) => judge.tables())
    .flatMap(({ node, wanted, actual }) => {
      if (!actual) return [`${node} has no table`];
      const [expected, found] = [plainTable(canonicalTable(wanted)), plainTable(actual)];
      return isDeepStrictEqual(found, expected)
        ? []
        : [`${node}: wanted ${JSON.stringify(expected)}, found ${JSON.stringify(found)}`];
    });
}
