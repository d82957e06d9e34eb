/** @module Whether containers can run in a suite; where they need namespaces of its own first, the suite runs once more in them. */
import { spawnSync } from "node:child_process";
import path from "node:path";
import { expect, test } from "vitest";
import { OpError } from "../../src/base/errors.ts";
import { ThreadNamespaces } from "../../src/kubelet/runtime/thread-namespaces.ts";
import { kernelAvailable } from "./kernel.ts";

const INSIDE = "TORTIE_CONTAINERS_TEST";
const MINE = "unshare --mount --pid --fork --kill-child --mount-proc".split(" ");

function canEnter(): boolean {
  try {
    new ThreadNamespaces().close();
    return true;
  } catch (error) {
    if (error instanceof OpError && error.code === "kernel-unavailable") return false;
    throw error;
  }
}

/**
 * Without privileges a suite has no mount and PID namespace of its own: then it passes in those that it is given here.
 * @param file - the suite's own
 * @returns whether its tests are to run now
 */
export function containersRun(file: string): boolean {
  if (!kernelAvailable()) return false;
  if (canEnter()) return true;
  if (process.env[INSIDE] !== undefined) return false;
  test("the suite passes in a mount and PID namespace of its own", () => {
    const [command = "", ...rest] = MINE;
    const vitest = path.join(import.meta.dirname, "../../node_modules/vitest/vitest.mjs");
    // This loader writes nothing into node_modules, which may be another user's.
    const how = ["run", "--configLoader", "runner", "--project", "kernel", file];
    const env = { ...process.env, [INSIDE]: "1" };
    const { status, stdout, stderr } = spawnSync(command, [...rest, process.execPath, vitest, ...how], {
      encoding: "utf8",
      env,
    });
    expect(status, stdout + stderr).toBe(0);
    // One that skips itself inside has passed nothing.
    expect(stdout).toMatch(/\d+ passed/);
  });
  return false;
}

/** What the build puts beside the command, for runtimes of tests. */
export const BUILT: { readonly launcherPath: string; readonly standInsPath: string } = {
  launcherPath: path.join(import.meta.dirname, "../../dist/bin/launcher.js"),
  standInsPath: path.join(import.meta.dirname, "../../dist/bin/stand-ins.mjs"),
};
