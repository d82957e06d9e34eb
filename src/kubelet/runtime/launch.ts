/**
 * @module A process with pipes or with a terminal, spawned where the main thread is (see `thread-namespaces.ts`).
 *
 * Terminals are opened here and not by node-pty: that starts a thread for each one, which the kernel refuses while the
 * thread's children are to be born in another PID namespace. The container's own /dev/pts gives the terminal, so that
 * `tty` and /dev/tty name it rightly in the container.
 */
import { spawn } from "node:child_process";
import { closeSync, constants, fchownSync, openSync } from "node:fs";
import { Socket } from "node:net";
import type { Readable, Writable } from "node:stream";
import { ReadStream } from "node:tty";
import { O_CLOEXEC, TIOCGPTPEER, TIOCSPTLCK, TIOCSWINSZ } from "../../linux/constants.ts";
import { checked, libc } from "../../linux/libc.ts";
import type { TerminalSize } from "./container.ts";

export interface Launch {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly tty: boolean;
  readonly stdin: boolean;
  /** Whose the streams are to be, so that /dev/stdout can be opened; root's where left out. */
  readonly owner?: number | undefined;
}

export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Launched {
  readonly pid: number | undefined;
  readonly stdin: Writable | undefined;
  /** With a terminal, all output. */
  readonly stdout: Readable;
  readonly stderr: Readable | undefined;
  resize(size: TerminalSize): void;
  kill(signal: NodeJS.Signals): void;
  /** After the last output was read; rejects when the program could not be executed. */
  readonly end: Promise<ProcessEnd>;
}

/** Output that somebody inherited may come for ever; it is read for so long after the process's end. */
const LAST_OUTPUT_MS = 500;

const EMPTY: Buffer = Buffer.alloc(4);
/** In every container's /etc/group. */
const TTY_GROUP = 5;
const DEFAULT_SIZE: TerminalSize = { columns: 80, rows: 24 };

/** A pipe and not the socket that Node would make: /dev/stdout can be opened in the container then. */
function pipePair(): { readonly read: number; readonly write: number } {
  const ends = new Int32Array(2);
  checked(libc().pipe2(ends, O_CLOEXEC), "make a pipe", "kernel-refused");
  return { read: ends[0] ?? -1, write: ends[1] ?? -1 };
}

function windowSize(fd: number, size: TerminalSize): void {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(size.rows, 0);
  bytes.writeUInt16LE(size.columns, 2);
  libc().ioctl(fd, TIOCSWINSZ, bytes);
}

function openTerminal(size: TerminalSize): { readonly master: number; readonly slave: number } {
  const flags = constants.O_RDWR | constants.O_NOCTTY;
  const master = openSync("/dev/ptmx", flags);
  checked(libc().ioctl(master, TIOCSPTLCK, EMPTY), "unlock a terminal", "kernel-refused");
  const slave = openPeer(master, flags);
  windowSize(master, size);
  return { master, slave };
}

/** The other end of a terminal: TIOCGPTPEER's argument is flags, not a pointer. */
function openPeer(master: number, flags: number): number {
  return checked(libc().ioctlNumber(master, TIOCGPTPEER, flags), "open a terminal", "kernel-refused");
}

/** Resolves when all are closed, or some time after `ended`. */
async function closed(streams: readonly Readable[], ended: Promise<unknown>): Promise<void> {
  const all = Promise.all(
    streams.map((stream) =>
      stream.closed ? undefined : new Promise((resolve) => stream.once("close", resolve)),
    ),
  );
  await ended;
  await within(all, LAST_OUTPUT_MS);
  for (const stream of streams) stream.destroy();
}

async function within(work: Promise<unknown>, milliseconds: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}

/** Spawns; synchronous. Nobody may throw away what it returns: `end` rejects when the program cannot be executed. */
export function launch(what: Launch): Launched {
  return what.tty ? launchOnTerminal(what) : launchOnPipes(what);
}

function launchOnPipes(what: Launch): Launched {
  const out = pipePair();
  const err = pipePair();
  // Not the socket that Node would make: a program that calls sendfile from it to its output holds the output pipe's lock
  // while it waits for input, and our read of that pipe would wait with it.
  const input = what.stdin ? pipePair() : undefined;
  if (what.owner !== undefined)
    for (const end of [out.write, err.write, ...(input ? [input.read] : [])]) fchownSync(end, what.owner, 0);
  try {
    const child = spawn(what.argv[0] ?? "", what.argv.slice(1), {
      env: what.env,
      cwd: what.cwd,
      stdio: [input?.read ?? "ignore", out.write, err.write],
    });
    const stdout = new Socket({ fd: out.read, readable: true, writable: false });
    const stderr = new Socket({ fd: err.read, readable: true, writable: false });
    const stdin = input && new Socket({ fd: input.write, readable: false, writable: true });
    stdin?.on("error", () => {
      // The process need not read.
    });
    const ended = ending(child);
    return {
      pid: child.pid,
      stdin,
      stdout,
      stderr,
      resize: () => {
        // Nothing here has a size.
      },
      kill: (signal) => void child.kill(signal),
      end: ended.then(async (end) => {
        await closed([stdout, stderr], ended);
        return end;
      }),
    };
  } finally {
    closeSync(out.write);
    closeSync(err.write);
    if (input) closeSync(input.read);
  }
}

function ending(child: ReturnType<typeof spawn>): Promise<ProcessEnd> {
  const ended = new Promise<ProcessEnd>((resolve, reject) => {
    child.once("exit", (code, signal) => resolve({ code, signal }));
    child.once("error", reject);
  });
  return ended;
}

function launchOnTerminal(what: Launch): Launched {
  const { master, slave } = openTerminal(DEFAULT_SIZE);
  if (what.owner !== undefined) fchownSync(slave, what.owner, TTY_GROUP);
  try {
    // The first process of a session has the terminal as its own: Ctrl-C, job control and /dev/tty.
    const child = spawn("/bin/setsid", ["-c", ...what.argv], {
      env: what.env,
      cwd: what.cwd,
      stdio: [slave, slave, slave],
    });
    const terminal = new ReadStream(master);
    // EIO is how a terminal says that its last user is gone.
    terminal.on("error", () => terminal.destroy());
    const ended = ending(child);
    return {
      pid: child.pid,
      stdin: terminal,
      stdout: terminal,
      stderr: undefined,
      resize: (size) => {
        if (!terminal.destroyed) windowSize(master, size);
      },
      kill: (signal) => void child.kill(signal),
      end: ended.then(async (end) => {
        await closed([terminal], ended);
        return end;
      }),
    };
  } finally {
    closeSync(slave);
  }
}
