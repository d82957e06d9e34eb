/** @module What can go wrong outside our own code, and what each face answers when it does. */

/** Each expected failure of the outside world. Issues in the user's documents are not failures: see `issue.ts`. */
export type FailureCode =
  | "input-invalid"
  | "file-unreadable"
  | "file-changed"
  | "file-too-large"
  | "output-failed"
  | "not-found"
  | "kernel-unavailable"
  | "kernel-refused"
  | "netlink-failed"
  | "nft-refused"
  | "nft-busy"
  | "netns-gone"
  | "address-space-full"
  | "judges-disagree"
  | "api-unreachable"
  | "api-refused"
  | "cluster-exists"
  | "cluster-missing"
  | "interrupted";

export interface FailurePolicy {
  /** Exit status of the command line. 0 and 1 are answers, not failures. */
  readonly exit: number;
  /** Whether the same call may succeed later without anyone changing anything. */
  readonly retryable: boolean;
}

export const FAILURES: Readonly<Record<FailureCode, FailurePolicy>> = {
  "input-invalid": { exit: 2, retryable: false },
  "file-unreadable": { exit: 2, retryable: false },
  "file-changed": { exit: 2, retryable: true },
  "file-too-large": { exit: 2, retryable: false },
  "not-found": { exit: 2, retryable: false },
  "output-failed": { exit: 3, retryable: true },
  "kernel-unavailable": { exit: 4, retryable: false },
  "kernel-refused": { exit: 5, retryable: false },
  "netlink-failed": { exit: 5, retryable: true },
  "nft-refused": { exit: 5, retryable: false },
  "nft-busy": { exit: 5, retryable: true },
  "netns-gone": { exit: 5, retryable: false },
  "address-space-full": { exit: 5, retryable: false },
  "judges-disagree": { exit: 6, retryable: false },
  "api-unreachable": { exit: 7, retryable: true },
  "api-refused": { exit: 7, retryable: false },
  "cluster-exists": { exit: 2, retryable: false },
  "cluster-missing": { exit: 2, retryable: false },
  interrupted: { exit: 130, retryable: true },
};

export type Facts = Readonly<Record<string, string | number | boolean | undefined>>;

/** An expected failure of the outside world. Thrown by impure rooms only; caught once per process. */
export class OpError extends Error {
  override readonly name = "OpError";
  readonly code: FailureCode;
  readonly facts: Facts;
  constructor(message: string, options: { code: FailureCode; facts?: Facts; cause?: unknown }) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = options.code;
    this.facts = options.facts ?? {};
  }
}

/** One of our own invariants broke. Never caught: the stack is the report. */
export class BugError extends Error {
  override readonly name = "BugError";
}

/** @throws BugError when `condition` is false */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new BugError(message);
}

/** The end of an exhaustive switch: does not compile until every case is handled. */
export function unreachable(value: never): never {
  throw new BugError(`unreachable case: ${JSON.stringify(value)}`);
}

/** The value, which an invariant says is there. @throws BugError when it is not */
export function must<T>(value: T | undefined | null, what: string): T {
  if (value === undefined || value === null) throw new BugError(`missing: ${what}`);
  return value;
}
