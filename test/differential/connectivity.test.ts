import { expect, test } from "vitest";
import { allPairs, type PacketKind } from "../../src/analysis/connectivity.ts";
import { hasBit } from "../../src/base/bitset.ts";
import { evaluate } from "../../src/policy/evaluate.ts";
import type { Party } from "../../src/policy/model.ts";
import { PROTOCOL } from "../../src/policy/model.ts";
import { loadGraph } from "../support/judges.ts";
import { randomCluster } from "../support/random-cluster.ts";

const CLUSTERS = Number(process.env["TORTIE_CLUSTERS"] ?? 1_000);
const FIRST_SEED = Number(process.env["TORTIE_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

const KINDS: readonly PacketKind[] = [
  { family: 4, protocol: PROTOCOL.TCP, port: 80 },
  { family: 4, protocol: PROTOCOL.UDP, port: 8080 },
  { family: 6, protocol: PROTOCOL.TCP, port: 443 },
  { family: 4, protocol: PROTOCOL.TCP, port: "http" },
  { family: 4, protocol: PROTOCOL.ICMP, icmp: { type: 8, code: 0 } },
];

test(`all pairs at once equal the reference pair by pair, on ${CLUSTERS} random clusters from seed ${FIRST_SEED}`, () => {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + CLUSTERS; seed++) {
    const { world } = randomCluster(seed, { flows: 0 });
    const graph = loadGraph(world);
    for (const kind of KINDS) {
      const { units, rows } = allPairs(graph, kind);
      for (const [to, destinationUnit] of units.entries()) {
        for (const [from, sourceUnit] of units.entries()) {
          for (const destination of destinationUnit.endpoints) {
            for (const source of sourceUnit.endpoints) {
              if (source.id === destination.id) continue;
              const named = destination.ports.find(
                ({ name, protocol }) => name === kind.port && protocol === kind.protocol,
              )?.port;
              const port = typeof kind.port === "string" ? named : kind.port;
              const party = (endpoint: typeof source): Party => {
                const address = endpoint.addresses.find(({ family }) => family === kind.family);
                if (!address) throw new Error("a unit's endpoint without an address of the family");
                return { kind: "endpoint", endpoint, address };
              };
              const wanted =
                typeof kind.port === "string" && port === undefined
                  ? false
                  : evaluate(world, {
                      source: party(source),
                      destination: party(destination),
                      protocol: kind.protocol,
                      ...(port !== undefined && { destinationPort: port }),
                      ...(kind.icmp && { icmp: kind.icmp }),
                    }).allowed;
              const got = hasBit(rows[to] ?? new Uint32Array(), from);
              if (got !== wanted) {
                expect({ seed, kind, source: source.id, destination: destination.id, allowed: got }).toEqual({
                  seed,
                  kind,
                  source: source.id,
                  destination: destination.id,
                  allowed: wanted,
                });
              }
            }
          }
        }
      }
    }
  }
});
