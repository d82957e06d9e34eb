/**
 * @module Capabilities of the calling thread. In Linux they belong to a thread, and a process inherits them from the
 * thread that forks it. @see capabilities(7), include/uapi/linux/capability.h
 */
import {
  PR_CAP_AMBIENT,
  PR_CAP_AMBIENT_CLEAR_ALL,
  PR_CAPBSET_DROP,
  PR_CAPBSET_READ,
  PR_SET_KEEPCAPS,
  PR_SET_NO_NEW_PRIVS,
  SYS_SETGROUPS,
  SYS_SETRESGID,
  SYS_SETRESUID,
} from "./constants.ts";
import { checked, libc } from "./libc.ts";

/** By their numbers. */
export const CAPABILITY_NAMES: readonly string[] =
  "chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore".split(
    " ",
  );

/** A set of capabilities, a bit each. */
export type CapabilitySet = bigint;

export const ALL_CAPABILITIES: CapabilitySet = (1n << BigInt(CAPABILITY_NAMES.length)) - 1n;

/** @returns undefined when a name is none */
export function capabilityNumber(name: string): number | undefined {
  const index = CAPABILITY_NAMES.indexOf(name.toLowerCase().replace(/^cap_/, ""));
  return index < 0 ? undefined : index;
}

/** Of a thread: what it can use now, what it may give itself, and what it hands on over exec. */
interface ThreadCapabilities {
  readonly effective: CapabilitySet;
  readonly permitted: CapabilitySet;
  readonly inheritable: CapabilitySet;
}

/** `_LINUX_CAPABILITY_VERSION_3`, and thread 0: the calling one. */
const header: Buffer = Buffer.from([0x22, 0x05, 0x08, 0x20, 0, 0, 0, 0]);

function readCapabilities(): ThreadCapabilities {
  const data = Buffer.alloc(24);
  checked(libc().capget(header, data), "read a thread's capabilities", "kernel-refused");
  const at = (offset: number): CapabilitySet =>
    BigInt(data.readUInt32LE(offset)) | (BigInt(data.readUInt32LE(offset + 12)) << 32n);
  return { effective: at(0), permitted: at(4), inheritable: at(8) };
}

function writeCapabilities({ effective, permitted, inheritable }: ThreadCapabilities): void {
  const data = Buffer.alloc(24);
  for (const [offset, set] of [
    [0, effective],
    [4, permitted],
    [8, inheritable],
  ] as const) {
    data.writeUInt32LE(Number(set & 0xffff_ffffn), offset);
    data.writeUInt32LE(Number(set >> 32n), offset + 12);
  }
  checked(libc().capset(header, data), "change a thread's capabilities", "kernel-refused");
}

/**
 * Takes all others out of the thread's bounding set, for good: nothing that it executes can ever have them. The thread
 * itself keeps what it has.
 */
export function boundCapabilities(kept: CapabilitySet): void {
  // A newer kernel may know more of them than we do.
  for (let number = 0; number < 64; number++) {
    if ((kept >> BigInt(number)) & 1n) continue;
    const state = libc().prctl(PR_CAPBSET_READ, number, 0, 0, 0);
    if (state < 0) break;
    if (state === 1)
      checked(libc().prctl(PR_CAPBSET_DROP, number, 0, 0, 0), "drop a capability", "kernel-refused");
  }
  writeCapabilities({ ...readCapabilities(), inheritable: 0n });
  libc().prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

/** For good, for the thread and all that it executes. */
export function setNoNewPrivileges(): void {
  checked(libc().prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "give up new privileges", "kernel-refused");
}

/** Whose files a thread may open, and as whom what it executes runs. */
export interface Identity {
  readonly user: number;
  readonly group: number;
  readonly groups: readonly number[];
}

function setIds({ user, group, groups }: Identity): void {
  const list = Uint32Array.from(groups.length === 0 ? [0] : groups);
  checked(libc().threadGroups(SYS_SETGROUPS, groups.length, list), "set groups", "kernel-refused");
  checked(libc().threadIds(SYS_SETRESGID, group, group, group), "set the group", "kernel-refused");
  checked(libc().threadIds(SYS_SETRESUID, user, user, user), "set the user", "kernel-refused");
}

const ROOT: Identity = { user: 0, group: 0, groups: [] };

/**
 * Runs `fn`, which must be synchronous, with another user's identity and no more than `usable` capabilities: what it
 * opens is opened, and what it executes is executed, with those rights. The thread is as before then.
 * @param identity - left out where the user namespace has one user only
 */
export function withRights<T>(
  { identity, usable }: { readonly identity: Identity | undefined; readonly usable: CapabilitySet },
  fn: () => T,
): T {
  const before = readCapabilities();
  if (identity) {
    checked(libc().prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), "keep capabilities", "kernel-refused");
    setIds(identity);
  }
  try {
    const effective = identity && identity.user !== 0 ? 0n : before.permitted & usable;
    writeCapabilities({ ...before, effective });
    return fn();
  } finally {
    writeCapabilities(before);
    if (identity) {
      setIds(ROOT);
      checked(libc().prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0), "keep no capabilities", "kernel-refused");
    }
  }
}
