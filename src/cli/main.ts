/** @module `tortie`: argv → command → exit status. The one place where failures are caught and turned into words. */
import { FAILURES, OpError } from "../base/errors.ts";
import { processIo, watchOutput } from "./io.ts";
import { VERSION } from "./version.ts";

async function main(argv: readonly string[]): Promise<number> {
  // Asked by scripts before every use: nothing is loaded for it.
  if (argv.length === 1 && (argv[0] === "--version" || argv[0] === "-V")) {
    process.stdout.write(`${VERSION}\n`);
    return 0;
  }
  // Nobody waits for these to explain their options.
  const { processOf } = await import("./cluster/processes.ts");
  const run = processOf(argv);
  if (run) return await run();
  const io = processIo();
  const { runProgram } = await import("./program.ts");
  return await runProgram(io, argv);
}

/** @returns the exit status that FAILURES gives; a bug keeps its stack and status 70 */
function report(error: unknown): number {
  if (error instanceof OpError) {
    process.stderr.write(`tortie: ${error.message}\n`);
    return FAILURES[error.code].exit;
  }
  if (error instanceof Error && error.name === "ApiError") {
    process.stderr.write(`tortie: the API refused: ${error.message}\n`);
    return FAILURES["api-refused"].exit;
  }
  process.stderr.write(`tortie: this is a bug in tortie ${VERSION}; please report it with what follows\n`);
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return 70;
}

watchOutput((error) => process.exit(report(error)));
main(process.argv.slice(2)).then(
  (status) => {
    process.exitCode = status;
  },
  (error: unknown) => {
    process.exitCode = report(error);
  },
);
