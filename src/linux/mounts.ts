/**
 * @module Mounts of the calling thread's mount namespace, as calls of the kernel. @see mount(2), open_tree(2),
 * move_mount(2), mount_setattr(2), pivot_root(2)
 */
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_RECURSIVE,
  MNT_DETACH,
  MOUNT_ATTR_IDMAP,
  MOUNT_ATTR_RDONLY,
  MOVE_MOUNT_F_EMPTY_PATH,
  MS_BIND,
  MS_NODEV,
  MS_NOSUID,
  MS_PRIVATE,
  MS_RDONLY,
  MS_REC,
  MS_REMOUNT,
  O_CLOEXEC,
  OPEN_TREE_CLONE,
  SYS_MOUNT_SETATTR,
  SYS_MOVE_MOUNT,
  SYS_OPEN_TREE,
} from "./constants.ts";
import { checked, libc } from "./libc.ts";

/** `struct mount_attr`: what is set, what is cleared, propagation, a user namespace. */
function mountAttributes(set: number, users = 0): Buffer {
  const bytes = Buffer.alloc(32);
  bytes.writeBigUInt64LE(BigInt(set), 0);
  bytes.writeBigUInt64LE(BigInt(users), 24);
  return bytes;
}

/** Nothing that is mounted from now on is seen in another namespace. @throws OpError `kernel-refused` */
export function keepMountsPrivate(): void {
  const kept = libc().mount("none", "/", null, MS_REC | MS_PRIVATE, null);
  checked(kept, "keep mounts private", "kernel-refused");
}

/** With what is mounted below it; the target has to be there. @throws OpError `kernel-refused` */
export function bindMount(source: string, target: string): void {
  const bound = libc().mount(source, target, null, MS_BIND | MS_REC, null);
  checked(bound, `mount ${source}`, "kernel-refused", { target });
}

/** Read-only with everything under it; on kernels before 5.12 the mount itself only. @throws OpError `kernel-refused` */
export function makeReadOnly(target: string): void {
  const attributes = mountAttributes(MOUNT_ATTR_RDONLY);
  const size = attributes.length;
  if (libc().syscall(SYS_MOUNT_SETATTR, AT_FDCWD, target, AT_RECURSIVE, attributes, size) === 0) return;
  const flags = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV;
  checked(libc().mount("none", target, null, flags, null), `make ${target} read-only`, "kernel-refused");
}

/**
 * A copy of what is mounted at a place and below it, which is mounted nowhere yet (Linux 5.2).
 * @param held - the place, opened
 * @returns a descriptor, the caller's to close
 * @throws OpError `kernel-refused`
 */
export function copyTree(held: number, name: string): number {
  const flags = OPEN_TREE_CLONE | AT_EMPTY_PATH | AT_RECURSIVE | O_CLOEXEC;
  const tree = libc().openTree(SYS_OPEN_TREE, held, "", flags);
  return checked(tree, `mount ${name}`, "kernel-refused");
}

/** Mounts what {@link copyTree} has copied; the target has to be there. @throws OpError `kernel-refused` */
export function mountTree(tree: number, target: string): void {
  const moved = libc().moveMount(SYS_MOVE_MOUNT, tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH);
  checked(moved, `mount on ${target}`, "kernel-refused");
}

/**
 * Shows files of root's in a copied tree as the first user's of a user namespace (Linux 5.12).
 * @param users - the namespace, opened
 * @returns false where a file system cannot do that: files stay whose they are
 */
export function mapTreeUsers(tree: number, users: number): boolean {
  const attributes = mountAttributes(MOUNT_ATTR_IDMAP, users);
  const flags = AT_EMPTY_PATH | AT_RECURSIVE;
  return libc().syscall(SYS_MOUNT_SETATTR, tree, "", flags, attributes, attributes.length) === 0;
}

/** Makes a mount the root of the namespace, and takes the former one away with all that is below it. @throws OpError `kernel-refused` */
export function pivotRoot(root: string): void {
  const attempt = `make ${root} the root`;
  checked(libc().chdir(root), attempt, "kernel-refused");
  checked(libc().pivot_root(".", "."), attempt, "kernel-refused");
  checked(libc().umount2(".", MNT_DETACH), attempt, "kernel-refused");
  checked(libc().chdir("/"), attempt, "kernel-refused");
}
