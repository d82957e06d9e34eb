import { spawn } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { build } from "esbuild";
import { afterAll, describe, expect, it } from "vitest";
import { storeConformance } from "../../test/support/store-conformance.ts";
import { DiskStore } from "./disk-store.ts";
import { MemoryStore } from "./memory-store.ts";

const folder = mkdtempSync(path.join(tmpdir(), "tortie-store."));
let count = 0;
afterAll(() => rmSync(folder, { recursive: true, force: true }));

storeConformance({ name: "memory", open: () => Promise.resolve(new MemoryStore()) });
storeConformance({
  name: "disk",
  open: () => Promise.resolve(DiskStore.open(path.join(folder, `${count++}`))),
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

  it("takes no write after one that the disk refused, and tells nobody of it", async () => {
    let isFull = false;
    const write = (): Promise<boolean> =>
      isFull ? Promise.reject(new Error("no space left")) : Promise.resolve(true);
    const disk = { put: write, remove: write, close: () => Promise.resolve() };
    const failures: string[] = [];
    const store = new DiskStore(disk, new MemoryStore(), {
      onFailure: ({ message }) => failures.push(message),
    });
    const told: string[] = [];
    store.watch("/", undefined, {
      events: (events) => told.push(...events.map((one) => (one.type === "put" ? one.entry.key : one.key))),
      failed: () => undefined,
    });
    await store.put("/a", "1", { absent: true });
    isFull = true;
    const refused = store.put("/b", "1", { absent: true });
    isFull = false;
    const behind = store.put("/c", "1", { absent: true });
    await expect(refused).rejects.toMatchObject({ code: "output-failed" });
    await expect(behind).rejects.toMatchObject({ code: "output-failed" });
    await expect(store.put("/d", "1", { absent: true })).rejects.toThrow("no more are taken");
    expect((await store.list("/")).entries.map(({ key }) => key)).toEqual(["/a"]);
    expect(told).toEqual(["/a"]);
    expect(failures).toHaveLength(1);
    await store.close();
  });

  it("what was acknowledged is there after kill -9", async () => {
    const place = path.join(folder, "killed");
    const script = path.join(folder, "writer.mjs");
    await build({
      stdin: {
        contents: `import { DiskStore } from "./disk-store.ts";
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
