/** @module The API server over HTTP, as its clients meet it: objects, from their creation to their end. */
import { describe, expect, it } from "vitest";
import { CONFIG_MAPS, DEPLOYMENTS, PODS, SERVICES } from "../../src/client/kinds.ts";
import { AS_ADMIN, configMap, controlPlaneForFile, pod, refusalOf } from "../support/control-plane.ts";

const { api, admin } = await controlPlaneForFile();

describe("objects", () => {
  it("a write upon an old version is a conflict, and changes nothing", async () => {
    const first = await admin.create(CONFIG_MAPS, configMap("versions", { a: "1" }));
    await admin.update(CONFIG_MAPS, { ...first, data: { a: "2" } });
    const error = await refusalOf(admin.update(CONFIG_MAPS, { ...first, data: { a: "3" } }));
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
    expect((await refusalOf(admin.create(CONFIG_MAPS, configMap("once")))).message).toBe(
      'configmaps "once" already exists',
    );
    expect((await refusalOf(admin.get(CONFIG_MAPS, { name: "never", namespace: "default" }))).message).toBe(
      'configmaps "never" not found',
    );
    expect(
      (
        await refusalOf(
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
    const error = await refusalOf(
      admin.create(PODS, {
        ...pod("Wrong_Name"),
        spec: { containers: [{ name: "c", image: "", ports: [{ containerPort: 70_000 }] }] },
      }),
    );
    expect(error.code).toBe(422);
    const causes = (error.details as { causes: { field: string }[] }).causes.map(({ field }) => field);
    expect(causes).toContain("metadata.name");
    const other = await refusalOf(
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
    const headers = { ...AS_ADMIN, "content-type": "application/json" };
    const strict = await api.raw({
      method: "POST",
      path: "/api/v1/namespaces/default/configmaps?fieldValidation=Strict",
      headers,
      body,
    });
    expect(strict.code).toBe(400);
    expect(strict.text).toContain('strict decoding error: unknown field \\"dta\\"');
    const warned = await api.raw({
      method: "POST",
      path: "/api/v1/namespaces/default/configmaps?fieldValidation=Warn",
      headers,
      body,
    });
    expect(warned.code).toBe(201);
    expect(String(warned.headers["warning"])).toContain("unknown field");
    expect(JSON.parse(warned.text)).not.toHaveProperty("dta");
  });

  it("a JSON patch that does not apply is refused in Kubernetes' words, and with the operation that failed", async () => {
    await admin.create(CONFIG_MAPS, configMap("patched", { a: "1" }));
    const patch = async (operations: unknown) => {
      const answer = await api.raw({
        method: "PATCH",
        path: "/api/v1/namespaces/default/configmaps/patched",
        headers: { ...AS_ADMIN, "content-type": "application/json-patch+json" },
        body: JSON.stringify(operations),
      });
      const { reason, message, details } = JSON.parse(answer.text) as Record<string, unknown>;
      return { code: answer.code, reason, message, details };
    };
    expect(await patch([{ op: "test", path: "/data/x", value: "y" }])).toEqual({
      code: 422,
      reason: "Invalid",
      message:
        "the server rejected our request due to an error in our request: testing value /data/x failed: test failed",
      details: {},
    });
    expect(await patch([{ op: "remove", path: "/data/b" }])).toMatchObject({
      code: 422,
      message: expect.stringContaining(
        "error in remove for path: '/data/b': Unable to remove nonexistent key: b: missing value",
      ),
    });
    expect(await patch({ op: "remove" })).toMatchObject({
      code: 400,
      reason: "BadRequest",
      message: expect.stringContaining("cannot unmarshal object into Go value of type jsonpatch.Patch"),
    });
  });

  it("a dry run answers as if, and writes nothing", async () => {
    const headers = { ...AS_ADMIN, "content-type": "application/json" };
    const answer = await api.raw({
      method: "POST",
      path: "/api/v1/namespaces/default/configmaps?dryRun=All",
      headers,
      body: JSON.stringify(configMap("dry")),
    });
    expect(answer.code).toBe(201);
    expect((await refusalOf(admin.get(CONFIG_MAPS, { name: "dry", namespace: "default" }))).code).toBe(404);
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
    const error = await refusalOf(
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
    const error = await refusalOf(apply({ a: "2" }, "two"));
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
    expect((await refusalOf(admin.get(CONFIG_MAPS, at))).code).toBe(404);
  });

  it("a pod on a node is given time to end; one that nobody runs goes at once", async () => {
    await admin.create(PODS, pod("placed", { nodeName: "node1" }));
    await admin.delete(PODS, { name: "placed", namespace: "default" });
    const dying = await admin.get(PODS, { name: "placed", namespace: "default" });
    expect(dying.metadata.deletionGracePeriodSeconds).toBe(30);
    await admin.delete(PODS, { name: "placed", namespace: "default" }, { gracePeriodSeconds: 0 });
    expect((await refusalOf(admin.get(PODS, { name: "placed", namespace: "default" }))).code).toBe(404);
    await admin.create(PODS, pod("waiting"));
    await admin.delete(PODS, { name: "waiting", namespace: "default" });
    expect((await refusalOf(admin.get(PODS, { name: "waiting", namespace: "default" }))).code).toBe(404);
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
    expect((await refusalOf(service("two", { clusterIP: address }))).message).toContain(
      "provided IP is already allocated",
    );
    expect((await refusalOf(service("three", { clusterIP: "192.0.2.1" }))).message).toContain(
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
