/** @module Getting to where packets can be real: namespaces of our own, entered before any output. */
import { spawnSync } from "node:child_process";
import { FAILURES, OpError } from "../base/errors.ts";
import { koffiProblem } from "../linux/libc.ts";
import { enterPrivateNetwork, insidePrivateNetwork, unshareCommand } from "../linux/private-network.ts";

/** Why packets cannot be real here, in one line; undefined when they can. Costs one short process. */
export function kernelProblem(): string | undefined {
  if (insidePrivateNetwork()) return undefined;
  if (process.platform !== "linux") return `network namespaces need Linux, and this is ${process.platform}`;
  const problem = koffiProblem();
  if (problem !== undefined) return problem;
  const [program = "", ...rest] = unshareCommand(["true"], process.geteuid?.() ?? 0);
  const tried = spawnSync(program, rest, { encoding: "utf8", timeout: 10_000 });
  if (tried.error) return `unshare cannot be run (${tried.error.message}): apt-get install util-linux`;
  return tried.status === 0 ? undefined : `namespaces are not allowed: ${tried.stderr.trim()}`;
}

/**
 * Goes on inside namespaces of our own: this process is executed again there. Nothing may have been written before.
 * From then on Ctrl-C ends it with status 130; the kernel takes everything down with the process.
 * @throws OpError `kernel-unavailable`, with what is in the way
 */
export function enterKernel(): void {
  if (insidePrivateNetwork()) {
    process.once("SIGINT", () => {
      process.stderr.write("tortie: interrupted\n");
      process.exit(FAILURES.interrupted.exit);
    });
    return;
  }
  const problem = kernelProblem();
  if (problem !== undefined) {
    throw new OpError(`no real packets on this machine: ${problem}; tortie doctor tells more`, {
      code: "kernel-unavailable",
    });
  }
  enterPrivateNetwork();
}
