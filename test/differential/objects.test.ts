/**
 * @module From manifests to answers: random objects of every kind are read, translated and judged. Reference, identities
 * and ruleset must agree, and a cluster that grew object by object must be the one that was given all at once.
 */
import { expect, test } from "vitest";
import { Cluster, type ClusterOptions } from "../../src/analysis/cluster.ts";
import { answer, type Question, resolveQuestion } from "../../src/analysis/question.ts";
import { formatIssue } from "../../src/base/issue.ts";
import { RulesetJudge } from "../../src/judges/ruleset-judge.ts";
import { evaluate } from "../../src/policy/evaluate.ts";
import { decodeTexts } from "../../src/resources/load.ts";
import { type KubernetesObject, objectName } from "../../src/resources/object.ts";
import { Random } from "../support/random.ts";
import { OUTSIDE, randomManifests } from "../support/random-objects.ts";

/** `TORTIE_SEED=12345` replays one cluster; `TORTIE_CLUSTERS=N` asks for another number of them. */
const CLUSTERS = Number(process.env["TORTIE_CLUSTERS"] ?? 1_500);
const FIRST_SEED = Number(process.env["TORTIE_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const COUNT = process.env["TORTIE_SEED"] === undefined ? CLUSTERS : 1;
const SEEDS = Array.from({ length: COUNT }, (_, index) => FIRST_SEED + index);
const QUESTIONS = 16;

const OPTIONS: ClusterOptions = {
  podNetworks: ["192.168.0.0/16", "fd00:10:244::/64"],
  defaultNamespace: "x",
};

/** @throws Error for an issue: all manifests are valid */
function objectsOf(seed: number): readonly KubernetesObject[] {
  const text = randomManifests(new Random(seed))
    .map((manifest) => JSON.stringify(manifest))
    .join("\n---\n");
  const { objects, issues } = decodeTexts([{ file: "random.yaml", text }]);
  const errors = issues.filter(({ severity }) => severity === "error");
  if (errors.length > 0) throw new Error(`TORTIE_SEED=${seed}\n${errors.map(formatIssue).join("\n")}`);
  return objects;
}

function questionOf(random: Random, cluster: Cluster): Question {
  const pods = [...cluster.pods.keys()];
  const services = cluster.services.map(({ service }) => `svc/${service}`);
  const party = (): string =>
    random.chance(0.7) ? random.pick(pods) : random.pick(["node/node1", "node/node2", ...OUTSIDE]);
  if (services.length > 0 && random.chance(0.2)) {
    const from = random.chance(0.6) ? random.pick(pods) : random.pick(["node/node1", "node/node2"]);
    return { from, to: random.pick(services), port: "main", protocol: "TCP" };
  }
  if (random.chance(0.15)) return { from: party(), to: party(), protocol: "ICMP" };
  return {
    from: party(),
    to: party(),
    port: random.pick([80, 81, 8080, 22]),
    protocol: random.pick(["TCP", "UDP"]),
  };
}

test(`reference, identities and ruleset agree about random manifests, ${COUNT} from seed ${FIRST_SEED}`, () => {
  const tally = { asked: 0, denied: 0, hosts: 0 };
  for (const seed of SEEDS) {
    const random = new Random(seed);
    const cluster = new Cluster(OPTIONS);
    cluster.apply(objectsOf(seed));
    const judge = new RulesetJudge();
    judge.follow(cluster, cluster.sync());
    const world = cluster.graph.world();
    for (let index = 0; index < QUESTIONS; index++) {
      const question = questionOf(random, cluster);
      const where = `TORTIE_SEED=${seed} ${JSON.stringify(question)}`;
      const { flows } = resolveQuestion(cluster, question);
      const { outcome, verdicts } = answer(cluster, question);
      const reference = flows.map((flow) => evaluate(world, flow));
      expect(
        verdicts.map(({ allowed }) => allowed),
        where,
      ).toEqual(reference.map(({ allowed }) => allowed));
      expect(judge.ask([question])[0]?.outcome, where).toBe(outcome);
      tally.asked++;
      if (outcome === "deny") tally.denied++;
      if (verdicts.some(({ hosts }) => hosts.length > 0)) tally.hosts++;
    }
    judge.close();
  }
  // A generator that always allows, never does, or asks no host endpoint would prove nothing.
  if (COUNT < 100) return;
  expect(tally.denied / tally.asked).toBeGreaterThan(0.1);
  expect(tally.denied / tally.asked).toBeLessThan(0.9);
  expect(tally.hosts / tally.asked).toBeGreaterThan(0.05);
});

test(`a cluster depends on its objects, not on the order in which they came, ${COUNT} from seed ${FIRST_SEED}`, () => {
  for (const seed of SEEDS.slice(0, 400)) {
    const random = new Random(seed + 1);
    const staged = random.chance(0.5);
    const objects = objectsOf(seed);
    const strangers = objectsOf(seed + 1).filter(
      ({ kind }) => kind !== "Node" && kind !== "WorkloadEndpoint",
    );
    const grown = new Cluster({ ...OPTIONS, staged });
    // Nodes and pods first: addresses are allotted in the order in which pods come.
    grown.apply(objects.filter(isPlaced));
    grown.sync();
    const rest = [...objects, ...strangers.filter((object) => !isPlaced(object))].filter(
      (object) => !isPlaced(object),
    );
    while (rest.length > 0) {
      grown.apply(rest.splice(random.below(rest.length), 1));
      if (random.chance(0.4)) grown.sync();
    }
    const wanted = new Set(objects.map(objectName));
    for (const object of strangers) if (!wanted.has(objectName(object))) grown.delete(object);
    grown.apply(objects);
    grown.sync();
    const fresh = new Cluster({ ...OPTIONS, staged });
    fresh.apply(objects);
    fresh.sync();
    expect(grown.graph.picture(), `TORTIE_SEED=${seed}`).toEqual(fresh.graph.picture());
  }
});

function isPlaced({ kind }: KubernetesObject): boolean {
  return kind === "Node" || kind === "Pod" || kind === "WorkloadEndpoint" || kind === "Service";
}
