/** @module Pipes by number, for processes that are to inherit an end. */
import { O_CLOEXEC } from "./constants.ts";
import { checked, libc } from "./libc.ts";

export interface Pipe {
  readonly read: number;
  readonly write: number;
}

/** A pipe and not the socket that Node would make: /dev/stdout can be opened in a container then. */
export function makePipe(): Pipe {
  const ends = new Int32Array(2);
  checked(libc().pipe2(ends, O_CLOEXEC), "make a pipe", "kernel-refused");
  return { read: ends[0] ?? -1, write: ends[1] ?? -1 };
}
