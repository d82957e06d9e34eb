/**
 * @module A thread that starts containers: the entry point of the worker. What a process may do comes from the thread that
 * forks it, so a confined thread gives up for good what its containers may not have, and nothing that a container
 * controls (files, environment, working directory, links) is ever read by a process that can more than the container.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { closeSync, constants, existsSync, fstatSync, mkdirSync, openSync, writeSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { must, OpError } from "../../../base/errors.ts";
import {
  ALL_CAPABILITIES,
  boundCapabilities,
  setNoNewPrivileges,
  withRights,
} from "../../../linux/capabilities.ts";
import { joinCgroup } from "../../../linux/cgroups.ts";
import { O_PATH, TIOCGPTPEER, TIOCSPTLCK } from "../../../linux/constants.ts";
import { checked, libc, passKey } from "../../../linux/libc.ts";
import { openBelow } from "../../../linux/open-below.ts";
import { makePipe } from "../../../linux/pipes.ts";
import { checkProgram } from "../command.ts";
import { ContainerError } from "../container.ts";
import { addMounts, buildRoot, makeRootReadOnly, maskProc, openTrees } from "../root-file-system.ts";
import { setWindowSize } from "../terminal.ts";
import { ThreadNamespaces } from "../thread-namespaces.ts";
import type {
  Answer,
  Built,
  LauncherKind,
  ProcessEnd,
  ProgramSpec,
  RemoteError,
  Request,
  Shared,
  StandardStreams,
  Started,
  Terminal,
} from "./protocol.ts";
import { loadSeccompFilter } from "./seccomp.ts";

type Of<Name extends Request["do"]> = Extract<Request, { do: Name }>;

const port = must(parentPort, "a worker's port");
const kind = workerData as LauncherKind;

const EXEC_FAILED = "OCI runtime exec failed: exec failed: unable to start container process";
const START_FAILED =
  "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init";

/** Waits for the container to be finished. What it is then given, it does as the container. */
const WAIT = 'read -r tortie_gate <&3 && [ "$tortie_gate" = go ] || exit 128; exec 3<&-; unset tortie_gate;';
const EXEC_GATE = `${WAIT} exec "$@"`;
const GATE = `${WAIT} cd -- "$1" || exit 128; shift; unset OLDPWD; exec "$@"`;
/** Ignoring SIGCHLD, which lasts over exec, lets the kernel clear away orphans. */
const PAUSE = `${WAIT} trap "" CHLD; exec /bin/busybox sleep 2147483647`;
/** Not busybox's, which executes its own programs of a name before those in the path. */
const SHELL = "/bin/dash";
const BUSYBOX = "/bin/busybox";
const MOUNT_PROC = ["mount", "-t", "proc", "-o", "nosuid,nodev,noexec", "proc", "/proc"];
const EMPTY: Buffer = Buffer.alloc(4);

const namespaces = new ThreadNamespaces();
/** Opened here: a container may put a pipe in its own one's place, and whoever opens it would wait. */
const nothing = openSync("/dev/null", "r+");
const processes = new Map<number, ChildProcess>();

function confine(): void {
  if (kind.kind === "setup") return;
  const { capabilities, noNewPrivileges, seccomp } = kind.confinement;
  if (capabilities !== ALL_CAPABILITIES) boundCapabilities(capabilities);
  if (noNewPrivileges) setNoNewPrivileges();
  if (seccomp) passKey(loadSeccompFilter(capabilities));
}

// ── building, in the thread that executes nothing of a container's ──────────────────────────────────────────────────

function share({ hostname }: Of<"share">): Shared {
  return namespaces.createShared(hostname);
}

function build({ netns, root, mounts }: Of<"build">): Built {
  let trees: readonly number[] = [];
  try {
    const mount = namespaces.createMount(netns, () => {
      trees = openTrees(mounts);
      buildRoot(root);
    });
    return { mount, trees };
  } catch (error) {
    for (const tree of trees) closeSync(tree);
    throw error;
  }
}

/** Only a member of a PID namespace can mount its /proc. Nothing of the pod's is in the root yet. */
function mountProc(): void {
  const { status, stderr, error } = spawnSync(BUSYBOX, MOUNT_PROC, {
    env: {},
    stdio: [nothing, nothing, "pipe"],
    encoding: "utf8",
  });
  if (status === 0) return;
  throw new ContainerError("CreateContainerError", `mount /proc: ${error?.message ?? stderr.trim()}`);
}

/** As runc does, makes the working directory where there is none. */
function prepareDirectory(cwd: string): void {
  let problem: string;
  try {
    mkdirSync(cwd, { recursive: true });
    return;
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error);
  }
  throw new ContainerError("CreateContainerError", `mkdir ${cwd}: ${problem}`);
}

function finish({ place, mounts, trees, readOnly, unmasked, program, pause }: Of<"finish">): void {
  const { argv, env, cwd, rights } = program;
  namespaces.inside(place, () => {
    mountProc();
    if (!unmasked) maskProc();
    addMounts(mounts, trees);
    withRights({ ...rights, identity: undefined }, () => prepareDirectory(cwd));
    if (readOnly) makeRootReadOnly();
    if (!pause) withRights(rights, () => checkProgram(argv, env, cwd, START_FAILED));
  });
}

// ── executing, in a thread that can no more than the container ──────────────────────────────────────────────────────

function openTerminal({ size }: Extract<StandardStreams, { kind: "terminal" }>): Terminal {
  const flags = constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK;
  const master = openSync("/dev/ptmx", flags);
  try {
    checked(libc().ioctl(master, TIOCSPTLCK, EMPTY), "unlock a terminal", "kernel-refused");
    // TIOCGPTPEER's argument is flags, not a pointer.
    const peerFlags = constants.O_RDWR | constants.O_NOCTTY;
    const slave = checked(
      libc().ioctlNumber(master, TIOCGPTPEER, peerFlags),
      "open a terminal",
      "kernel-refused",
    );
    setWindowSize(master, size);
    return { master, slave };
  } catch (error) {
    closeSync(master);
    throw error;
  }
}

/** Spawns where the thread is, with the rights that it has. */
function execute(
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
  { streams, gate }: { readonly streams: StandardStreams; readonly gate?: number },
): { readonly child: ChildProcess; readonly terminal: Terminal | undefined } {
  const more = gate === undefined ? [] : [gate];
  if (streams.kind === "pipes") {
    const stdio = [streams.input ?? nothing, streams.output, streams.error, ...more];
    return { child: spawn(argv[0] ?? "", argv.slice(1), { env, stdio }), terminal: undefined };
  }
  const terminal = openTerminal(streams);
  const { master, slave } = terminal;
  try {
    // The first process of a session has the terminal as its own: Ctrl-C, job control and /dev/tty.
    const child = spawn("/bin/setsid", ["-c", ...argv], { env, stdio: [slave, slave, slave, ...more] });
    return { child, terminal };
  } catch (error) {
    closeSync(master);
    closeSync(slave);
    throw error;
  }
}

/** Its end is reported when it comes. */
function follow(id: number, child: ChildProcess): void {
  processes.set(id, child);
  const report = (answer: Answer): void => {
    if (processes.delete(id)) port.postMessage(answer);
  };
  child.once("exit", (code, signal) => {
    const end: ProcessEnd = { code, signal };
    report({ id, end });
  });
  child.once("error", (error) => report({ id, failed: error.message }));
}

/** Names that dash hands on, and does not load libraries by itself, which may not be there yet when it starts. */
const PLAIN_NAME = /^(?!LD_)[A-Za-z_]\w*$/;

/** A program that a shell executes, with an environment that a shell would not hand on whole. */
function behindShell({ argv, env }: ProgramSpec): Pick<ProgramSpec, "argv" | "env"> {
  const all = Object.entries(env);
  const odd = all.filter(([name]) => !PLAIN_NAME.test(name));
  if (odd.length === 0) return { argv, env };
  return {
    argv: ["/bin/env", ...odd.map(([name, value]) => `${name}=${value}`), ...argv],
    env: Object.fromEntries(all.filter(([name]) => PLAIN_NAME.test(name))),
  };
}

/** It still waits: whatever it starts will be in the groups too. */
function join(child: ChildProcess, { rights, groups }: ProgramSpec): void {
  const { pid } = child;
  if (pid === undefined || groups.length === 0) return;
  try {
    withRights(rights, () => joinCgroup(groups, pid));
  } catch (error) {
    // Never without its limits.
    child.kill("SIGKILL");
    throw error;
  }
}

function start(id: number, { place, program, streams, gate, pause }: Of<"start">): Started {
  const { argv, env } = behindShell(program);
  const words = pause ? [SHELL, "-c", PAUSE, "sh"] : [SHELL, "-c", GATE, "sh", program.cwd, ...argv];
  const { child, terminal } = namespaces.inside({ ...place, pid: "new" }, () =>
    withRights(program.rights, () => execute(words, env, { streams, gate })),
  );
  follow(id, child);
  join(child, program);
  // One that could not be executed has no namespace; its end says why.
  const pidNamespace = openSync(child.pid === undefined ? "/dev/null" : `/proc/${child.pid}/ns/pid`, "r");
  return { pid: child.pid, pidNamespace, terminal };
}

/** Not by a path that the child resolves: in there, /proc/self/fd would be files of this process. */
function enterDirectory(cwd: string): void {
  let folder: number;
  try {
    folder = openBelow("/", cwd, O_PATH | constants.O_DIRECTORY);
  } catch (error) {
    const errno = error instanceof OpError ? String(error.facts["errno"]) : "";
    throw directoryError(cwd, errno);
  }
  try {
    if (libc().fchdir(folder) < 0) throw directoryError(cwd, "EACCES");
  } finally {
    closeSync(folder);
  }
}

function directoryError(cwd: string, errno: string): ContainerError {
  const words = errno === "EACCES" ? "permission denied" : "no such file or directory";
  return new ContainerError(
    "RunContainerError",
    `${EXEC_FAILED}: chdir to cwd (${JSON.stringify(cwd)}) set in config.json failed: ${words}`,
    126,
  );
}

function exec(id: number, { place, program, streams }: Of<"exec">): Started {
  const { argv, env, cwd, rights, groups } = program;
  const gate = groups.length > 0 ? makePipe() : undefined;
  try {
    const { child, terminal } = namespaces.inside(place, () =>
      withRights(rights, () => {
        enterDirectory(cwd);
        checkProgram(argv, env, cwd, EXEC_FAILED);
        // The pod may have mounted something on /bin.
        if (!gate || !existsSync(SHELL)) return execute(argv, env, { streams });
        const behind = behindShell(program);
        const words = [SHELL, "-c", EXEC_GATE, "sh", ...behind.argv];
        return execute(words, behind.env, { streams, gate: gate.read });
      }),
    );
    follow(id, child);
    join(child, program);
    if (gate) writeSync(gate.write, "go\n");
    return { pid: child.pid, pidNamespace: place.pid, terminal };
  } finally {
    if (gate) for (const end of [gate.read, gate.write]) closeSync(end);
  }
}

function open({ place, folder, file, rights }: Of<"open">): number | undefined {
  const work = (): number | undefined => withRights(rights, () => openRegular(folder, file));
  return place ? namespaces.inside(place, work) : work();
}

function openRegular(folder: string, file: string): number | undefined {
  let opened: number;
  try {
    // Opening a pipe must not make us wait for who writes to it.
    opened = openBelow(folder, file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  if (fstatSync(opened).isFile()) return opened;
  closeSync(opened);
  return undefined;
}

// ── requests ────────────────────────────────────────────────────────────────────────────────────────────────────────

function handle(id: number, request: Request): unknown {
  switch (request.do) {
    case "share":
      return share(request);
    case "build":
      return build(request);
    case "finish":
      return finish(request);
    case "start":
      return start(id, request);
    case "exec":
      return exec(id, request);
    case "open":
      return open(request);
    case "kill":
      return processes.get(request.process)?.kill(request.signal);
    default:
      return request satisfies never;
  }
}

function remote(error: unknown): RemoteError {
  if (error instanceof ContainerError) {
    const { name, message, reason, exitCode } = error;
    return { name, message, reason, exitCode };
  }
  if (error instanceof OpError)
    return { name: error.name, message: error.message, code: error.code, facts: error.facts };
  if (!(error instanceof Error)) return { name: "Error", message: String(error) };
  // What the file system refuses says enough; what should not be has its stack.
  const isExpected = (error as NodeJS.ErrnoException).code !== undefined;
  return { name: error.name, message: isExpected ? error.message : (error.stack ?? error.message) };
}

confine();
port.on("message", ({ id, request }: { readonly id: number; readonly request: Request }) => {
  let answer: Answer;
  try {
    answer = { id, result: handle(id, request) };
  } catch (error) {
    answer = { id, error: remote(error) };
  }
  port.postMessage(answer);
});
