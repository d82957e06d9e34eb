import { expect, test } from "vitest";
import { pathsOf } from "./field-set.ts";
import type { JsonObject } from "./json-value.ts";
import { managedFieldsOf, updateManagedFields } from "./managed-fields.ts";
import { mergeSchemaOf } from "./merge-keys.ts";
import { type ApplyResult, applyServerSide, conflictCauses, conflictMessage } from "./server-side-apply.ts";

const T1 = "2026-01-01T00:00:00Z";
const T2 = "2026-01-02T00:00:00Z";

function apply(
  live: unknown,
  applied: object,
  { manager = "me", force = false, now = T1, apiVersion = "apps/v1", kind = "Deployment" } = {},
): ApplyResult {
  const before = JSON.stringify(live);
  const whole = { apiVersion, kind, ...applied };
  const result = applyServerSide({
    live,
    applied: whole,
    manager,
    force,
    now,
    apiVersion,
    schema: mergeSchemaOf(apiVersion, kind),
  });
  expect(JSON.stringify(live)).toBe(before);
  return result;
}
const applied = (...args: Parameters<typeof apply>): JsonObject => {
  const { object, conflicts } = apply(...args);
  expect(conflicts).toBeUndefined();
  return object!;
};
const bare = (object: JsonObject): unknown => {
  const { managedFields: _managedFields, ...metadata } = object["metadata"] as JsonObject;
  return { ...object, metadata };
};
const updated = (before: JsonObject, after: JsonObject, manager = "kubectl"): JsonObject => {
  const managedFields = updateManagedFields({ before, after, manager, now: T2, apiVersion: "apps/v1" });
  return { ...after, metadata: { ...(after["metadata"] as object), managedFields } };
};
const owners = (object: JsonObject) =>
  Object.fromEntries(managedFieldsOf(object).map((entry) => [entry.manager, pathsOf(entry.fieldsV1)]));
const web = (spec: object, labels: object = {}) => ({ metadata: { name: "web", labels }, spec });
const containers = (...items: object[]) => ({ template: { spec: { containers: items } } });

test("a new object is what was applied, and its manager owns the leaves", () => {
  const object = applied(
    undefined,
    web({ replicas: 1, ...containers({ name: "a", image: "1" }) }, { x: "y" }),
  );
  expect(managedFieldsOf(object)).toEqual([
    {
      manager: "me",
      operation: "Apply",
      apiVersion: "apps/v1",
      time: T1,
      fieldsType: "FieldsV1",
      fieldsV1: {
        "f:metadata": { "f:labels": { "f:x": {} } },
        "f:spec": {
          "f:replicas": {},
          "f:template": {
            "f:spec": { "f:containers": { 'k:{"name":"a"}': { ".": {}, "f:name": {}, "f:image": {} } } },
          },
        },
      },
    },
  ]);
});

test("applying the same again changes nothing, not even the time", () => {
  const object = applied(undefined, web({ replicas: 1 }));
  expect(applied(object, web({ replicas: 1 }), { now: T2 })).toEqual(object);
});

test("what the manager no longer applies goes", () => {
  const object = applied(undefined, web({ replicas: 1, paused: true }, { a: "1", b: "2" }));
  expect(bare(applied(object, web({ replicas: 1 }, { b: "2" })))).toMatchObject({
    metadata: { labels: { b: "2" } },
    spec: { replicas: 1 },
  });
  expect(applied(object, web({ replicas: 1 }, { b: "2" }))["spec"]).toEqual({ replicas: 1 });
});

test("an object that only held what goes, goes with it", () => {
  const object = applied(undefined, web({ strategy: { rollingUpdate: { maxSurge: 1 } } }, { a: "1" }));
  const after = applied(object, { metadata: { name: "web" }, spec: { replicas: 1 } });
  expect(bare(after)).toEqual({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web" },
    spec: { replicas: 1 },
  });
});

test("what others own too stays", () => {
  const first = applied(undefined, web({ replicas: 1 }, { a: "1" }), { manager: "one" });
  const second = applied(first, web({ replicas: 1 }, { a: "1" }), { manager: "two" });
  expect(owners(second)).toEqual({
    one: [".metadata.labels.a", ".spec.replicas"],
    two: [".metadata.labels.a", ".spec.replicas"],
  });
  const third = applied(second, web({}), { manager: "one" });
  expect(third["spec"]).toEqual({ replicas: 1 });
  expect(owners(third)["two"]).toContain(".spec.replicas");
});

test("what nobody owns stays: the server filled it in", () => {
  const object = applied(undefined, web(containers({ name: "a", image: "1" })));
  const live = { ...object, spec: { ...containers({ name: "a", image: "1", imagePullPolicy: "Always" }) } };
  const after = applied(live, web(containers({ name: "a", image: "2" })));
  expect(after["spec"]).toEqual(containers({ name: "a", image: "2", imagePullPolicy: "Always" }));
});

test("another value of a field that somebody else owns is a conflict", () => {
  const created = updated(
    {},
    { kind: "Deployment", ...web({ replicas: 3, ...containers({ name: "a", image: "1" }) }) },
  );
  const one = apply(created, web({ replicas: 1 }));
  expect(one.conflicts).toEqual([{ manager: '"kubectl" using apps/v1', field: ".spec.replicas" }]);
  expect(conflictMessage(one.conflicts!)).toBe(
    'Apply failed with 1 conflict: conflict with "kubectl" using apps/v1: .spec.replicas',
  );
  const two = apply(created, web({ replicas: 1, ...containers({ name: "a", image: "2" }) }));
  expect(conflictMessage(two.conflicts!)).toBe(
    [
      'Apply failed with 2 conflicts: conflicts with "kubectl" using apps/v1:',
      "- .spec.replicas",
      '- .spec.template.spec.containers[name="a"].image',
    ].join("\n"),
  );
  expect(conflictCauses(one.conflicts!)).toEqual([
    {
      reason: "FieldManagerConflict",
      message: 'conflict with "kubectl" using apps/v1',
      field: ".spec.replicas",
    },
  ]);
});

test("conflicts with several managers are told by manager", () => {
  const first = applied(undefined, web({ replicas: 1 }), { manager: "zoe" });
  const second = applied(first, web({ paused: true }), { manager: "bob" });
  const { conflicts } = apply(second, web({ replicas: 2, paused: false }));
  expect(conflictMessage(conflicts!)).toBe(
    'Apply failed with 2 conflicts: conflicts with "bob":\n- .spec.paused\nconflicts with "zoe":\n- .spec.replicas',
  );
});

test("force takes the field from its owner", () => {
  const created = updated({}, { kind: "Deployment", ...web({ replicas: 3, paused: true }) });
  const after = applied(created, web({ replicas: 1 }), { force: true });
  expect(after["spec"]).toEqual({ replicas: 1, paused: true });
  expect(owners(after)).toEqual({
    me: [".metadata.labels", ".spec.replicas"],
    kubectl: [".metadata.labels", ".spec.paused"],
  });
});

test("the same value is owned together", () => {
  const created = updated({}, { kind: "Deployment", ...web({ replicas: 3 }) });
  const after = applied(created, web({ replicas: 3 }));
  expect(owners(after)["me"]).toContain(".spec.replicas");
  expect(owners(after)["kubectl"]).toContain(".spec.replicas");
});

test("an object of which nobody is known to own anything is owned by before-first-apply", () => {
  const { conflicts } = apply({ kind: "Deployment", ...web({ replicas: 3 }) }, web({ replicas: 1 }));
  expect(conflicts).toEqual([{ manager: '"before-first-apply" using apps/v1', field: ".spec.replicas" }]);
});

test("items of two managers live in one list, in the order of the one who applies", () => {
  const first = applied(undefined, web(containers({ name: "a" }, { name: "b" })), { manager: "one" });
  const second = applied(first, web(containers({ name: "side" }, { name: "b" })), { manager: "two" });
  expect(second["spec"]).toEqual(containers({ name: "a" }, { name: "side" }, { name: "b" }));
  const third = applied(second, web(containers({ name: "a" })), { manager: "one" });
  expect(third["spec"]).toEqual(containers({ name: "a" }, { name: "side" }, { name: "b" }));
  const fourth = applied(third, web(containers({ name: "side" })), { manager: "two" });
  expect(fourth["spec"]).toEqual(containers({ name: "a" }, { name: "side" }));
});

test("ports are told apart by port and protocol, which is TCP when left out", () => {
  const ports = (...items: object[]) => web(containers({ name: "a", ports: items }));
  const first = applied(undefined, ports({ containerPort: 53, protocol: "TCP" }), { manager: "one" });
  const second = applied(first, ports({ containerPort: 53 }, { containerPort: 53, protocol: "UDP" }));
  expect(second["spec"]).toEqual(
    containers({
      name: "a",
      ports: [
        { containerPort: 53, protocol: "TCP" },
        { containerPort: 53, protocol: "UDP" },
      ],
    }),
  );
});

test("a selector and the rules of a NetworkPolicy have one owner", () => {
  const options = { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy" };
  const policy = (spec: object) => ({ metadata: { name: "p" }, spec });
  const first = applied(undefined, policy({ podSelector: { matchLabels: { a: "1" } }, ingress: [{}] }), {
    ...options,
    manager: "one",
  });
  expect(owners(first)["one"]).toEqual([".spec.podSelector", ".spec.ingress"]);
  const second = apply(first, policy({ podSelector: { matchLabels: { b: "1" } } }), options);
  expect(second.conflicts).toEqual([{ manager: '"one"', field: ".spec.podSelector" }]);
  const third = applied(first, policy({ podSelector: { matchLabels: { b: "1" } } }), {
    ...options,
    force: true,
  });
  expect(third["spec"]).toEqual({ podSelector: { matchLabels: { b: "1" } }, ingress: [{}] });
});

test("finalizers are a set", () => {
  const meta = (...finalizers: string[]) => ({ metadata: { name: "web", finalizers } });
  const first = applied(undefined, meta("a/x"), { manager: "one" });
  const second = applied(first, meta("b/y"), { manager: "two" });
  expect(second["metadata"]).toMatchObject({ finalizers: ["a/x", "b/y"] });
  expect(applied(second, meta(), { manager: "one" })["metadata"]).toMatchObject({ finalizers: ["b/y"] });
});

test("null says as much as nothing", () => {
  const object = applied(undefined, {
    metadata: { name: "web", creationTimestamp: null },
    spec: { replicas: 1 },
  });
  expect(object["metadata"]).not.toHaveProperty("creationTimestamp");
});

test.each([
  ["no object", [], /cannot unmarshal array/],
  ["managed fields", { metadata: { managedFields: [{}] } }, /metadata.managedFields must be nil/],
  [
    "an item without its key",
    {
      kind: "Deployment",
      apiVersion: "apps/v1",
      metadata: { name: "w", namespace: "d" },
      spec: containers({ image: "x" }),
    },
    'failed to create typed patch object (d/w; apps/v1, Kind=Deployment): .spec.template.spec.containers: element 0: associative list with keys has an element that omits key field "name" (and doesn\'t have default value)',
  ],
  [
    "the same item twice",
    { spec: containers({ name: "a" }, { name: "a" }) },
    /duplicate entries for key \[name="a"\]/,
  ],
])("%s cannot be applied", (_why, document, message) => {
  const request = { live: undefined, manager: "me", force: false, now: T1, apiVersion: "apps/v1" };
  const schema = mergeSchemaOf("apps/v1", "Deployment");
  expect(() => applyServerSide({ ...request, applied: document, schema })).toThrow(message);
});
