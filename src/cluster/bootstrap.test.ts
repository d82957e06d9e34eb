import { afterEach, describe, expect, test } from "vitest";
import { MemoryCluster } from "../../test/support/memory-cluster.ts";
import { Authorizer } from "../apiserver/authorize.ts";
import type { User } from "../apiserver/users.ts";
import type { KubeObject, ResourceType } from "../client/objects.ts";
import { bootstrap } from "./bootstrap.ts";

let cluster: MemoryCluster;
let authorizer: Authorizer | undefined;
afterEach(() => {
  authorizer?.close();
  authorizer = undefined;
  cluster.stop();
});

interface Role extends KubeObject {
  rules: { verbs: string[]; apiGroups?: string[]; resources?: string[] }[];
}
const ROLES: ResourceType<Role> = {
  group: "rbac.authorization.k8s.io",
  version: "v1",
  kind: "ClusterRole",
  plural: "clusterroles",
  namespaced: false,
};
const AUTO_UPDATE = "rbac.authorization.kubernetes.io/autoupdate";

async function start(): Promise<void> {
  cluster = await MemoryCluster.start({ isBare: true, machines: [] });
  for (const name of ["kube-system", "kube-public"]) await cluster.namespace(name);
}

function boot(): Promise<void> {
  return bootstrap(cluster.client, {
    apiAddress: "10.96.0.1",
    apiPort: 6443,
    apiEndpoint: "172.18.0.2",
    dnsAddresses: ["10.96.0.10"],
  });
}

const USERS: Readonly<Record<string, User>> = {
  node: { name: "system:node:a", groups: ["system:nodes", "system:authenticated"] },
  edit: { name: "eve", groups: ["system:authenticated"] },
  view: { name: "vic", groups: ["system:authenticated"] },
  admin: { name: "ada", groups: ["system:authenticated"] },
};

async function allows(who: string, verb: string, what: string, namespace = "default"): Promise<boolean> {
  authorizer ??= new Authorizer(cluster.api.store);
  const [resource = "", group = ""] = what.split("@");
  const [plural = "", subresource] = resource.split("/");
  const user = USERS[who] ?? { name: who, groups: [] };
  return authorizer.allows(user, { verb, group, plural, subresource, namespace, name: "x" });
}

async function bindAll(): Promise<void> {
  for (const role of ["admin", "edit", "view"])
    await cluster.client.create(
      { ...ROLES, kind: "RoleBinding", plural: "rolebindings", namespaced: true } as ResourceType,
      {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "RoleBinding",
        metadata: { name: role, namespace: "default" },
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role },
        subjects: [{ kind: "User", name: USERS[role]?.name, apiGroup: "rbac.authorization.k8s.io" }],
      } as KubeObject,
    );
}

describe("the roles of a cluster", () => {
  test("allow what they are for, and no more", async () => {
    await start();
    await boot();
    await bindAll();
    const asked = [
      ["edit", "create", "pods", true],
      ["edit", "create", "pods/exec", true],
      ["edit", "get", "secrets", true],
      ["edit", "impersonate", "serviceaccounts", true],
      ["edit", "update", "deployments/scale@apps", true],
      ["edit", "create", "networkpolicies@projectcalico.org", true],
      ["edit", "impersonate", "users", false],
      ["edit", "patch", "nodes", false],
      ["edit", "create", "pods/binding", false],
      ["edit", "patch", "pods/status", false],
      ["edit", "patch", "services/status", false],
      ["edit", "create", "endpointslices@discovery.k8s.io", false],
      ["edit", "create", "rolebindings@rbac.authorization.k8s.io", false],
      ["edit", "create", "tiers@projectcalico.org", false],
      ["admin", "create", "rolebindings@rbac.authorization.k8s.io", true],
      ["admin", "create", "pods", true],
      ["admin", "create", "clusterroles@rbac.authorization.k8s.io", false],
      ["view", "list", "pods", true],
      ["view", "get", "deployments/status@apps", true],
      ["view", "get", "secrets", false],
      ["view", "create", "pods/exec", false],
      ["view", "list", "roles@rbac.authorization.k8s.io", false],
      ["node", "watch", "pods", true],
      ["node", "patch", "pods/status", true],
      ["node", "get", "secrets", true],
      ["node", "list", "secrets", false],
      ["node", "patch", "pods", false],
      ["node", "patch", "nodes", false],
      ["node", "list", "namespaces", false],
    ] as const;
    const answers = [];
    for (const [who, verb, what] of asked) answers.push([who, verb, what, await allows(who, verb, what)]);
    expect(answers).toEqual(asked);
    expect(await allows("node", "patch", "leases@coordination.k8s.io", "kube-node-lease")).toBe(true);
    expect(await allows("node", "patch", "leases@coordination.k8s.io")).toBe(false);
  });

  test("are mended at the next start, but for what was added and what wants none of it", async () => {
    await start();
    await boot();
    const own = { verbs: ["get"], apiGroups: ["example.com"], resources: ["things"] };
    const view = await cluster.client.get(ROLES, { name: "view" });
    expect(view.metadata.annotations?.[AUTO_UPDATE]).toBe("true");
    await cluster.client.update(ROLES, { ...view, rules: [...view.rules.slice(1), own] });
    const edit = await cluster.client.get(ROLES, { name: "edit" });
    const annotations = { [AUTO_UPDATE]: "false" };
    const metadata = { ...edit.metadata, annotations };
    await cluster.client.update(ROLES, { ...edit, metadata, rules: [own] });
    // As a version made it that knew no annotation.
    const admin = await cluster.client.get(ROLES, { name: "admin" });
    const wide = { verbs: ["*"], apiGroups: ["*"], resources: ["*"] };
    await cluster.client.update(ROLES, {
      ...admin,
      metadata: { ...admin.metadata, annotations: {} },
      rules: [wide],
    });
    await boot();
    const after = await cluster.client.get(ROLES, { name: "view" });
    expect(after.rules).toHaveLength(view.rules.length + 1);
    expect(after.rules).toContainEqual(own);
    expect(after.rules).toContainEqual(view.rules[0]);
    expect((await cluster.client.get(ROLES, { name: "edit" })).rules).toEqual([own]);
    expect((await cluster.client.get(ROLES, { name: "admin" })).rules).toEqual(admin.rules);
    const { resourceVersion } = (await cluster.client.get(ROLES, { name: "view" })).metadata;
    await boot();
    expect((await cluster.client.get(ROLES, { name: "view" })).metadata.resourceVersion).toBe(
      resourceVersion,
    );
  });
});
