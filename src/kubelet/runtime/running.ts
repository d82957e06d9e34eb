/** @module One container while it runs: its exit, its namespaces when it has any, and who serves for it. */

import { constants } from "node:os";
import type { Cgroup } from "../../linux/cgroups.ts";
import type { FoundImage } from "../images/catalogue.ts";
import type { Plan } from "../images/image.ts";
import type { Attachments } from "./attachments.ts";
import type { ContainerConfig, ContainerExit, PodSandbox, RunningContainer } from "./container.ts";
import type { HeldDescriptors } from "./held-descriptors.ts";
import type { Launched } from "./launch.ts";
import type { ProcessEnd } from "./launcher/protocol.ts";
import type { LogWriter } from "./log-writer.ts";

/** Namespaces of a container that has or had a process. */
export interface Spaces {
  readonly mount: number;
  readonly pid: number;
  /** Both of them. */
  readonly held: HeldDescriptors;
  /** Where the machine has them. */
  readonly cgroup: Cgroup | undefined;
  /** Process 1. */
  readonly first: Launched;
}

export class Container implements RunningContainer {
  readonly id: string;
  readonly imageId: string;
  readonly startedAt: Date = new Date();
  readonly exit: Promise<ContainerExit>;
  readonly pod: PodSandbox;
  readonly config: ContainerConfig;
  readonly found: FoundImage;
  readonly log: LogWriter;
  plan: Plan | undefined;
  process: Launched | undefined;
  spaces: Spaces | undefined;
  /** While the namespaces of a container without a process are being made. */
  preparing: Promise<void> | undefined;
  attachments: Attachments | undefined;
  ended: ContainerExit | undefined;
  readonly execs: Set<Launched> = new Set();
  readonly #resolve: (exit: ContainerExit) => void;

  constructor(parts: {
    readonly id: string;
    readonly pod: PodSandbox;
    readonly config: ContainerConfig;
    readonly found: FoundImage;
    readonly log: LogWriter;
  }) {
    this.id = parts.id;
    this.pod = parts.pod;
    this.config = parts.config;
    this.found = parts.found;
    this.log = parts.log;
    this.imageId = parts.found.id;
    let resolve: (exit: ContainerExit) => void = () => {
      // Set by the promise below.
    };
    this.exit = new Promise((done) => {
      resolve = done;
    });
    this.#resolve = resolve;
  }

  /** Its main process, as this process sees it; undefined without one. */
  get pid(): number | undefined {
    return this.process?.pid;
  }

  /** Once; later calls change nothing. @returns whether this was the end */
  end(exit: ContainerExit): boolean {
    if (this.ended) return false;
    this.ended = exit;
    this.#resolve(exit);
    return true;
  }
}

/** As Kubernetes counts: 128 and the signal's number. */
export function exitOf(end: ProcessEnd, message?: string): ContainerExit {
  const code = end.code ?? 128 + (end.signal === null ? 0 : constants.signals[end.signal]);
  return {
    code,
    reason: code === 0 ? "Completed" : "Error",
    finishedAt: new Date(),
    ...(end.signal === null ? {} : { signal: end.signal }),
    ...(message === undefined ? {} : { message }),
  };
}
