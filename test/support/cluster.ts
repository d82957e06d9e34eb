/** @module A cluster of `tortie up` for tests: folders, a name and a kubeconfig of its own, and nothing left behind. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { kernelProblem } from "../../src/cli/enter-kernel.ts";
import { builtCommand } from "./cli.ts";
import { type KubectlVersion, kubectlPath } from "./kubectl.ts";

export interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly timeoutMs?: number;
}

/** Whether clusters can run here; where they must, it is an error that they cannot. */
export function clustersRun(): boolean {
  const problem = kernelProblem();
  if (problem === undefined) return true;
  if (process.env["TORTIE_REQUIRE_KERNEL"] === "1")
    throw new Error(`namespaces are required, but: ${problem}`);
  process.stderr.write(`cluster tests are skipped: ${problem}\n`);
  return false;
}

/** @returns what `probe` found. @throws Error when it has found nothing in time */
export async function until<T>(
  what: string,
  probe: () => Promise<T | false | undefined> | T | false | undefined,
  timeoutMs = 20_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const found = await probe();
    if (found !== false && found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await sleep(50);
  }
}

/** Another build than ours, such as an installed package, can be put to the test. */
const COMMAND = process.env["TORTIE_COMMAND"] ?? builtCommand();

const NOBODY = 65_534;

export class TestCluster {
  readonly name: string;
  /** Short: sockets are in it, whose paths may have 107 bytes. */
  readonly folder: string;
  readonly kubeconfig: string;
  readonly env: NodeJS.ProcessEnv;
  readonly #user: readonly string[];

  /**
   * @param options.beside - takes folders and kubeconfig of this one
   * @param options.unprivileged - everything runs as nobody; only root can ask for that
   * @param options.within - words that every command comes behind, such as nsenter's
   */
  constructor(
    options: {
      readonly beside?: TestCluster;
      readonly unprivileged?: boolean;
      readonly within?: readonly string[];
      /** Where its folders are, which is the caller's to delete. */
      readonly folder?: string;
    } = {},
  ) {
    this.name = `t${randomBytes(4).toString("hex")}`;
    this.folder = options.beside?.folder ?? options.folder ?? mkdtempSync("/tmp/tt.");
    for (const name of ["state", "run", "home", "tmp"]) {
      const folder = path.join(this.folder, name);
      mkdirSync(folder, { recursive: true });
      if (options.unprivileged) for (const one of [this.folder, folder]) chownSync(one, NOBODY, NOBODY);
    }
    this.#user = options.unprivileged
      ? ["setpriv", "--reuid", String(NOBODY), "--regid", String(NOBODY), "--clear-groups", "--"]
      : (options.within ?? []);
    this.kubeconfig = path.join(this.folder, "home", "config");
    this.env = {
      ...process.env,
      HOME: path.join(this.folder, "home"),
      TMPDIR: path.join(this.folder, "tmp"),
      XDG_STATE_HOME: path.join(this.folder, "state"),
      TORTIE_RUN_DIR: path.join(this.folder, "run"),
      KUBECONFIG: this.kubeconfig,
      KUBECTL: kubectlPath("v36"),
    };
  }

  get runFolder(): string {
    return path.join(this.folder, "run", "tortie", this.name);
  }

  get stateFolder(): string {
    return path.join(this.folder, "state", "tortie", this.name);
  }

  /** A command that goes on. */
  start(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
    const [program = "", ...rest] = [...this.#user, command, ...args];
    return spawn(program, rest, {
      cwd: this.folder,
      env: { ...this.env, ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
  }

  run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Result> {
    return finished(this.start(command, args, options.env), options);
  }

  /** `tortie VERB --name N …`: the name is put where the verb takes it. */
  tortie(verb: string, ...args: string[]): Promise<Result> {
    return this.run(process.execPath, [COMMAND, verb, "--name", this.name, ...args]);
  }

  /** `tortie …` with nothing added. */
  plain(...args: string[]): Promise<Result> {
    return this.run(process.execPath, [COMMAND, ...args]);
  }

  startUp(...args: string[]): ChildProcess {
    return this.start(process.execPath, [COMMAND, "up", "--name", this.name, ...args]);
  }

  /** @throws Error with all that it said when it does not start */
  async up(...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await this.tortie("up", "--detach", ...args);
    if (status === 0) return stdout;
    throw new Error(`tortie up: exit ${status}\n${stdout}${stderr}`);
  }

  kubectl(...args: string[]): Promise<Result> {
    return this.kubectlWith({}, ...args);
  }

  kubectlWith(
    options: RunOptions & { readonly version?: KubectlVersion },
    ...args: string[]
  ): Promise<Result> {
    const context = `--context=tortie-${this.name}`;
    return this.run(kubectlPath(options.version ?? "v36"), [context, ...args], options);
  }

  /** What kubectl prints. @throws Error when it fails */
  async ask(...args: string[]): Promise<string> {
    return printed(args, await this.kubectl(...args));
  }

  async apply(manifest: string): Promise<string> {
    return printed(["apply"], await this.kubectlWith({ input: manifest }, "apply", "-f", "-"));
  }

  /** A shell's command in a pod; `pod` is `NAME`, with its namespace in front where it is another: `NS/NAME`. */
  shell(pod: string, command: string): Promise<Result> {
    const [namespace, name] = pod.includes("/") ? pod.split("/") : ["default", pod];
    return this.kubectl("exec", "-n", namespace ?? "", name ?? "", "--", "sh", "-c", command);
  }

  /** Host's pids of the processes of the cluster, by name: `machine`, `control-plane`, `agent-node1` … */
  pids(): ReadonlyMap<string, number> {
    const found = new Map<string, number>();
    for (const pid of allPids()) {
      const words = commandLine(pid);
      const at = words.indexOf("--name");
      if (at < 1 || words[at + 1] !== this.name || !words[at - 2]?.endsWith("tortie.js")) continue;
      const node = words.indexOf("--node");
      // Those that start the machine name the same command.
      if (["sh", "nsenter", "unshare"].some((name) => words[0]?.endsWith(name))) continue;
      found.set(`${words[at - 1]}${node > 0 ? `-${words[node + 1]}` : ""}`, pid);
    }
    return found;
  }

  /** @throws Error when there is no such process */
  pid(name: string): number {
    const pid = this.pids().get(name);
    if (pid === undefined) throw new Error(`there is no process ${name}: ${[...this.pids().keys()].join()}`);
    return pid;
  }

  /** Everything that runs of it now: its own processes and the containers'. */
  everything(): readonly HostProcess[] {
    const all = allPids().flatMap((pid) => processOf(pid) ?? []);
    const inside = new Set([this.pid("machine")]);
    // A child may have a smaller number than its parent: numbers are given out again.
    for (let size = 0; size !== inside.size; ) {
      size = inside.size;
      for (const { pid, parent } of all) if (inside.has(parent)) inside.add(pid);
    }
    return all.filter(({ pid }) => inside.has(pid));
  }

  /** Ends it, whatever state it is in, and deletes its folders unless another cluster has them. */
  async close(isLast = true): Promise<void> {
    const machine = this.pids().get("machine");
    await this.tortie("reset").catch(() => undefined);
    if (machine !== undefined && existsSync(`/proc/${machine}`) && commandLine(machine).includes(this.name))
      process.kill(machine, "SIGKILL");
    if (isLast) rmSync(this.folder, { recursive: true, force: true });
  }
}

export interface HostProcess {
  readonly pid: number;
  readonly parent: number;
  /** In ticks since the machine started: with the pid, it is one process and no other. */
  readonly started: string;
}

function processOf(pid: number): HostProcess | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // Behind the name, which may have spaces.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { pid, parent: Number(fields[1]), started: fields[19] ?? "" };
  } catch {
    return undefined;
  }
}

/** Those that have not ended. */
export function stillThere(processes: readonly HostProcess[]): number[] {
  return processes.filter(({ pid, started }) => processOf(pid)?.started === started).map(({ pid }) => pid);
}

function allPids(): number[] {
  return readdirSync("/proc")
    .filter((entry) => /^[0-9]+$/.test(entry))
    .map(Number);
}

export function commandLine(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return [];
  }
}

/** Until a command ends; one that takes too long is killed, and its status is null. */
export function finished(
  child: ChildProcess,
  { input = "", timeoutMs = 60_000 }: RunOptions = {},
): Promise<Result> {
  const parts = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name]?.on("data", (chunk: Buffer) => {
      parts[name] += chunk.toString();
    });
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(input);
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status) => {
      clearTimeout(timer);
      resolve({ status, ...parts });
    });
  });
}

function printed(args: readonly string[], { status, stdout, stderr }: Result): string {
  if (status === 0) return stdout;
  throw new Error(`kubectl ${args.join(" ")}: exit ${status}\n${stdout}${stderr}`);
}
