import { spawn } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { build } from "esbuild";
import { afterAll, describe, expect, it } from "vitest";
import { storeConformance } from "../../test/support/store-conformance.ts";
import { DiskStore } from "./disk-store.ts";
import { type Change, type Disk, LmdbDisk } from "./lmdb-disk.ts";
import { LmdbRoom } from "./lmdb-room.ts";
import { MemoryStore } from "./memory-store.ts";

const folder = mkdtempSync(path.join(tmpdir(), "tortie-store."));
let count = 0;
afterAll(() => rmSync(folder, { recursive: true, force: true }));

storeConformance({ name: "memory", open: () => Promise.resolve(new MemoryStore()) });
storeConformance({
  name: "disk",
  open: () => Promise.resolve(DiskStore.open(path.join(folder, `${count++}`))),
});

/** In memory; takes a turn, and refuses while it has a fault. */
class FakeDisk implements Disk {
  readonly kept = new Map<string, string>();
  fault: string | undefined;
  isTornAfterwards = false;
  commits = 0;

  get(key: string): string | undefined {
    return this.kept.get(key);
  }

  async commit(changes: readonly Change[]): Promise<void> {
    this.commits++;
    await new Promise((resolve) => setTimeout(resolve, 1));
    if (this.fault !== undefined) throw new Error(this.fault);
    for (const { key, value } of changes)
      if (value === undefined) this.kept.delete(key);
      else this.kept.set(key, value);
    if (this.isTornAfterwards) throw new Error("Input/output error");
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

describe("the store in memory", () => {
  it("remembers so many bytes of writes, the newest", async () => {
    const store = new MemoryStore();
    const large = "x".repeat(1024 ** 2);
    let modified = 0;
    for (let write = 0; write < 100; write++) {
      const result = store.putNow("/a", large, write === 0 ? { absent: true } : { modified });
      if (!result.ok) throw new Error("refused");
      modified = result.revision;
    }
    const told = (from: number): Promise<number | string> =>
      new Promise((resolve) => {
        let count = 0;
        const watch = store.watch("/", from, {
          events: (events) => {
            count += events.length;
          },
          failed: ({ name }) => resolve(name),
        });
        setImmediate(() => {
          watch.close();
          resolve(count);
        });
      });
    expect(await told(modified - 65)).toBe("CompactedError");
    expect(await told(modified - 30)).toBe(30);
    expect(await store.list("/")).toMatchObject({ entries: [{ key: "/a" }], revision: modified });
  });
});

describe("the store on disk", () => {
  it("has after a restart what it had before, and counts on", async () => {
    const place = path.join(folder, "again");
    const first = DiskStore.open(place);
    const made = await first.put("/a", "1", { absent: true });
    const other = await first.put("/b", "2", { absent: true });
    if (!made.ok || !other.ok) throw new Error("refused");
    await first.delete("/b", { modified: other.revision });
    const revision = await first.revision();
    await first.close();
    const second = DiskStore.open(place);
    expect(await second.get("/a")).toMatchObject({ value: "1", modified: made.revision });
    expect(await second.get("/b")).toBeUndefined();
    expect(await second.revision()).toBe(revision);
    const next = await second.put("/c", "3", { absent: true });
    expect(next).toMatchObject({ ok: true, revision: revision + 1 });
    await second.close();
  });

  it("tells of a write that the disk refuses, and of those behind it, and takes others again", async () => {
    const disk = new FakeDisk();
    const store = new DiskStore(disk, new MemoryStore());
    const told: string[] = [];
    store.watch("/", undefined, {
      events: (events) => told.push(...events.map((one) => (one.type === "put" ? one.entry.key : one.key))),
      failed: () => undefined,
    });
    const first = await store.put("/a", "1", { absent: true });
    if (!first.ok) throw new Error("refused");
    disk.fault = "no space left on device";
    // The second stands in the way of the third, until it has not happened.
    const refused = [
      store.delete("/a", { modified: first.revision }),
      store.put("/b", "1", { absent: true }),
      store.put("/a", "again", { absent: true }),
    ];
    const results = await Promise.allSettled(refused);
    expect(results.map((one) => one.status === "rejected" && String(one.reason))).toEqual(
      refused.map(() => expect.stringMatching(/refused the write: no space left on device$/)),
    );
    expect((await store.list("/")).entries.map(({ key, value }) => [key, value])).toEqual([["/a", "1"]]);
    expect(told).toEqual(["/a"]);
    disk.fault = undefined;
    const next = await store.put("/b", "2", { absent: true });
    expect(next).toMatchObject({ ok: true, revision: first.revision + 1 });
    expect(await store.delete("/a", { modified: first.revision })).toMatchObject({ ok: true });
    expect(told).toEqual(["/a", "/b", "/a"]);
    expect([...disk.kept.keys()].sort()).toEqual(["/b", "revision"]);
  });

  it("has a write that was told as failed and is on disk", async () => {
    const disk = new FakeDisk();
    const store = new DiskStore(disk, new MemoryStore());
    disk.isTornAfterwards = true;
    expect(await store.put("/a", "1", { absent: true })).toMatchObject({ ok: true });
    expect(await store.get("/a")).toMatchObject({ value: "1" });
  });

  it("opens a database again that is at an end", async () => {
    let opened = 0;
    const kept = new Map<string, string>();
    const place = path.join(folder, "broken");
    mkdirSync(place);
    writeFileSync(path.join(place, "data.mdb"), "");
    const disk = new LmdbDisk(place, () => {
      const isBroken = opened++ === 0;
      const panic = Object.assign(new Error("MDB_PANIC"), { code: -30_795 });
      const write = (): Promise<boolean> => (isBroken ? Promise.reject(panic) : Promise.resolve(true));
      return {
        get: (key: string) => kept.get(key),
        getRange: () => [] as never,
        put: (key: string, value: string) => write().finally(() => kept.set(key, value)),
        remove: write,
        close: () => Promise.resolve(),
        getStats: () => ({ lastPageNumber: 1, pageSize: 4096 }),
      };
    });
    await expect(disk.commit([{ key: "/a", value: "1" }])).rejects.toThrow("MDB_PANIC");
    await disk.commit([{ key: "/a", value: "1" }]);
    expect(opened).toBe(2);
  });

  it("has room on disk for a transaction before it begins", async () => {
    const file = path.join(folder, "room.mdb");
    writeFileSync(file, "");
    let lastPageNumber = 1;
    let asked = 0;
    const room = new LmdbRoom(file, () => {
      asked++;
      return { lastPageNumber, pageSize: 4096 };
    });
    for (let taken = 0; taken < 50; taken++) {
      const before = (lastPageNumber + 1) * 4096;
      room.take([10_000]);
      expect(statSync(file).size).toBeGreaterThanOrEqual(before + 10_000 + 32 * 1024);
      expect(statSync(file).size).toBeLessThan(before + 3 * 1024 ** 2);
      lastPageNumber += 12;
    }
    expect(asked).toBeLessThan(30);
  });

  it("makes one transaction of what comes while another is written", async () => {
    const disk = new FakeDisk();
    const store = new DiskStore(disk, new MemoryStore());
    const first = store.put("/0", "x", { absent: true });
    await Promise.resolve();
    const others = Array.from({ length: 50 }, (_, index) =>
      store.put(`/${index + 1}`, "x", { absent: true }),
    );
    await Promise.all([first, ...others]);
    expect(disk.commits).toBe(2);
  });

  it("what was acknowledged is there after kill -9", async () => {
    const place = path.join(folder, "killed");
    const script = path.join(folder, "writer.mjs");
    await build({
      stdin: {
        contents: `import { DiskStore } from "./disk-store.ts";
import { type Change, type Disk, LmdbDisk } from "./lmdb-disk.ts";
          const store = DiskStore.open(process.argv[2]);
          for (let round = 0; ; round++) {
            const results = await Promise.all([0, 1, 2, 3].map((n) => store.put(\`/\${round}/\${n}\`, "x".repeat(500), { absent: true })));
            process.stdout.write(results.map(({ revision }) => revision).join(" ") + "\\n");
          }`,
        resolveDir: import.meta.dirname,
        loader: "ts",
      },
      bundle: true,
      platform: "node",
      format: "esm",
      external: ["lmdb"],
      outfile: script,
    });
    // Beside the packages, so that lmdb is found.
    const runnable = path.join(import.meta.dirname, "..", "..", "node_modules", ".tortie-store-writer.mjs");
    copyFileSync(script, runnable);
    const child = spawn(process.execPath, [runnable, place], { stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (text.length > 20_000) child.kill("SIGKILL");
    });
    await new Promise((resolve) => child.once("exit", resolve));
    rmSync(runnable);
    const acknowledged = text.slice(0, text.lastIndexOf("\n")).trim().split(/\s+/).map(Number);
    const store = DiskStore.open(place);
    const found = new Set((await store.list("/")).entries.map(({ modified }) => modified));
    expect(acknowledged.length).toBeGreaterThan(100);
    expect(acknowledged.filter((revision) => !found.has(revision))).toEqual([]);
    await store.close();
  });
});
