/** @module API servers over a real etcd. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ApiError } from "../../src/client/client.ts";
import type { HttpClient } from "../../src/client/http-client.ts";
import { Informer } from "../../src/client/informer.ts";
import { CONFIG_MAPS, type ConfigMap, SERVICES, type Service } from "../../src/client/kinds.ts";
import { type Endpoint, EtcdStore } from "../../src/store/etcd-store.ts";
import type { StoreEvent } from "../../src/store/store.ts";
import { startTestControlPlane, type TestControlPlane } from "../support/control-plane.ts";
import { Etcd, hasEtcd } from "../support/etcd.ts";
import { storeConformance } from "../support/store-conformance.ts";

const isHere = hasEtcd();
let etcd: Etcd;
let clusters = 0;
beforeAll(async () => {
  if (isHere) etcd = await Etcd.start();
});
afterAll(async () => {
  if (isHere) await etcd.close();
});

const open = (prefix = `/c${clusters++}`, endpoints?: readonly Endpoint[]): Promise<EtcdStore> =>
  EtcdStore.open({ endpoints: endpoints ?? [etcd.endpoint], prefix });

async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error("it did not come to that in 15 s");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe.runIf(isHere)("etcd", () => {
  storeConformance({ name: "etcd", open: () => open() });
  storeConformance({
    name: "etcd at a Unix socket",
    open: () => open(undefined, [{ socketPath: etcd.socketPath }]),
  });

  it("two clusters in one etcd do not see each other", async () => {
    const [one, two] = [await open("/red"), await open("/red2")];
    const seen: StoreEvent[] = [];
    two.watch("/", await two.revision(), { events: (all) => seen.push(...all), failed: () => undefined });
    await one.put("/a", "1", { absent: true });
    await two.put("/b", "2", { absent: true });
    await until(() => seen.length > 0);
    expect((await two.list("/")).entries.map(({ key }) => key)).toEqual(["/b"]);
    expect(seen.map((event) => (event.type === "put" ? event.entry.key : event.key))).toEqual(["/b"]);
    await one.close();
    await two.close();
  });

  it("an endpoint that is not there is passed over", async () => {
    const store = await open(undefined, [{ host: "127.0.0.1", port: 1 }, etcd.endpoint]);
    expect(await store.put("/a", "1", { absent: true })).toMatchObject({ ok: true });
    await store.close();
  });

  it("a list of thousands comes whole, and in pages of one revision", async () => {
    const store = await open();
    const count = 10_500;
    const keys = Array.from({ length: count }, (_, index) => `/p/${String(index).padStart(6, "0")}`);
    for (let start = 0; start < count; start += 500)
      await Promise.all(keys.slice(start, start + 500).map((key) => store.put(key, "{}", { absent: true })));
    expect((await store.list("/p/")).entries.map(({ key }) => key)).toEqual(keys);
    const first = await store.list("/p/", { limit: 10_200 });
    expect(first).toMatchObject({ next: keys[10_199], remaining: 300 });
    await store.put("/p/x", "{}", { absent: true });
    const rest = await store.list("/p/", { after: first.next ?? "", revision: first.revision });
    expect(rest.entries).toHaveLength(300);
    await store.close();
  });

  it("etcd is killed and started again: writes wait for it, and watches lose nothing", async () => {
    const store = await open();
    const seen: number[] = [];
    const from = await store.revision();
    const sink = {
      events: (all: readonly StoreEvent[]) => {
        for (const event of all) if (event.type === "put") seen.push(Number(event.entry.value));
      },
      failed: () => undefined,
    };
    store.watch("/p/", from, sink);
    const writes = (async () => {
      for (let index = 0; index < 300; index++) {
        const result = await store.put(`/p/${index}`, String(index), { absent: true });
        if (!result.ok) throw new Error(`write ${index} was refused`);
      }
    })();
    await until(() => seen.length > 100);
    await etcd.kill();
    await new Promise((resolve) => setTimeout(resolve, 300));
    await etcd.run();
    await writes;
    await until(() => seen.length >= 300);
    expect(seen).toEqual(Array.from({ length: 300 }, (_, index) => index));
    await store.close();
  });
});

describe.runIf(isHere)("two API servers over one etcd", () => {
  let planes: TestControlPlane[];
  let one: HttpClient;
  let two: HttpClient;
  beforeAll(async () => {
    planes = [
      await startTestControlPlane(await open("/shared")),
      await startTestControlPlane(await open("/shared")),
    ];
    [one, two] = planes.map((plane) => plane.client("admin")) as [HttpClient, HttpClient];
  });
  afterAll(async () => {
    for (const plane of planes) await plane.close();
  });
  const configMap = (name: string, data: Record<string, string> = {}): ConfigMap => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace: "default" },
    data,
  });

  it("what one writes the other has, at once and in its watches", async () => {
    const informer = new Informer<ConfigMap>(two, CONFIG_MAPS, { namespace: "default" }).start();
    await informer.ready;
    await one.create(CONFIG_MAPS, configMap("seen", { a: "1" }));
    expect((await two.get(CONFIG_MAPS, { namespace: "default", name: "seen" })).data).toEqual({ a: "1" });
    await until(() => informer.get("default", "seen") !== undefined);
    await two.delete(CONFIG_MAPS, { namespace: "default", name: "seen" });
    await until(() => informer.get("default", "seen") === undefined);
    informer.stop();
  });

  it("of two updates of one version the second is a conflict, whoever took the first", async () => {
    const made = await one.create(CONFIG_MAPS, configMap("both"));
    await two.update(CONFIG_MAPS, { ...made, data: { by: "two" } });
    const error = await one
      .update(CONFIG_MAPS, { ...made, data: { by: "one" } })
      .catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ code: 409, reason: "Conflict" });
  });

  it("no two Services get one address", async () => {
    const service = (name: string): Service => ({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name, namespace: "default" },
      spec: { ports: [{ port: 80 }] },
    });
    const made = await Promise.all(
      Array.from({ length: 60 }, (_, index) =>
        (index % 2 ? one : two).create(SERVICES, service(`s${index}`)),
      ),
    );
    const addresses = made.map(({ spec }) => spec.clusterIP);
    expect(addresses).not.toContain(undefined);
    expect(new Set(addresses).size).toBe(60);
  });

  it("etcd is killed and started again: both go on, their watches too", async () => {
    const informer = new Informer<ConfigMap>(two, CONFIG_MAPS, { namespace: "default" }).start();
    await informer.ready;
    await etcd.kill();
    const write = one.create(CONFIG_MAPS, configMap("meanwhile"));
    await new Promise((resolve) => setTimeout(resolve, 200));
    await etcd.run();
    await write;
    await until(() => informer.get("default", "meanwhile") !== undefined);
    informer.stop();
  });
});
