/** @module Where a cluster keeps its things: what lasts in the user's state folder, sockets where paths are short. */
import { accessSync, constants, mkdirSync, statSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import path from "node:path";
import { OpError } from "../base/errors.ts";

export interface Layout {
  readonly name: string;
  /** Objects, certificates, settings: what `reset` deletes. */
  readonly state: string;
  readonly settings: string;
  readonly pki: string;
  readonly data: string;
  readonly logs: string;
  /** What the user says of images, as it was at the start. */
  readonly images: string;
  /** Sockets and what dies with the cluster. A socket's path may have 107 bytes. */
  readonly run: string;
  readonly apiSocket: string;
  readonly kubeletSocket: string;
  readonly machineSocket: string;
  /** Where an etcd of the machine's own network is reached from inside. */
  readonly etcdSocket: string;
  /** Held while the cluster is started. */
  readonly lock: string;
  /** The control groups that were made for it. */
  readonly cgroups: string;
  /** The number of the process that holds all others, from before it answers. */
  readonly machinePid: string;
  agentSocket(node: string): string;
}

const NAME = /^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$/;

export function stateRoot(): string {
  return path.join(process.env["XDG_STATE_HOME"] ?? path.join(homedir(), ".local", "state"), "tortie");
}

/** @throws OpError `input-invalid` for a name that no context may have */
export function layoutOf(name: string): Layout {
  if (!NAME.test(name)) {
    throw new OpError(
      `${JSON.stringify(name)} is no name for a cluster: lower case letters, digits and '-', 40 at most`,
      {
        code: "input-invalid",
        facts: { name },
      },
    );
  }
  const state = path.join(stateRoot(), name);
  const run = path.join(runRoot(), name);
  return {
    name,
    state,
    settings: path.join(state, "cluster.json"),
    pki: path.join(state, "pki"),
    data: path.join(state, "data"),
    logs: path.join(state, "logs"),
    images: path.join(state, "images.yaml"),
    run,
    apiSocket: path.join(run, "api.sock"),
    kubeletSocket: path.join(run, "kubelet.sock"),
    machineSocket: path.join(run, "machine.sock"),
    etcdSocket: path.join(run, "etcd.sock"),
    lock: path.join(stateRoot(), `${name}.lock`),
    cgroups: path.join(state, "cgroups.json"),
    machinePid: path.join(state, "machine.pid"),
    agentSocket: (node) => path.join(run, `agent-${node}.sock`),
  };
}

/** In the environment of the machine: a CgroupRoot, or null. */
export const CGROUPS = "TORTIE_CGROUPS";

/** In the environment of a machine that is started again. */
export const STARTED_AGAIN = "TORTIE_STARTED_AGAIN";

/** Where the parts of a cluster find its sockets: their own environment and user may say something else. */
export const RUN_ROOT = "TORTIE_RUN_ROOT";

function runRoot(): string {
  const given = process.env[RUN_ROOT];
  if (given) return given;
  const wanted = process.env["TORTIE_RUN_DIR"];
  if (wanted) return path.join(wanted, "tortie");
  const ofSession = process.env["XDG_RUNTIME_DIR"];
  if (ofSession && isWritable(ofSession)) return path.join(ofSession, "tortie");
  return path.join(tmpdir(), `tortie-${process.getuid?.() ?? 0}`);
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** @throws OpError `file-unreadable`, `output-failed` on a full disk */
export function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (cause) {
    const isFull = (cause as NodeJS.ErrnoException).code === "ENOSPC";
    throw new OpError(`cannot make the folder ${folder}: ${(cause as Error).message}`, {
      code: isFull ? "output-failed" : "file-unreadable",
      cause,
      facts: { folder },
    });
  }
}

/** `sun_path` has 108 bytes, the last one zero (unix(7)). */
const LONGEST_SOCKET = 107;

/**
 * @throws OpError `file-unreadable` for folders that cannot be made, and for one of another user's, who could put sockets
 * there in our stead; `input-invalid` where sockets would have names too long for the kernel
 */
export function makeFolders(layout: Layout): void {
  const longest = layout.agentSocket("node100");
  if (Buffer.byteLength(longest) > LONGEST_SOCKET) {
    throw new OpError(
      `${longest} is too long for a socket's name (${LONGEST_SOCKET} bytes); name a shorter folder with TORTIE_RUN_DIR`,
      { code: "input-invalid", facts: { path: longest } },
    );
  }
  for (const folder of [layout.state, layout.pki, layout.logs, layout.run]) makeFolder(folder);
  const root = path.dirname(layout.run);
  const { uid } = statSync(root);
  if (uid !== process.getuid?.()) {
    throw new OpError(`${root} is another user's (${uid}); name a folder of your own with TORTIE_RUN_DIR`, {
      code: "file-unreadable",
      facts: { folder: root, uid },
    });
  }
}

/** Of the control group that its containers are in; two users' clusters may have one name. */
export function cgroupName({ name }: Layout): string {
  return `tortie-${process.getuid?.() ?? 0}-${name}`;
}
