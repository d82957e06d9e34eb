/**
 * @module exec, attach, logs, port-forward and cp by the real kubectl: through the API server's TLS to the kubelets'
 * streaming server, to processes in namespaces. With WebSockets as it has them today, and with SPDY as old ones do.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createHash, generateKeyPairSync, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { NAMESPACES, PODS } from "../../src/client/kinds.ts";
import { createAuthority, sign } from "../../src/cluster/certificates.ts";
import { ControlPlane } from "../../src/cluster/control-plane.ts";
import { kubeconfigOf, kubeconfigText } from "../../src/cluster/kubeconfig.ts";
import { cidrsOf } from "../../src/cluster/settings.ts";
import { ImageCatalogue } from "../../src/kubelet/images/catalogue.ts";
import type { ContainerView, PodHost } from "../../src/kubelet/pod-host.ts";
import type { ContainerConfig, PodSandbox, RunningContainer } from "../../src/kubelet/runtime/runtime.ts";
import { Runtime } from "../../src/kubelet/runtime/runtime.ts";
import { type StreamServer, serveStreams } from "../../src/kubelet/streams/server.ts";
import type { Netns } from "../../src/linux/netns.ts";
import { closeNetns, createNetns, inNamespace } from "../../src/linux/netns.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { BUILT, containersRun } from "../support/containers.ts";
import { type KubectlVersion, kubectlPath } from "../support/kubectl.ts";

const directory = mkdtempSync(path.join(tmpdir(), "tortie-streams."));
await build({
  entryPoints: [path.join(import.meta.dirname, "../../src/kubelet/tools/main.ts")],
  outfile: path.join(directory, "tools.cjs"),
  bundle: true,
  platform: "node",
  format: "cjs",
  logLevel: "silent",
});

const runtime = containersRun(import.meta.filename)
  ? new Runtime({
      directory: path.join(directory, "runtime"),
      catalogue: new ImageCatalogue(),
      toolsPath: path.join(directory, "tools.cjs"),
      ...BUILT,
    })
  : undefined;

interface Client {
  readonly name: string;
  readonly version: KubectlVersion;
  readonly env: Readonly<Record<string, string>>;
}

const SPDY = { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: "false", KUBECTL_PORT_FORWARD_WEBSOCKETS: "false" };
const NEWEST: Client = { name: "kubectl 1.36", version: "v36", env: {} };
const OLDEST: Client = { name: "kubectl 1.30 with SPDY", version: "v30", env: SPDY };
const CLIENTS = [NEWEST, OLDEST];
const EVERY_CLIENT: Client[] = [
  ...CLIENTS,
  { name: "kubectl 1.35", version: "v35", env: {} },
  { name: "kubectl 1.33", version: "v33", env: {} },
];

interface Ran {
  readonly status: number | null;
  readonly stdout: Buffer;
  readonly text: string;
  readonly errors: string;
}

const MEGABYTE = 1024 * 1024;

function hash(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

interface Place {
  readonly sandbox: PodSandbox;
  readonly views: Map<string, ContainerView>;
}

describe.skipIf(!runtime)("kubectl", () => {
  const rt = runtime as Runtime;
  const pods = new Map<string, Place>();
  const spaces: Netns[] = [];
  const children = new Set<ChildProcess>();
  let plane: ControlPlane | undefined;
  let server: StreamServer | undefined;
  const lines: string[] = [];
  const kubeconfig = path.join(directory, "kubeconfig");
  let count = 0;

  const host: PodHost = {
    container: (namespace, pod, container) =>
      namespace === "default" ? pods.get(pod)?.views.get(container) : undefined,
    sandbox: (namespace, pod) => (namespace === "default" ? pods.get(pod)?.sandbox : undefined),
  };

  function configOf(name: string, more: Partial<ContainerConfig>): ContainerConfig {
    const folder = path.join(directory, name);
    return {
      name: "c",
      image: "busybox",
      command: ["sleep", "10000"],
      env: [],
      tty: false,
      stdin: false,
      stdinOnce: false,
      mounts: [],
      ports: [],
      logPath: path.join(folder, `${++count}.log`),
      etc: { hosts: path.join(folder, "hosts"), resolvConf: path.join(folder, "resolv.conf") },
      ...more,
    };
  }

  function sandboxOf(name: string): PodSandbox {
    const folder = path.join(directory, name);
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, "hosts"), "127.0.0.1\tlocalhost\n");
    writeFileSync(path.join(folder, "resolv.conf"), "nameserver 127.0.0.1\n");
    const netns = createNetns(name);
    spaces.push(netns);
    inNamespace(netns, () => execFileSync("ip", ["link", "set", "lo", "up"]));
    const place = { namespace: "default", name, hostname: name, netns, addresses: [], directory: folder };
    return { uid: `uid-${name}`, ...place };
  }

  async function createPod(name: string, more: Partial<ContainerConfig> = {}): Promise<void> {
    const { tty = false, stdin = false, stdinOnce = false } = more;
    await plane?.client("test").create(PODS, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { namespace: "default", name },
      spec: { nodeName: "node-1", containers: [{ name: "c", image: "busybox", tty, stdin, stdinOnce }] },
    });
    pods.set(name, { sandbox: sandboxOf(name), views: new Map() });
  }

  /** A container of its pod, in place of the one before it. */
  async function start(name: string, more: Partial<ContainerConfig> = {}): Promise<RunningContainer> {
    const { sandbox, views } = pods.get(name)!;
    const config = configOf(name, more);
    const running = await rt.start(sandbox, config);
    const view: ContainerView = {
      running,
      ...config,
      previousLogPath: views.get("c")?.logPath,
      waiting: undefined,
    };
    views.set("c", view);
    void running.exit.then(() => {
      if (views.get("c") === view) views.set("c", { ...view, running: undefined });
    });
    return running;
  }

  async function pod(name: string, more: Partial<ContainerConfig> = {}): Promise<RunningContainer> {
    await createPod(name, more);
    return start(name, more);
  }

  /** Its phase is what kubectl looks at before it attaches. */
  async function tellRunning(name: string): Promise<void> {
    const status = { phase: "Running", containerStatuses: [] };
    await plane
      ?.client("test")
      .patch(PODS, { namespace: "default", name }, { status }, { type: "merge", subresource: "status" });
  }

  function launch(client: Client, words: readonly string[], program?: string): ChildProcess {
    const kubectl = kubectlPath(client.version);
    const env = { ...process.env, ...client.env, KUBECONFIG: kubeconfig, HOME: directory, KUBECTL: kubectl };
    const child = spawn(program ?? kubectl, words, { env, stdio: ["pipe", "pipe", "pipe"] });
    child.stdin.on("error", () => undefined);
    children.add(child);
    child.once("exit", () => children.delete(child));
    return child;
  }

  async function ended(child: ChildProcess, input: Buffer | string = ""): Promise<Ran> {
    const [out, err]: [Buffer[], Buffer[]] = [[], []];
    child.stdout?.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr?.on("data", (chunk: Buffer) => err.push(chunk));
    child.stdin?.end(input);
    await once(child, "close");
    const stdout = Buffer.concat(out);
    return {
      status: child.exitCode,
      stdout,
      text: stdout.toString(),
      errors: Buffer.concat(err).toString(),
    };
  }

  function kubectl(client: Client, words: readonly string[], input?: Buffer | string): Promise<Ran> {
    return ended(launch(client, words), input);
  }

  /** In a terminal of 40 rows and 120 columns. */
  function inTerminal(client: Client, script: string): ChildProcess {
    return launch(client, ["-qec", `stty rows 40 cols 120; ${script}`, "/dev/null"], "script");
  }

  async function until(what: string, isSo: () => boolean): Promise<void> {
    for (let waited = 0; !isSo(); waited += 20) {
      if (waited > 20_000) throw new Error(`waited in vain: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  function collected(child: ChildProcess): () => string {
    let text = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    child.stderr?.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    return () => text;
  }

  beforeAll(async () => {
    // A network namespace of the suite's own begins without a loopback; a machine's has one, which is left alone.
    if (!execFileSync("ip", ["link", "show", "lo"]).toString().includes(",UP"))
      execFileSync("ip", ["link", "set", "lo", "up"]);
    const authority = await createAuthority("tortie-test");
    const certificate = await sign(authority, {
      commonName: "kube-apiserver",
      use: "server",
      addresses: ["127.0.0.1"],
    });
    const admin = await sign(authority, {
      commonName: "kubernetes-admin",
      organization: "system:masters",
      use: "client",
    });
    const port = await freePort();
    const socketPath = path.join(directory, "kubelet.sock");
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const signingKey = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const tls = { ...certificate, authority: authority.certificate };
    plane = await ControlPlane.start({
      store: new MemoryStore(),
      serviceNetworks: cidrsOf(["10.96.0.0/16"]),
      tokens: new Map(),
      signingKey,
      kubeletOf: () => socketPath,
    });
    await plane.open([{ door: { kind: "tcp", host: "127.0.0.1", port }, tls }]);
    const credentials = { authority: authority.certificate, server: certificate, admin };
    const config = kubeconfigOf("test", port, { ...credentials, signingKey, tokens: {} });
    writeFileSync(kubeconfig, kubeconfigText(config));
    await plane
      .client("test")
      .create(NAMESPACES, { apiVersion: "v1", kind: "Namespace", metadata: { name: "default" } });
    server = await serveStreams({ socketPath, host, runtime: rt, log: (line) => lines.push(line) });
    await pod("shell");
    await tellRunning("shell");
  });

  afterAll(async () => {
    for (const child of children) child.kill("SIGKILL");
    await server?.close();
    await plane?.close();
    await rt.close();
    for (const ns of spaces) closeNetns(ns);
    rmSync(directory, { recursive: true, force: true });
    expect(lines).toEqual([]);
  });

  describe.each(EVERY_CLIENT)("exec by $name", (client) => {
    test("gives the command's output and exit code", async () => {
      const ran = await kubectl(client, [
        "exec",
        "shell",
        "--",
        "sh",
        "-c",
        "echo out; echo err >&2; exit 3",
      ]);
      expect(ran.errors).toBe("err\ncommand terminated with exit code 3\n");
      expect(ran.text).toBe("out\n");
      expect(ran.status).toBe(3);
    });

    test("hands on standard input and its end", async () => {
      const bytes = randomBytes(3 * MEGABYTE);
      const ran = await kubectl(client, ["exec", "-i", "shell", "--", "dd", "bs=65536"], bytes);
      expect([ran.status, ran.stdout.length, hash(ran.stdout)]).toEqual([0, bytes.length, hash(bytes)]);
    });
  });

  describe.each(CLIENTS)("exec by $name", (client) => {
    test("loses no byte of a large output", async () => {
      const script = "head -c 20971520 /dev/urandom > /tmp/large; cat /tmp/large; sha256sum < /tmp/large >&2";
      const begin = performance.now();
      const ran = await kubectl(client, ["exec", "shell", "--", "sh", "-c", script]);
      report(`${client.name}: exec, 20 MiB out`, begin);
      expect(ran.stdout.length).toBe(20 * MEGABYTE);
      expect(ran.errors.slice(0, 64)).toBe(hash(ran.stdout));
    });

    test("says why a program cannot be executed", async () => {
      const ran = await kubectl(client, ["exec", "shell", "--", "no-such-program"]);
      expect(ran.status).toBe(1);
      expect(ran.errors).toMatch(
        /^error: Internal error occurred: .*exec: "no-such-program": executable file not found in \$PATH/,
      );
    });

    test("says that a container does not run", async () => {
      if (!pods.has("absent")) {
        await createPod("absent");
        await tellRunning("absent");
      }
      pods.get("absent")?.views.set("c", waiting("ContainerCreating"));
      const ran = await kubectl(client, ["exec", "absent", "--", "true"]);
      expect([ran.status, ran.errors]).toEqual([
        1,
        expect.stringContaining('unable to upgrade connection: container not found ("c")'),
      ]);
    });

    test("has a terminal of the client's size, also when that changes", async () => {
      const look = "stty size; read line; stty size; exit 4";
      const child = inTerminal(client, `$KUBECTL exec -it shell -- sh -c '${look}'; echo code $?`);
      const text = collected(child);
      await until("the first size", () => text().includes("40 120"));
      const terminal = execFileSync("sh", ["-c", `readlink /proc/$(pgrep -P ${child.pid} | head -1)/fd/0`]);
      execFileSync("stty", ["-F", terminal.toString().trim(), "rows", "50", "cols", "100"]);
      await new Promise((resolve) => setTimeout(resolve, 500));
      child.stdin?.write("\n");
      await until("the end", () => text().includes("code "));
      expect(text()).toContain("50 100");
      expect(text()).toContain("code 4");
      child.stdin?.end();
    });

    test("waits for a client that reads slowly, and ends the command when that leaves", async () => {
      const child = launch(client, ["exec", "shell", "--", "sh", "-c", "echo $$ > /tmp/yes; exec yes"]);
      await once(child.stdout!, "readable");
      await new Promise((resolve) => setTimeout(resolve, 300));
      const before = process.memoryUsage().rss;
      await new Promise((resolve) => setTimeout(resolve, 1500));
      expect(process.memoryUsage().rss - before).toBeLessThan(20 * MEGABYTE);
      const alive = async (): Promise<number | null> =>
        (await kubectl(client, ["exec", "shell", "--", "sh", "-c", "kill -0 $(cat /tmp/yes)"])).status;
      expect(await alive()).toBe(0);
      child.kill("SIGKILL");
      for (let tries = 0; tries < 20 && (await alive()) === 0; tries++);
      expect(await alive()).not.toBe(0);
    });

    test("copies files in and out", async () => {
      const [from, back] = [path.join(directory, "from"), path.join(directory, "back")];
      const bytes = randomBytes(2 * MEGABYTE);
      writeFileSync(from, bytes);
      const copiedIn = await kubectl(client, ["cp", from, "shell:/tmp/copied"]);
      expect([copiedIn.status, copiedIn.errors]).toEqual([0, ""]);
      const out = await kubectl(client, ["cp", "shell:/tmp/copied", back]);
      expect(out.status).toBe(0);
      expect(hash(readFileSync(back))).toBe(hash(bytes));
    });
  });

  describe.each(CLIENTS)("attach by $name", (client) => {
    const name = `attach-${client.version}`;

    test("sees what is written from then on, and writes to the process", async () => {
      const command = ["sh", "-c", "while read line; do echo got $line; done; echo done"];
      const running = await pod(name, { stdin: true, stdinOnce: true, command });
      await tellRunning(name);
      const ran = await kubectl(client, ["attach", "-i", name], "one\ntwo\n");
      // Once the first client's input has ended, so has the process's.
      expect(await running.exit).toMatchObject({ code: 0 });
      expect(ran.text).toContain("got one\ngot two\ndone\n");
      expect(ran.status).toBe(0);
    });

    test("leaves the container running when the client goes", async () => {
      const running = await pod(`${name}-2`, {
        command: ["sh", "-c", "while sleep 0.05; do echo tick; done"],
      });
      await tellRunning(`${name}-2`);
      const child = launch(client, ["attach", `${name}-2`]);
      const text = collected(child);
      await until("output", () => text().includes("tick"));
      child.kill("SIGKILL");
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(await Promise.race([running.exit, Promise.resolve("running")])).toBe("running");
      await rt.stop(running, 0);
    });

    test("has the container's terminal", async () => {
      const command = ["sh", "-c", "read line; stty size; echo got $line; exit 0"];
      const running = await pod(`${name}-3`, { stdin: true, stdinOnce: true, tty: true, command });
      await tellRunning(`${name}-3`);
      const child = inTerminal(client, `$KUBECTL attach -it ${name}-3`);
      const text = collected(child);
      await until("the prompt", () => text().includes("If you don't see a command prompt"));
      await new Promise((resolve) => setTimeout(resolve, 300));
      child.stdin?.write("word\n");
      await running.exit;
      await once(child, "close");
      expect(text()).toContain("40 120");
      expect(text()).toContain("got word");
    });
  });

  describe("logs", () => {
    const client = NEWEST;

    test("the last lines, times, and a limit", async () => {
      const running = await pod("counter", {
        command: ["sh", "-c", "for i in $(seq 1000); do echo $i; done"],
      });
      await running.exit;
      const logs = async (...words: string[]): Promise<string> =>
        (await kubectl(client, ["logs", "counter", ...words])).text;
      expect((await logs()).split("\n")).toHaveLength(1001);
      expect(await logs("--tail", "2")).toBe("999\n1000\n");
      expect(await logs("--tail", "0")).toBe("");
      expect(await logs("--tail", "1", "--timestamps")).toMatch(/^20\d\d-.*\.\d{9}Z 1000\n$/);
      expect(await logs("--limit-bytes", "5")).toBe("1\n2\n3");
      expect(await logs("--since", "1h", "--tail", "1")).toBe("1000\n");
      expect(await logs("--since-time", "2100-01-01T00:00:00Z")).toBe("");
      expect(await logs("-f", "--tail", "1")).toBe("1000\n");
    });

    test("of the container before, or none", async () => {
      await createPod("again");
      await (await start("again", { command: ["echo", "first"] })).exit;
      const none = await kubectl(client, ["logs", "-p", "again"]);
      expect([none.status, none.errors]).toEqual([
        1,
        'Error from server (BadRequest): previous terminated container "c" in pod "again" not found\n',
      ]);
      await (await start("again", { command: ["echo", "second"] })).exit;
      expect((await kubectl(client, ["logs", "again"])).text).toBe("second\n");
      expect((await kubectl(client, ["logs", "-p", "again"])).text).toBe("first\n");
    });

    test("of a container that was not started yet", async () => {
      await createPod("later");
      pods.get("later")?.views.set("c", waiting("ContainerCreating"));
      const ran = await kubectl(client, ["logs", "later"]);
      expect(ran.errors).toBe(
        'Error from server (BadRequest): container "c" in pod "later" is waiting to start: ContainerCreating\n',
      );
    });

    test("are followed until the container ends", async () => {
      const running = await pod("talker", { command: ["sh", "-c", "while sleep 0.05; do echo tick; done"] });
      const child = launch(client, ["logs", "-f", "talker"]);
      const text = collected(child);
      await until("some lines", () => text().split("\n").length > 5);
      await rt.stop(running, 0);
      await once(child, "close");
      expect(child.exitCode).toBe(0);
    });

    test("a follower over rotations misses nothing, slow as it is", async () => {
      // About 17 MB: a file is rotated at 10, and only one is kept besides.
      const lineCount = 120_000;
      const program = `BEGIN { for (i = 1; i <= ${lineCount}; i++) print i, "${"x".repeat(100)}" }`;
      const command = ["sh", "-c", 'sleep 1; awk "$1"', "sh", program];
      const running = await pod("large", { command });
      const child = launch(client, ["logs", "-f", "large"]);
      const out: Buffer[] = [];
      child.stdout?.on("data", (chunk: Buffer) => out.push(chunk));
      await once(child, "close");
      await running.exit;
      const numbers = Buffer.concat(out).toString().split("\n").slice(0, -1);
      expect(numbers).toHaveLength(lineCount);
      expect(numbers.every((line, place) => Number.parseInt(line, 10) === place + 1)).toBe(true);
    });
  });

  describe.each(CLIENTS)("port-forward by $name", (client) => {
    let child: ChildProcess | undefined;
    let text: () => string;
    let ports: number[] = [];
    const payload = randomBytes(5 * MEGABYTE);
    const servers: ReturnType<typeof createServer | typeof createTcpServer>[] = [];
    const [webPort, echoPort, finPort] = [8080, 8081, 8082];

    beforeAll(async () => {
      if (!pods.has("web")) await pod("web");
      const { netns } = pods.get("web")!.sandbox;
      const web = createServer((_request, response) => response.end(payload));
      const echo = createTcpServer({ allowHalfOpen: true }, (socket) => {
        const chunks: Buffer[] = [];
        socket.on("error", () => socket.destroy());
        socket.on("data", (chunk: Buffer) => chunks.push(chunk));
        socket.on("end", () => socket.end(hash(Buffer.concat(chunks))));
      });
      const fin = createTcpServer((socket) => {
        socket.on("error", () => socket.destroy());
        socket.end("good bye");
      });
      for (const [server, port] of [
        [web, webPort],
        [echo, echoPort],
        [fin, finPort],
      ] as const) {
        await listenInside(netns, server, port);
        servers.push(server);
      }
      const words = ["port-forward", "pod/web", `:${webPort}`, `:${echoPort}`, `:${finPort}`, ":81"];
      await tellRunning("web");
      child = launch(client, words);
      text = collected(child);
      await until("four ports", () => (text().match(/127\.0\.0\.1:\d+ ->/g) ?? []).length === 4);
      ports = [...text().matchAll(/127\.0\.0\.1:(\d+) ->/g)].map(([, port]) => Number(port));
    });

    afterAll(() => {
      child?.kill("SIGKILL");
      for (const one of servers) one.close();
    });

    test("5 MiB through HTTP", async () => {
      const begin = performance.now();
      const response = await fetch(`http://127.0.0.1:${ports[0]}/`);
      const body = Buffer.from(await response.arrayBuffer());
      report(`${client.name}: port-forward, 5 MiB`, begin);
      expect(hash(body)).toBe(hash(payload));
    });

    test("many connections at once", async () => {
      const bodies = await Promise.all(
        Array.from({ length: 10 }, async () => {
          const response = await fetch(`http://127.0.0.1:${ports[0]}/`);
          return hash(Buffer.from(await response.arrayBuffer()));
        }),
      );
      expect(new Set(bodies)).toEqual(new Set([hash(payload)]));
    });

    test("the end of what the client sends is heard in the pod, and the answer to it outside", async () => {
      const socket = connect({ port: ports[1]!, host: "127.0.0.1", allowHalfOpen: true });
      expect(await sendAndRead(socket, payload)).toBe(hash(payload));
    });

    test("the end of what the pod sends is heard outside", async () => {
      const socket = connect({ port: ports[2]!, host: "127.0.0.1", allowHalfOpen: true });
      expect(await sendAndRead(socket, undefined)).toBe("good bye");
    });

    test("a port where nobody listens is told of", async () => {
      const socket = connect(ports[3]!, "127.0.0.1");
      socket.on("error", () => undefined);
      await once(socket, "close");
      await until("the reason", () => text().includes("an error occurred forwarding"));
      // The newest quotes what it prints.
      expect(text().replaceAll("\\", "")).toMatch(
        /failed to connect to localhost:81 inside namespace "uid-web", .*connect: connection refused/,
      );
    });
  });
});

function waiting(reason: string): ContainerView {
  const paths = { logPath: "/nowhere/0.log", previousLogPath: undefined };
  return { running: undefined, tty: false, stdin: false, stdinOnce: false, ...paths, waiting: reason };
}

function report(what: string, begin: number): void {
  process.stderr.write(`${what}: ${Math.round(performance.now() - begin)} ms\n`);
}

async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A socket belongs to the namespace that it was made in. Without a host it is made in this very call. */
async function listenInside(
  netns: Netns,
  server: ReturnType<typeof createServer | typeof createTcpServer>,
  port: number,
): Promise<void> {
  const listening = once(server, "listening");
  inNamespace(netns, () => {
    server.listen({ port, exclusive: true });
  });
  await listening;
}

async function sendAndRead(socket: ReturnType<typeof connect>, bytes: Buffer | undefined): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  if (bytes) socket.end(bytes);
  await once(socket, "end");
  socket.end();
  return Buffer.concat(chunks).toString();
}
