/** @module Startup, liveness and readiness probes of one running container. */
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { Container, Probe } from "kubernetes-types/core/v1.js";
import { connectWithin, httpGet } from "./http-get.ts";
import { portOf } from "./pod-spec.ts";

export type ProbeKind = "startup" | "liveness" | "readiness";

export interface ProbeHands {
  /** A connection into the pod. */
  readonly connect: (port: number) => Promise<Duplex>;
  /** Runs a command, which ends when the signal comes. @returns the exit code */
  readonly exec: (command: readonly string[], signal: AbortSignal) => Promise<number>;
  readonly address: string;
  /** Told of each probe that fails. */
  readonly failed: (kind: ProbeKind, message: string) => void;
  /** Told when as many probes as the threshold says, one after the other, changed the answer. */
  readonly result: (kind: ProbeKind, healthy: boolean) => void;
}

const RETRY_MS = 50;
const DEFAULTS = { period: 10, timeout: 1, success: 1, failure: 3 };

/** Runs the probes of a container until it is stopped. Liveness and readiness wait for the startup probe. */
export class Probes {
  readonly #container: Container;
  readonly #hands: ProbeHands;
  readonly #timers = new Set<NodeJS.Timeout>();
  #stopped = false;

  constructor(container: Container, hands: ProbeHands) {
    this.#container = container;
    this.#hands = hands;
  }

  start(): void {
    const { startupProbe } = this.#container;
    if (startupProbe) this.#run("startup", startupProbe);
    else this.#startOthers();
  }

  #startOthers(): void {
    const { livenessProbe, readinessProbe } = this.#container;
    if (livenessProbe) this.#run("liveness", livenessProbe);
    if (readinessProbe) this.#run("readiness", readinessProbe);
  }

  #run(kind: ProbeKind, probe: Probe): void {
    let streak = 0;
    let last: boolean | undefined;
    let told: boolean | undefined;
    const periodMs = (probe.periodSeconds ?? DEFAULTS.period) * 1000;
    const once = async (): Promise<void> => {
      const { healthy, message } = await this.#try(probe, last === undefined);
      if (this.#stopped) return;
      streak = healthy === last ? streak + 1 : 1;
      last = healthy;
      const threshold = healthy
        ? (probe.successThreshold ?? DEFAULTS.success)
        : (probe.failureThreshold ?? DEFAULTS.failure);
      if (!healthy) this.#hands.failed(kind, message);
      if (streak >= threshold && told !== healthy) {
        told = healthy;
        this.#hands.result(kind, healthy);
        if (kind === "startup" && healthy) {
          this.#startOthers();
          return;
        }
      }
      this.#after(periodMs, once);
    };
    this.#after((probe.initialDelaySeconds ?? 0) * 1000, once);
  }

  #after(milliseconds: number, work: () => Promise<void>): void {
    if (this.#stopped) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      void work();
    }, milliseconds);
    this.#timers.add(timer);
  }

  /** @param isFirst - the container has only begun */
  async #try(probe: Probe, isFirst: boolean): Promise<{ healthy: boolean; message: string }> {
    const timeoutMs = (probe.timeoutSeconds ?? DEFAULTS.timeout) * 1000;
    try {
      if (probe.exec) {
        const signal = AbortSignal.timeout(timeoutMs);
        const code = await this.#hands.exec(probe.exec.command ?? [], signal);
        if (signal.aborted)
          return { healthy: false, message: `command timed out after ${timeoutMs / 1000}s` };
        return { healthy: code === 0, message: code === 0 ? "" : `command exited with ${code}` };
      }
      const connect = isFirst ? this.#patiently(timeoutMs) : this.#hands.connect;
      const { address } = this.#hands;
      if (probe.httpGet) {
        const port = portOf(this.#container, probe.httpGet.port);
        const target = { address, port, connect, userAgent: "kube-probe/1.34", timeoutMs };
        const code = await httpGet(probe.httpGet, target);
        const healthy = code >= 200 && code < 400;
        return { healthy, message: healthy ? "" : `HTTP probe failed with statuscode: ${code}` };
      }
      const port = portOf(this.#container, (probe.tcpSocket ?? probe.grpc)?.port);
      const connection = await connectWithin(
        connect(port),
        timeoutMs,
        `dial tcp ${address}:${port}: i/o timeout`,
      );
      connection.on("error", () => undefined).destroy();
      return { healthy: true, message: "" };
    } catch (error) {
      return { healthy: false, message: error instanceof Error ? error.message : String(error) };
    }
  }

  /**
   * A program takes a moment to open its port. Who refuses meanwhile is asked again as long as the probe may take, lest
   * it be held for unready for a whole period.
   */
  #patiently(timeoutMs: number): ProbeHands["connect"] {
    const deadline = Date.now() + timeoutMs - RETRY_MS;
    return async (port) => {
      for (;;) {
        try {
          return await this.#hands.connect(port);
        } catch (error) {
          if (this.#stopped || Date.now() >= deadline) throw error;
        }
        await sleep(RETRY_MS);
      }
    };
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}
