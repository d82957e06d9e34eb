import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { tailOf } from "./log-files.ts";
import { logTimeOf, parseLogQuery } from "./log-query.ts";
import { readLog } from "./log-reader.ts";
import { RecordFormatter } from "./log-records.ts";

const directory = mkdtempSync(path.join(tmpdir(), "tortie-log."));
let count = 0;

afterAll(() => rmSync(directory, { recursive: true, force: true }));

function record(text: string, tag: "F" | "P" = "F", time = "2026-11-21T08:00:00.000000000Z"): string {
  return `${time} stdout ${tag} ${text}\n`;
}

function logFile(text: string): string {
  const file = path.join(directory, `${++count}.log`);
  writeFileSync(file, text);
  return file;
}

const query = (text: string): ReturnType<typeof parseLogQuery> =>
  parseLogQuery(new URLSearchParams(text), new Date("2026-11-21T09:00:00Z"));

async function read(file: string, text = "", ended?: Promise<unknown>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of readLog({ file, ended }, query(text), new AbortController().signal))
    chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

const hundred = Array.from({ length: 100 }, (_, place) => record(`line ${place + 1}`)).join("");
const broken = record("be", "P") + record("gin", "P") + record("ning") + record("x") + record("open", "P");

test.each([
  ["all", hundred, 1000, 0, 100],
  ["the last", hundred, 1, 99, 1],
  ["none", hundred, 0, 100, 0],
  ["exactly all", hundred, 100, 0, 100],
])("tail: %s", async (_why, text, lines, recordsBefore, found) => {
  const handle = await open(logFile(text), "r");
  const lengths = text.split("\n").map((line) => line.length + 1);
  const position = lengths.slice(0, recordsBefore).reduce((sum, length) => sum + length, 0);
  expect(await tailOf(handle, lines)).toEqual({ position, lines: found });
  await handle.close();
});

test("tail counts lines, not the parts of one, and one that has not ended", async () => {
  const file = logFile(broken);
  expect(await read(file, "tailLines=1")).toBe("open");
  expect(await read(file, "tailLines=2")).toBe("x\nopen");
  expect(await read(file, "tailLines=3")).toBe("beginning\nx\nopen");
  expect(await read(file, "tailLines=9")).toBe("beginning\nx\nopen");
});

test("tail finds its place wherever blocks end, and reads only the end of a large file", async () => {
  for (const width of [1, 20, 1000, 65_530, 70_000]) {
    const lines = Array.from({ length: 300 }, (_, place) => `${place} ${"x".repeat(width)}`);
    const file = logFile(lines.map((line) => record(line)).join(""));
    for (const wanted of [1, 2, 7])
      expect((await read(file, `tailLines=${wanted}`)).split("\n").slice(0, -1)).toEqual(
        lines.slice(-wanted),
      );
  }
});

test("a rotated file comes before the newest, also in a tail", async () => {
  const file = logFile(record("c") + record("d"));
  writeFileSync(`${file}.1`, record("a") + record("b"));
  expect(await read(file)).toBe("a\nb\nc\nd\n");
  expect(await read(file, "tailLines=3")).toBe("b\nc\nd\n");
  expect(await read(file, "tailLines=2")).toBe("c\nd\n");
});

test("times: since, and before each line and not its parts", async () => {
  const times = ["07:59:59.999999999", "08:30:00.000000000", "08:59:58.500000000"];
  const file = logFile(times.map((time) => record(time, "F", `2026-11-21T${time}Z`)).join(""));
  expect(await read(file, "sinceSeconds=3600")).toBe(`${times[1]}\n${times[2]}\n`);
  expect(await read(file, "sinceTime=2026-11-21T09:30:00%2B01:00")).toBe(`${times[1]}\n${times[2]}\n`);
  expect(await read(file, "sinceTime=2026-11-21T08:59:58.4Z")).toBe(`${times[2]}\n`);
  expect(await read(logFile(broken), "timestamps=true&limitBytes=45")).toBe(
    "2026-11-21T08:00:00.000000000Z beginning\n2026",
  );
});

test("a time of any zone and precision is one of the log's", () => {
  expect(logTimeOf("2026-11-21T10:00:00.5+02:00")).toBe("2026-11-21T08:00:00.500000000Z");
  expect(logTimeOf("2026-11-21T08:00:00.123456789Z")).toBe("2026-11-21T08:00:00.123456789Z");
});

test.each([
  "tailLines=-1",
  "tailLines=x",
  "sinceTime=yesterday",
  "limitBytes=0",
  "sinceSeconds=1&sinceTime=2026-11-21T08:00:00Z",
])("%s is refused", (text) => {
  expect(() => query(text)).toThrow(expect.objectContaining({ code: 400 }));
});

test("records are the same however they are read", () => {
  const bytes = Buffer.from(broken);
  for (let step = 1; step < bytes.length; step++) {
    const formatter = new RecordFormatter(query(""));
    let text = "";
    for (let at = 0; at < bytes.length; at += step)
      text += formatter.format(bytes.subarray(at, at + step)).toString();
    expect(text).toBe("beginning\nx\nopen");
  }
});

test("a follower hears what comes, over a rotation, and ends with the container", async () => {
  const file = logFile(record("before"));
  let end = (): void => undefined;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const all = read(file, "follow=true", ended);
  const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 30));
  await pause();
  appendFileSync(file, record("old"));
  renameSync(file, `${file}.1`);
  appendFileSync(`${file}.1`, record("late"));
  writeFileSync(file, record("new"));
  await pause();
  appendFileSync(file, record("last"));
  end();
  expect(await all).toBe("before\nold\nlate\nnew\nlast\n");
});

test("a follower that is stopped ends at once", async () => {
  const gone = new AbortController();
  const file = logFile("");
  const reader = readLog({ file, ended: new Promise(() => undefined) }, query("follow=true"), gone.signal);
  const next = reader.next();
  setTimeout(() => gone.abort(), 20);
  expect(await next).toEqual({ done: true, value: undefined });
});

test("a log that is not there is empty", async () => {
  expect(await read(path.join(directory, "none.log"))).toBe("");
});
