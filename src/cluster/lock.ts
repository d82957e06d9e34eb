/** @module A file that only one process at a time may have. */
import { linkSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { unwritten } from "./disk-space.ts";

/**
 * @param file - holds the number of the process that has it; left over from one that is gone, it is taken
 * @returns gives it back; or the process that has it
 * @throws OpError `output-failed` when it cannot be made; nothing is left of it then
 */
export function tryLock(file: string): (() => void) | number {
  // Whole before it has its name: one without a number in it would be nobody's, and in everybody's way.
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, String(process.pid), { mode: 0o600 });
    for (;;) {
      try {
        linkSync(temporary, file);
        return () => rmSync(file, { force: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
      const holder = holderOf(file);
      if (holder !== undefined && isAlive(holder)) return holder;
      rmSync(file, { force: true });
    }
  } catch (cause) {
    throw unwritten(file, cause);
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** @returns undefined where nobody is named: it is left over from a start on a full disk */
function holderOf(file: string): number | undefined {
  try {
    return Number(readFileSync(file, "utf8")) || undefined;
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
