/** @module What a stand-in server knows of the container that it stands for. */
import type { Socket } from "node:net";
import type { Image, ServedPort } from "../image.ts";

export interface ServerContext {
  readonly pod: string;
  readonly namespace: string;
  readonly hostname: string;
  readonly address: string;
  readonly image: Image;
  /** As the pod's author wrote it. */
  readonly imageName: string;
  readonly tag: string | undefined;
  /** What says where the pod's database is: see `databaseOf`. */
  readonly env: ReadonlyMap<string, string>;
  log(line: string): void;
  /** A file of the container, wherever mounts and `kubectl exec` have put it; undefined where there is none. */
  readFile(path: string): Promise<Buffer | undefined>;
  /** A connection from inside the pod. Rejects after `timeoutMs`. */
  dial(host: string, port: number, timeoutMs: number): Promise<Socket>;
  /** Sends a datagram from inside the pod, and resolves with the first answer. */
  ask(host: string, port: number, message: string, timeoutMs: number): Promise<string>;
  /** Ends the container. */
  exit(code: number): void;
}

/** One connection's or datagram's end at the container. */
export interface Served {
  readonly context: ServerContext;
  readonly port: ServedPort;
}

/** Without the form that IPv6 sockets give to IPv4 addresses. */
export function plainAddress(address: string | undefined): string {
  return (address ?? "").replace(/^::ffff:/, "");
}
