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
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_RECURSIVE,
  CLONE_FS,
  CLONE_NEWNS,
  MNT_DETACH,
  MOUNT_ATTR_IDMAP,
  MOUNT_ATTR_RDONLY,
  MOVE_MOUNT_F_EMPTY_PATH,
  MS_BIND,
  MS_NODEV,
  MS_NOSUID,
  MS_PRIVATE,
  MS_REC,
  O_CLOEXEC,
  OPEN_TREE_CLONE,
  SYS_MOUNT_SETATTR,
  SYS_MOVE_MOUNT,
  SYS_OPEN_TREE,
} from "../linux/constants.ts";
import { checked, libc } from "../linux/libc.ts";

/** With what is mounted below them. */
const PROGRAMS = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc"];
const KERNEL = ["/proc", "/sys"];
/** No disk, and nothing else that is the machine's. */
const DEVICES = ["null", "zero", "full", "random", "urandom", "tty"].map((name) => `/dev/${name}`);

const readOnlyAttributes: Buffer = Buffer.alloc(32);
readOnlyAttributes.writeBigUInt64LE(BigInt(MOUNT_ATTR_RDONLY), 0);

/** Our own program, and the packages that it is looked for in. */
function ownFolders(program: string): string[] {
  const folders = new Set<string>([path.dirname(path.dirname(realpathSync(process.execPath)))]);
  let folder = path.dirname(realpathSync(program));
  for (;;) {
    if (existsSync(path.join(folder, "package.json"))) folders.add(folder);
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
  const bound = libc().mount(source, target, null, MS_BIND | MS_REC, null);
  checked(bound, `mount ${source} for the cluster`, "kernel-refused");
  if (readOnly) makeReadOnly(target);
}

/** With what is mounted below it. */
function openTree(folder: string): number {
  const tree = libc().openTree(SYS_OPEN_TREE, AT_FDCWD, folder, OPEN_TREE_CLONE | AT_RECURSIVE | O_CLOEXEC);
  return checked(tree, `mount ${folder} for the cluster (Linux 5.2)`, "kernel-refused");
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

/**
 * Shows files of root's as the cluster's first user's, who may read them then whatever their mode: a package that was installed
 * with a strict umask is nobody else's. Where a file system cannot do that, files stay whose they are.
 */
function mapUsers(tree: number, users: number): void {
  const attributes = Buffer.alloc(32);
  attributes.writeBigUInt64LE(BigInt(MOUNT_ATTR_IDMAP), 0);
  attributes.writeBigUInt64LE(BigInt(users), 24);
  libc().syscall(SYS_MOUNT_SETATTR, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, attributes, 32);
}

function makeReadOnly(target: string): void {
  const made = libc().syscall(SYS_MOUNT_SETATTR, AT_FDCWD, target, AT_RECURSIVE, readOnlyAttributes, 32);
  checked(made, `make ${target} read-only for the cluster (Linux 5.12)`, "kernel-unavailable");
}

function place(tree: number, target: string): void {
  mkdirSync(target, { recursive: true });
  const moved = libc().moveMount(SYS_MOVE_MOUNT, tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH);
  checked(moved, `mount ${target} for the cluster`, "kernel-refused");
  closeSync(tree);
}

function build({ at, program, writable, users }: PrivateRoot): void {
  const kept = libc().mount("none", "/", null, MS_REC | MS_PRIVATE, null);
  checked(kept, "keep mounts private", "kernel-refused");
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
    mapUsers(tree, users);
    place(tree, at + folder);
    makeReadOnly(at + folder);
  }
  for (const { folder, tree } of trees) place(tree, at + folder);
  checked(libc().chdir(at), "enter the cluster's root", "kernel-refused");
  checked(libc().pivot_root(".", "."), "enter the cluster's root", "kernel-refused");
  checked(libc().umount2(".", MNT_DETACH), "leave the machine's root", "kernel-refused");
  checked(libc().chdir("/"), "enter the cluster's root", "kernel-refused");
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
