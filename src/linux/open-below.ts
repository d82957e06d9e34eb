/**
 * @module Opening what is below a folder that others may change at any time. Links, absolute ones too, and ".." are
 * resolved as if the folder were "/", by the kernel, in one step: openat2(2), RESOLVE_IN_ROOT, since Linux 5.6.
 */
import { closeSync, constants, mkdirSync, openSync } from "node:fs";
import path from "node:path";
import { O_CLOEXEC, O_PATH, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, SYS_OPENAT2 } from "./constants.ts";
import { checked, libc } from "./libc.ts";

/** struct open_how, include/uapi/linux/openat2.h */
function openHow(flags: number): Buffer {
  const how = Buffer.alloc(24);
  how.writeBigUInt64LE(BigInt(flags | O_CLOEXEC), 0);
  how.writeBigUInt64LE(BigInt(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS), 16);
  return how;
}

/**
 * @param flags - of open(2)
 * @returns a file descriptor, the caller's to close
 * @throws OpError `file-unreadable`, whose `errno` fact says why
 */
export function openBelow(folder: string, place: string, flags: number = constants.O_RDONLY): number {
  const root = openSync(folder, O_PATH | constants.O_DIRECTORY);
  try {
    const how = openHow(flags);
    const opened = libc().openat2(SYS_OPENAT2, root, `./${place}`, how, how.length);
    return checked(opened, `open ${place} below ${folder}`, "file-unreadable");
  } finally {
    closeSync(root);
  }
}

/** Makes a folder below another one, with those on the way to it. @throws OpError `file-unreadable` */
export function makeFolderBelow(folder: string, place: string): void {
  const parts = path.posix.normalize(place).split("/").filter(Boolean);
  for (const [index, part] of parts.entries()) {
    const parent = openBelow(folder, parts.slice(0, index).join("/") || ".", O_PATH | constants.O_DIRECTORY);
    try {
      mkdirSync(`/proc/self/fd/${parent}/${part}`);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    } finally {
      closeSync(parent);
    }
  }
}
