/** @module Denials that say so: the same answers as with dropped packets, and told at once instead of by silence. */
import { describe, expect, test, vi } from "vitest";
import { Cluster } from "../../src/analysis/cluster.ts";
import { KernelJudge } from "../../src/lab/kernel-judge.ts";
import { decodeTexts } from "../../src/resources/load.ts";
import { corpusFiles, playCorpusFile } from "../support/corpus.ts";
import { kernelAvailable } from "../support/kernel.ts";

vi.setConfig({ maxConcurrency: 6 });

const SHARE = 4;

const MANIFESTS = `apiVersion: v1
kind: Pod
metadata: {name: a, labels: {app: a}}
spec: {containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Pod
metadata: {name: b}
spec: {containers: [{name: c, image: i, ports: [{containerPort: 80}]}]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: no}
spec:
  selector: app != 'a'
  ingress: [{action: Deny, protocol: TCP}]
`;

describe.skipIf(!kernelAvailable())("denials are rejected", () => {
  test.each(["TCP", "UDP", "ICMP"] as const)(
    "a client hears of a denied %s packet at once",
    async (protocol) => {
      const cluster = new Cluster();
      cluster.apply(decodeTexts([{ file: "m.yaml", text: MANIFESTS }]).objects);
      const judge = new KernelJudge({ denyWith: "reject" });
      try {
        judge.follow(cluster, cluster.sync());
        const question = { from: "a", to: "b", protocol, ...(protocol !== "ICMP" && { port: 80 }) };
        const [observation] = await judge.ask([question]);
        expect(observation?.outcome).toBe("deny");
        // Its own rule denies TCP, the tier's default the rest.
        expect(observation?.because).toMatch(/^packets: rejected/);
      } finally {
        judge.close();
      }
    },
  );

  for (const file of corpusFiles().filter((_, index) => index % SHARE === 1)) {
    test.concurrent(file.name, { timeout: 60_000 }, async () => {
      expect(
        await playCorpusFile(file, async () => [
          await Promise.resolve(new KernelJudge({ denyWith: "reject" })),
        ]),
      ).toEqual([]);
    });
  }
});
