import { expect, test } from "vitest";
import { customMergeSchema, mergeSchemaOf } from "./merge-keys.ts";
import { applyStrategicMergePatch } from "./strategic-merge-patch.ts";

const POD = mergeSchemaOf("v1", "Pod");
const pod = (spec: unknown) => ({ spec });
const names = (...items: string[]) => items.map((name) => ({ name }));

test.each([
  ["null deletes a key", { a: 1, b: 2 }, { a: null }, { b: 2 }],
  [
    "containers merge by name",
    pod({
      containers: [
        { name: "a", image: "1" },
        { name: "b", image: "1" },
      ],
    }),
    pod({ containers: [{ name: "b", image: "2" }] }),
    pod({
      containers: [
        { name: "a", image: "1" },
        { name: "b", image: "2" },
      ],
    }),
  ],
  [
    "a new container goes to the end",
    pod({ containers: names("a") }),
    pod({ containers: [{ name: "b", image: "2", env: null }] }),
    pod({ containers: [{ name: "a" }, { name: "b", image: "2" }] }),
  ],
  [
    "an item is deleted by its key",
    pod({ containers: names("a", "b") }),
    pod({ containers: [{ name: "a", $patch: "delete" }] }),
    pod({ containers: names("b") }),
  ],
  [
    "a list is replaced on demand",
    pod({ containers: names("a", "b") }),
    pod({ containers: [{ name: "c" }, { $patch: "replace" }] }),
    pod({ containers: names("c") }),
  ],
  [
    "an object is replaced on demand",
    pod({ securityContext: { runAsUser: 1 } }),
    pod({ securityContext: { $patch: "replace", fsGroup: 2 } }),
    pod({ securityContext: { fsGroup: 2 } }),
  ],
  [
    "an object is emptied on demand",
    pod({ securityContext: { runAsUser: 1 } }),
    pod({ securityContext: { $patch: "delete" } }),
    pod({ securityContext: {} }),
  ],
  [
    "tolerations are replaced",
    pod({ tolerations: [{ key: "a" }] }),
    pod({ tolerations: [{ key: "b" }] }),
    pod({ tolerations: [{ key: "b" }] }),
  ],
  [
    "retained keys are all that stays",
    pod({ volumes: [{ name: "v", emptyDir: {} }] }),
    pod({ volumes: [{ name: "v", $retainKeys: ["name", "configMap"], configMap: { name: "c" } }] }),
    pod({ volumes: [{ name: "v", configMap: { name: "c" } }] }),
  ],
  [
    "env merges inside of containers",
    pod({ containers: [{ name: "a", env: [{ name: "X", value: "1" }] }] }),
    pod({ containers: [{ name: "a", env: [{ name: "Y", value: "2" }] }] }),
    pod({
      containers: [
        {
          name: "a",
          env: [
            { name: "X", value: "1" },
            { name: "Y", value: "2" },
          ],
        },
      ],
    }),
  ],
  [
    "the wanted order holds, and unknown items keep their place",
    pod({ containers: names("a", "x", "b", "y") }),
    pod({ "$setElementOrder/containers": names("b", "n", "a"), containers: names("n") }),
    pod({ containers: names("x", "b", "n", "a", "y") }),
  ],
  [
    "an order alone reorders",
    pod({ containers: names("a", "b") }),
    pod({ "$setElementOrder/containers": names("b", "a") }),
    pod({ containers: names("b", "a") }),
  ],
  [
    "finalizers join without repetition",
    { metadata: { finalizers: ["a", "b"] } },
    { metadata: { finalizers: ["b", "c"] } },
    { metadata: { finalizers: ["a", "b", "c"] } },
  ],
  [
    "primitives are deleted by value",
    { metadata: { finalizers: ["a", "b"] } },
    { metadata: { "$deleteFromPrimitiveList/finalizers": ["a"], "$setElementOrder/finalizers": ["b"] } },
    { metadata: { finalizers: ["b"] } },
  ],
  [
    "a missing parent is made without its directives",
    {},
    pod({
      containers: [
        { name: "a", $patch: "delete" },
        { name: "b", resources: { limits: null } },
      ],
    }),
    pod({ containers: [{ name: "b", resources: {} }] }),
  ],
])("%s", (_why, target, patch, result) => {
  const before = JSON.stringify(target);
  expect(applyStrategicMergePatch(target, patch, POD)).toEqual(result);
  expect(JSON.stringify(target)).toBe(before);
});

test("ports of a Service merge by port, and by containerPort in a container", () => {
  const service = { spec: { ports: [{ port: 80, name: "a" }, { port: 81 }] } };
  const patch = { spec: { ports: [{ port: 80, targetPort: 8080 }] } };
  expect(applyStrategicMergePatch(service, patch, mergeSchemaOf("v1", "Service"))).toEqual({
    spec: { ports: [{ port: 80, name: "a", targetPort: 8080 }, { port: 81 }] },
  });
});

test("rules of a NetworkPolicy are replaced", () => {
  const policy = { spec: { podSelector: { matchLabels: { a: "1" } }, ingress: [{ ports: [] }, {}] } };
  const patch = { spec: { podSelector: { matchLabels: { b: "2" } }, ingress: [{}] } };
  expect(
    applyStrategicMergePatch(policy, patch, mergeSchemaOf("networking.k8s.io/v1", "NetworkPolicy")),
  ).toEqual({
    spec: { podSelector: { matchLabels: { a: "1", b: "2" } }, ingress: [{}] },
  });
});

test("what kubectl sends to change an image applies", () => {
  const live = {
    spec: {
      replicas: 2,
      strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1 } },
      template: { spec: { containers: [{ name: "web", image: "1", terminationMessagePath: "/x" }] } },
    },
  };
  const patch = {
    spec: {
      $retainKeys: undefined,
      strategy: { $retainKeys: ["type"], type: "Recreate" },
      template: {
        spec: { "$setElementOrder/containers": [{ name: "web" }], containers: [{ name: "web", image: "2" }] },
      },
    },
  };
  expect(applyStrategicMergePatch(live, patch, mergeSchemaOf("apps/v1", "Deployment"))).toEqual({
    spec: {
      replicas: 2,
      strategy: { type: "Recreate" },
      template: { spec: { containers: [{ name: "web", image: "2", terminationMessagePath: "/x" }] } },
    },
  });
});

test.each([
  [
    "an item without its key",
    pod({ containers: [{ image: "x" }] }),
    /does not contain declared merge key: name/,
  ],
  ["an item that is no object", pod({ containers: ["x"] }), /expected an object/],
  ["an unknown directive", pod({ $patch: "keep" }), /unknown patch type: keep/],
  ["a directive of another type", pod({ $retainKeys: "x" }), /must be a list/],
  ["a patch that is a list", [], /cannot unmarshal array/],
])("%s is malformed", (_why, patch, message) => {
  expect(() => applyStrategicMergePatch(pod({}), patch, POD)).toThrow(message);
});

test("a custom resource's schema says how its lists merge for server-side apply", () => {
  const schema = customMergeSchema({
    type: "object",
    properties: {
      spec: {
        type: "object",
        properties: {
          rules: {
            type: "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name", "proto"],
            items: { type: "object", properties: { name: {}, proto: { type: "string", default: "TCP" } } },
          },
          tags: { type: "array", "x-kubernetes-list-type": "set" },
          ref: { type: "object", "x-kubernetes-map-type": "atomic" },
        },
      },
    },
  });
  expect(schema.fields["spec"]?.of?.fields).toEqual({
    rules: { list: [{ name: "name" }, { name: "proto", default: "TCP" }] },
    tags: { list: "set" },
    ref: { atomic: true },
  });
  expect(schema.fields["metadata"]?.of?.fields["ownerReferences"]?.patchKey).toBe("uid");
});
