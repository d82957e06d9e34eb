import { describe, expect, test } from "vitest";
import { PolicyGraph } from "../../src/calc/graph.ts";
import { NodeRuleset } from "../../src/nft/node-ruleset.ts";
import { type Change, newestState, play, randomHistory } from "../support/changes.ts";
import { startRulesets, testInterface } from "../support/judges.ts";
import { Random } from "../support/random.ts";
import { plainTable, ReplayedTable } from "../support/replay.ts";

const HISTORIES = Number(process.env["TORTIE_HISTORIES"] ?? 400);
const FIRST_SEED = Number(process.env["TORTIE_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

function graphAfter(history: readonly Change[]): PolicyGraph {
  const graph = new PolicyGraph();
  for (const change of history) play(graph, change);
  return graph;
}

describe(`${HISTORIES} random histories from seed ${FIRST_SEED}`, () => {
  test("the graph depends on the newest objects, not on the path to them", () => {
    for (let seed = FIRST_SEED; seed < FIRST_SEED + HISTORIES; seed++) {
      const history = randomHistory(seed);
      const direct = newestState(history);
      const wanted = graphAfter(direct).picture();
      expect(graphAfter(history).picture(), `seed ${seed}`).toEqual(wanted);
      expect(graphAfter(direct.reverse()).picture(), `seed ${seed} reversed`).toEqual(wanted);
    }
  });

  test("taking everything away leaves nothing behind", () => {
    for (let seed = FIRST_SEED; seed < FIRST_SEED + HISTORIES; seed++) {
      const history = randomHistory(seed);
      const graph = graphAfter([
        ...history,
        ...history.map((change) => ({ ...change, value: null }) as Change),
      ]);
      expect(graph.picture(), `seed ${seed}`).toEqual({ identities: [], selectors: [], namedPorts: [] });
    }
  });

  test("a node's table followed step by step equals the table compiled at once, and each step is one a kernel takes", () => {
    for (let seed = FIRST_SEED; seed < FIRST_SEED + HISTORIES; seed++) {
      const random = new Random(seed);
      const graph = new PolicyGraph();
      const ruleset = new NodeRuleset(graph, {
        node: "node1",
        interfaceOf: testInterface,
        podPrefix: "tt",
        families: [4, 6],
        uplink: "eth0",
      });
      const kernel = new ReplayedTable();
      kernel.apply(ruleset.start());
      for (const change of randomHistory(seed)) {
        play(graph, change);
        // Several changes may be taken in one transaction.
        if (random.chance(0.6)) kernel.apply(ruleset.update(graph.flush()));
      }
      kernel.apply(ruleset.update(graph.flush()));
      const fresh = startRulesets(graph, ["node1"]).get("node1");
      expect(plainTable(kernel), `seed ${seed}: what the steps led to`).toEqual(plainTable(ruleset.table));
      expect(plainTable(ruleset.table), `seed ${seed}: compiled at once`).toEqual(
        fresh && plainTable(fresh.table),
      );
    }
  });

  test("a ruleset that has lost all its endpoints is the empty ruleset", () => {
    for (let seed = FIRST_SEED; seed < FIRST_SEED + HISTORIES; seed++) {
      const graph = new PolicyGraph();
      const ruleset = new NodeRuleset(graph, {
        node: "node1",
        interfaceOf: testInterface,
        podPrefix: "tt",
        families: [4, 6],
        uplink: "eth0",
      });
      ruleset.start();
      const empty = plainTable(ruleset.table);
      const history = randomHistory(seed);
      for (const change of history) play(graph, change);
      ruleset.update(graph.flush());
      for (const change of history) play(graph, { ...change, value: null } as Change);
      ruleset.update(graph.flush());
      expect(plainTable(ruleset.table), `seed ${seed}`).toEqual(empty);
    }
  });
});
