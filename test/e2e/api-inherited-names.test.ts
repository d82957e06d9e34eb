/** @module The API server over HTTP: keys that every JavaScript object inherits are keys like any other. */
import { describe, expect, it } from "vitest";
import { CONFIG_MAPS, SECRETS } from "../../src/client/kinds.ts";
import { AS_ADMIN, configMap, controlPlaneForFile, type RawAnswer } from "../support/control-plane.ts";

const { api, admin } = await controlPlaneForFile();
const MAPS = "/api/v1/namespaces/default/configmaps";
/** `__proto__` is none of the label keys that the API takes. */
const INHERITED = ["constructor", "toString", "hasOwnProperty", "valueOf"] as const;

function send(method: string, path: string, type: string, body: unknown): Promise<RawAnswer> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return api.raw({ method, path, headers: { ...AS_ADMIN, "content-type": type }, body: text });
}

describe("labels", () => {
  const labelled = (name: string, labels: Record<string, string>): object => {
    const map = configMap(name);
    return { ...map, metadata: { ...map.metadata, labels } };
  };
  const names = async (labelSelector: string): Promise<string[]> =>
    (await admin.list(CONFIG_MAPS, { namespace: "labels", labelSelector })).items.map(
      ({ metadata }) => metadata.name,
    );

  it.each(INHERITED)("a selector on %s selects what has that label", async (key) => {
    const path = "/api/v1/namespaces/labels/configmaps";
    await send("POST", "/api/v1/namespaces", "application/json", {
      kind: "Namespace",
      metadata: { name: "labels" },
    });
    for (const [name, labels] of [
      ["without", { app: "a" }],
      ["none", undefined],
      ["with", { [key]: "a" }],
    ] as const) {
      const object = labelled(`${key.toLowerCase()}-${name}`, labels as Record<string, string>);
      const { metadata } = object as { metadata: object };
      const answer = await send("POST", path, "application/json", {
        ...object,
        metadata: { ...metadata, namespace: "labels" },
      });
      expect(answer.code).toBe(201);
    }
    const prefix = key.toLowerCase();
    const mine = async (selector: string): Promise<string[]> =>
      (await names(selector))
        .filter((name) => name.startsWith(prefix))
        .map((name) => name.slice(prefix.length + 1));
    expect(await mine(key)).toEqual(["with"]);
    expect(await mine(`${key}=a`)).toEqual(["with"]);
    expect(await mine(`${key} in (a,b)`)).toEqual(["with"]);
    expect(await mine(`${key}>1`)).toEqual([]);
    expect(await mine(`!${key}`)).toEqual(["none", "without"]);
    expect(await mine(`${key}!=a`)).toEqual(["none", "without"]);
    expect(await mine(`${key} notin (a,b)`)).toEqual(["none", "without"]);
  });

  it("what is deleted by a label is what has it", async () => {
    await admin.create(CONFIG_MAPS, configMap("kept"));
    const { code } = await api.raw({
      method: "DELETE",
      path: `${MAPS}?labelSelector=toString`,
      headers: AS_ADMIN,
    });
    expect(code).toBe(200);
    expect((await admin.get(CONFIG_MAPS, { name: "kept", namespace: "default" })).metadata.name).toBe("kept");
  });
});

describe("requests", () => {
  it.each([
    ["a field selector", "GET", `${MAPS}?fieldSelector=constructor%3Da`, 400],
    ["a subresource", "GET", `${MAPS}/kept/constructor`, 404],
    ["a resource", "GET", "/api/v1/namespaces/default/constructor", 404],
    ["a group", "GET", "/apis/constructor/v1/toString", 404],
    ["a name", "GET", `${MAPS}/constructor`, 404],
    ["a patch's type", "PATCH", `${MAPS}/kept`, 415],
  ])("%s is none", async (_what, method, path, code) => {
    const answer =
      method === "GET"
        ? await api.raw({ path, headers: AS_ADMIN })
        : await send(method, path, "constructor", "{}");
    expect(answer.code).toBe(code);
  });

  it("a Secret's type has no rules", async () => {
    const secret = {
      kind: "Secret",
      metadata: { name: "typed" },
      type: "constructor",
      data: { toString: "YQ==" },
    };
    expect((await send("POST", "/api/v1/namespaces/default/secrets", "application/json", secret)).code).toBe(
      201,
    );
    expect((await admin.get(SECRETS, { name: "typed", namespace: "default" })).data).toEqual({
      toString: "YQ==",
    });
  });
});

describe("what a patch names is data", () => {
  const KEYS = ["__proto__", "constructor", "toString", "prototype"] as const;
  const widgets = "/apis/keys.dev/v1/widgets";
  const ready = send("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "application/json", {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "widgets.keys.dev" },
    spec: {
      group: "keys.dev",
      scope: "Cluster",
      names: { plural: "widgets", singular: "widget", kind: "Widget" },
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: {
              type: "object",
              properties: { spec: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
            },
          },
        },
      ],
    },
  });
  const text = (name: string, key: string): string =>
    `{"apiVersion":"keys.dev/v1","kind":"Widget","metadata":{"name":"${name}"},"spec":{"${key}":{"a":1},"b":2}}`;

  describe.each(KEYS)("%s", (key) => {
    const id = key.replaceAll("_", "").toLowerCase();
    it.each([
      ["application/json", "POST", (name: string) => text(name, key)],
      ["application/yaml", "POST", (name: string) => text(name, key)],
      ["application/apply-patch+yaml", "PATCH", (name: string) => text(name, key)],
      ["application/merge-patch+json", "PATCH", () => `{"spec":{"${key}":{"a":1},"b":2}}`],
      [
        "application/json-patch+json",
        "PATCH",
        () =>
          `[{"op":"add","path":"/spec","value":{"b":2}},{"op":"add","path":"/spec/${key}","value":{"a":1}}]`,
      ],
    ] as const)("by %s (%s)", async (type, method, body) => {
      await ready;
      const name = `${id}-${type.replace(/[^a-z]/g, "")}`;
      const isOfOld = method === "PATCH" && !type.includes("apply");
      if (isOfOld) {
        const object = `{"apiVersion":"keys.dev/v1","kind":"Widget","metadata":{"name":"${name}"}}`;
        await send("POST", widgets, "application/json", object);
      }
      const path = method === "POST" ? widgets : `${widgets}/${name}?fieldManager=t`;
      const answer = await send(method, path, type, body(name));
      expect([answer.code, answer.text]).toEqual([isOfOld ? 200 : 201, expect.any(String)]);
      const stored = (await api.raw({ path: `${widgets}/${name}`, headers: AS_ADMIN })).text;
      const { spec, metadata } = JSON.parse(stored);
      expect(Object.entries(spec).sort()).toEqual(
        [
          [key, { a: 1 }],
          ["b", 2],
        ].sort(),
      );
      // Its owner owns it, too.
      expect(JSON.stringify(metadata.managedFields)).toContain(`"f:${key}":{`);
      expect(({} as Record<string, unknown>)["a"]).toBeUndefined();
    });

    it("is taken away by whoever applied it", async () => {
      await ready;
      const path = `${widgets}/${id}-gone?fieldManager=t`;
      await send("PATCH", path, "application/apply-patch+yaml", text(`${id}-gone`, key));
      const less = `{"apiVersion":"keys.dev/v1","kind":"Widget","metadata":{"name":"${id}-gone"},"spec":{"b":2}}`;
      const answer = await send("PATCH", path, "application/apply-patch+yaml", less);
      expect(Object.keys(JSON.parse(answer.text).spec)).toEqual(["b"]);
    });

    it("is no field of a built-in kind, and no label is changed by it", async () => {
      const name = `builtin-${id}`;
      await send("POST", MAPS, "application/json", {
        kind: "ConfigMap",
        metadata: { name, labels: { l: "x" } },
      });
      for (const [type, body] of [
        [
          "application/strategic-merge-patch+json",
          `{"${key}":{"l":"y"},"metadata":{"${key}":{"l":"y"}},"data":{"k":"v"}}`,
        ],
        [
          "application/merge-patch+json",
          `{"${key}":{"l":"y"},"metadata":{"${key}":{"l":"y"}},"data":{"k":"v"}}`,
        ],
      ] as const) {
        const answer = await send("PATCH", `${MAPS}/${name}`, type, body);
        expect(answer.code).toBe(200);
        const { metadata, data, ...rest } = JSON.parse(answer.text);
        expect([metadata.labels, data, Object.keys(rest).sort()]).toEqual([
          { l: "x" },
          { k: "v" },
          ["apiVersion", "kind"],
        ]);
        expect(Object.keys(metadata)).not.toContain(key);
      }
    });
  });
});
