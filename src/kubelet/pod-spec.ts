/** @module What a pod's spec says of its containers. */
import type { Container, PodSpec } from "kubernetes-types/core/v1.js";
import type { Pod } from "../client/kinds.ts";
import type { ContainerRole } from "./pod-status.ts";

const DEFAULT_GRACE_SECONDS = 30;

export function allContainers({ spec }: Pod): Container[] {
  return [...(spec.initContainers ?? []), ...spec.containers, ...ephemeralOf(spec)];
}

export function ephemeralOf({ ephemeralContainers = [] }: PodSpec): Container[] {
  // They have what containers have, but for what makes no sense in a pod that runs.
  return ephemeralContainers as unknown as Container[];
}

export function roleOf({ spec }: Pod, container: Container): ContainerRole {
  if (ephemeralOf(spec).includes(container)) return "ephemeral";
  if (!spec.initContainers?.includes(container)) return "main";
  return container.restartPolicy === "Always" ? "sidecar" : "init";
}

/** Seconds from the first word to a container that it is to end, to the last. */
export function graceOf(pod: Pod): number {
  return pod.spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
}

/** A number, or the name of one of the container's ports. @throws Error in the kubelet's words */
export function portOf({ ports }: Container, port: number | string | undefined): number {
  if (typeof port === "number") return port;
  const named = ports?.find(({ name }) => name === port);
  if (!named) throw new Error(`couldn't find port: ${port}`);
  return named.containerPort;
}
