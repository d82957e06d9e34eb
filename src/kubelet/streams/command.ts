/** @module exec and attach, however their streams reach the client. */
import type { Duplex, Readable } from "node:stream";
import { Writable } from "node:stream";
import type { ContainerView } from "../pod-host.ts";
import type { Streams, TerminalSize } from "../runtime/container.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { CommandRequest, StreamRequest } from "./request.ts";
import { exitStatus, internalError, messageOf, Refusal, type Status, SUCCESS } from "./status.ts";

/** A client's side of a command. Only those streams are there that it asked for. */
export interface CommandChannels {
  readonly stdin: Readable | undefined;
  readonly stdout: Writable | undefined;
  readonly stderr: Writable | undefined;
  readonly onResize: (listener: (size: TerminalSize) => void) => void;
  /** Resolves when the client has gone: stdin has ended then, and nothing is read any more. */
  readonly gone: Promise<void>;
  /** The last word, after all output. The connection is closed in the client's own time. */
  finish(status: Status): void;
}

export interface CommandContext {
  readonly runtime: Runtime;
  readonly request: StreamRequest;
  readonly wanted: CommandRequest;
  readonly view: ContainerView;
}

/** @throws Refusal 500 in the kubelet's words when the container does not run */
export function requireRunning({ view, wanted }: CommandContext): NonNullable<ContainerView["running"]> {
  if (!view.running) throw new Refusal(500, `container not found (${JSON.stringify(wanted.container)})`);
  return view.running;
}

/** Programs look at their terminal's size when they start, and clients tell it just after they ask. */
const FIRST_SIZE_MS = 200;

function firstSize({ onResize, gone }: CommandChannels): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, FIRST_SIZE_MS);
    const go = (): void => {
      clearTimeout(timer);
      resolve();
    };
    onResize(go);
    void gone.then(go);
  });
}

/** Resolves when the client was told the end, or is gone. */
export async function runCommand(context: CommandContext, channels: CommandChannels): Promise<void> {
  const { stdout, stderr } = channels;
  const work = context.request.verb === "exec" ? exec(context, channels) : attach(context, channels);
  const goneBeforeTheEnd = channels.gone.then(() => {
    // Output to nobody is SIGPIPE, or the hang-up of the terminal; the process may live on without.
    for (const sink of [stdout, stderr]) sink?.destroy();
    return undefined;
  });
  const status = await Promise.race([work, goneBeforeTheEnd]);
  if (!status) return;
  await Promise.all([flushed(stdout), flushed(stderr)]);
  channels.stdin?.resume();
  channels.finish(status);
}

async function exec(context: CommandContext, channels: CommandChannels): Promise<Status> {
  const { runtime, wanted } = context;
  if (wanted.tty) await firstSize(channels);
  // Gone meanwhile: nobody would hang up on what is started now.
  if (channels.stdout?.destroyed) return SUCCESS;
  try {
    const streams = streamsOf(channels, wanted.tty);
    const { code } = await runtime.exec(requireRunning(context), wanted.command, streams);
    return exitStatus(code);
  } catch (error) {
    return internalError(
      `error executing command in container: failed to exec in container: ${messageOf(error)}`,
    );
  }
}

async function attach(context: CommandContext, channels: CommandChannels): Promise<Status> {
  const { runtime, view } = context;
  // The runtime reads the input of containers that have one; what else comes must not hold up the connection.
  if (!view.stdin) channels.stdin?.resume();
  // Being detached is told by a sink that closes; who only types has none.
  const nowhere = channels.stdout || channels.stderr ? undefined : discard();
  void channels.gone.then(() => nowhere?.destroy());
  try {
    const streams = streamsOf(channels, view.tty);
    await runtime.attach(requireRunning(context), nowhere ? { ...streams, stdout: nowhere } : streams);
    return SUCCESS;
  } catch (error) {
    return internalError(`error attaching to container: ${messageOf(error)}`);
  } finally {
    // For stdinOnce: also an input that could not be read to its end has ended now.
    void channels.gone.then(() => channels.stdin?.destroy());
  }
}

function streamsOf({ stdin, stdout, stderr, onResize }: CommandChannels, tty: boolean): Streams {
  return {
    ...(stdin && { stdin }),
    ...(stdout && { stdout }),
    ...(stderr && { stderr }),
    tty,
    onResize,
  };
}

function discard(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() });
}

/** Ends a sink; resolves when all of it is on its way. */
function flushed(sink: Writable | Duplex | undefined): Promise<void> {
  if (!sink || sink.destroyed || sink.writableFinished) return Promise.resolve();
  return new Promise((resolve) => {
    sink.once("finish", resolve);
    sink.once("close", resolve);
    sink.end();
  });
}
