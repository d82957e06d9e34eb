/** @module What every store does: one suite, played on each of them. */
import { afterEach, describe, expect, it } from "vitest";
import { CompactedError, type Store, type StoreEvent } from "../../src/store/store.ts";

export interface StoreUnderTest {
  readonly name: string;
  open(): Promise<Store>;
}

interface Recorded {
  readonly events: StoreEvent[];
  failure: Error | undefined;
  close(): void;
}

function record(store: Store, prefix: string, from?: number): Recorded {
  const recorded: Recorded = { events: [], failure: undefined, close: () => undefined };
  const watch = store.watch(prefix, from, {
    events: (events) => recorded.events.push(...events),
    failed: (error) => {
      recorded.failure = error;
    },
  });
  recorded.close = () => watch.close();
  return recorded;
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error("it did not come to that in 5 s");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function told(events: readonly StoreEvent[]): string[] {
  return events.map((event) =>
    event.type === "put" ? `put ${event.entry.key}=${event.entry.value}` : `delete ${event.key}`,
  );
}

async function must(write: ReturnType<Store["put"]>): Promise<number> {
  const result = await write;
  if (!result.ok) throw new Error("the write was refused");
  return result.revision;
}

export function storeConformance({ name, open }: StoreUnderTest): void {
  describe(`store: ${name}`, () => {
    const opened: Store[] = [];
    const fresh = async (): Promise<Store> => {
      const store = await open();
      opened.push(store);
      return store;
    };
    afterEach(async () => {
      for (const store of opened.splice(0)) await store.close();
    });

    it("a write is read back, with the revisions that made and changed it", async () => {
      const store = await fresh();
      const created = await must(store.put("/a", "1", { absent: true }));
      const modified = await must(store.put("/a", "2", { modified: created }));
      expect(await store.get("/a")).toEqual({ key: "/a", value: "2", created, modified });
      expect(modified).toBeGreaterThan(created);
      expect(await store.revision()).toBe(modified);
      expect(await store.get("/b")).toBeUndefined();
    });

    it("a write that expects something else is refused, and told what is there", async () => {
      const store = await fresh();
      const revision = await must(store.put("/a", "1", { absent: true }));
      expect(await store.put("/a", "2", { absent: true })).toMatchObject({
        ok: false,
        current: { value: "1", modified: revision },
      });
      expect(await store.put("/a", "2", { modified: revision + 7 })).toMatchObject({
        ok: false,
        current: { value: "1" },
      });
      expect(await store.put("/b", "2", { modified: revision })).toEqual({ ok: false, current: undefined });
      expect(await store.delete("/a", { modified: revision + 7 })).toMatchObject({
        ok: false,
        current: { value: "1" },
      });
      expect(await store.revision()).toBe(revision);
    });

    it("of many writers that build upon the same revision one wins", async () => {
      const store = await fresh();
      const revision = await must(store.put("/a", "0", { absent: true }));
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, index) => store.put("/a", String(index), { modified: revision })),
      );
      expect(results.filter(({ ok }) => ok)).toHaveLength(1);
    });

    it("what is deleted is gone, and may be made anew", async () => {
      const store = await fresh();
      const revision = await must(store.put("/a", "1", { absent: true }));
      expect(await store.delete("/a", { modified: revision })).toMatchObject({ ok: true });
      expect(await store.get("/a")).toBeUndefined();
      const again = await must(store.put("/a", "2", { absent: true }));
      expect(await store.get("/a")).toMatchObject({ created: again });
    });

    it("a list has the keys of its prefix in order, in pages that fit together", async () => {
      const store = await fresh();
      for (const key of ["/p/c", "/p/a", "/q/x", "/p/b", "/p/d"])
        await must(store.put(key, key, { absent: true }));
      const all = await store.list("/p/");
      expect(all.entries.map(({ key }) => key)).toEqual(["/p/a", "/p/b", "/p/c", "/p/d"]);
      const first = await store.list("/p/", { limit: 3 });
      expect(first).toMatchObject({ next: "/p/c", remaining: 1 });
      const second = await store.list("/p/", { limit: 3, after: "/p/c", revision: first.revision });
      expect(second.entries.map(({ key }) => key)).toEqual(["/p/d"]);
      expect(second.next).toBeUndefined();
    });

    it("a list of an earlier revision does not see what came after", async () => {
      const store = await fresh();
      const one = await must(store.put("/p/a", "1", { absent: true }));
      const two = await must(store.put("/p/b", "2", { absent: true }));
      await must(store.put("/p/a", "3", { modified: one }));
      await must(store.delete("/p/b", { modified: two }));
      await must(store.put("/p/c", "4", { absent: true }));
      const then = await store.list("/p/", { revision: two });
      expect(then.entries.map(({ key, value }) => `${key}=${value}`)).toEqual(["/p/a=1", "/p/b=2"]);
      expect(then.revision).toBe(two);
    });

    it("a watch tells every write of its prefix once and in order, with what was there before", async () => {
      const store = await fresh();
      const watch = record(store, "/p/", await store.revision());
      const one = await must(store.put("/p/a", "1", { absent: true }));
      await must(store.put("/q/a", "1", { absent: true }));
      const two = await must(store.put("/p/a", "2", { modified: one }));
      await must(store.delete("/p/a", { modified: two }));
      await until(() => watch.events.length >= 3);
      expect(told(watch.events)).toEqual(["put /p/a=1", "put /p/a=2", "delete /p/a"]);
      expect(watch.events.map(({ before }) => before?.value)).toEqual([undefined, "1", "2"]);
      watch.close();
      await must(store.put("/p/b", "1", { absent: true }));
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(watch.events).toHaveLength(3);
    });

    it("a watch from an earlier revision tells what came after it", async () => {
      const store = await fresh();
      const one = await must(store.put("/p/a", "1", { absent: true }));
      const two = await must(store.put("/p/b", "2", { absent: true }));
      await must(store.delete("/p/a", { modified: one }));
      const watch = record(store, "/p/", one);
      await until(() => watch.events.length >= 2);
      await must(store.put("/p/b", "3", { modified: two }));
      await until(() => watch.events.length >= 3);
      expect(told(watch.events)).toEqual(["put /p/b=2", "delete /p/a", "put /p/b=3"]);
      watch.close();
    });

    it("what is compacted cannot be listed or watched from any more", async () => {
      const store = await fresh();
      const one = await must(store.put("/p/a", "1", { absent: true }));
      const two = await must(store.put("/p/a", "2", { modified: one }));
      const three = await must(store.put("/p/a", "3", { modified: two }));
      await store.compact(two);
      await expect(store.list("/p/", { revision: one })).rejects.toBeInstanceOf(CompactedError);
      const watch = record(store, "/p/", one);
      await until(() => watch.failure !== undefined);
      expect(watch.failure).toBeInstanceOf(CompactedError);
      const later = record(store, "/p/", two);
      await until(() => later.events.length > 0);
      expect(told(later.events)).toEqual(["put /p/a=3"]);
      expect(await store.get("/p/a")).toMatchObject({ modified: three });
      later.close();
    });

    it("a watcher that throws is let go, and the others hear everything", async () => {
      const store = await fresh();
      const failures: string[] = [];
      store.watch("/p/", undefined, {
        events: () => {
          throw new Error("cannot read this");
        },
        failed: ({ message }) => failures.push(message),
      });
      const other = record(store, "/p/");
      await must(store.put("/p/a", "1", { absent: true }));
      await must(store.put("/p/b", "1", { absent: true }));
      await until(() => other.events.length >= 2);
      expect(told(other.events)).toEqual(["put /p/a=1", "put /p/b=1"]);
      expect(failures).toEqual(["cannot read this"]);
      other.close();
    });

    it("many writers at once lose nothing, and watchers see all in the order of their revisions", async () => {
      const store = await fresh();
      const watch = record(store, "/p/", await store.revision());
      await Promise.all(
        Array.from({ length: 200 }, (_, index) =>
          must(store.put(`/p/${index}`, String(index), { absent: true })),
        ),
      );
      await until(() => watch.events.length >= 200);
      const revisions = watch.events.map((event) =>
        event.type === "put" ? event.entry.modified : event.revision,
      );
      expect(revisions).toEqual([...revisions].sort((a, b) => a - b));
      expect((await store.list("/p/")).entries).toHaveLength(200);
      watch.close();
    });
  });
}
