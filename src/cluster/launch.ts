/** @module `tortie up` from outside: keys, the API's socket, and the machine in namespaces of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import path from "node:path";
import type { Readable } from "node:stream";
import { OpError } from "../base/errors.ts";
import { linesOf } from "../client/lines.ts";
import { askMachine, type MachineStatus } from "./control-socket.ts";
import { type Credentials, ensureCredentials } from "./credentials.ts";
import { addContext, contextOf, kubeconfigOf, removeContext, userKubeconfigPath } from "./kubeconfig.ts";
import { type Layout, makeFolders } from "./layout.ts";
import type { MachineNews } from "./run-machine.ts";
import {
  DEFAULTS,
  nodeName,
  readSettings,
  type Settings,
  wellKnownAddresses,
  writeSettings,
} from "./settings.ts";
import { checkStore } from "./store-choice.ts";

export interface UpOptions {
  readonly layout: Layout;
  /** What was asked for; the rest is as it was last time, or by default. */
  readonly asked: Partial<Settings>;
  readonly kubeconfig: boolean;
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
 * Starts a cluster; resolves when its nodes are Ready.
 * @throws OpError `cluster-exists` when it runs already, `api-refused` when its port is in use
 */
export async function launch({ layout, asked, kubeconfig }: UpOptions): Promise<Running> {
  makeFolders(layout);
  await refuseSecond(layout);
  const known = readSettings(layout);
  checkUnchanged(known, asked, layout.name);
  if (asked.store !== undefined) checkStore(asked.store);
  const { server, port } = await openApi(asked.port ?? known?.port);
  const settings: Settings = { ...DEFAULTS, ...known, ...asked, port };
  const { api } = wellKnownAddresses(settings);
  const nodes = Array.from({ length: settings.nodes }, (_, index) => nodeName(index));
  const credentials = await ensureCredentials(layout, { nodes, addresses: ["127.0.0.1", api, "172.18.0.2"] });
  writeSettings(layout, settings);
  if (kubeconfig) addContext(userKubeconfigPath(), kubeconfigOf(layout.name, port, credentials));
  const child = startMachine(layout, server);
  server.close();
  try {
    await ready(child, layout);
  } catch (error) {
    // With it goes everything that it started.
    child.kill("SIGKILL");
    throw error;
  }
  return { settings, credentials, child };
}

async function refuseSecond(layout: Layout): Promise<void> {
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
    makeFolders(layout);
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

function startMachine(layout: Layout, server: Server): ChildProcess {
  mkdirSync(layout.logs, { recursive: true });
  const log = openSync(path.join(layout.logs, "machine.log"), "a");
  const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
  const user = process.geteuid?.() === 0 ? [] : ["--user", "--map-root-user"];
  const child = spawn(
    "unshare",
    [
      ...user,
      ...["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"],
      process.execPath,
      ...process.execArgv,
      process.argv[1] ?? "",
      ...["machine", "--name", layout.name],
    ],
    {
      stdio: ["ignore", log, log, fd, "pipe"],
      detached: true,
      // Inside we are root; our folders are still our user's.
      env: { ...process.env, TORTIE_USER: String(process.getuid?.() ?? 0) },
    },
  );
  return child;
}

function ready(child: ChildProcess, layout: Layout): Promise<void> {
  const news = child.stdio[4] as Readable;
  return new Promise((resolve, reject) => {
    const fail = (words: string): void => {
      const tail = lastLines(path.join(layout.logs, "machine.log"));
      reject(new OpError(`the cluster did not start: ${words}${tail}`, { code: "kernel-unavailable" }));
    };
    child.once("error", (error) =>
      fail(`unshare: ${error.message}; install it with: apt-get install util-linux`),
    );
    child.once("exit", (code, signal) => fail(`the machine ended (${signal ?? `exit ${code}`})`));
    linesOf(news).on("line", (line) => {
      const told = JSON.parse(line) as MachineNews;
      child.removeAllListeners("exit");
      news.destroy();
      if ("failed" in told) fail(told.failed);
      else resolve();
    });
  });
}

function lastLines(file: string): string {
  if (!existsSync(file)) return "";
  const lines = readFileSync(file, "utf8").trimEnd().split("\n").slice(-5);
  return `\n${lines.map((line) => `  ${line}`).join("\n")}\n  (the whole log is ${file})`;
}

const DOWN_MS = 15_000;

/** Ends a cluster; its objects stay. Resolves when it is gone. @throws OpError `cluster-missing` */
export async function bringDown(layout: Layout): Promise<void> {
  await askMachine(layout, { do: "down" });
  const deadline = Date.now() + DOWN_MS;
  while (Date.now() < deadline) {
    try {
      await askMachine(layout, { do: "status" });
    } catch {
      break;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  rmSync(layout.run, { recursive: true, force: true });
  removeContext(userKubeconfigPath(), contextOf(layout.name));
}

/** Deletes everything of a cluster that is down. */
export function deleteState(layout: Layout): void {
  rmSync(layout.state, { recursive: true, force: true });
  rmSync(layout.run, { recursive: true, force: true });
  removeContext(userKubeconfigPath(), contextOf(layout.name));
}
