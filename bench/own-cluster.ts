/** @module A cluster for a bench alone: folders of its own, so that no cluster of the user's is touched, and nothing left behind. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { must } from "../src/base/errors.ts";
import { HttpClient } from "../src/client/http-client.ts";
import { askMachine, type MachineStatus } from "../src/cluster/control-socket.ts";
import { readCredentials } from "../src/cluster/credentials.ts";
import { type Layout, layoutOf } from "../src/cluster/layout.ts";

const TORTIE = path.resolve("dist/bin/tortie.js");
const UP_MS = 60_000;

export interface OwnCluster {
  readonly layout: Layout;
  readonly client: HttpClient;
  /** The administrator's. */
  readonly token: string;
  status(): Promise<MachineStatus>;
}

/** Runs `body` with a cluster that has just started. */
export async function withCluster(name: string, body: (cluster: OwnCluster) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), "tb."));
  Object.assign(process.env, {
    XDG_STATE_HOME: path.join(folder, "state"),
    TORTIE_RUN_DIR: folder,
    KUBECONFIG: path.join(folder, "kubeconfig"),
  });
  const tortie = (...args: string[]): void => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [TORTIE, ...args, "--name", name], {
      encoding: "utf8",
      timeout: UP_MS,
    });
    if (status !== 0) throw new Error(`tortie ${args.join(" ")}: ${stdout}${stderr}`);
  };
  try {
    tortie("up", "--detach");
    const layout = layoutOf(name);
    const credentials = must(readCredentials(layout), "the cluster's credentials");
    const token = must(credentials.tokens["admin"], "the administrator's token");
    const socketPath = layout.apiSocket;
    const client = new HttpClient({ server: "http://tortie", socketPath, token, userAgent: "bench" });
    const status = (): Promise<MachineStatus> => askMachine(layout, { do: "status" });
    await body({ layout, client, token, status });
    client.close();
  } finally {
    if (existsSync(path.join(folder, "state", "tortie", name))) tortie("reset");
    rmSync(folder, { recursive: true, force: true });
  }
}

export interface ProcessFigures {
  readonly name: string;
  readonly pid: number;
  readonly restarts: number;
  readonly files: number;
  readonly memoryBytes: number;
}

/** Of each process of a cluster. Memory is the least of some looks: garbage is collected when it is. */
export async function figuresOf(cluster: OwnCluster): Promise<readonly ProcessFigures[]> {
  const figures = new Map<string, ProcessFigures>();
  for (let look = 0; look < 5; look++) {
    if (look > 0) await sleep(1000);
    const { processes } = await cluster.status();
    const seen = processesOf(cluster.layout);
    for (const { name, restarts, memoryBytes } of processes) {
      const pid = seen.get(name) ?? 0;
      const least = Math.min(memoryBytes, figures.get(name)?.memoryBytes ?? memoryBytes);
      figures.set(name, { name, pid, restarts, files: openFiles(pid), memoryBytes: least });
    }
  }
  return [...figures.values()];
}

/** By name, with their numbers outside of the cluster's namespaces. */
function processesOf({ name: cluster }: Layout): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const words = commandOf(entry);
    const at = words.indexOf("--name");
    // `unshare` has the machine's words too.
    if (at < 1 || words[at + 1] !== cluster || !words[0]?.endsWith("node")) continue;
    const verb = words[at - 1] ?? "";
    found.set(verb === "agent" ? `agent-${words.at(-1)}` : verb, Number(entry));
  }
  return found;
}

function commandOf(pid: string): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").filter(Boolean);
  } catch {
    return [];
  }
}

function openFiles(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0;
  }
}

export function mebibytes(bytes: number): number {
  return Math.round(bytes / 1024 ** 2);
}

/** @throws Error for what is no positive number */
export function countFrom(variable: string, otherwise: number): number {
  const text = process.env[variable];
  if (text === undefined) return otherwise;
  if (!/^[1-9]\d*$/.test(text)) throw new Error(`${variable}=${text} is no positive number`);
  return Number(text);
}
