/** @module What a command may touch of the world around it; tests give their own. */
import { OpError } from "../base/errors.ts";

export interface Io {
  /** Results. Ends the line. */
  out(text: string): void;
  /** Everything else: progress, issues, errors. Ends the line. */
  err(text: string): void;
  /** A line that the next one overwrites; nothing where stderr is no terminal. */
  progress(text: string): void;
  /** Whether results may carry colour. */
  readonly colour: boolean;
  readonly width: number;
  readonly folder: string;
  readonly stdin: AsyncIterable<Uint8Array | string>;
}

/** The process's own. Colour only on a terminal, and never against NO_COLOR. @see https://no-color.org */
export function processIo(): Io {
  const { stdout, stderr } = process;
  const colour =
    stdout.isTTY === true && process.env["NO_COLOR"] === undefined && process.env["TERM"] !== "dumb";
  let shown = false;
  const clear = (): void => {
    if (shown) stderr.write("\r\u001b[K");
    shown = false;
  };
  return {
    out: (text) => {
      clear();
      stdout.write(`${text}\n`);
    },
    err: (text) => {
      clear();
      stderr.write(`${text}\n`);
    },
    progress: (text) => {
      if (stderr.isTTY !== true) return;
      clear();
      stderr.write(text.slice(0, ((stderr.columns as number | undefined) ?? 80) - 1));
      shown = true;
    },
    colour,
    width: (stdout.columns as number | undefined) ?? 100,
    folder: process.cwd(),
    stdin: process.stdin,
  };
}

/**
 * A closed pipe (`tortie … | head`) ends the program quietly; a full disk does not.
 * @param fail - told of every other failure to write
 */
export function watchOutput(fail: (error: OpError) => void): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (cause: NodeJS.ErrnoException) => {
      if (cause.code === "EPIPE") process.exit(0);
      fail(
        new OpError(`the output could not be written: ${cause.code ?? cause.message}`, {
          code: "output-failed",
          cause,
        }),
      );
    });
  }
}
