/**
 * @module A container's root: a tmpfs of its own, with the machine's /usr, /lib and /lib64 under it, read-only.
 *
 * Everything here runs inside a new mount namespace (see `thread-namespaces.ts`), so plain synchronous file calls and
 * mounts act on the container alone. It takes a millisecond or two, in two parts: {@link buildRoot} has nothing in it that
 * a pod controls, so that the programs which finish the container can be executed there; {@link addMounts} brings
 * the pod's volumes, and after it nothing is executed but with the container's own rights.
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
  MS_BIND,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  MS_RDONLY,
  MS_REMOUNT,
  O_PATH,
} from "../../linux/constants.ts";
import { checked, libc } from "../../linux/libc.ts";
import {
  bindMount,
  copyTree,
  keepMountsPrivate,
  makeReadOnly,
  mountTree,
  pivotRoot,
} from "../../linux/mounts.ts";
import { makeFolderBelow, openBelow } from "../../linux/open-below.ts";
import type { BaseDirectory } from "./base-directory.ts";
import { TOOLS_DIRECTORY } from "./base-directory.ts";
import type { Mount } from "./container.ts";
import { ContainerError } from "./container.ts";

export interface RootSpec {
  readonly base: BaseDirectory;
  readonly hostname: string;
  readonly etc: { readonly hosts: string; readonly resolvConf: string };
  /** Files that the image has, by path: pages of a web server, for one. */
  readonly files: Readonly<Record<string, string>>;
  /** Names of the image's programs, by path, and what they are here. */
  readonly links: Readonly<Record<string, string>>;
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
  bindMount(folder, target);
  makeReadOnly(target);
}

function makeDevices(root: string): void {
  for (const device of DEVICES) {
    const source = `/dev/${device}`;
    if (!existsSync(source)) continue;
    const target = `${root}${source}`;
    touch(target);
    bindMount(source, target);
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
    bindMount(source, `${etc}/${name}`);
    makeReadOnly(`${etc}/${name}`);
  }
  for (const [name, source] of [
    ["hosts", spec.etc.hosts],
    ["resolv.conf", spec.etc.resolvConf],
  ] as const) {
    touch(`${etc}/${name}`);
    bindMount(source, `${etc}/${name}`);
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
  bindMount(`${root}${folder}`, `${root}${machine}`);
  for (const entry of readdirSync(`${root}${folder}`))
    symlinkSync(`${machine}/${entry}`, `${root}${own}/${entry}`);
  bindMount(`${root}${own}`, `${root}${folder}`);
}

/** Makes the nearest folder that exists writable, where a path must be made under one that is the machine's. */
function prepareFor(root: string, place: string): void {
  if (existsSync(`${root}${place}`)) return;
  let folder = path.posix.dirname(place);
  while (!existsSync(`${root}${folder}`)) folder = path.posix.dirname(folder);
  if (statSync(`${root}${folder}`).dev !== statSync(`${root}/`).dev) makeWritable(root, folder);
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

/**
 * Opens the sources of mounts, which are seen in the machine's own mount namespace only: as trees of their own, which can be
 * put anywhere later. The caller closes them.
 * @throws ContainerError
 */
export function openTrees(mounts: readonly Mount[]): number[] {
  const trees: number[] = [];
  let problem: string;
  try {
    for (const mount of mounts) trees.push(openTree(mount));
    return trees;
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error);
  }
  for (const tree of trees) closeSync(tree);
  throw new ContainerError("CreateContainerError", `failed to generate container spec: ${problem}`);
}

function openTree(mount: Mount): number {
  const held = openSource(mount);
  try {
    return copyTree(held, mount.source);
  } finally {
    closeSync(held);
  }
}

/** Called where "/" is the container's root: links on the way to the target lead to its own files. */
function addMount({ target, readOnly }: Mount, tree: number): void {
  prepareFor("", target);
  if (fstatSync(tree).isDirectory()) mkdirSync(target, { recursive: true });
  else {
    mkdirSync(path.posix.dirname(target), { recursive: true });
    // Only made: what is there may be a pipe, which would be opened once somebody reads it.
    if (!existsSync(target)) closeSync(openSync(target, "wx"));
  }
  mountTree(tree, target);
  if (readOnly) makeReadOnly(target);
}

/** Builds the root and makes it "/". Old mounts are gone then, but for /proc: the kernel demands to see one. */
export function buildRoot(spec: RootSpec): void {
  const { root } = spec.base;
  keepMountsPrivate();
  checked(
    libc().mount("tmpfs", root, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=512m,nr_inodes=200k"),
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
    bindMount(source, `${root}/${target}`);
    makeReadOnly(`${root}/${target}`);
  }
  if (existsSync(`${spec.base.opt}/node`)) {
    bindMount(process.execPath, `${root}${TOOLS_DIRECTORY}/node`);
    makeReadOnly(`${root}${TOOLS_DIRECTORY}/node`);
  }
  for (const folder of ["/usr", "/lib", "/lib32", "/lib64", "/libx32"]) share(root, folder);
  makeDevices(root);
  bindMount("/proc", `${root}/proc`);
  const sysFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY;
  if (libc().mount("sysfs", `${root}/sys`, "sysfs", sysFlags, null) < 0) {
    bindMount("/sys", `${root}/sys`);
    makeReadOnly(`${root}/sys`);
  }
  makeEtc(root, spec);
  for (const [link, target] of Object.entries(spec.links)) symlinkSync(target, `${root}${link}`);
  for (const [file, text] of Object.entries(spec.files)) addFile(root, file, text);
  pivotRoot(root);
}

function addFile(root: string, file: string, text: string): void {
  prepareFor(root, file);
  const folder = path.posix.dirname(file);
  mkdirSync(`${root}${folder}`, { recursive: true });
  // The machine may have the same server installed.
  if (statSync(`${root}${folder}`).dev !== statSync(root).dev) makeWritable(root, folder);
  rmSync(`${root}${file}`, { force: true });
  writeFileSync(`${root}${file}`, text);
}

/**
 * Brings the pod's volumes. Called where "/" is the container's root.
 * @param trees - a mount's source each, as {@link openTrees} has opened it
 */
export function addMounts(mounts: readonly Mount[], trees: readonly number[]): void {
  const depth = ({ target }: Mount): number => target.split("/").length;
  const pairs = mounts.map((mount, index) => ({ mount, tree: trees[index] ?? -1 }));
  for (const { mount, tree } of pairs.toSorted((a, b) => depth(a.mount) - depth(b.mount)))
    addMount(mount, tree);
}

/** All but what is mounted. Called where "/" is the container's root. */
export function makeRootReadOnly(): void {
  const flags = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV;
  checked(libc().mount("none", "/", null, flags, null), "make a root read-only", "kernel-refused");
}

/** As container engines have it: what is the whole machine's cannot be written, or not even be read. */
const READ_ONLY_PATHS = ["bus", "fs", "irq", "sys", "sysrq-trigger"].map((name) => `/proc/${name}`);
const MASKED_PATHS = [
  ..."acpi asound interrupts kcore keys latency_stats sched_debug scsi timer_list timer_stats"
    .split(" ")
    .map((name) => `/proc/${name}`),
  "/sys/firmware",
  "/sys/devices/virtual/powercap",
];

/** Called where "/" is the container's root, and /proc its own. */
export function maskProc(): void {
  for (const place of READ_ONLY_PATHS) {
    if (!existsSync(place)) continue;
    bindMount(place, place);
    makeReadOnly(place);
  }
  for (const place of MASKED_PATHS) {
    const kind = statSync(place, { throwIfNoEntry: false });
    if (!kind) continue;
    if (!kind.isDirectory()) bindMount("/dev/null", place);
    else {
      const flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
      checked(libc().mount("tmpfs", place, "tmpfs", flags, "size=0"), `mask ${place}`, "kernel-refused");
    }
  }
}
