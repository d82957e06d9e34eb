import { afterEach, describe, expect, test } from "vitest";
import { MemoryCluster, template, until } from "../../test/support/memory-cluster.ts";
import type { DaemonSet, Pod, StatefulSet } from "../client/kinds.ts";
import { DAEMON_SETS, PODS, STATEFUL_SETS } from "../client/kinds.ts";
import type { ResourceType } from "../client/objects.ts";
import { CONTROLLER_REVISIONS, type ControllerRevision, templateOf } from "./controller-revisions.ts";

let cluster: MemoryCluster;
afterEach(() => cluster.stop());

const at = { namespace: "default", name: "web" };

function statefulSet(spec: object = {}): StatefulSet {
  return {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: { ...at, annotations: { "kubernetes.io/change-cause": "first" } },
    spec: {
      replicas: 3,
      serviceName: "web",
      podManagementPolicy: "Parallel",
      selector: { matchLabels: { app: "web" } },
      template: template("web"),
      ...spec,
    },
  };
}

const daemonSet = (rollingUpdate: object): DaemonSet => ({
  apiVersion: "apps/v1",
  kind: "DaemonSet",
  metadata: { ...at },
  spec: {
    selector: { matchLabels: { app: "web" } },
    template: template("web"),
    updateStrategy: { type: "RollingUpdate", rollingUpdate },
  },
});

async function setImage(
  type: ResourceType<StatefulSet> | ResourceType<DaemonSet>,
  image: string,
): Promise<void> {
  const patch = { spec: { template: { spec: { containers: [{ name: "main", image }] } } } };
  await cluster.client.patch(type as ResourceType, at, patch, { type: "strategic" });
}

async function revisions(): Promise<readonly ControllerRevision[]> {
  const { items } = await cluster.client.list(CONTROLLER_REVISIONS, { namespace: "default" });
  return [...items].sort((a, b) => a.revision - b.revision);
}

const history = async (): Promise<string[]> =>
  (await revisions()).map((one) => `${one.revision} ${templateOf(one).spec?.containers[0]?.image}`);

const images = async (): Promise<(string | undefined)[]> =>
  [...(await cluster.pods("app=web"))]
    .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
    .map(({ spec }) => spec.containers[0]?.image);

async function isSettled(): Promise<boolean> {
  const { status, metadata } = await cluster.client.get(STATEFUL_SETS, at);
  return (
    status?.observedGeneration === metadata.generation &&
    status?.readyReplicas === 3 &&
    status.currentRevision === status.updateRevision
  );
}

describe("a StatefulSet's templates", () => {
  test("below the partition a pod comes back as it was", async () => {
    cluster = await MemoryCluster.start();
    const updateStrategy = { type: "RollingUpdate", rollingUpdate: { partition: 2 } };
    await cluster.client.create(STATEFUL_SETS, statefulSet({ updateStrategy }));
    await until(isSettled);
    await setImage(STATEFUL_SETS, "nginx:2");
    await until(async () => (await cluster.client.get(STATEFUL_SETS, at)).status?.updatedReplicas === 1);
    const { metadata } = await cluster.client.get(PODS, { namespace: "default", name: "web-0" });
    await cluster.client.delete(PODS, metadata);
    await until(async () => {
      const pod = (await cluster.pods("app=web")).find(({ metadata: { name } }) => name === "web-0");
      return pod && pod.metadata.uid !== metadata.uid;
    });
    await until(async () => (await images()).join() === "nginx:1,nginx:1,nginx:2");
    const { status } = await cluster.client.get(STATEFUL_SETS, at);
    const [first, second] = await revisions();
    expect(status).toMatchObject({
      currentRevision: first?.metadata.name,
      updateRevision: second?.metadata.name,
    });
    expect(cluster.lines).toEqual([]);
  });

  test("are kept in order, so many of them, and one that comes again is the last", async () => {
    cluster = await MemoryCluster.start();
    await cluster.client.create(STATEFUL_SETS, statefulSet({ revisionHistoryLimit: 1 }));
    await until(isSettled);
    const [first] = await revisions();
    expect(first).toMatchObject({
      metadata: {
        labels: { app: "web" },
        annotations: { "kubernetes.io/change-cause": "first" },
        ownerReferences: [{ kind: "StatefulSet", name: "web", controller: true }],
      },
      data: { spec: { template: { $patch: "replace" } } },
      revision: 1,
    });
    await setImage(STATEFUL_SETS, "nginx:2");
    await until(isSettled);
    expect(await history()).toEqual(["1 nginx:1", "2 nginx:2"]);
    // As `kubectl rollout undo` does.
    await cluster.client.patch(STATEFUL_SETS, at, first?.data, { type: "strategic" });
    await until(async () => (await images()).every((image) => image === "nginx:1") && (await isSettled()));
    await until(async () => (await history()).join() === "2 nginx:2,3 nginx:1");
    await setImage(STATEFUL_SETS, "nginx:3");
    await until(isSettled);
    await until(async () => (await history()).join() === "3 nginx:1,4 nginx:3");
    expect(cluster.lines).toEqual([]);
  });
});

describe("a DaemonSet", () => {
  async function roll(rollingUpdate: object): Promise<{ fewest: number; most: number }> {
    cluster = await MemoryCluster.start({ machines: ["a", "b", "c"] });
    await cluster.client.create(DAEMON_SETS, daemonSet(rollingUpdate));
    await until(async () => (await cluster.client.get(DAEMON_SETS, at)).status?.numberAvailable === 3);
    await setImage(DAEMON_SETS, "nginx:2");
    let fewest = 3;
    let most = 3;
    await until(async () => {
      const pods = await cluster.pods("app=web");
      const working = pods.filter(
        ({ status, metadata }: Pod) => status?.phase === "Running" && !metadata.deletionTimestamp,
      );
      fewest = Math.min(fewest, working.length);
      most = Math.max(most, pods.length);
      return pods.length === 3 && pods.every(({ spec }) => spec.containers[0]?.image === "nginx:2");
    });
    return { fewest, most };
  }

  test("with a surge and no room to be without has both pods on a node, then the new one", async () => {
    const { fewest, most } = await roll({ maxUnavailable: 0, maxSurge: 1 });
    expect(fewest).toBe(3);
    expect(most).toBeLessThanOrEqual(4);
    expect(await history()).toEqual(["1 nginx:1", "2 nginx:2"]);
    await until(async () => {
      const { status } = await cluster.client.get(DAEMON_SETS, at);
      return status?.updatedNumberScheduled === 3 && status.numberAvailable === 3;
    });
    const [, second] = await revisions();
    const [pod] = await cluster.pods("app=web");
    expect(pod?.metadata.labels?.["controller-revision-hash"]).toBe(
      second?.metadata.labels?.["controller-revision-hash"],
    );
    expect(cluster.lines).toEqual([]);
  });
});
