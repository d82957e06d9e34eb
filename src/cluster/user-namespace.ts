/**
 * @module The user namespace of a cluster that root starts: a whole range of users that are nobody on the machine. What is
 * root in a pod owns nothing outside and has no capability there.
 */
import { spawn } from "node:child_process";
import { lchownSync, lstatSync, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { OpError } from "../base/errors.ts";
import { shortHash } from "../base/hash.ts";

/** As many as a pod can name without asking for odd ones. */
const RANGE = 65_536;
/**
 * Above the ranges that systemd, useradd and container engines give out.
 * @see https://systemd.io/UIDS-GIDS
 */
const FIRST = 0x7000_0000;
const RANGES = 4000;

export interface UserRange {
  /** Who root of the cluster is on the machine. */
  readonly first: number;
  readonly count: number;
}

/** Of each cluster its own, the same at every start: its files are that user's. */
export function userRangeOf(name: string): UserRange {
  return { first: FIRST + (Number.parseInt(shortHash(name).slice(-8), 36) % RANGES) * RANGE, count: RANGE };
}

/** Whether this process may give a namespace that range: it has to be root, of a machine with those users. */
export function canMap({ first, count }: UserRange): boolean {
  if (process.geteuid?.() !== 0) return false;
  return ["uid_map", "gid_map"].every((file) =>
    readFileSync(`/proc/self/${file}`, "utf8")
      .trim()
      .split("\n")
      .some((line) => {
        const [inside = 0, , length = 0] = line.trim().split(/\s+/).map(Number);
        return inside <= first && first + count <= inside + length;
      }),
  );
}

/**
 * A new user namespace.
 * @returns a descriptor for it, the caller's to close
 * @throws OpError `kernel-unavailable` where the machine allows none
 */
export async function createUserNamespace({ first, count }: UserRange): Promise<number> {
  // It only has to live until we have a descriptor.
  const holder = spawn("unshare", ["--user", "--", "sh", "-c", "echo; exec cat"], { stdio: "pipe" });
  try {
    let problem = "";
    holder.stderr.on("data", (chunk: Buffer) => {
      problem += chunk.toString();
    });
    await new Promise<void>((resolve, reject) => {
      const failed = (words: string): void =>
        reject(
          new OpError(
            `cannot make a user namespace: ${words.trim()}; allow them with: sysctl user.max_user_namespaces=10000`,
            { code: "kernel-unavailable" },
          ),
        );
      holder.stdout.once("data", () => resolve());
      holder.once("error", (error) => failed(error.message));
      holder.once("close", (code) => failed(problem || `unshare ended with ${code}`));
    });
    for (const file of ["uid_map", "gid_map"])
      writeFileSync(`/proc/${holder.pid}/${file}`, `0 ${first} ${count}\n`);
    return openSync(`/proc/${holder.pid}/ns/user`, "r");
  } finally {
    holder.stdin.destroy();
    holder.kill("SIGKILL");
  }
}

/** Gives a folder and all that is in it to a user; links themselves, not what they lead to. */
export function giveTo(folder: string, user: number): void {
  lchownSync(folder, user, user);
  if (!lstatSync(folder).isDirectory()) return;
  for (const entry of readdirSync(folder)) giveTo(path.join(folder, entry), user);
}
