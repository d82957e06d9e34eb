/**
 * @module A thread's way into the namespaces of containers, and back.
 *
 * A process inherits its namespaces from the thread that forks it. So a thread enters a container's, spawns, and
 * is home again before other JavaScript of it runs; libuv's threads never move. This needs no helper process: a container's
 * first process is Node's own child, with its true exit status, and starts as fast as any other child.
 *
 * Two rules of the kernel shape this file. A thread that shares its root and working directory with others cannot
 * enter a mount namespace, and every new thread shares them: so they are unshared before each move. And no thread can
 * be created while `pid_ns_for_children` is foreign, so nothing that starts threads (node-pty) may run in a window.
 */
import { closeSync, openSync } from "node:fs";
import { BugError, OpError } from "../../base/errors.ts";
import { CLONE_FS, CLONE_NEWIPC, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUTS } from "../../linux/constants.ts";
import { checked, libc } from "../../linux/libc.ts";
import type { Netns } from "../../linux/netns.ts";
import { inNamespace } from "../../linux/netns.ts";

/** Namespaces of one pod or container, as open files. */
export interface Place {
  readonly netns: Netns;
  readonly uts: number;
  readonly ipc: number;
  readonly mount: number;
  /** `new`: the first process spawned is process 1 of a new one. */
  readonly pid: number | "new";
}

const KINDS = { mnt: CLONE_NEWNS, pid: CLONE_NEWPID, uts: CLONE_NEWUTS, ipc: CLONE_NEWIPC } as const;
type Kind = keyof typeof KINDS;

function openOwn(kind: Kind): number {
  return openSync(`/proc/thread-self/ns/${kind}`, "r");
}

function enter(kind: Kind, fd: number): void {
  checked(libc().setns(fd, KINDS[kind]), `enter a ${kind} namespace`, "kernel-refused");
}

function unshare(flags: number, what: string): void {
  checked(libc().unshare(flags), what, "kernel-unavailable");
}

export class ThreadNamespaces {
  readonly #home: Readonly<Record<Kind, number>>;
  readonly #root: number;
  #inside = false;

  /** @throws OpError `kernel-unavailable` where the thread could not come back from a namespace */
  constructor() {
    // The machine's own UTS and IPC namespaces belong to a user namespace above ours, so there would be no way back.
    unshare(CLONE_FS | CLONE_NEWUTS | CLONE_NEWIPC, "leave the machine's UTS and IPC namespaces");
    this.#home = { mnt: openOwn("mnt"), pid: openOwn("pid"), uts: openOwn("uts"), ipc: openOwn("ipc") };
    this.#root = openSync("/", "r");
    try {
      this.#away(() => this.#comeBack(["mnt", "pid", "uts", "ipc"]));
    } catch (cause) {
      throw new OpError(
        "containers need a mount and a PID namespace of our own: unshare --mount --pid --fork --mount-proc",
        {
          code: "kernel-unavailable",
          cause,
        },
      );
    }
  }

  /** Runs `fn`, and restores root and working directory, which entering a mount namespace changes. */
  #away<T>(fn: () => T): T {
    if (this.#inside) throw new BugError("namespaces are entered one window at a time");
    unshare(CLONE_FS, "have a root directory of our own");
    const directory = openSync(".", "r");
    this.#inside = true;
    try {
      return fn();
    } finally {
      this.#inside = false;
      checked(libc().fchdir(this.#root), "go back to the root directory", "kernel-refused");
      checked(libc().chroot("."), "go back to the root directory", "kernel-refused");
      checked(libc().fchdir(directory), "go back to the working directory", "kernel-refused");
      closeSync(directory);
    }
  }

  #comeBack(kinds: readonly Kind[]): void {
    for (const kind of kinds) {
      if (kind === "mnt") unshare(CLONE_FS, "have a root directory of our own");
      enter(kind, this.#home[kind]);
    }
  }

  /**
   * Runs `spawn` inside. It must be synchronous, start at most one process where `pid` is new, and start no threads.
   * @throws OpError `kernel-refused`
   */
  inside<T>(place: Place, spawn: () => T): T {
    return inNamespace(place.netns, () =>
      this.#away(() => {
        try {
          enter("uts", place.uts);
          enter("ipc", place.ipc);
          enter("mnt", place.mount);
          if (place.pid === "new") unshare(CLONE_NEWPID, "create a PID namespace");
          else enter("pid", place.pid);
          return spawn();
        } finally {
          this.#comeBack(["pid", "mnt", "ipc", "uts"]);
        }
      }),
    );
  }

  /** A new mount namespace: a copy of ours, changed by `build`, which runs inside it. The caller closes it. */
  createMount(netns: Netns, build: () => void): number {
    return inNamespace(netns, () =>
      this.#away(() => {
        unshare(CLONE_NEWNS, "create a mount namespace");
        try {
          build();
          return openOwn("mnt");
        } finally {
          this.#comeBack(["mnt"]);
        }
      }),
    );
  }

  /** New UTS and IPC namespaces, which the containers of a pod share. The caller closes both. */
  createShared(hostname: string): { readonly uts: number; readonly ipc: number } {
    try {
      unshare(CLONE_NEWUTS | CLONE_NEWIPC, "create UTS and IPC namespaces");
      checked(
        libc().sethostname(hostname, Buffer.byteLength(hostname)),
        "set a pod's host name",
        "kernel-refused",
      );
      return { uts: openOwn("uts"), ipc: openOwn("ipc") };
    } finally {
      this.#comeBack(["ipc", "uts"]);
    }
  }

  close(): void {
    for (const fd of Object.values(this.#home)) closeSync(fd);
    closeSync(this.#root);
  }
}
