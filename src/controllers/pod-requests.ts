/** @module What a pod asks of a node: processor, memory, ports. */
import type { Container } from "kubernetes-types/core/v1.js";
import type { Pod } from "../client/kinds.ts";
import { parseQuantity } from "./amounts.ts";

export interface Resources {
  /** Processors. */
  readonly cpu: number;
  /** Bytes. */
  readonly memory: number;
}

const known = new WeakMap<Pod["spec"], Resources>();

function of(container: Container, name: "cpu" | "memory"): number {
  const { requests, limits } = container.resources ?? {};
  return parseQuantity(requests?.[name] ?? limits?.[name]);
}

/** Containers run together, those that prepare one after the other: the larger of both counts. */
export function requestsOf({ spec }: Pod): Resources {
  const before = known.get(spec);
  if (before) return before;
  const measure = (name: "cpu" | "memory"): number => {
    let together = 0;
    let peak = 0;
    for (const container of spec.initContainers ?? []) {
      // One that is restarted always goes on beside all that come after it.
      if ((container as { restartPolicy?: string }).restartPolicy === "Always")
        together += of(container, name);
      else peak = Math.max(peak, together + of(container, name));
    }
    for (const container of spec.containers) together += of(container, name);
    return Math.max(peak, together) + parseQuantity(spec.overhead?.[name]);
  };
  const resources = { cpu: measure("cpu"), memory: measure("memory") };
  known.set(spec, resources);
  return resources;
}

/** `TCP 8080 127.0.0.1` of every port that the pod takes of its node. */
export function hostPortsOf({ spec }: Pod): string[] {
  return spec.containers.flatMap((container) =>
    (container.ports ?? []).flatMap((port) => {
      const hostPort = port.hostPort ?? (spec.hostNetwork === true ? port.containerPort : 0);
      return hostPort > 0 ? [`${port.protocol ?? "TCP"} ${hostPort} ${port.hostIP ?? ""}`] : [];
    }),
  );
}
