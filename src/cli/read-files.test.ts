import { mkdir, mkdtemp, open, readdir, realpath, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { OpError } from "../base/errors.ts";
import { type FileAccess, type ReadOptions, readInputs } from "./read-files.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "tortie-read-"));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

async function write(files: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), content);
  }
}

async function readNames(paths: readonly string[]): Promise<string[]> {
  return (await readInputs(paths, { folder })).map(({ file }) => file);
}

async function refusal(paths: readonly string[], options: ReadOptions = {}): Promise<OpError> {
  const outcome = await readInputs(paths, { folder, ...options }).catch((error: unknown) => error);
  expect(outcome).toMatchObject({ name: "OpError" });
  return outcome as OpError;
}

const DISK: FileAccess = { open, readdir, stat, realpath };

function failure(code: string): Promise<never> {
  return Promise.reject(Object.assign(new Error(code), { code }));
}

const TREE = {
  "b.yaml": "b",
  "a.yml": "a",
  "c.json": "c",
  "d.txt": "d",
  ".hidden.yaml": "h",
  "x/e.yaml": "e",
  "x/.git/f.yaml": "f",
};

test.each([
  ["a file is itself", ["b.yaml"], ["b.yaml"]],
  ["a named file may have any extension", ["d.txt"], ["d.txt"]],
  ["a named file may be hidden", [".hidden.yaml"], [".hidden.yaml"]],
  ["a folder is its manifests and those below, sorted", ["."], ["a.yml", "b.yaml", "c.json", "x/e.yaml"]],
  ["a folder keeps the name that it was given", ["./x/"], ["./x/e.yaml"]],
  ["a pattern is the files that match, sorted", ["*.y{a,}ml"], ["a.yml", "b.yaml"]],
  ["a pattern may go down", ["**/*.yaml"], ["b.yaml", "x/e.yaml"]],
  ["paths keep their order", ["x", "a.yml"], ["x/e.yaml", "a.yml"]],
  [
    "a file that is named twice is read once",
    ["b.yaml", ".", "./b.yaml"],
    ["b.yaml", "a.yml", "c.json", "x/e.yaml"],
  ],
] as const)("%s", async (_why, paths, expected) => {
  await write(TREE);
  expect(await readNames(paths)).toEqual(expected);
});

test("texts come as they are", async () => {
  await write({ "a.yaml": "\uFEFFgrüße: 猫\r\n" });
  expect(await readInputs(["a.yaml"], { folder })).toEqual([{ file: "a.yaml", text: "\uFEFFgrüße: 猫\r\n" }]);
});

test("a dash is standard input", async () => {
  async function* stdin(): AsyncGenerator<Uint8Array> {
    const bytes = new TextEncoder().encode("猫: 1\n");
    yield bytes.subarray(0, 1);
    yield bytes.subarray(1);
  }
  expect(await readInputs(["-", "-"], { folder, stdin: stdin() })).toEqual([
    { file: "<stdin>", text: "猫: 1\n" },
  ]);
});

test("a file larger than one read is read whole", async () => {
  const text = "a".repeat(3 * 1024 * 1024 + 7);
  await write({ "a.yaml": text });
  expect((await readInputs(["a.yaml"], { folder }))[0]?.text.length).toBe(text.length);
});

test("links are followed, once around a loop", async () => {
  await write({ "x/a.yaml": "a" });
  await symlink("..", path.join(folder, "x/up"));
  await symlink("x", path.join(folder, "y"));
  await symlink("x/a.yaml", path.join(folder, "z.yaml"));
  expect(await readNames(["."])).toEqual(["x/a.yaml", "y/a.yaml", "z.yaml"]);
});

test.each([
  ["nothing is there", ["gone.yaml"], "not-found"],
  ["a pattern matches nothing", ["*.toml"], "not-found"],
  ["a pattern's folder is not there", ["gone/*.yaml"], "not-found"],
  ["a file stands where a folder should", ["b.yaml/c.yaml"], "not-found"],
] as const)("refused: %s", async (_why, paths, code) => {
  await write(TREE);
  expect(await refusal(paths)).toMatchObject({ code });
});

test("a link that leads nowhere is not passed over", async () => {
  await write({ "x/a.yaml": "a" });
  await symlink("gone", path.join(folder, "x/b.yaml"));
  expect(await refusal(["x"])).toMatchObject({ code: "file-unreadable", facts: { path: "x/b.yaml" } });
});

test.each([
  ["a folder cannot be listed", { readdir: () => failure("EACCES") }, "x: cannot list: permission denied"],
  ["a file cannot be opened", { open: () => failure("EACCES") }, "x/e.yaml: cannot open: permission denied"],
  ["the disk fails", { open: () => failure("EIO") }, "x/e.yaml: cannot open: the disk reports an error"],
] as const)("refused: %s", async (_why, broken, message) => {
  await write(TREE);
  expect(await refusal(["x"], { files: { ...DISK, ...broken } })).toMatchObject({
    code: "file-unreadable",
    message,
  });
});

test("a file that goes away between finding and reading is not found", async () => {
  await write(TREE);
  expect(await refusal(["x"], { files: { ...DISK, open: () => failure("ENOENT") } })).toMatchObject({
    code: "not-found",
  });
});

test.each([
  ["grew", (file: string) => writeFile(file, "longer than before")],
  ["shrank", (file: string) => writeFile(file, "")],
  [
    "was replaced",
    async (file: string) => {
      await rm(file);
      await writeFile(file, "e");
    },
  ],
  ["was removed", (file: string) => rm(file)],
] as const)("refused: a file that %s while it was read", async (_why, change) => {
  await write(TREE);
  const files: FileAccess = {
    ...DISK,
    async open(file, flags) {
      const handle = await open(file, flags);
      const before = await handle.stat();
      await change(file);
      return {
        stat: () => Promise.resolve(before),
        read: handle.read.bind(handle),
        close: () => handle.close(),
      } as typeof handle;
    },
  };
  expect(await refusal(["x/e.yaml"], { files })).toMatchObject({
    code: "file-changed",
    facts: { path: "x/e.yaml" },
  });
});

test("a file over the limit is refused, one at the limit is read", async () => {
  await write({ "a.yaml": "12345" });
  expect(await refusal(["a.yaml"], { maxBytes: 4 })).toMatchObject({
    code: "file-too-large",
    facts: { sizeBytes: 5, maxBytes: 4 },
  });
  expect(await readInputs(["a.yaml"], { folder, maxBytes: 5 })).toHaveLength(1);
});

test("standard input over the limit is refused", async () => {
  async function* stdin(): AsyncGenerator<string> {
    yield "123";
    yield "45";
  }
  expect(await refusal(["-"], { maxBytes: 4, stdin: stdin() })).toMatchObject({ code: "file-too-large" });
});

test.each([
  ["a byte that begins nothing", [0x61, 0x62, 0xff, 0x63], 2],
  ["a character that breaks off", [0x61, 0xe7, 0x8c, 0x61], 1],
  ["a character cut by the end", [0x61, 0x62, 0xe7, 0x8c], 2],
  ["UTF-16", [0xff, 0xfe, 0x61, 0x00], 0],
  ["a continuation without a beginning", [0x61, 0x80], 1],
  ["an overlong form", [0x61, 0xc0, 0xaf], 1],
] as const)("refused: %s", async (_why, bytes, offset) => {
  await write({ "a.yaml": new Uint8Array(bytes) });
  expect(await refusal(["a.yaml"])).toMatchObject({
    code: "input-invalid",
    facts: { path: "a.yaml", offset },
  });
});

test("what is not UTF-8 is told by line and column; UTF-16, by its name", async () => {
  await write({
    "latin.yaml": new Uint8Array([0x61, 0x0a, 0xc3, 0xa9, 0x62, 0xe9, 0x63]),
    "powershell.yaml": new Uint8Array([0xff, 0xfe, 0x61, 0x00]),
  });
  expect((await refusal(["latin.yaml"])).message).toBe(
    "latin.yaml: not UTF-8: byte 5 begins no character (line 2, column 3)",
  );
  expect((await refusal(["powershell.yaml"])).message).toContain("it is UTF-16: save it as UTF-8");
});

test("a path that is empty is refused, not taken for a folder", async () => {
  await write({ "below/a.yaml": "a" });
  expect(await refusal([""])).toMatchObject({ code: "not-found", message: "a path is empty" });
});

test.each([
  ["a name, wherever it is", ["b.yaml"], ["a.yml", "c.json", "x/y/e.yaml"]],
  ["a pattern of names", ["*.yaml"], ["a.yml", "c.json"]],
  ["a folder's name", ["y"], ["a.yml", "b.yaml", "c.json", "x/b.yaml"]],
  ["a folder's path", ["x/y/"], ["a.yml", "b.yaml", "c.json", "x/b.yaml"]],
  ["a path", ["./x/b.yaml"], ["a.yml", "b.yaml", "c.json", "x/y/e.yaml"]],
  ["a pattern of paths", ["**/b.yaml"], ["a.yml", "c.json", "x/y/e.yaml"]],
  ["several", ["a.*", "x"], ["b.yaml", "c.json"]],
  ["what is not there", ["z.yaml"], ["a.yml", "b.yaml", "c.json", "x/b.yaml", "x/y/e.yaml"]],
] as const)("excluded: %s", async (_why, exclude, expected) => {
  await write({ "a.yml": "", "b.yaml": "", "c.json": "", "x/b.yaml": "", "x/y/e.yaml": "" });
  const read = await readInputs(["."], { folder, exclude });
  expect(read.map(({ file }) => file).sort()).toEqual([...expected].sort());
});

test("a file that is excluded is not opened, and excluded it is also where it is named", async () => {
  await write({ "a.yaml": "a", "b.yaml": new Uint8Array([0xff]) });
  const read = await readInputs(["a.yaml", "b.yaml"], { folder, exclude: ["b.yaml"] });
  expect(read).toEqual([{ file: "a.yaml", text: "a" }]);
});

test("an input of which nothing is left is refused, for an answer to nothing is open", async () => {
  await write({ "a.yaml": "a" });
  expect((await refusal(["a.yaml"], { exclude: ["*"] })).code).toBe("input-invalid");
});
