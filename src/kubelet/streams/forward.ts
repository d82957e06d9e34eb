/** @module One forwarded connection: a client's stream and a socket in the pod, each ending when the other does. */
import type { Duplex, Readable, Writable } from "node:stream";
import type { PodSandbox } from "../runtime/container.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { messageOf } from "./status.ts";

export interface ForwardTarget {
  readonly runtime: Runtime;
  readonly sandbox: PodSandbox;
  readonly port: number;
  /** Where to connect; left out: to what a port-forward does, the pod's loopback first. */
  readonly addresses?: readonly string[] | undefined;
}

export interface ForwardClient {
  readonly input: Readable;
  readonly output: Writable;
  /** Calls when the client neither sends nor takes anything more; at once when that is so already. */
  readonly onGone: (listener: () => void) => void;
}

/** What kubectl shows when a connection fails. */
const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connect: connection refused",
  ETIMEDOUT: "i/o timeout",
  EHOSTUNREACH: "connect: no route to host",
  ENETUNREACH: "connect: network is unreachable",
};

function failureText({ sandbox, port }: ForwardTarget, error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const place = `failed to connect to localhost:${port} inside namespace ${JSON.stringify(sandbox.uid)}`;
  const reason = REASONS[code];
  const what = reason ? `${place}, IPv4: dial tcp4 127.0.0.1:${port}: ${reason}` : messageOf(error);
  return `error forwarding port ${port} to pod ${sandbox.uid}, uid : failed to execute portforward in network namespace ${JSON.stringify(sandbox.uid)}: ${what}`;
}

/**
 * Resolves when the pod's side has ended. What the client still sends after that goes to the pod nevertheless, until
 * either closes.
 * @returns why the pod could not be reached, as text for the client
 */
export async function forward(target: ForwardTarget, client: ForwardClient): Promise<string | undefined> {
  let socket: Duplex;
  try {
    socket = await target.runtime.connect(target.sandbox, target.port, target.addresses);
  } catch (error) {
    return failureText(target, error);
  }
  socket.on("error", () => socket.destroy());
  client.onGone(() => socket.destroy());
  client.input.pipe(socket);
  socket.pipe(client.output);
  return new Promise((resolve) => {
    socket.once("end", () => resolve(undefined));
    socket.once("close", () => {
      // A reset is no end that pipe() hands on.
      if (!client.output.writableEnded) client.output.end();
      client.input.resume();
      resolve(undefined);
    });
  });
}
