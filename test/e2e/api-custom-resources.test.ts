/** @module The API server over HTTP: custom resources, from their definition to its end. */
import { describe, expect, it, test } from "vitest";
import { AS_ADMIN, controlPlaneForFile, refusalOf } from "../support/control-plane.ts";

const { api, admin } = await controlPlaneForFile();

const CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const OPEN = { type: "object", "x-kubernetes-preserve-unknown-fields": true };

function definition(plural: string, more: { schema?: object; group?: string; versions?: object[] } = {}) {
  const { schema = OPEN, group = "stable.example.com" } = more;
  const version = { name: "v1", served: true, storage: true, schema: { openAPIV3Schema: schema } };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}`, annotations: {} },
    spec: {
      group,
      scope: "Namespaced",
      names: { plural, kind: plural[0]?.toUpperCase() + plural.slice(1) },
      versions: more.versions ?? [version],
    },
  };
}

interface Made {
  readonly apiVersion: string;
  readonly metadata: { readonly name: string; readonly resourceVersion: string; readonly generation: number };
  readonly spec: Record<string, unknown>;
}

const pathOf = (plural: string, version = "v1") =>
  `/apis/stable.example.com/${version}/namespaces/default/${plural}`;
const make = (plural: string, name: string, more: object, version = "v1") =>
  admin.raw("POST", pathOf(plural, version), {
    apiVersion: `stable.example.com/${version}`,
    kind: plural[0]?.toUpperCase() + plural.slice(1),
    metadata: { name },
    ...more,
  }) as Promise<Made>;
const define = async (...given: Parameters<typeof definition>) => {
  await admin.raw("POST", CRDS, definition(...given));
  await expect
    .poll(async () => (await api.raw({ path: pathOf(given[0]), headers: AS_ADMIN })).code)
    .toBe(200);
};

describe("the end of a definition", () => {
  it("is the end of what it has defined, and nothing comes back with the next of that name", async () => {
    await define("ghosts");
    await make("ghosts", "free", {});
    const held = { metadata: { name: "held", finalizers: ["a.example/b"] } };
    await make("ghosts", "held", held);
    await admin.raw("DELETE", `${CRDS}/ghosts.stable.example.com`);
    const ending = (await admin.raw("GET", `${CRDS}/ghosts.stable.example.com`)) as {
      metadata: { finalizers: string[] };
      status: { conditions: { type: string }[] };
    };
    expect(ending.metadata.finalizers).toEqual(["customresourcecleanup.apiextensions.k8s.io"]);
    expect(ending.status.conditions.map(({ type }) => type)).toContain("Terminating");
    const error = await refusalOf(make("ghosts", "new", {}));
    expect([error.code, error.message]).toEqual([
      405,
      "create not allowed while custom resource definition is terminating",
    ]);
    await expect
      .poll(async () => (await api.raw({ path: `${pathOf("ghosts")}/free`, headers: AS_ADMIN })).code)
      .toBe(404);
    expect((await api.raw({ path: `${CRDS}/ghosts.stable.example.com`, headers: AS_ADMIN })).code).toBe(200);
    await api.raw({
      method: "PATCH",
      path: `${pathOf("ghosts")}/held`,
      headers: { ...AS_ADMIN, "content-type": "application/merge-patch+json" },
      body: '{"metadata":{"finalizers":null}}',
    });
    await expect
      .poll(
        async () => (await api.raw({ path: `${CRDS}/ghosts.stable.example.com`, headers: AS_ADMIN })).code,
        {
          timeout: 5000,
        },
      )
      .toBe(404);
    await define("ghosts");
    expect(((await admin.raw("GET", pathOf("ghosts"))) as { items: unknown[] }).items).toEqual([]);
  });
});

describe("versions", () => {
  const schema = { openAPIV3Schema: OPEN };
  const versions = [
    { name: "v1", served: true, storage: true, schema },
    { name: "v2", served: true, storage: false, schema },
  ];

  it("each is told as itself, and one is stored", async () => {
    await define("twins", { versions });
    const made = await make("twins", "a", { spec: { x: 1 } }, "v2");
    expect(made.apiVersion).toBe("stable.example.com/v2");
    const [entry] = (await api.plane.api.store.list("/registry/stable.example.com/twins/")).entries;
    expect(JSON.parse(entry?.value ?? "{}")).toMatchObject({ apiVersion: "stable.example.com/v1" });
    for (const version of ["v1", "v2"]) {
      const wanted = `stable.example.com/${version}`;
      const got = (await admin.raw("GET", `${pathOf("twins", version)}/a`)) as Made;
      expect([got.apiVersion, got.spec]).toEqual([wanted, { x: 1 }]);
      const list = (await admin.raw("GET", pathOf("twins", version))) as {
        apiVersion: string;
        items: Made[];
      };
      expect([list.apiVersion, list.items.map(({ apiVersion }) => apiVersion)]).toEqual([wanted, [wanted]]);
      const watched = await api.raw({
        path: `${pathOf("twins", version)}?watch=true&timeoutSeconds=1`,
        headers: AS_ADMIN,
      });
      expect(JSON.parse(watched.text.split("\n")[0] ?? "")).toMatchObject({ object: { apiVersion: wanted } });
      const put = (await admin.raw("PUT", `${pathOf("twins", version)}/a`, got)) as Made;
      expect([put.apiVersion, put.metadata.resourceVersion]).toEqual([wanted, got.metadata.resourceVersion]);
    }
  });

  it("a conversion by webhook is refused: nobody would be asked", async () => {
    const asked = definition("hooked", { versions });
    const spec = { ...asked.spec, conversion: { strategy: "Webhook" } };
    expect((await refusalOf(admin.raw("POST", CRDS, { ...asked, spec }))).message).toContain(
      'spec.conversion.strategy: Unsupported value: "Webhook": supported values: "None"',
    );
  });
});

describe("schemas", () => {
  const schema = {
    type: "object",
    properties: {
      spec: {
        type: "object",
        required: ["x"],
        properties: {
          x: { type: "string" },
          y: { type: "string", enum: ["b", "c"] },
          replicas: { type: "integer", minimum: 1, default: 3 },
          ports: {
            type: "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            items: {
              type: "object",
              properties: { name: { type: "string" }, protocol: { type: "string", default: "TCP" } },
            },
          },
        },
      },
    },
  };

  it("what is wrong is told as Kubernetes tells it", async () => {
    await define("strict", { schema });
    const error = await refusalOf(make("strict", "a", { spec: { y: "a", replicas: 0 } }));
    expect([error.code, error.message]).toEqual([
      422,
      'Strict.stable.example.com "a" is invalid: [spec.x: Required value, spec.y: Unsupported value: "a": supported values: "b", "c", spec.replicas: Invalid value: 0: spec.replicas in body should be greater than or equal to 1]',
    ]);
  });

  it("defaults are filled in, what nobody knows is dropped, and metadata is kept", async () => {
    const made = await make("strict", "b", {
      metadata: { name: "b", labels: { a: "b" } },
      spec: { x: "1", unknown: 1, replicas: null, ports: [{ name: "p" }] },
    });
    expect(made.spec).toEqual({ x: "1", replicas: 3, ports: [{ name: "p", protocol: "TCP" }] });
    expect(made.metadata).toMatchObject({ labels: { a: "b" }, generation: 1 });
    const patched = await api.raw({
      method: "PATCH",
      path: `${pathOf("strict")}/b`,
      headers: { ...AS_ADMIN, "content-type": "application/merge-patch+json" },
      body: JSON.stringify({ spec: { ports: [{ name: "p" }, { name: "p" }] } }),
    });
    expect([patched.code, patched.text.includes("spec.ports[1]: Duplicate value")]).toEqual([422, true]);
  });

  it("a default is told of what was stored before there was one; what was wrong before may stay", async () => {
    await define("older");
    await make("older", "a", { spec: { y: "a" } });
    const now = (await admin.raw("GET", `${CRDS}/older.stable.example.com`)) as ReturnType<typeof definition>;
    const version = { name: "v1", served: true, storage: true, schema: { openAPIV3Schema: schema } };
    await admin.raw("PUT", `${CRDS}/older.stable.example.com`, {
      ...now,
      spec: { ...now.spec, versions: [{ ...version, selectableFields: [{ jsonPath: ".spec.replicas" }] }] },
    });
    const read = async () => (await admin.raw("GET", `${pathOf("older")}/a`)) as Made;
    await expect.poll(async () => (await read()).spec).toEqual({ y: "a", replicas: 3 });
    const [chosen, others] = await Promise.all(
      ["=", "!="].map(
        async (sign) =>
          (await admin.raw("GET", `${pathOf("older")}?fieldSelector=spec.replicas${sign}3`)) as {
            items: Made[];
          },
      ),
    );
    expect([chosen?.items.length, others?.items.length]).toEqual([1, 0]);
    const was = await read();
    await admin.raw("PUT", `${pathOf("older")}/a`, {
      ...was,
      metadata: { ...was.metadata, labels: { a: "b" } },
    });
    const error = await refusalOf(
      admin.raw("PUT", `${pathOf("older")}/a`, { ...was, metadata: { name: "a" }, spec: { y: "z" } }),
    );
    expect(error.message).toContain('spec.y: Unsupported value: "z"');
  });

  it("rules in CEL are taken with a warning that nobody evaluates them", async () => {
    const rules = { ...schema, "x-kubernetes-validations": [{ rule: "self.spec.x != ''" }] };
    const answer = await api.raw({
      method: "POST",
      path: CRDS,
      headers: { ...AS_ADMIN, "content-type": "application/json" },
      body: JSON.stringify(definition("ruled", { schema: rules })),
    });
    expect(answer.code).toBe(201);
    expect(String(answer.headers["warning"])).toContain("CEL rules are not evaluated by this API server");
  });
});

describe("what a definition may not be", () => {
  test.each([
    ["pods", "core", "spec.names.plural"],
    ["pods", "apps", "spec.group"],
    ["clusterroles", "rbac.authorization.k8s.io", "spec.names.plural"],
    ["tiers", "projectcalico.org", "spec.names.plural"],
    ["things", "things.k8s.io", "metadata.annotations[api-approved.kubernetes.io]"],
  ])("%s.%s", async (plural, group, field) => {
    const error = await refusalOf(admin.raw("POST", CRDS, definition(plural, { group })));
    const { causes } = error.details as { causes: { field: string }[] };
    expect([error.code, causes.map((cause) => cause.field)]).toEqual([422, expect.arrayContaining([field])]);
  });

  it("a pattern that is none, and a default that its own schema refuses", async () => {
    const bad = {
      type: "object",
      properties: {
        a: { type: "string", pattern: "[" },
        b: { type: "integer", minimum: 1, default: 0 },
      },
    };
    const error = await refusalOf(admin.raw("POST", CRDS, definition("bad", { schema: bad })));
    const { causes } = error.details as { causes: { field: string }[] };
    expect(causes.map(({ field }) => field)).toEqual([
      "spec.versions[0].schema.openAPIV3Schema.properties[a].pattern",
      "spec.versions[0].schema.openAPIV3Schema.properties[b].default",
    ]);
  });
});
