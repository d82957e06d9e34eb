import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { MemoryCluster, until } from "../../test/support/memory-cluster.ts";
import type { Client, List, ListOptions } from "../client/client.ts";
import type { ConfigMap } from "../client/kinds.ts";
import { CONFIG_MAPS } from "../client/kinds.ts";
import type { KubeObject, OwnerReference, ResourceType } from "../client/objects.ts";
import { GarbageCollector } from "./garbage-collector.ts";
import { Informers } from "./informers.ts";

let cluster: MemoryCluster;
const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
  cluster.stop();
});

const owner = (name: string, uid: string): OwnerReference => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  name,
  uid,
});
const GONE = owner("gone", "no-such-uid");

function configMap(name: string, ownerReferences: OwnerReference[] = []): ConfigMap {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace: "default", ownerReferences },
  };
}

async function owners(name: string): Promise<string[]> {
  const { metadata } = await cluster.client.get(CONFIG_MAPS, { namespace: "default", name });
  return (metadata.ownerReferences ?? []).map((one) => one.name);
}

/** Its methods as fields, so that some of them can be replaced. */
function bound(client: Client): Client {
  return {
    get: (type, at) => client.get(type, at),
    list: (type, options) => client.list(type, options),
    create: (type, object) => client.create(type, object),
    update: (type, object) => client.update(type, object),
    patch: (type, at, patch, options) => client.patch(type, at, patch, options),
    delete: (type, at, options) => client.delete(type, at, options),
    watch: (type, options) => client.watch(type, options),
  };
}

/** A collector whose informers believe that an object's owners are others than they are. */
function collectorWhoBelieves(name: string, believed: OwnerReference[]): void {
  const client = cluster.clientOf("garbage");
  const stale: Client = {
    ...bound(client),
    list: async <T extends KubeObject>(type: ResourceType<T>, options?: ListOptions): Promise<List<T>> => {
      const list = await client.list(type, options);
      const items = list.items.map((item) =>
        item.metadata.name === name
          ? { ...item, metadata: { ...item.metadata, ownerReferences: believed } }
          : item,
      );
      return { ...list, items };
    },
  };
  const informers = new Informers(stale, () => undefined);
  const context = { informers, client: () => stale, log: () => undefined, now: Date.now };
  const collector = new GarbageCollector(context, () => [CONFIG_MAPS]);
  ends.push(() => {
    collector.stop();
    informers.stop();
  });
}

describe("what the informers have not heard of", () => {
  test("an object that is nobody's any more stays", async () => {
    cluster = await MemoryCluster.start({ isBare: true });
    await cluster.client.create(CONFIG_MAPS, configMap("free"));
    collectorWhoBelieves("free", [GONE]);
    await sleep(200);
    expect(await owners("free")).toEqual([]);
  });

  test("an owner that was added stays, when another is taken away", async () => {
    cluster = await MemoryCluster.start({ isBare: true });
    const one = await cluster.client.create(CONFIG_MAPS, configMap("one"));
    const two = await cluster.client.create(CONFIG_MAPS, configMap("two"));
    const [first, second] = [owner("one", one.metadata.uid ?? ""), owner("two", two.metadata.uid ?? "")];
    await cluster.client.create(CONFIG_MAPS, configMap("both", [first, second, GONE]));
    collectorWhoBelieves("both", [first, GONE]);
    await until(async () => (await owners("both")).join() === "one,two");
  });

  test("an owner without a uid is no reason to delete", async () => {
    cluster = await MemoryCluster.start({ isBare: true });
    const client = cluster.clientOf("garbage");
    await client.create(CONFIG_MAPS, configMap("odd"));
    const get = client.get.bind(client);
    cluster.clientOf = () => ({
      ...bound(client),
      get: async (type, at) => {
        const object = await get(type, at);
        if (at.name === "odd") object.metadata.ownerReferences = [owner("none", "")];
        return object;
      },
    });
    collectorWhoBelieves("odd", [owner("none", "")]);
    await sleep(200);
    expect((await get(CONFIG_MAPS, { namespace: "default", name: "odd" })).metadata.name).toBe("odd");
  });
});
