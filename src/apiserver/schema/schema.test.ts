import { expect, test } from "vitest";
import { builtInSchemas } from "./testing.ts";

const schemas = builtInSchemas();

test.each([
  ["v1", "Pod"],
  ["v1", "PodList"],
  ["apps/v1", "Deployment"],
  ["batch/v1", "CronJob"],
  ["networking.k8s.io/v1", "NetworkPolicy"],
  ["discovery.k8s.io/v1", "EndpointSlice"],
  ["policy/v1", "PodDisruptionBudget"],
  ["policy/v1", "Eviction"],
  ["rbac.authorization.k8s.io/v1", "RoleBinding"],
  ["coordination.k8s.io/v1", "Lease"],
  ["events.k8s.io/v1", "Event"],
  ["autoscaling/v1", "Scale"],
  ["authentication.k8s.io/v1", "TokenRequest"],
  ["authorization.k8s.io/v1", "SelfSubjectAccessReview"],
  ["scheduling.k8s.io/v1", "PriorityClass"],
  ["storage.k8s.io/v1", "StorageClass"],
  ["apiextensions.k8s.io/v1", "CustomResourceDefinition"],
  ["apiregistration.k8s.io/v1", "APIService"],
  ["admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"],
])("%s %s has a schema with metadata", (apiVersion, kind) => {
  expect(schemas.schemaOf(apiVersion, kind)?.field("metadata")?.goType).toMatch(/^v1\.(Object|List)Meta$/);
});

test("kinds of the same name in two groups are two", () => {
  expect(schemas.schemaOf("v1", "Event")?.fieldNames).toContain("involvedObject");
  expect(schemas.schemaOf("events.k8s.io/v1", "Event")?.fieldNames).toContain("regarding");
  const port = (apiVersion: string, kind: string, ...path: string[]) =>
    path.reduce((at, name) => at?.field(name)?.items ?? at?.field(name), schemas.schemaOf(apiVersion, kind));
  expect(port("v1", "Endpoints", "subsets", "ports")?.required).toEqual(["port"]);
  expect(port("discovery.k8s.io/v1", "EndpointSlice", "ports")?.required).toEqual([]);
});

test("types are those of Go", () => {
  const spec = schemas.schemaOf("apps/v1", "Deployment")?.field("spec");
  expect(spec?.goType).toBe("v1.DeploymentSpec");
  expect(spec?.required).toEqual(["selector", "template"]);
  expect(spec?.field("replicas")).toMatchObject({ type: "integer", goType: "int32" });
  const podSpec = spec?.field("template")?.field("spec");
  expect(podSpec?.field("containers")?.goType).toBe("[]v1.Container");
  expect(podSpec?.field("nodeSelector")?.goType).toBe("map[string]string");
  const container = podSpec?.field("containers")?.items;
  expect(container?.field("resources")?.field("limits")?.values?.type).toBe("quantity");
  expect(container?.field("livenessProbe")?.field("httpGet")?.field("port")?.type).toBe("int-or-string");
});

test("no schema mentions one that is not there", () => {
  const mentioned = new Set<string>();
  for (const name of schemas.componentNames) {
    for (const [, other] of JSON.stringify(schemas.component(name)).matchAll(/schemas\/([^"]+)"/g)) {
      mentioned.add(other!);
    }
  }
  expect([...mentioned].filter((name) => !schemas.component(name))).toEqual([]);
});

test("a registered kind comes, changes and goes", () => {
  schemas.register("example.io/v1", "Widget", { properties: { spec: { type: "object" } } });
  expect(schemas.schemaOf("example.io/v1", "Widget")?.fieldNames).toEqual([
    "apiVersion",
    "kind",
    "metadata",
    "spec",
  ]);
  expect(schemas.schemaOf("example.io/v1", "Widget")?.field("metadata")?.goType).toBe("v1.ObjectMeta");
  schemas.register("example.io/v1", "Widget", { properties: { status: { type: "object" } } });
  expect(schemas.schemaOf("example.io/v1", "Widget")?.field("spec")).toBeUndefined();
  schemas.unregister("example.io/v1", "Widget");
  expect(schemas.schemaOf("example.io/v1", "Widget")).toBeUndefined();
});
