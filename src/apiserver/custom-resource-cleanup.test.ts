import { afterEach, expect, test, vi } from "vitest";
import { until } from "../../test/support/memory-cluster.ts";
import { MemoryStore } from "../store/memory-store.ts";
import { CustomResourceCleanup } from "./custom-resource-cleanup.ts";
import { CLEANUP } from "./kinds/custom-resource-definition.ts";
import { trackFields } from "./operations.ts";
import { define } from "./resources/define.ts";
import type { Draft } from "./served.ts";
import { Storage, type StorageContext } from "./storage.ts";

const CALLER = { manager: "test", dryRun: false };
const nothing = { written: () => Promise.resolve(), undone: () => Promise.resolve() };
const context: StorageContext = {
  store: new MemoryStore(),
  admission: {
    create: () => Promise.resolve(nothing),
    update: () => Promise.resolve(nothing),
    release: () => Promise.resolve(),
  },
  trackFields,
  now: () => new Date(),
};
const definitions = new Storage(
  define({ group: "b.example", kind: "Definition", plural: "definitions", cluster: true }),
  context,
);
const odds = new Storage(define({ group: "a.example", kind: "Odd", plural: "odds", cluster: true }), context);
const cleanup = new CustomResourceCleanup({ definitions, storageOf: () => odds });
afterEach(() => cleanup.stop());

async function make(storage: Storage, name: string, finalizers: string[]): Promise<Draft> {
  const { group, version, kind } = storage.resource;
  const object = { apiVersion: `${group}/${version}`, kind, metadata: { name, finalizers } };
  return JSON.parse((await storage.create(object as Draft, CALLER)).value) as Draft;
}

test("objects behind many that are held go all the same, and those are told once", async () => {
  for (let number = 0; number < 501; number++) await make(odds, `held${number}`, ["a.example/b"]);
  for (let number = 0; number < 3; number++) await make(odds, `zfree${number}`, []);
  await make(definitions, "odds.a.example", [CLEANUP]);
  const at = { namespace: undefined, name: "odds.a.example" };
  const deletions = vi.spyOn(odds, "delete");
  cleanup.see((await definitions.delete(at, {}, CALLER)).object);
  const isGone = async (prefix: string): Promise<boolean> =>
    !(await context.store.list("/registry/")).entries.some(({ key }) => key.includes(prefix));
  await until(() => isGone("zfree"));
  await new Promise((resolve) => setTimeout(resolve, 600));
  expect(deletions).toHaveBeenCalledTimes(504);
  expect(await isGone("definitions")).toBe(false);
  for (let number = 0; number < 501; number++)
    await odds.change(
      { namespace: undefined, name: `held${number}` },
      (now) => {
        now.metadata.finalizers = [];
        return now;
      },
      CALLER,
    );
  await until(() => isGone("definitions"));
});
