import { describe, expect, test } from "vitest";
import { builtInSchemas } from "./testing.ts";
import { prune, requiredErrors, typeErrors, unknownFields } from "./validate-fields.ts";

const schemas = builtInSchemas();
schemas.register("example.io/v1", "Widget", {
  type: "object",
  properties: {
    spec: {
      type: "object",
      required: ["size"],
      properties: {
        size: { type: "integer" },
        port: { "x-kubernetes-int-or-string": true },
        free: {
          type: "object",
          "x-kubernetes-preserve-unknown-fields": true,
          properties: { a: { type: "string" } },
        },
        labels: { type: "object", additionalProperties: { type: "string" } },
        closed: { type: "object" },
        parts: { type: "array", items: { type: "object", properties: { name: { type: "string" } } } },
        pod: {
          type: "object",
          "x-kubernetes-embedded-resource": true,
          "x-kubernetes-preserve-unknown-fields": true,
        },
      },
    },
  },
});
const schema = (kind: string, apiVersion = "v1") => schemas.schemaOf(apiVersion, kind)!;
const POD = schema("Pod");
const POLICY = schema("NetworkPolicy", "networking.k8s.io/v1");
const DEPLOYMENT = schema("Deployment", "apps/v1");
const WIDGET = schema("Widget", "example.io/v1");
const pod = (container: object) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "p" },
  spec: { containers: [container] },
});

describe("unknown fields", () => {
  test.each([
    ["a misspelt field", POLICY, { spec: { podSelectr: {} } }, ["spec.podSelectr"]],
    ["inside of lists", POD, pod({ name: "c", imag: "x" }), ["spec.containers[0].imag"]],
    ["all of them", POD, { spce: {}, metadata: { nam: "x" } }, ["spce", "metadata.nam"]],
    ["labels have any keys", POD, { metadata: { labels: { any: "x" } } }, []],
    ["so have limits", POD, pod({ name: "c", resources: { limits: { "example.io/x": 1 } } }), []],
    [
      "managed fields are a tree of any keys",
      POD,
      { metadata: { managedFields: [{ fieldsV1: { "f:x": {} } }] } },
      [],
    ],
    [
      "the data of a revision is any object",
      schema("ControllerRevision", "apps/v1"),
      { data: { a: { b: 1 } } },
      [],
    ],
    ["inherited names are unknown", POD, { constructor: {} }, ["constructor"]],
    [
      "a custom resource is closed",
      WIDGET,
      { spec: { closed: { a: 1 }, parts: [{ nme: "x" }] } },
      ["spec.closed.a", "spec.parts[0].nme"],
    ],
    ["unless it says that it keeps them", WIDGET, { spec: { free: { b: 1 }, labels: { c: "x" } } }, []],
    [
      "an embedded object has metadata",
      WIDGET,
      { spec: { pod: { metadata: { nam: 1 }, spec: { x: 1 } } } },
      ["spec.pod.metadata.nam"],
    ],
  ])("%s", (_why, known, object, found) => {
    expect(unknownFields(object, known)).toEqual(found);
    const before = JSON.stringify(object);
    expect(unknownFields(prune(object, known), known)).toEqual([]);
    expect(JSON.stringify(object)).toBe(before);
  });

  test("what has none is not copied", () => {
    const object = pod({ name: "c", image: "x" });
    expect(prune(object, POD)).toBe(object);
  });

  test("pruning leaves the rest", () => {
    expect(prune({ ...pod({ name: "c", x: 1 }), y: 2 }, POD)).toEqual(pod({ name: "c" }));
  });
});

describe("types", () => {
  test.each<[string, typeof POD, object, string, string]>([
    [
      "a text for a number",
      DEPLOYMENT,
      { spec: { replicas: "three" } },
      "spec.replicas",
      "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
    ],
    [
      "a number with a fraction",
      DEPLOYMENT,
      { spec: { replicas: 1.5 } },
      "spec.replicas",
      "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
    ],
    [
      "a number that is too large",
      DEPLOYMENT,
      { spec: { replicas: 2 ** 31 } },
      "spec.replicas",
      "json: cannot unmarshal number 2147483648 into Go struct field DeploymentSpec.spec.replicas of type int32",
    ],
    [
      "a number for a text",
      POD,
      pod({ name: "c", image: 1 }),
      "spec.containers[0].image",
      "json: cannot unmarshal number into Go struct field Container.spec.containers.image of type string",
    ],
    [
      "a number as label",
      POD,
      { metadata: { labels: { a: 1 } } },
      "metadata.labels.a",
      "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
    ],
    [
      "an object for a list",
      POD,
      { spec: { containers: {} } },
      "spec.containers",
      "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container",
    ],
    [
      "a list for an object",
      POLICY,
      { spec: { podSelector: [] } },
      "spec.podSelector",
      "json: cannot unmarshal array into Go struct field NetworkPolicySpec.spec.podSelector of type v1.LabelSelector",
    ],
    [
      "a truth for a port",
      POLICY,
      { spec: { ingress: [{ ports: [{ port: true }] }] } },
      "spec.ingress[0].ports[0].port",
      "json: cannot unmarshal bool into Go struct field NetworkPolicyPort.spec.ingress.ports.port of type intstr.IntOrString",
    ],
    [
      "what is no quantity",
      POD,
      pod({ name: "c", resources: { limits: { cpu: "lots" } } }),
      "spec.containers[0].resources.limits.cpu",
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    ],
    [
      "what is not base64",
      schema("Secret"),
      { data: { a: "a b" } },
      "data.a",
      "illegal base64 data at input byte 1",
    ],
    [
      "what is no time",
      POD,
      { metadata: { creationTimestamp: "today" } },
      "metadata.creationTimestamp",
      'parsing time "today" as "2006-01-02T15:04:05Z07:00": cannot parse "today" as "2006"',
    ],
    [
      "a text for a number in a custom resource",
      WIDGET,
      { spec: { size: "big" } },
      "spec.size",
      'Invalid value: "string": spec.size in body must be of type integer: "string"',
    ],
  ])("%s", (_why, known, object, path, message) => {
    expect(typeErrors(object, known)).toEqual([{ path, message }]);
  });

  test.each([
    [
      "null is of every type",
      DEPLOYMENT,
      { metadata: { creationTimestamp: null }, spec: { replicas: null } },
    ],
    [
      "quantities may be numbers",
      POD,
      pod({ name: "c", resources: { limits: { cpu: 1, memory: "1.5Gi", x: "1e3" } } }),
    ],
    [
      "ports are numbers or names",
      POLICY,
      { spec: { ingress: [{ ports: [{ port: 80 }, { port: "http" }] }] } },
    ],
    ["base64 may be empty", schema("Secret"), { data: { a: "", b: "aGk=" } }],
    [
      "times have zones and fractions",
      POD,
      { metadata: { creationTimestamp: "2026-01-01T00:00:00.5+02:00" } },
    ],
    ["a custom int or string", WIDGET, { spec: { port: "http", pod: { apiVersion: "v1", x: [] } } }],
  ])("%s", (_why, known, object) => {
    expect(typeErrors(object, known)).toEqual([]);
  });
});

test.each([
  ["a missing selector and template", DEPLOYMENT, { spec: {} }, ["spec.selector", "spec.template"]],
  ["a container without name", POD, pod({ image: "x" }), ["spec.containers[0].name"]],
  ["null is missing", POD, { spec: { containers: null } }, ["spec.containers"]],
  ["nothing is required of what is not there", DEPLOYMENT, {}, []],
  ["a selector that selects all pods may be left out", POLICY, { spec: {} }, []],
  ["a custom resource's own", WIDGET, { spec: {} }, ["spec.size"]],
])("required: %s", (_why, known, object, paths) => {
  expect(requiredErrors(object, known)).toEqual(paths.map((path) => ({ path, message: "Required value" })));
});
