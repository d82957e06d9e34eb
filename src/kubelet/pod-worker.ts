/**
 * @module One pod on its node, from its network to its last container. `sync` brings what is there closer to what the
 * spec says and may be called at any time; calls follow one another, never overlap.
 */
import { mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Container, PodStatus } from "kubernetes-types/core/v1.js";
import { OpError } from "../base/errors.ts";
import type { Client } from "../client/client.ts";
import { ApiError, isReason } from "../client/client.ts";
import type { EventRecorder } from "../client/events.ts";
import { PODS, type Pod, type Service } from "../client/kinds.ts";
import { timeText } from "../client/objects.ts";
import type { Netns } from "../linux/netns.ts";
import { ConfigError } from "./config-error.ts";
import { containerConfig } from "./container-config.ts";
import type { PodFacts } from "./environment.ts";
import { type DnsSettings, hostsFile, resolvConf } from "./etc-files.ts";
import type { ContainerView } from "./pod-host.ts";
import type { ConnectedPod, PodNetwork } from "./pod-network.ts";
import {
  type ContainerRecord,
  type ContainerRole,
  hasEnded,
  isInitialized,
  mainsBegan,
  mainsEnded,
  type PodFailure,
  phaseOf,
  podStatus,
} from "./pod-status.ts";
import { PodVolumes } from "./pod-volumes.ts";
import { type ProbeKind, Probes } from "./probes.ts";
import { BACKOFF_MS, delayOf, formerly, humanDelay, restarts } from "./restart-policy.ts";
import { ContainerError, type PodSandbox, type RunningContainer, type Runtime } from "./runtime/runtime.ts";

export interface PodWorkerOptions {
  readonly node: string;
  readonly hostAddresses: readonly string[];
  readonly hostNetns: Netns;
  readonly client: Client;
  readonly events: EventRecorder;
  readonly runtime: Runtime;
  readonly network: PodNetwork;
  readonly dns: DnsSettings;
  readonly authority: string;
  readonly services: () => Iterable<Service>;
  /** Where pods have their folders. */
  readonly directory: string;
  /** Asks for a sync of this pod, now or later. */
  readonly wake: (afterMs: number) => void;
}

const FIELDS: Readonly<Record<ContainerRole, string>> = {
  init: "initContainers",
  sidecar: "initContainers",
  main: "containers",
  ephemeral: "ephemeralContainers",
};
const DEFAULT_GRACE_SECONDS = 30;
/** As containerd counts a program that could not be executed. */
const START_FAILED = 128;
const CONNECT_AGAIN_MS = 2000;
const API_AGAIN_MS = 200;

export class PodWorker {
  readonly #options: PodWorkerOptions;
  readonly #records = new Map<string, ContainerRecord>();
  readonly #specs = new Map<string, Container>();
  readonly #probes = new Map<string, Probes>();
  readonly #volumes: PodVolumes;
  #connected: ConnectedPod | undefined;
  /** Its link is gone, and its addresses are not given back yet. */
  #former: ConnectedPod | undefined;
  #sandbox: PodSandbox | undefined;
  #startTime: string | undefined;
  #toldStatus = "";
  #toldVersion = 0;
  #stopping: Promise<void> | undefined;
  #sidecarsEnd: Promise<void> | undefined;

  constructor(options: PodWorkerOptions) {
    this.#options = options;
    this.#volumes = new PodVolumes(options.directory, options.client, options.authority);
  }

  get sandbox(): PodSandbox | undefined {
    return this.#sandbox;
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

  #logPath(name: string, restart: number): string {
    return path.join(this.#options.directory, "logs", name, `${restart}.log`);
  }

  /** @returns whether the pod is over: nothing of it is left, and the API has forgotten it */
  async sync(pod: Pod): Promise<boolean> {
    if (pod.metadata.deletionTimestamp !== undefined) {
      await this.#terminate(pod);
      await this.#forget(pod);
      this.#releaseAddresses();
      return true;
    }
    const { phase } = pod.status ?? {};
    if (phase === "Succeeded" || phase === "Failed") {
      // Its addresses are free for others; its logs stay until it is deleted.
      this.#disconnect();
      this.#releaseAddresses();
      return false;
    }
    this.#startTime ??= pod.status?.startTime ?? timeText(new Date());
    if (await this.#isPastDeadline(pod)) return false;
    for (const container of allContainers(pod)) this.#recordOf(pod, container);
    if (await this.#connect(pod)) await this.#startContainers(pod);
    // Nobody needs the sidecars any more.
    if (mainsEnded([...this.#records.values()])) this.#sidecarsEnd ??= this.#stopSidecars(graceOf(pod));
    const refresh = await this.#volumes.refresh(this.#facts(pod));
    if (refresh !== undefined) this.#options.wake(refresh);
    await this.#tell(pod);
    const now = phaseOf(pod, [...this.#records.values()]);
    if (now === "Succeeded" || now === "Failed") {
      this.#disconnect();
      this.#releaseAddresses();
    }
    return false;
  }

  /** One that may run for so long only is Failed then, whatever its containers do. */
  async #isPastDeadline(pod: Pod): Promise<boolean> {
    const seconds = pod.spec.activeDeadlineSeconds;
    if (seconds === undefined) return false;
    const left = Date.parse(this.#startTime ?? "") + seconds * 1000 - Date.now();
    if (left > 0) {
      this.#options.wake(left);
      return false;
    }
    const message = "Pod was active on the node longer than the specified deadline";
    this.#options.events.normal(pod, "DeadlineExceeded", message);
    await this.#stopAll(graceOf(pod));
    await this.#tell(pod, { reason: "DeadlineExceeded", message });
    this.#disconnect();
    this.#releaseAddresses();
    return true;
  }

  /** The pod is gone from the API, or belongs to another by now: everything of it ends. */
  async remove(): Promise<void> {
    await this.#stopAll(0);
    this.#disconnect();
    this.#releaseAddresses();
    await rm(this.#options.directory, { recursive: true, force: true });
  }

  #recordOf(pod: Pod, container: Container): ContainerRecord {
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

  // ── network ───────────────────────────────────────────────────────────────────────────────────────────────────

  async #connect(pod: Pod): Promise<boolean> {
    if (this.#sandbox) return true;
    const { network, directory, events, wake } = this.#options;
    const { uid = "", namespace = "", name } = pod.metadata;
    const key = `${namespace}/${name}`;
    try {
      const isHost = pod.spec.hostNetwork === true;
      if (!isHost)
        this.#connected = await network.connect(
          key,
          uid,
          (pod.status?.podIPs ?? []).flatMap(({ ip }) => ip ?? []),
        );
      const addresses = isHost ? this.#options.hostAddresses : (this.#connected?.planned.addresses ?? []);
      const hostname = isHost ? this.#options.node : (pod.spec.hostname ?? name).slice(0, 63);
      await mkdir(path.join(directory, "etc"), { recursive: true });
      await writeFile(path.join(directory, "etc", "hosts"), hostsFile(pod, hostname, addresses));
      await writeFile(path.join(directory, "etc", "resolv.conf"), resolvConf(pod, this.#options.dns));
      const netns = this.#connected?.netns ?? this.#options.hostNetns;
      this.#sandbox = { uid, namespace, name, hostname, netns, addresses, directory };
      return true;
    } catch (error) {
      if (!(error instanceof OpError)) throw error;
      events.warning(
        pod,
        "FailedCreatePodSandBox",
        `Failed to create pod sandbox: plugin type="tortie" failed (add): ${error.message}`,
      );
      wake(CONNECT_AGAIN_MS);
      return false;
    }
  }

  #facts(pod: Pod): PodFacts {
    return { pod, addresses: this.#sandbox?.addresses ?? [], hostAddresses: this.#options.hostAddresses };
  }

  #disconnect(): void {
    const connected = this.#connected;
    this.#connected = undefined;
    this.#sandbox = undefined;
    if (!connected) return;
    this.#former = connected;
    this.#options.network.disconnect(connected);
  }

  /** When the API has heard that the pod is over. */
  #releaseAddresses(): void {
    if (this.#former) this.#options.network.release(this.#former);
    this.#former = undefined;
  }

  // ── containers ────────────────────────────────────────────────────────────────────────────────────────────────

  async #startContainers(pod: Pod): Promise<void> {
    const records = (): ContainerRecord[] => [...this.#records.values()];
    if (mainsEnded(records())) return;
    for (const container of pod.spec.initContainers ?? []) {
      const record = this.#recordOf(pod, container);
      if (record.role === "init" && isInitialized(record)) continue;
      await this.#ensureRunning(pod, container, record);
      // One that fails later is started again, and what followed it goes on.
      if (!isInitialized(record) && !mainsBegan(records())) return;
    }
    for (const container of [...pod.spec.containers, ...ephemeralOf(pod.spec)])
      await this.#ensureRunning(pod, container, this.#recordOf(pod, container));
  }

  /** One after the other, the last first, as a pod's end has it. */
  async #stopSidecars(graceSeconds: number): Promise<void> {
    const deadline = Date.now() + graceSeconds * 1000;
    const sidecars = [...this.#records.values()].filter(({ role }) => role === "sidecar").reverse();
    for (const { running } of sidecars)
      if (running) await this.#options.runtime.stop(running, Math.max(0, deadline - Date.now()));
  }

  async #ensureRunning(pod: Pod, container: Container, record: ContainerRecord): Promise<void> {
    if (record.running || hasEnded(record)) return;
    const wait = record.notBefore - Date.now();
    if (wait > 0) {
      this.#options.wake(wait);
      return;
    }
    try {
      await this.#start(pod, container, record);
    } catch (error) {
      this.#failedToStart(pod, record, error);
    }
  }

  async #start(pod: Pod, container: Container, record: ContainerRecord): Promise<void> {
    const { runtime, client, events, services, wake } = this.#options;
    const sandbox = this.#sandbox;
    if (!sandbox) return;
    const fieldPath = `spec.${FIELDS[record.role]}{${container.name}}`;
    const restart = record.last ? record.restarts + 1 : record.restarts;
    const logPath = this.#logPath(container.name, restart);
    await mkdir(path.dirname(logPath), { recursive: true });
    const config = await containerConfig(container, {
      client,
      services: services(),
      facts: this.#facts(pod),
      volumes: this.#volumes,
      directory: sandbox.directory,
      logPath,
      tokenMade: () => wake(0),
    });
    const running = await runtime.start(sandbox, config);
    await this.#forgetLog(container.name, restart - 2);
    record.restarts = restart;
    record.running = running;
    record.waiting = undefined;
    record.started = container.startupProbe === undefined;
    record.ready = container.readinessProbe === undefined && record.started;
    events.normal(
      pod,
      "Pulled",
      `Container image ${JSON.stringify(container.image)} already present on machine`,
      fieldPath,
    );
    events.normal(pod, "Created", `Created container: ${container.name}`, fieldPath);
    events.normal(pod, "Started", `Started container ${container.name}`, fieldPath);
    this.#startProbes(pod, container, record, running);
    void running.exit.then((exit) => {
      this.#probes.get(container.name)?.stop();
      this.#probes.delete(container.name);
      record.running = undefined;
      record.ready = false;
      record.started = false;
      record.last = { exit, container: running };
      const isOver =
        this.#stopping !== undefined ||
        (record.role === "sidecar" && mainsEnded([...this.#records.values()]));
      if (restarts(pod, record, exit.code) && !isOver) this.#backOff(pod, record, running);
      this.#options.wake(0);
    });
  }

  /** Those of the last two runs can be asked for. */
  async #forgetLog(name: string, restart: number): Promise<void> {
    if (restart < 0) return;
    const file = this.#logPath(name, restart);
    for (const one of [file, `${file}.1`]) await rm(one, { force: true });
  }

  #backOff(pod: Pod, record: ContainerRecord, running: RunningContainer): void {
    const delay = delayOf(record, running);
    record.notBefore = Date.now() + delay;
    const words = `back-off ${humanDelay(delay)} restarting failed container=${record.name} pod=${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})`;
    record.waiting =
      delay === 0 ? { reason: "ContainerCreating" } : { reason: "CrashLoopBackOff", message: words };
    if (delay > 0)
      this.#options.events.warning(
        pod,
        "BackOff",
        `Back-off restarting failed container ${record.name} in pod ${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})`,
      );
  }

  #failedToStart(pod: Pod, record: ContainerRecord, error: unknown): void {
    const { events, wake } = this.#options;
    const message = error instanceof Error ? error.message : String(error);
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

  #startProbes(pod: Pod, container: Container, record: ContainerRecord, running: RunningContainer): void {
    if (!container.startupProbe && !container.livenessProbe && !container.readinessProbe) return;
    const { runtime, events, wake } = this.#options;
    const sandbox = this.#sandbox;
    if (!sandbox) return;
    const probes = new Probes(container, {
      address: sandbox.addresses[0] ?? "",
      connect: (port) => runtime.connect(sandbox, port, sandbox.addresses),
      exec: async (command, signal) => (await runtime.exec(running, command, { tty: false, signal })).code,
      failed: (kind, message) =>
        events.warning(pod, "Unhealthy", `${PROBE_NAMES[kind]} probe failed: ${message}`),
      result: (kind, healthy) => {
        if (record.running !== running) return;
        this.#probed(pod, record, { kind, healthy, container, running });
        wake(0);
      },
    });
    this.#probes.set(container.name, probes);
    probes.start();
  }

  #probed(
    pod: Pod,
    record: ContainerRecord,
    {
      kind,
      healthy,
      container,
      running,
    }: { kind: ProbeKind; healthy: boolean; container: Container; running: RunningContainer },
  ): void {
    if (kind === "readiness") {
      record.ready = healthy && record.started;
      return;
    }
    if (healthy) {
      record.started = true;
      if (!container.readinessProbe) record.ready = true;
      return;
    }
    this.#options.events.normal(
      pod,
      "Killing",
      `Container ${container.name} failed ${kind} probe, will be restarted`,
    );
    void this.#options.runtime.stop(running, graceOf(pod) * 1000);
  }

  // ── the end ───────────────────────────────────────────────────────────────────────────────────────────────────

  async #terminate(pod: Pod): Promise<void> {
    for (const container of allContainers(pod)) {
      if (this.#records.get(container.name)?.running)
        this.#options.events.normal(pod, "Killing", `Stopping container ${container.name}`);
    }
    await this.#stopAll(pod.metadata.deletionGracePeriodSeconds ?? graceOf(pod));
    this.#disconnect();
    await rm(this.#options.directory, { recursive: true, force: true });
  }

  #stopAll(graceSeconds: number): Promise<void> {
    const { runtime } = this.#options;
    const work = async (): Promise<void> => {
      const deadline = Date.now() + graceSeconds * 1000;
      const others = [...this.#records.values()].filter(({ role }) => role !== "sidecar");
      await Promise.all(others.map(({ running }) => running && runtime.stop(running, graceSeconds * 1000)));
      await this.#stopSidecars(Math.max(0, deadline - Date.now()) / 1000);
    };
    this.#stopping ??= work();
    return this.#stopping;
  }

  /** A shorter grace than the one under way ends what still runs. */
  hurry(graceSeconds: number): void {
    if (!this.#stopping) return;
    for (const { running } of this.#records.values())
      if (running) void this.#options.runtime.stop(running, graceSeconds * 1000);
  }

  async #forget(pod: Pod): Promise<void> {
    const { namespace, name, uid } = pod.metadata;
    try {
      await this.#options.client.delete(
        PODS,
        { namespace, name },
        { gracePeriodSeconds: 0, ...(uid !== undefined && { uid }) },
      );
    } catch (error) {
      if (!isReason(error, "NotFound", "Conflict")) throw error;
    }
  }

  async #tell(pod: Pod, failure?: PodFailure): Promise<void> {
    const status = podStatus({
      pod,
      records: [...this.#records.values()],
      addresses: this.#sandbox?.addresses ?? [],
      hostAddresses: this.#options.hostAddresses,
      startTime: this.#startTime ?? timeText(new Date()),
      now: new Date(),
      isConnected: this.#sandbox !== undefined,
      failure,
    });
    const text = JSON.stringify(status);
    if (text === this.#toldStatus && !this.#isOverwritten(pod, status)) return;
    const { namespace, name, uid, resourceVersion } = pod.metadata;
    // What others say of readiness is in the list that we write whole.
    const guard = pod.spec.readinessGates?.length ? { resourceVersion } : {};
    try {
      const { metadata } = await this.#options.client.patch(
        PODS,
        { namespace, name },
        { metadata: { uid, ...guard }, status },
        { type: "merge", subresource: "status" },
      );
      this.#toldStatus = text;
      this.#toldVersion = Number(metadata.resourceVersion);
    } catch (error) {
      if (isReason(error, "NotFound")) return;
      // Of another pod by now, or changed meanwhile: what has changed wakes us.
      if (!isReason(error, "Conflict")) throw error;
    }
  }

  /** Whether somebody else has said, after us, what is ours to say. */
  #isOverwritten({ metadata, status: there }: Pod, ours: PodStatus): boolean {
    if (Number(metadata.resourceVersion) <= this.#toldVersion) return false;
    return (
      there?.phase !== ours.phase || JSON.stringify(there?.podIPs ?? []) !== JSON.stringify(ours.podIPs ?? [])
    );
  }
}

const PROBE_NAMES: Readonly<Record<ProbeKind, string>> = {
  startup: "Startup",
  liveness: "Liveness",
  readiness: "Readiness",
};

function allContainers({ spec }: Pod): Container[] {
  return [...(spec.initContainers ?? []), ...spec.containers, ...ephemeralOf(spec)];
}

function ephemeralOf({ ephemeralContainers = [] }: Pod["spec"]): Container[] {
  // They have what containers have, but for what makes no sense in a pod that runs.
  return ephemeralContainers as unknown as Container[];
}

function roleOf({ spec }: Pod, container: Container): ContainerRole {
  if (ephemeralOf(spec).includes(container)) return "ephemeral";
  if (!spec.initContainers?.includes(container)) return "main";
  return container.restartPolicy === "Always" ? "sidecar" : "init";
}

function graceOf(pod: Pod): number {
  return pod.spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
}
