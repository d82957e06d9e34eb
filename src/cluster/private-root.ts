/**
 * @module What a cluster that root starts sees of the machine's files: programs and libraries, read-only, its own folders, and
 * nothing else. The mounts are root's, so nothing inside of the cluster's user namespace can take them away.
 */
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readlinkSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { OpError } from "../base/errors.ts";
import { CLONE_FS, CLONE_NEWNS, MS_NODEV, MS_NOSUID, O_PATH } from "../linux/constants.ts";
import { checked, libc } from "../linux/libc.ts";
import {
  bindMount,
  copyTree,
  keepMountsPrivate,
  makeReadOnly,
  mapTreeUsers,
  mountTree,
  pivotRoot,
} from "../linux/mounts.ts";

/** With what is mounted below them. */
const PROGRAMS = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc"];
const KERNEL = ["/proc", "/sys"];
/** No disk, and nothing else that is the machine's. */
const DEVICES = ["null", "zero", "full", "random", "urandom", "tty"].map((name) => `/dev/${name}`);

/** Where Node was installed; the folder of its program alone where that is no installation, but somebody's home, say. */
function nodeFolder(node: string): string {
  const folder = path.dirname(realpathSync(node));
  const prefix = path.dirname(folder);
  return existsSync(path.join(prefix, "lib", "node_modules")) ? prefix : folder;
}

/**
 * Our own package and Node's, and the packages that ours are looked for in: of the folders above, which are a user's project or home,
 * only their packages.
 */
export function ownFolders(program: string, node: string = process.execPath): string[] {
  const folders = new Set<string>([nodeFolder(node)]);
  let folder = path.dirname(realpathSync(program));
  let isFound = false;
  for (;;) {
    if (!isFound && existsSync(path.join(folder, "package.json"))) {
      isFound = true;
      folders.add(folder);
    }
    const packages = path.join(folder, "node_modules");
    if (existsSync(packages)) folders.add(realpathSync(packages));
    if (folder === "/") break;
    folder = path.dirname(folder);
  }
  folders.delete("/");
  return [...folders];
}

function bind(source: string, target: string, readOnly: boolean): void {
  if (statSync(source).isDirectory()) mkdirSync(target, { recursive: true });
  else {
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, "");
  }
  bindMount(source, target);
  if (readOnly) makeReadOnly(target);
}

/** With what is mounted below it. */
function openTree(folder: string): number {
  const held = openSync(folder, O_PATH);
  try {
    return copyTree(held, folder);
  } finally {
    closeSync(held);
  }
}

/** Links stay links: on most machines /bin is one. */
function share(source: string, root: string): void {
  const kind = lstatSync(source, { throwIfNoEntry: false });
  if (kind?.isSymbolicLink()) symlinkSync(readlinkSync(source), root + source);
  else if (kind) bind(source, root + source, true);
}

export interface PrivateRoot {
  /** A folder, to mount on. */
  readonly at: string;
  /** Ours, as it was started. */
  readonly program: string;
  /** What the cluster writes to, under the same paths. */
  readonly writable: readonly string[];
  /** The cluster's user namespace. */
  readonly users: number;
}

function place(tree: number, target: string): void {
  mkdirSync(target, { recursive: true });
  mountTree(tree, target);
  closeSync(tree);
}

function build({ at, program, writable, users }: PrivateRoot): void {
  keepMountsPrivate();
  // Taken before the root is mounted on one of them.
  const trees = writable.map((folder) => ({ folder, tree: openTree(folder) }));
  const made = libc().mount("tmpfs", at, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=16m");
  checked(made, "mount a root for the cluster", "kernel-refused");
  for (const folder of PROGRAMS) share(folder, at);
  for (const folder of [...KERNEL, ...DEVICES.filter(existsSync)]) bind(folder, at + folder, false);
  for (const folder of ["tmp", "run", "var/tmp", "dev/shm"])
    mkdirSync(`${at}/${folder}`, { recursive: true });
  for (const folder of ownFolders(program)) {
    if (existsSync(at + folder)) continue;
    const tree = openTree(folder);
    // A package that was installed with a strict umask is root's alone: what the cluster runs has to be the cluster's to read.
    mapTreeUsers(tree, users);
    place(tree, at + folder);
    makeReadOnly(at + folder);
  }
  for (const { folder, tree } of trees) place(tree, at + folder);
  pivotRoot(at);
}

/**
 * Runs `start` in a new mount namespace with such a root. It must be synchronous: what it spawns is in there, and this
 * process is as before then.
 * @throws OpError `kernel-refused`, `kernel-unavailable`
 */
export function inPrivateRoot<T>(root: PrivateRoot, start: () => T): T {
  const home = openSync("/proc/thread-self/ns/mnt", "r");
  const slash = openSync("/", "r");
  const folder = openSync(".", "r");
  try {
    const unshared = libc().unshare(CLONE_FS | CLONE_NEWNS);
    checked(unshared, "create a mount namespace", "kernel-unavailable");
    try {
      build(root);
      return start();
    } finally {
      checked(libc().setns(home, CLONE_NEWNS), "come back from a mount namespace", "kernel-refused");
      checked(libc().fchdir(slash), "come back to the root", "kernel-refused");
      checked(libc().chroot("."), "come back to the root", "kernel-refused");
      checked(libc().fchdir(folder), "come back to the working directory", "kernel-refused");
    }
  } catch (error) {
    if (error instanceof OpError) throw error;
    throw new OpError(
      `cannot make a root for the cluster: ${error instanceof Error ? error.message : String(error)}`,
      { code: "kernel-refused", cause: error },
    );
  } finally {
    for (const fd of [home, slash, folder]) closeSync(fd);
  }
}
