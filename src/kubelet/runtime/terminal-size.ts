/** @module The size of a terminal. */
import { TIOCSWINSZ } from "../../linux/constants.ts";
import { libc } from "../../linux/libc.ts";
import type { TerminalSize } from "./container.ts";

/** `struct winsize`: rows, columns, and two numbers of pixels that nobody reads. */
export function setWindowSize(terminal: number, size: TerminalSize): void {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(size.rows, 0);
  bytes.writeUInt16LE(size.columns, 2);
  libc().ioctl(terminal, TIOCSWINSZ, bytes);
}
