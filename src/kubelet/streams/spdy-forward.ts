/**
 * @module Port-forward over SPDY: for every connection the client opens a stream of data and one for errors, with one
 * requestID and the port. In an upgraded connection or in a tunnel.
 */
import type { Duplex } from "node:stream";
import type { PodSandbox } from "../runtime/container.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { forward } from "./forward.ts";
import { parsePort } from "./request.ts";
import { onGone } from "./spdy.ts";
import { SpdySession, type SpdyStream } from "./spdy-session.ts";

export interface ForwardContext {
  readonly runtime: Runtime;
  readonly sandbox: PodSandbox;
  readonly log: (line: string) => void;
  readonly addresses?: readonly string[] | undefined;
}

interface Pair {
  data?: SpdyStream;
  error?: SpdyStream;
  readonly timer: NodeJS.Timeout;
}

/** How long one stream waits for the other. */
const PAIR_TIMEOUT_MS = 30_000;

/** Serves a connection to its end. */
export function forwardOverSpdy(transport: Duplex, context: ForwardContext): void {
  const pairs = new Map<string, Pair>();
  const drop = (id: string): void => {
    const pair = pairs.get(id);
    pairs.delete(id);
    clearTimeout(pair?.timer);
    pair?.data?.destroy();
    pair?.error?.destroy();
  };
  const session: SpdySession = new SpdySession(transport, {
    log: context.log,
    onEnd: () => {
      for (const id of [...pairs.keys()]) drop(id);
    },
    onStream: (stream) => {
      const type = stream.headers.get("streamtype");
      if (type !== "data" && type !== "error") {
        stream.destroy();
        return;
      }
      // The oldest clients send no requestID; theirs come in pairs, the error's stream first.
      const id = stream.headers.get("requestid") ?? `${type === "error" ? stream.id : stream.id - 2}`;
      let pair = pairs.get(id);
      if (!pair) {
        pair = { timer: setTimeout(() => drop(id), PAIR_TIMEOUT_MS) };
        pairs.set(id, pair);
      }
      if (pair[type]) {
        stream.destroy();
        return;
      }
      pair[type] = stream;
      const { data, error } = pair;
      if (!data || !error) return;
      clearTimeout(pair.timer);
      pairs.delete(id);
      void serve(data, error, context);
    },
  });
  void session;
}

async function serve(data: SpdyStream, error: SpdyStream, context: ForwardContext): Promise<void> {
  error.resume();
  const port = parsePort(data.headers.get("port"));
  const problem =
    port === undefined
      ? `unable to parse ${JSON.stringify(data.headers.get("port") ?? "")} as a port`
      : await forward(
          { ...context, port },
          { input: data, output: data, onGone: (listener) => onGone(data, listener) },
        );
  if (problem === undefined) {
    error.end();
    return;
  }
  error.end(problem);
  data.resume();
  data.end();
}
