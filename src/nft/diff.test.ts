import { describe, expect, test } from "vitest";
import { loadGraph, startRulesets } from "../../test/support/judges.ts";
import { randomCluster } from "../../test/support/random-cluster.ts";
import { plainTable, ReplayedTable } from "../../test/support/replay.ts";
import { changedPlaces, diffTables } from "./diff.ts";
import type { NftTable } from "./table.ts";

function tableOf(seed: number): NftTable {
  const { world } = randomCluster(seed, { flows: 0 });
  const ruleset = startRulesets(loadGraph(world), ["node1"]).get("node1");
  if (!ruleset) throw new Error("no ruleset");
  return ruleset.table;
}

const copy = (table: NftTable): NftTable => ({
  name: table.name,
  sets: new Map(
    [...table.sets].map(([name, set]) => [
      name,
      set.kind === "set"
        ? { ...set, elements: new Set(set.elements) }
        : { ...set, elements: new Map(set.elements) },
    ]),
  ),
  chains: new Map(table.chains),
});

describe("200 random pairs of tables", () => {
  test("the steps lead from any table to any other, as a kernel takes them, and then there are none", () => {
    for (let seed = 1; seed <= 200; seed++) {
      const [actual, wanted] = [tableOf(seed), tableOf(seed + 1_000)];
      const kernel = new ReplayedTable();
      kernel.apply(diffTables(undefined, actual));
      kernel.apply(diffTables(actual, wanted));
      expect(plainTable(kernel), `seed ${seed}`).toEqual(plainTable(wanted));
      expect(
        diffTables({ name: wanted.name, sets: kernel.sets, chains: kernel.chains }, wanted),
        `seed ${seed}`,
      ).toEqual([]);
    }
  });
});

test("a foreign hand's edit is mended where it was made, and named", () => {
  const wanted = tableOf(7);
  const edited = copy(wanted);
  const [base] = [...edited.chains.values()].filter(({ name }) => name === "forward-egress");
  if (!base) throw new Error("no base chain");
  (edited.chains as Map<string, unknown>).set(base.name, { ...base, rules: base.rules.slice(1) });
  (edited.sets.get("self4")!.elements as Set<string>).add("10.9.9.9 . 10.9.9.9");
  const steps = diffTables(edited, wanted);
  expect(changedPlaces(steps)).toEqual([
    "chain forward-egress has other rules",
    "set self4 has 1 elements too many",
  ]);
});

test("a set of another type replaces the table whole", () => {
  const wanted = tableOf(7);
  const edited = copy(wanted);
  const self = edited.sets.get("self4");
  if (self?.kind !== "set") throw new Error("no set");
  (edited.sets as Map<string, unknown>).set("self4", { ...self, key: ["address4"] });
  expect(
    diffTables(edited, wanted)
      .slice(0, 2)
      .map(({ change }) => change),
  ).toEqual(["delete-table", "create-table"]);
});
