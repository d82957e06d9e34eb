/** @module The API server over HTTP: clients that mean harm, or know no better. */
import { connect } from "node:net";
import { describe, expect, it } from "vitest";
import { CONFIG_MAPS, NAMESPACES } from "../../src/client/kinds.ts";
import { AS_ADMIN, configMap, controlPlaneForFile } from "../support/control-plane.ts";

const { api, admin } = await controlPlaneForFile();

describe("bad days", () => {
  it("a body of 100 MB is refused without being read", async () => {
    const answer = await api
      .raw({
        method: "POST",
        path: "/api/v1/namespaces/default/configmaps",
        headers: {
          ...AS_ADMIN,
          "content-type": "application/json",
          "content-length": String(100 * 1024 * 1024),
        },
        body: "{",
      })
      .catch((error: Error) => ({ code: 0, text: error.message }));
    expect(answer).toMatchObject({ code: 413 });
  });

  it("a watcher that stops reading is cut off, and nobody else notices", async () => {
    await admin.create(CONFIG_MAPS, configMap("once"));
    const socket = connect(api.socketPath);
    socket.write(
      "GET /api/v1/configmaps?watch=true HTTP/1.1\r\nhost: x\r\nauthorization: Bearer admin\r\n\r\n",
    );
    await new Promise((resolve) => socket.once("data", resolve));
    socket.pause();
    const closed = new Promise((resolve) => socket.once("close", resolve));
    const before = process.memoryUsage().rss;
    const big = "x".repeat(500_000);
    for (let index = 0; index < 60; index++) {
      await admin.patch(
        CONFIG_MAPS,
        { name: "once", namespace: "default" },
        { data: { big: `${index}${big}` } },
        { type: "merge" },
      );
    }
    socket.resume();
    await closed;
    expect(process.memoryUsage().rss - before).toBeLessThan(400 * 1024 * 1024);
    await admin.patch(
      CONFIG_MAPS,
      { name: "once", namespace: "default" },
      { data: { big: null } },
      { type: "merge" },
    );
  });

  it("a thousand clients that connect and say nothing keep nobody out", async () => {
    const silent = await Promise.all(
      Array.from(
        { length: 1000 },
        () =>
          new Promise<ReturnType<typeof connect>>((resolve) => {
            const socket = connect(api.socketPath, () => resolve(socket));
            socket.on("error", () => resolve(socket));
          }),
      ),
    );
    expect((await admin.list(NAMESPACES)).items.length).toBeGreaterThan(0);
    for (const socket of silent) socket.destroy();
  });

  it("what is no JSON, no known type and no path is refused with a Status", async () => {
    const headers = { ...AS_ADMIN, "content-type": "application/json" };
    expect(
      (await api.raw({ method: "POST", path: "/api/v1/namespaces/default/configmaps", headers, body: "{" }))
        .code,
    ).toBe(400);
    expect(
      (
        await api.raw({
          method: "POST",
          path: "/api/v1/namespaces/default/configmaps",
          headers: { ...AS_ADMIN, "content-type": "text/plain" },
          body: "x",
        })
      ).code,
    ).toBe(415);
    expect((await api.raw({ path: "/apis/nobody.example/v1/things", headers: AS_ADMIN })).code).toBe(404);
    expect((await api.raw({ method: "DELETE", path: "/api/v1/namespaces", headers: AS_ADMIN })).code).toBe(
      405,
    );
  });
});

describe("little that becomes much", () => {
  const patch = (body: unknown, type = "json-patch+json") =>
    api.raw({
      method: "PATCH",
      path: "/api/v1/namespaces/default/configmaps/bomb?fieldManager=me",
      headers: { ...AS_ADMIN, "content-type": `application/${type}` },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });

  it("copies of copies are refused before they are made", async () => {
    await admin.create(CONFIG_MAPS, configMap("bomb", { a: "x".repeat(1000) }));
    const copies = Array.from({ length: 40 }, (_, index) => ({
      op: "copy",
      from: "/data",
      path: `/data/d${index}`,
    }));
    const answer = await patch(copies);
    expect([answer.code, answer.text.includes("exceeding the limit 3145728")]).toEqual([422, true]);
    const tests = Array.from({ length: 10_001 }, () => ({ op: "test", path: "/kind", value: "ConfigMap" }));
    expect((await patch(tests)).code).toBe(413);
    expect((await patch(tests.slice(1))).code).toBe(200);
  });

  it("a document of 10,000 operations on a wide object keeps nobody waiting", async () => {
    const data = Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`k${index}`, ""]));
    await admin.create(CONFIG_MAPS, configMap("wide", data));
    const began = Date.now();
    const answer = await api.raw({
      method: "PATCH",
      path: "/api/v1/namespaces/default/configmaps/wide",
      headers: { ...AS_ADMIN, "content-type": "application/json-patch+json" },
      body: JSON.stringify(
        Array.from({ length: 10_000 }, (_, index) => ({
          op: "replace",
          path: `/data/k${index}`,
          value: "v",
        })),
      ),
    });
    expect([answer.code, Date.now() - began < 3000]).toEqual([200, true]);
  });

  it("aliases of aliases are refused before they are written out", async () => {
    const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
    for (let level = 1; level < 10; level++)
      lines.push(`a${level}: &a${level} [${Array.from({ length: 10 }, () => `*a${level - 1}`).join(", ")}]`);
    const body = `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bomb}\ndata: {}\n${lines.join("\n")}\n`;
    const answer = await patch(body, "apply-patch+yaml");
    expect(answer.code).toBe(413);
    expect(
      (
        await patch(
          "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bomb}\ndata: {a: &x b, c: *x}",
          "apply-patch+yaml",
        )
      ).code,
    ).not.toBe(413);
  });
});

describe("a watcher that begins far behind", () => {
  /** All lines of a watch until `last`, read slowly. */
  const follow = (path: string, isLast: (text: string) => boolean): Promise<number> =>
    new Promise((resolve, reject) => {
      const socket = connect(api.socketPath);
      let length = 0;
      let tail = "";
      socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer admin\r\n\r\n`);
      socket.on("data", (chunk: Buffer) => {
        length += chunk.length;
        tail = (tail + chunk.toString("latin1")).slice(-4000);
        if (!isLast(tail)) return;
        socket.destroy();
        resolve(length);
      });
      socket.on("close", () => reject(new Error(`closed after ${length} bytes`)));
    });

  it("comes through, from a version or from the beginning", async () => {
    await admin.create(NAMESPACES, { apiVersion: "v1", kind: "Namespace", metadata: { name: "far" } });
    const { resourceVersion } = await admin.list(CONFIG_MAPS, { namespace: "far" });
    const metadata = { namespace: "far" };
    const big = "x".repeat(1_000_000);
    for (let index = 0; index < 24; index++)
      await admin.create(CONFIG_MAPS, {
        ...configMap("", { big }),
        metadata: { ...metadata, name: `big${index}` },
      });
    await admin.create(CONFIG_MAPS, { ...configMap(""), metadata: { ...metadata, name: "zz-last" } });
    const path = "/api/v1/namespaces/far/configmaps?watch=true";
    const isLast = (text: string) => text.includes("zz-last");
    expect(await follow(`${path}&resourceVersion=${resourceVersion}`, isLast)).toBeGreaterThan(24_000_000);
    expect(await follow(path, isLast)).toBeGreaterThan(24_000_000);
    const listing = "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    expect(await follow(path + listing, (text) => text.includes("initial-events-end"))).toBeGreaterThan(
      24_000_000,
    );
  });

  it("does not take the others with it when one of them cannot be told", async () => {
    const storage = api.plane.api.storage("", "v1", "configmaps");
    expect(storage).toBeDefined();
    const seen: string[] = [];
    const broken = api.plane.client("broken");
    const abort = new AbortController();
    const following = (async () => {
      for await (const event of broken.watch(CONFIG_MAPS, { namespace: "far", signal: abort.signal }))
        seen.push(event.type);
    })().catch(() => undefined);
    // A table's cells are made for this one only: an object without what a cell reads is its trouble.
    await api.plane.api.store.put("/registry/core/configmaps/far/odd", "{no json", { absent: true });
    await admin.create(CONFIG_MAPS, { ...configMap(""), metadata: { namespace: "far", name: "after" } });
    abort.abort();
    await following;
    const entry = await api.plane.api.store.get("/registry/core/configmaps/far/odd");
    await api.plane.api.store.delete("/registry/core/configmaps/far/odd", { modified: entry?.modified ?? 0 });
    expect((await admin.list(CONFIG_MAPS, { namespace: "far", limit: 1 })).items.length).toBe(1);
  });
});
