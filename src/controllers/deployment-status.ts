/** @module What a Deployment tells of itself: counts, and the conditions that `kubectl rollout status` waits for. */
import type { DeploymentCondition, DeploymentStatus } from "kubernetes-types/apps/v1.js";
import type { Deployment, ReplicaSet } from "../client/kinds.ts";
import { timeText } from "../client/objects.ts";
import { limitsOf } from "./deployment-scaling.ts";
import { conditionOf } from "./pod-state.ts";

const DEFAULT_DEADLINE_SECONDS = 600;
/** A deadline of this many seconds is none. */
const NO_DEADLINE = 2 ** 31 - 1;

export interface Rollout {
  readonly deployment: Deployment;
  readonly old: readonly ReplicaSet[];
  readonly fresh: ReplicaSet | undefined;
  /** The new set was made, or found among the old ones, at this look. */
  readonly beginning: "created" | "found" | undefined;
  readonly collisions: number | undefined;
  readonly now: number;
}

export function sum(sets: readonly ReplicaSet[], read: (set: ReplicaSet) => number | undefined): number {
  return sets.reduce((total, set) => total + (read(set) ?? 0), 0);
}

/** Everything runs the new template, and nothing else is left. */
export function isComplete(deployment: Deployment, status: DeploymentStatus): boolean {
  const wanted = deployment.spec.replicas ?? 1;
  return (
    (status.updatedReplicas ?? 0) === wanted &&
    (status.replicas ?? 0) === wanted &&
    (status.availableReplicas ?? 0) === wanted &&
    (status.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0)
  );
}

export function statusOf(rollout: Rollout): DeploymentStatus {
  const { deployment, old, fresh, collisions, now } = rollout;
  const all = fresh ? [...old, fresh] : [...old];
  const available = sum(all, ({ status }) => status?.availableReplicas);
  const total = sum(all, ({ spec }) => spec.replicas ?? 1);
  const counts: DeploymentStatus = {
    observedGeneration: deployment.metadata.generation ?? 0,
    replicas: sum(all, ({ status }) => status?.replicas),
    updatedReplicas: fresh?.status?.replicas ?? 0,
    readyReplicas: sum(all, ({ status }) => status?.readyReplicas),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, total - available),
    ...(collisions !== undefined && { collisionCount: collisions }),
  };
  const conditions = [availability(rollout, available), progress(rollout, counts), ...failures(all)].filter(
    (one) => one !== undefined,
  );
  const known = deployment.status?.conditions;
  return { ...counts, conditions: conditions.map((one) => dated(one, known, now)) };
}

type Undated = Omit<DeploymentCondition, "lastTransitionTime" | "lastUpdateTime">;

/** A time of transition is that of the last change of status; of update, that of any change. */
function dated(
  condition: Undated,
  known: readonly DeploymentCondition[] | undefined,
  now: number,
): DeploymentCondition {
  const before = conditionOf(known, condition.type);
  const time = timeText(now);
  const isSame =
    before?.status === condition.status &&
    before.reason === condition.reason &&
    before.message === condition.message;
  return {
    ...condition,
    lastUpdateTime: isSame ? (before.lastUpdateTime ?? time) : time,
    lastTransitionTime: before?.status === condition.status ? (before.lastTransitionTime ?? time) : time,
  };
}

function availability({ deployment }: Rollout, available: number): Undated {
  const { maxUnavailable } = limitsOf(deployment);
  return available >= (deployment.spec.replicas ?? 1) - maxUnavailable
    ? {
        type: "Available",
        status: "True",
        reason: "MinimumReplicasAvailable",
        message: "Deployment has minimum availability.",
      }
    : {
        type: "Available",
        status: "False",
        reason: "MinimumReplicasUnavailable",
        message: "Deployment does not have minimum availability.",
      };
}

function failures(sets: readonly ReplicaSet[]): Undated[] {
  for (const { status } of sets) {
    const failure = conditionOf(status?.conditions, "ReplicaFailure");
    if (failure)
      return [
        {
          type: "ReplicaFailure",
          status: failure.status,
          ...(failure.reason !== undefined && { reason: failure.reason }),
          ...(failure.message !== undefined && { message: failure.message }),
        },
      ];
  }
  return [];
}

export function deadlineMs({ spec }: Deployment): number | undefined {
  const seconds = spec.progressDeadlineSeconds ?? DEFAULT_DEADLINE_SECONDS;
  return seconds >= NO_DEADLINE ? undefined : seconds * 1000;
}

function progress(rollout: Rollout, counts: DeploymentStatus): Undated | undefined {
  const { deployment, fresh, now } = rollout;
  const before = conditionOf(deployment.status?.conditions, "Progressing");
  const limit = deadlineMs(deployment);
  if (limit === undefined) return undefined;
  const name = fresh?.metadata.name ?? "";
  const says = (status: string, reason: string, message: string): Undated => ({
    type: "Progressing",
    status,
    reason,
    message,
  });
  if (deployment.spec.paused === true)
    return before?.reason === "ProgressDeadlineExceeded"
      ? before
      : says("Unknown", "DeploymentPaused", "Deployment is paused");
  const isNewRollout = rollout.beginning !== undefined;
  if (isComplete(deployment, counts))
    return says("True", "NewReplicaSetAvailable", `ReplicaSet "${name}" has successfully progressed.`);
  // What was complete once stays so: pods that fail later are no rollout.
  if (before?.reason === "NewReplicaSetAvailable" && !isNewRollout && !isRolling(rollout)) return before;
  if (rollout.beginning === "created")
    return says("True", "NewReplicaSetCreated", `Created new replica set "${name}"`);
  if (rollout.beginning === "found")
    return says("True", "FoundNewReplicaSet", `Found new replica set "${name}"`);
  if (before?.reason === "DeploymentPaused")
    return says("Unknown", "DeploymentResumed", "Deployment is resumed");
  // A rollout that began at a look whose status could not be written begins its time now.
  const isLate = before?.reason === "NewReplicaSetAvailable";
  if (hasMoved(deployment.status, counts) || isLate || !before)
    return says("True", "ReplicaSetUpdated", `ReplicaSet "${name}" is progressing.`);
  if (now - Date.parse(String(before.lastUpdateTime ?? "")) >= limit)
    return says("False", "ProgressDeadlineExceeded", `ReplicaSet "${name}" has timed out progressing.`);
  return before;
}

function isRolling({ old, fresh, deployment }: Rollout): boolean {
  return (
    sum(old, ({ spec }) => spec.replicas ?? 1) > 0 ||
    (fresh?.spec.replicas ?? 0) !== (deployment.spec.replicas ?? 1)
  );
}

/** Any step towards the new template counts: more pods of it, fewer old ones, more that are ready. */
function hasMoved(before: DeploymentStatus | undefined, now: DeploymentStatus): boolean {
  const old = (status: DeploymentStatus | undefined): number =>
    (status?.replicas ?? 0) - (status?.updatedReplicas ?? 0);
  return (
    (now.updatedReplicas ?? 0) > (before?.updatedReplicas ?? 0) ||
    old(now) < old(before) ||
    (now.readyReplicas ?? 0) > (before?.readyReplicas ?? 0) ||
    (now.availableReplicas ?? 0) > (before?.availableReplicas ?? 0)
  );
}
