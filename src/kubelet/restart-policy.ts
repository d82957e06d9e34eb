/** @module Whether a container that has ended is started again, and when; and what ran before this kubelet did. */
import type { ContainerState } from "kubernetes-types/core/v1.js";
import type { Pod } from "../client/kinds.ts";
import type { ContainerRecord } from "./pod-status.ts";
import type { RunningContainer } from "./runtime/container.ts";

/** As the kubelet: the first restart is at once, the second waits ten seconds, and each later one twice as long. */
export const BACKOFF_MS = { first: 10_000, most: 300_000 } as const;
/** One that ran so long has recovered. */
const RECOVERED_MS = 600_000;

export function restarts({ spec }: Pod, { role }: ContainerRecord, code: number): boolean {
  if (role === "sidecar") return true;
  if (role === "ephemeral") return false;
  const policy = spec.restartPolicy ?? "Always";
  if (policy === "Never") return false;
  return policy === "OnFailure" || role === "init" ? code !== 0 : true;
}

/** @returns milliseconds */
export function delayOf({ restarts: count }: ContainerRecord, running: RunningContainer): number {
  const ranMs = Date.now() - running.startedAt.getTime();
  const failures = ranMs > RECOVERED_MS ? 0 : count;
  return failures === 0 ? 0 : Math.min(BACKOFF_MS.first * 2 ** (failures - 1), BACKOFF_MS.most);
}

/** `1m20s` */
export function humanDelay(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  const minutes = Math.floor(seconds / 60);
  return minutes === 0 ? `${seconds}s` : `${minutes}m${seconds % 60}s`;
}

/**
 * What the API says of a container that another machine process ran: it has ended with that one. Init containers begin
 * anew, as after a node's restart.
 */
export function formerly(pod: Pod, name: string): Pick<ContainerRecord, "restarts" | "last"> {
  const status = pod.status?.containerStatuses?.find((one) => one.name === name);
  const { running, terminated } = status?.state ?? {};
  if (!status?.containerID || (!running && !terminated))
    return { restarts: status?.restartCount ?? 0, last: undefined };
  const ended: NonNullable<ContainerState["terminated"]> = terminated ?? {
    exitCode: 255,
    reason: "Unknown",
    startedAt: running?.startedAt ?? "",
  };
  return {
    restarts: status.restartCount,
    last: {
      exit: {
        code: ended.exitCode,
        reason: ended.reason ?? "Unknown",
        finishedAt: ended.finishedAt ? new Date(ended.finishedAt) : new Date(),
        ...(ended.message !== undefined && { message: ended.message }),
      },
      container: {
        id: status.containerID.replace(/^.*:\/\//, ""),
        imageId: status.imageID,
        startedAt: new Date(ended.startedAt ?? Date.now()),
        exit: Promise.resolve(null as never),
      },
    },
  };
}
