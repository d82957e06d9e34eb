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
    follow: (changed) => {
      const watch = store.watch(PREFIX, undefined, {
        events: (events) => {
          for (const event of events) {
            const bytes =
              (event.type === "put" ? event.entry.value.length : 0) - (event.before?.value.length ?? 0);
            changed({ count: event.type === "delete" ? -1 : event.before ? 0 : 1, bytes });
          }
        },
        failed: () => undefined,
      });
      return () => watch.close();
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
  expiry = new EventExpiry(shelfOf(store), { now: () => NOW, log: () => undefined }, { walkMs: 10 });
  await until(() => store.size === 4);
  const { entries } = await store.list("/");
  expect(entries.map(({ key }) => key.split("/").at(-1))).toEqual(["again", "series", "timeless", "a"]);
});

test.each([
  ["by their number", { count: 1000, bytes: 2 ** 30 }],
  ["by their bytes", { count: 2 ** 30, bytes: 1000 * 150 }],
])("the oldest go before their hour when there are too many %s", async (_why, limits) => {
  const store = new MemoryStore();
  let most = 0;
  expiry = new EventExpiry(shelfOf(store), { now: () => NOW, log: () => undefined }, { limits });
  for (let number = 0; number < 5000; number++) {
    const lastTimestamp = new Date(NOW - 3_000_000 + number).toISOString();
    const value = JSON.stringify({ lastTimestamp, message: "" }).padEnd(150);
    await store.put(`${PREFIX}default/${(number * 7919) % 5000}`, value, { absent: true });
    if (number % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    most = Math.max(most, store.size);
  }
  await until(() => store.size <= 1000);
  // What comes while the oldest are looked for is on top.
  expect(most).toBeLessThan(1200);
  const { entries } = await store.list(PREFIX);
  const times = entries.map(({ value }) =>
    Date.parse((JSON.parse(value) as { lastTimestamp: string }).lastTimestamp),
  );
  expect(entries.length).toBeGreaterThan(800);
  expect(Math.min(...times)).toBe(NOW - 3_000_000 + 5000 - entries.length);
});
