/** @module The process of the machine, started from outside as somebody else than whoever starts it. */
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from "node:fs";
import type { Server } from "node:net";
import path from "node:path";
import { type CgroupRoot, delegateCgroup } from "../linux/cgroups.ts";
import { unwritten, writeWhole } from "./disk-space.ts";
import { openHostSockets } from "./host-sockets.ts";
import { START_AGAIN } from "./last-resort.ts";
import { CGROUPS, cgroupName, type Layout, RUN_ROOT, STARTED_AGAIN } from "./layout.ts";
import { inPrivateRoot } from "./private-root.ts";
import { createUserNamespace, type UserRange } from "./user-namespace.ts";

/** The cluster's user namespace, in the process that enters it. */
const NAMESPACE_DESCRIPTOR = 6;

/**
 * Starts the machine again where it has ended itself for that ({@link START_AGAIN}), or has crashed (SIGABRT, SIGSEGV),
 * and gives up after a few times in a row. A shell, which costs a megabyte: another process of ours would cost forty.
 */
export const SUPERVISE: string = `count=0
while :; do
  began=$(date +%s)
  "$@"
  code=$?
  case $code in ${START_AGAIN} | 134 | 139) ;; *) exit $code ;; esac
  [ $(($(date +%s) - began)) -gt 10 ] && count=0
  count=$((count + 1))
  [ $count -gt 5 ] && exit $code
  export ${STARTED_AGAIN}=$count
done`;

/** The command that runs us again. */
export function ourselves(): string[] {
  return [process.execPath, ...process.execArgv, process.argv[1] ?? ""];
}

/** Half of what the machine can number, so that pods that start too many do not take the last one from it. */
function delegate(layout: Layout, users: UserRange | undefined): CgroupRoot | undefined {
  const most = Number(readFileSync("/proc/sys/kernel/pid_max", "utf8"));
  const root = delegateCgroup({
    name: cgroupName(layout),
    user: users?.first,
    processes: Math.min(Math.floor(most / 2), 100_000),
  });
  // Whoever ends the cluster may be in other groups than we are.
  if (root) writeWhole(layout.cgroups, JSON.stringify(root));
  else rmSync(layout.cgroups, { force: true });
  return root;
}

/**
 * The cluster is somebody else than whoever starts it: in a user namespace of its own, with a range of users where root
 * starts it, with one otherwise.
 * @param server - listens for the API
 * @param users - undefined: the one user that we are
 * @throws OpError `output-failed`, `kernel-refused`, `kernel-unavailable`
 */
export async function startMachine(
  layout: Layout,
  server: Server,
  users: UserRange | undefined,
): Promise<ChildProcess> {
  const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
  const inside = [
    ...["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"],
    // A small nursery: much is made for a request or a pod, and little is kept.
    ...[process.execPath, ...process.execArgv, "--max-semi-space-size=2", process.argv[1] ?? ""],
    ...["machine", "--name", layout.name],
  ];
  const log = openLog(layout, "machine");
  const sockets = openHostSockets();
  let namespace: number | undefined;
  try {
    namespace = users && (await createUserNamespace(users));
    const options: SpawnOptions = {
      stdio: ["pipe", log, log, fd, "pipe", sockets ?? "ignore", namespace ?? "ignore"],
      detached: true,
      env: {
        ...process.env,
        [RUN_ROOT]: path.dirname(layout.run),
        [CGROUPS]: JSON.stringify(delegate(layout, users) ?? null),
      },
    };
    const words =
      namespace === undefined
        ? ["unshare", "--user", "--map-root-user", ...inside]
        : ["nsenter", `--user=/proc/self/fd/${NAMESPACE_DESCRIPTOR}`, "unshare", ...inside];
    const start = (): ChildProcess => spawn("sh", ["-c", SUPERVISE, "sh", ...words], options);
    const at = layout.run;
    const writable = [layout.state, layout.run];
    const child =
      namespace === undefined
        ? start()
        : inPrivateRoot({ at, program: process.argv[1] ?? "", writable, users: namespace }, start);
    // One that ends at once is told of where we wait for it.
    child.stdin?.on("error", () => undefined);
    return child;
  } finally {
    for (const descriptor of [log, sockets, namespace]) if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** @throws OpError `output-failed` */
export function openLog({ logs }: Layout, name: string): number {
  const file = path.join(logs, `${name}.log`);
  try {
    mkdirSync(logs, { recursive: true });
    return openSync(file, "a");
  } catch (cause) {
    throw unwritten(file, cause);
  }
}
