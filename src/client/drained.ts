/** @module Waiting for a client that reads more slowly than we write. */
import type { Writable } from "node:stream";

/** Resolves when more can be written, or when nobody reads any more. */
export function drained(stream: Writable): Promise<void> {
  if (stream.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const go = (): void => {
      stream.off("drain", go);
      stream.off("close", go);
      resolve();
    };
    stream.on("drain", go);
    stream.on("close", go);
  });
}
