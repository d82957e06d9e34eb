/** @module Processes of containers: their namespaces are held here, and made and entered by threads of `launcher/`. */
import { closeSync, openSync, writeSync } from "node:fs";
import type { Netns } from "../../linux/netns.ts";
import type { BaseDirectory } from "./base-directory.ts";
import { prepareBase, TOOLS_DIRECTORY } from "./base-directory.ts";
import { environment } from "./command.ts";
import type { Mount } from "./container.ts";
import { ContainerError } from "./container.ts";
import { HeldDescriptors } from "./held-descriptors.ts";
import type { Launched } from "./launch.ts";
import { launch, makePipe } from "./launch.ts";
import { Launcher } from "./launcher/launcher.ts";
import type { Built, ContainerPlace, ProgramSpec, Shared } from "./launcher/protocol.ts";
import { confinementOf, ORDINARY, ownerOf, rightsOf } from "./limits.ts";
import type { RootSpec } from "./root-file-system.ts";
import type { Container, Spaces } from "./running.ts";

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
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly tty: boolean;
  readonly stdin: boolean;
  /** Only to have namespaces. */
  readonly pause: boolean;
  readonly mounts: readonly Mount[];
}

/** Names that dash and busybox's shell do not hand on. */
const PLAIN_NAME = /^[A-Za-z_]\w*$/;

export class Processes {
  readonly #launcher: Launcher;
  readonly #base: BaseDirectory;
  readonly #shared = new Map<string, SharedByPod>();

  /** @param launcherPath - `launcher/thread.ts`, built */
  constructor(directory: string, paths: { readonly toolsPath?: string; readonly launcherPath: string }) {
    this.#base = prepareBase(directory, paths.toolsPath);
    this.#launcher = new Launcher(paths.launcherPath);
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

  /**
   * Process 1 of a new container, in new namespaces: built, started behind a gate, finished, and let through it.
   * @throws ContainerError, OpError; nothing is left then
   */
  async #create(container: Container, how: Start): Promise<Spaces> {
    const { config } = container;
    const { security = ORDINARY } = config;
    const confinement = confinementOf(security);
    const program: ProgramSpec = {
      argv: how.argv,
      env: how.env,
      cwd: config.workingDir ?? "/",
      rights: rightsOf(security),
    };
    const { netns, uts, ipc } = await this.#share(container);
    const root = this.#rootOf(container);
    const { mounts } = how;
    const built = await this.#launcher.ask<Built>({ do: "build", netns, root, mounts });
    const { mount, trees } = built;
    const gate = makePipe();
    const place: ContainerPlace = { netns, uts, ipc, mount };
    let pid: number | undefined;
    let first: Launched | undefined;
    try {
      const { started, launched } = await launch({ ...how, owner: ownerOf(security) }, (streams) =>
        this.#launcher.start(confinement, {
          do: "start",
          place,
          program,
          streams,
          gate: gate.read,
          pause: how.pause,
        }),
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
          pause: how.pause,
        });
        writeSync(gate.write, "go\n");
      }
      return { mount, pid, held: new HeldDescriptors([mount, pid]), first: launched };
    } catch (error) {
      first?.kill("SIGKILL");
      first?.end.catch(() => undefined);
      closeSync(mount);
      if (pid !== undefined) closeSync(pid);
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
    const odd = Object.entries(env).filter(([name]) => !PLAIN_NAME.test(name));
    const { tty, stdin, mounts } = config;
    const spaces = await this.#create(container, {
      argv:
        odd.length === 0 ? argv : ["/bin/env", ...odd.map(([name, value]) => `${name}=${value}`), ...argv],
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
    how: { readonly tty: boolean; readonly stdin: boolean },
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
   * A regular file of a container that has namespaces, as the container may read it.
   * @returns undefined where there is none, or it is larger
   */
  async read(container: Container, file: string, mostBytes: number): Promise<Buffer | undefined> {
    const { spaces, config } = container;
    if (!spaces) return undefined;
    const bytes = await this.#inside(container, spaces, (place) =>
      this.#launcher.ask<Uint8Array | undefined>({
        do: "read",
        place,
        file,
        mostBytes,
        rights: rightsOf(config.security),
      }),
    );
    return bytes && Buffer.from(bytes);
  }

  /** Ends what is left of a container and drops its namespaces. */
  release(container: Container): void {
    const { spaces } = container;
    container.spaces = undefined;
    if (spaces) {
      if (!container.process) spaces.first.kill("SIGKILL");
      spaces.held.release();
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
