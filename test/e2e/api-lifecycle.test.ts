/** @module The API server over HTTP: evictions, namespaces, finalizers: how objects end. */
import { describe, expect, it } from "vitest";
import { CONFIG_MAPS, NAMESPACES, PODS } from "../../src/client/kinds.ts";
import { AS_ADMIN, configMap, controlPlaneForFile, pod, refusalOf } from "../support/control-plane.ts";

const { api, admin } = await controlPlaneForFile();

describe("evictions", () => {
  const budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
  const running = async (name: string, app = "guarded") => {
    await admin.create(PODS, {
      ...pod(name, { nodeName: "node1" }),
      metadata: { name, namespace: "default", labels: { app } },
    });
    const status = { phase: "Running", conditions: [{ type: "Ready", status: "True" }] };
    return admin.patch(
      PODS,
      { name, namespace: "default" },
      { status },
      { type: "merge", subresource: "status" },
    );
  };
  const evict = (name: string, deleteOptions: object = {}, query = "") =>
    admin.raw("POST", `/api/v1/namespaces/default/pods/${name}/eviction${query}`, {
      apiVersion: "policy/v1",
      kind: "Eviction",
      metadata: { name, namespace: "default" },
      deleteOptions,
    });
  const allowed = async (): Promise<number> => {
    const budget = (await admin.raw("GET", `${budgets}/guard`)) as { status: { disruptionsAllowed: number } };
    return budget.status.disruptionsAllowed;
  };
  const allow = (disruptionsAllowed: number) =>
    admin.raw("PUT", `${budgets}/guard/status`, {
      ...budget,
      status: {
        disruptionsAllowed,
        currentHealthy: 2,
        desiredHealthy: 1,
        expectedPods: 2,
        observedGeneration: 1,
      },
    });
  const budget = {
    apiVersion: "policy/v1",
    kind: "PodDisruptionBudget",
    metadata: { name: "guard" },
    spec: { minAvailable: 1, selector: { matchLabels: { app: "guarded" } } },
  };

  it("a dry run costs nothing and deletes nothing, wherever it is asked for", async () => {
    await admin.raw("POST", budgets, budget);
    await allow(1);
    await running("dry");
    await evict("dry", { dryRun: ["All"] });
    await evict("dry", {}, "?dryRun=All");
    expect(await allowed()).toBe(1);
    expect(
      (await admin.get(PODS, { name: "dry", namespace: "default" })).metadata.deletionTimestamp,
    ).toBeUndefined();
  });

  it("preconditions hold before a budget is asked, and the grace that was wanted is given", async () => {
    const { metadata } = await admin.get(PODS, { name: "dry", namespace: "default" });
    expect((await refusalOf(evict("dry", { preconditions: { uid: "other" } }))).code).toBe(409);
    expect((await refusalOf(evict("dry", { preconditions: { resourceVersion: "1" } }))).code).toBe(409);
    expect(await allowed()).toBe(1);
    await evict("dry", { preconditions: { uid: metadata.uid }, gracePeriodSeconds: 7 });
    const dying = await admin.get(PODS, { name: "dry", namespace: "default" });
    expect(dying.metadata.deletionGracePeriodSeconds).toBe(7);
    expect(await allowed()).toBe(0);
  });

  it("a pod that ends already, or is over, costs nothing", async () => {
    await evict("dry");
    await running("over");
    const error = await refusalOf(evict("over"));
    expect([error.code, error.reason]).toEqual([429, "TooManyRequests"]);
    const at = { name: "over", namespace: "default" };
    await admin.patch(PODS, at, { status: { phase: "Succeeded" } }, { type: "merge", subresource: "status" });
    await evict("over");
    expect(await allowed()).toBe(0);
  });
});

describe("namespaces", () => {
  it("some are there for ever", async () => {
    for (const name of ["default", "kube-system", "kube-public"]) {
      const error = await refusalOf(admin.delete(NAMESPACES, { name }));
      expect([error.code, error.message]).toEqual([
        403,
        `namespaces "${name}" is forbidden: this namespace may not be deleted`,
      ]);
    }
  });

  it("only finalize takes a namespace's finalizers", async () => {
    await admin.create(NAMESPACES, { apiVersion: "v1", kind: "Namespace", metadata: { name: "kept" } });
    await admin.delete(NAMESPACES, { name: "kept" });
    const now = await admin.get(NAMESPACES, { name: "kept" });
    const emptied = { ...now, spec: { finalizers: [] } };
    expect((await admin.update(NAMESPACES, emptied)).spec?.finalizers).toEqual(["kubernetes"]);
    const again = await admin.get(NAMESPACES, { name: "kept" });
    await admin.update(NAMESPACES, { ...again, spec: { finalizers: [] } }, "finalize");
    expect((await refusalOf(admin.get(NAMESPACES, { name: "kept" }))).code).toBe(404);
  });
});

describe("finalizers", () => {
  it("none is added once the deletion was asked for", async () => {
    const at = { name: "ending", namespace: "default" };
    await admin.create(CONFIG_MAPS, {
      ...configMap("ending"),
      metadata: { ...at, finalizers: ["a.example/b"] },
    });
    await admin.delete(CONFIG_MAPS, at);
    const error = await refusalOf(
      admin.patch(
        CONFIG_MAPS,
        at,
        { metadata: { finalizers: ["a.example/b", "a.example/c"] } },
        { type: "merge" },
      ),
    );
    expect([error.code, error.message]).toEqual([
      422,
      'ConfigMap "ending" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"a.example/c"}',
    ]);
    await admin.patch(CONFIG_MAPS, at, { metadata: { finalizers: null } }, { type: "merge" });
    expect((await refusalOf(admin.get(CONFIG_MAPS, at))).code).toBe(404);
  });
});

describe("owners", () => {
  it("are named wholly, or the object would go as one whose owner is gone", async () => {
    const owner = { apiVersion: "v1", kind: "ConfigMap", name: "a" };
    const answer = await api.raw({
      method: "POST",
      path: "/api/v1/namespaces/default/configmaps",
      headers: { ...AS_ADMIN, "content-type": "application/json" },
      body: JSON.stringify({
        ...configMap("Owned_"),
        metadata: { name: "owned", ownerReferences: [owner, { uid: "x" }] },
        data: { "a b": "" },
      }),
    });
    expect(answer.code).toBe(422);
    const { details } = JSON.parse(answer.text) as {
      details: { causes: { field: string; message: string }[] };
    };
    expect(details.causes.map(({ field }) => field)).toEqual([
      "metadata.ownerReferences[0].uid",
      "metadata.ownerReferences[1].apiVersion",
      "metadata.ownerReferences[1].kind",
      "metadata.ownerReferences[1].name",
      "data[a b]",
    ]);
    expect(details.causes[0]?.message).toBe('Invalid value: "": uid must not be empty');
  });
});

/** What `kubectl apply --prune` looks through when it is not told what: one that is not known ends it. */
describe("kinds that kubectl prunes", () => {
  const namespaced = "/api/v1/namespaces/default";
  it.each([
    ["ConfigMap", `${namespaced}/configmaps`],
    ["Endpoints", `${namespaced}/endpoints`],
    ["PersistentVolumeClaim", `${namespaced}/persistentvolumeclaims`],
    ["Pod", `${namespaced}/pods`],
    ["ReplicationController", `${namespaced}/replicationcontrollers`],
    ["Secret", `${namespaced}/secrets`],
    ["Service", `${namespaced}/services`],
    ["Namespace", "/api/v1/namespaces"],
    ["PersistentVolume", "/api/v1/persistentvolumes"],
    ["Job", "/apis/batch/v1/namespaces/default/jobs"],
    ["CronJob", "/apis/batch/v1/namespaces/default/cronjobs"],
    ["Ingress", "/apis/networking.k8s.io/v1/namespaces/default/ingresses"],
    ["DaemonSet", "/apis/apps/v1/namespaces/default/daemonsets"],
    ["Deployment", "/apis/apps/v1/namespaces/default/deployments"],
    ["ReplicaSet", "/apis/apps/v1/namespaces/default/replicasets"],
    ["StatefulSet", "/apis/apps/v1/namespaces/default/statefulsets"],
  ])("%s is known, and can be looked through", async (kind, path) => {
    const root = path.split("/namespaces/default")[0]?.replace(/\/(namespaces|persistentvolumes)$/, "") ?? "";
    const { resources } = (await admin.raw("GET", root)) as { resources: { kind: string; name: string }[] };
    expect(resources.map((one) => `${one.kind} ${one.name}`)).toContain(`${kind} ${path.split("/").at(-1)}`);
    const list = (await admin.raw("GET", `${path}?labelSelector=app%3Dnone`)) as {
      kind: string;
      items: unknown[];
    };
    expect([list.kind, list.items]).toEqual([`${kind}List`, []]);
  });

  it("what nobody here would act upon is not made", async () => {
    const body = { apiVersion: "networking.k8s.io/v1", kind: "Ingress", metadata: { name: "a" }, spec: {} };
    const error = await refusalOf(
      admin.raw("POST", "/apis/networking.k8s.io/v1/namespaces/default/ingresses", body),
    );
    expect([error.code, error.message]).toEqual([
      405,
      "the server does not allow this method on the requested resource",
    ]);
  });
});
