/**
 * @module The API server's and the kubelet's streams against clients that keep to no rule: they go on, they hold no more
 * memory after three hundred sessions than after one hundred, and no more files than before.
 */
import { execFileSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tokenHash } from "../../src/apiserver/users.ts";
import { NAMESPACES, PODS } from "../../src/client/kinds.ts";
import { ControlPlane } from "../../src/cluster/control-plane.ts";
import { cidrsOf } from "../../src/cluster/settings.ts";
import { ImageCatalogue } from "../../src/kubelet/images/catalogue.ts";
import type { ContainerView } from "../../src/kubelet/pod-host.ts";
import type { ContainerConfig, PodSandbox } from "../../src/kubelet/runtime/runtime.ts";
import { Runtime } from "../../src/kubelet/runtime/runtime.ts";
import { type StreamServer, serveStreams } from "../../src/kubelet/streams/server.ts";
import { closeNetns, createNetns, inNamespace } from "../../src/linux/netns.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { BUILT, containersRun } from "../support/containers.ts";
import { EVERY_SESSION, type HostileTarget, hostileSessions } from "../support/hostile-client.ts";

const SESSIONS = 300;
const WARM = 100;
const PORT = 8080;
const TOKEN = "an-administrators-token";
const SHARE = 1.1;

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** What is held, and not what is garbage: the least of several looks, a collection before each. */
async function heldBytes(): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let look = 0; look < 10; look++) {
    await sleep(100);
    collect();
    const { heapUsed, external } = process.memoryUsage();
    least = Math.min(least, heapUsed + external);
  }
  return least;
}

/** Of this process, by what they are. A collection closes none: who does not close keeps. */
function openFiles(): number {
  return readdirSync("/proc/self/fd").length;
}

/** That a client has gone which is not read is noticed when it is asked, some seconds later. */
async function openFilesDownTo(count: number): Promise<number> {
  for (let tries = 0; tries < 200 && openFiles() > count; tries++) await sleep(100);
  return openFiles();
}

function pour(socket: Socket): void {
  const block = Buffer.alloc(64 * 1024);
  const more = (): void => {
    while (socket.writable && socket.write(block));
  };
  socket.on("error", () => socket.destroy()).on("drain", more);
  more();
}

describe.skipIf(!containersRun(import.meta.filename))("streams with hostile clients", () => {
  const directory = mkdtempSync(path.join(tmpdir(), "tortie-hostile."));
  const faults: unknown[] = [];
  const note = (error: unknown): void => void faults.push(error);
  const netns = createNetns("hostile");
  let runtime: Runtime | undefined;
  let plane: ControlPlane | undefined;
  let server: StreamServer | undefined;
  let target: HostileTarget | undefined;
  // Both say more than anyone reads.
  const inside = [
    createServer((socket) => pour(socket)),
    createServer((socket) =>
      socket.once("data", (chunk: Buffer) => {
        const isUpgrade = /^upgrade:/im.test(chunk.toString("latin1"));
        const [status, ...headers] = isUpgrade
          ? ["101 Switching Protocols", "Connection: Upgrade", "Upgrade: websocket"]
          : ["200 OK", "Connection: close"];
        socket.write([`HTTP/1.1 ${status}`, ...headers, "", ""].join("\r\n"));
        pour(socket);
      }),
    ),
  ];

  beforeAll(async () => {
    await build({
      entryPoints: [path.join(import.meta.dirname, "../../src/kubelet/tools/main.ts")],
      outfile: path.join(directory, "tools.cjs"),
      bundle: true,
      platform: "node",
      format: "cjs",
      logLevel: "silent",
    });
    inNamespace(netns, () => execFileSync("ip", ["link", "set", "lo", "up"]));
    runtime = new Runtime({
      directory: path.join(directory, "runtime"),
      catalogue: new ImageCatalogue(),
      toolsPath: path.join(directory, "tools.cjs"),
      ...BUILT,
    });
    const folder = path.join(directory, "pod");
    mkdirSync(folder);
    writeFileSync(path.join(folder, "hosts"), "127.0.0.1\tlocalhost\n");
    writeFileSync(path.join(folder, "resolv.conf"), "nameserver 127.0.0.1\n");
    const sandbox: PodSandbox = {
      uid: "uid",
      namespace: "default",
      name: "victim",
      hostname: "victim",
      netns,
      addresses: ["127.0.0.1"],
      directory: folder,
    };
    const config: ContainerConfig = {
      name: "c",
      image: "busybox",
      // Who attaches is poured at too, and the log grows slowly.
      command: ["sh", "-c", "while sleep 0.01; do echo 0123456789; done"],
      env: [],
      tty: false,
      stdin: true,
      stdinOnce: false,
      mounts: [],
      ports: [],
      logPath: path.join(folder, "0.log"),
      etc: { hosts: path.join(folder, "hosts"), resolvConf: path.join(folder, "resolv.conf") },
    };
    const running = await runtime.start(sandbox, config);
    const view: ContainerView = { running, ...config, previousLogPath: undefined, waiting: undefined };
    const socketPath = path.join(directory, "kubelet.sock");
    server = await serveStreams({
      socketPath,
      host: { container: () => view, sandbox: () => sandbox },
      runtime,
      log: () => undefined,
    });
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    plane = await ControlPlane.start({
      store: new MemoryStore(),
      serviceNetworks: cidrsOf(["10.96.0.0/16"]),
      tokens: new Map([[tokenHash(TOKEN), { name: "admin", groups: ["system:masters"] }]]),
      signingKey: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
      kubeletOf: () => socketPath,
    });
    const apiPath = path.join(directory, "api.sock");
    await plane.open([{ door: { kind: "unix", path: apiPath } }]);
    await plane
      .client("test")
      .create(NAMESPACES, { apiVersion: "v1", kind: "Namespace", metadata: { name: "default" } });
    await plane.client("test").create(PODS, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { namespace: "default", name: "victim" },
      spec: { nodeName: "node-1", containers: [{ name: "c", image: "busybox", stdin: true }] },
    });
    await plane
      .client("test")
      .patch(
        PODS,
        { namespace: "default", name: "victim" },
        { status: { phase: "Running", podIP: "127.0.0.1", podIPs: [{ ip: "127.0.0.1" }] } },
        { type: "merge", subresource: "status" },
      );
    for (const [place, one] of inside.entries()) {
      const listening = once(one, "listening");
      inNamespace(netns, () => void one.listen({ port: PORT + place, exclusive: true }));
      await listening;
    }
    target = {
      connect: () => connect(apiPath),
      authorization: `Bearer ${TOKEN}`,
      pod: "victim",
      port: PORT,
      webPort: PORT + 1,
    };
    process.on("uncaughtException", note);
    process.on("unhandledRejection", note);
  });

  afterAll(async () => {
    process.off("uncaughtException", note);
    process.off("unhandledRejection", note);
    for (const one of inside) one.close();
    await server?.close();
    await plane?.close();
    await runtime?.close();
    closeNetns(netns);
    rmSync(directory, { recursive: true, force: true });
  });

  test("go on, and hold nothing of sessions that have ended", async () => {
    if (!target) throw new Error("there is no server");
    // What is loaded and opened once is there before.
    await hostileSessions(target, { from: 0, to: 22 });
    await sleep(1000);
    const filesBefore = openFiles();
    const begun = await hostileSessions(target, { from: 0, to: WARM });
    const filesAfterWarm = await openFilesDownTo(filesBefore);
    const bytesAfterWarm = await heldBytes();
    const rest = await hostileSessions(target, { from: WARM, to: SESSIONS });
    const filesAfter = await openFilesDownTo(filesBefore);
    const bytesAfter = await heldBytes();
    const all = [...begun, ...rest];
    expect(faults).toEqual([]);
    expect(all).toHaveLength(SESSIONS);
    // None of the sessions is an attack on a door that was shut.
    expect(all.filter(({ answer }) => !/^HTTP\/1\.1 (101|200)/.test(answer))).toEqual([]);
    expect(SESSIONS).toBeGreaterThanOrEqual(EVERY_SESSION);
    expect([filesAfterWarm, filesAfter]).toEqual([filesBefore, filesBefore]);
    expect(bytesAfter).toBeLessThan(bytesAfterWarm * SHARE);
  });
});
