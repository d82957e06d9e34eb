import { afterEach, describe, expect, test } from "vitest";
import { MemoryCluster, template, until } from "../../test/support/memory-cluster.ts";
import type { EndpointSlice, Endpoints, Pod, ReplicaSet, Service } from "../client/kinds.ts";
import { ENDPOINT_SLICES, ENDPOINTS, PODS, REPLICA_SETS, SERVICES } from "../client/kinds.ts";
import { DISRUPTION_BUDGETS } from "./disruption-budget.ts";
import { MAX_ENDPOINTS, planSlices } from "./slice-plan.ts";

let cluster: MemoryCluster;
afterEach(() => cluster.stop());

const at = { namespace: "default", name: "web" };

function replicaSet(replicas: number): ReplicaSet {
  return {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: { ...at },
    spec: { replicas, selector: { matchLabels: { app: "web" } }, template: template("web") },
  };
}

function service(spec: object = {}, name = "web"): Service {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: "default" },
    spec: { selector: { app: "web" }, ports: [{ port: 80, targetPort: "http" }], ...spec },
  };
}

async function slices(): Promise<readonly EndpointSlice[]> {
  return (await cluster.client.list(ENDPOINT_SLICES, { labelSelector: "kubernetes.io/service-name=web" }))
    .items;
}

async function ready(): Promise<number> {
  const all = (await slices()).flatMap(({ endpoints }) => endpoints);
  return all.filter(({ conditions }) => conditions?.ready).length;
}

describe("endpoint slices", () => {
  test("follow the pods' readiness, with ports by name", async () => {
    cluster = await MemoryCluster.start();
    await cluster.client.create(SERVICES, service());
    await until(async () => (await slices()).length === 1);
    await cluster.client.create(REPLICA_SETS, replicaSet(2));
    await until(async () => (await ready()) === 2);
    const [slice] = await slices();
    expect(slice).toMatchObject({
      addressType: "IPv4",
      ports: [{ name: "", port: 8080, protocol: "TCP" }],
      metadata: { labels: { "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io" } },
    });
    expect(slice?.metadata.name).toMatch(/^web-[a-z0-9]{5}$/);
    expect(slice?.endpoints[0]).toMatchObject({
      conditions: { ready: true, serving: true, terminating: false },
      targetRef: { kind: "Pod" },
    });
    const [pod] = await cluster.pods("app=web");
    await cluster.tellFate(pod as Pod, "unready");
    await until(async () => (await ready()) === 1);
    await until(async () => {
      const { subsets } = await cluster.client.get(ENDPOINTS, at);
      return subsets?.[0]?.addresses?.length === 1 && subsets[0].notReadyAddresses?.length === 1;
    });
    await cluster.client.delete(SERVICES, at);
    await until(async () => (await slices()).length === 0);
    await until(async () => (await cluster.client.list(ENDPOINTS, {})).items.length === 0);
    expect(cluster.lines).toEqual([]);
  });

  test("hold a hundred endpoints each and are written seldom", async () => {
    cluster = await MemoryCluster.start();
    await cluster.client.create(SERVICES, service());
    await cluster.client.create(REPLICA_SETS, replicaSet(250));
    await until(async () => (await ready()) === 250, 10_000);
    const sizes = (await slices()).map(({ endpoints }) => endpoints.length);
    expect(sizes.length).toBeLessThanOrEqual(4);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(MAX_ENDPOINTS);
    expect(cluster.writes.get("endpointslices")).toBeLessThan(60);
  });

  test("are not rewritten when one of many changes", () => {
    const endpoint = (name: number): EndpointSlice["endpoints"][number] => ({
      addresses: [`10.0.0.${name}`],
      targetRef: { uid: String(name) },
    });
    const many = (first: number, count: number): EndpointSlice["endpoints"] =>
      Array.from({ length: count }, (_, place) => endpoint(first + place));
    const slice = (name: string, endpoints: EndpointSlice["endpoints"]): EndpointSlice => ({
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { name },
      addressType: "IPv4",
      endpoints,
      ports: [],
    });
    const before = [slice("a", many(0, 100)), slice("b", many(100, 100)), slice("c", many(200, 10))];
    const plan = planSlices(before, [{ ports: [], endpoints: many(1, 210) }]);
    expect(plan.update.map(({ metadata }) => metadata.name)).toEqual(["a"]);
    expect([plan.create, plan.delete]).toEqual([[], []]);
  });

  test("know a headless Service, and pods by their host names", async () => {
    cluster = await MemoryCluster.start({ fate: () => "unready" });
    await cluster.client.create(
      SERVICES,
      service({ clusterIP: "None", publishNotReadyAddresses: true, ports: [] }),
    );
    const spec = { ...template("web").spec, hostname: "one", subdomain: "web" };
    const metadata = { name: "one", namespace: "default", labels: { app: "web" } };
    await cluster.client.create(PODS, { apiVersion: "v1", kind: "Pod", metadata, spec });
    await until(async () => (await ready()) === 1);
    const [slice] = await slices();
    expect(slice?.endpoints[0]?.hostname).toBe("one");
    expect(slice?.metadata.labels).toHaveProperty(["service.kubernetes.io/headless"], "");
  });
});

describe("load balancers", () => {
  const address = async (name: string): Promise<string | undefined> =>
    (await cluster.client.get(SERVICES, { namespace: "default", name })).status?.loadBalancer?.ingress?.[0]
      ?.ip;

  test("get addresses of the network, keep them, and give them back", async () => {
    cluster = await MemoryCluster.start({ loadBalancers: ["192.0.2.0/30"] });
    await cluster.client.create(
      SERVICES,
      service({ type: "LoadBalancer", loadBalancerIP: "192.0.2.2" }, "two"),
    );
    await until(async () => (await address("two")) === "192.0.2.2");
    await cluster.client.create(SERVICES, service({ type: "LoadBalancer" }, "one"));
    await until(async () => (await address("one")) === "192.0.2.1");
    await cluster.client.create(SERVICES, service({ type: "LoadBalancer" }, "three"));
    cluster.stopControllers();
    await cluster.startControllers();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await address("three")).toBeUndefined();
    await cluster.client.delete(SERVICES, { namespace: "default", name: "one" });
    await until(async () => (await address("three")) === "192.0.2.1");
    await cluster.client.patch(
      SERVICES,
      { namespace: "default", name: "two" },
      { spec: { type: "ClusterIP" } },
      { type: "merge" },
    );
    await until(async () => (await address("two")) === undefined);
  });
});

test("a disruption budget counts the healthy pods of what it selects", async () => {
  cluster = await MemoryCluster.start();
  await cluster.client.create(REPLICA_SETS, replicaSet(4));
  await cluster.client.create(DISRUPTION_BUDGETS, {
    apiVersion: "policy/v1",
    kind: "PodDisruptionBudget",
    metadata: { ...at },
    spec: { selector: { matchLabels: { app: "web" } }, maxUnavailable: "25%" },
  });
  const status = async (): Promise<unknown> => (await cluster.client.get(DISRUPTION_BUDGETS, at)).status;
  await until(async () => {
    const now = (await status()) as { currentHealthy?: number } | undefined;
    return now?.currentHealthy === 4;
  });
  expect(await status()).toMatchObject({ desiredHealthy: 3, expectedPods: 4, disruptionsAllowed: 1 });
  const [pod] = await cluster.pods("app=web");
  await cluster.tellFate(pod as Pod, "unready");
  await until(async () => ((await status()) as { disruptionsAllowed: number }).disruptionsAllowed === 0);
});

describe("Endpoints that somebody has written", () => {
  const endpoints = (ips: string[]): Endpoints => ({
    apiVersion: "v1",
    kind: "Endpoints",
    metadata: { ...at },
    subsets: [{ addresses: ips.map((ip) => ({ ip })), ports: [{ port: 8080 }] }],
  });

  test("are slices too, follow what is written, and end with it", async () => {
    cluster = await MemoryCluster.start();
    const { selector: _, ...spec } = service().spec;
    await cluster.client.create(SERVICES, { ...service(), spec });
    await cluster.client.create(ENDPOINTS, endpoints(["192.168.7.1", "fd00::1"]));
    await until(async () => (await slices()).length === 2);
    expect((await slices()).map(({ addressType, endpoints: all }) => [addressType, all])).toEqual([
      ["IPv4", [{ addresses: ["192.168.7.1"], conditions: { ready: true } }]],
      ["IPv6", [{ addresses: ["fd00::1"], conditions: { ready: true } }]],
    ]);
    const { metadata } = await cluster.client.get(ENDPOINTS, at);
    await cluster.client.update(ENDPOINTS, { ...endpoints(["192.168.7.2"]), metadata });
    await until(
      async () => (await slices()).map((one) => one.endpoints[0]?.addresses[0]).join() === "192.168.7.2",
    );
    await cluster.client.delete(ENDPOINTS, at, {});
    await until(async () => (await slices()).length === 0);
    expect(cluster.lines).toEqual([]);
  });

  test("are no slices where they say so", async () => {
    cluster = await MemoryCluster.start();
    const { selector: _, ...spec } = service().spec;
    await cluster.client.create(SERVICES, { ...service(), spec });
    const labels = { "endpointslice.kubernetes.io/skip-mirror": "true" };
    const skipped = endpoints(["192.168.7.1"]);
    await cluster.client.create(ENDPOINTS, { ...skipped, metadata: { ...skipped.metadata, labels } });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await slices()).toEqual([]);
  });
});
