import { expect, test } from "vitest";
import { must } from "../base/errors.ts";
import { parseIp } from "../base/ip.ts";
import { planNetwork } from "../network/plan.ts";
import type { ServiceBackend } from "../policy/translation.ts";
import { ClusterFacts, type FactSources } from "./cluster-facts.ts";

const backend = (text: string): ServiceBackend => ({
  address: must(parseIp(text), text),
  protocol: 6,
  port: 80,
});

/** @param lookups - takes the name of each Service that is looked up */
function sources(backends: readonly ServiceBackend[], lookups: string[] = []): FactSources {
  return {
    objects: new Map(),
    plan: planNetwork({ nodes: [{ name: "node1" }], pods: [] }),
    serviceBackends: (namespace, name) => {
      lookups.push(`${namespace}/${name}`);
      return backends;
    },
  };
}

test("a Service that thousands of policies name is looked up once a change", () => {
  const facts = new ClusterFacts();
  const lookups: string[] = [];
  const told = Array.from({ length: 1_000 }, () => facts.recorded());
  facts.follow(sources([backend("10.0.0.1")], lookups));
  for (const recorded of told) recorded.serviceBackends("shop", "cart");
  facts.follow(sources([backend("10.0.0.1")], lookups));
  expect(told.every(({ answered }) => facts.isCurrent(answered))).toBe(true);
  expect(lookups).toEqual(["shop/cart", "shop/cart"]);
});

test("an answer is current until it is another one, and an old one does not come back under the same number", () => {
  const facts = new ClusterFacts();
  facts.follow(sources([backend("10.0.0.1")]));
  const recorded = facts.recorded();
  expect(recorded.serviceBackends("shop", "cart")).toEqual([backend("10.0.0.1")]);
  recorded.nodes();
  expect(facts.isCurrent(recorded.answered)).toBe(true);
  facts.follow(sources([]));
  expect(facts.isCurrent(recorded.answered)).toBe(false);
  facts.follow(sources([backend("10.0.0.1")]));
  expect(facts.isCurrent(recorded.answered)).toBe(false);
});
