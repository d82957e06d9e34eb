/** @module The API server over HTTP, as its clients meet it. */
import { request } from "node:http";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ApiError, type WatchEvent } from "../../src/client/client.ts";
import type { HttpClient } from "../../src/client/http-client.ts";
import { Informer } from "../../src/client/informer.ts";
import {
  CONFIG_MAPS,
  type ConfigMap,
  DEPLOYMENTS,
  NAMESPACES,
  NODES,
  PODS,
  type Pod,
  SERVICES,
} from "../../src/client/kinds.ts";
import { startTestControlPlane, type TestControlPlane } from "../support/control-plane.ts";

let api: TestControlPlane;
let admin: HttpClient;
beforeAll(async () => {
  api = await startTestControlPlane();
  admin = api.client("admin");
});
afterAll(() => api.close());

const configMap = (name: string, data: Record<string, string> = {}): ConfigMap => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "default" },
  data,
});
const pod = (name: string, more: Partial<Pod["spec"]> = {}): Pod => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "default", labels: { app: name } },
  spec: { containers: [{ name: "c", image: "nginx" }], ...more },
});

async function refusal(work: Promise<unknown>): Promise<ApiError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

/** A request by hand, for what no client sends. */
function raw(options: {
  method?: string;
  path: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
}): Promise<{ code: number; text: string; headers: Record<string, unknown> }> {
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        socketPath: api.socketPath,
        method: options.method ?? "GET",
        path: options.path,
        headers: options.headers ?? {},
      },
      (response) => {
        let text = "";
        response.on("data", (chunk: Buffer) => {
          text += chunk.toString();
        });
        response.on("end", () =>
          resolve({ code: response.statusCode ?? 0, text, headers: response.headers }),
        );
      },
    );
    sent.on("error", reject);
    sent.end(options.body);
  });
}
const asAdmin = { authorization: "Bearer admin" };

describe("who asks", () => {
  it("without a token, or with a wrong one, there is no answer", async () => {
    expect((await raw({ path: "/api/v1/pods" })).code).toBe(401);
    expect((await raw({ path: "/api/v1/pods", headers: { authorization: "Bearer wrong" } })).code).toBe(401);
    expect((await raw({ path: "/apis" })).code).toBe(401);
    expect((await raw({ path: "/healthz" })).text).toBe("ok");
  });

  it("who has no role may do nothing, in Kubernetes' words", async () => {
    const error = await refusal(api.client("nobody").list(PODS, { namespace: "default" }));
    expect(error.code).toBe(403);
    expect(error.message).toBe(
      'pods is forbidden: User "nobody" cannot list resource "pods" in API group "" in the namespace "default"',
    );
  });

  it("an agent reads what policy depends on, and no secrets", async () => {
    const agent = api.client("agent");
    expect((await agent.list(NODES)).items).toEqual([]);
    expect((await raw({ path: "/api/v1/secrets", headers: { authorization: "Bearer agent" } })).code).toBe(
      403,
    );
    expect((await refusal(agent.create(PODS, pod("agents")))).code).toBe(403);
  });

  it("a service account's token is its own, and nobody else can make one", async () => {
    await admin.create(
      { ...CONFIG_MAPS, kind: "ServiceAccount", plural: "serviceaccounts" } as never,
      {
        apiVersion: "v1",
        kind: "ServiceAccount",
        metadata: { name: "robot", namespace: "default" },
      } as never,
    );
    const answer = (await admin.raw("POST", "/api/v1/namespaces/default/serviceaccounts/robot/token", {
      spec: {},
    })) as { status: { token: string } };
    const review = (await api
      .client(answer.status.token)
      .raw("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {
        apiVersion: "authentication.k8s.io/v1",
        kind: "SelfSubjectReview",
        metadata: {},
      })) as { status: { userInfo: { username: string } } };
    expect(review.status.userInfo.username).toBe("system:serviceaccount:default:robot");
    const [head, body] = answer.status.token.split(".");
    expect(
      (await raw({ path: "/api/v1/pods", headers: { authorization: `Bearer ${head}.${body}.AAAA` } })).code,
    ).toBe(401);
  });
});

describe("objects", () => {
  it("a write upon an old version is a conflict, and changes nothing", async () => {
    const first = await admin.create(CONFIG_MAPS, configMap("versions", { a: "1" }));
    await admin.update(CONFIG_MAPS, { ...first, data: { a: "2" } });
    const error = await refusal(admin.update(CONFIG_MAPS, { ...first, data: { a: "3" } }));
    expect([error.code, error.reason]).toEqual([409, "Conflict"]);
    expect(error.message).toContain(
      "the object has been modified; please apply your changes to the latest version and try again",
    );
    expect((await admin.get(CONFIG_MAPS, { name: "versions", namespace: "default" })).data).toEqual({
      a: "2",
    });
  });

  it("what exists is not created again, and what does not exist is not found", async () => {
    await admin.create(CONFIG_MAPS, configMap("once"));
    expect((await refusal(admin.create(CONFIG_MAPS, configMap("once")))).message).toBe(
      'configmaps "once" already exists',
    );
    expect((await refusal(admin.get(CONFIG_MAPS, { name: "never", namespace: "default" }))).message).toBe(
      'configmaps "never" not found',
    );
    expect(
      (
        await refusal(
          admin.create(CONFIG_MAPS, { ...configMap("x"), metadata: { name: "x", namespace: "nowhere" } }),
        )
      ).message,
    ).toBe('namespaces "nowhere" not found');
  });

  it("a generated name is new each time", async () => {
    const metadata = { name: "", generateName: "gen-", namespace: "default" };
    const made = await Promise.all(
      [1, 2, 3].map(() => admin.create(CONFIG_MAPS, { ...configMap(""), metadata })),
    );
    const names = made.map((one) => one.metadata.name);
    expect(new Set(names).size).toBe(3);
    expect(names.every((name) => /^gen-[a-z0-9]{5}$/.test(name))).toBe(true);
  });

  it("what is wrong is told field by field, in Kubernetes' words", async () => {
    const error = await refusal(
      admin.create(PODS, {
        ...pod("Wrong_Name"),
        spec: { containers: [{ name: "c", image: "", ports: [{ containerPort: 70_000 }] }] },
      }),
    );
    expect(error.code).toBe(422);
    const causes = (error.details as { causes: { field: string }[] }).causes.map(({ field }) => field);
    expect(causes).toContain("metadata.name");
    const other = await refusal(
      admin.create(PODS, {
        ...pod("ok"),
        spec: { containers: [{ name: "c", image: "", ports: [{ containerPort: 70_000 }] }] },
      }),
    );
    expect((other.details as { causes: { field: string }[] }).causes.map(({ field }) => field)).toEqual([
      "spec.containers[0].image",
      "spec.containers[0].ports[0].containerPort",
    ]);
  });

  it("a field that nobody knows is refused when the client is strict, and dropped when not", async () => {
    const body = JSON.stringify({ ...configMap("strict"), dta: {} });
    const headers = { ...asAdmin, "content-type": "application/json" };
    const strict = await raw({
      method: "POST",
      path: "/api/v1/namespaces/default/configmaps?fieldValidation=Strict",
      headers,
      body,
    });
    expect(strict.code).toBe(400);
    expect(strict.text).toContain('strict decoding error: unknown field \\"dta\\"');
    const warned = await raw({
      method: "POST",
      path: "/api/v1/namespaces/default/configmaps?fieldValidation=Warn",
      headers,
      body,
    });
    expect(warned.code).toBe(201);
    expect(String(warned.headers["warning"])).toContain("unknown field");
    expect(JSON.parse(warned.text)).not.toHaveProperty("dta");
  });

  it("a dry run answers as if, and writes nothing", async () => {
    const headers = { ...asAdmin, "content-type": "application/json" };
    const answer = await raw({
      method: "POST",
      path: "/api/v1/namespaces/default/configmaps?dryRun=All",
      headers,
      body: JSON.stringify(configMap("dry")),
    });
    expect(answer.code).toBe(201);
    expect((await refusal(admin.get(CONFIG_MAPS, { name: "dry", namespace: "default" }))).code).toBe(404);
  });

  it("the status is written through its own path only, and a generation counts the spec's changes", async () => {
    const deployment = await admin.create(DEPLOYMENTS, {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "web", namespace: "default" },
      spec: {
        selector: { matchLabels: { app: "web" } },
        template: {
          metadata: { labels: { app: "web" } },
          spec: { containers: [{ name: "c", image: "nginx" }] },
        },
      },
      status: { replicas: 7 },
    });
    expect(deployment.status?.replicas).toBeUndefined();
    expect(deployment.spec.replicas).toBe(1);
    const at = { name: "web", namespace: "default" };
    const told = await admin.patch(
      DEPLOYMENTS,
      at,
      { status: { replicas: 3 }, spec: { replicas: 9 } },
      { type: "merge", subresource: "status" },
    );
    expect([told.status?.replicas, told.spec.replicas, told.metadata.generation]).toEqual([3, 1, 1]);
    const scaled = await admin.patch(
      DEPLOYMENTS,
      at,
      { spec: { replicas: 5 }, status: { replicas: 9 } },
      { type: "merge" },
    );
    expect([scaled.status?.replicas, scaled.spec.replicas, scaled.metadata.generation]).toEqual([3, 5, 2]);
    const error = await refusal(
      admin.patch(
        DEPLOYMENTS,
        at,
        { spec: { selector: { matchLabels: { app: "other" } } } },
        { type: "merge" },
      ),
    );
    expect(error.message).toContain("field is immutable");
  });

  it("who applies owns what it applies: another who wants it otherwise is told of the conflict", async () => {
    const at = { name: "owned", namespace: "default" };
    const apply = (data: Record<string, string>, fieldManager: string, force = false) =>
      admin.patch(
        CONFIG_MAPS,
        at,
        { ...configMap("owned", data), metadata: at },
        { type: "apply", fieldManager, force },
      );
    await apply({ a: "1", b: "1" }, "one");
    const error = await refusal(apply({ a: "2" }, "two"));
    expect([error.code, error.message]).toEqual([
      409,
      'Apply failed with 1 conflict: conflict with "one": .data.a',
    ]);
    expect((await apply({ a: "2" }, "two", true)).data).toEqual({ a: "2", b: "1" });
    expect((await apply({}, "one")).data).toEqual({ a: "2" });
  });

  it("finalizers hold a deleted object until nobody has anything left to do", async () => {
    const at = { name: "held", namespace: "default" };
    await admin.create(CONFIG_MAPS, {
      ...configMap("held"),
      metadata: { ...at, finalizers: ["example.com/wait"] },
    });
    await admin.delete(CONFIG_MAPS, at);
    expect((await admin.get(CONFIG_MAPS, at)).metadata.deletionTimestamp).toBeDefined();
    await admin.patch(CONFIG_MAPS, at, [{ op: "remove", path: "/metadata/finalizers" }], { type: "json" });
    expect((await refusal(admin.get(CONFIG_MAPS, at))).code).toBe(404);
  });

  it("a pod on a node is given time to end; one that nobody runs goes at once", async () => {
    await admin.create(PODS, pod("placed", { nodeName: "node1" }));
    await admin.delete(PODS, { name: "placed", namespace: "default" });
    const dying = await admin.get(PODS, { name: "placed", namespace: "default" });
    expect(dying.metadata.deletionGracePeriodSeconds).toBe(30);
    await admin.delete(PODS, { name: "placed", namespace: "default" }, { gracePeriodSeconds: 0 });
    expect((await refusal(admin.get(PODS, { name: "placed", namespace: "default" }))).code).toBe(404);
    await admin.create(PODS, pod("waiting"));
    await admin.delete(PODS, { name: "waiting", namespace: "default" });
    expect((await refusal(admin.get(PODS, { name: "waiting", namespace: "default" }))).code).toBe(404);
  });

  it("a Service's address is nobody else's, and free again when it goes", async () => {
    const service = (name: string, spec: object) =>
      admin.create(SERVICES, {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name, namespace: "default" },
        spec: { ports: [{ port: 80 }], ...spec },
      } as never);
    const one = await service("one", {});
    const address = (one as { spec: { clusterIP: string } }).spec.clusterIP;
    expect(address).toMatch(/^10\./);
    expect((await refusal(service("two", { clusterIP: address }))).message).toContain(
      "provided IP is already allocated",
    );
    expect((await refusal(service("three", { clusterIP: "192.0.2.1" }))).message).toContain(
      "is not in the valid range",
    );
    await admin.delete(SERVICES, { name: "one", namespace: "default" });
    await service("two", { clusterIP: address });
    const exposed = (await service("nodeport", { type: "NodePort" })) as unknown as {
      spec: { ports: { nodePort: number }[] };
    };
    expect(exposed.spec.ports[0]?.nodePort).toBeGreaterThanOrEqual(30_000);
  });
});

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
    expect((await refusal(names("tier in db"))).code).toBe(400);
    expect((await refusal(names("", "spec.colour=red"))).message).toContain("field label not supported");
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
    const { text } = await raw({
      path: "/api/v1/nodes?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1",
      headers: asAdmin,
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
    const { text } = await raw({
      path: `/api/v1/configmaps?watch=true&resourceVersion=${version}`,
      headers: asAdmin,
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

describe("bad days", () => {
  it("a body of 100 MB is refused without being read", async () => {
    const answer = await raw({
      method: "POST",
      path: "/api/v1/namespaces/default/configmaps",
      headers: {
        ...asAdmin,
        "content-type": "application/json",
        "content-length": String(100 * 1024 * 1024),
      },
      body: "{",
    }).catch((error: Error) => ({ code: 0, text: error.message }));
    expect(answer).toMatchObject({ code: 413 });
  });

  it("a watcher that stops reading is cut off, and nobody else notices", async () => {
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
    const headers = { ...asAdmin, "content-type": "application/json" };
    expect(
      (await raw({ method: "POST", path: "/api/v1/namespaces/default/configmaps", headers, body: "{" })).code,
    ).toBe(400);
    expect(
      (
        await raw({
          method: "POST",
          path: "/api/v1/namespaces/default/configmaps",
          headers: { ...asAdmin, "content-type": "text/plain" },
          body: "x",
        })
      ).code,
    ).toBe(415);
    expect((await raw({ path: "/apis/nobody.example/v1/things", headers: asAdmin })).code).toBe(404);
    expect((await raw({ method: "DELETE", path: "/api/v1/namespaces", headers: asAdmin })).code).toBe(405);
  });
});
