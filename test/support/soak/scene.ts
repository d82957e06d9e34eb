/** @module What a soak runs against: one cluster on small disks of its own, and how it is spoken to. */
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import path from "node:path";
import { must } from "../../../src/base/errors.ts";
import { HttpClient } from "../../../src/client/http-client.ts";
import { readCredentials } from "../../../src/cluster/credentials.ts";
import { type Layout, layoutOf } from "../../../src/cluster/layout.ts";
import { readSettings } from "../../../src/cluster/settings.ts";
import { TestCluster } from "../cluster.ts";
import { SmallDisks } from "../small-disks.ts";

const STATE_MEGABYTES = 256;
const RUN_MEGABYTES = 256;

export class Scene {
  readonly folder: string;
  readonly cluster: TestCluster;
  /** None where this user can mount nothing. */
  readonly disks: SmallDisks | undefined;
  #layout: Layout | undefined;
  #client: HttpClient | undefined;
  #count = 0;

  private constructor(folder: string, disks: SmallDisks | undefined) {
    this.folder = folder;
    this.disks = disks;
    this.cluster = new TestCluster({ folder, ...(disks && { within: disks.within }) });
  }

  static async open(): Promise<Scene> {
    const folder = mkdtempSync("/tmp/ts.");
    for (const name of ["state", "run"]) mkdirSync(path.join(folder, name));
    const disks = await SmallDisks.mount([
      { folder: path.join(folder, "state"), megabytes: STATE_MEGABYTES },
      { folder: path.join(folder, "run"), megabytes: RUN_MEGABYTES },
    ]).catch((error: unknown) => {
      if (process.env["TORTIE_REQUIRE_KERNEL"] === "1") throw error;
      return undefined;
    });
    return new Scene(folder, disks);
  }

  /** Where a file of the cluster is for this process, which is outside of the disks' mount namespace. */
  seen(file: string): string {
    return this.disks ? path.join(`/proc/${this.disks.pid}/root`, file) : file;
  }

  get stateDisk(): string {
    return path.join(this.folder, "state");
  }

  get runDisk(): string {
    return path.join(this.folder, "run");
  }

  get layout(): Layout {
    this.#layout ??= this.#findLayout();
    return this.#layout;
  }

  #findLayout(): Layout {
    const { XDG_STATE_HOME, TORTIE_RUN_DIR } = process.env;
    const before = { XDG_STATE_HOME, TORTIE_RUN_DIR };
    process.env["XDG_STATE_HOME"] = this.seen(this.stateDisk);
    process.env["TORTIE_RUN_DIR"] = this.seen(this.runDisk);
    try {
      return layoutOf(this.cluster.name);
    } finally {
      for (const [name, value] of Object.entries(before))
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
    }
  }

  get token(): string {
    const credentials = must(readCredentials(this.layout), "the cluster's credentials");
    return must(credentials.tokens["admin"], "the administrator's token");
  }

  /** Of the API on 127.0.0.1. */
  get apiPort(): number {
    return must(readSettings(this.layout), "the cluster's settings").port;
  }

  get client(): HttpClient {
    this.#client ??= new HttpClient({
      server: "http://tortie",
      socketPath: this.layout.apiSocket,
      token: this.token,
      userAgent: "soak",
    });
    return this.#client;
  }

  /** No connection of ours is open after it; the next use of `client` opens others. */
  hangUp(): void {
    this.#client?.close();
    this.#client = undefined;
  }

  connectApi(): Socket {
    return connect(this.layout.apiSocket);
  }

  /** A name that no other object of this soak has. */
  name(kind: string): string {
    return `${kind}-${++this.#count}`;
  }

  /** Whether the kernel limits processes and memory of containers here. */
  get hasLimits(): boolean {
    return existsSync(this.layout.cgroups);
  }

  close(): void {
    this.hangUp();
    this.disks?.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
