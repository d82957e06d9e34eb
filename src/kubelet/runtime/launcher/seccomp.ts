/**
 * @module A seccomp filter for the calling thread and all that it executes, made by libseccomp.
 *
 * A filter cannot be taken off, and the thread that starts containers still has to enter their namespaces and to come
 * home. So the filter lets setns, unshare and chroot pass where their sixth argument, which the kernel ignores, is a
 * number that only this thread knows.
 * @see seccomp(2), seccomp_rule_add(3)
 */
import { randomBytes } from "node:crypto";
import { OpError } from "../../../base/errors.ts";
import { CAPABILITY_NAMES, type CapabilitySet } from "../../../linux/capabilities.ts";
import { koffiModule } from "../../../linux/libc.ts";
import {
  ALLOWED,
  ALLOWED_FAMILIES,
  NAMESPACE_FLAGS,
  PERSONALITIES,
  REFUSED,
  WITH_CAPABILITY,
} from "./seccomp-profile.ts";

const EPERM = 1;
const ENOSYS = 38;
// include/uapi/linux/seccomp.h
const RET_ALLOW = 0x7fff_0000;
const RET_ERRNO = 0x0005_0000;
// include/seccomp.h: enum scmp_filter_attr, enum scmp_compare
const ATTRIBUTE_NO_NEW_PRIVILEGES = 3;
const COMPARE_NOT_EQUAL = 1;
const COMPARE_EQUAL = 4;
const COMPARE_MASKED_EQUAL = 7;
const COMPARISONS = { below: 2, equal: COMPARE_EQUAL, above: 6 };
const KEY_ARGUMENT = 5;

/** One argument of a call, compared. */
interface Comparison {
  readonly argument: number;
  readonly operator: number;
  readonly value: bigint;
  readonly second?: bigint;
}

interface Library {
  init(action: number): unknown;
  resolve(name: string): number;
  add(context: unknown, action: number, call: number, count: number, comparisons: Uint8Array): number;
  setAttribute(context: unknown, attribute: number, value: number): number;
  load(context: unknown): number;
  release(context: unknown): void;
}

let library: Library | undefined;

/** @throws OpError `kernel-unavailable` where libseccomp is not installed */
function seccompLibrary(): Library {
  if (library) return library;
  try {
    const loaded = koffiModule().load("libseccomp.so.2");
    library = {
      init: loaded.func("void *seccomp_init(uint32_t action)"),
      resolve: loaded.func("int seccomp_syscall_resolve_name(const char *name)"),
      add: loaded.func(
        "int seccomp_rule_add_array(void *context, uint32_t action, int call, unsigned int count, const uint8_t *comparisons)",
      ),
      setAttribute: loaded.func("int seccomp_attr_set(void *context, int attribute, uint32_t value)"),
      load: loaded.func("int seccomp_load(void *context)"),
      release: loaded.func("void seccomp_release(void *context)"),
    };
    return library;
  } catch (cause) {
    throw new OpError(
      "the seccomp profile RuntimeDefault needs libseccomp.so.2; install it with: apt-get install libseccomp2",
      { code: "kernel-unavailable", cause },
    );
  }
}

/** `struct scmp_arg_cmp`: argument and operator of four bytes, two values of eight. */
function encode(comparisons: readonly Comparison[]): Buffer {
  const bytes = Buffer.alloc(24 * Math.max(1, comparisons.length));
  for (const [index, { argument, operator, value, second = 0n }] of comparisons.entries()) {
    bytes.writeUInt32LE(argument, index * 24);
    bytes.writeUInt32LE(operator, index * 24 + 4);
    bytes.writeBigUInt64LE(value, index * 24 + 8);
    bytes.writeBigUInt64LE(second, index * 24 + 16);
  }
  return bytes;
}

class Filter {
  readonly #library = seccompLibrary();
  readonly #context: unknown;

  constructor() {
    this.#context = this.#library.init(RET_ERRNO | ENOSYS);
    if (!this.#context) throw new OpError("cannot make a seccomp filter", { code: "kernel-refused" });
  }

  /** Calls that this architecture does not have are passed over. @throws OpError */
  add(action: number, name: string, comparisons: readonly Comparison[] = []): void {
    const call = this.#library.resolve(name);
    if (call < 0) return;
    const result = this.#library.add(this.#context, action, call, comparisons.length, encode(comparisons));
    if (result < 0)
      throw new OpError(`cannot add ${name} to a seccomp filter: ${result}`, { code: "kernel-refused" });
  }

  /** For good. @throws OpError */
  load(): void {
    this.#library.setAttribute(this.#context, ATTRIBUTE_NO_NEW_PRIVILEGES, 0);
    const result = this.#library.load(this.#context);
    this.#library.release(this.#context);
    if (result < 0) throw new OpError(`cannot load a seccomp filter: ${result}`, { code: "kernel-refused" });
  }
}

/** How the thread enters a container's namespaces and comes back. */
const WAY_HOME: readonly string[] = ["setns", "unshare", "chroot"];

/** What needs a capability: allowed to those who have it. */
function addGated(filter: Filter, kept: CapabilitySet, key: bigint): void {
  const allowed = new Set<string>();
  const refused = new Set<string>(REFUSED);
  for (const [capability, calls] of Object.entries(WITH_CAPABILITY)) {
    const has = ((kept >> BigInt(CAPABILITY_NAMES.indexOf(capability))) & 1n) === 1n;
    for (const call of calls.split(" ")) (has ? allowed : refused).add(call);
  }
  for (const call of allowed) filter.add(RET_ALLOW, call);
  for (const call of refused) {
    if (allowed.has(call)) continue;
    if (WAY_HOME.includes(call)) {
      filter.add(RET_ALLOW, call, [{ argument: KEY_ARGUMENT, operator: COMPARE_EQUAL, value: key }]);
      filter.add(RET_ERRNO | EPERM, call, [
        { argument: KEY_ARGUMENT, operator: COMPARE_NOT_EQUAL, value: key },
      ]);
    } else if (call === "clone") {
      // Programs' threads are clones too. What is not allowed is answered with ENOSYS, as is clone3, whose flags are in
      // memory, where no filter can look: the C library goes back to clone then.
      const value = BigInt(NAMESPACE_FLAGS);
      filter.add(RET_ALLOW, call, [{ argument: 0, operator: COMPARE_MASKED_EQUAL, value, second: 0n }]);
    } else if (call !== "clone3") filter.add(RET_ERRNO | EPERM, call);
  }
}

/**
 * Loads the filter.
 * @param kept - the capabilities that what the thread executes can have
 * @returns the number that makes setns, unshare and chroot pass
 * @throws OpError
 */
export function loadSeccompFilter(kept: CapabilitySet): bigint {
  // Not below 2^63: nothing that a program passes by chance.
  const key = randomBytes(8).readBigUInt64LE() | (1n << 63n);
  const filter = new Filter();
  for (const name of ALLOWED) filter.add(RET_ALLOW, name);
  addGated(filter, kept, key);
  for (const value of PERSONALITIES)
    filter.add(RET_ALLOW, "personality", [{ argument: 0, operator: COMPARE_EQUAL, value: BigInt(value) }]);
  for (const [operator, value] of ALLOWED_FAMILIES)
    filter.add(RET_ALLOW, "socket", [{ argument: 0, operator: COMPARISONS[operator], value: BigInt(value) }]);
  filter.load();
  return key;
}
