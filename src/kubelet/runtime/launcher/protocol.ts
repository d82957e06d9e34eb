/** @module What the machine's main thread asks of the threads that start containers. File descriptors are the process's. */
import type { CapabilitySet, Identity } from "../../../linux/capabilities.ts";
import type { Netns } from "../../../linux/netns.ts";
import type { Mount, TerminalSize } from "../container.ts";
import type { RootSpec } from "../root-file-system.ts";

/** What limits all that a thread executes, for good. */
export interface Confinement {
  readonly capabilities: CapabilitySet;
  readonly noNewPrivileges: boolean;
  /** The profile `RuntimeDefault`; else none. */
  readonly seccomp: boolean;
}

/** `setup`: builds containers and executes nothing of theirs. `confined`: executes them, and never can more than they. */
export type LauncherKind =
  | { readonly kind: "setup" }
  | { readonly kind: "confined"; readonly confinement: Confinement };

/** Namespaces of a container, as open files. */
export interface ContainerPlace {
  readonly netns: Netns;
  readonly uts: number;
  readonly ipc: number;
  readonly mount: number;
}

/** As whom, and with how many capabilities, files of a container are opened. */
export interface Rights {
  /** Left out where the user namespace has one user only. */
  readonly identity: Identity | undefined;
  readonly usable: CapabilitySet;
}

export interface ProgramSpec {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly rights: Rights;
  /** Files of its control groups that take the numbers of processes; empty where the machine has none. */
  readonly groups: readonly string[];
}

/** A terminal of the container's, or the descriptors for standard input, output and error; no input where undefined. */
export type StandardStreams =
  | { readonly kind: "terminal"; readonly size: TerminalSize }
  | {
      readonly kind: "pipes";
      readonly input: number | undefined;
      readonly output: number;
      readonly error: number;
    };

export type Request =
  /** UTS and IPC namespaces of a pod. → {@link Shared} */
  | { readonly do: "share"; readonly hostname: string }
  /** A mount namespace with a container's root, and the sources of its mounts. → {@link Built} */
  | {
      readonly do: "build";
      readonly netns: Netns;
      readonly root: RootSpec;
      readonly mounts: readonly Mount[];
    }
  /** Process 1, which waits for a line from `gate` before it executes the program. → {@link Started} */
  | {
      readonly do: "start";
      readonly place: ContainerPlace;
      readonly program: ProgramSpec;
      readonly streams: StandardStreams;
      readonly gate: number;
      /** It runs no program, and its orphans are cleared away. */
      readonly pause: boolean;
    }
  /** Mounts /proc and the pod's volumes, and sees whether the program can be executed: the gate can be opened then. */
  | {
      readonly do: "finish";
      readonly place: ContainerPlace & { readonly pid: number };
      readonly mounts: readonly Mount[];
      readonly trees: readonly number[];
      readonly readOnly: boolean;
      readonly unmasked: boolean;
      readonly program: ProgramSpec;
      readonly pause: boolean;
    }
  /** A command in a container that runs. → {@link Started} */
  | {
      readonly do: "exec";
      readonly place: ContainerPlace & { readonly pid: number };
      readonly program: ProgramSpec;
      readonly streams: StandardStreams;
    }
  /** A regular file below a folder, of a container's where a place is given. → a descriptor, or undefined */
  | {
      readonly do: "open";
      readonly place: (ContainerPlace & { readonly pid: number }) | undefined;
      readonly folder: string;
      readonly file: string;
      readonly rights: Rights;
    }
  /** A signal to a process that was started by the request of that number. */
  | { readonly do: "kill"; readonly process: number; readonly signal: NodeJS.Signals };

export interface Shared {
  readonly uts: number;
  readonly ipc: number;
}

export interface Built {
  readonly mount: number;
  readonly trees: readonly number[];
}

export interface Started {
  /** As the machine sees it; undefined when the program could not be executed: its end says why. */
  readonly pid: number | undefined;
  /** Its PID namespace, of one that was started. */
  readonly pidNamespace: number;
  /** Of one with a terminal: both ends are the caller's to close. */
  readonly terminal: Terminal | undefined;
}

export interface Terminal {
  readonly master: number;
  readonly slave: number;
}

export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** What an error is on the other thread. */
export interface RemoteError {
  readonly name: string;
  readonly message: string;
  readonly reason?: string;
  readonly exitCode?: number;
  readonly code?: string;
  readonly facts?: Readonly<Record<string, unknown>>;
}

export type Answer =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: RemoteError }
  /** A process that the request of this number started has ended, or could not be executed. */
  | { readonly id: number; readonly end: ProcessEnd }
  | { readonly id: number; readonly failed: string };
