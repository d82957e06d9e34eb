/** @module Runs a command in this process, for tests: what it printed, where, and how it ended. */
import { FAILURES, OpError } from "../base/errors.ts";
import type { Io } from "./io.ts";
import { runProgram } from "./program.ts";

export interface CliResult {
  readonly exit: number;
  readonly out: string;
  readonly err: string;
}

/** @param input - what standard input holds */
export async function runCli(
  argv: readonly string[],
  options: { readonly folder?: string; readonly input?: string; readonly colour?: boolean } = {},
): Promise<CliResult> {
  const out: string[] = [];
  const err: string[] = [];
  const io: Io = {
    out: (text) => out.push(text),
    err: (text) => err.push(text),
    progress: () => undefined,
    colour: options.colour ?? false,
    width: 100,
    folder: options.folder ?? process.cwd(),
    stdin: (async function* () {
      yield await Promise.resolve(options.input ?? "");
    })(),
  };
  try {
    return { exit: await runProgram(io, argv), out: out.join("\n"), err: err.join("\n") };
  } catch (error) {
    if (!(error instanceof OpError)) throw error;
    err.push(`tortie: ${error.message}`);
    return { exit: FAILURES[error.code].exit, out: out.join("\n"), err: err.join("\n") };
  }
}
