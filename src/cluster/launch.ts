/** @module `tortie up` from outside: keys, the API's socket, and the machine in namespaces of its own. */
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import path from "node:path";
import type { Readable } from "node:stream";
import { OpError } from "../base/errors.ts";
import { linesOf } from "../client/lines.ts";
import { type CgroupRoot, delegateCgroup } from "../linux/cgroups.ts";
import { checkSettings } from "./check-settings.ts";
import { askMachine, type MachineStatus } from "./control-socket.ts";
import { type Credentials, ensureCredentials } from "./credentials.ts";
import { addContext, checkKubeconfig, kubeconfigOf, userKubeconfigPath } from "./kubeconfig.ts";
import { CGROUPS, cgroupName, type Layout, makeFolder, makeFolders, RUN_ROOT, stateRoot } from "./layout.ts";
import { tryLock } from "./lock.ts";
import { lastLines } from "./log-file.ts";
import { inPrivateRoot } from "./private-root.ts";
import type { MachineNews } from "./run-machine.ts";
import {
  DEFAULTS,
  nodeName,
  readSettings,
  type Settings,
  wellKnownAddresses,
  writeSettings,
} from "./settings.ts";
import { needsRelay } from "./store-choice.ts";
import { deleteState, killMachine, machinePid, releaseCgroups } from "./take-down.ts";
import { canMap, createUserNamespace, giveTo, type UserRange, userRangeOf } from "./user-namespace.ts";

export interface UpOptions {
  readonly layout: Layout;
  /** What was asked for; the rest is as it was last time, or by default. */
  readonly asked: Partial<Settings>;
  readonly kubeconfig: boolean;
  /** Ends the start, and what was started. */
  readonly signal?: AbortSignal;
}

export interface Running {
  readonly settings: Settings;
  readonly credentials: Credentials;
  /** Ends with the cluster. */
  readonly child: ChildProcess;
}

const FIRST_PORT = 6443;
const PORTS = 100;
/** The cluster's user namespace, in the process that enters it. */
const NAMESPACE_DESCRIPTOR = 5;

/**
 * Starts a cluster; resolves when its nodes are Ready. Where it does not start, nothing is left that was not there.
 * @throws OpError `cluster-exists` when it runs already or is being started, `input-invalid` for settings that cannot be,
 * `api-refused` when its port is in use, `interrupted`
 */
export async function launch(options: UpOptions): Promise<Running> {
  const { layout } = options;
  makeFolder(stateRoot());
  const lock = tryLock(layout.lock);
  if (typeof lock === "number") {
    throw new OpError(
      `cluster ${layout.name} is being started by process ${lock}; another one needs another --name`,
      { code: "cluster-exists", facts: { name: layout.name, pid: lock } },
    );
  }
  try {
    return await launchAlone(options);
  } finally {
    lock();
  }
}

async function launchAlone({ layout, asked, kubeconfig, signal }: UpOptions): Promise<Running> {
  await refuseSecond(layout);
  const known = readSettings(layout);
  checkUnchanged(known, asked, layout.name);
  const wanted = { ...DEFAULTS, ...known, ...asked };
  checkSettings({ port: 0, ...wanted });
  if (kubeconfig) checkKubeconfig(userKubeconfigPath());
  makeFolders(layout);
  let child: ChildProcess | undefined;
  try {
    const { server, port } = await openApi(wanted.port);
    try {
      const settings: Settings = { ...wanted, port };
      writeSettings(layout, settings);
      if (settings.images !== undefined) copyImages(settings.images, layout);
      const users = userRangeOf(layout.name);
      const isRanged = canMap(users);
      child = await startMachine(layout, server, isRanged ? users : undefined);
      const isReady = ready(child, layout, signal);
      // Listened to in a moment: keys take as long to make as the machine does to begin.
      isReady.catch(() => undefined);
      const credentials = await ensureCredentials(layout, {
        nodes: Array.from({ length: settings.nodes }, (_, index) => nodeName(index)),
        addresses: ["127.0.0.1", wellKnownAddresses(settings).api, "172.18.0.2"],
      });
      if (isRanged) for (const folder of [layout.state, layout.run]) giveTo(folder, users.first);
      child.stdin?.end("go\n");
      if (needsRelay(settings.store)) startRelay(layout, settings, child);
      await isReady;
      if (kubeconfig) addContext(userKubeconfigPath(), kubeconfigOf(layout.name, port, credentials));
      return { settings, credentials, child };
    } finally {
      server.close();
    }
  } catch (error) {
    // With it goes everything that it started.
    if (child?.pid !== undefined) await killMachine(child.pid);
    releaseCgroups(layout);
    if (known) writeSettings(layout, known);
    else deleteState(layout, { keepLogs: true });
    throw error;
  }
}

async function refuseSecond(layout: Layout): Promise<void> {
  const machine = machinePid(layout);
  if (machine !== undefined && !existsSync(layout.machineSocket)) {
    throw new OpError(
      `cluster ${layout.name} has a process (${machine}) that does not answer; end it with: tortie down --name ${layout.name}`,
      { code: "cluster-exists", facts: { name: layout.name, pid: machine } },
    );
  }
  if (!existsSync(layout.machineSocket)) return;
  try {
    const { pid } = await askMachine<MachineStatus>(layout, { do: "status" });
    throw new OpError(
      `cluster ${layout.name} is running already; see: tortie status --name ${layout.name}; another one needs another --name`,
      { code: "cluster-exists", facts: { name: layout.name, pid } },
    );
  } catch (error) {
    if (error instanceof OpError && error.code === "cluster-exists") throw error;
    // A socket that nobody answers at is left over.
    rmSync(layout.run, { recursive: true, force: true });
  }
}

/** Addresses are given out already: what they come from stays. */
function checkUnchanged(known: Settings | undefined, asked: Partial<Settings>, name: string): void {
  if (!known) return;
  for (const field of ["podNetworks", "serviceNetworks"] as const) {
    if (asked[field] && asked[field].join() !== known[field].join()) {
      throw new OpError(
        `cluster ${name} has ${field === "podNetworks" ? "pods" : "Services"} in ${known[field].join(", ")} and cannot move to ${asked[field].join(", ")}; begin anew with: tortie reset --name ${name}`,
        { code: "input-invalid", facts: { name } },
      );
    }
  }
}

/** @param wanted - undefined: the first that is free from 6443 on */
async function openApi(wanted: number | undefined): Promise<{ server: Server; port: number }> {
  const candidates =
    wanted === undefined ? Array.from({ length: PORTS }, (_, index) => FIRST_PORT + index) : [wanted];
  for (const port of candidates) {
    const server = await listen(port);
    if (server) return { server, port };
  }
  throw new OpError(
    wanted === undefined
      ? `no port from ${FIRST_PORT} to ${FIRST_PORT + PORTS - 1} of 127.0.0.1 is free; name one with --port`
      : `port ${wanted} of 127.0.0.1 is in use; name another one with --port`,
    { code: "api-refused", facts: { port: wanted } },
  );
}

function listen(port: number): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE" || error.code === "EACCES") resolve(undefined);
      else reject(error);
    });
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}

/** The cluster reads a copy: it may be somebody who cannot read the user's files. @throws OpError `file-unreadable` */
function copyImages(file: string, layout: Layout): void {
  try {
    copyFileSync(file, layout.images);
  } catch (cause) {
    const words = existsSync(file) ? (cause as Error).message : `${file}: no such file`;
    throw new OpError(words, { code: "file-unreadable", cause, facts: { file } });
  }
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
  if (root) writeFileSync(layout.cgroups, JSON.stringify(root));
  else rmSync(layout.cgroups, { force: true });
  return root;
}

/**
 * The cluster is somebody else than whoever starts it: in a user namespace of its own, with a range of users where root
 * starts it, with one otherwise.
 */
async function startMachine(
  layout: Layout,
  server: Server,
  users: UserRange | undefined,
): Promise<ChildProcess> {
  mkdirSync(layout.logs, { recursive: true });
  const log = openSync(path.join(layout.logs, "machine.log"), "a");
  const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
  const inside = [
    ...["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"],
    ...ourselves(),
    ...["machine", "--name", layout.name],
  ];
  const namespace = users && (await createUserNamespace(users));
  const options: SpawnOptions = {
    stdio: ["pipe", log, log, fd, "pipe", ...(namespace === undefined ? [] : [namespace])],
    detached: true,
    // Inside we are root; our folders are still our user's.
    env: {
      ...process.env,
      [RUN_ROOT]: path.dirname(layout.run),
      [CGROUPS]: JSON.stringify(delegate(layout, users) ?? null),
    },
  };
  const start = (): ChildProcess =>
    namespace === undefined
      ? spawn("unshare", ["--user", "--map-root-user", ...inside], options)
      : spawn("nsenter", [`--user=/proc/self/fd/${NAMESPACE_DESCRIPTOR}`, "unshare", ...inside], options);
  try {
    const at = layout.run;
    const writable = [layout.state, layout.run];
    const child =
      namespace === undefined
        ? start()
        : inPrivateRoot({ at, program: process.argv[1] ?? "", writable }, start);
    // One that ends at once is told of where we wait for it.
    child.stdin?.on("error", () => undefined);
    if (child.pid !== undefined) writeFileSync(layout.machinePid, String(child.pid), { mode: 0o600 });
    return child;
  } finally {
    if (namespace !== undefined) closeSync(namespace);
    closeSync(log);
  }
}

/** Outside of the cluster's namespaces. */
function startRelay(layout: Layout, { store }: Settings, machine: ChildProcess): void {
  const log = openSync(path.join(layout.logs, "etcd-relay.log"), "a");
  const words = ["etcd-relay", "--name", layout.name, "--store", store, "--machine", String(machine.pid)];
  const [program = "", ...rest] = [...ourselves(), ...words];
  spawn(program, rest, { stdio: ["ignore", log, log], detached: true }).unref();
}

function ourselves(): string[] {
  return [process.execPath, ...process.execArgv, process.argv[1] ?? ""];
}

function ready(child: ChildProcess, layout: Layout, signal: AbortSignal | undefined): Promise<void> {
  const news = child.stdio[4] as Readable;
  return new Promise((resolve, reject) => {
    const fail = (words: string): void => {
      const tail = lastLines(path.join(layout.logs, "machine.log"));
      reject(new OpError(`the cluster did not start: ${words}${tail}`, { code: "kernel-unavailable" }));
    };
    const stop = (): void =>
      reject(new OpError("interrupted; the cluster did not start", { code: "interrupted" }));
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop);
    child.once("error", (error) =>
      fail(`unshare: ${error.message}; install it with: apt-get install util-linux`),
    );
    child.once("exit", (code, by) => fail(`the machine ended (${by ?? `exit ${code}`})`));
    linesOf(news).on("line", (line) => {
      const told = JSON.parse(line) as MachineNews;
      child.removeAllListeners("exit");
      signal?.removeEventListener("abort", stop);
      news.destroy();
      if ("failed" in told) fail(told.failed);
      else resolve();
    });
  });
}
