/** @module Lines of a stream, as they come. */
import { createInterface, type Interface } from "node:readline";
import type { Readable } from "node:stream";

/** A reader of lines that leaves the stream's errors to the stream: readline passes them on as its own, uncaught. */
export function linesOf(input: Readable): Interface {
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  lines.on("error", () => undefined);
  return lines;
}
