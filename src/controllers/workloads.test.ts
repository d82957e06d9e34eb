import { afterEach, describe, expect, test } from "vitest";
import { MemoryCluster, template, until } from "../../test/support/memory-cluster.ts";
import type { Deployment, ReplicaSet } from "../client/kinds.ts";
import { DEPLOYMENTS, EVENTS, PODS, REPLICA_SETS } from "../client/kinds.ts";
import { HASH_LABEL, REVISION } from "./deployment-revision.ts";
import { proportional } from "./deployment-scaling.ts";
import { templateHash } from "./template-hash.ts";

let cluster: MemoryCluster;
afterEach(() => cluster.stop());

const at = { namespace: "default", name: "web" };

function deployment(replicas: number, also: object = {}): Deployment {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { ...at },
    spec: { replicas, selector: { matchLabels: { app: "web" } }, template: template("web"), ...also },
  };
}

function replicaSet(replicas: number): ReplicaSet {
  return { ...(deployment(replicas) as unknown as ReplicaSet), kind: "ReplicaSet" };
}

/** What `kubectl rollout status` waits for. */
async function rolledOut(): Promise<Deployment> {
  return until(async () => {
    const found = await cluster.client.get(DEPLOYMENTS, at);
    const { spec, status, metadata } = found;
    const progressing = status?.conditions?.find(({ type }) => type === "Progressing");
    return (
      status?.observedGeneration === metadata.generation &&
      status?.updatedReplicas === spec.replicas &&
      status?.replicas === spec.replicas &&
      status?.availableReplicas === spec.replicas &&
      progressing?.reason === "NewReplicaSetAvailable" &&
      found
    );
  });
}

async function setImage(image: string): Promise<void> {
  const patch = { spec: { template: { spec: { containers: [{ name: "main", image }] } } } };
  await cluster.client.patch(DEPLOYMENTS, at, patch, { type: "strategic" });
}

async function images(): Promise<(string | undefined)[]> {
  return [...new Set((await cluster.pods("app=web")).map(({ spec }) => spec.containers[0]?.image))];
}

describe("a Deployment", () => {
  test("rolls out, rolls on, rolls back and scales", async () => {
    cluster = await MemoryCluster.start();
    await cluster.client.create(DEPLOYMENTS, deployment(3));
    const first = await rolledOut();
    expect(first.metadata.annotations?.[REVISION]).toBe("1");
    expect(first.status?.conditions?.find(({ type }) => type === "Available")?.reason).toBe(
      "MinimumReplicasAvailable",
    );
    const [pod] = await cluster.pods("app=web");
    const hash = pod?.metadata.labels?.[HASH_LABEL] ?? "";
    expect(hash).toMatch(/^[bcdfghjklmnpqrstvwxz2456789]{8,10}$/);
    expect(pod?.metadata.name).toMatch(new RegExp(`^web-${hash}-[a-z0-9]{5}$`));

    let fewest = 3;
    let most = 0;
    const watching = setInterval(() => {
      void cluster.pods("app=web").then((pods) => {
        const ready = pods.filter(({ status }) => status?.phase === "Running").length;
        fewest = Math.min(fewest, ready);
        most = Math.max(most, pods.length);
      });
    }, 1);
    await setImage("nginx:2");
    await until(
      async () => (await cluster.client.get(DEPLOYMENTS, at)).metadata.annotations?.[REVISION] === "2",
    );
    await rolledOut();
    clearInterval(watching);
    expect(await images()).toEqual(["nginx:2"]);
    // 25% of 3: one more, none missing.
    expect(fewest).toBe(3);
    expect(most).toBeLessThanOrEqual(4);

    await setImage("nginx:1");
    await until(
      async () => (await cluster.client.get(DEPLOYMENTS, at)).metadata.annotations?.[REVISION] === "3",
    );
    await rolledOut();
    const sets = (await cluster.client.list(REPLICA_SETS, { namespace: "default" })).items;
    expect(sets.map(({ metadata }) => metadata.annotations?.[REVISION]).sort()).toEqual(["2", "3"]);

    await cluster.client.patch(DEPLOYMENTS, at, { spec: { replicas: 5 } }, { type: "merge" });
    await rolledOut();
    expect(await cluster.pods("app=web")).toHaveLength(5);
    await cluster.client.patch(DEPLOYMENTS, at, { spec: { replicas: 0 } }, { type: "merge" });
    await until(async () => (await cluster.pods("app=web")).length === 0);
    expect(cluster.lines).toEqual([]);
  });

  test("that recreates never runs two templates at once", async () => {
    cluster = await MemoryCluster.start();
    await cluster.client.create(DEPLOYMENTS, deployment(3, { strategy: { type: "Recreate" } }));
    await rolledOut();
    await setImage("nginx:2");
    await until(async () => {
      const now = await images();
      expect(now.length).toBeLessThan(2);
      return now[0] === "nginx:2";
    });
    await rolledOut();
  });

  test("that is paused does not roll on", async () => {
    cluster = await MemoryCluster.start();
    await cluster.client.create(DEPLOYMENTS, deployment(2));
    await rolledOut();
    await cluster.client.patch(DEPLOYMENTS, at, { spec: { paused: true } }, { type: "merge" });
    await setImage("nginx:2");
    await cluster.client.patch(DEPLOYMENTS, at, { spec: { replicas: 4 } }, { type: "merge" });
    await until(async () => (await cluster.pods("app=web")).length === 4);
    expect(await images()).toEqual(["nginx:1"]);
    await cluster.client.patch(DEPLOYMENTS, at, { spec: { paused: false } }, { type: "merge" });
    await rolledOut();
    expect(await images()).toEqual(["nginx:2"]);
  });

  test("that does not move says so after its deadline", async () => {
    cluster = await MemoryCluster.start({ fate: () => "unready" });
    await cluster.client.create(DEPLOYMENTS, deployment(1, { progressDeadlineSeconds: 1 }));
    const stuck = await until(async () =>
      (await cluster.client.get(DEPLOYMENTS, at)).status?.conditions?.find(
        ({ reason }) => reason === "ProgressDeadlineExceeded",
      ),
    );
    expect(stuck.status).toBe("False");
  });

  test("that is at rest is not written", async () => {
    cluster = await MemoryCluster.start();
    await cluster.client.create(DEPLOYMENTS, deployment(3));
    await rolledOut();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const before = [...cluster.writes];
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect([...cluster.writes]).toEqual(before);
  });

  test("keeps as many old sets as it is told to", async () => {
    cluster = await MemoryCluster.start();
    await cluster.client.create(DEPLOYMENTS, deployment(1, { revisionHistoryLimit: 1 }));
    await rolledOut();
    for (const image of ["nginx:2", "nginx:3", "nginx:4"]) {
      await setImage(image);
      await until(async () => (await images()).join() === image);
      await rolledOut();
    }
    await until(async () => (await cluster.client.list(REPLICA_SETS, {})).items.length === 2);
  });
});

test("a template's hash does not depend on the order of its fields", () => {
  expect(templateHash({ a: 1, b: { c: 2, d: [1] } })).toBe(templateHash({ b: { d: [1], c: 2 }, a: 1 }));
  expect(templateHash({ a: 1 })).not.toBe(templateHash({ a: 1 }, 1));
});

test("sets are scaled in proportion, and nothing is lost in rounding", () => {
  const set = (name: string, replicas: number): ReplicaSet => ({
    ...replicaSet(replicas),
    metadata: { name, creationTimestamp: "2026-01-01T00:00:00Z" },
  });
  const steps = proportional([set("a", 5), set("b", 3)], 12);
  expect([...steps.values()].reduce((sum, one) => sum + one)).toBe(12);
});

describe("a ReplicaSet", () => {
  test("never has more pods than it asks for, whatever comes late", async () => {
    cluster = await MemoryCluster.start({ delay: () => Math.random() * 20 });
    await cluster.client.create(REPLICA_SETS, replicaSet(20));
    let most = 0;
    await until(async () => {
      const pods = await cluster.pods("app=web");
      most = Math.max(most, pods.length);
      if (pods.length === 20 && Math.random() < 0.2) {
        const victim = pods[Math.floor(Math.random() * 20)];
        if (victim) await cluster.client.delete(PODS, victim.metadata, { gracePeriodSeconds: 0 });
      }
      return (await cluster.client.get(REPLICA_SETS, at)).status?.readyReplicas === 20;
    });
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(most).toBe(20);
    expect(await cluster.pods("app=web")).toHaveLength(20);
  });

  test("takes pods that it selects, and lets go of those that it selects no more", async () => {
    cluster = await MemoryCluster.start();
    const metadata = { name: "alone", namespace: "default", labels: { app: "web" } };
    await cluster.client.create(PODS, {
      apiVersion: "v1",
      kind: "Pod",
      metadata,
      spec: template("web").spec,
    });
    await cluster.client.create(REPLICA_SETS, replicaSet(1));
    await until(async () => {
      const pod = await cluster.client.get(PODS, { namespace: "default", name: "alone" });
      return pod.metadata.ownerReferences?.[0]?.name === "web";
    });
    const patch = { metadata: { labels: { app: "other" } } };
    await cluster.client.patch(PODS, { namespace: "default", name: "alone" }, patch, { type: "merge" });
    await until(async () => (await cluster.pods("app=web")).length === 1);
    const alone = await until(async () => {
      const pod = await cluster.client.get(PODS, { namespace: "default", name: "alone" });
      return (pod.metadata.ownerReferences ?? []).length === 0 && pod;
    });
    expect(alone.metadata.labels).toEqual({ app: "other" });
  });

  test("of a thousand pods is bound and ready soon, with four writes a pod at most", async () => {
    cluster = await MemoryCluster.start();
    const begin = performance.now();
    await cluster.client.create(REPLICA_SETS, replicaSet(1000));
    await until(async () => {
      const pods = await cluster.pods("app=web");
      return pods.length === 1000 && pods.every(({ spec }) => spec.nodeName);
    }, 20_000);
    const bound = performance.now() - begin;
    await until(
      async () => (await cluster.client.get(REPLICA_SETS, at)).status?.readyReplicas === 1000,
      20_000,
    );
    const ready = performance.now() - begin;
    await until(async () => (await cluster.client.list(EVENTS, {})).items.length === 2000, 20_000);
    const spread = new Map<string, number>();
    for (const { spec } of await cluster.pods("app=web"))
      spread.set(spec.nodeName ?? "", (spread.get(spec.nodeName ?? "") ?? 0) + 1);
    expect([...spread.values()]).toEqual([500, 500]);
    const statuses = cluster.writes.get("replicasets") ?? 0;
    const total = [...cluster.writes.values()].reduce((sum, one) => sum + one) - statuses;
    process.stderr.write(
      `1000 pods: bound ${Math.round(bound)} ms, ready ${Math.round(ready)} ms, ${statuses} statuses\n`,
    );
    expect(total / 1000).toBeLessThanOrEqual(4.02);
    expect(statuses).toBeLessThan(11 + ready / 100);
  }, 60_000);
});
