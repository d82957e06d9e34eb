/** @module The API server over HTTP: events, which two groups tell in words of their own. */
import { expect, test } from "vitest";
import { AS_ADMIN, controlPlaneForFile, refusalOf } from "../support/control-plane.ts";

const { api, admin } = await controlPlaneForFile();

const OLD = "/api/v1/namespaces/default/events";
const NEW = "/apis/events.k8s.io/v1/namespaces/default/events";
type Fields = Record<string, unknown>;

const OF_POD = { kind: "Pod", name: "a", namespace: "default" };
const old = (name: string): Fields => ({
  apiVersion: "v1",
  kind: "Event",
  metadata: { name },
  involvedObject: OF_POD,
  reason: "Started",
  message: "Started container c",
  source: { component: "kubelet", host: "node1" },
  firstTimestamp: "2026-01-01T00:00:00Z",
  lastTimestamp: "2026-01-01T00:01:00Z",
  count: 3,
  type: "Normal",
});
const recent = (name: string, more: Fields = {}): Fields => ({
  apiVersion: "events.k8s.io/v1",
  kind: "Event",
  metadata: { name },
  regarding: OF_POD,
  eventTime: "2026-01-01T00:00:00.000000Z",
  reportingController: "example.com/robot",
  reportingInstance: "robot-1",
  action: "Looking",
  reason: "Looked",
  note: "It looked",
  type: "Normal",
  ...more,
});
const post = (path: string, body: Fields) => admin.raw("POST", path, body) as Promise<Fields>;
const get = (path: string) => admin.raw("GET", path) as Promise<Fields>;

test("what one group is told, both tell, each in its words", async () => {
  await post(OLD, old("from-core"));
  expect(await get(`${NEW}/from-core`)).toMatchObject({
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    regarding: OF_POD,
    note: "Started container c",
    deprecatedSource: { component: "kubelet", host: "node1" },
    deprecatedFirstTimestamp: "2026-01-01T00:00:00Z",
    deprecatedLastTimestamp: "2026-01-01T00:01:00Z",
    deprecatedCount: 3,
  });
  await post(NEW, recent("from-events"));
  const told = await get(`${OLD}/from-events`);
  expect(told).toMatchObject({
    apiVersion: "v1",
    involvedObject: OF_POD,
    message: "It looked",
    reportingComponent: "example.com/robot",
    reportingInstance: "robot-1",
  });
  expect(told).not.toHaveProperty("note");
});

test("a change in one group is a change in the other, and so is its end", async () => {
  await post(NEW, recent("both"));
  const series = { count: 2, lastObservedTime: "2026-01-01T00:00:05.000000Z" };
  await api.raw({
    method: "PATCH",
    path: `${NEW}/both`,
    headers: { ...AS_ADMIN, "content-type": "application/merge-patch+json" },
    body: JSON.stringify({ series }),
  });
  expect(await get(`${OLD}/both`)).toMatchObject({ series });
  await admin.raw("DELETE", `${OLD}/both`);
  expect((await refusalOf(get(`${NEW}/both`))).message).toBe('events.events.k8s.io "both" not found');
});

test("a watch tells events of either group in its own words, and selects by them", async () => {
  await post(OLD, old("watched"));
  const path = `${NEW}?watch=1&timeoutSeconds=1&fieldSelector=regarding.name%3Da,metadata.name%3Dwatched`;
  const { text } = await api.raw({ path, headers: AS_ADMIN });
  const [first] = text.split("\n");
  expect(JSON.parse(first ?? "")).toMatchObject({
    type: "ADDED",
    object: { apiVersion: "events.k8s.io/v1", note: "Started container c" },
  });
  const unknown = await api.raw({ path: `${NEW}?fieldSelector=involvedObject.name%3Da`, headers: AS_ADMIN });
  expect([unknown.code, unknown.text]).toEqual([
    400,
    expect.stringContaining("field label not supported: involvedObject.name"),
  ]);
});

test("the table has the same columns in both", async () => {
  await post(OLD, old("in-a-table"));
  const headers = { ...AS_ADMIN, accept: "application/json;as=Table;v=v1;g=meta.k8s.io" };
  const tableOf = async (path: string) => {
    const { text } = await api.raw({ path: `${path}?fieldSelector=metadata.name%3Din-a-table`, headers });
    const { columnDefinitions, rows } = JSON.parse(text) as {
      columnDefinitions: { name: string }[];
      rows: { cells: string[] }[];
    };
    return { names: columnDefinitions.map(({ name }) => name), cells: rows[0]?.cells.slice(1) };
  };
  const table = await tableOf(NEW);
  expect(table.names.slice(0, 5)).toEqual(["Last Seen", "Type", "Reason", "Object", "Message"]);
  expect(table.cells?.slice(0, 4)).toEqual(["Normal", "Started", "pod/a", "Started container c"]);
  expect(await tableOf(OLD)).toEqual(table);
});

test.each([
  [{ eventTime: undefined }, "eventTime: Required value"],
  [{ action: "" }, "action: Required value"],
  [{ reason: "x".repeat(129) }, 'reason: Invalid value: "": can have at most 128 characters'],
  [{ type: "Odd" }, 'type: Invalid value: "": has invalid value: Odd'],
  [{ note: "x".repeat(1025) }, 'note: Invalid value: "": can have at most 1024 bytes'],
  [{ deprecatedCount: 1 }, 'deprecatedCount: Invalid value: "": needs to be unset'],
  [
    { regarding: { ...OF_POD, namespace: "other" } },
    'regarding.namespace: Invalid value: "other": does not match event.namespace',
  ],
])("events.k8s.io refuses %j", async (more, message) => {
  const error = await refusalOf(post(NEW, recent("wrong", more)));
  expect([error.code, error.message]).toEqual([422, `Event.events.k8s.io "wrong" is invalid: ${message}`]);
});

test("what an event tells is not changed afterwards", async () => {
  const made = await post(NEW, recent("fixed"));
  const error = await refusalOf(admin.raw("PUT", `${NEW}/fixed`, { ...made, note: "Another" }));
  expect(error.message).toBe(
    'Event.events.k8s.io "fixed" is invalid: note: Invalid value: "Another": field is immutable',
  );
});

test("the group says what an event has", async () => {
  const { text } = await api.raw({ path: "/openapi/v3/apis/events.k8s.io/v1", headers: AS_ADMIN });
  expect(text).toContain('"regarding"');
  const strict = await api.raw({
    method: "POST",
    path: `${NEW}?fieldValidation=Strict`,
    headers: { ...AS_ADMIN, "content-type": "application/json" },
    body: JSON.stringify(recent("strict", { message: "x" })),
  });
  expect([strict.code, strict.text]).toEqual([400, expect.stringContaining('unknown field \\"message\\"')]);
});
