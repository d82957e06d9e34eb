/** Patterns that go astray: what Go's take in one step a character, ours may take years for. */
import { expect, test } from "vitest";
import { refusalOf } from "../../test/support/control-plane.ts";
import { MemoryCluster } from "../../test/support/memory-cluster.ts";
import type { KubeObject } from "../client/objects.ts";

const type = { group: "a.example", version: "v1", kind: "Odd", plural: "odds", namespaced: true };
const DEFINITIONS = {
  group: "apiextensions.k8s.io",
  version: "v1",
  kind: "CustomResourceDefinition",
  plural: "customresourcedefinitions",
  namespaced: false,
};
const ASTRAY = "a".repeat(40);

function definition(value: object): KubeObject {
  const schema = { type: "object", properties: { value: { type: "string", ...value } } };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "odds.a.example" },
    spec: {
      group: "a.example",
      scope: "Namespaced",
      names: { kind: "Odd", plural: "odds" },
      versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: schema } }],
    },
  } as KubeObject;
}

function odd(value: string): KubeObject {
  const metadata = { name: "odd", namespace: "default", finalizers: ["a.example/b"] };
  return { apiVersion: "a.example/v1", kind: "Odd", metadata, value } as KubeObject;
}

test("an object whose text makes a pattern go astray is refused, and so is such a default", async () => {
  const cluster = await MemoryCluster.start({ isBare: true });
  const slow = { pattern: "^(a+)+$" };
  const refused = await refusalOf(
    cluster.client.create(DEFINITIONS, definition({ ...slow, default: `${ASTRAY}b` })),
  );
  expect([refused.code, refused.message]).toEqual([
    422,
    'CustomResourceDefinition.apiextensions.k8s.io "odds.a.example" is invalid: spec.versions[0].schema.openAPIV3Schema: Invalid value: checking its defaults takes longer than 1000 ms: a pattern is too slow for one of them',
  ]);
  await cluster.client.create(DEFINITIONS, definition(slow));
  const before = Date.now();
  const error = await refusalOf(cluster.client.create(type, odd(`${ASTRAY}b`)));
  expect(Date.now() - before).toBeLessThan(1500);
  expect([error.code, error.message]).toEqual([
    422,
    'Odd.a.example "odd" is invalid: <nil>: Invalid value: checking it against its schema takes longer than 500 ms: a pattern of the schema is too slow for a text of the object',
  ]);
  await cluster.client.create(type, odd(ASTRAY));
  cluster.stop();
});

test("one that is there when its schema becomes so is not changed any more, but may go", async () => {
  const cluster = await MemoryCluster.start({ isBare: true });
  const at = { name: "odd", namespace: "default" };
  const made = await cluster.client.create(DEFINITIONS, definition({}));
  await cluster.client.create(type, odd(`${ASTRAY}b`));
  const { metadata } = made;
  await cluster.client.update(DEFINITIONS, { ...definition({ pattern: "^(a+)+$" }), metadata });
  const change = (patch: object) => cluster.client.patch(type, at, patch, { type: "merge" });
  expect((await refusalOf(change({ value: `${ASTRAY}c` }))).code).toBe(422);
  await cluster.client.delete(type, at);
  await change({ metadata: { finalizers: null } });
  expect((await refusalOf(cluster.client.get(type, at))).code).toBe(404);
  cluster.stop();
});
