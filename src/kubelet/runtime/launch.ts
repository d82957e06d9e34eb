/**
 * @module A process's pipes or terminal, as this process holds them. Whoever starts it is a thread that can no more than
 * its container: see `launcher/thread.ts`.
 *
 * Terminals are opened there and not by node-pty: that starts a thread for each one, which the kernel refuses while the
 * thread's children are to be born in another PID namespace. The container's own /dev/pts gives the terminal, so that
 * `tty` and /dev/tty name it rightly in the container.
 */
import { closeSync, fchownSync } from "node:fs";
import { Socket } from "node:net";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { ReadStream } from "node:tty";
import { must } from "../../base/errors.ts";
import { makePipe } from "../../linux/pipes.ts";
import type { TerminalSize } from "./container.ts";
import type { StartedProcess } from "./launcher/launcher.ts";
import type { ProcessEnd, StandardStreams } from "./launcher/protocol.ts";
import { setWindowSize, unreadBytes } from "./terminal.ts";

export interface Launch {
  readonly tty: boolean;
  readonly stdin: boolean;
  /** Of the terminal; 80 columns and 24 rows where left out. */
  readonly size?: TerminalSize | undefined;
  /** What is its standard input instead; it stays the caller's. */
  readonly input?: number;
  /** Whose the streams are to be, so that /dev/stdout can be opened; root's where left out. */
  readonly owner?: number | undefined;
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

const LOOK_MS = 2;
/** So often nothing more was there. */
const QUIET_LOOKS = 3;

const DEFAULT_SIZE: TerminalSize = { columns: 80, rows: 24 };

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

/**
 * Makes the streams of a process and starts it with them.
 * @param start - called with the process's ends; they are closed here afterwards
 * @throws what `start` throws; nothing is left open then
 */
export function launch<Started extends StartedProcess>(
  what: Launch,
  start: (streams: StandardStreams) => Promise<Started>,
): Promise<{ readonly started: Started; readonly launched: Launched }> {
  return what.tty ? launchOnTerminal(what, start) : launchOnPipes(what, start);
}

async function launchOnPipes<Started extends StartedProcess>(
  what: Launch,
  start: (streams: StandardStreams) => Promise<Started>,
): Promise<{ readonly started: Started; readonly launched: Launched }> {
  const out = makePipe();
  const err = makePipe();
  // Not the socket that Node would make: a program that calls sendfile from it to its output holds the output pipe's lock
  // while it waits for input, and our read of that pipe would wait with it.
  const input = what.stdin ? makePipe() : undefined;
  const theirs = [out.write, err.write, ...(input ? [input.read] : [])];
  const ours = [out.read, err.read, ...(input ? [input.write] : [])];
  if (what.owner !== undefined) for (const end of theirs) fchownSync(end, what.owner, 0);
  let started: Started;
  try {
    started = await start({
      kind: "pipes",
      input: what.input ?? input?.read,
      output: out.write,
      error: err.write,
    });
  } catch (error) {
    for (const end of ours) closeSync(end);
    throw error;
  } finally {
    for (const end of theirs) closeSync(end);
  }
  const stdout = new Socket({ fd: out.read, readable: true, writable: false });
  const stderr = new Socket({ fd: err.read, readable: true, writable: false });
  const stdin = input && new Socket({ fd: input.write, readable: false, writable: true });
  stdin?.on("error", () => {
    // The process need not read.
  });
  return {
    started,
    launched: {
      pid: started.pid,
      stdin,
      stdout,
      stderr,
      resize: () => {
        // Nothing here has a size.
      },
      kill: started.kill,
      end: started.end.then(async (end) => {
        await closed([stdout, stderr], started.end);
        return end;
      }),
    },
  };
}

async function launchOnTerminal<Started extends StartedProcess>(
  { size = DEFAULT_SIZE }: Launch,
  start: (streams: StandardStreams) => Promise<Started>,
): Promise<{ readonly started: Started; readonly launched: Launched }> {
  const started = await start({ kind: "terminal", size });
  const { master, slave } = must(started.terminal, "a terminal");
  const terminal = new ReadStream(master);
  // EIO is how a terminal says that its last user is gone.
  terminal.on("error", () => terminal.destroy());
  return {
    started,
    launched: {
      pid: started.pid,
      stdin: terminal,
      stdout: terminal,
      stderr: undefined,
      resize: (size) => {
        if (!terminal.destroyed) setWindowSize(master, size);
      },
      kill: started.kill,
      end: ending(started.end, { terminal, master, slave }),
    },
  };
}

/**
 * We have the process's end of its terminal open too: when the last one is closed, libuv takes for the end of the output what
 * it has read by then, and the kernel hands on what was written a moment later than it was.
 */
async function ending(
  end: Promise<ProcessEnd>,
  {
    terminal,
    master,
    slave,
  }: { readonly terminal: ReadStream; readonly master: number; readonly slave: number },
): Promise<ProcessEnd> {
  try {
    const ended = await end;
    const deadline = Date.now() + LAST_OUTPUT_MS;
    let quiet = 0;
    while (quiet < QUIET_LOOKS && !terminal.destroyed && Date.now() < deadline) {
      await sleep(LOOK_MS);
      quiet = unreadBytes(master) === 0 && terminal.readableLength === 0 ? quiet + 1 : 0;
    }
    return ended;
  } finally {
    closeSync(slave);
    await closed([terminal], Promise.resolve());
  }
}
