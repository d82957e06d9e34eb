/**
 * @module Deleting folders that pods have written to. They can be deeper than any path may be long: Node, which deletes by
 * path, gives up there, and coreutils' rm, which goes down by descriptor, does not.
 */
import { execFile, spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { promisify } from "node:util";
import { OpError } from "../base/errors.ts";

const run = promisify(execFile);

function isTooLong(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENAMETOOLONG";
}

/** With all that is in it; nothing happens where there is none. @throws what the file system throws */
export async function removeFolder(folder: string): Promise<void> {
  try {
    await rm(folder, { recursive: true, force: true });
  } catch (error) {
    if (!isTooLong(error)) throw error;
    await run("rm", ["-rf", "--", folder]);
  }
}

/** @throws OpError `file-unreadable`, or what the file system throws */
export function removeFolderSync(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch (error) {
    if (!isTooLong(error)) throw error;
    const { status, stderr } = spawnSync("rm", ["-rf", "--", folder], { encoding: "utf8" });
    if (status !== 0)
      throw new OpError(`cannot delete ${folder}: ${stderr.trim()}`, {
        code: "file-unreadable",
        cause: error,
      });
  }
}
