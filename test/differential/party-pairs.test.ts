import { expect, test } from "vitest";
import { distinctPairs } from "../../src/analysis/party-pairs.ts";
import { verdict } from "../../src/calc/verdict.ts";
import type { Party } from "../../src/policy/model.ts";
import { loadGraph } from "../support/judges.ts";
import { Random } from "../support/random.ts";
import { randomCluster } from "../support/random-cluster.ts";

const CLUSTERS = 300;
const FIRST_SEED = Number(process.env["TORTIE_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const COUNT = process.env["TORTIE_SEED"] === undefined ? CLUSTERS : 1;

test(`asking about distinct pairs says what asking about all says, on ${COUNT} clusters from seed ${FIRST_SEED}`, () => {
  let mixed = 0;
  for (let seed = FIRST_SEED; seed < FIRST_SEED + COUNT; seed++) {
    const { world } = randomCluster(seed);
    const graph = loadGraph(world);
    graph.flush();
    const random = new Random(seed);
    const endpoints = [...world.endpoints.values()].map((endpoint): readonly Party[] =>
      endpoint.addresses.map((address) => ({ kind: "endpoint", endpoint, address })),
    );
    const nodes = [...world.nodes].map(([node, addresses]): readonly Party[] =>
      addresses.map((address) => ({ kind: "node", node, address })),
    );
    const family = random.chance(0.5) ? 4 : 6;
    const some = (all: readonly (readonly Party[])[]): (readonly Party[])[] =>
      all
        .map((parties) => parties.filter(({ address }) => address.family === family))
        .filter((parties) => parties.length > 0 && random.chance(0.6));
    const from = some(random.chance(0.2) ? nodes : endpoints);
    const to = some(endpoints);
    const port = random.between(1, 100);
    const outcomes = (pairs: readonly { source: Party; destination: Party }[]): string[] =>
      [
        ...new Set(
          pairs.map(({ source, destination }) =>
            String(verdict(graph, { source, destination, protocol: 6, destinationPort: port }).allowed),
          ),
        ),
      ].sort();
    const all = from.flatMap(([source]) =>
      to.flatMap(([destination]) => (source && destination ? [{ source, destination }] : [])),
    );
    const others = all.filter(({ source, destination }) => !same(source, destination));
    const expected = outcomes(others.length > 0 ? others : all);
    const asked = distinctPairs(graph, from, to) ?? [];
    expect(outcomes(asked), `TORTIE_SEED=${seed}`).toEqual(expected);
    if (expected.length === 2) mixed++;
  }
  if (COUNT > 1) expect(mixed).toBeGreaterThan(COUNT / 20);
});

function same(a: Party, b: Party): boolean {
  return a.kind === "endpoint" && b.kind === "endpoint" && a.endpoint.id === b.endpoint.id;
}
