/** @module Processes of containers: their namespaces are held here, and made and entered by threads of `launcher/`. */
import { closeSync, existsSync, openSync, statSync, writeSync } from "node:fs";
import path from "node:path";
import { Cgroup, type CgroupLimits, type CgroupRoot } from "../../linux/cgroups.ts";
import { createNetns, type Netns } from "../../linux/netns.ts";
import { makePipe } from "../../linux/pipes.ts";
import type { BaseDirectory } from "./base-directory.ts";
import { prepareBase, TOOLS_DIRECTORY } from "./base-directory.ts";
import { environment } from "./command.ts";
import type { Mount, Security, TerminalSize } from "./container.ts";
import { ContainerError } from "./container.ts";
import { HeldDescriptors } from "./held-descriptors.ts";
import type { Launched } from "./launch.ts";
import { launch } from "./launch.ts";
import { Launcher } from "./launcher/launcher.ts";
import type { Built, ContainerPlace, ProgramSpec, Shared } from "./launcher/protocol.ts";
import { confinementOf, ORDINARY, ownerOf, rightsOf } from "./limits.ts";
import type { RootSpec } from "./root-file-system.ts";
import type { Container, Spaces } from "./running.ts";
import { ThreadNamespaces } from "./thread-namespaces.ts";

/** Namespaces that the containers of a pod share. */
interface PodNamespaces extends Shared {
  readonly netns: Netns;
  readonly held: HeldDescriptors;
}

/** While any container of the pod has a process. */
interface SharedByPod {
  readonly namespaces: Promise<PodNamespaces>;
  readonly users: Set<Container>;
}

interface Start {
  readonly root: RootSpec;
  readonly security: Security;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly tty: boolean;
  readonly stdin: boolean;
  /** What is its standard input instead. */
  readonly input?: number;
  /** Only to have namespaces. */
  readonly pause: boolean;
  readonly mounts: readonly Mount[];
  /** Of its control group, and what that allows. */
  readonly name: string;
  readonly limits: CgroupLimits;
}

/** Of one container. */
const MOST_PROCESSES = 1024;

/** The process ends itself before; but not while it is busy. */
const STAND_INS_MEMORY = 640 * 1024 * 1024;
const NOBODY = 65_534;
const STAND_INS: Security = {
  ...ORDINARY,
  dropCapabilities: ["ALL"],
  noNewPrivileges: true,
  readOnlyRoot: true,
};
/** A thousand idle stand-ins take 10 MB of it. Beyond it V8 ends the process. */
const STAND_INS_FLAGS = ["--max-old-space-size=192", "--max-semi-space-size=2", "--single-threaded-gc"];

/** A package that was installed with a strict umask is its owner's alone: without a capability, but not as nobody. */
function isReadableByAll(file: string): boolean {
  return (statSync(file).mode & 0o004) !== 0;
}

/** The folder of packages that a program's `import` finds first. */
function packagesOf(program: string): string {
  let folder = path.dirname(program);
  for (;;) {
    const packages = path.join(folder, "node_modules");
    if (existsSync(path.join(packages, "koffi"))) return packages;
    if (folder === "/") throw new ContainerError("CreateContainerError", `koffi is not beside ${program}`);
    folder = path.dirname(folder);
  }
}

export class Processes {
  readonly #launcher: Launcher;
  readonly #base: BaseDirectory;
  readonly #cgroups: CgroupRoot | undefined;
  readonly #shared = new Map<string, SharedByPod>();

  /**
   * @param launcherPath - `launcher/thread.ts`, built
   * @throws OpError `kernel-unavailable` where namespaces cannot be entered and left
   */
  constructor(
    directory: string,
    options: {
      readonly toolsPath?: string;
      readonly launcherPath: string;
      readonly cgroups?: CgroupRoot | undefined;
    },
  ) {
    // Tried here: the threads would find out too late.
    new ThreadNamespaces().close();
    this.#base = prepareBase(directory, options.toolsPath);
    this.#launcher = new Launcher(options.launcherPath);
    this.#cgroups = options.cgroups;
  }

  /** Network, UTS and IPC of the pod, held until its last container with a process ends. */
  #share(container: Container): Promise<PodNamespaces> {
    const { uid } = container.pod;
    let shared = this.#shared.get(uid);
    if (!shared) {
      shared = { namespaces: this.#makeShared(container), users: new Set() };
      this.#shared.set(uid, shared);
    }
    shared.users.add(container);
    return shared.namespaces;
  }

  async #makeShared({ pod }: Container): Promise<PodNamespaces> {
    // Of our own: the pod's is closed by those who made it, and its number is given out again then.
    const netns = { name: pod.netns.name, fd: openSync(`/proc/self/fd/${pod.netns.fd}`, "r") };
    try {
      const { uts, ipc } = await this.#launcher.ask<Shared>({ do: "share", hostname: pod.hostname });
      return { netns, uts, ipc, held: new HeldDescriptors([netns.fd, uts, ipc]) };
    } catch (error) {
      closeSync(netns.fd);
      throw error;
    }
  }

  #rootOf(container: Container): RootSpec {
    const { pod, config, found } = container;
    const { documentRoot, pages } = found.image;
    const files: Record<string, string> = {};
    if (documentRoot !== undefined)
      for (const [name, text] of Object.entries(pages)) if (name !== "*") files[documentRoot + name] = text;
    const links = found.image.kind === "agnhost" ? { "/agnhost": `${TOOLS_DIRECTORY}/tool` } : {};
    return { base: this.#base, hostname: pod.hostname, etc: config.etc, files, links };
  }

  /** Process 1 of a new container. @throws ContainerError, OpError; nothing is left then */
  async #create(
    container: Container,
    how: Omit<Start, "root" | "security" | "cwd" | "name" | "limits">,
  ): Promise<Spaces> {
    const { security = ORDINARY, workingDir: cwd = "/", memoryBytes } = container.config;
    const limits = { processes: MOST_PROCESSES, memoryBytes };
    const shared = await this.#share(container);
    const root = this.#rootOf(container);
    return shared.held.whileOpen(() =>
      this.#build(shared, { ...how, root, security, cwd, name: container.id, limits }),
    );
  }

  /** In new namespaces: built, started behind a gate, finished, and let through it. @throws as {@link #create} */
  async #build(
    { netns, uts, ipc }: Shared & { readonly netns: Netns },
    { root, security, mounts, pause, ...how }: Start,
  ): Promise<Spaces> {
    const confinement = confinementOf(security);
    const rights = rightsOf(security);
    const built = await this.#launcher.ask<Built>({ do: "build", netns, root, mounts });
    const { mount, trees } = built;
    const gate = makePipe();
    const place: ContainerPlace = { netns, uts, ipc, mount };
    let cgroup: Cgroup | undefined;
    let pid: number | undefined;
    let first: Launched | undefined;
    try {
      if (this.#cgroups) cgroup = new Cgroup(this.#cgroups, how.name, how.limits);
      const { argv, env, cwd } = how;
      const program: ProgramSpec = { argv, env, cwd, rights, groups: cgroup?.procs ?? [] };
      const owner = ownerOf(security);
      const { started, launched } = await launch({ ...how, owner }, (streams) =>
        this.#launcher.start(confinement, { do: "start", place, program, streams, gate: gate.read, pause }),
      );
      first = launched;
      pid = started.pidNamespace;
      if (launched.pid !== undefined) {
        await this.#launcher.ask({
          do: "finish",
          place: { ...place, pid },
          mounts,
          trees,
          readOnly: security.readOnlyRoot,
          unmasked: security.privileged,
          program,
          pause,
        });
        writeSync(gate.write, "go\n");
      }
      return { mount, pid, held: new HeldDescriptors([mount, pid]), cgroup, first: launched };
    } catch (error) {
      first?.kill("SIGKILL");
      first?.end.catch(() => undefined);
      closeSync(mount);
      if (pid !== undefined) closeSync(pid);
      cgroup?.remove();
      throw error;
    } finally {
      for (const fd of [gate.read, gate.write, ...trees]) closeSync(fd);
    }
  }

  /** @throws ContainerError */
  async startMain(container: Container, argv: readonly string[]): Promise<Launched> {
    const { config, pod, found } = container;
    const env = environment(pod.hostname, [...found.image.env, ...config.env], config.tty);
    if (argv.length === 0) throw new ContainerError("CreateContainerError", "no command specified");
    const { tty, stdin, mounts } = config;
    const spaces = await this.#create(container, {
      argv,
      env,
      tty,
      stdin,
      mounts,
      pause: false,
    });
    container.spaces = spaces;
    return spaces.first;
  }

  /** Namespaces for a container without a process, with a process 1 that only waits. */
  async #pause(container: Container): Promise<void> {
    const late = (await container.config.lateMounts?.()) ?? [];
    const spaces = await this.#create(container, {
      argv: [],
      env: {},
      tty: false,
      stdin: false,
      mounts: [...container.config.mounts, ...late],
      pause: true,
    });
    container.spaces = spaces;
    for (const stream of [spaces.first.stdout, spaces.first.stderr]) stream?.resume();
    spaces.first.end.catch(() => undefined);
  }

  /** @throws ContainerError */
  async exec(
    container: Container,
    command: readonly string[],
    how: { readonly tty: boolean; readonly stdin: boolean; readonly size?: TerminalSize | undefined },
  ): Promise<Launched> {
    const { config, pod, found } = container;
    if (!container.process) {
      container.preparing ??= this.#pause(container);
      await container.preparing;
    }
    const { spaces } = container;
    if (!spaces) throw new ContainerError("RunContainerError", `container ${container.id} has ended`);
    const { security = ORDINARY } = config;
    const program: ProgramSpec = {
      argv: command,
      env: environment(pod.hostname, [...found.image.env, ...config.env], how.tty),
      cwd: config.workingDir ?? "/",
      rights: rightsOf(security),
      groups: spaces.cgroup?.procs ?? [],
    };
    return this.#inside(container, spaces, async (place) => {
      const { launched } = await launch({ ...how, owner: ownerOf(security) }, (streams) =>
        this.#launcher.start(confinementOf(security), { do: "exec", place, program, streams }),
      );
      return launched;
    });
  }

  /** Whatever ends meanwhile, the namespaces stay the container's until `work` is done. */
  async #inside<T>(
    container: Container,
    { mount, pid, held }: Spaces,
    work: (place: ContainerPlace & { readonly pid: number }) => Promise<T>,
  ): Promise<T> {
    return held.whileOpen(async () => {
      const { netns, uts, ipc, held: shared } = await this.#share(container);
      return shared.whileOpen(() => work({ netns, uts, ipc, mount, pid }));
    });
  }

  /**
   * A regular file of a container, opened as the container may: in its root where it has one, else where it is mounted.
   * @returns a descriptor, the caller's to close; undefined where there is none
   */
  async openFile(container: Container, file: string): Promise<number | undefined> {
    const { spaces, config } = container;
    const rights = rightsOf(config.security);
    if (spaces) {
      return this.#inside(container, spaces, (place) =>
        this.#launcher.ask<number | undefined>({ do: "open", place, folder: "/", file, rights }),
      );
    }
    const mount = config.mounts
      .filter(({ target }) => file === target || file.startsWith(`${target.replace(/\/$/, "")}/`))
      .toSorted((a, b) => b.target.length - a.target.length)[0];
    if (!mount) return undefined;
    const rest = file.slice(mount.target.replace(/\/$/, "").length);
    return this.#launcher.ask<number | undefined>({
      do: "open",
      place: undefined,
      folder: mount.source,
      file: path.posix.join(mount.subPath ?? "", rest),
      rights,
    });
  }

  /**
   * The process that answers for containers without one: in a root, a network and processes of its own, nobody where there
   * is more than one user, without any capability.
   * @param program - built as one file, beside the packages that it needs
   * @param channel - its standard input
   */
  async startStandIns(program: string, channel: number): Promise<Launched> {
    const netns = createNetns("stand-ins");
    const place = await this.#launcher.ask<Shared>({ do: "share", hostname: "stand-ins" });
    const held = new HeldDescriptors([netns.fd, place.uts, place.ipc]);
    const packages = packagesOf(program);
    const {
      first,
      held: own,
      cgroup,
    } = await held
      .whileOpen(() =>
        this.#build(
          { netns, ...place },
          {
            root: { base: this.#base, hostname: "stand-ins", etc: this.#base.etc, files: {}, links: {} },
            security: isReadableByAll(program) ? { ...STAND_INS, user: NOBODY, group: NOBODY } : STAND_INS,
            argv: [`${TOOLS_DIRECTORY}/node`, ...STAND_INS_FLAGS, `/srv/tortie/${path.basename(program)}`],
            env: { PATH: "/bin", NODE_ENV: "production" },
            cwd: "/",
            tty: false,
            stdin: false,
            input: channel,
            pause: false,
            name: "stand-ins",
            limits: { processes: 64, memoryBytes: STAND_INS_MEMORY },
            mounts: [
              { source: program, target: `/srv/tortie/${path.basename(program)}`, readOnly: true },
              { source: packages, target: "/srv/tortie/node_modules", readOnly: true },
            ],
          },
        ),
      )
      .finally(() => held.release());
    own.release();
    const remove = (): void => cgroup?.remove();
    first.end.then(remove, remove);
    return first;
  }

  /** Ends what is left of a container and drops its namespaces. */
  release(container: Container): void {
    const { spaces } = container;
    container.spaces = undefined;
    if (spaces) {
      if (!container.process) spaces.first.kill("SIGKILL");
      spaces.held.release();
      spaces.cgroup?.remove();
    }
    const shared = this.#shared.get(container.pod.uid);
    if (!shared?.users.delete(container) || shared.users.size > 0) return;
    this.#shared.delete(container.pod.uid);
    void shared.namespaces.then(
      ({ held }) => held.release(),
      () => undefined,
    );
  }

  close(): Promise<void> {
    return this.#launcher.close();
  }
}
