/** @module What the kubelet asks of the runtime, and what it hears back. */
import type { Readable, Writable } from "node:stream";
import type { Netns } from "../../linux/netns.ts";

/** A pod's place: its network is made, and later closed, by the caller. */
export interface PodSandbox {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly hostname: string;
  /** Of a pod on its node's network, the node's. */
  readonly netns: Netns;
  readonly addresses: readonly string[];
  /** A folder for this pod alone. */
  readonly directory: string;
}

/** A file or folder of the machine, seen in a container. */
export interface Mount {
  readonly source: string;
  /** The part of the source that is meant; links on the way to it stay inside the source. Made where it is not there. */
  readonly subPath?: string;
  readonly target: string;
  readonly readOnly: boolean;
}

export interface ContainerPort {
  readonly port: number;
  readonly protocol: "TCP" | "UDP" | "SCTP";
}

export interface ContainerConfig {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env: readonly (readonly [string, string])[];
  readonly workingDir?: string;
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly stdinOnce: boolean;
  readonly mounts: readonly Mount[];
  /** What is mounted beside them in a container without a process, when a command is first executed there. */
  readonly lateMounts?: () => Promise<readonly Mount[]>;
  readonly ports: readonly ContainerPort[];
  readonly logPath: string;
  /** Files of the machine that are the container's /etc/hosts and /etc/resolv.conf. */
  readonly etc: { readonly hosts: string; readonly resolvConf: string };
  readonly security?: Security;
  /** What its processes may use together, where the machine has control groups. */
  readonly memoryBytes?: number;
}

/** Who a container's processes are and what they may do. */
export interface Security {
  /** All capabilities, and a /proc that can be written. */
  readonly privileged: boolean;
  /** Root where left out. */
  readonly user?: number;
  readonly group?: number;
  readonly groups: readonly number[];
  readonly readOnlyRoot: boolean;
  readonly noNewPrivileges: boolean;
  readonly seccomp: "RuntimeDefault" | "Unconfined";
  /** As in a pod's spec: `NET_ADMIN`, `ALL`. Beside those that container engines give by default. */
  readonly addCapabilities: readonly string[];
  readonly dropCapabilities: readonly string[];
}

export interface ContainerExit {
  /** As Kubernetes counts it: 128 and the signal's number where a signal ended the process. */
  readonly code: number;
  readonly signal?: string;
  /** `Completed`, `Error`, `OOMKilled`, `StartError`. */
  readonly reason: string;
  readonly finishedAt: Date;
  readonly message?: string;
}

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

export interface Streams {
  readonly stdin?: Readable;
  readonly stdout?: Writable;
  readonly stderr?: Writable;
  readonly tty: boolean;
  readonly onResize?: (listener: (size: TerminalSize) => void) => void;
  /** Kills the command when it comes. */
  readonly signal?: AbortSignal;
}

export interface RunningContainer {
  /** 64 hexadecimal digits. */
  readonly id: string;
  readonly imageId: string;
  readonly startedAt: Date;
  /** None where the image only answers on ports. */
  readonly pid?: number | undefined;
  /** Never rejects. */
  readonly exit: Promise<ContainerExit>;
}

export type ContainerReason =
  | "CreateContainerError"
  | "RunContainerError"
  | "ErrImagePull"
  | "InvalidImageName";

/** A container that could not start, or a command that could not be executed; in containerd's words. */
export class ContainerError extends Error {
  override readonly name = "ContainerError";
  readonly reason: ContainerReason;
  /** Exit code of a command that could not be executed: 127 not found, 126 not executable, else 128. */
  readonly exitCode: number;
  constructor(reason: ContainerReason, message: string, exitCode = 128) {
    super(message);
    this.reason = reason;
    this.exitCode = exitCode;
  }
}
