/** @module A file that only one process at a time may have. */
import { closeSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";

/**
 * @param file - holds the number of the process that has it; left over from one that is gone, it is taken
 * @returns gives it back; or the process that has it
 */
export function tryLock(file: string): (() => void) | number {
  for (;;) {
    try {
      const opened = openSync(file, "wx", 0o600);
      writeSync(opened, String(process.pid));
      closeSync(opened);
      return () => rmSync(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const holder = holderOf(file);
    if (holder !== undefined && isAlive(holder)) return holder;
    rmSync(file, { force: true });
  }
}

function holderOf(file: string): number | undefined {
  try {
    return Number(readFileSync(file, "utf8")) || process.ppid;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
