import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { pod } from "../../test/support/control-plane.ts";
import { MemoryCluster } from "../../test/support/memory-cluster.ts";
import { PODS } from "../client/kinds.ts";
import type { KubeObject } from "../client/objects.ts";
import { PRIORITY_CLASSES } from "./default-priority.ts";

const CLASSES = {
  group: "scheduling.k8s.io",
  version: "v1",
  kind: "PriorityClass",
  plural: "priorityclasses",
  namespaced: false,
};

let cluster: MemoryCluster;
beforeEach(async () => {
  cluster = await MemoryCluster.start({ isBare: true });
});
afterEach(() => cluster.stop());

const usual = {
  apiVersion: "scheduling.k8s.io/v1",
  kind: "PriorityClass",
  metadata: { name: "usual" },
  value: 7,
  globalDefault: true,
} as KubeObject;

async function priorityOf(name: string): Promise<unknown> {
  return (await cluster.client.create(PODS, pod(name))).spec.priority;
}

test("the default is read once, and anew when a class has changed", async () => {
  const list = vi.spyOn(cluster.api.store, "list");
  const reads = (): number => list.mock.calls.filter(([prefix]) => prefix === PRIORITY_CLASSES).length;
  for (const name of ["a", "b", "c"]) expect(await priorityOf(name)).toBe(0);
  expect(reads()).toBe(1);
  await cluster.client.create(CLASSES, usual);
  const before = reads();
  for (const name of ["d", "e"]) expect(await priorityOf(name)).toBe(7);
  expect(reads()).toBe(before + 1);
  await cluster.client.delete(CLASSES, { name: "usual" });
  expect(await priorityOf("f")).toBe(0);
});

test("a class that comes while the default is read is not missed", async () => {
  const { store } = cluster.api;
  const list = store.list.bind(store);
  vi.spyOn(store, "list").mockImplementationOnce(async (prefix, options) => {
    const answer = await list(prefix, options);
    await cluster.client.create(CLASSES, usual);
    return answer;
  });
  expect(await priorityOf("a")).toBe(0);
  expect(await priorityOf("b")).toBe(7);
});

test("it is asked for each time once nobody tells of changes any more", async () => {
  expect(await priorityOf("a")).toBe(0);
  cluster.api.close();
  await cluster.client.create(CLASSES, usual);
  expect(await priorityOf("b")).toBe(7);
});
