/**
 * @module The container runtime: pods' containers as processes in namespaces, or, where an image only answers on
 * ports, as sockets of this process in the pod's network namespace.
 *
 *   catalogue: what an image does ─► plan ─┬─► process: root on tmpfs, new PID namespace, child of this process
 *                                          └─► stand-in: sockets, answered by a process without rights; namespaces
 *                                              only once somebody executes a command
 */
import { randomBytes } from "node:crypto";
import { constants, mkdirSync, openSync } from "node:fs";
import type { Duplex } from "node:stream";
import { OpError } from "../../base/errors.ts";
import type { CgroupRoot } from "../../linux/cgroups.ts";
import { Poller } from "../../linux/poller.ts";
import { raiseFileLimit } from "../../linux/sockets.ts";
import type { ImageCatalogue } from "../images/catalogue.ts";
import type { Plan, ServedPort } from "../images/image.ts";
import { planContainer } from "../images/plan.ts";
import type { WantedFile } from "../images/stand-in-messages.ts";
import { firstEnd } from "../settled.ts";
import { Attachments } from "./attachments.ts";
import type {
  ContainerConfig,
  ContainerExit,
  PodSandbox,
  RunningContainer,
  Streams,
  TerminalSize,
} from "./container.ts";
import { ContainerError } from "./container.ts";
import type { Launched } from "./launch.ts";
import { LogWriter } from "./log-writer.ts";
import { connectFrom } from "./pod-network.ts";
import { Processes } from "./processes.ts";
import { Container, exitOf } from "./running.ts";
import { StandIns } from "./stand-ins.ts";

export * from "./container.ts";

export interface RuntimeOptions {
  /** A folder for this runtime alone. */
  readonly directory: string;
  readonly catalogue: ImageCatalogue;
  /** The bundled `src/kubelet/tools/main.ts`. Without it, containers have busybox's tools only. */
  readonly toolsPath?: string;
  /** `launcher/thread.ts`, built: the threads that start containers run it. */
  readonly launcherPath: string;
  /** `images/stand-in-process.ts`, built as one file. */
  readonly standInsPath: string;
  /** What the machine delegates to us; undefined: containers have no limits of memory and processes. */
  readonly cgroups?: CgroupRoot | undefined;
}

/** A process may take so long to listen itself before we answer on the ports of an unknown image. */
const BESIDE_MS = 1_500;
const CONNECT_MS = 10_000;

export class Runtime {
  readonly #catalogue: ImageCatalogue;
  readonly #processes: Processes;
  readonly #poller: Poller;
  readonly #standIns: StandIns;
  readonly #containers = new Map<string, Container>();

  /** @throws OpError `kernel-unavailable` where namespaces cannot be entered and left, or busybox is missing */
  constructor(options: RuntimeOptions) {
    raiseFileLimit();
    mkdirSync(options.directory, { recursive: true });
    this.#catalogue = options.catalogue;
    this.hasLimits = options.cgroups !== undefined;
    this.#processes = new Processes(options.directory, options);
    this.#poller = new Poller();
    this.#standIns = new StandIns({
      poller: this.#poller,
      start: (channel) => this.#processes.startStandIns(options.standInsPath, channel),
      openFile: (container, file) => this.#openFile(container, file),
      ended: (container, code) => this.#ended(container, exitOf({ code, signal: null })),
    });
  }

  /** Whether containers have limits of memory and processes. */
  readonly hasLimits: boolean;

  /** @throws ContainerError */
  async start(pod: PodSandbox, config: ContainerConfig): Promise<RunningContainer> {
    const found = this.#catalogue.find(config.image);
    if (!found) {
      throw new ContainerError(
        "InvalidImageName",
        `Failed to apply default image tag "${config.image}": couldn't parse image name "${config.image}": invalid reference format`,
      );
    }
    if (!found.image.exists) {
      const name = found.reference.text;
      throw new ContainerError(
        "ErrImagePull",
        `failed to pull and unpack image "${name}": failed to resolve reference "${name}": ${name}: not found`,
      );
    }
    const log = new LogWriter(config.logPath);
    const container = new Container({ id: randomBytes(32).toString("hex"), pod, config, found, log });
    const plan = planContainer(found.image, config);
    try {
      await this.#run(container, plan);
    } catch (error) {
      this.#processes.release(container);
      log.close();
      throw error;
    }
    this.#containers.set(container.id, container);
    return container;
  }

  async #run(container: Container, plan: Plan): Promise<void> {
    container.plan = plan;
    if (plan.kind === "server") {
      for (const line of plan.started) container.log.line("stdout", line);
      this.#serve(container, plan.serves, true);
      return;
    }
    try {
      container.process = await this.#processes.startMain(container, plan.argv);
    } catch (error) {
      const missing = error instanceof ContainerError && error.exitCode === 127;
      if (!missing || plan.otherwise === undefined) throw error;
      this.#processes.release(container);
      const program = plan.argv[0] ?? "";
      container.log.line(
        "stderr",
        `tortie: ${program} is not on this machine; its ports are answered for it`,
      );
      await this.#run(container, { kind: "server", serves: plan.otherwise, started: [] });
      return;
    }
    this.#follow(container, container.process);
    if (plan.beside && plan.beside.length > 0) {
      const { beside } = plan;
      setTimeout(() => {
        if (!container.ended) this.#serve(container, beside, false);
      }, BESIDE_MS).unref();
    }
  }

  /** Output to the log and to who is attached; the end, when it comes. */
  #follow(container: Container, main: Launched): void {
    const attachments = new Attachments(main, container.config.stdinOnce);
    container.attachments = attachments;
    const output = (name: "stdout" | "stderr") => (chunk: Buffer) => {
      container.log.write(name, chunk);
      attachments.output(name, chunk);
    };
    main.stdout.on("data", output("stdout"));
    main.stderr?.on("data", output("stderr"));
    main.end.then(
      (end) => {
        const exit = exitOf(end);
        const isOutOfMemory = exit.code !== 0 && container.spaces?.cgroup?.ranOutOfMemory === true;
        this.#ended(container, isOutOfMemory ? { ...exit, reason: "OOMKilled" } : exit);
      },
      (error: unknown) =>
        this.#ended(
          container,
          exitOf({ code: 128, signal: null }, error instanceof Error ? error.message : ""),
        ),
    );
  }

  #ended(container: Container, exit: ContainerExit): void {
    if (container.ended) return;
    this.#standIns.close(container);
    container.log.close();
    this.#processes.release(container);
    this.#containers.delete(container.id);
    container.end(exit);
  }

  /** @param must - the ports are the container's purpose: without them it fails, as the real server would */
  #serve(container: Container, ports: readonly ServedPort[], must: boolean): void {
    if (ports.length === 0) return;
    const problems = this.#standIns.listen(container, ports);
    if (!must || problems.length === 0) return;
    for (const { port, errno } of problems) {
      const words = errno === "EADDRINUSE" ? "98: Address already in use" : errno;
      container.log.line("stderr", `[emerg] bind() to 0.0.0.0:${port.port} failed (${words})`);
    }
    setImmediate(() => this.#ended(container, exitOf({ code: 1, signal: null })));
  }

  /** As the container sees it: its own root where it has one, else what is mounted there. Never what a link leads out to. */
  async #openFile(container: Container, file: WantedFile): Promise<number | undefined> {
    const { config } = container;
    switch (file.kind) {
      case "hosts":
        return openSync(config.etc.hosts, constants.O_RDONLY | constants.O_NONBLOCK);
      case "resolv.conf":
        return openSync(config.etc.resolvConf, constants.O_RDONLY | constants.O_NONBLOCK);
      case "path":
        return this.#processes.openFile(container, file.path);
      default:
        return file satisfies never;
    }
  }

  #own(container: RunningContainer): Container {
    if (container instanceof Container) return container;
    throw new OpError(`container ${container.id} is not of this runtime`, { code: "not-found" });
  }

  /**
   * Runs a command in a container, process or none. The streams are written to, and left open.
   * @throws ContainerError when it is not running, or the program cannot be executed (`exitCode` 126 or 127)
   */
  async exec(
    container: RunningContainer,
    command: readonly string[],
    streams: Streams,
  ): Promise<ContainerExit> {
    const own = this.#own(container);
    if (own.ended) {
      throw new ContainerError("RunContainerError", `container ${own.id} is in CONTAINER_EXITED state`);
    }
    // A size that is known already is the terminal's from the start: a program may ask for it first of all.
    let size: TerminalSize | undefined;
    let resize = (next: TerminalSize): void => {
      size = next;
    };
    streams.onResize?.((next) => resize(next));
    const child = await this.#processes.exec(own, command, {
      tty: streams.tty,
      stdin: streams.stdin !== undefined,
      size,
    });
    if (size) child.resize(size);
    resize = (next) => child.resize(next);
    own.execs.add(child);
    const kill = (): void => child.kill("SIGKILL");
    streams.signal?.addEventListener("abort", kill);
    if (streams.signal?.aborted) kill();
    try {
      connectStreams(child, streams);
      return exitOf(await child.end);
    } finally {
      streams.signal?.removeEventListener("abort", kill);
      own.execs.delete(child);
    }
  }

  /** Until the container ends or the streams are closed. Without a process there is nothing to see: it only waits. */
  async attach(container: RunningContainer, streams: Streams): Promise<void> {
    const own = this.#own(container);
    if (own.attachments) {
      await own.attachments.attach(own.config.stdin ? streams : withoutStdin(streams), own.exit);
      return;
    }
    await firstEnd(
      own.exit,
      [streams.stdout, streams.stderr].filter((sink) => sink !== undefined),
    );
  }

  /** SIGTERM, and SIGKILL after `graceMs`. Resolves at once where it has ended already. */
  async stop(container: RunningContainer, graceMs: number): Promise<ContainerExit> {
    const own = this.#own(container);
    const { process } = own;
    if (own.ended) return own.ended;
    if (!process) {
      this.#ended(own, exitOf({ code: 0, signal: null }));
      return own.exit;
    }
    // Process 1 of a PID namespace hears only signals that it handles, and SIGKILL.
    // A shell that nobody types into any more does not hear SIGTERM either, but it ends with its input.
    process.stdin?.destroy();
    if (graceMs > 0) process.kill("SIGTERM");
    else process.kill("SIGKILL");
    const timer = setTimeout(() => process.kill("SIGKILL"), graceMs);
    try {
      return await own.exit;
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * A connection to a port of the pod, from inside.
   * @param addresses - tried in turn: where left out, its loopback, else its own address
   */
  async connect(
    pod: PodSandbox,
    port: number,
    addresses: readonly string[] = ["127.0.0.1", ...pod.addresses],
  ): Promise<Duplex> {
    let first: unknown;
    for (const address of addresses) {
      try {
        return await connectFrom(pod.netns, { address, port, timeoutMs: CONNECT_MS });
      } catch (error) {
        first ??= error;
      }
    }
    throw new OpError(
      `failed to connect to localhost:${port} inside namespace "${pod.uid}": ${first instanceof Error ? first.message : "failed"}`,
      { code: "not-found", cause: first },
    );
  }

  /** Process 1 of a container's own PID namespace, where it has one by now. */
  firstPid(container: RunningContainer): number | undefined {
    return this.#own(container).spaces?.first.pid;
  }

  /** Of the process that answers for containers without one. */
  get standIns(): { readonly pid: number | undefined; readonly restarts: number } {
    const { pid, restarts } = this.#standIns;
    return { pid, restarts };
  }

  /** Kills everything and waits for it. */
  async close(): Promise<void> {
    const all = [...this.#containers.values()];
    for (const container of all) {
      if (container.process) container.process.kill("SIGKILL");
      else this.#ended(container, exitOf({ code: 137, signal: "SIGKILL" }));
    }
    await Promise.all(all.map((container) => container.exit));
    this.#standIns.stop();
    this.#poller.closeAll();
    await this.#processes.close();
  }
}

function withoutStdin(streams: Streams): Streams {
  const { stdin: _stdin, ...rest } = streams;
  return rest;
}

function connectStreams(child: Launched, streams: Streams): void {
  const pairs = [
    [child.stdout, streams.stdout],
    [child.stderr, streams.tty ? streams.stdout : streams.stderr],
  ] as const;
  for (const [source, sink] of pairs) {
    if (!source) continue;
    if (!sink) {
      source.resume();
      continue;
    }
    // Whoever listened is gone, perhaps before we began: the process gets SIGPIPE, or the hang-up of its terminal.
    if (sink.destroyed) {
      source.destroy();
      continue;
    }
    source.pipe(sink, { end: false });
    sink.once("close", () => source.destroy());
  }
  const { stdin } = child;
  if (!stdin || !streams.stdin) return;
  const end = (): void => {
    if (!streams.tty) stdin.end();
  };
  if (streams.stdin.destroyed) end();
  else streams.stdin.once("close", end).pipe(stdin, { end: !streams.tty });
}
