/** @module What an image does here: nothing is pulled, so each image is a description. */

export const ANSWERS = [
  "http",
  "echo",
  "any",
  "mysql",
  "redis",
  "mongo",
  "postgres",
  "memcached",
  "silent",
] as const;
/** What a port says; `any` is HTTP to those who speak it and an echo to all others. */
export type Answer = (typeof ANSWERS)[number];

export interface ServedPort {
  readonly port: number;
  readonly protocol: "TCP" | "UDP" | "SCTP";
  readonly answers: Answer;
  /** What `http` answers to every path, instead of the image's pages. */
  readonly body?: string;
}

/**
 * - `process`: its command runs as a real process
 * - `server`: answers on ports, without a process
 * - `pause`: does nothing
 * - `agnhost`, `http-echo`: servers whose arguments say what they do
 * - `unknown`: nobody described it: answers on the ports that the pod declares
 */
export type ImageKind = "process" | "server" | "pause" | "agnhost" | "http-echo" | "unknown";

export interface Image {
  /** A repository, with `*` for any characters; a tag may follow. */
  readonly pattern: string;
  readonly kind: ImageKind;
  /** False: it cannot be pulled, for walkthroughs of ErrImagePull. */
  readonly exists: boolean;
  readonly serves: readonly ServedPort[];
  /** What it serves where the pod declares no ports: for images whose name only hints at what they are. */
  readonly usually: readonly ServedPort[];
  /** What runs without `command` and `args`. */
  readonly command: readonly string[];
  /** What `args` are given to; empty where `args` replace `command`. */
  readonly entrypoint: readonly string[];
  /** Its own server programs: a pod's command that runs one of these means the server, without a process. */
  readonly programs: readonly string[];
  /** Value of the Server header. */
  readonly server: string;
  /** Pages by path; placeholders as in `page.ts`. */
  readonly pages: Readonly<Record<string, string>>;
  /** Where its pages are in the container; mounts and `kubectl exec` change them there. */
  readonly documentRoot: string | undefined;
  /** Set where the pod does not set them. */
  readonly env: readonly (readonly [string, string])[];
}

export const NO_IMAGE: Omit<Image, "pattern" | "kind"> = {
  exists: true,
  serves: [],
  usually: [],
  command: [],
  entrypoint: [],
  programs: [],
  server: "",
  pages: {},
  documentRoot: undefined,
  env: [],
};

/** What a container does. */
export type Plan = ProcessPlan | ServerPlan;

export interface ProcessPlan {
  readonly kind: "process";
  readonly argv: readonly string[];
  /** What answers instead where the machine has no such program: the image's own files are not here. */
  readonly otherwise: readonly ServedPort[] | undefined;
  /** What answers beside the process, where it does not listen there itself. */
  readonly beside?: readonly ServedPort[];
}

export interface ServerPlan {
  readonly kind: "server";
  readonly serves: readonly ServedPort[];
  /** What its log begins with. */
  readonly started: readonly string[];
}
