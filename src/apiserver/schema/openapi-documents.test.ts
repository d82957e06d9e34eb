import { expect, test } from "vitest";
import type { JsonObject } from "../patch/json-value.ts";
import type { ResourceDefinition } from "../resource.ts";
import { openapiV2Document, openapiV3Document, openapiV3Index } from "./openapi-documents.ts";
import { builtInSchemas } from "./testing.ts";

const schemas = builtInSchemas();
schemas.register("example.io/v1", "Widget", { type: "object", properties: { spec: { type: "object" } } });

const VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const define = (
  group: string,
  kind: string,
  plural: string,
  more: Partial<ResourceDefinition> = {},
): ResourceDefinition => ({
  group,
  version: "v1",
  kind,
  plural,
  singular: kind.toLowerCase(),
  namespaced: true,
  shortNames: [],
  categories: [],
  verbs: VERBS,
  subresources: [],
  ...more,
});
const SCALE = {
  name: "scale",
  kind: "Scale",
  group: "autoscaling",
  version: "v1",
  verbs: ["get", "patch", "update"],
};
const RESOURCES = [
  define("", "Namespace", "namespaces", { namespaced: false }),
  define("", "Pod", "pods", { subresources: [{ name: "binding", kind: "Binding", verbs: ["create"] }] }),
  define("apps", "Deployment", "deployments", { subresources: [SCALE] }),
  define("example.io", "Widget", "widgets"),
];
const at = (document: unknown, ...path: string[]): JsonObject =>
  path.reduce((value, key) => (value as JsonObject)[key], document) as JsonObject;

test("the index says where each group's document is", () => {
  const groups = [
    { group: "", version: "v1", hash: "A" },
    { group: "apps", version: "v1", hash: "B/" },
  ];
  expect(openapiV3Index(groups)).toEqual({
    paths: {
      "api/v1": { serverRelativeURL: "/openapi/v3/api/v1?hash=A" },
      "apis/apps/v1": { serverRelativeURL: "/openapi/v3/apis/apps/v1?hash=B%2F" },
    },
  });
});

test("paths are those that the verbs allow", () => {
  const core = at(openapiV3Document("", "v1", RESOURCES, schemas), "paths");
  const methods = Object.fromEntries(
    Object.entries(core).map(([path, item]) => [path, Object.keys(item as object)]),
  );
  expect(methods).toEqual({
    "/api/v1/namespaces": ["get", "post", "delete"],
    "/api/v1/namespaces/{name}": ["get", "put", "patch", "delete"],
    "/api/v1/namespaces/{namespace}/pods": ["get", "post", "delete"],
    "/api/v1/pods": ["get"],
    "/api/v1/namespaces/{namespace}/pods/{name}": ["get", "put", "patch", "delete"],
    "/api/v1/namespaces/{namespace}/pods/{name}/binding": ["post"],
  });
});

test("a patch can be validated, forced and dry, but not strategic", () => {
  const document = openapiV3Document("apps", "v1", RESOURCES, schemas);
  const patch = at(document, "paths", "/apis/apps/v1/namespaces/{namespace}/deployments/{name}", "patch");
  expect(patch["x-kubernetes-group-version-kind"]).toEqual({
    group: "apps",
    version: "v1",
    kind: "Deployment",
  });
  expect((patch["parameters"] as JsonObject[]).map(({ name }) => name)).toEqual([
    "dryRun",
    "fieldManager",
    "fieldValidation",
    "force",
  ]);
  expect(Object.keys(at(patch, "requestBody", "content"))).not.toContain(
    "application/strategic-merge-patch+json",
  );
  const scale = at(
    document,
    "paths",
    "/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale",
    "patch",
  );
  expect(scale["x-kubernetes-group-version-kind"]).toEqual({
    group: "autoscaling",
    version: "v1",
    kind: "Scale",
  });
});

test.each([
  ["", "v1"],
  ["apps", "v1"],
  ["example.io", "v1"],
])("the document of %j holds all that it mentions", (group, version) => {
  const document = openapiV3Document(group, version, RESOURCES, schemas);
  const held = at(document, "components", "schemas");
  const mentioned = [...JSON.stringify(document).matchAll(/schemas\/([^"]+)"/g)].map(([, name]) => name!);
  expect(mentioned.filter((name) => !(name in held))).toEqual([]);
});

test("a custom kind and its list have schemas under the reversed name of the group", () => {
  const held = at(openapiV3Document("example.io", "v1", RESOURCES, schemas), "components", "schemas");
  expect(at(held, "io.example.v1.Widget")["x-kubernetes-group-version-kind"]).toEqual([
    { group: "example.io", version: "v1", kind: "Widget" },
  ]);
  expect(held).toHaveProperty(["io.example.v1.WidgetList"]);
});

test("version 2 has definitions without what it does not know", () => {
  const document = openapiV2Document(RESOURCES, schemas);
  const text = JSON.stringify(document);
  expect(document["swagger"]).toBe("2.0");
  expect(text).not.toMatch(/components\/schemas|"oneOf"|"allOf"/);
  expect(at(document, "definitions", "io.k8s.apimachinery.pkg.util.intstr.IntOrString")).toMatchObject({
    type: "string",
    format: "int-or-string",
  });
  expect(at(document, "definitions", "io.k8s.api.apps.v1.Deployment", "properties", "spec")).toMatchObject({
    $ref: "#/definitions/io.k8s.api.apps.v1.DeploymentSpec",
  });
});
