import { expect, test } from "vitest";
import { type FieldSet, pathsOf } from "./field-set.ts";
import { type ManagedFieldsEntry, managedFieldsOf, updateManagedFields } from "./managed-fields.ts";

const T1 = "2026-01-01T00:00:00Z";
const T2 = "2026-01-02T00:00:00Z";

interface Write {
  before?: unknown;
  after: unknown;
  manager: string;
  now?: string;
  subresource?: string;
}
const write = ({ before, after, manager, now = T1, ...more }: Write) =>
  updateManagedFields({ before, after, manager, now, apiVersion: "apps/v1", ...more });
const deployment = (spec: object, managedFields: readonly ManagedFieldsEntry[] = [], labels = {}) => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "web", uid: "1", resourceVersion: "7", labels, managedFields },
  spec,
});
const owners = (entries: readonly ManagedFieldsEntry[]) =>
  Object.fromEntries(entries.map((entry) => [entry.manager, pathsOf(entry.fieldsV1)]));
const web = (image: string) => ({ template: { spec: { containers: [{ name: "web", image }] } } });

test("who creates an object owns all of it but what the server sets", () => {
  const entries = write({ after: { ...deployment({ replicas: 1, ...web("1") }) }, manager: "kubectl" });
  expect(entries).toEqual([
    {
      manager: "kubectl",
      operation: "Update",
      apiVersion: "apps/v1",
      time: T1,
      fieldsType: "FieldsV1",
      fieldsV1: {
        "f:metadata": { "f:labels": {} },
        "f:spec": {
          "f:replicas": {},
          "f:template": {
            ".": {},
            "f:spec": {
              ".": {},
              "f:containers": { ".": {}, 'k:{"name":"web"}': { ".": {}, "f:name": {}, "f:image": {} } },
            },
          },
        },
      },
    },
  ]);
});

test("a change moves the field to its writer, and only that field", () => {
  const created = write({ after: deployment({ replicas: 1, ...web("1") }), manager: "a" });
  const before = deployment({ replicas: 1, ...web("1") }, created);
  const after = deployment({ replicas: 1, ...web("2") }, created);
  const entries = write({ before, after, manager: "b", now: T2 });
  expect(owners(entries)["b"]).toEqual(['.spec.template.spec.containers[name="web"].image']);
  expect(owners(entries)["a"]).not.toContain('.spec.template.spec.containers[name="web"].image');
  expect(owners(entries)["a"]).toContain(".spec.replicas");
});

test("a write without a change leaves the entries as they are", () => {
  const created = write({ after: deployment({ replicas: 1 }), manager: "a" });
  const before = deployment({ replicas: 1 }, created);
  expect(write({ before, after: structuredClone(before), manager: "b", now: T2 })).toEqual(created);
});

test("a removed field has no owner", () => {
  const created = write({ after: deployment({ replicas: 1, paused: true }), manager: "a" });
  const before = deployment({ replicas: 1, paused: true }, created);
  const entries = write({ before, after: deployment({ replicas: 1 }, created), manager: "b" });
  expect(owners(entries)).toEqual({ a: [".metadata.labels", ".spec.replicas"] });
});

test("a manager whose last field is taken has no entry", () => {
  const created = write({ after: { kind: "Deployment", spec: { replicas: 1 } }, manager: "a" });
  const before = { kind: "Deployment", metadata: { managedFields: created }, spec: { replicas: 1 } };
  const after = { ...before, spec: { replicas: 2 } };
  expect(owners(write({ before, after, manager: "b" }))).toEqual({ b: [".spec.replicas"] });
});

test("the status has an entry of its own", () => {
  const created = write({ after: deployment({ replicas: 1 }), manager: "a" });
  const before = deployment({ replicas: 1 }, created);
  const after = { ...before, status: { conditions: [{ type: "Available", status: "True" }] } };
  const entries = write({ before, after, manager: "a", now: T2, subresource: "status" });
  expect(entries).toHaveLength(2);
  expect(entries[1]).toMatchObject({ subresource: "status", time: T2 });
  expect(pathsOf(entries[1]!.fieldsV1)).toContain('.status.conditions[type="Available"].status');
});

test("an applier loses a field that another changes", () => {
  const fieldsV1: FieldSet = { "f:spec": { "f:replicas": {}, "f:paused": {} } };
  const applied: ManagedFieldsEntry = {
    manager: "a",
    operation: "Apply",
    apiVersion: "apps/v1",
    time: T1,
    fieldsType: "FieldsV1",
    fieldsV1,
  };
  const before = deployment({ replicas: 1, paused: true }, [applied]);
  const entries = write({
    before,
    after: deployment({ replicas: 2, paused: true }, [applied]),
    manager: "b",
  });
  expect(owners(entries)).toEqual({ a: [".spec.paused"], b: [".spec.replicas"] });
});

test("a client may write the entries itself, or be rid of them", () => {
  const before = deployment({ replicas: 1 }, write({ after: deployment({ replicas: 1 }), manager: "a" }));
  const sent = [{ ...managedFieldsOf(before)[0]!, manager: "z" }];
  expect(owners(write({ before, after: deployment({ replicas: 1 }, sent), manager: "b" }))).toHaveProperty(
    "z",
  );
  const reset = { ...before, metadata: { ...before.metadata, managedFields: [{}] } };
  expect(write({ before, after: reset, manager: "b" })).toEqual([]);
});

test("keys that every object inherits are keys like any other", () => {
  const map = (data: object) => ({ kind: "ConfigMap", metadata: {}, data });
  const change = (before: object, after: object) =>
    updateManagedFields({ before: map(before), after: map(after), manager: "a", now: T1, apiVersion: "v1" });
  expect(owners(change({}, { constructor: "x" }))).toEqual({ a: [".data.constructor"] });
  const managedFields = change({}, { constructor: "x" });
  const before = { ...map({ constructor: "x" }), metadata: { managedFields } };
  const gone = updateManagedFields({ before, after: map({}), manager: "b", now: T1, apiVersion: "v1" });
  expect(gone).toEqual([]);
});

test("entries without sense are left out", () => {
  const entries = [null, 1, {}, { manager: "a", operation: "Update", fieldsV1: { nonsense: {} } }];
  expect(managedFieldsOf({ metadata: { managedFields: entries } })).toEqual([]);
});

test("lists whose items cannot be told apart have one owner", () => {
  const twice = { template: { spec: { containers: [{ name: "a" }, { name: "a" }] } } };
  const created = write({ after: deployment(twice), manager: "a" });
  expect(owners(created)["a"]).toContain(".spec.template.spec.containers");
});

test("many writers are joined into one entry, the oldest first", () => {
  let object: Record<string, unknown> = { kind: "ConfigMap", metadata: {}, data: {} };
  for (let index = 0; index < 15; index += 1) {
    const after = { ...object, data: { ...(object["data"] as object), [`k${index}`]: "x" } };
    const now = `2026-01-${String(index + 1).padStart(2, "0")}T00:00:00Z`;
    const managedFields = updateManagedFields({
      before: object,
      after,
      manager: `m${index}`,
      now,
      apiVersion: "v1",
    });
    object = { ...after, metadata: { managedFields } };
  }
  const entries = managedFieldsOf(object);
  expect(entries).toHaveLength(10);
  expect(entries[0]?.manager).toBe("ancient-changes");
  expect(pathsOf(entries[0]!.fieldsV1)).toEqual([0, 1, 2, 3, 4, 5].map((index) => `.data.k${index}`));
});
