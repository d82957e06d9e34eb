/**
 * @module Ninety seconds of what `npm run bench -- soak` does for twenty minutes, with the same assertions: pods, clients,
 * kills and full disks against a hundred pods, and nothing lost, left, grown or wider than written.
 */
import { describe, expect, test } from "vitest";
import { clustersRun } from "../support/cluster.ts";
import { leaksOf } from "../support/soak/figures.ts";
import { growthsOf, type MemorySample } from "../support/soak/memory.ts";
import { reportLines, runSoak } from "../support/soak/soak.ts";
import { lossOf } from "../support/soak/writes.ts";

const SECONDS = 90;
/** What is left goes within a minute, and nothing is waited for longer than that. */
const TIMEOUT_MS = 900_000;
const MEBIBYTE = 1024 ** 2;

function samples(mebibytes: (at: number) => number): readonly MemorySample[] {
  return Array.from({ length: 100 }, (_, index) => ({
    at: index / 99,
    bytes: new Map([["machine", mebibytes(index / 99) * MEBIBYTE]]),
  }));
}

describe("a soak sees", () => {
  test.each([
    ["what is lost", { acknowledged: 7, sent: 9 }, undefined, "acknowledged 7, and it is not there"],
    ["what is older than acknowledged", { acknowledged: 7, sent: 9 }, 6, "acknowledged 7, and it has 6"],
    ["what nobody sent", { acknowledged: 7, sent: 9 }, 10, "sent 9 at most, and it has 10"],
  ])("%s", (_what, kept, found, loss) => expect(lossOf(kept, found)).toBe(loss));

  test.each([
    ["what was acknowledged", { acknowledged: 7, sent: 9 }, 7],
    ["what was sent without an answer", { acknowledged: 7, sent: 9 }, 9],
    ["that nothing is there of what nobody acknowledged", { acknowledged: undefined, sent: 9 }, undefined],
  ])("no loss in %s", (_what, kept, found) => expect(lossOf(kept, found)).toBeUndefined());

  test("each thing of which there is more than before, and no other", () => {
    const before = new Map([
      ["namespaces net", 107],
      ["open files of machine", 581],
    ]);
    const after = new Map([
      ["namespaces net", 108],
      ["open files of machine", 580],
      ["processes sleep", 1],
    ]);
    expect(leaksOf(before, after)).toEqual(["namespaces net: 107 → 108", "processes sleep: 0 → 1"]);
  });

  test.each([
    ["memory that grows without an end", samples((at) => 100 + 100 * at), ["machine: 130 → 191 MiB"]],
    ["no growth in a first use", samples((at) => (at < 0.2 ? 60 : 120)), []],
    ["no growth in a garbage collection's saw", samples((at) => 100 + 30 * ((at * 10) % 1)), []],
  ])("%s", (_what, memory, growths) => expect(growthsOf(memory)).toEqual(growths));
});

describe.skipIf(!clustersRun())("a cluster of a hundred pods", () => {
  test(
    "holds under pods, clients, kills and full disks",
    async () => {
      const seed = Number(process.env["TORTIE_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
      const say = (line: string): void => void process.stderr.write(`${line}\n`);
      say(`soak: seed ${seed}; again with: TORTIE_SEED=${seed}`);
      const report = await runSoak({ seed, seconds: SECONDS, say: () => undefined });
      say(reportLines(report).join("\n"));
      expect(report.problems).toEqual([]);
    },
    TIMEOUT_MS,
  );
});
