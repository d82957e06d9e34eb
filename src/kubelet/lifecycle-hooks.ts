/** @module What a container wants done when it has begun, and before it ends (postStart, preStop). */
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { Container, LifecycleHandler } from "kubernetes-types/core/v1.js";
import { httpGet } from "./http-get.ts";
import { portOf } from "./pod-spec.ts";

export interface HookHands {
  /** Of the pod. */
  readonly address: string;
  /** A connection into the pod. */
  readonly connect: (port: number) => Promise<Duplex>;
  /** Runs a command in the container, which ends when the signal comes. @returns the exit code */
  readonly exec: (command: readonly string[], signal: AbortSignal) => Promise<number>;
}

/**
 * Runs a hook to its end, or for so long.
 * @throws Error that says what went wrong
 */
export async function runHook(
  container: Container,
  { exec, httpGet: get, sleep: pause }: LifecycleHandler,
  hands: HookHands,
  timeoutMs: number,
): Promise<void> {
  const signal = AbortSignal.timeout(timeoutMs);
  if (exec) {
    const code = await hands.exec(exec.command ?? [], signal);
    if (signal.aborted) throw new Error(`command did not end in ${timeoutMs / 1000}s`);
    if (code !== 0) throw new Error(`command '${exec.command?.join(" ")}' exited with ${code}`);
  } else if (get) {
    const { address, connect } = hands;
    const port = portOf(container, get.port);
    const code = await httpGet(get, { address, port, connect, userAgent: "kube-lifecycle/1.34", timeoutMs });
    if (code >= 400) throw new Error(`failed with statuscode: ${code}`);
  } else if (pause) await sleep(Math.min(pause.seconds * 1000, timeoutMs));
  else throw new Error("there is no such handler: tcpSocket");
}
