/** @module The files of one log: the newest, and the one before it if it was rotated. */
import type { FileHandle } from "node:fs/promises";
import { open } from "node:fs/promises";
import { endsLine, HEAD_BYTES } from "./log-records.ts";

const BLOCK_BYTES = 64 * 1024;
const NEWLINE = 10;

export interface LogFile {
  readonly handle: FileHandle;
  /** Where to read on. */
  position: number;
}

/** @returns undefined when it is not there */
export async function openLogFile(file: string): Promise<FileHandle | undefined> {
  try {
    return await open(file, "r");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

export async function inodeOf(handle: FileHandle): Promise<number> {
  return (await handle.stat()).ino;
}

/**
 * Opens a log from a number of lines before its end, or from its beginning.
 * @returns oldest first; the last one is the newest file, absent when there is none
 */
export async function openLog(file: string, tailLines: number | undefined): Promise<LogFile[]> {
  const newest = await openLogFile(file);
  if (!newest) return [];
  let older = await openLogFile(`${file}.1`);
  // Rotated between the two calls: it is the same file.
  if (older && (await inodeOf(older)) === (await inodeOf(newest))) {
    await older.close();
    older = undefined;
  }
  if (tailLines === undefined)
    return [older, newest].flatMap((handle) => (handle ? [{ handle, position: 0 }] : []));
  const last = await tailOf(newest, tailLines);
  if (!older) return [{ handle: newest, position: last.position }];
  const missing = tailLines - last.lines;
  if (missing === 0) {
    await older.close();
    return [{ handle: newest, position: last.position }];
  }
  const before = await tailOf(older, missing);
  return [
    { handle: older, position: before.position },
    { handle: newest, position: last.position },
  ];
}

interface Tail {
  readonly position: number;
  /** So many begin there; fewer than asked for when the file has no more. */
  readonly lines: number;
}

/**
 * Where the last lines of a file begin, read backwards. A line is the records up to the next whole one; what comes
 * behind the last whole one is a line that has not ended.
 */
export async function tailOf(handle: FileHandle, wanted: number): Promise<Tail> {
  const { size } = await handle.stat();
  if (wanted === 0) return { position: size, lines: 0 };
  const block = Buffer.alloc(BLOCK_BYTES + HEAD_BYTES);
  let found = 0;
  /** Behind the record that is looked at. */
  let recordEnd = size;
  let isLast = true;
  /** Of a record from `start`: counts the line that it ends, if it ends one. */
  const isEnough = (head: Buffer): boolean => {
    const ends = endsLine(head);
    if (ends || isLast) found++;
    isLast = false;
    // An unended line at the very end was counted by its last record, which ends none.
    return ends && found > wanted;
  };
  for (let blockEnd = size; blockEnd > 0; ) {
    const blockStart = Math.max(0, blockEnd - BLOCK_BYTES);
    // Some more than the block: the head of a record that begins at its end.
    const { bytesRead } = await handle.read(block, 0, blockEnd - blockStart + HEAD_BYTES, blockStart);
    for (let at = blockEnd - blockStart - 1; at >= 0; at--) {
      at = block.lastIndexOf(NEWLINE, at);
      if (at < 0) break;
      const start = blockStart + at + 1;
      if (start >= size) continue;
      if (isEnough(block.subarray(at + 1, bytesRead))) return { position: recordEnd, lines: wanted };
      recordEnd = start;
    }
    blockEnd = blockStart;
  }
  if (size > 0) {
    const { bytesRead } = await handle.read(block, 0, HEAD_BYTES, 0);
    if (isEnough(block.subarray(0, bytesRead))) return { position: recordEnd, lines: wanted };
  }
  return { position: 0, lines: Math.min(found, wanted) };
}
