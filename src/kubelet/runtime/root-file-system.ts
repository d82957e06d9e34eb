/**
 * @module A container's root: a tmpfs of its own, with the machine's /usr, /lib and /lib64 under it, read-only.
 *
 * Everything here runs on the main thread inside a new mount namespace (see `thread-namespaces.ts`), so plain
 * synchronous file calls and mounts act on the container alone. It takes under a millisecond or two.
 */
import {
  chmodSync,
  closeSync,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { OpError } from "../../base/errors.ts";
import {
  AT_FDCWD,
  AT_RECURSIVE,
  MNT_DETACH,
  MOUNT_ATTR_RDONLY,
  MS_BIND,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  MS_PRIVATE,
  MS_RDONLY,
  MS_REC,
  MS_REMOUNT,
  O_PATH,
  SYS_MOUNT_SETATTR,
} from "../../linux/constants.ts";
import { checked, libc } from "../../linux/libc.ts";
import { makeFolderBelow, openBelow } from "../../linux/open-below.ts";
import type { BaseDirectory } from "./base-directory.ts";
import { TOOLS_DIRECTORY } from "./base-directory.ts";
import type { Mount } from "./container.ts";
import { ContainerError } from "./container.ts";

export interface RootSpec {
  readonly base: BaseDirectory;
  readonly hostname: string;
  readonly mounts: readonly Mount[];
  readonly etc: { readonly hosts: string; readonly resolvConf: string };
  /** Files that the image has, by path: pages of a web server, for one. */
  readonly files: Readonly<Record<string, string>>;
  /** Names of the image's programs, by path, and what they are here. */
  readonly links: Readonly<Record<string, string>>;
  /** All but what is mounted. */
  readonly readOnly: boolean;
}

const FOLDERS = [
  ..."bin usr opt/tortie etc dev/pts dev/shm proc sys tmp root run home srv mnt media".split(" "),
  ..."var/log var/tmp var/lib var/cache var/spool var/www".split(" "),
];
const DEVICES = ["null", "zero", "full", "random", "urandom", "tty"];
/** What programs of the machine's /usr look for. */
const MACHINE_ETC = "ld.so.cache ssl alternatives localtime services protocols terminfo".split(" ");
const PASSWD = `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
bin:x:2:2:bin:/bin:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
`;
const GROUP = `root:x:0:
daemon:x:1:
bin:x:2:
tty:x:5:
www-data:x:33:
nogroup:x:65534:
`;
const NSSWITCH = "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n";

const readOnlyAttributes: Buffer = Buffer.alloc(32);
readOnlyAttributes.writeBigUInt64LE(BigInt(MOUNT_ATTR_RDONLY), 0);

function bind(source: string, target: string): void {
  checked(libc().mount(source, target, null, MS_BIND | MS_REC, null), `mount ${source}`, "kernel-refused", {
    target,
  });
}

/** Read-only with everything under it; on kernels before 5.12 the mount itself only. */
function makeReadOnly(target: string): void {
  if (libc().syscall(SYS_MOUNT_SETATTR, AT_FDCWD, target, AT_RECURSIVE, readOnlyAttributes, 32) === 0) return;
  const flags = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV;
  checked(libc().mount("none", target, null, flags, null), `make ${target} read-only`, "kernel-refused");
}

function touch(file: string): void {
  closeSync(openSync(file, "a"));
}

/** A folder of the machine in the container: a link where it is one there, else the folder itself, read-only. */
function share(root: string, folder: string): void {
  const target = path.join(root, folder);
  const kind = lstatSync(folder, { throwIfNoEntry: false });
  if (!kind) return;
  if (kind.isSymbolicLink()) {
    symlinkSync(readlinkSync(folder), target);
    return;
  }
  mkdirSync(target, { recursive: true });
  bind(folder, target);
  makeReadOnly(target);
}

function makeDevices(root: string): void {
  for (const device of DEVICES) {
    const source = `/dev/${device}`;
    if (!existsSync(source)) continue;
    const target = `${root}${source}`;
    touch(target);
    bind(source, target);
    // Written to all the same; but its mode, which is the machine's, stays.
    makeReadOnly(target);
  }
  const options = "newinstance,ptmxmode=0666,mode=0620";
  checked(
    libc().mount("devpts", `${root}/dev/pts`, "devpts", MS_NOSUID | MS_NOEXEC, options),
    "mount devpts",
    "kernel-refused",
  );
  symlinkSync("pts/ptmx", `${root}/dev/ptmx`);
  symlinkSync("/proc/self/fd", `${root}/dev/fd`);
  for (const [index, name] of ["stdin", "stdout", "stderr"].entries())
    symlinkSync(`/proc/self/fd/${index}`, `${root}/dev/${name}`);
}

function makeEtc(root: string, spec: RootSpec): void {
  const etc = `${root}/etc`;
  writeFileSync(`${etc}/passwd`, PASSWD);
  writeFileSync(`${etc}/group`, GROUP);
  writeFileSync(`${etc}/nsswitch.conf`, NSSWITCH);
  writeFileSync(`${etc}/hostname`, `${spec.hostname}\n`);
  symlinkSync("/proc/mounts", `${etc}/mtab`);
  for (const name of MACHINE_ETC) {
    const source = `/etc/${name}`;
    const found = statSync(source, { throwIfNoEntry: false });
    if (!found) continue;
    if (found.isDirectory()) mkdirSync(`${etc}/${name}`);
    else touch(`${etc}/${name}`);
    bind(source, `${etc}/${name}`);
    makeReadOnly(`${etc}/${name}`);
  }
  for (const [name, source] of [
    ["hosts", spec.etc.hosts],
    ["resolv.conf", spec.etc.resolvConf],
  ] as const) {
    touch(`${etc}/${name}`);
    bind(source, `${etc}/${name}`);
  }
}

/**
 * Makes one folder of the machine writable in the container: a folder of its tmpfs with links to what was there. No
 * overlay file system, as without privileges that cannot change folders whose owner has no name here.
 */
function makeWritable(root: string, folder: string): void {
  const name = folder.replaceAll("/", "-").slice(1);
  const [machine, own] = [`/.machine/${name}`, `/.own/${name}`];
  mkdirSync(`${root}${machine}`, { recursive: true });
  mkdirSync(`${root}${own}`, { recursive: true });
  bind(`${root}${folder}`, `${root}${machine}`);
  for (const entry of readdirSync(`${root}${folder}`))
    symlinkSync(`${machine}/${entry}`, `${root}${own}/${entry}`);
  bind(`${root}${own}`, `${root}${folder}`);
}

/** Makes the nearest folder that exists writable, where a path must be made under one that is the machine's. */
function prepareFor(root: string, place: string): void {
  if (existsSync(`${root}${place}`)) return;
  let folder = path.posix.dirname(place);
  while (!existsSync(`${root}${folder}`)) folder = path.posix.dirname(folder);
  if (statSync(`${root}${folder}`).dev !== statSync(root).dev) makeWritable(root, folder);
}

/** Links in a container lead to its own files, and here "/" is the machine's still: their targets are read by hand. */
function insideRoot(root: string, target: string): string {
  let real = "";
  for (const part of path.posix.normalize(`/${target}`).split("/").filter(Boolean)) {
    const next = `${real}/${part}`;
    const kind = lstatSync(`${root}${next}`, { throwIfNoEntry: false });
    if (kind?.isSymbolicLink())
      real = insideRoot(root, path.posix.resolve(real || "/", readlinkSync(`${root}${next}`)));
    else real = next;
  }
  return real || "/";
}

/** The mount's source, held open: what another container puts in its place meanwhile is not what is mounted. */
function openSource({ source, subPath }: Mount): number {
  if (subPath === undefined) return openSync(source, O_PATH);
  try {
    return openBelow(source, subPath, O_PATH);
  } catch (error) {
    if (!(error instanceof OpError) || error.facts["errno"] !== "ENOENT") throw error;
    makeFolderBelow(source, subPath);
    return openBelow(source, subPath, O_PATH);
  }
}

function addMount(root: string, mount: Mount, place: string): void {
  const target = `${root}${place}`;
  let held: number | undefined;
  let problem = "";
  try {
    held = openSource(mount);
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error);
  }
  if (held === undefined)
    throw new ContainerError("CreateContainerError", `failed to generate container spec: ${problem}`);
  try {
    if (fstatSync(held).isDirectory()) mkdirSync(target, { recursive: true });
    else {
      mkdirSync(path.dirname(target), { recursive: true });
      touch(target);
    }
    bind(`/proc/self/fd/${held}`, target);
  } finally {
    closeSync(held);
  }
  if (mount.readOnly) makeReadOnly(target);
}

/** Builds the root and makes it "/". Old mounts are gone then, but for /proc: the kernel demands to see one. */
export function buildRoot(spec: RootSpec): void {
  const { root } = spec.base;
  checked(
    libc().mount("none", "/", null, MS_REC | MS_PRIVATE, null),
    "keep mounts private",
    "kernel-refused",
  );
  checked(
    libc().mount("tmpfs", root, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=512m"),
    "mount a container's root",
    "kernel-refused",
  );
  for (const folder of FOLDERS) mkdirSync(`${root}/${folder}`, { recursive: true });
  for (const folder of ["tmp", "var/tmp", "dev/shm"]) chmodSync(`${root}/${folder}`, 0o1777);
  symlinkSync("/run", `${root}/var/run`);
  symlinkSync("bin", `${root}/sbin`);
  for (const [source, target] of [
    [spec.base.bin, "bin"],
    [spec.base.opt, "opt/tortie"],
  ] as const) {
    bind(source, `${root}/${target}`);
    makeReadOnly(`${root}/${target}`);
  }
  if (existsSync(`${spec.base.opt}/node`)) {
    bind(process.execPath, `${root}${TOOLS_DIRECTORY}/node`);
    makeReadOnly(`${root}${TOOLS_DIRECTORY}/node`);
  }
  for (const folder of ["/usr", "/lib", "/lib32", "/lib64", "/libx32"]) share(root, folder);
  makeDevices(root);
  bind("/proc", `${root}/proc`);
  const sysFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY;
  if (libc().mount("sysfs", `${root}/sys`, "sysfs", sysFlags, null) < 0) {
    bind("/sys", `${root}/sys`);
    makeReadOnly(`${root}/sys`);
  }
  makeEtc(root, spec);
  for (const [link, target] of Object.entries(spec.links)) symlinkSync(target, `${root}${link}`);
  addContents(root, spec);
  if (spec.readOnly) {
    const flags = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV;
    checked(libc().mount("none", root, null, flags, null), "make a root read-only", "kernel-refused");
  }
  pivot(root);
}

function addContents(root: string, spec: RootSpec): void {
  for (const [file, text] of Object.entries(spec.files)) {
    const place = insideRoot(root, file);
    prepareFor(root, place);
    const folder = path.posix.dirname(place);
    mkdirSync(`${root}${folder}`, { recursive: true });
    // The machine may have the same server installed.
    if (statSync(`${root}${folder}`).dev !== statSync(root).dev) makeWritable(root, folder);
    rmSync(`${root}${place}`, { force: true });
    writeFileSync(`${root}${place}`, text);
  }
  const depth = (mount: Mount): number => mount.target.split("/").length;
  for (const mount of spec.mounts.toSorted((a, b) => depth(a) - depth(b))) {
    const place = insideRoot(root, mount.target);
    prepareFor(root, place);
    addMount(root, mount, place);
  }
}

function pivot(root: string): void {
  const attempt = "make a container's root the root";
  checked(libc().chdir(root), attempt, "kernel-refused");
  checked(libc().pivot_root(".", "."), attempt, "kernel-refused");
  checked(libc().umount2(".", MNT_DETACH), attempt, "kernel-refused");
  checked(libc().chdir("/"), attempt, "kernel-refused");
}
