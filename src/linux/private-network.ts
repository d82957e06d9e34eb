/**
 * @module The way into a network of our own: this same process, executed again inside new namespaces. No child process,
 * so Ctrl-C and `kill -9` act on the one there is, and everything vanishes with it.
 */
import { statSync } from "node:fs";
import { OpError } from "../base/errors.ts";
import { F_GETFD, F_GETFL, F_SETFD, F_SETFL, FD_CLOEXEC, O_NONBLOCK } from "./constants.ts";
import { errno, errnoName, libc } from "./libc.ts";

/** The inode of the network namespace that the command was started in. */
const MARK = "TORTIE_PRIVATE_NETWORK";

function netInode(): string {
  return String(statSync("/proc/self/ns/net").ino);
}

/**
 * Whether this process was executed again by {@link enterPrivateNetwork}, and its network namespace really is another
 * than the one that it was started in.
 */
export function insidePrivateNetwork(): boolean {
  const outer = process.env[MARK];
  return outer !== undefined && outer !== "" && outer !== netInode();
}

/** The command that runs `argv` in new namespaces; a user namespace too where the user is not root. */
export function unshareCommand(argv: readonly string[], effectiveUser: number): string[] {
  const user = effectiveUser === 0 ? [] : ["--user", "--map-root-user"];
  return ["unshare", ...user, "--net", "--", ...argv];
}

/**
 * Executes this process again inside new namespaces; does not return then. Returns at once when already inside.
 *
 * Call it before any output: the standard streams are handed on, but not what Node has buffered for them. Exit status,
 * signals and the process's number are those of the process that the user started.
 *
 * @param argv - what to run; this same command when left out
 * @throws OpError `kernel-unavailable` when `unshare` cannot be executed, or did not change the namespace
 */
export function enterPrivateNetwork(argv?: readonly string[]): void {
  if (insidePrivateNetwork()) return;
  if (process.env[MARK]) {
    throw new OpError("unshare ran, but the network namespace is the machine's own still", {
      code: "kernel-unavailable",
    });
  }
  const command = argv ?? [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const words = unshareCommand(command, process.geteuid?.() ?? 0);
  process.env[MARK] = netInode();
  handOnStreams();
  libc().execvp("unshare", [...words, null]);
  const name = errnoName(errno());
  delete process.env[MARK];
  throw new OpError(`cannot run unshare: ${name}; install it with: apt-get install util-linux`, {
    code: "kernel-unavailable",
    facts: { errno: name },
  });
}

/**
 * Node may have made pipes non-blocking, which stays with the pipe over exec and for whoever shares it; and the three
 * streams must survive exec.
 */
function handOnStreams(): void {
  for (const fd of [0, 1, 2]) {
    const flags = libc().fcntl(fd, F_GETFD, 0);
    if (flags >= 0 && (flags & FD_CLOEXEC) !== 0) libc().fcntl(fd, F_SETFD, flags & ~FD_CLOEXEC);
    const mode = libc().fcntl(fd, F_GETFL, 0);
    if (mode >= 0 && (mode & O_NONBLOCK) !== 0) libc().fcntl(fd, F_SETFL, mode & ~O_NONBLOCK);
  }
}
