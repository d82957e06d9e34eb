/** @module Files that are there whole or not at all, and disks that have no room for them. */
import { renameSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { OpError } from "../base/errors.ts";
import type { Layout } from "./layout.ts";

/** With less, next to nothing can be written: an object's page, a line of a log. */
const LEAST_FREE_BYTES = 64 * 1024;

export interface FullDisk {
  /** What the cluster has there: `objects, keys and logs`, `sockets and containers`. */
  readonly holds: string;
  readonly folder: string;
}

/** The disks of a cluster that have no room. */
export function fullDisks(layout: Layout): readonly FullDisk[] {
  return [
    { holds: "objects, keys and logs", folder: layout.state },
    { holds: "sockets and containers", folder: layout.run },
  ].filter(({ folder }) => isFull(folder));
}

function isFull(folder: string): boolean {
  try {
    const { bavail, bsize, ffree, files } = statfsSync(folder);
    // Some file systems count no inodes: they have none, and none free.
    return bavail * bsize < LEAST_FREE_BYTES || (files > 0 && ffree === 0);
  } catch {
    return false;
  }
}

export function fullDiskText({ holds, folder }: FullDisk): string {
  return `the disk of ${folder} (${holds}) is full: no space left on device`;
}

/**
 * Under another name first: whoever reads sees the old file or the new one, whole, and a disk without room leaves the old.
 * @throws OpError `output-failed` with the disk's folder when it cannot be written
 */
export function writeWhole(file: string, text: string): void {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, text, { mode: 0o600 });
    renameSync(temporary, file);
  } catch (cause) {
    rmSync(temporary, { force: true });
    throw unwritten(file, cause);
  }
}

/** Why a file could not be made or written, in words that name its disk. */
export function unwritten(file: string, cause: unknown): OpError {
  const code = (cause as NodeJS.ErrnoException).code;
  const folder = path.dirname(file);
  const words =
    code === "ENOSPC" || code === "EDQUOT"
      ? `no space left on device; make room on the disk of ${folder}`
      : (cause as Error).message;
  return new OpError(`cannot write ${file}: ${words}`, { code: "output-failed", cause, facts: { file } });
}
