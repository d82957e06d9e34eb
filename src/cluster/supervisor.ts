/** @module Processes of the cluster that are started again when they end, sooner the longer they ran. */
import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { openSync } from "node:fs";
import path from "node:path";

export interface ProcessPlan {
  /** For messages and the log's file name. */
  readonly name: string;
  /** Of this same program. */
  readonly args: readonly string[];
  /** For Node itself. */
  readonly flags?: readonly string[];
  /** File descriptors handed on, from 3. */
  readonly descriptors?: readonly number[];
  readonly env?: Readonly<Record<string, string>>;
  /** Called around the start: the place to enter a network namespace. */
  readonly inside?: <T>(start: () => T) => T;
}

const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 5000;
/** One that ran so long is started again at once. */
const STEADY_MS = 10_000;

export class Supervised {
  readonly plan: ProcessPlan;
  readonly #log: number;
  readonly #told: (line: string) => void;
  #child: ChildProcess | undefined;
  #pause = FIRST_PAUSE_MS;
  #stopped = false;
  #timer: NodeJS.Timeout | undefined;
  #restarts = 0;

  constructor(plan: ProcessPlan, logs: string, told: (line: string) => void) {
    this.plan = plan;
    this.#log = openSync(path.join(logs, `${plan.name}.log`), "a");
    this.#told = told;
    this.#start();
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get restarts(): number {
    return this.#restarts;
  }

  #start(): void {
    const { args, flags = [], descriptors = [], env = {}, inside } = this.plan;
    const stdio: StdioOptions = ["ignore", this.#log, this.#log, ...descriptors];
    const began = Date.now();
    const start = (): ChildProcess =>
      spawn(process.execPath, [...process.execArgv, ...flags, process.argv[1] ?? "", ...args], {
        stdio,
        env: { ...process.env, ...env },
      });
    const child = inside ? inside(start) : start();
    this.#child = child;
    const ended = (words: string): void => {
      this.#child = undefined;
      if (this.#stopped) return;
      this.#told(`${this.plan.name} ended (${words}); it is started again`);
      this.#pause = Date.now() - began > STEADY_MS ? FIRST_PAUSE_MS : Math.min(this.#pause * 2, MAX_PAUSE_MS);
      this.#restarts++;
      this.#timer = setTimeout(() => this.#start(), this.#pause);
    };
    child.on("exit", (code, signal) => ended(signal ?? `exit ${code}`));
    // What could not be started has no exit.
    child.on("error", (error) => {
      if (child.pid === undefined) ended(error.message);
    });
  }

  /** Ends the process, which is then started again. */
  restart(): void {
    this.#pause = FIRST_PAUSE_MS / 2;
    this.#child?.kill("SIGTERM");
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    const child = this.#child;
    if (!child) return;
    const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), 2000);
    await gone;
    clearTimeout(timer);
  }
}
