import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { pod, refusalOf } from "../../test/support/control-plane.ts";
import { MemoryCluster } from "../../test/support/memory-cluster.ts";
import { PODS } from "../client/kinds.ts";
import { DISRUPTION_BUDGETS, type DisruptionBudget } from "../controllers/disruption-budget.ts";
import { errors } from "./status-error.ts";

let cluster: MemoryCluster;
beforeEach(async () => {
  cluster = await MemoryCluster.start({ isBare: true });
  await cluster.tellFate(await cluster.client.create(PODS, pod("web")), "ready");
});
afterEach(() => cluster.stop());

async function budget(name: string, status: object): Promise<void> {
  const spec = { minAvailable: 1, selector: { matchLabels: { app: "web" } } };
  const made = await cluster.client.create(DISRUPTION_BUDGETS, {
    apiVersion: "policy/v1",
    kind: "PodDisruptionBudget",
    metadata: { name, namespace: "default" },
    spec,
  });
  const counted = { currentHealthy: 2, desiredHealthy: 1, expectedPods: 2, ...status };
  await cluster.client.update(DISRUPTION_BUDGETS, { ...made, status: counted } as DisruptionBudget, "status");
}

async function allowed(name: string): Promise<number | undefined> {
  const { status } = await cluster.client.get(DISRUPTION_BUDGETS, { namespace: "default", name });
  return status?.disruptionsAllowed;
}

const evict = () =>
  cluster.client.create(
    PODS,
    { kind: "Eviction", apiVersion: "policy/v1", metadata: { name: "web", namespace: "default" } } as never,
    "eviction",
  );

test("a pod of several budgets is not evicted, and none of them is charged", async () => {
  await budget("a", { disruptionsAllowed: 1, observedGeneration: 1 });
  await budget("b", { disruptionsAllowed: 0, observedGeneration: 1 });
  const error = await refusalOf(evict());
  expect([error.code, error.reason, error.message]).toEqual([
    500,
    "InternalError",
    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
  ]);
  expect(await allowed("a")).toBe(1);
});

test("what a budget allowed before it was changed counts no more", async () => {
  await budget("a", { disruptionsAllowed: 1, observedGeneration: 0 });
  const error = await refusalOf(evict());
  expect([error.code, error.message, error.details]).toMatchObject([
    429,
    "Cannot evict pod as it would violate the pod's disruption budget.",
    { causes: [{ message: "The disruption budget a is still being processed by the server." }] },
  ]);
  expect(await allowed("a")).toBe(1);
});

test.each([
  ["is given back", 0, 1],
  ["is not, where the controller has counted meanwhile", 5, 5],
])("a pod that cannot be deleted after all: its disruption %s", async (_what, counted, left) => {
  await budget("a", { disruptionsAllowed: 1, observedGeneration: 1 });
  const pods = cluster.api.storage("", "v1", "pods");
  vi.spyOn(pods as NonNullable<typeof pods>, "delete").mockImplementation(async () => {
    expect(await allowed("a")).toBe(0);
    if (counted > 0)
      await cluster.client.patch(
        DISRUPTION_BUDGETS,
        { namespace: "default", name: "a" },
        { status: { disruptionsAllowed: counted } },
        { type: "merge", subresource: "status" },
      );
    throw errors.conflict({ group: "", plural: "pods", kind: "Pod" }, "web");
  });
  expect((await refusalOf(evict())).code).toBe(409);
  expect(await allowed("a")).toBe(left);
});
