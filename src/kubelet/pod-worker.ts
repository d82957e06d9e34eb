/**
 * @module One pod on its node, from its network to its last container. `sync` brings what is there closer to what the
 * spec says and may be called at any time; calls follow one another, never overlap.
 */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import type { PodStatus } from "kubernetes-types/core/v1.js";
import { OpError } from "../base/errors.ts";
import type { Client } from "../client/client.ts";
import { isReason } from "../client/client.ts";
import type { EventRecorder } from "../client/events.ts";
import { PODS, type Pod, type Service } from "../client/kinds.ts";
import { timeText } from "../client/objects.ts";
import type { Netns } from "../linux/netns.ts";
import { removeFolder } from "../linux/remove-folder.ts";
import type { PodFacts } from "./environment.ts";
import type { PodStorage } from "./ephemeral-storage.ts";
import { type DnsSettings, hostsFile, resolvConf } from "./etc-files.ts";
import { PodContainers } from "./pod-containers.ts";
import type { ContainerView } from "./pod-host.ts";
import type { ConnectedPod, PodNetwork } from "./pod-network.ts";
import { allContainers, graceOf } from "./pod-spec.ts";
import { mainsEnded, type PodFailure, phaseOf, podStatus } from "./pod-status.ts";
import { PodVolumes } from "./pod-volumes.ts";
import type { PodSandbox, Runtime } from "./runtime/runtime.ts";

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

const CONNECT_AGAIN_MS = 2000;
/** As the kubelet gives a pod that is over its limits. */
const EVICTION_GRACE_SECONDS = 1;

export class PodWorker {
  readonly #options: PodWorkerOptions;
  #evicted: PodFailure | undefined;
  readonly #volumes: PodVolumes;
  readonly #containers: PodContainers;
  #connected: ConnectedPod | undefined;
  /** Its link is gone, and its addresses are not given back yet. */
  #former: ConnectedPod | undefined;
  #sandbox: PodSandbox | undefined;
  #startTime: string | undefined;
  #toldStatus = "";
  #toldVersion = 0;

  constructor(options: PodWorkerOptions) {
    this.#options = options;
    this.#volumes = new PodVolumes(options.directory, options.client, options.authority);
    this.#containers = new PodContainers({ ...options, volumes: this.#volumes });
  }

  get sandbox(): PodSandbox | undefined {
    return this.#sandbox;
  }

  /** @returns undefined when the pod has no container of that name */
  view(name: string): ContainerView | undefined {
    return this.#containers.view(name);
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
    if (this.#evicted) {
      await this.#endAs(pod, this.#evicted, EVICTION_GRACE_SECONDS);
      await removeFolder(path.join(this.#options.directory, "volumes"));
      return false;
    }
    for (const container of allContainers(pod)) this.#containers.recordOf(pod, container);
    const sandbox = await this.#connect(pod);
    if (sandbox) await this.#containers.start(pod, { sandbox, facts: this.#facts(pod) });
    if (mainsEnded(this.#containers.records)) void this.#containers.stopSidecars(graceOf(pod));
    const refresh = await this.#volumes.refresh(this.#facts(pod));
    if (refresh !== undefined) this.#options.wake(refresh);
    await this.#tell(pod);
    const now = phaseOf(pod, this.#containers.records);
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
    await this.#endAs(pod, { reason: "DeadlineExceeded", message }, graceOf(pod));
    return true;
  }

  /** The pod is Failed, and nothing of it runs. */
  async #endAs(pod: Pod, failure: PodFailure, graceSeconds: number): Promise<void> {
    await this.#containers.stopAll(graceSeconds);
    await this.#tell(pod, failure);
    this.#disconnect();
    this.#releaseAddresses();
  }

  /** What it keeps on the node. */
  storage(): PodStorage {
    return { directory: this.#options.directory, roots: this.#containers.roots() };
  }

  /** It is ended soon, for good: what it keeps is gone, but for its logs. */
  evict(pod: Pod, message: string): void {
    if (this.#evicted) return;
    this.#evicted = { reason: "Evicted", message };
    this.#options.events.warning(pod, "Evicted", message);
    this.#options.wake(0);
  }

  /** The pod is gone from the API, or belongs to another by now: everything of it ends. */
  async remove(): Promise<void> {
    await this.#containers.stopAll(0);
    this.#disconnect();
    this.#releaseAddresses();
    await removeFolder(this.#options.directory);
  }

  // ── network ───────────────────────────────────────────────────────────────────────────────────────────────────

  async #connect(pod: Pod): Promise<PodSandbox | undefined> {
    if (this.#sandbox) return this.#sandbox;
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
      return this.#sandbox;
    } catch (error) {
      // Files that cannot be written come after the network: the next attempt has one of its own.
      this.#disconnect();
      this.#releaseAddresses();
      // A full disk says so in an event, and is tried again.
      if (!(error instanceof OpError) && (error as NodeJS.ErrnoException).code === undefined) throw error;
      const problem = error instanceof Error ? error.message : String(error);
      events.warning(
        pod,
        "FailedCreatePodSandBox",
        `Failed to create pod sandbox: plugin type="tortie" failed (add): ${problem}`,
      );
      wake(CONNECT_AGAIN_MS);
      return undefined;
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

  // ── the end ───────────────────────────────────────────────────────────────────────────────────────────────────

  async #terminate(pod: Pod): Promise<void> {
    for (const container of allContainers(pod)) {
      if (this.#containers.view(container.name)?.running)
        this.#options.events.normal(pod, "Killing", `Stopping container ${container.name}`);
    }
    await this.#containers.stopAll(pod.metadata.deletionGracePeriodSeconds ?? graceOf(pod));
    this.#disconnect();
    await removeFolder(this.#options.directory);
  }

  /** A shorter grace than the one under way ends what still runs. */
  hurry(graceSeconds: number): void {
    this.#containers.hurry(graceSeconds);
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
      records: this.#containers.records,
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
