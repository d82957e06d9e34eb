import { readlinkSync } from "node:fs";
import { koffiProblem } from "../../src/linux/libc.ts";
import type { Netns } from "../../src/linux/netns.ts";
import { closeNetns, createNetns } from "../../src/linux/netns.ts";

/** Why kernel tests cannot run here; undefined when they can. */
function problem(): string | undefined {
  const koffi = koffiProblem();
  if (koffi !== undefined) return koffi;
  try {
    closeNetns(createNetns("probe"));
    return undefined;
  } catch (error) {
    return `${error instanceof Error ? error.message : String(error)} (run them inside: unshare --user --map-root-user --net)`;
  }
}

/**
 * Whether kernel tests run. Where TORTIE_REQUIRE_KERNEL=1 they must: being unable to is a failure, not a skip. Tests
 * build everything in namespaces of their own making, so the one they are started in is never changed.
 */
export function kernelAvailable(): boolean {
  const reason = problem();
  if (reason === undefined) return true;
  if (process.env["TORTIE_REQUIRE_KERNEL"] === "1")
    throw new Error(`kernel tests are required, but: ${reason}`);
  process.stderr.write(`kernel tests are skipped: ${reason}\n`);
  return false;
}

/** Runs `body` with a new namespace and closes it. */
export async function withNetns<T>(body: (ns: Netns) => T | Promise<T>): Promise<T> {
  const ns = createNetns("test");
  try {
    return await body(ns);
  } finally {
    closeNetns(ns);
  }
}

/** The namespace that the calling thread is in. */
export function currentNetns(): string {
  return readlinkSync("/proc/thread-self/ns/net");
}
