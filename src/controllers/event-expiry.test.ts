import { afterEach, expect, test } from "vitest";
import { until } from "../../test/support/memory-cluster.ts";
import { MemoryStore } from "../store/memory-store.ts";
import { EventExpiry, type EventShelf } from "./event-expiry.ts";

let expiry: EventExpiry;
afterEach(() => expiry.stop());

const NOW = Date.parse("2036-01-01T12:00:00Z");
const PREFIX = "/registry/core/events/";

function shelfOf(store: MemoryStore): EventShelf {
  return {
    page: async (after, limit) =>
      (await store.list(PREFIX, { limit, ...(after !== undefined && { after }) })).entries,
    remove: async ({ key, modified }) => {
      await store.delete(key, { modified });
    },
  };
}

test("events go an hour after they last happened, and no other object", async () => {
  const store = new MemoryStore();
  const put = async (name: string, times: object): Promise<unknown> =>
    store.put(`${PREFIX}default/${name}`, JSON.stringify(times), { absent: true });
  await store.put(
    "/registry/core/pods/default/a",
    JSON.stringify({ lastTimestamp: "2000-01-01T00:00:00Z" }),
    {
      absent: true,
    },
  );
  await put("again", { firstTimestamp: "2036-01-01T09:00:00Z", lastTimestamp: "2036-01-01T11:30:00Z" });
  await put("series", {
    eventTime: "2036-01-01T09:00:00.000000Z",
    series: { lastObservedTime: "2036-01-01T11:59:00.000000Z" },
    lastTimestamp: null,
  });
  await put("timeless", { metadata: {} });
  for (let number = 0; number < 1200; number++)
    await put(`old${number}`, { lastTimestamp: "2036-01-01T10:59:59Z" });
  expiry = new EventExpiry(shelfOf(store), { now: () => NOW, log: () => undefined }, 10);
  await until(() => store.size === 4);
  const { entries } = await store.list("/");
  expect(entries.map(({ key }) => key.split("/").at(-1))).toEqual(["again", "series", "timeless", "a"]);
});
