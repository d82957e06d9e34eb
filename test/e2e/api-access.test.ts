/** @module The API server over HTTP: who asks, and what they may. */
import { describe, expect, it } from "vitest";
import { CONFIG_MAPS, NAMESPACES, NODES, PODS, SERVICE_ACCOUNTS } from "../../src/client/kinds.ts";
import { AS_ADMIN, configMap, controlPlaneForFile, pod, refusalOf } from "../support/control-plane.ts";

const { api, admin } = await controlPlaneForFile();

describe("who asks", () => {
  it("without a token, or with a wrong one, there is no answer", async () => {
    expect((await api.raw({ path: "/api/v1/pods" })).code).toBe(401);
    expect((await api.raw({ path: "/api/v1/pods", headers: { authorization: "Bearer wrong" } })).code).toBe(
      401,
    );
    expect((await api.raw({ path: "/apis" })).code).toBe(401);
    expect((await api.raw({ path: "/healthz" })).text).toBe("ok");
  });

  it("who has no role may do nothing, in Kubernetes' words", async () => {
    const error = await refusalOf(api.client("nobody").list(PODS, { namespace: "default" }));
    expect(error.code).toBe(403);
    expect(error.message).toBe(
      'pods is forbidden: User "nobody" cannot list resource "pods" in API group "" in the namespace "default"',
    );
  });

  it("an agent reads what policy depends on, and no secrets", async () => {
    const agent = api.client("agent");
    expect((await agent.list(NODES)).items).toEqual([]);
    expect(
      (await api.raw({ path: "/api/v1/secrets", headers: { authorization: "Bearer agent" } })).code,
    ).toBe(403);
    expect((await refusalOf(agent.create(PODS, pod("agents")))).code).toBe(403);
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
      (await api.raw({ path: "/api/v1/pods", headers: { authorization: `Bearer ${head}.${body}.AAAA` } }))
        .code,
    ).toBe(401);
  });
});

const RBAC = "rbac.authorization.k8s.io/v1";
interface Rule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
  readonly verbs: readonly string[];
}
const EVERYTHING: Rule = { apiGroups: ["*"], resources: ["*"], verbs: ["*"] };

/** A namespace of its own in which `nobody` has `rules`. */
async function territory(namespace: string, rules: readonly Rule[]): Promise<void> {
  await admin.create(NAMESPACES, { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  const base = `/apis/${RBAC}/namespaces/${namespace}`;
  await admin.raw("POST", `${base}/roles`, role("mine", rules));
  await admin.raw("POST", `${base}/rolebindings`, binding("mine", "Role", "mine"));
}
const role = (name: string, rules: readonly Rule[], kind = "Role") => ({
  apiVersion: RBAC,
  kind,
  metadata: { name },
  rules,
});
const binding = (name: string, kind: string, to: string, own = "RoleBinding") => ({
  apiVersion: RBAC,
  kind: own,
  metadata: { name },
  roleRef: { apiGroup: "rbac.authorization.k8s.io", kind, name: to },
  subjects: [{ kind: "User", name: "nobody", apiGroup: "rbac.authorization.k8s.io" }],
});

describe("where a path leads", () => {
  it("what belongs to the cluster is in no namespace, whoever has everything in that namespace", async () => {
    await territory("foo", [EVERYTHING]);
    const headers = { authorization: "Bearer nobody" };
    const rbac = `/apis/${RBAC}/namespaces/foo`;
    for (const [method, path] of [
      ["GET", "/api/v1/namespaces/foo/namespaces/default"],
      ["DELETE", "/api/v1/namespaces/foo/namespaces/foo"],
      ["GET", "/api/v1/namespaces/foo/nodes"],
      ["GET", `${rbac}/clusterrolebindings`],
      ["GET", `${rbac}/clusterrolebindings/cluster-admin`],
      ["DELETE", `${rbac}/clusterroles/view`],
      ["GET", `${rbac}/clusterrolebindings?watch=true`],
    ] as const)
      expect([path, (await api.raw({ method, path, headers })).code]).toEqual([path, 404]);
    expect((await api.client("nobody").list(CONFIG_MAPS, { namespace: "foo" })).items).toBeDefined();
  });

  it("an object of a namespace is not named without one, even by who may do everything", async () => {
    await admin.create(CONFIG_MAPS, configMap("placed"));
    const headers = { ...AS_ADMIN, "content-type": "application/json" };
    const body = JSON.stringify(configMap("placed"));
    for (const [method, path] of [
      ["GET", "/api/v1/configmaps/placed"],
      ["PUT", "/api/v1/configmaps/placed"],
      ["DELETE", "/api/v1/configmaps/placed"],
      ["DELETE", "/api/v1/configmaps"],
      ["POST", "/api/v1/configmaps"],
    ] as const)
      expect([
        method,
        path,
        (await api.raw({ method, path, headers, ...(/^P/.test(method) && { body }) })).code,
      ]).toEqual([method, path, 404]);
    expect((await admin.list(CONFIG_MAPS)).items.some(({ metadata }) => metadata.name === "placed")).toBe(
      true,
    );
    for (const path of ["/api/v1/namespaces/default", "/api/v1/namespaces/default/status"])
      expect((await api.raw({ path, headers: AS_ADMIN })).code).toBe(200);
  });
});

describe("streams", () => {
  it("are of pods in the namespace of the path, and nowhere else", async () => {
    await admin.create(PODS, pod("stream"));
    const headers = { ...AS_ADMIN, connection: "Upgrade", upgrade: "websocket" };
    const open = async (path: string) => (await api.raw({ path: `/api/v1/${path}/exec`, headers })).code;
    expect(await open("pods/stream")).toBe(404);
    expect(await open("namespaces/default/nodes/stream")).toBe(404);
    // It is found there; only, it runs nowhere.
    expect(await open("namespaces/default/pods/stream")).not.toBe(404);
  });
});

describe("nobody gives what they have not", () => {
  const MANAGE: Rule = {
    apiGroups: ["rbac.authorization.k8s.io"],
    resources: ["roles", "rolebindings"],
    verbs: ["create", "get", "update", "patch", "delete"],
  };
  const READS: Rule = { apiGroups: [""], resources: ["pods"], verbs: ["get", "list"] };
  const base = `/apis/${RBAC}/namespaces/clerk`;
  const bad = role("bad", [{ apiGroups: ["apps"], resources: ["deployments"], verbs: ["delete"] }]);

  it("a role is made of rules that its maker has", async () => {
    await territory("clerk", [MANAGE, READS]);
    const clerk = api.client("nobody");
    const error = await refusalOf(clerk.raw("POST", `${base}/roles`, bad));
    expect([error.code, error.message]).toEqual([
      403,
      'roles.rbac.authorization.k8s.io "bad" is forbidden: user "nobody" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:["apps"], Resources:["deployments"], Verbs:["delete"]}',
    ]);
    await clerk.raw("POST", `${base}/roles`, role("good", [READS]));
  });

  it("nor does a change of any kind add others", async () => {
    const clerk = api.client("nobody");
    const put = await clerk
      .raw("PUT", `${base}/roles/good`, { ...bad, metadata: { name: "good" } })
      .catch(String);
    expect(put).toContain("not currently held");
    const headers = { authorization: "Bearer nobody" };
    for (const [type, body] of [
      ["application/merge-patch+json", { rules: [EVERYTHING] }],
      ["application/strategic-merge-patch+json", { rules: [EVERYTHING] }],
      ["application/json-patch+json", [{ op: "add", path: "/rules/-", value: EVERYTHING }]],
      ["application/apply-patch+yaml", role("good", [EVERYTHING])],
    ] as const) {
      const answer = await api.raw({
        method: "PATCH",
        path: `${base}/roles/good?fieldManager=clerk&force=${type.includes("apply")}`,
        headers: { ...headers, "content-type": type },
        body: JSON.stringify(body),
      });
      expect([type, answer.code]).toEqual([type, 403]);
    }
  });

  it("an update that leaves the rules needs none of them", async () => {
    await admin.raw("POST", `${base}/roles`, role("strong", [EVERYTHING]));
    const answer = await api.raw({
      method: "PATCH",
      path: `${base}/roles/strong`,
      headers: { authorization: "Bearer nobody", "content-type": "application/merge-patch+json" },
      body: JSON.stringify({ metadata: { labels: { a: "b" } } }),
    });
    expect(answer.code).toBe(200);
  });

  it("a role is bound by who has all of it", async () => {
    const clerk = api.client("nobody");
    const error = await refusalOf(
      clerk.raw("POST", `${base}/rolebindings`, binding("up", "ClusterRole", "cluster-admin")),
    );
    expect([error.code, error.message]).toEqual([403, expect.stringContaining("not currently held")]);
    expect(
      (await refusalOf(clerk.raw("POST", `${base}/rolebindings`, binding("up", "Role", "none")))).code,
    ).toBe(404);
    await clerk.raw("POST", `${base}/rolebindings`, binding("same", "Role", "good"));
  });

  it("`escalate` and `bind` allow both", async () => {
    const rbac = ["rbac.authorization.k8s.io"];
    const write = ["create", "update", "patch"];
    await territory("boss", [
      { apiGroups: rbac, resources: ["roles"], verbs: [...write, "escalate"] },
      { apiGroups: rbac, resources: ["rolebindings"], verbs: write },
      { apiGroups: rbac, resources: ["clusterroles"], verbs: ["bind"] },
    ]);
    const boss = api.client("nobody");
    await boss.raw("POST", `/apis/${RBAC}/namespaces/boss/roles`, bad);
    await boss.raw(
      "POST",
      `/apis/${RBAC}/namespaces/boss/rolebindings`,
      binding("up", "ClusterRole", "view"),
    );
  });

  it("an aggregated role is whatever it will be: only who has everything makes one", async () => {
    await admin.raw(
      "POST",
      `/apis/${RBAC}/clusterroles`,
      role("makers", [{ ...MANAGE, resources: ["clusterroles"] }], "ClusterRole"),
    );
    await admin.raw("POST", `/apis/${RBAC}/clusterrolebindings`, {
      ...binding("makers", "ClusterRole", "makers", "ClusterRoleBinding"),
    });
    const error = await refusalOf(
      api.client("nobody").raw("POST", `/apis/${RBAC}/clusterroles`, {
        ...role("all", [], "ClusterRole"),
        aggregationRule: { clusterRoleSelectors: [{ matchLabels: { a: "b" } }] },
      }),
    );
    expect(error.message).toContain('{APIGroups:["*"], Resources:["*"], Verbs:["*"]}');
  });
});

describe("applying what is not there", () => {
  it("is creating it, and needs that verb", async () => {
    await territory("apply", [{ apiGroups: [""], resources: ["configmaps"], verbs: ["get", "patch"] }]);
    const apply = () =>
      api
        .client("nobody")
        .patch(
          CONFIG_MAPS,
          { name: "new", namespace: "apply" },
          { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "new", namespace: "apply" } },
          { type: "apply", fieldManager: "me" },
        );
    const error = await refusalOf(apply());
    expect([error.code, error.message]).toEqual([
      403,
      'configmaps "new" is forbidden: User "nobody" cannot create resource "configmaps" in API group "" in the namespace "apply"',
    ]);
    await admin.create(CONFIG_MAPS, { ...configMap("new"), metadata: { name: "new", namespace: "apply" } });
    await apply();
  });
});

describe("tokens of service accounts", () => {
  const accounts = "/api/v1/namespaces/default/serviceaccounts";
  const makeAccount = (name: string) =>
    admin.raw("POST", accounts, { apiVersion: "v1", kind: "ServiceAccount", metadata: { name } });
  const tokenOf = async (name: string, spec: object = {}): Promise<string> => {
    const answer = await admin.raw("POST", `${accounts}/${name}/token`, { spec });
    return (answer as { status: { token: string } }).status.token;
  };
  const codeOf = async (token: string) =>
    (await api.raw({ path: "/api", headers: { authorization: `Bearer ${token}` } })).code;
  const reviewOf = async (token: string, audiences?: readonly string[]) => {
    const answer = await admin.raw("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenReview",
      metadata: {},
      spec: { token, audiences },
    });
    return (answer as { status: { authenticated?: boolean; audiences?: string[] } }).status;
  };

  it("end with their account, and are not those of the next account of that name", async () => {
    await makeAccount("short");
    const token = await tokenOf("short");
    expect(await codeOf(token)).toBe(200);
    await admin.delete(SERVICE_ACCOUNTS, { name: "short", namespace: "default" });
    expect(await codeOf(token)).toBe(401);
    await makeAccount("short");
    expect(await codeOf(token)).toBe(401);
  });

  it("that are for somebody else do not open the API, and that one is told whose they are", async () => {
    await makeAccount("vault");
    const token = await tokenOf("vault", { audiences: ["vault"] });
    expect(await codeOf(token)).toBe(401);
    expect((await reviewOf(token)).authenticated).not.toBe(true);
    expect(await reviewOf(token, ["vault", "other"])).toMatchObject({
      authenticated: true,
      audiences: ["vault"],
    });
    expect((await reviewOf(await tokenOf("vault"))).audiences).toEqual([
      "https://kubernetes.default.svc.cluster.local",
    ]);
    expect((await reviewOf("admin", ["vault"])).authenticated).not.toBe(true);
  });

  it("that are bound to a pod end with it", async () => {
    await makeAccount("bound");
    const made = await admin.create(PODS, pod("bound", { serviceAccountName: "bound" }));
    const to = { kind: "Pod", apiVersion: "v1", name: "bound" };
    const token = await tokenOf("bound", { boundObjectRef: { ...to, uid: made.metadata.uid } });
    expect(await codeOf(token)).toBe(200);
    const error = await refusalOf(tokenOf("bound", { boundObjectRef: { ...to, uid: "other" } }));
    expect([error.code, error.message]).toEqual([
      409,
      'Operation cannot be fulfilled on Pod "bound": the UID in the bound object reference (other) does not match the UID in record. The object might have been deleted and then recreated',
    ]);
    await admin.delete(PODS, { name: "bound", namespace: "default" });
    expect(await codeOf(token)).toBe(401);
    expect((await refusalOf(tokenOf("bound", { boundObjectRef: to }))).message).toBe(
      'pods "bound" not found',
    );
    const odd = await refusalOf(
      tokenOf("bound", { boundObjectRef: { kind: "ConfigMap", apiVersion: "v1", name: "a" } }),
    );
    expect([odd.code, odd.message]).toEqual([400, "cannot bind token to object of type /v1, Kind=ConfigMap"]);
  });
});

describe("reviews", () => {
  it("who may ask about one namespace may not ask about another", async () => {
    const ask = (namespace: string) =>
      admin.raw("POST", "/apis/authorization.k8s.io/v1/namespaces/default/localsubjectaccessreviews", {
        apiVersion: "authorization.k8s.io/v1",
        kind: "LocalSubjectAccessReview",
        metadata: { namespace: "default" },
        spec: { user: "nobody", resourceAttributes: { namespace, verb: "get", resource: "pods" } },
      });
    expect(await ask("default")).toMatchObject({ status: { allowed: false } });
    const error = await refusalOf(ask("kube-system"));
    expect([error.code, error.message]).toEqual([
      422,
      expect.stringContaining("must match metadata.namespace"),
    ]);
  });
});
