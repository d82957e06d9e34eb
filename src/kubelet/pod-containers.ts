/** @module The containers of one pod: started in their order, probed, started again, and ended. */
import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import type { Container } from "kubernetes-types/core/v1.js";
import type { Client } from "../client/client.ts";
import { ApiError } from "../client/client.ts";
import type { EventRecorder } from "../client/events.ts";
import type { Pod, Service } from "../client/kinds.ts";
import { ConfigError } from "./config-error.ts";
import { asksForUser, containerConfig } from "./container-config.ts";
import type { PodFacts } from "./environment.ts";
import { type HookHands, runHook } from "./lifecycle-hooks.ts";
import type { ContainerView } from "./pod-host.ts";
import { ephemeralOf, graceOf, roleOf } from "./pod-spec.ts";
import {
  type ContainerRecord,
  type ContainerRole,
  hasEnded,
  isInitialized,
  mainsBegan,
  mainsEnded,
} from "./pod-status.ts";
import type { PodVolumes } from "./pod-volumes.ts";
import { type ProbeKind, Probes } from "./probes.ts";
import { BACKOFF_MS, delayOf, formerly, humanDelay, restarts } from "./restart-policy.ts";
import { hasManyUsers } from "./runtime/limits.ts";
import { ContainerError, type PodSandbox, type RunningContainer, type Runtime } from "./runtime/runtime.ts";
import { messageOf } from "./streams/status.ts";

export interface PodContainersOptions {
  readonly client: Client;
  readonly events: EventRecorder;
  readonly runtime: Runtime;
  readonly services: () => Iterable<Service>;
  readonly volumes: PodVolumes;
  /** The pod's own folder. */
  readonly directory: string;
  /** Asks for a sync of this pod, now or later. */
  readonly wake: (afterMs: number) => void;
}

/** Where a container starts. */
export interface Place {
  readonly sandbox: PodSandbox;
  readonly facts: PodFacts;
}

/** A container that runs, and what it is made of. */
interface Begun {
  readonly pod: Pod;
  readonly container: Container;
  readonly record: ContainerRecord;
  readonly running: RunningContainer;
  readonly sandbox: PodSandbox;
}

const FIELDS: Readonly<Record<ContainerRole, string>> = {
  init: "initContainers",
  sidecar: "initContainers",
  main: "containers",
  ephemeral: "ephemeralContainers",
};
const PROBE_NAMES: Readonly<Record<ProbeKind, string>> = {
  startup: "Startup",
  liveness: "Liveness",
  readiness: "Readiness",
};
/** As containerd counts a program that could not be executed. */
const START_FAILED = 128;
const API_AGAIN_MS = 200;
/** What a container has left after its preStop hook, however long that took. */
const LEAST_GRACE_MS = 2000;
/** Nothing is said of how long a postStart hook may take. */
const HOOK_MS = 600_000;

export class PodContainers {
  readonly #options: PodContainersOptions;
  readonly #records = new Map<string, ContainerRecord>();
  readonly #begun = new Map<string, Begun>();
  readonly #specs = new Map<string, Container>();
  readonly #probes = new Map<string, Probes>();
  #stopping: Promise<void> | undefined;
  #sidecarsEnd: Promise<void> | undefined;

  constructor(options: PodContainersOptions) {
    this.#options = options;
  }

  get records(): readonly ContainerRecord[] {
    return [...this.#records.values()];
  }

  /** @returns undefined when the pod has no container of that name */
  view(name: string): ContainerView | undefined {
    const record = this.#records.get(name);
    const spec = this.#specs.get(name);
    if (!record || !spec) return undefined;
    return {
      running: record.running,
      tty: spec.tty === true,
      stdin: spec.stdin === true,
      stdinOnce: spec.stdinOnce === true,
      logPath: this.#logPath(name, record.restarts),
      previousLogPath: record.restarts > 0 ? this.#logPath(name, record.restarts - 1) : undefined,
      waiting: record.running
        ? undefined
        : record.last
          ? undefined
          : (record.waiting?.reason ?? "ContainerCreating"),
    };
  }

  /** The root of each container that has processes, as this process sees it. */
  roots(): ReadonlyMap<string, string> {
    const found = new Map<string, string>();
    for (const [name, { running }] of this.#begun) {
      const pid = this.#options.runtime.firstPid(running);
      if (pid !== undefined) found.set(name, `/proc/${pid}/root/`);
    }
    return found;
  }

  #logPath(name: string, restart: number): string {
    return path.join(this.#options.directory, "logs", name, `${restart}.log`);
  }

  /** @returns what is known of a container, from now on */
  recordOf(pod: Pod, container: Container): ContainerRecord {
    this.#specs.set(container.name, container);
    const known = this.#records.get(container.name);
    if (known) return known;
    const role = roleOf(pod, container);
    const record: ContainerRecord = {
      name: container.name,
      image: container.image ?? "",
      role,
      running: undefined,
      ...(role === "main" ? formerly(pod, container.name) : { restarts: 0, last: undefined }),
      waiting: undefined,
      notBefore: 0,
      started: false,
      ready: false,
    };
    this.#records.set(container.name, record);
    if (record.last && restarts(pod, record, record.last.exit.code))
      record.waiting = { reason: "ContainerCreating" };
    return record;
  }

  // ── the beginning ─────────────────────────────────────────────────────────────────────────────────────────────

  /** Starts what is to run now; those that wait for others, or for their time, are for a later call. */
  async start(pod: Pod, place: Place): Promise<void> {
    if (mainsEnded(this.records)) return;
    for (const container of pod.spec.initContainers ?? []) {
      const record = this.recordOf(pod, container);
      if (record.role === "init" && isInitialized(record)) continue;
      await this.#ensureRunning(pod, container, record, place);
      // One that fails later is started again, and what followed it goes on.
      if (!isInitialized(record) && !mainsBegan(this.records)) return;
    }
    for (const container of [...pod.spec.containers, ...ephemeralOf(pod.spec)])
      await this.#ensureRunning(pod, container, this.recordOf(pod, container), place);
  }

  async #ensureRunning(pod: Pod, container: Container, record: ContainerRecord, place: Place): Promise<void> {
    if (record.running || hasEnded(record)) return;
    const wait = record.notBefore - Date.now();
    if (wait > 0) {
      this.#options.wake(wait);
      return;
    }
    try {
      await this.#start(pod, container, record, place);
    } catch (error) {
      this.#failedToStart(pod, record, error);
    }
  }

  async #start(
    pod: Pod,
    container: Container,
    record: ContainerRecord,
    { sandbox, facts }: Place,
  ): Promise<void> {
    const { runtime, client, services, volumes, wake } = this.#options;
    const restart = record.last ? record.restarts + 1 : record.restarts;
    const logPath = this.#logPath(container.name, restart);
    await mkdir(path.dirname(logPath), { recursive: true });
    const config = await containerConfig(container, {
      client,
      services: services(),
      facts,
      volumes,
      directory: sandbox.directory,
      logPath,
      tokenMade: () => wake(0),
    });
    const running = await runtime.start(sandbox, config);
    if (asksForUser(pod.spec, container) && !hasManyUsers()) {
      const words = `container ${container.name} runs as the only user that this machine's cluster has, which it sees as root: runAsUser and runAsNonRoot need root`;
      this.#options.events.warning(pod, "OnlyUser", words);
    }
    if (config.memoryBytes !== undefined && !runtime.hasLimits) {
      const words = `container ${container.name} may use more memory than its limit: no control groups are delegated to this cluster`;
      this.#options.events.warning(pod, "NoControlGroups", words);
    }
    await this.#forgetLog(container.name, restart - 2);
    const { lifecycle, startupProbe, readinessProbe } = container;
    record.restarts = restart;
    record.running = running;
    record.waiting = undefined;
    record.started = startupProbe === undefined && lifecycle?.postStart === undefined;
    record.ready = readinessProbe === undefined && record.started;
    this.#tellStarted(pod, container, record);
    const begun = { pod, container, record, running, sandbox };
    this.#begun.set(container.name, begun);
    if (lifecycle?.postStart) void this.#afterStart(begun);
    else this.#startProbes(begun);
    void running.exit.then((exit) => {
      this.#probes.get(container.name)?.stop();
      this.#probes.delete(container.name);
      this.#begun.delete(container.name);
      record.running = undefined;
      record.ready = false;
      record.started = false;
      record.last = { exit, container: running };
      const isOver = this.#stopping !== undefined || (record.role === "sidecar" && mainsEnded(this.records));
      if (restarts(pod, record, exit.code) && !isOver) this.#backOff(pod, record, running);
      wake(0);
    });
  }

  #tellStarted(pod: Pod, { name, image }: Container, { role }: ContainerRecord): void {
    const { events } = this.#options;
    const fieldPath = `spec.${FIELDS[role]}{${name}}`;
    const pulled = `Container image ${JSON.stringify(image)} already present on machine`;
    events.normal(pod, "Pulled", pulled, fieldPath);
    events.normal(pod, "Created", `Created container: ${name}`, fieldPath);
    events.normal(pod, "Started", `Started container ${name}`, fieldPath);
  }

  /** Those of the last two runs can be asked for. */
  async #forgetLog(name: string, restart: number): Promise<void> {
    if (restart < 0) return;
    const file = this.#logPath(name, restart);
    for (const one of [file, `${file}.1`]) await rm(one, { force: true });
  }

  /** A container whose postStart hook fails is ended, and started again as its policy says. */
  async #afterStart(begun: Begun): Promise<void> {
    const { pod, container, record, running } = begun;
    const { events, wake, runtime } = this.#options;
    const hook = container.lifecycle?.postStart;
    if (!hook) return;
    try {
      await runHook(container, hook, this.#handsOf(begun), HOOK_MS);
    } catch (error) {
      if (record.running !== running) return;
      events.warning(pod, "FailedPostStartHook", `PostStartHook failed: ${messageOf(error)}`);
      events.normal(pod, "Killing", "FailedPostStartHook");
      await runtime.stop(running, graceOf(pod) * 1000);
      return;
    }
    if (record.running !== running) return;
    record.started = container.startupProbe === undefined;
    record.ready = container.readinessProbe === undefined && record.started;
    this.#startProbes(begun);
    wake(0);
  }

  #handsOf({ running, sandbox }: Begun): HookHands {
    const { runtime } = this.#options;
    return {
      address: sandbox.addresses[0] ?? "",
      connect: (port) => runtime.connect(sandbox, port, sandbox.addresses),
      exec: async (command, signal) => (await runtime.exec(running, command, { tty: false, signal })).code,
    };
  }

  // ── what goes wrong ───────────────────────────────────────────────────────────────────────────────────────────

  #backOff(pod: Pod, record: ContainerRecord, running: RunningContainer): void {
    const delay = delayOf(record, running);
    record.notBefore = Date.now() + delay;
    if (delay === 0) {
      record.waiting = { reason: "ContainerCreating" };
      return;
    }
    const { name, namespace, uid } = pod.metadata;
    const place = `${name}_${namespace}(${uid})`;
    const message = `back-off ${humanDelay(delay)} restarting failed container=${record.name} pod=${place}`;
    record.waiting = { reason: "CrashLoopBackOff", message };
    const words = `Back-off restarting failed container ${record.name} in pod ${place}`;
    this.#options.events.warning(pod, "BackOff", words);
  }

  #failedToStart(pod: Pod, record: ContainerRecord, error: unknown): void {
    const { events, wake } = this.#options;
    const message = messageOf(error);
    const isImage =
      error instanceof ContainerError &&
      (error.reason === "ErrImagePull" || error.reason === "InvalidImageName");
    let reason = error instanceof ConfigError ? "CreateContainerConfigError" : "CreateContainerError";
    if (error instanceof ContainerError) reason = error.reason;
    events.warning(
      pod,
      "Failed",
      isImage ? `Failed to pull image ${JSON.stringify(record.image)}: ${message}` : `Error: ${message}`,
    );
    if (error instanceof ContainerError && error.reason === "RunContainerError") {
      this.#endedBeforeStart(pod, record, error);
      return;
    }
    record.waiting = {
      reason: isImage && record.waiting?.reason === "ErrImagePull" ? "ImagePullBackOff" : reason,
      message,
    };
    // What the API does not have yet, a new namespace's account say, may be there in a moment.
    const wait = error instanceof ApiError ? API_AGAIN_MS : BACKOFF_MS.first;
    record.notBefore = Date.now() + wait;
    wake(wait);
  }

  /** A program that cannot be executed counts as one that ran and failed. */
  #endedBeforeStart(pod: Pod, record: ContainerRecord, error: ContainerError): void {
    const now = new Date();
    const container: RunningContainer = {
      id: "",
      imageId: "",
      startedAt: now,
      exit: Promise.resolve(null as never),
    };
    const restart = record.last ? record.restarts + 1 : record.restarts;
    record.restarts = restart;
    record.last = {
      container,
      exit: { code: START_FAILED, reason: "StartError", finishedAt: now, message: error.message },
    };
    if (!restarts(pod, record, START_FAILED)) record.waiting = undefined;
    else {
      this.#backOff(pod, record, container);
      if (record.waiting?.reason === "ContainerCreating")
        record.waiting = { reason: "RunContainerError", message: error.message };
    }
    this.#options.wake(0);
  }

  // ── probes ────────────────────────────────────────────────────────────────────────────────────────────────────

  #startProbes(begun: Begun): void {
    const { pod, container, record, running } = begun;
    if (!container.startupProbe && !container.livenessProbe && !container.readinessProbe) return;
    const { events, wake } = this.#options;
    const probes = new Probes(container, {
      ...this.#handsOf(begun),
      failed: (kind, message) =>
        events.warning(pod, "Unhealthy", `${PROBE_NAMES[kind]} probe failed: ${message}`),
      result: (kind, healthy) => {
        if (record.running !== running) return;
        this.#probed(begun, kind, healthy);
        wake(0);
      },
    });
    this.#probes.set(container.name, probes);
    probes.start();
  }

  #probed({ pod, container, record }: Begun, kind: ProbeKind, healthy: boolean): void {
    if (kind === "readiness") {
      record.ready = healthy && record.started;
      return;
    }
    if (healthy) {
      record.started = true;
      if (!container.readinessProbe) record.ready = true;
      return;
    }
    const words = `Container ${container.name} failed ${kind} probe, will be restarted`;
    this.#options.events.normal(pod, "Killing", words);
    void this.#stop(container.name, graceOf(pod) * 1000);
  }

  // ── the end ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** The preStop hook and the program's own end have so long, together. */
  async #stop(name: string, graceMs: number): Promise<void> {
    const begun = this.#begun.get(name);
    if (!begun) return;
    const { pod, container, running } = begun;
    const { runtime, events } = this.#options;
    const hook = container.lifecycle?.preStop;
    let left = graceMs;
    if (hook && graceMs > 0) {
      const began = Date.now();
      const done = runHook(container, hook, this.#handsOf(begun), graceMs).catch((error: unknown) => {
        if (this.#begun.get(name) === begun)
          events.warning(pod, "FailedPreStopHook", `PreStopHook failed: ${messageOf(error)}`);
      });
      await Promise.race([done, running.exit]);
      left = Math.max(graceMs - (Date.now() - began), Math.min(LEAST_GRACE_MS, graceMs));
    }
    await runtime.stop(running, left);
  }

  /** Nobody needs the sidecars when all others are over: one after the other, the last first. */
  stopSidecars(graceSeconds: number): Promise<void> {
    const work = async (): Promise<void> => {
      const deadline = Date.now() + graceSeconds * 1000;
      const sidecars = this.records.filter(({ role }) => role === "sidecar").reverse();
      for (const { name } of sidecars) await this.#stop(name, Math.max(0, deadline - Date.now()));
    };
    this.#sidecarsEnd ??= work();
    return this.#sidecarsEnd;
  }

  /** Ends all, for good. A second call waits for the first. */
  stopAll(graceSeconds: number): Promise<void> {
    const work = async (): Promise<void> => {
      const deadline = Date.now() + graceSeconds * 1000;
      const others = this.records.filter(({ role }) => role !== "sidecar");
      await Promise.all(others.map(({ name }) => this.#stop(name, graceSeconds * 1000)));
      await this.stopSidecars(Math.max(0, deadline - Date.now()) / 1000);
    };
    this.#stopping ??= work();
    return this.#stopping;
  }

  /** A shorter grace than the one under way ends what still runs. */
  hurry(graceSeconds: number): void {
    if (!this.#stopping) return;
    for (const { running } of this.#begun.values())
      void this.#options.runtime.stop(running, graceSeconds * 1000);
  }
}
