/** @module What the machine and the process of the stand-in servers say to each other: see `stand-in-process.ts`. */
import type { Image, ServedPort } from "./image.ts";

/** A container without a process. */
export interface StandInDescription {
  readonly pod: string;
  readonly namespace: string;
  readonly hostname: string;
  readonly address: string;
  /** As the pod's author wrote it. */
  readonly imageName: string;
  readonly tag: string | undefined;
  /** By its pattern; it is described once. */
  readonly image: string;
  /** What says where the pod's database is. */
  readonly env: readonly (readonly [string, string])[];
}

export type SocketKind = "tcp4" | "tcp6" | "udp4" | "udp6";

/** From the machine. */
export type Order =
  | { readonly do: "image"; readonly image: Image }
  | { readonly do: "serve"; readonly container: number; readonly description: StandInDescription }
  /** With the socket: one that listens, or for datagrams. */
  | { readonly do: "listen"; readonly container: number; readonly port: ServedPort }
  | { readonly do: "close"; readonly container: number }
  /** The answer to a request, with what was asked for, or without where there is none. */
  | { readonly do: "answer"; readonly request: number; readonly problem?: string }
  | { readonly do: "ping"; readonly number: number };

/** A file of the container: by its path, or one of those that the kubelet writes. */
export type WantedFile =
  | { readonly kind: "path"; readonly path: string }
  | { readonly kind: "hosts" }
  | { readonly kind: "resolv.conf" };

/** From the process. */
export type Report =
  | { readonly do: "log"; readonly lines: readonly (readonly [container: number, line: string])[] }
  | { readonly do: "exit"; readonly container: number; readonly code: number }
  /** A socket in the pod's network. */
  | {
      readonly do: "socket";
      readonly request: number;
      readonly container: number;
      readonly kind: SocketKind;
    }
  | {
      readonly do: "file";
      readonly request: number;
      readonly container: number;
      readonly file: WantedFile;
    }
  | { readonly do: "pong"; readonly number: number };
