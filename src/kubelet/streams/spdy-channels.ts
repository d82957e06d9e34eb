/** @module The streams of a command as streams of a SPDY connection: the client opens each, and says which it is. */
import type { Duplex } from "node:stream";
import type { CommandChannels } from "./command.ts";
import type { CommandRequest } from "./request.ts";
import { ResizeReader } from "./resize.ts";
import { onGone } from "./spdy.ts";
import { SpdySession, type SpdyStream } from "./spdy-session.ts";
import type { Status } from "./status.ts";

const OPEN_TIMEOUT_MS = 30_000;
/** A client closes when it has read the end. One that is slow to read is given time, one that does not close is not. */
const CLOSE_TIMEOUT_MS = 30_000;

export interface SpdyCommand {
  readonly transport: Duplex;
  readonly protocol: string;
  readonly log: (line: string) => void;
}

type StreamType = "error" | "stdin" | "stdout" | "stderr" | "resize";

function expected({ stdin, stdout, stderr }: CommandRequest): readonly StreamType[] {
  return [
    "error",
    ...(stdin ? ["stdin" as const] : []),
    ...(stdout ? ["stdout" as const] : []),
    ...(stderr ? ["stderr" as const] : []),
  ];
}

/** @returns undefined when the client did not open all the streams that it asked for in time */
export function spdyChannels(
  { transport, protocol, log }: SpdyCommand,
  wanted: CommandRequest,
): Promise<CommandChannels | undefined> {
  return new Promise((resolve) => {
    const streams = new Map<string, SpdyStream>();
    const sizes = new ResizeReader();
    let leave = (): void => undefined;
    const gone = new Promise<void>((done) => {
      leave = done;
    });
    const isComplete = (): boolean => expected(wanted).every((type) => streams.has(type));
    const timer = setTimeout(() => session.close(), OPEN_TIMEOUT_MS);
    const session: SpdySession = new SpdySession(transport, {
      log,
      onEnd: () => {
        clearTimeout(timer);
        leave();
        resolve(undefined);
      },
      onStream: (stream) => {
        const type = stream.headers.get("streamtype") ?? "";
        if (type === "resize" && !streams.has(type)) {
          streams.set(type, stream);
          stream.on("data", (bytes: Buffer) => sizes.receive(bytes));
          return;
        }
        if (!expected(wanted).some((one) => one === type) || streams.has(type)) {
          stream.destroy();
          return;
        }
        streams.set(type, stream);
        if (!isComplete()) return;
        clearTimeout(timer);
        resolve(channelsOf({ session, streams, sizes, protocol, gone }));
      },
    });
  });
}

interface Parts {
  readonly session: SpdySession;
  readonly streams: ReadonlyMap<string, SpdyStream>;
  readonly sizes: ResizeReader;
  readonly protocol: string;
  readonly gone: Promise<void>;
}

function channelsOf({ session, streams, sizes, protocol, gone }: Parts): CommandChannels {
  const [stdin, stdout, stderr] = ["stdin", "stdout", "stderr"].map((type) => streams.get(type));
  for (const sink of [stdout, stderr]) {
    // The client's own half of an output says nothing.
    sink?.resume();
    if (sink) onGone(sink, () => sink.destroy());
  }
  const error = streams.get("error");
  error?.resume();
  return {
    stdin,
    stdout,
    stderr,
    onResize: (listener) => sizes.listen(listener),
    gone,
    finish: (status) => {
      const text = lastWord(protocol, status);
      if (text === "") error?.end();
      else error?.end(text);
      if (stdin && !stdin.writableEnded) stdin.end();
      closeLater(session, gone);
    },
  };
}

function closeLater(session: SpdySession, gone: Promise<void>): void {
  let before = session.pending;
  const timer = setInterval(() => {
    // It has read something since.
    if (session.pending < before) before = session.pending;
    else session.close();
  }, CLOSE_TIMEOUT_MS);
  void gone.then(() => clearInterval(timer));
}

function lastWord(protocol: string, status: Status): string {
  if (protocol === "v5.channel.k8s.io" || protocol === "v4.channel.k8s.io") return JSON.stringify(status);
  return status.status === "Success" ? "" : (status.message ?? "");
}
