/** @module Processes of containers: their namespaces are made, entered and closed here. */
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { BaseDirectory } from "./base-directory.ts";
import { prepareBase, TOOLS_DIRECTORY } from "./base-directory.ts";
import { checkProgram, environment, prepareDirectory } from "./command.ts";
import type { ContainerConfig, Mount, Security } from "./container.ts";
import { ContainerError } from "./container.ts";
import type { Launched } from "./launch.ts";
import { launch } from "./launch.ts";
import { buildRoot } from "./root-file-system.ts";
import type { Container, Spaces } from "./running.ts";
import type { Place } from "./thread-namespaces.ts";
import { ThreadNamespaces } from "./thread-namespaces.ts";

interface Shared {
  readonly uts: number;
  readonly ipc: number;
  users: number;
}

/** What container engines leave to a container's root, but for mknod: volumes are on the machine's own file systems. */
const CAPABILITIES: readonly string[] =
  "chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw sys_chroot audit_write setfcap".split(
    " ",
  );
const SETPRIV = "/usr/bin/setpriv";
const ORDINARY: Security = {
  privileged: false,
  groups: [],
  readOnlyRoot: false,
  noNewPrivileges: false,
  addCapabilities: [],
  dropCapabilities: [],
};

const BIND = "/bin/busybox mount -o bind";
const READ_ONLY = "/bin/busybox mount -o remount,bind,ro,nosuid,nodev,noexec";
/** Process 1 mounts its own /proc first: only a member of a PID namespace can. */
const MOUNT_PROC = "/bin/busybox mount -t proc -o nosuid,nodev,noexec proc /proc";
/** As container engines have it: what is the whole machine's can be read, not written. */
const READ_ONLY_PROC = `for p in sys sysrq-trigger bus fs irq; do [ ! -e /proc/$p ] || { ${BIND} /proc/$p /proc/$p && ${READ_ONLY} /proc/$p; } || exit 128; done`;
const INIT = `${MOUNT_PROC}; exec "$@"`;
const CONFINED_INIT = `${MOUNT_PROC}; ${READ_ONLY_PROC}; exec "$@"`;
/** Ignoring SIGCHLD, which lasts over exec, lets the kernel clear away orphans. */
const PAUSE = `${MOUNT_PROC}; ${READ_ONLY_PROC}; echo ready; trap "" CHLD; exec /bin/busybox sleep 2147483647`;

const EXEC_FAILED = "OCI runtime exec failed: exec failed: unable to start container process";
const START_FAILED =
  "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init";

/** Names that dash does not hand on. */
const PLAIN_NAME = /^[A-Za-z_]\w*$/;

function capabilities({ addCapabilities, dropCapabilities, noNewPrivileges }: Security): string[] {
  const nameOf = (text: string): string => text.toLowerCase().replace(/^cap_/, "");
  const [add, drop] = [addCapabilities.map(nameOf), dropCapabilities.map(nameOf)];
  // What is dropped and added stays: `drop: [ALL], add: [NET_RAW]`.
  const kept = drop.includes("all") ? [] : CAPABILITIES.filter((name) => !drop.includes(name));
  const bounds = add.includes("all")
    ? ["+all", ...drop.filter((name) => name !== "all").map((name) => `-${name}`)]
    : ["-all", ...new Set([...kept, ...add])].map((name) => (name === "-all" ? name : `+${name}`));
  return [
    "--bounding-set",
    bounds.join(","),
    "--inh-caps=-all",
    ...(noNewPrivileges ? ["--no-new-privs"] : []),
  ];
}

function identity({ user, group, groups }: Security): string[] {
  if (!hasManyUsers() || (user === undefined && group === undefined && groups.length === 0)) return [];
  return [
    ...(user === undefined ? [] : ["--reuid", String(user)]),
    ...["--regid", String(group ?? 0)],
    ...(groups.length === 0 ? ["--clear-groups"] : ["--groups", groups.join(",")]),
  ];
}

let manyUsers: boolean | undefined;

/** Whether there is another user than root here: without privileges outside, a user namespace has one only. */
export function hasManyUsers(): boolean {
  manyUsers ??= readFileSync("/proc/self/uid_map", "utf8")
    .trim()
    .split("\n")
    .some((line) => Number(line.trim().split(/\s+/)[2]) > 1);
  return manyUsers;
}

function ownerOf({ security }: ContainerConfig): number | undefined {
  return hasManyUsers() ? security?.user : undefined;
}

/** @throws ContainerError where nothing takes capabilities away: then nothing starts with them */
function limited(container: Container, argv: readonly string[]): readonly string[] {
  const { security = ORDINARY } = container.config;
  const limits = [...(security.privileged ? [] : capabilities(security)), ...identity(security)];
  if (limits.length === 0) return argv;
  if (existsSync(SETPRIV)) return [SETPRIV, ...limits, "--", ...argv];
  throw new ContainerError(
    "CreateContainerError",
    `${SETPRIV} is needed; install it with: apt-get install util-linux`,
  );
}

const SET_UP_MS = 2000;
const SET_UP_LOOK_MS = 2;

/** Resolves when process 1 has mounted what it has to: whoever came before would see another /proc, and an open one. */
async function isSetUp({ pid }: Launched): Promise<void> {
  const deadline = Date.now() + SET_UP_MS;
  const isMounting = (): boolean => {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      return words[2] === INIT || words[2] === CONFINED_INIT;
    } catch {
      return false;
    }
  };
  while (isMounting() && Date.now() < deadline) await sleep(SET_UP_LOOK_MS);
}

export class Processes {
  readonly #threads: ThreadNamespaces;
  readonly #base: BaseDirectory;
  readonly #shared = new Map<string, Shared>();
  readonly #sharers = new Set<Container>();

  constructor(directory: string, toolsPath: string | undefined) {
    this.#threads = new ThreadNamespaces();
    this.#base = prepareBase(directory, toolsPath);
  }

  /** UTS and IPC of the pod, which live until its last container with a process ends. */
  #share(container: Container): Shared {
    const { uid, hostname } = container.pod;
    let shared = this.#shared.get(uid);
    if (!shared) {
      shared = { ...this.#threads.createShared(hostname), users: 0 };
      this.#shared.set(uid, shared);
    }
    if (!this.#sharers.has(container)) {
      this.#sharers.add(container);
      shared.users++;
    }
    return shared;
  }

  #createMount(container: Container, late: readonly Mount[]): number {
    const { pod, config, found } = container;
    const { documentRoot, pages } = found.image;
    const files: Record<string, string> = {};
    if (documentRoot !== undefined)
      for (const [name, text] of Object.entries(pages)) if (name !== "*") files[documentRoot + name] = text;
    const links = found.image.kind === "agnhost" ? { "/agnhost": `${TOOLS_DIRECTORY}/tool` } : {};
    return this.#threads.createMount(pod.netns, () =>
      buildRoot({
        base: this.#base,
        hostname: pod.hostname,
        mounts: [...config.mounts, ...late],
        etc: config.etc,
        files,
        links,
        readOnly: config.security?.readOnlyRoot === true,
      }),
    );
  }

  /** Process 1 of a new container, in new namespaces. */
  #create(container: Container, start: () => Launched, late: readonly Mount[] = []): Spaces {
    const { uts, ipc } = this.#share(container);
    const mount = this.#createMount(container, late);
    try {
      const place: Place = { netns: container.pod.netns, uts, ipc, mount, pid: "new" };
      const first = this.#threads.inside(place, start);
      // One that could not be executed has no namespace; `end` tells.
      const pid = openSync(first.pid === undefined ? "/dev/null" : `/proc/${first.pid}/ns/pid`, "r");
      return { mount, pid, first };
    } catch (error) {
      closeSync(mount);
      throw error;
    }
  }

  /** @throws ContainerError */
  startMain(container: Container, argv: readonly string[]): Launched {
    const { config, pod, found } = container;
    const cwd = config.workingDir ?? "/";
    const env = environment(pod.hostname, [...found.image.env, ...config.env], config.tty);
    if (argv.length === 0) throw new ContainerError("CreateContainerError", "no command specified");
    const odd = Object.entries(env).filter(([name]) => !PLAIN_NAME.test(name));
    const inner =
      odd.length === 0 ? argv : ["/bin/env", ...odd.map(([name, value]) => `${name}=${value}`), ...argv];
    container.spaces = this.#create(container, () => {
      prepareDirectory(cwd);
      checkProgram(argv, env, cwd, START_FAILED);
      return launch({
        argv: [
          "/bin/sh",
          "-c",
          config.security?.privileged ? INIT : CONFINED_INIT,
          "sh",
          ...limited(container, inner),
        ],
        env,
        cwd,
        tty: config.tty,
        stdin: config.stdin,
        owner: ownerOf(config),
      });
    });
    return container.spaces.first;
  }

  /** Namespaces for a container without a process, with a process 1 that only waits. */
  async #pause(container: Container): Promise<void> {
    const late = (await container.config.lateMounts?.()) ?? [];
    const spaces = this.#create(
      container,
      () => launch({ argv: ["/bin/sh", "-c", PAUSE], env: {}, cwd: "/", tty: false, stdin: false }),
      late,
    );
    container.spaces = spaces;
    spaces.first.stderr?.resume();
    const ready = new Promise((resolve) => spaces.first.stdout.once("data", resolve));
    await Promise.race([ready, spaces.first.end]);
  }

  /** @throws ContainerError */
  async exec(
    container: Container,
    command: readonly string[],
    how: { readonly tty: boolean; readonly stdin: boolean },
  ): Promise<Launched> {
    const { config, pod, found } = container;
    if (!container.process) {
      container.preparing ??= this.#pause(container);
      await container.preparing;
    }
    if (container.process) await isSetUp(container.process);
    const { spaces } = container;
    if (!spaces) throw new ContainerError("RunContainerError", `container ${container.id} has ended`);
    const { uts, ipc } = this.#share(container);
    const { mount, pid } = spaces;
    const env = environment(pod.hostname, [...found.image.env, ...config.env], how.tty);
    const cwd = config.workingDir ?? "/";
    return this.#threads.inside({ netns: pod.netns, uts, ipc, mount, pid }, () => {
      prepareDirectory(cwd);
      checkProgram(command, env, cwd, EXEC_FAILED);
      return launch({ argv: limited(container, command), env, cwd, owner: ownerOf(config), ...how });
    });
  }

  /** Ends what is left of a container and drops its namespaces. */
  release(container: Container): void {
    const { spaces } = container;
    container.spaces = undefined;
    if (spaces) {
      if (!container.process) spaces.first.kill("SIGKILL");
      closeSync(spaces.mount);
      closeSync(spaces.pid);
    }
    if (!this.#sharers.delete(container)) return;
    const shared = this.#shared.get(container.pod.uid);
    if (!shared || --shared.users > 0) return;
    this.#shared.delete(container.pod.uid);
    closeSync(shared.uts);
    closeSync(shared.ipc);
  }

  close(): void {
    this.#threads.close();
  }
}
