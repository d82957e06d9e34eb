/** @module What the streaming server asks of the kubelets of a machine. */
import type { PodSandbox, RunningContainer } from "./runtime/container.ts";

export interface ContainerView {
  /** undefined while it does not run. */
  readonly running: RunningContainer | undefined;
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly stdinOnce: boolean;
  /** Of the container that runs, or ran last; it may not be there yet. */
  readonly logPath: string;
  /** Of the one before it. */
  readonly previousLogPath: string | undefined;
  /** Why it does not run: `CrashLoopBackOff`, `ContainerCreating` … */
  readonly waiting: string | undefined;
}

export interface PodHost {
  /** @returns undefined when no kubelet of this machine has the pod, or the pod no such container */
  container(namespace: string, pod: string, container: string): ContainerView | undefined;
  /** @returns undefined while the pod has no network */
  sandbox(namespace: string, pod: string): PodSandbox | undefined;
}
