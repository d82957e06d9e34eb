/** @module `tortie up` from outside: keys, the API's socket, and the machine in namespaces of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { copyFileSync, existsSync } from "node:fs";
import { createServer, type Server } from "node:net";
import path from "node:path";
import type { Readable } from "node:stream";
import { OpError } from "../base/errors.ts";
import { linesOf } from "../client/lines.ts";
import { removeFolderSync } from "../linux/remove-folder.ts";
import { checkSettings } from "./check-settings.ts";
import { askMachine, type MachineStatus } from "./control-socket.ts";
import { type Credentials, ensureCredentials } from "./credentials.ts";
import { fullDisks, fullDiskText, unwritten, writeWhole } from "./disk-space.ts";
import { addContext, checkKubeconfig, kubeconfigOf, userKubeconfigPath } from "./kubeconfig.ts";
import { type Layout, makeFolder, makeFolders, stateRoot } from "./layout.ts";
import { tryLock } from "./lock.ts";
import { lastLines } from "./log-file.ts";
import type { MachineNews } from "./run-machine.ts";
import {
  DEFAULTS,
  nodeName,
  readSettings,
  type Settings,
  wellKnownAddresses,
  writeSettings,
} from "./settings.ts";
import { openLog, ourselves, startMachine } from "./start-machine.ts";
import { needsRelay } from "./store-choice.ts";
import { deleteState, killMachine, machinePid, releaseCgroups } from "./take-down.ts";
import { canMap, giveTo, userRangeOf } from "./user-namespace.ts";

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

/**
 * Starts a cluster; resolves when its nodes are Ready. Where it does not start, nothing is left that was not there.
 * @throws OpError `cluster-exists` when it runs already or is being started, `input-invalid` for settings that cannot be,
 * `api-refused` when its port is in use, `output-failed` on a full disk, `interrupted`
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
      if (child.pid !== undefined) writeWhole(layout.machinePid, String(child.pid));
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
    await releaseCgroups(layout);
    undo(layout, known);
    throw error;
  }
}

/** What cannot be undone for want of room does not take the place of why it was to be. */
function undo(layout: Layout, known: Settings | undefined): void {
  try {
    if (known) writeSettings(layout, known);
    else deleteState(layout, { keepLogs: true });
  } catch (error) {
    if (!(error instanceof OpError)) throw error;
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
    removeFolderSync(layout.run);
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
    if ((cause as NodeJS.ErrnoException).code === "ENOSPC") throw unwritten(layout.images, cause);
    const words = existsSync(file) ? (cause as Error).message : `${file}: no such file`;
    throw new OpError(words, { code: "file-unreadable", cause, facts: { file } });
  }
}

/** Outside of the cluster's namespaces. */
function startRelay(layout: Layout, { store }: Settings, machine: ChildProcess): void {
  const log = openLog(layout, "etcd-relay");
  const words = ["etcd-relay", "--name", layout.name, "--store", store, "--machine", String(machine.pid)];
  const [program = "", ...rest] = [...ourselves(), ...words];
  spawn(program, rest, { stdio: ["ignore", log, log], detached: true }).unref();
}

function ready(child: ChildProcess, layout: Layout, signal: AbortSignal | undefined): Promise<void> {
  const news = child.stdio[4] as Readable;
  return new Promise((resolve, reject) => {
    const fail = (words: string): void => {
      // A log on a full disk may say nothing of it.
      const full = fullDisks(layout).map((disk) => `; ${fullDiskText(disk)}`);
      const tail = lastLines(path.join(layout.logs, "machine.log"));
      reject(
        new OpError(`the cluster did not start: ${words}${full.join("")}${tail}`, {
          code: full.length > 0 ? "output-failed" : "kernel-unavailable",
        }),
      );
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
