/** @module Disks of a few megabytes, in a mount namespace of their own: they can be filled, and end with it. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";

export interface SmallDisk {
  readonly folder: string;
  readonly megabytes: number;
}

export class SmallDisks {
  readonly #holder: ChildProcess;

  private constructor(holder: ChildProcess) {
    this.#holder = holder;
  }

  static async mount(disks: readonly SmallDisk[]): Promise<SmallDisks> {
    const mounts = disks.map(
      ({ folder, megabytes }) => `mount -t tmpfs -o size=${megabytes}m none ${folder}`,
    );
    const script = `${mounts.join(" && ")} && echo mounted && exec cat`;
    const user = process.geteuid?.() === 0 ? [] : ["--user", "--map-root-user"];
    const holder = spawn("unshare", [...user, "--mount", "sh", "-c", script], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    await Promise.race([
      once(holder.stdout, "data"),
      once(holder, "exit").then(() => Promise.reject(new Error("small disks cannot be mounted here"))),
    ]);
    return new SmallDisks(holder);
  }

  /** Of the process that holds the mount namespace: its `/proc/PID/root` has the disks. */
  get pid(): number | undefined {
    return this.#holder.pid;
  }

  /** Words before a command that is to see them. */
  get within(): readonly string[] {
    const user = process.geteuid?.() === 0 ? [] : ["--user", "--preserve-credentials"];
    return ["nsenter", ...user, "--mount", "--target", String(this.#holder.pid), "--"];
  }

  run(script: string): string {
    const [program = "", ...words] = [...this.within, "sh", "-c", script];
    const { stdout, stderr, status } = spawnSync(program, words, { encoding: "utf8" });
    if (status !== 0) throw new Error(`${script}: ${stderr}`);
    return stdout;
  }

  /** To the last byte. */
  fill(folder: string): void {
    this.run(`cat /dev/zero > ${folder}/fill 2>/dev/null; test -s ${folder}/fill`);
  }

  free(folder: string): void {
    this.run(`rm ${folder}/fill`);
  }

  close(): void {
    this.#holder.stdin?.end();
  }
}
