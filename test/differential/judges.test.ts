import { expect, test } from "vitest";
import { verdict } from "../../src/calc/verdict.ts";
import { evaluate } from "../../src/policy/evaluate.ts";
import { describeFlow, loadGraph, rulesetAllows, startRulesets, topologyOf } from "../support/judges.ts";
import { randomCluster } from "../support/random-cluster.ts";

/** `TORTIE_SEED=12345` replays one cluster; `TORTIE_CLUSTERS=N` asks for another number of them. */
const CLUSTERS = Number(process.env["TORTIE_CLUSTERS"] ?? 10_000);
const FIRST_SEED = Number(process.env["TORTIE_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const COUNT = process.env["TORTIE_SEED"] === undefined ? CLUSTERS : 1;

test(`reference, identities and ruleset agree on ${COUNT} random clusters from seed ${FIRST_SEED}`, () => {
  let flows = 0;
  let denied = 0;
  for (let seed = FIRST_SEED; seed < FIRST_SEED + COUNT; seed++) {
    const cluster = randomCluster(seed);
    const graph = loadGraph(cluster.world);
    const rulesets = startRulesets(graph, cluster.world.nodes.keys());
    const topology = topologyOf(cluster.world, rulesets);
    for (const flow of cluster.flows) {
      const reference = evaluate(cluster.world, flow);
      const fast = verdict(graph, flow);
      const where = `TORTIE_SEED=${seed} ${describeFlow(flow)}`;
      if (JSON.stringify(summary(fast)) !== JSON.stringify(summary(reference))) {
        expect(summary(fast), where).toEqual(summary(reference));
      }
      const compiled = rulesetAllows(topology, flow);
      if (compiled !== reference.allowed)
        expect({ where, ruleset: compiled }).toEqual({ where, ruleset: reference.allowed });
      flows++;
      if (!reference.allowed) denied++;
    }
    for (const ruleset of rulesets.values()) ruleset.close();
  }
  // A generator that always allows, or never does, would prove nothing.
  expect(denied / flows).toBeGreaterThan(0.1);
  expect(denied / flows).toBeLessThan(0.9);
});

function summary(result: ReturnType<typeof evaluate>): unknown {
  const side = (direction: ReturnType<typeof evaluate>["egress"]): unknown => ({
    allowed: direction.allowed,
    kind: direction.decision.kind,
    rule: direction.decision.kind === "rule" ? direction.decision.rule.origin : undefined,
    isolating:
      direction.decision.kind === "tier-default"
        ? direction.decision.isolating.map(({ id }) => id)
        : undefined,
    passing: direction.passing.map(({ rule }) => rule.origin),
  });
  const hosts = result.hosts.map((host) => ({
    ...(side(host) as object),
    at: [host.host.id, host.stage, host.direction, host.reply],
  }));
  return { allowed: result.allowed, egress: side(result.egress), ingress: side(result.ingress), hosts };
}
