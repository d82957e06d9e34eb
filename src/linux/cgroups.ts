/**
 * @module Control groups: how many processes, and how much memory, a container may have.
 *
 * Whoever starts a cluster delegates a group to it, where the machine allows that; each container gets a group below. A
 * process joins while it still waits behind its gate, so that all that it starts is in the group too.
 * @see cgroups(7); Documentation/admin-guide/cgroup-v2.rst, "Delegation"; cgroup-v1/pids.rst, memory.rst
 */
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import path from "node:path";

const MOUNT = "/sys/fs/cgroup";

/** Folders of a delegated group. In version 2 both are the same; in version 1 each controller has its own. */
export interface CgroupRoot {
  readonly version: 1 | 2;
  readonly pids: string;
  readonly memory: string;
}

export interface CgroupLimits {
  readonly processes: number;
  /** None where undefined. */
  readonly memoryBytes: number | undefined;
}

function folders({ pids, memory }: CgroupRoot): string[] {
  return [...new Set([pids, memory])];
}

/** Where this process is, by controller; the empty name is version 2. */
function ownPaths(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of text.trim().split("\n")) {
    const [, controllers = "", place = "/"] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    for (const controller of controllers.split(",")) found.set(controller, place);
  }
  return found;
}

export interface Delegation {
  /** The group's name. */
  readonly name: string;
  /** Whose it is to be; the caller's own where undefined. */
  readonly user: number | undefined;
  /** Of all containers together, so that none of them can take every process number of the machine. */
  readonly processes: number;
  /** Where the file system is mounted, and what /proc/self/cgroup says: a test has its own. */
  readonly mount?: string;
  readonly own?: string;
}

/**
 * Makes a group for a cluster.
 * @returns undefined where the machine has no such controllers, or allows it to nobody like us
 */
export function delegateCgroup({
  name,
  user,
  processes,
  mount = MOUNT,
  own,
}: Delegation): CgroupRoot | undefined {
  try {
    const paths = ownPaths(own ?? readFileSync("/proc/self/cgroup", "utf8"));
    const root = existsSync(path.join(mount, "cgroup.controllers"))
      ? unifiedRoot(mount, paths.get("") ?? "/", name)
      : separateRoot(mount, paths, name);
    if (!root) return undefined;
    for (const folder of folders(root)) {
      mkdirSync(folder, { recursive: true });
      // What may be written by its owner, as the kernel's /sys/kernel/cgroup/delegate lists it.
      for (const file of ["", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads", "tasks"]) {
        const target = path.join(folder, file);
        if (user !== undefined && existsSync(target)) chownSync(target, user, user);
      }
    }
    writeFileSync(path.join(root.pids, "pids.max"), String(processes));
    if (root.version === 2) writeFileSync(path.join(root.pids, "cgroup.subtree_control"), "+pids +memory");
    return root;
  } catch {
    return undefined;
  }
}

/** A group with processes cannot give controllers to groups below: root makes its own at the top, others where they are. */
function unifiedRoot(mount: string, own: string, name: string): CgroupRoot | undefined {
  for (const parent of [mount, path.join(mount, own)]) {
    try {
      writeFileSync(path.join(parent, "cgroup.subtree_control"), "+pids +memory");
      const folder = path.join(parent, name);
      return { version: 2, pids: folder, memory: folder };
    } catch {
      // The next one may be ours.
    }
  }
  return undefined;
}

function separateRoot(mount: string, own: ReadonlyMap<string, string>, name: string): CgroupRoot | undefined {
  const [pids, memory] = ["pids", "memory"].map((controller) => {
    const place = own.get(controller);
    return place === undefined ? undefined : path.join(mount, controller, place, name);
  });
  return pids === undefined || memory === undefined ? undefined : { version: 1, pids, memory };
}

/** Takes a group away with those below it. What still has a process stays. */
export function removeCgroup(folder: string): void {
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true }))
      if (entry.isDirectory()) removeCgroup(path.join(folder, entry.name));
    rmdirSync(folder);
  } catch {
    // Gone already, or in use.
  }
}

/** @returns whether nothing of them is left: processes leave a group a moment after they have ended */
export function removeCgroups(root: CgroupRoot): boolean {
  for (const folder of folders(root)) removeCgroup(folder);
  return folders(root).every((folder) => !existsSync(folder));
}

/** A container's group. */
export class Cgroup {
  readonly #root: CgroupRoot;
  readonly #name: string;

  /** @throws what the file system throws: then the container does not start without its limits */
  constructor(root: CgroupRoot, name: string, { processes, memoryBytes }: CgroupLimits) {
    this.#root = root;
    this.#name = name;
    for (const folder of this.#folders) mkdirSync(folder, { recursive: true });
    // Version 1 lets a process be moved by its own user only; nobody but the machine sees these files.
    if (root.version === 1) for (const file of this.procs) chmodSync(file, 0o666);
    writeFileSync(path.join(this.#pids, "pids.max"), String(processes));
    if (memoryBytes === undefined) return;
    const file = root.version === 2 ? "memory.max" : "memory.limit_in_bytes";
    writeFileSync(path.join(this.#memory, file), String(memoryBytes));
    const swap = path.join(this.#memory, "memory.swap.max");
    if (root.version === 2 && existsSync(swap)) writeFileSync(swap, "0");
  }

  get #pids(): string {
    return path.join(this.#root.pids, this.#name);
  }

  get #memory(): string {
    return path.join(this.#root.memory, this.#name);
  }

  get #folders(): string[] {
    return [...new Set([this.#pids, this.#memory])];
  }

  /** The files that take the numbers of processes. */
  get procs(): readonly string[] {
    return this.#folders.map((folder) => path.join(folder, "cgroup.procs"));
  }

  /** Whether the kernel has ended a process of it for want of memory. */
  get ranOutOfMemory(): boolean {
    const file = this.#root.version === 2 ? "memory.events" : "memory.oom_control";
    try {
      const text = readFileSync(path.join(this.#memory, file), "utf8");
      return Number(/^oom_kill (\d+)/m.exec(text)?.[1] ?? 0) > 0;
    } catch {
      return false;
    }
  }

  /** Processes leave a group a moment after they have ended. */
  remove(): void {
    let left = 20;
    const attempt = (): void => {
      for (const folder of this.#folders) removeCgroup(folder);
      if (this.#folders.some((folder) => statSync(folder, { throwIfNoEntry: false })) && left-- > 0)
        setTimeout(attempt, 50).unref();
    };
    attempt();
  }
}

/**
 * Puts a process into groups.
 * @param procs - as {@link Cgroup.procs} has them
 * @throws what the file system throws
 */
export function joinCgroup(procs: readonly string[], pid: number): void {
  for (const file of procs) {
    const opened = openSync(file, "w");
    try {
      writeSync(opened, String(pid));
    } finally {
      closeSync(opened);
    }
  }
}
