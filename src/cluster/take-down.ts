/** @module The end of a cluster, whatever state it is in, and of what it has left. */
import { readdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { OpError } from "../base/errors.ts";
import { type CgroupRoot, removeCgroups } from "../linux/cgroups.ts";
import { removeFolderSync } from "../linux/remove-folder.ts";
import { askMachine } from "./control-socket.ts";
import { contextOf, removeContext, userKubeconfigPath } from "./kubeconfig.ts";
import type { Layout } from "./layout.ts";

const DOWN_MS = 15_000;
const LOOK_MS = 20;
const CGROUPS_MS = 2_000;

/**
 * Ends a cluster; its objects stay. Resolves when it is gone. One that does not answer is killed: with its first process
 * the kernel ends all that is in its namespaces.
 * @throws OpError `cluster-missing`
 */
export async function bringDown(layout: Layout): Promise<void> {
  const pid = machinePid(layout);
  try {
    await askMachine(layout, { do: "down" });
    await gone(layout, DOWN_MS);
  } catch (error) {
    if (pid === undefined) throw error;
  }
  if (pid !== undefined && machinePid(layout) === pid) await killMachine(pid);
  removeFolderSync(layout.run);
  rmSync(layout.machinePid, { force: true });
  await releaseCgroups(layout);
  removeContext(userKubeconfigPath(), contextOf(layout.name));
}

/** The groups of a cluster that does not run; what will not go is left after a while. */
export async function releaseCgroups(layout: Layout): Promise<void> {
  let root: CgroupRoot;
  try {
    root = JSON.parse(readFileSync(layout.cgroups, "utf8")) as CgroupRoot;
  } catch {
    // It had none.
    return;
  }
  const deadline = Date.now() + CGROUPS_MS;
  while (!removeCgroups(root) && Date.now() < deadline) await sleep(LOOK_MS);
  rmSync(layout.cgroups, { force: true });
}

/** Resolves when nothing of it runs: its child is the first process of the namespaces. */
export async function killMachine(pid: number): Promise<void> {
  const all = [pid, ...descendantsOf(pid)];
  try {
    // A shell that would start it again, and what it has started: they are one process group.
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
  const deadline = Date.now() + DOWN_MS;
  while (all.some(hasCommand) && Date.now() < deadline) await sleep(LOOK_MS);
}

function descendantsOf(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
      .trim()
      .split(" ")
      .filter(Boolean)
      .map(Number);
  } catch {
    return [];
  }
}

/** One that has ended has none, even where nobody has asked for its status yet. */
function hasCommand(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8") !== "";
  } catch {
    return false;
  }
}

async function gone(layout: Layout, withinMs: number): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (machinePid(layout) !== undefined && Date.now() < deadline) await sleep(LOOK_MS);
}

/** The process that holds the cluster's namespaces, where there still is one; numbers are given out again. */
export function machinePid(layout: Layout): number | undefined {
  try {
    const pid = Number(readFileSync(layout.machinePid, "utf8"));
    const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    const at = words.indexOf("machine");
    return at > 0 && words[at + 2] === layout.name ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** Deletes everything of a cluster that is down. */
export function deleteState(
  layout: Layout,
  { keepLogs = false }: { readonly keepLogs?: boolean } = {},
): void {
  removeFolderSync(layout.run);
  if (keepLogs) {
    for (const name of readdirSync(layout.state))
      if (name !== path.basename(layout.logs))
        rmSync(path.join(layout.state, name), { recursive: true, force: true });
    return;
  }
  rmSync(layout.state, { recursive: true, force: true });
  removeContext(userKubeconfigPath(), contextOf(layout.name));
}

/** @throws OpError `cluster-missing` where there is no cluster of that name */
export function missing(name: string): OpError {
  return new OpError(`there is no cluster ${name}; start it with: tortie up --name ${name}`, {
    code: "cluster-missing",
    facts: { name },
  });
}
