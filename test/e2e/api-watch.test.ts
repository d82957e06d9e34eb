/** @module The API server over HTTP: lists and watches. */
import { describe, expect, it } from "vitest";
import type { WatchEvent } from "../../src/client/client.ts";
import { Informer } from "../../src/client/informer.ts";
import { CONFIG_MAPS, NAMESPACES, PODS, type Pod } from "../../src/client/kinds.ts";
import { AS_ADMIN, configMap, controlPlaneForFile, pod, refusalOf } from "../support/control-plane.ts";

const { api, admin } = await controlPlaneForFile();

describe("lists and watches", () => {
  it("pages fit together although writes go on between them", async () => {
    await admin.create(NAMESPACES, { apiVersion: "v1", kind: "Namespace", metadata: { name: "pages" } });
    for (let index = 0; index < 7; index++)
      await admin.create(CONFIG_MAPS, {
        ...configMap(`p${index}`),
        metadata: { name: `p${index}`, namespace: "pages" },
      });
    const first = await admin.list(CONFIG_MAPS, { namespace: "pages", limit: 3 });
    await admin.create(CONFIG_MAPS, { ...configMap("p11"), metadata: { name: "p11", namespace: "pages" } });
    await admin.delete(CONFIG_MAPS, { name: "p5", namespace: "pages" });
    const second = await admin.list(CONFIG_MAPS, {
      namespace: "pages",
      limit: 10,
      continue: first.continue ?? "",
    });
    expect([...first.items, ...second.items].map(({ metadata }) => metadata.name)).toEqual([
      "p0",
      "p1",
      "p2",
      "p3",
      "p4",
      "p5",
      "p6",
    ]);
  });

  it("selectors choose; a wrong one is refused", async () => {
    await admin.create(PODS, {
      ...pod("sel-a"),
      metadata: { name: "sel-a", namespace: "default", labels: { tier: "db", env: "prod" } },
    });
    await admin.create(PODS, {
      ...pod("sel-b"),
      metadata: { name: "sel-b", namespace: "default", labels: { tier: "web" } },
    });
    const names = async (labelSelector: string, fieldSelector = ""): Promise<string[]> =>
      (await admin.list(PODS, { namespace: "default", labelSelector, fieldSelector })).items.map(
        ({ metadata }) => metadata.name,
      );
    expect(await names("tier in (db, web)")).toEqual(["sel-a", "sel-b"]);
    expect(await names("tier,env!=prod")).toEqual(["sel-b"]);
    expect(await names("tier", "metadata.name!=sel-b,status.phase=Pending")).toEqual(["sel-a"]);
    expect((await refusalOf(names("tier in db"))).code).toBe(400);
    expect((await refusalOf(names("", "spec.colour=red"))).message).toContain("field label not supported");
  });

  it("a watch tells of objects that begin and cease to match its selector", async () => {
    const abort = new AbortController();
    const events: string[] = [];
    const { resourceVersion } = await admin.list(PODS);
    const watching = (async () => {
      for await (const event of admin.watch(PODS, {
        labelSelector: "watched=yes",
        resourceVersion,
        signal: abort.signal,
      })) {
        const seen = event as Exclude<WatchEvent<Pod>, { type: "BOOKMARK" }>;
        events.push(`${seen.type} ${seen.object.metadata.name}`);
        if (events.length === 3) abort.abort();
      }
    })();
    await admin.create(PODS, pod("watched"));
    const at = { name: "watched", namespace: "default" };
    await admin.patch(PODS, at, { metadata: { labels: { watched: "yes" } } }, { type: "merge" });
    await admin.patch(PODS, at, { metadata: { labels: { more: "yes" } } }, { type: "merge" });
    await admin.patch(PODS, at, { metadata: { labels: { watched: "no" } } }, { type: "merge" });
    await watching;
    expect(events).toEqual(["ADDED watched", "MODIFIED watched", "DELETED watched"]);
  });

  it("WatchList begins with what is there, and says when that is all", async () => {
    const { text } = await api.raw({
      path: "/api/v1/nodes?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1",
      headers: AS_ADMIN,
    });
    const last = JSON.parse(text.trim().split("\n").at(-1) ?? "{}") as {
      type: string;
      object: { metadata: { annotations: object } };
    };
    expect(last.type).toBe("BOOKMARK");
    expect(last.object.metadata.annotations).toEqual({ "k8s.io/initial-events-end": "true" });
  });

  it("a watch from a version that is forgotten is told so", async () => {
    const version = (await admin.create(CONFIG_MAPS, configMap("old"))).metadata.resourceVersion ?? "";
    await admin.create(CONFIG_MAPS, configMap("older"));
    await api.plane.api.store.compact(await api.plane.api.store.revision());
    const { text } = await api.raw({
      path: `/api/v1/configmaps?watch=true&resourceVersion=${version}`,
      headers: AS_ADMIN,
    });
    expect(JSON.parse(text.trim())).toMatchObject({
      type: "ERROR",
      object: { code: 410, reason: "Expired" },
    });
  });

  it("an informer is in step after its watch was cut", async () => {
    const informer = new Informer(admin, CONFIG_MAPS, { namespace: "pages" }).start();
    await informer.ready;
    await admin.create(CONFIG_MAPS, { ...configMap("late"), metadata: { name: "late", namespace: "pages" } });
    await expect.poll(() => informer.get("pages", "late") !== undefined).toBe(true);
    informer.stop();
  });
});
