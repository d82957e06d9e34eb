import { afterEach, describe, expect, test } from "vitest";
import { MemoryCluster, template, until } from "../../test/support/memory-cluster.ts";
import { isReason } from "../client/client.ts";
import type { ConfigMap, Deployment, Lease, Pod } from "../client/kinds.ts";
import {
  CONFIG_MAPS,
  DEPLOYMENTS,
  EVENTS,
  LEASES,
  NAMESPACES,
  NODES,
  PODS,
  REPLICA_SETS,
  SERVICE_ACCOUNTS,
} from "../client/kinds.ts";
import type { KubeObject, ResourceType } from "../client/objects.ts";
import { refusalText } from "./scheduling-rules.ts";

let cluster: MemoryCluster;
afterEach(() => cluster.stop());

const at = { namespace: "default", name: "web" };

function deployment(namespace = "default"): Deployment {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web", namespace },
    spec: { replicas: 2, selector: { matchLabels: { app: "web" } }, template: template("web") },
  };
}

async function isGone(type: ResourceType, name: string, namespace = "default"): Promise<boolean> {
  try {
    await cluster.client.get(type as ResourceType<KubeObject>, { namespace, name });
    return false;
  } catch (error) {
    return isReason(error, "NotFound");
  }
}

function configMap(name: string, owners: readonly KubeObject[], block = false): ConfigMap {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: {
      name,
      namespace: "default",
      ownerReferences: owners.map(({ apiVersion, kind, metadata }) => ({
        apiVersion,
        kind,
        name: metadata.name,
        uid: metadata.uid ?? "",
        ...(block && { blockOwnerDeletion: true }),
      })),
    },
  };
}

describe("a namespace", () => {
  test("has an account and the authority, and has them again when they are lost", async () => {
    cluster = await MemoryCluster.start();
    await cluster.namespace("shop");
    await until(async () => !(await isGone(SERVICE_ACCOUNTS, "default", "shop")));
    const place = { namespace: "shop", name: "kube-root-ca.crt" };
    await until(async () => !(await isGone(CONFIG_MAPS, "kube-root-ca.crt", "shop")));
    expect((await cluster.client.get(CONFIG_MAPS, place)).data).toEqual({ "ca.crt": "PEM" });
    await cluster.client.patch(CONFIG_MAPS, place, { data: { "ca.crt": "other" } }, { type: "merge" });
    await until(async () => (await cluster.client.get(CONFIG_MAPS, place)).data?.["ca.crt"] === "PEM");
    await cluster.client.delete(SERVICE_ACCOUNTS, { namespace: "shop", name: "default" });
    await until(async () => !(await isGone(SERVICE_ACCOUNTS, "default", "shop")));
  });

  test("that is deleted is emptied and goes", async () => {
    cluster = await MemoryCluster.start();
    await cluster.namespace("shop");
    await cluster.client.create(DEPLOYMENTS, deployment("shop"));
    await until(async () => (await cluster.pods("app=web", "shop")).length === 2);
    await cluster.client.delete(NAMESPACES, { name: "shop" });
    await until(() => isGone(NAMESPACES as ResourceType, "shop"));
    for (const type of cluster.resources().filter(({ namespaced }) => namespaced))
      expect((await cluster.client.list(type, { namespace: "shop" })).items).toEqual([]);
    expect(cluster.lines).toEqual([]);
  });
});

test("a namespace stays as long as anything in it is held, and says what", async () => {
  cluster = await MemoryCluster.start();
  await cluster.namespace("shop");
  for (const name of ["a", "b"]) {
    const metadata = { name, namespace: "shop", finalizers: ["example.com/hold"] };
    await cluster.client.create(CONFIG_MAPS, { apiVersion: "v1", kind: "ConfigMap", metadata });
  }
  await cluster.client.delete(NAMESPACES, { name: "shop" });
  const conditions = await until(async () => {
    const { status } = await cluster.client.get(NAMESPACES, { name: "shop" });
    return (status?.conditions ?? []).length === 2 && status?.conditions;
  });
  expect(conditions.map(({ type, status, message }) => `${type} ${status}: ${message}`)).toEqual([
    "NamespaceContentRemaining True: Some resources are remaining: configmaps. has 2 resource instances",
    "NamespaceFinalizersRemaining True: Some content in the namespace has finalizers remaining: example.com/hold in 2 resource instances",
  ]);
  const free = { metadata: { finalizers: null } };
  await cluster.client.patch(CONFIG_MAPS, { namespace: "shop", name: "a" }, free, { type: "merge" });
  await new Promise((resolve) => setTimeout(resolve, 600));
  expect((await cluster.client.get(NAMESPACES, { name: "shop" })).status?.phase).toBe("Terminating");
  await cluster.client.patch(CONFIG_MAPS, { namespace: "shop", name: "b" }, free, { type: "merge" });
  await until(() => isGone(NAMESPACES as ResourceType, "shop"));
  expect(cluster.lines).toEqual([]);
});

describe("what is owned", () => {
  test("goes after its owner in the background", async () => {
    cluster = await MemoryCluster.start();
    await cluster.client.create(DEPLOYMENTS, deployment());
    await until(async () => (await cluster.pods("app=web")).length === 2);
    await cluster.client.delete(DEPLOYMENTS, at, { propagationPolicy: "Background" });
    await until(async () => (await cluster.pods("app=web")).length === 0);
    expect((await cluster.client.list(REPLICA_SETS, {})).items).toEqual([]);
  });

  test("goes before its owner in the foreground", async () => {
    cluster = await MemoryCluster.start();
    await cluster.client.create(DEPLOYMENTS, deployment());
    await until(async () => (await cluster.pods("app=web")).length === 2);
    await cluster.client.delete(DEPLOYMENTS, at, { propagationPolicy: "Foreground" });
    await until(async () => {
      const left = (await cluster.pods("app=web")).length;
      if (await isGone(DEPLOYMENTS as ResourceType, "web")) {
        expect(left).toBe(0);
        return true;
      }
      return false;
    });
  });

  test("is left without an owner, when that is asked for", async () => {
    cluster = await MemoryCluster.start();
    await cluster.client.create(DEPLOYMENTS, deployment());
    await until(async () => (await cluster.pods("app=web")).length === 2);
    await cluster.client.delete(DEPLOYMENTS, at, { propagationPolicy: "Orphan" });
    await until(() => isGone(DEPLOYMENTS as ResourceType, "web"));
    const [set] = (await cluster.client.list(REPLICA_SETS, {})).items;
    expect(set?.metadata.ownerReferences ?? []).toEqual([]);
    expect(await cluster.pods("app=web")).toHaveLength(2);
    await cluster.client.create(DEPLOYMENTS, deployment());
    await until(async () => {
      const sets = (await cluster.client.list(REPLICA_SETS, {})).items;
      return sets.length === 1 && sets[0]?.metadata.ownerReferences?.[0]?.name === "web";
    });
  });

  test("of an owner that never was is removed, and of two owners outlives one", async () => {
    cluster = await MemoryCluster.start();
    const one = await cluster.client.create(CONFIG_MAPS, configMap("one", []));
    const two = await cluster.client.create(CONFIG_MAPS, configMap("two", []));
    const lost = { ...one, metadata: { ...one.metadata, uid: "no-such-uid" } };
    await cluster.client.create(CONFIG_MAPS, configMap("lost", [lost]));
    await cluster.client.create(CONFIG_MAPS, configMap("both", [one, two]));
    await until(() => isGone(CONFIG_MAPS as ResourceType, "lost"));
    await cluster.client.delete(CONFIG_MAPS, one.metadata);
    await until(async () => {
      const both = await cluster.client.get(CONFIG_MAPS, { namespace: "default", name: "both" });
      return both.metadata.ownerReferences?.length === 1;
    });
    await cluster.client.delete(CONFIG_MAPS, two.metadata);
    await until(() => isGone(CONFIG_MAPS as ResourceType, "both"));
  });
});

describe("a node that is not heard of", () => {
  const place = { namespace: "kube-node-lease", name: "node1" };
  async function renew(): Promise<void> {
    const patch = { spec: { renewTime: new Date().toISOString() } };
    await cluster.client.patch(LEASES, place, patch, { type: "merge" });
  }
  async function readiness(): Promise<string | undefined> {
    const { status } = await cluster.client.get(NODES, { name: "node1" });
    return status?.conditions?.find(({ type }) => type === "Ready")?.status;
  }

  test("is unknown, loses its pods in time, and is as before when it is back", async () => {
    const nodes = { graceMs: 300 };
    cluster = await MemoryCluster.start({ machines: ["node1"], nodes });
    const lease: Lease = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: place, spec: {} };
    await cluster.client.create(LEASES, lease);
    const pod = (name: string, tolerations: object[]): Pod => ({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: "default" },
      spec: { ...template("x").spec, tolerations: tolerations as never },
    });
    const aWhile = {
      key: "node.kubernetes.io/unreachable",
      operator: "Exists",
      effect: "NoExecute",
      tolerationSeconds: 1,
    };
    await cluster.client.create(PODS, pod("leaves", [aWhile]));
    await cluster.client.create(PODS, pod("stays", [{ operator: "Exists" }]));
    await until(async () => (await cluster.pods()).every(({ status }) => status?.phase === "Running"));
    await until(async () => (await readiness()) === "Unknown");
    const taints = await until(async () => {
      const { spec } = await cluster.client.get(NODES, { name: "node1" });
      return spec?.taints?.length === 2 && spec.taints;
    });
    expect(taints.map(({ key, effect }) => `${key}:${effect}`)).toEqual([
      "node.kubernetes.io/unreachable:NoSchedule",
      "node.kubernetes.io/unreachable:NoExecute",
    ]);
    await until(async () => (await cluster.pods()).map(({ metadata }) => metadata.name).join() === "stays");
    const timer = setInterval(() => void renew(), 50);
    await until(async () => (await readiness()) === "True");
    await until(
      async () => ((await cluster.client.get(NODES, { name: "node1" })).spec?.taints ?? []).length === 0,
    );
    await until(async () => {
      const [stays] = await cluster.pods();
      return stays?.status?.conditions?.find(({ type }) => type === "Ready")?.status === "True";
    });
    clearInterval(timer);
    expect(cluster.lines).toEqual([]);
  });

  test("and is deleted takes its pods with it", async () => {
    cluster = await MemoryCluster.start({ machines: ["node1"], nodes: { graceMs: 200 } });
    const metadata = { name: "one", namespace: "default" };
    await cluster.client.create(PODS, { apiVersion: "v1", kind: "Pod", metadata, spec: template("x").spec });
    await until(async () => (await cluster.pods())[0]?.spec.nodeName);
    await cluster.client.delete(NODES, { name: "node1" });
    await until(async () => (await cluster.pods()).length === 0);
  });
});

describe("the scheduler", () => {
  test("says why there is no node, and tries again when there is one", async () => {
    cluster = await MemoryCluster.start();
    const metadata = { name: "one", namespace: "default" };
    const spec = { ...template("x").spec, nodeSelector: { disk: "fast" } };
    await cluster.client.create(PODS, { apiVersion: "v1", kind: "Pod", metadata, spec });
    const condition = await until(async () =>
      (await cluster.pods())[0]?.status?.conditions?.find(({ type }) => type === "PodScheduled"),
    );
    expect(condition).toMatchObject({
      status: "False",
      reason: "Unschedulable",
      message: "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.",
    });
    await until(async () =>
      (await cluster.client.list(EVENTS, {})).items.some(({ reason }) => reason === "FailedScheduling"),
    );
    await cluster.client.patch(
      NODES,
      { name: "node2" },
      { metadata: { labels: { disk: "fast" } } },
      { type: "merge" },
    );
    await until(async () => (await cluster.pods())[0]?.spec.nodeName === "node2");
    await until(async () =>
      (await cluster.client.list(EVENTS, {})).items.some(
        ({ message }) => message === "Successfully assigned default/one to node2",
      ),
    );
  });

  test("fills no node beyond what it has, and goes on when there is room again", async () => {
    cluster = await MemoryCluster.start();
    const spec = {
      containers: [{ name: "main", image: "x", resources: { requests: { cpu: "5", memory: "1Gi" } } }],
    };
    for (const name of ["a", "b", "c"])
      await cluster.client.create(PODS, {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name, namespace: "default" },
        spec,
      });
    await until(async () => {
      const pods = await cluster.pods();
      const refused = pods.find(({ status }) => status?.conditions?.[0]?.reason === "Unschedulable");
      return refused?.status?.conditions?.[0]?.message === "0/2 nodes are available: 2 Insufficient cpu.";
    });
    const bound = (await cluster.pods()).filter((pod) => pod.spec.nodeName);
    expect(new Set(bound.map((pod) => pod.spec.nodeName)).size).toBe(2);
    await cluster.client.delete(PODS, bound[0]?.metadata ?? at, { gracePeriodSeconds: 0 });
    await until(async () => (await cluster.pods()).every((pod) => pod.spec.nodeName));
  });

  test("keeps apart what wants to be apart, and spreads what is to be spread", async () => {
    cluster = await MemoryCluster.start({ machines: ["node1", "node2", "node3"] });
    const term = { labelSelector: { matchLabels: { app: "web" } }, topologyKey: "kubernetes.io/hostname" };
    const affinity = { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } };
    const apart = template("web");
    await cluster.client.create(REPLICA_SETS, {
      apiVersion: "apps/v1",
      kind: "ReplicaSet",
      metadata: { ...at },
      spec: {
        replicas: 4,
        selector: { matchLabels: { app: "web" } },
        template: { ...apart, spec: { ...apart.spec, affinity } },
      },
    });
    await until(async () =>
      (await cluster.pods("app=web")).some(
        ({ status }) => status?.conditions?.[0]?.reason === "Unschedulable",
      ),
    );
    const nodes = (await cluster.pods("app=web")).flatMap(({ spec }) => spec.nodeName ?? []);
    expect(nodes.sort()).toEqual(["node1", "node2", "node3"]);
    const even = template("even");
    const topologySpreadConstraints = [
      {
        maxSkew: 1,
        topologyKey: "kubernetes.io/hostname",
        whenUnsatisfiable: "DoNotSchedule",
        labelSelector: { matchLabels: { app: "even" } },
      },
    ];
    await cluster.client.create(REPLICA_SETS, {
      apiVersion: "apps/v1",
      kind: "ReplicaSet",
      metadata: { name: "even", namespace: "default" },
      spec: {
        replicas: 6,
        selector: { matchLabels: { app: "even" } },
        template: { ...even, spec: { ...even.spec, topologySpreadConstraints } },
      },
    });
    await until(
      async () => (await cluster.pods("app=even")).filter(({ spec }) => spec.nodeName).length === 6,
    );
    const spread = (await cluster.pods("app=even")).map(({ spec }) => spec.nodeName).sort();
    expect(spread).toEqual(["node1", "node1", "node2", "node2", "node3", "node3"]);
  });

  test("follows wishes where they can be had: near whom a pod likes, far from its like", async () => {
    cluster = await MemoryCluster.start({ machines: ["node1", "node2", "node3"] });
    const put = (name: string, labels: Record<string, string>, spec: object): Promise<unknown> =>
      cluster.client.create(PODS, {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name, namespace: "default", labels },
        spec: { ...template("any").spec, ...spec },
      } as Pod);
    const nodeOf = async (name: string): Promise<string> => {
      let node: string | undefined;
      await until(async () => {
        node = (await cluster.client.get(PODS, { name, namespace: "default" })).spec.nodeName;
        return node !== undefined;
      });
      return node ?? "";
    };
    for (const [place, node] of ["node1", "node2", "node3", "node3", "node3"].entries())
      await put(`there-${place}`, { app: place < 2 ? "even" : "other" }, { nodeName: node });
    const topologyKey = "kubernetes.io/hostname";
    const other = { labelSelector: { matchLabels: { app: "other" } }, topologyKey };
    const preferredDuringSchedulingIgnoredDuringExecution = [{ weight: 1, podAffinityTerm: other }];
    await put("near", {}, { affinity: { podAffinity: { preferredDuringSchedulingIgnoredDuringExecution } } });
    expect(await nodeOf("near")).toBe("node3");
    const topologySpreadConstraints = [
      {
        maxSkew: 1,
        topologyKey,
        whenUnsatisfiable: "ScheduleAnyway",
        labelSelector: { matchLabels: { app: "even" } },
      },
    ];
    await put("far", { app: "even" }, { topologySpreadConstraints });
    expect(await nodeOf("far")).toBe("node3");
    await put(
      "away",
      {},
      { affinity: { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution } } },
    );
    expect(await nodeOf("away")).not.toBe("node3");
  });

  test("says so when there are no nodes at all", () => {
    expect(refusalText(new Map(), 0)).toBe("no nodes available to schedule pods");
  });
});
