/** @module What is asked of a terminal beside reading and writing. */
import { TIOCINQ, TIOCSWINSZ } from "../../linux/constants.ts";
import { libc } from "../../linux/libc.ts";
import type { TerminalSize } from "./container.ts";

/** `struct winsize`: rows, columns, and two numbers of pixels that nobody reads. */
export function setWindowSize(terminal: number, size: TerminalSize): void {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(size.rows, 0);
  bytes.writeUInt16LE(size.columns, 2);
  libc().ioctl(terminal, TIOCSWINSZ, bytes);
}

/** What was written at the other end, and not read at this one. 0 where that cannot be told. */
export function unreadBytes(terminal: number): number {
  const count = Buffer.alloc(4);
  return libc().ioctl(terminal, TIOCINQ, count) < 0 ? 0 : count.readInt32LE(0);
}
