/** @module The API server over HTTP: roles that are for objects of one name. */
import { beforeAll, describe, expect, it } from "vitest";
import { AS_ADMIN, configMap, controlPlaneForFile } from "../support/control-plane.ts";

const { api, admin } = await controlPlaneForFile();

describe("a role for one name", () => {
  const as = async (query: string): Promise<{ readonly code: number; readonly text: string }> =>
    api.raw({
      path: `/api/v1/namespaces/one/configmaps?${query}`,
      headers: { authorization: "Bearer nobody" },
    });
  beforeAll(async () => {
    await admin.raw("POST", "/api/v1/namespaces", {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: "one" },
    });
    const apiVersion = "rbac.authorization.k8s.io/v1";
    const path = `/apis/${apiVersion}/namespaces/one`;
    const verbs = ["list", "watch", "deletecollection"];
    await admin.raw("POST", `${path}/roles`, {
      apiVersion,
      kind: "Role",
      metadata: { name: "mine" },
      rules: [{ apiGroups: [""], resources: ["configmaps"], resourceNames: ["mine"], verbs }],
    });
    await admin.raw("POST", `${path}/rolebindings`, {
      apiVersion,
      kind: "RoleBinding",
      metadata: { name: "mine" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "mine" },
      subjects: [{ kind: "User", name: "nobody", apiGroup: "rbac.authorization.k8s.io" }],
    });
    for (const name of ["mine", "theirs"])
      await admin.raw("POST", "/api/v1/namespaces/one/configmaps", {
        ...configMap(name),
        metadata: { name },
      });
  });

  it("lets a list and a watch through that ask for that name alone", async () => {
    const list = await as("fieldSelector=metadata.name%3Dmine");
    expect(list.code).toBe(200);
    const { items } = JSON.parse(list.text) as { items: { metadata: { name: string } }[] };
    expect(items.map(({ metadata }) => metadata.name)).toEqual(["mine"]);
    expect((await as("watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3D%3Dmine")).code).toBe(200);
    expect(
      (await as("labelSelector=a&fieldSelector=metadata.namespace%3Done,metadata.name%3Dmine")).code,
    ).toBe(200);
  });

  it.each([
    ["every name", ""],
    ["another name", "fieldSelector=metadata.name%3Dtheirs"],
    ["all but a name", "fieldSelector=metadata.name!%3Dmine"],
  ])("and none that asks for %s", async (_what, query) => {
    const answer = await as(query);
    expect(answer.code).toBe(403);
    expect((await as(`watch=true&timeoutSeconds=1&${query}`)).code).toBe(403);
  });

  it("nor a deletion of all that are selected", async () => {
    const path = "/api/v1/namespaces/one/configmaps?fieldSelector=metadata.name%3Dmine";
    const headers = { authorization: "Bearer nobody" };
    expect((await api.raw({ method: "DELETE", path, headers })).code).toBe(403);
  });

  it("a list of all namespaces by a name finds what has that name", async () => {
    const path = "/api/v1/configmaps?fieldSelector=metadata.name%3Dtheirs";
    const { code, text } = await api.raw({ path, headers: AS_ADMIN });
    expect([code, (JSON.parse(text) as { items: unknown[] }).items.length]).toEqual([200, 1]);
  });
});
