/**
 * @module The threads that start containers, as the main thread sees them: one that builds, and one for each set of limits
 * that containers have. A thread costs about 10 MB and 25 ms once; most clusters need two or three.
 */
import { Worker } from "node:worker_threads";
import { FAILURES, type FailureCode, OpError } from "../../../base/errors.ts";
import { ContainerError, type ContainerReason } from "../container.ts";
import type {
  Answer,
  Confinement,
  LauncherKind,
  ProcessEnd,
  RemoteError,
  Request,
  Started,
} from "./protocol.ts";

/** Each combination of capabilities that pods ask for has a thread as long as containers of it run. */
const MOST_CONFINED = 16;
const MEMORY = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 4, stackSizeMb: 2 };

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** A process that a thread has started. */
export interface StartedProcess extends Started {
  kill(signal: NodeJS.Signals): void;
  /** Rejects when the program could not be executed. */
  readonly end: Promise<ProcessEnd>;
}

class LauncherThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #ends = new Map<number, Waiting>();
  /** Of processes that have not ended. */
  readonly #pids = new Map<number, number>();
  #last = 0;
  /** When it was last asked for something, as a number that grows. */
  used = 0;
  dead = false;

  constructor(program: string, kind: LauncherKind) {
    // What it opens is closed here: descriptors are not its own.
    const options = { resourceLimits: MEMORY, execArgv: [], trackUnmanagedFds: false };
    this.#worker = new Worker(program, { workerData: kind, ...options });
    // Containers keep the process alive, and not those who started them.
    this.#worker.unref();
    this.#worker.on("message", (answer: Answer) => this.#answered(answer));
    this.#worker.on("error", (error) => this.#died(error instanceof Error ? error.message : String(error)));
    this.#worker.on("exit", () => this.#died("it ended"));
  }

  get isIdle(): boolean {
    return this.#waiting.size === 0 && this.#ends.size === 0;
  }

  #answered(answer: Answer): void {
    const { id } = answer;
    if ("result" in answer) this.#take(this.#waiting, id)?.resolve(answer.result);
    else if ("error" in answer) {
      this.#ends.delete(id);
      this.#take(this.#waiting, id)?.reject(errorOf(answer.error));
    } else {
      this.#pids.delete(id);
      const waiting = this.#take(this.#ends, id);
      if ("end" in answer) waiting?.resolve(answer.end);
      else waiting?.reject(new Error(answer.failed));
    }
  }

  #take(from: Map<number, Waiting>, id: number): Waiting | undefined {
    const found = from.get(id);
    from.delete(id);
    return found;
  }

  /** Nobody hears of the end of what it has started any more: so it ends now. */
  #died(why: string): void {
    if (this.dead) return;
    this.dead = true;
    for (const pid of this.#pids.values()) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended by itself.
      }
    }
    this.#pids.clear();
    const error = new OpError(`a thread that starts containers has failed: ${why}`, {
      code: "kernel-refused",
    });
    for (const { reject } of [...this.#waiting.values(), ...this.#ends.values()]) reject(error);
    this.#waiting.clear();
    this.#ends.clear();
  }

  #send(request: Request): { readonly id: number; readonly result: Promise<unknown> } {
    const id = ++this.#last;
    const result = new Promise<unknown>((resolve, reject) => {
      if (this.dead) {
        reject(new OpError("a thread that starts containers has failed", { code: "kernel-refused" }));
        return;
      }
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, request });
    });
    return { id, result };
  }

  /** @throws ContainerError, OpError */
  ask<T>(request: Request): Promise<T> {
    return this.#send(request).result as Promise<T>;
  }

  /** @throws ContainerError, OpError */
  async start(request: Extract<Request, { do: "start" | "exec" }>): Promise<StartedProcess> {
    const { id, result } = this.#send(request);
    const end = new Promise<ProcessEnd>((resolve, reject) =>
      this.#ends.set(id, { resolve: resolve as Waiting["resolve"], reject }),
    );
    // Who starts it hears of it; until then, nobody does.
    end.catch(() => undefined);
    const started = (await result) as Started;
    if (started.pid !== undefined && this.#ends.has(id)) this.#pids.set(id, started.pid);
    const kill = (signal: NodeJS.Signals): void => {
      if (this.#ends.has(id)) void this.ask({ do: "kill", process: id, signal }).catch(() => undefined);
    };
    return { ...started, kill, end };
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}

function errorOf({ name, message, reason, exitCode, code, facts }: RemoteError): Error {
  if (name === "ContainerError") return new ContainerError(reason as ContainerReason, message, exitCode);
  if (code !== undefined && Object.hasOwn(FAILURES, code))
    return new OpError(message, { code: code as FailureCode, facts: facts as OpError["facts"] });
  return new Error(message);
}

export class Launcher {
  readonly #program: string;
  #setup: LauncherThread;
  readonly #confined = new Map<string, LauncherThread>();
  #uses = 0;

  /** @param program - `thread.ts`, built */
  constructor(program: string) {
    this.#program = program;
    this.#setup = new LauncherThread(program, { kind: "setup" });
  }

  /** What is built, and not executed. @throws ContainerError, OpError */
  ask<T>(request: Exclude<Request, { do: "start" | "exec" | "kill" }>): Promise<T> {
    if (this.#setup.dead) this.#setup = new LauncherThread(this.#program, { kind: "setup" });
    return this.#setup.ask<T>(request);
  }

  /** @throws ContainerError also where pods ask for too many different sets of limits at once; OpError */
  start(
    confinement: Confinement,
    request: Extract<Request, { do: "start" | "exec" }>,
  ): Promise<StartedProcess> {
    return this.#thread(confinement).start(request);
  }

  #thread(confinement: Confinement): LauncherThread {
    const { capabilities, noNewPrivileges, seccomp } = confinement;
    const key = `${capabilities} ${noNewPrivileges} ${seccomp}`;
    let thread = this.#confined.get(key);
    if (thread?.dead) thread = undefined;
    if (!thread) {
      this.#makeRoom();
      thread = new LauncherThread(this.#program, { kind: "confined", confinement });
      this.#confined.set(key, thread);
    }
    thread.used = ++this.#uses;
    return thread;
  }

  #makeRoom(): void {
    if (this.#confined.size < MOST_CONFINED) return;
    const idle = [...this.#confined].filter(([, thread]) => thread.isIdle || thread.dead);
    const [oldest] = idle.toSorted(([, a], [, b]) => a.used - b.used);
    if (!oldest) {
      throw new ContainerError(
        "CreateContainerError",
        `containers with ${MOST_CONFINED} different sets of capabilities run already; end some of them`,
      );
    }
    this.#confined.delete(oldest[0]);
    void oldest[1].close();
  }

  async close(): Promise<void> {
    await Promise.all([this.#setup, ...this.#confined.values()].map((thread) => thread.close()));
  }
}
