/** @module The corpus once more, with tables that reach the kernel as text through the `nft` program. */
import { describe, expect, test, vi } from "vitest";
import { KernelJudge } from "../../src/lab/kernel-judge.ts";
import { corpusFiles, playCorpusFile } from "../support/corpus.ts";
import { kernelAvailable } from "../support/kernel.ts";

vi.setConfig({ maxConcurrency: 6 });

/** Each start of nft costs tens of milliseconds; a quarter of the files has every kind of rule among them. */
const SHARE = 4;

describe.skipIf(!kernelAvailable())(
  "through nft the kernel gets the tables that it gets over netlink",
  () => {
    for (const file of corpusFiles().filter((_, index) => index % SHARE === 0)) {
      test.concurrent(file.name, { timeout: 60_000 }, async () => {
        expect(
          await playCorpusFile(file, async () => [
            await Promise.resolve(new KernelJudge({ through: "nft" })),
          ]),
        ).toEqual([]);
      });
    }
  },
);
