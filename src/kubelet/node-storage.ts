/** @module The disk of a node: its pods are looked at in turn, and those that keep more than they may are evicted. */
import { statfs } from "node:fs/promises";
import type { Pod } from "../client/kinds.ts";
import { keepsFiles, measurePod, type PodStorage } from "./ephemeral-storage.ts";

/** A pod that may keep something. */
export interface StoringPod {
  readonly pod: Pod;
  readonly worker: { storage(): PodStorage; evict(pod: Pod, message: string): void };
}

export interface NodeStorageOptions {
  /** On the disk that pods' folders are on. */
  readonly directory: string;
  /** What all pods may keep together. */
  readonly capacityBytes: number;
  readonly pods: () => Iterable<StoringPod>;
  /** @param message - why the disk is nearly full; undefined when there is room again */
  readonly pressure: (message: string | undefined) => void;
  readonly onError: (error: unknown) => void;
}

const LOOK_MS = 2_000;
/** Of the disk: with less, the pod that keeps most has to go. */
const LEAST_FREE_BYTES = 32 * 1024 ** 2;

/** Whose end would free less is not ended for it: the disk may be full of what is no pod's. */
const LEAST_WORTH_BYTES = 1024 ** 2;
/** From here on nothing is evicted for others: `system-cluster-critical`. @see pkg/apis/scheduling/types.go */
const CRITICAL_PRIORITY = 2_000_000_000;

interface Candidate {
  readonly one: StoringPod;
  readonly bytes: number;
  readonly priority: number;
}

/** The lower priority first, and of one priority who keeps most. */
function comesBefore(a: Candidate, b: Candidate | undefined): boolean {
  if (!b) return true;
  return a.priority === b.priority ? a.bytes > b.bytes : a.priority < b.priority;
}

export class NodeStorage {
  readonly #options: NodeStorageOptions;
  #timer: NodeJS.Timeout | undefined;
  #hasPressure = false;
  #stopped = false;

  constructor(options: NodeStorageOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      void this.look()
        .catch(this.#options.onError)
        .finally(() => this.start());
    }, LOOK_MS);
    this.#timer.unref();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** Looks at all pods once. Cost: a call for each file that they keep. */
  async look(): Promise<void> {
    let total = 0;
    let next: Candidate | undefined;
    for (const one of [...this.#options.pods()]) {
      const { pod, worker } = one;
      const { phase } = pod.status ?? {};
      if (phase === "Succeeded" || phase === "Failed" || pod.metadata.deletionTimestamp) continue;
      const storage = worker.storage();
      if (!keepsFiles(pod, storage)) continue;
      const { bytes, diskBytes, excess } = await measurePod(pod, storage);
      if (excess !== undefined) {
        worker.evict(pod, excess);
        continue;
      }
      total += bytes;
      const candidate = { one, bytes: diskBytes, priority: pod.spec.priority ?? 0 };
      if (
        diskBytes >= LEAST_WORTH_BYTES &&
        candidate.priority < CRITICAL_PRIORITY &&
        comesBefore(candidate, next)
      )
        next = candidate;
    }
    const shortage = await this.#shortage(total);
    if (shortage !== undefined && next) {
      const message = `The node was low on resource: ephemeral-storage. ${shortage}. `;
      next.one.worker.evict(next.one.pod, message);
    }
    if ((shortage !== undefined) === this.#hasPressure) return;
    this.#hasPressure = shortage !== undefined;
    this.#options.pressure(shortage);
  }

  async #shortage(total: number): Promise<string | undefined> {
    const { directory, capacityBytes } = this.#options;
    if (total > capacityBytes) return `Threshold quantity: ${capacityBytes}, used: ${total}`;
    const { bavail, bsize } = await statfs(directory);
    const free = bavail * bsize;
    return free < LEAST_FREE_BYTES
      ? `Threshold quantity: ${LEAST_FREE_BYTES}, available: ${free}`
      : undefined;
  }
}
