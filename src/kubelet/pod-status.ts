/** @module What the kubelet says of a pod (PodStatus), from the states of its containers. */
import type {
  ContainerState as ApiState,
  ContainerStatus,
  PodCondition,
  PodStatus,
} from "kubernetes-types/core/v1.js";
import type { Pod } from "../client/kinds.ts";
import { timeText } from "../client/objects.ts";
import type { ContainerExit, RunningContainer } from "./runtime/container.ts";

/**
 * A sidecar is among the init containers and runs as long as the pod does (`restartPolicy: Always`); an ephemeral
 * container was put into a pod that runs, by `kubectl debug`, and counts for nothing.
 */
export type ContainerRole = "init" | "sidecar" | "main" | "ephemeral";

/** One container of a pod, over its restarts. */
export interface ContainerRecord {
  readonly name: string;
  readonly image: string;
  readonly role: ContainerRole;
  running: RunningContainer | undefined;
  restarts: number;
  last: { readonly exit: ContainerExit; readonly container: RunningContainer } | undefined;
  /** Why it does not run, where it is to. */
  waiting: { readonly reason: string; readonly message?: string } | undefined;
  /** Until then it is not started again. */
  notBefore: number;
  started: boolean;
  ready: boolean;
}

export type Phase = "Pending" | "Running" | "Succeeded" | "Failed";

function terminated({ exit, container }: NonNullable<ContainerRecord["last"]>): ApiState {
  return {
    terminated: {
      exitCode: exit.code,
      reason: exit.reason,
      ...(exit.message !== undefined && { message: exit.message }),
      startedAt: timeText(container.startedAt),
      finishedAt: timeText(exit.finishedAt),
      containerID: `tortie://${container.id}`,
    },
  };
}

/** Whether it has ended for good: what ended and does not wait to be started again. */
export function hasEnded(record: ContainerRecord): boolean {
  return !record.running && record.last !== undefined && record.waiting === undefined;
}

function stateOf(record: ContainerRecord): ApiState {
  if (record.running) return { running: { startedAt: timeText(record.running.startedAt) } };
  if (record.waiting) return { waiting: { ...record.waiting } };
  if (record.last) return terminated(record.last);
  return { waiting: { reason: record.role === "init" ? "PodInitializing" : "ContainerCreating" } };
}

function statusOf(record: ContainerRecord): ContainerStatus {
  const container = record.running ?? record.last?.container;
  const showsLast = record.last !== undefined && !hasEnded(record);
  return {
    name: record.name,
    state: stateOf(record),
    lastState: showsLast && record.last ? terminated(record.last) : {},
    ready: record.role === "init" ? record.last?.exit.code === 0 : record.ready,
    restartCount: record.restarts,
    image: record.image,
    imageID: container?.imageId ?? "",
    ...(container && { containerID: `tortie://${container.id}` }),
    ...(record.role !== "init" && { started: record.started }),
  };
}

/** Whether what follows it may begin. */
export function isInitialized(record: ContainerRecord): boolean {
  if (record.role === "sidecar") return record.running !== undefined && record.started;
  return hasEnded(record) && record.last?.exit.code === 0;
}

export function phaseOf(pod: Pod, records: readonly ContainerRecord[]): Phase {
  const inits = records.filter(({ role }) => role === "init");
  const sidecars = records.filter(({ role }) => role === "sidecar");
  const policy = pod.spec.restartPolicy ?? "Always";
  const failedInit = inits.some((record) => hasEnded(record) && record.last?.exit.code !== 0);
  if (failedInit && policy === "Never") return "Failed";
  if (inits.some((record) => !hasEnded(record))) return "Pending";
  if (mainsEnded(records)) {
    if (sidecars.some(({ running }) => running)) return "Running";
    const mains = records.filter(({ role }) => role === "main");
    return mains.every((record) => record.last?.exit.code === 0) ? "Succeeded" : "Failed";
  }
  return mainsBegan(records) ? "Running" : "Pending";
}

/** Whether what the pod is for has ended for good. */
export function mainsEnded(records: readonly ContainerRecord[]): boolean {
  const mains = records.filter(({ role }) => role === "main");
  return mains.length > 0 && mains.every(hasEnded);
}

/** Whether the pod is past its init containers. */
export function mainsBegan(records: readonly ContainerRecord[]): boolean {
  return records.some(({ role, running, last }) => role === "main" && (running || last));
}

/** A pod that was ended before its time. */
export interface PodFailure {
  readonly reason: string;
  readonly message: string;
}

export interface StatusFacts {
  readonly pod: Pod;
  readonly records: readonly ContainerRecord[];
  readonly addresses: readonly string[];
  readonly hostAddresses: readonly string[];
  readonly startTime: string;
  readonly now: Date;
  readonly isConnected: boolean;
  readonly failure: PodFailure | undefined;
}

export function podStatus(facts: StatusFacts): PodStatus {
  const { pod, records, addresses, hostAddresses, isConnected } = facts;
  const phase = facts.failure ? "Failed" : phaseOf(pod, records);
  const mains = records.filter(({ role }) => role === "main");
  const inits = records.filter(({ role }) => role === "init" || role === "sidecar");
  const ephemeral = records.filter(({ role }) => role === "ephemeral");
  const done = phase === "Succeeded" || phase === "Failed";
  const unready = records
    .filter(({ role, ready }) => (role === "main" || role === "sidecar") && !ready)
    .map(({ name }) => name);
  const unreadyWords = done
    ? { reason: "PodCompleted" }
    : { reason: "ContainersNotReady", message: `containers with unready status: [${unready.join(" ")}]` };
  const allReady = unready.length === 0 && mains.length > 0;
  const uninitialized = mainsBegan(records) ? [] : inits.filter((record) => !isInitialized(record));
  const gates = (pod.spec.readinessGates ?? []).filter(
    ({ conditionType }) =>
      !pod.status?.conditions?.some(({ type, status }) => type === conditionType && status === "True"),
  );
  const condition = (type: string, holds: boolean, words: Partial<PodCondition> = {}): PodCondition => {
    const status = holds ? "True" : "False";
    const before = pod.status?.conditions?.find((one) => one.type === type);
    const since =
      before?.status === status && before.lastTransitionTime
        ? before.lastTransitionTime
        : timeText(facts.now);
    return {
      type,
      status,
      lastTransitionTime: since,
      ...(!holds && words),
    };
  };
  const foreign = (pod.status?.conditions ?? []).filter(
    ({ type }) =>
      !["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"].includes(
        type,
      ),
  );
  return {
    phase,
    ...facts.failure,
    conditions: [
      condition("PodReadyToStartContainers", isConnected && !done),
      condition("Initialized", uninitialized.length === 0, {
        reason: "ContainersNotInitialized",
        message: `containers with incomplete status: [${uninitialized.map(({ name }) => name).join(" ")}]`,
      }),
      condition(
        "Ready",
        allReady && gates.length === 0,
        allReady ? { reason: "ReadinessGatesNotReady" } : unreadyWords,
      ),
      condition("ContainersReady", allReady, unreadyWords),
      condition("PodScheduled", true),
      ...foreign,
    ],
    ...(hostAddresses[0] !== undefined && {
      hostIP: hostAddresses[0],
      hostIPs: hostAddresses.map((ip) => ({ ip })) as never,
    }),
    ...(addresses[0] !== undefined && { podIP: addresses[0], podIPs: addresses.map((ip) => ({ ip })) }),
    startTime: facts.startTime,
    ...(inits.length > 0 && { initContainerStatuses: inits.map(statusOf) }),
    containerStatuses: mains.map(statusOf),
    ...(ephemeral.length > 0 && { ephemeralContainerStatuses: ephemeral.map(statusOf) }),
    qosClass: qosClass(pod),
  };
}

/** Guaranteed, Burstable or BestEffort, by what containers request and limit. */
export function qosClass(pod: Pod): "Guaranteed" | "Burstable" | "BestEffort" {
  const containers = [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
  const names = ["cpu", "memory"];
  const any = containers.some(({ resources }) =>
    names.some(
      (name) => resources?.requests?.[name] !== undefined || resources?.limits?.[name] !== undefined,
    ),
  );
  if (!any) return "BestEffort";
  const guaranteed = containers.every(({ resources }) =>
    names.every((name) => {
      const limit = resources?.limits?.[name];
      return limit !== undefined && (resources?.requests?.[name] ?? limit) === limit;
    }),
  );
  return guaranteed ? "Guaranteed" : "Burstable";
}
