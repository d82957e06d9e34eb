/** @module A cluster whose policies stand in tiers, as platform teams write them with Calico: deny, pass on, allow. */
import { fromCalicoNetworkPolicy, fromGlobalNetworkPolicy } from "../src/policy/from-calico.ts";
import type { Policy, Tier } from "../src/policy/model.ts";
import { NO_FACTS } from "../src/policy/translation.ts";
import { decodeValue } from "../src/resources/load.ts";
import { NO_SOURCE } from "../src/resources/source.ts";
import { Random } from "../test/support/random.ts";
import { BENCH_PORTS, type BenchCluster, benchCluster, type Shape } from "./clusters.ts";

/** In order; the last is where namespaces' own policies stand. */
const TIERS = ["security", "network", "platform", "team", "default"] as const;
const TEAMS = 40;

/** Four tiers of global policies over teams and kinds of workloads, one of policies in namespaces. */
export function benchTiers(shape: Omit<Shape, "policies">, policiesPerTier: number): BenchCluster {
  const base = benchCluster({ ...shape, policies: 0 });
  const random = new Random(shape.pods + policiesPerTier);
  const namespaces = [...base.namespaces.keys()];
  const values = TIERS.flatMap((tier, at) =>
    Array.from({ length: policiesPerTier }, (_, index) =>
      tier === "default"
        ? namespacedPolicy(random, index, namespaces)
        : globalPolicy(random, tier, at * policiesPerTier + index),
    ),
  );
  const tiers: Tier[] = TIERS.filter((name) => name !== "default").map((name, at) => ({
    name,
    order: at + 1,
    defaultAction: "pass",
  }));
  return { ...base, tiers, policies: values.flatMap(translate) };
}

function translate(value: unknown): Policy[] {
  const { objects, issues } = decodeValue(value, NO_SOURCE);
  if (issues.length > 0) throw new Error(issues.map(({ message }) => message).join("; "));
  return objects.flatMap((object) => {
    if (object.kind === "GlobalNetworkPolicy") return [fromGlobalNetworkPolicy(object, NO_FACTS)];
    return object.kind === "CalicoNetworkPolicy" ? [fromCalicoNetworkPolicy(object, NO_FACTS)] : [];
  });
}

const kindOf = (random: Random): string => random.pick(["web", "api", "db", "cache"]);
const teamOf = (random: Random): string => `t${random.below(TEAMS)}`;
const portsOf = (random: Random): number[] => random.some(BENCH_PORTS, 2);

/** A team's workloads of one kind: some are denied, some of the rest is allowed, the rest passes on. */
function globalPolicy(random: Random, tier: string, index: number): unknown {
  const denied = random.chance(0.3)
    ? { nets: [`10.${random.below(2)}.${random.below(256)}.0/24`] }
    : { namespaceSelector: `team == '${teamOf(random)}'`, selector: `tier == '${kindOf(random)}'` };
  const allowed = { namespaceSelector: `team in {'${teamOf(random)}', '${teamOf(random)}'}` };
  const way = random.chance(0.7) ? "ingress" : "egress";
  const [peer, own] = way === "ingress" ? ["source", "destination"] : ["destination", "source"];
  const ports = (list: number[]): object => (way === "ingress" ? { [own]: { ports: list } } : {});
  return {
    apiVersion: "projectcalico.org/v3",
    kind: "GlobalNetworkPolicy",
    metadata: { name: `${tier}-${index}` },
    spec: {
      tier,
      order: random.below(1000),
      namespaceSelector: `team == '${teamOf(random)}'`,
      selector: `tier == '${kindOf(random)}'`,
      types: [way === "ingress" ? "Ingress" : "Egress"],
      [way]: [
        { action: "Deny", protocol: "TCP", [peer]: denied, ...ports(portsOf(random)) },
        ...(random.chance(0.3)
          ? [{ action: "Allow", protocol: "TCP", [peer]: allowed, ...ports(portsOf(random)) }]
          : []),
        { action: "Pass" },
      ],
    },
  };
}

function namespacedPolicy(random: Random, index: number, namespaces: readonly string[]): unknown {
  return {
    apiVersion: "projectcalico.org/v3",
    kind: "NetworkPolicy",
    metadata: { name: `own-${index}`, namespace: namespaces[index % namespaces.length] },
    spec: {
      selector: `tier == '${kindOf(random)}'`,
      types: ["Ingress"],
      ingress: [
        {
          action: "Allow",
          protocol: "TCP",
          source: { selector: `tier in {'${kindOf(random)}', '${kindOf(random)}'}` },
          destination: { ports: portsOf(random) },
        },
      ],
    },
  };
}
