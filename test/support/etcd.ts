/** @module A real etcd for one test, on free ports or a Unix socket, its data in a folder that goes with it. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Endpoint } from "../../src/store/etcd-store.ts";

const START_MS = 15_000;

export function hasEtcd(): boolean {
  return (process.env["PATH"] ?? "").split(":").some((place) => existsSync(path.join(place, "etcd")));
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}

export class Etcd {
  readonly folder: string = mkdtempSync(path.join(tmpdir(), "te."));
  readonly #ports: readonly [client: number, peer: number];
  #child: ChildProcess | undefined;

  private constructor(ports: readonly [number, number]) {
    this.#ports = ports;
  }

  static async start(): Promise<Etcd> {
    const etcd = new Etcd([await freePort(), await freePort()]);
    await etcd.run();
    return etcd;
  }

  get port(): number {
    return this.#ports[0];
  }

  /** etcd 3.4 wants a port there too, and names the file after it, in its own folder. */
  get #socketName(): string {
    return `localhost:${this.port}`;
  }

  get socketPath(): string {
    return path.join(this.folder, this.#socketName);
  }

  get endpoint(): Endpoint {
    return { host: "127.0.0.1", port: this.port };
  }

  /** Starts it, again where it was ended. */
  async run(): Promise<void> {
    const tcp = `http://127.0.0.1:${this.port}`;
    const peer = `http://127.0.0.1:${this.#ports[1]}`;
    rmSync(this.socketPath, { force: true });
    const child = spawn(
      "etcd",
      [
        ...[
          "--name",
          "one",
          "--data-dir",
          path.join(this.folder, "data"),
          "--logger",
          "zap",
          "--log-level",
          "error",
        ],
        ...["--listen-client-urls", `${tcp},unix://${this.#socketName}`, "--advertise-client-urls", tcp],
        ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer],
        ...["--initial-cluster", `one=${peer}`],
      ],
      { stdio: "ignore", cwd: this.folder },
    );
    this.#child = child;
    let failure: Error | undefined;
    child.on("error", (error) => {
      failure = error;
    });
    const deadline = Date.now() + START_MS;
    while (!(await isHealthy(tcp))) {
      if (failure) throw failure;
      if (child.exitCode !== null) throw new Error(`etcd ended with ${child.exitCode}`);
      if (Date.now() > deadline) throw new Error("etcd did not start in time");
      await sleep(20);
    }
  }

  /** As a machine that loses power would. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }

  async close(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

async function isHealthy(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/health`);
    return (await response.text()).includes("true");
  } catch {
    return false;
  }
}
