import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { NodeStorage, type StoringPod } from "./node-storage.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), "tortie-node."));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function storing(name: string, bytes: number, priority: number, evicted: string[]): StoringPod {
  const own = path.join(directory, name);
  mkdirSync(path.join(own, "volumes/data"), { recursive: true });
  writeFileSync(path.join(own, "volumes/data/x"), Buffer.alloc(bytes, 1));
  return {
    pod: {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name },
      spec: { priority, volumes: [{ name: "data", emptyDir: {} }], containers: [{ name: "c" }] },
    },
    worker: {
      storage: () => ({ directory: own, roots: new Map() }),
      evict: (pod, message) => void evicted.push(`${pod.metadata.name}: ${message}`),
    },
  };
}

/** @returns who is evicted from a node with room for so much, and what is said of its disk */
async function look(
  capacityBytes: number,
  pods: readonly (readonly [name: string, bytes: number, priority: number])[],
): Promise<{ readonly evicted: string[]; readonly pressures: (string | undefined)[] }> {
  const evicted: string[] = [];
  const pressures: (string | undefined)[] = [];
  const all = pods.map(([name, bytes, priority]) => storing(name, bytes, priority, evicted));
  const storage = new NodeStorage({
    directory,
    capacityBytes,
    pods: () => all,
    pressure: (message) => pressures.push(message),
    onError: (error) => evicted.push(String(error)),
  });
  await storage.look();
  return { evicted, pressures };
}

const PODS = [
  ["small", 500_000, 0],
  ["large", 2_000_000, 0],
  ["important", 4_000_000, 1000],
  ["critical", 8_000_000, 2_000_000_000],
] as const;

test("with room for all, all stay", async () => {
  expect(await look(100_000_000, PODS)).toEqual({ evicted: [], pressures: [] });
});

test("without room, who keeps most of those with the lowest priority goes", async () => {
  const { evicted, pressures } = await look(100_000, PODS);
  expect(evicted).toHaveLength(1);
  expect(evicted[0]).toMatch(
    /^large: The node was low on resource: ephemeral-storage\. Threshold quantity: 100000, used: /,
  );
  expect(pressures).toHaveLength(1);
});

test("what is critical to the cluster stays", async () => {
  expect((await look(100_000, [PODS[3]])).evicted).toEqual([]);
});

test("who keeps next to nothing stays: the disk is full of something else", async () => {
  const { evicted, pressures } = await look(100_000, [PODS[0]]);
  expect(evicted).toEqual([]);
  expect(pressures).toHaveLength(1);
});
