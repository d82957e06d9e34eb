/**
 * @module Network namespaces held by file descriptor only: no name under /run, so that nothing is left when the
 * process ends, however it ends.
 *
 * `setns` moves the calling thread. All our calls are made on Node's main thread inside one synchronous window, so no
 * other JavaScript ever sees a foreign namespace. libuv's worker threads never move.
 */
import { closeSync, fstatSync, openSync, statSync } from "node:fs";
import { BugError, OpError } from "../base/errors.ts";
import { CLONE_NEWNET } from "./constants.ts";
import { checked, libc } from "./libc.ts";

/** A namespace, alive at least as long as this is open. */
export interface Netns {
  /** For messages. */
  readonly name: string;
  readonly fd: number;
}

const THREAD_NS = "/proc/thread-self/ns/net";

function openCurrent(name: string): Netns {
  try {
    return { name, fd: openSync(THREAD_NS, "r") };
  } catch (cause) {
    throw new OpError(`cannot open ${THREAD_NS}`, { code: "netns-gone", cause });
  }
}

let home: Netns | undefined;
/** Where the main thread is now; undefined is home. */
let entered: Netns | undefined;

/** The namespace that the process was started in. Never closed. */
export function homeNetns(): Netns {
  if (!home && entered) throw new BugError("home namespace asked for from inside another one");
  home ??= openCurrent("home");
  return home;
}

/** Whether this thread is where it was started, as the kernel says. What failed on the way back from elsewhere has not come home. */
export function isHome(): boolean {
  const { fd } = home ?? { fd: undefined };
  return fd === undefined ? entered === undefined : fstatSync(fd).ino === statSync(THREAD_NS).ino;
}

/** A new, empty namespace: loopback is down, and every sysctl is at its default. The caller closes it. */
export function createNetns(name: string): Netns {
  const back = entered ?? homeNetns();
  checked(
    libc().unshare(CLONE_NEWNET),
    "create a network namespace (unshare CLONE_NEWNET)",
    "kernel-unavailable",
    { name },
  );
  try {
    return openCurrent(name);
  } finally {
    checked(libc().setns(back.fd, CLONE_NEWNET), `go back to network namespace ${back.name}`, "netns-gone");
  }
}

/**
 * Runs `fn` with the main thread in `ns`. Sockets opened, /proc/sys/net files written and processes spawned inside
 * belong to `ns`. `fn` must be synchronous: a promise would resume in the wrong namespace.
 * @throws OpError `netns-gone` when the namespace cannot be entered
 */
export function inNamespace<T>(ns: Netns, fn: () => T): T {
  const before = entered;
  const back = before ?? homeNetns();
  if (back.fd === ns.fd) return fn();
  checked(libc().setns(ns.fd, CLONE_NEWNET), `enter network namespace ${ns.name}`, "netns-gone", {
    name: ns.name,
  });
  entered = ns;
  try {
    const result = fn();
    if (result instanceof Promise) throw new BugError("inNamespace takes synchronous functions only");
    return result;
  } finally {
    checked(libc().setns(back.fd, CLONE_NEWNET), `go back to network namespace ${back.name}`, "netns-gone");
    entered = before;
  }
}

/** Drops our hold. The kernel takes the namespace and its interfaces down when nothing else holds it, a little later. */
export function closeNetns(ns: Netns): void {
  closeSync(ns.fd);
}
