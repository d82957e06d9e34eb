import { expect, test } from "vitest";
import {
  difference,
  type FieldSet,
  intersection,
  parseFieldSet,
  pathsOf,
  sameSet,
  union,
} from "./field-set.ts";

const LEAF: FieldSet = {};
const set = (text: string): FieldSet => JSON.parse(text);
const LABELS = set('{"f:metadata":{"f:labels":{".":{},"f:a":{},"f:b":{}}}}');
const LABEL_A = set('{"f:metadata":{"f:labels":{"f:a":{}}}}');

test("a union holds the fields of both, and objects beside what is in them", () => {
  expect(union(LABEL_A, set('{"f:metadata":{"f:labels":{}}}'))).toEqual(
    set('{"f:metadata":{"f:labels":{".":{},"f:a":{}}}}'),
  );
  expect(union({}, LABELS)).toEqual(LABELS);
  expect(union(LABELS, LABELS)).toEqual(LABELS);
});

test("a difference takes fields one by one, not what is below them", () => {
  expect(difference(LABELS, LABEL_A)).toEqual(set('{"f:metadata":{"f:labels":{".":{},"f:b":{}}}}'));
  expect(difference(LABELS, set('{"f:metadata":{"f:labels":{}}}'))).toEqual(
    set('{"f:metadata":{"f:labels":{"f:a":{},"f:b":{}}}}'),
  );
  expect(difference(LABELS, LABELS)).toEqual({});
});

test("an intersection holds what is in both", () => {
  expect(intersection(LABELS, LABEL_A)).toEqual(LABEL_A);
  expect(intersection(LABEL_A, set('{"f:spec":{"f:replicas":{}}}'))).toEqual({});
});

test("sets are the same whatever the order of their edges", () => {
  expect(sameSet(set('{"f:a":{},"f:b":{}}'), set('{"f:b":{},"f:a":{}}'))).toBe(true);
  expect(sameSet(set('{"f:a":{}}'), set('{"f:a":{"f:b":{}}}'))).toBe(false);
});

test("paths read as Kubernetes writes them", () => {
  const fields: FieldSet = {
    "f:spec": {
      "f:replicas": LEAF,
      "f:containers": {
        'k:{"name":"web"}': { ".": LEAF, "f:ports": { 'k:{"containerPort":80,"protocol":"TCP"}': LEAF } },
      },
    },
    "f:metadata": { "f:finalizers": { 'v:"x/y"': LEAF } },
  };
  expect(pathsOf(fields)).toEqual([
    ".spec.replicas",
    '.spec.containers[name="web"]',
    '.spec.containers[name="web"].ports[containerPort=80,protocol="TCP"]',
    '.metadata.finalizers[="x/y"]',
  ]);
});

test("what is no set of fields is told apart", () => {
  expect(parseFieldSet({ "f:a": { ".": {} } })).toBeDefined();
  for (const bad of [null, [], "f:a", { a: {} }, { "f:a": 1 }, { "k:{": {} }, { "k:1": {} }]) {
    expect(parseFieldSet(bad)).toBeUndefined();
  }
});
