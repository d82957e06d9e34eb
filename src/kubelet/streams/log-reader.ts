/** @module A log as a client sees it: from where it wants, in its form, and on until the container ends. */
import { stat } from "node:fs/promises";
import { onSettled } from "../settled.ts";
import { inodeOf, type LogFile, openLog, openLogFile } from "./log-files.ts";
import { LogWatch } from "./log-follow.ts";
import type { LogQuery } from "./log-query.ts";
import { RecordFormatter } from "./log-records.ts";

const READ_BYTES = 64 * 1024;

export interface LogSource {
  readonly file: string;
  /** Resolves when nothing more is written; undefined when that is so already. */
  readonly ended: Promise<unknown> | undefined;
}

/**
 * Gives text as it is asked for: who does not ask for the next piece lets nothing grow.
 * @param signal - ends it also while it waits
 */
export async function* readLog(
  { file, ended }: LogSource,
  query: Omit<LogQuery, "container" | "previous">,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void, undefined> {
  const follows = query.follow && ended !== undefined;
  // Before the first look: what comes after it is noticed.
  const watch = follows ? new LogWatch(file) : undefined;
  let isOver = !follows;
  const forget =
    ended &&
    onSettled(ended, () => {
      isOver = true;
      watch?.notify();
    });
  const stop = (): void => watch?.close();
  signal.addEventListener("abort", stop);
  const formatter = new RecordFormatter(query);
  const files: LogFile[] = [];
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  try {
    files.push(...(await openLog(file, query.tailLines)));
    for (;;) {
      // Asked before reading: what was written before the end is read after it.
      const wasOver = isOver;
      let current: LogFile | undefined;
      for (let next = files[0]; next; next = files[0]) {
        current = next;
        for (;;) {
          const { bytesRead } = await current.handle.read(buffer, 0, READ_BYTES, current.position);
          if (bytesRead === 0 || signal.aborted) break;
          current.position += bytesRead;
          const text = formatter.format(buffer.subarray(0, bytesRead));
          if (text.length > 0) yield text;
          if (formatter.isFull) return;
        }
        if (files.length === 1) break;
        formatter.forgetRest();
        files.shift();
        await current.handle.close();
      }
      if (signal.aborted) return;
      const newer = await newerThan(current, file);
      if (newer) {
        files.push(newer);
        continue;
      }
      if (wasOver) return;
      await watch?.next();
    }
  } finally {
    signal.removeEventListener("abort", stop);
    forget?.();
    watch?.close();
    for (const { handle } of files) await handle.close();
  }
}

/** The file that took the place of the one that is read, if that was rotated or was not there. */
async function newerThan(current: LogFile | undefined, file: string): Promise<LogFile | undefined> {
  if (current) {
    const now = await stat(file).catch(() => undefined);
    if (!now || now.ino === (await inodeOf(current.handle))) return undefined;
  }
  const handle = await openLogFile(file);
  return handle && { handle, position: 0 };
}
