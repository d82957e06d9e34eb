import { execFileSync } from "node:child_process";
import { afterAll, expect, test } from "vitest";
import { Cluster } from "../../src/analysis/cluster.ts";
import { KernelJudge } from "../../src/lab/kernel-judge.ts";
import { inNamespace } from "../../src/linux/netns.ts";
import { canonicalTable } from "../../src/linux/nft-canonical.ts";
import { diffTables } from "../../src/nft/diff.ts";
import { decodeTexts } from "../../src/resources/load.ts";
import { kernelAvailable } from "../support/kernel.ts";

const MANIFESTS = `
{apiVersion: v1, kind: Pod, metadata: {name: a, labels: {app: a}}, spec: {nodeName: node1, containers: [{name: c, image: i}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: b, labels: {app: b}}, spec: {nodeName: node1, containers: [{name: c, image: i}]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: b}
spec:
  podSelector: {matchLabels: {app: b}}
  ingress: [{from: [{podSelector: {matchLabels: {app: nobody}}}, {ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.128/25]}}]}]
`;

const judge = new KernelJudge();
afterAll(() => judge.close());

test.runIf(kernelAvailable())(
  "an edit by a foreign hand is found, named, and mended by the difference alone",
  async () => {
    const cluster = new Cluster();
    cluster.apply(decodeTexts([{ file: "m", text: MANIFESTS }]).objects);
    judge.follow(cluster, cluster.sync());
    expect(judge.audit()).toEqual([]);
    const ask = async () =>
      (await judge.ask([{ from: "a", to: "b", protocol: "TCP", port: 80 }]))[0]?.outcome;
    expect(await ask()).toBe("deny");

    const node = judge.lab.node("node1");
    inNamespace(node.namespace, () =>
      execFileSync("nft", ["insert rule inet tortie in/NetworkPolicy/default/b accept"]),
    );
    expect(judge.audit()).toEqual(["node1: chain in/NetworkPolicy/default/b has other rules"]);
    expect(await ask()).toBe("allow");

    const [state] = judge.tables();
    if (!state) throw new Error("no table");
    node.nft.apply(diffTables(state.actual, canonicalTable(state.wanted)));
    expect(judge.audit()).toEqual([]);
    expect(await ask()).toBe("deny");
  },
);
