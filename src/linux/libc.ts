/**
 * @module The C library, bound at the first use. Every call goes through {@link checked} or looks at its own result:
 * a return of -1 leaves the reason in {@link errno}, which koffi keeps apart from the errno of Node's own calls as long
 * as nothing runs in between.
 */
import { createRequire } from "node:module";
import { constants as osConstants } from "node:os";
import type { Facts, FailureCode } from "../base/errors.ts";
import { OpError } from "../base/errors.ts";
import { SYS_CHROOT, SYS_SETNS, SYS_UNSHARE } from "./constants.ts";

type Koffi = typeof import("koffi").default;

/** The calls we use, with int for size_t and ssize_t: no buffer here reaches 2 GiB. */
export interface Libc {
  unshare(flags: number): number;
  setns(fd: number, type: number): number;
  close(fd: number): number;
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, address: Uint8Array, length: number): number;
  connect(fd: number, address: Uint8Array, length: number): number;
  listen(fd: number, backlog: number): number;
  accept4(fd: number, address: null, length: null, flags: number): number;
  send(fd: number, bytes: Uint8Array, length: number, flags: number): number;
  sendto(
    fd: number,
    bytes: Uint8Array,
    length: number,
    flags: number,
    to: Uint8Array,
    toLength: number,
  ): number;
  recv(fd: number, bytes: Uint8Array, length: number, flags: number): number;
  recvfrom(
    fd: number,
    bytes: Uint8Array,
    length: number,
    flags: number,
    from: Uint8Array,
    fromLength: Int32Array,
  ): number;
  recvmsg(fd: number, header: Uint8Array, flags: number): number;
  sendmsg(fd: number, header: Uint8Array, flags: number): number;
  socketpair(domain: number, type: number, protocol: number, ends: Int32Array): number;
  setsockopt(fd: number, level: number, option: number, value: Uint8Array, length: number): number;
  getsockopt(fd: number, level: number, option: number, value: Int32Array, length: Int32Array): number;
  getsockname(fd: number, address: Uint8Array, length: Int32Array): number;
  epoll_create1(flags: number): number;
  epoll_ctl(epoll: number, operation: number, fd: number, event: Uint8Array): number;
  epoll_wait(epoll: number, events: Uint8Array, count: number, timeoutMs: number): number;
  prlimit(pid: number, resource: number, limit: BigUint64Array | null, old: BigUint64Array | null): number;
  fcntl(fd: number, command: number, argument: number): number;
  execvp(file: string, argv: readonly (string | null)[]): number;
  ioctl(fd: number, request: number, argument: Uint8Array | null): number;
  /** For requests whose argument is a number. */
  ioctlNumber(fd: number, request: number, argument: number): number;
  pipe2(ends: Int32Array, flags: number): number;
  mount(source: string, target: string, type: string | null, flags: number, options: string | null): number;
  umount2(target: string, flags: number): number;
  pivot_root(root: string, old: string): number;
  chroot(path: string): number;
  chdir(path: string): number;
  fchdir(fd: number): number;
  sethostname(name: string, length: number): number;
  /** For mount_setattr, which only new C libraries know by name. */
  syscall(
    number: number,
    fd: number,
    path: string,
    flags: number,
    attributes: Uint8Array,
    size: number,
  ): number;
  /** No C library has a name for it: the first argument is the system call's number. */
  openat2(number: number, folder: number, path: string, how: Uint8Array, size: number): number;
  openTree(number: number, folder: number, path: string, flags: number): number;
  moveMount(
    number: number,
    from: number,
    fromPath: string,
    folder: number,
    path: string,
    flags: number,
  ): number;
  prctl(option: number, first: number, second: number, third: number, fourth: number): number;
  capget(header: Uint8Array, data: Uint8Array): number;
  capset(header: Uint8Array, data: Uint8Array): number;
  /** Of the calling thread alone, where the C library's own functions change all threads. */
  threadIds(number: number, real: number, effective: number, saved: number): number;
  threadGroups(number: number, count: number, groups: Uint32Array): number;
  /** setns, unshare and chroot with a sixth argument: see {@link passKey}. */
  callWithKey(
    number: number,
    first: number,
    second: number,
    third: number,
    fourth: number,
    fifth: number,
    key: bigint,
  ): number;
  chrootWithKey(
    number: number,
    path: string,
    second: number,
    third: number,
    fourth: number,
    fifth: number,
    key: bigint,
  ): number;
}

const SIGNATURES: Readonly<Record<keyof Libc, string>> = {
  unshare: "int unshare(int flags)",
  setns: "int setns(int fd, int type)",
  close: "int close(int fd)",
  socket: "int socket(int domain, int type, int protocol)",
  bind: "int bind(int fd, const uint8_t *address, int length)",
  connect: "int connect(int fd, const uint8_t *address, int length)",
  listen: "int listen(int fd, int backlog)",
  accept4: "int accept4(int fd, void *address, void *length, int flags)",
  send: "long send(int fd, const uint8_t *bytes, long length, int flags)",
  sendto:
    "long sendto(int fd, const uint8_t *bytes, long length, int flags, const uint8_t *to, int toLength)",
  recv: "long recv(int fd, uint8_t *bytes, long length, int flags)",
  recvfrom: "long recvfrom(int fd, uint8_t *bytes, long length, int flags, uint8_t *from, int *fromLength)",
  recvmsg: "long recvmsg(int fd, uint8_t *header, int flags)",
  sendmsg: "long sendmsg(int fd, const uint8_t *header, int flags)",
  socketpair: "int socketpair(int domain, int type, int protocol, int *ends)",
  setsockopt: "int setsockopt(int fd, int level, int option, const uint8_t *value, int length)",
  getsockopt: "int getsockopt(int fd, int level, int option, int *value, int *length)",
  getsockname: "int getsockname(int fd, uint8_t *address, int *length)",
  epoll_create1: "int epoll_create1(int flags)",
  epoll_ctl: "int epoll_ctl(int epoll, int operation, int fd, uint8_t *event)",
  epoll_wait: "int epoll_wait(int epoll, uint8_t *events, int count, int timeoutMs)",
  prlimit: "int prlimit(int pid, int resource, uint64_t *limit, uint64_t *old)",
  fcntl: "int fcntl(int fd, int command, long argument)",
  execvp: "int execvp(const char *file, const char **argv)",
  ioctl: "int ioctl(int fd, unsigned long request, uint8_t *argument)",
  ioctlNumber: "int ioctl(int fd, unsigned long request, long argument)",
  pipe2: "int pipe2(int *ends, int flags)",
  mount:
    "int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *options)",
  umount2: "int umount2(const char *target, int flags)",
  pivot_root: "int pivot_root(const char *root, const char *old)",
  chroot: "int chroot(const char *path)",
  chdir: "int chdir(const char *path)",
  fchdir: "int fchdir(int fd)",
  sethostname: "int sethostname(const char *name, long length)",
  syscall:
    "long syscall(long number, long fd, const char *path, long flags, const uint8_t *attributes, long size)",
  openat2: "long syscall(long number, long folder, const char *path, const uint8_t *how, long size)",
  openTree: "long syscall(long number, long folder, const char *path, long flags)",
  moveMount:
    "long syscall(long number, long from, const char *fromPath, long folder, const char *path, long flags)",
  prctl:
    "int prctl(int option, unsigned long first, unsigned long second, unsigned long third, unsigned long fourth)",
  capget: "int capget(uint8_t *header, uint8_t *data)",
  capset: "int capset(uint8_t *header, const uint8_t *data)",
  threadIds: "long syscall(long number, long real, long effective, long saved)",
  threadGroups: "long syscall(long number, long count, const uint32_t *groups)",
  callWithKey:
    "long syscall(long number, long first, long second, long third, long fourth, long fifth, uint64_t key)",
  chrootWithKey:
    "long syscall(long number, const char *path, long second, long third, long fourth, long fifth, uint64_t key)",
};

let loaded: { readonly koffi: Koffi; readonly libc: Libc } | undefined;

/**
 * koffi is loaded only when the kernel is needed: `tortie explain` and its like start without it, and run where its
 * prebuilt binary does not.
 */
function load(): { readonly koffi: Koffi; readonly libc: Libc } {
  if (loaded) return loaded;
  try {
    const koffi = createRequire(import.meta.url)("koffi") as Koffi;
    // The running program's own symbols: glibc and musl alike, whatever their file is called.
    const library = koffi.load(null);
    const libc: Record<string, unknown> = {};
    for (const [name, signature] of Object.entries(SIGNATURES)) libc[name] = library.func(signature);
    // fcntl, ioctl and syscall are variadic in C; on the platforms we run on, their integer arguments are passed the same way.
    loaded = { koffi, libc: libc as unknown as Libc };
    return loaded;
  } catch (cause) {
    throw new OpError("cannot load koffi, which calls the kernel for us (npm install koffi)", {
      code: "kernel-unavailable",
      cause,
    });
  }
}

export function libc(): Libc {
  return load().libc;
}

/**
 * From now on this thread's setns, unshare and chroot have a sixth argument, which the kernel ignores: a seccomp filter
 * lets them pass by it.
 */
export function passKey(key: bigint): void {
  const { libc: all } = load();
  all.setns = (fd, type) => all.callWithKey(SYS_SETNS, fd, type, 0, 0, 0, key);
  all.unshare = (flags) => all.callWithKey(SYS_UNSHARE, flags, 0, 0, 0, 0, key);
  all.chroot = (path) => all.chrootWithKey(SYS_CHROOT, path, 0, 0, 0, 0, key);
}

/** koffi itself, for what is not a call into libc (polling a file descriptor, addresses of buffers). */
export function koffiModule(): Koffi {
  return load().koffi;
}

/** @returns undefined when koffi loads, else why it doesn't */
export function koffiProblem(): string | undefined {
  try {
    load();
    return undefined;
  } catch (error) {
    if (!(error instanceof OpError)) throw error;
    return error.cause instanceof Error
      ? (error.cause.message.split("\n")[0] ?? error.message)
      : error.message;
  }
}

/** The errno of the last libc call. */
export function errno(): number {
  return load().koffi.errno();
}

const NAMES = new Map<number, string>(
  Object.entries(osConstants.errno).map(([name, number]) => [number, name]),
);

export function errnoName(number: number): string {
  return NAMES.get(number) ?? `errno ${number}`;
}

/**
 * The result of a libc call, which must not be negative.
 * @param attempt - what was being done, as in "open a socket"
 * @throws OpError `code`, `netlink-failed` where none is given
 */
export function checked(
  result: number,
  attempt: string,
  code: FailureCode = "netlink-failed",
  facts: Facts = {},
): number {
  if (result >= 0) return result;
  const number = errno();
  throw new OpError(`cannot ${attempt}: ${errnoName(number)}`, {
    code,
    facts: { ...facts, errno: errnoName(number) },
  });
}

/** Stops this thread, for the few places where the kernel finishes something a moment later than it says. */
export function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
