/**
 * @module Containers as they are: processes in namespaces, and stand-ins reached through real TCP from another pod. Run
 * it in private namespaces: `unshare --user --map-root-user --net npx vitest run --project kernel test/kernel/runtime.test.ts`
 */
import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { PassThrough } from "node:stream";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ImageCatalogue } from "../../src/kubelet/images/catalogue.ts";
import type {
  ContainerConfig,
  ContainerExit,
  PodSandbox,
  RunningContainer,
  TerminalSize,
} from "../../src/kubelet/runtime/runtime.ts";
import { Runtime } from "../../src/kubelet/runtime/runtime.ts";
import type { Netns } from "../../src/linux/netns.ts";
import { closeNetns, createNetns, inNamespace } from "../../src/linux/netns.ts";
import { BUILT, containersRun } from "../support/containers.ts";

const directory = mkdtempSync(path.join(tmpdir(), "tortie-runtime."));
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

interface Ran {
  readonly exit: ContainerExit;
  readonly stdout: string;
  readonly stderr: string;
}

interface How {
  readonly tty?: boolean;
  readonly input?: string;
  readonly size?: TerminalSize;
}

function collect(): { readonly stream: PassThrough; text(): string } {
  const stream = new PassThrough();
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  return { stream, text: () => Buffer.concat(chunks).toString() };
}

describe.skipIf(!runtime)("containers", () => {
  const rt = runtime as Runtime;
  const spaces: Netns[] = [];
  let client: PodSandbox;
  let server: PodSandbox;
  let shell: RunningContainer;
  let count = 0;

  function pod(name: string, netns: Netns, address: string): PodSandbox {
    const folder = path.join(directory, name);
    mkdirSync(folder, { recursive: true });
    writeFileSync(
      path.join(folder, "hosts"),
      `127.0.0.1\tlocalhost\n10.7.0.2\tweb interpoddemo\n10.7.0.1\tclient\n`,
    );
    writeFileSync(
      path.join(folder, "resolv.conf"),
      "nameserver 127.0.0.1\nsearch default.svc.cluster.local\n",
    );
    return {
      uid: name,
      namespace: "default",
      name,
      hostname: name,
      netns,
      addresses: [address],
      directory: folder,
    };
  }

  function config(of: PodSandbox, more: Partial<ContainerConfig> = {}): ContainerConfig {
    return {
      name: "c",
      image: "busybox",
      env: [],
      tty: false,
      stdin: false,
      stdinOnce: false,
      mounts: [],
      ports: [],
      logPath: path.join(of.directory, `${++count}.log`),
      etc: { hosts: path.join(of.directory, "hosts"), resolvConf: path.join(of.directory, "resolv.conf") },
      ...more,
    };
  }

  async function run(container: RunningContainer, command: readonly string[], how: How = {}): Promise<Ran> {
    const [out, err] = [collect(), collect()];
    const stdin = how.input === undefined ? undefined : new PassThrough().end(how.input);
    const exit = await rt.exec(container, command, {
      stdout: out.stream,
      stderr: err.stream,
      tty: how.tty ?? false,
      ...(stdin ? { stdin } : {}),
      onResize: (listener) => how.size && listener(how.size),
    });
    return { exit, stdout: out.text(), stderr: err.text() };
  }

  const sh = (script: string, how?: How): Promise<Ran> => run(shell, ["sh", "-c", script], how);

  /** The log of a container without its times. */
  function log({ logPath }: ContainerConfig): string[] {
    const lines = readFileSync(logPath, "utf8").split("\n").slice(0, -1);
    for (const line of lines) expect(line).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z /);
    return lines.map((line) => line.slice(31));
  }

  beforeAll(async () => {
    const [a, b] = [createNetns("client"), createNetns("server")];
    spaces.push(a, b);
    const ip = (ns: Netns, ...words: string[]): void => void inNamespace(ns, () => execFileSync("ip", words));
    for (const ns of spaces) ip(ns, "link", "set", "lo", "up");
    inNamespace(a, () =>
      execFileSync("ip", [
        "link",
        "add",
        "eth0",
        "type",
        "veth",
        "peer",
        "name",
        "eth0",
        "netns",
        `/proc/${process.pid}/fd/${b.fd}`,
      ]),
    );
    for (const [ns, address] of [
      [a, "10.7.0.1/24"],
      [b, "10.7.0.2/24"],
    ] as const) {
      ip(ns, "addr", "add", address, "dev", "eth0");
      ip(ns, "link", "set", "eth0", "up");
    }
    // What nobody answers, as a policy that drops.
    ip(a, "route", "add", "10.6.0.0/16", "via", "10.7.0.2");
    client = pod("client", a, "10.7.0.1");
    server = pod("server", b, "10.7.0.2");
    shell = await rt.start(client, config(client, { command: ["sleep", "1000"], env: [["GREETING", "hi"]] }));
  });

  afterAll(async () => {
    await rt.close();
    for (const ns of spaces) closeNetns(ns);
    rmSync(directory, { recursive: true, force: true });
  });

  test.each([
    ["true", 0, undefined],
    ["exit 7", 7, undefined],
    ["kill -9 $$", 137, "SIGKILL"],
    ["kill -TERM $$", 143, "SIGTERM"],
  ])("the exit code of `%s` is %i", async (script, code, signal) => {
    const { exit } = await sh(script);
    expect([exit.code, exit.signal, exit.reason]).toEqual([code, signal, code === 0 ? "Completed" : "Error"]);
  });

  test.each([
    ["the pod's host name", "hostname; cat /etc/hostname", "client\nclient\n"],
    ["the environment", "echo $GREETING $HOSTNAME", "hi client\n"],
    ["the hosts file", "grep web /etc/hosts", "10.7.0.2\tweb interpoddemo\n"],
    ["its own processes", "cat /proc/1/cmdline | tr '\\0' ' '", "sleep 1000 "],
    ["its own root, with a read-only /usr", "touch /tmp/x /usr/x 2>/dev/null; ls /tmp", "x\n"],
    ["/dev/null and /dev/stdout", "echo gone > /dev/null; echo kept > /dev/stdout", "kept\n"],
  ])("a container has %s", async (_what, script, stdout) => {
    expect((await sh(script)).stdout).toBe(stdout);
  });

  test("output and input keep to their streams", async () => {
    expect(await sh("cat; echo bad >&2", { input: "good" })).toMatchObject({
      stdout: "good",
      stderr: "bad\n",
    });
  });

  test("a terminal has its size, and belongs to the container", async () => {
    const { stdout } = await sh("sleep 0.1; stty size; tty; echo x > /dev/tty", {
      tty: true,
      size: { columns: 101, rows: 33 },
    });
    expect(stdout).toBe("33 101\r\n/dev/pts/0\r\nx\r\n");
  });

  test("a shell on a terminal prompts as busybox's does", async () => {
    const { stdout } = await run(shell, ["sh"], { tty: true, input: "cd /tmp\nexit 3\n" });
    expect(stdout).toContain("/ # ");
    expect(stdout).toContain("/tmp # ");
  });

  test.each([
    ["foo", 'exec: "foo": executable file not found in $PATH', 127],
    ["/bin/foo", 'exec: "/bin/foo": stat /bin/foo: no such file or directory', 127],
    ["/etc/passwd", 'exec: "/etc/passwd": permission denied', 126],
  ])("executing %s fails in containerd's words", async (program, words, exitCode) => {
    await expect(run(shell, [program])).rejects.toMatchObject({
      reason: "RunContainerError",
      message: expect.stringContaining(words),
      exitCode,
    });
  });

  test("a container whose program is missing does not start", async () => {
    await expect(rt.start(client, config(client, { command: ["foo"] }))).rejects.toMatchObject({
      reason: "RunContainerError",
      message: expect.stringContaining('exec: "foo": executable file not found in $PATH'),
    });
    await expect(rt.start(client, config(client, { image: "Not A Name" }))).rejects.toMatchObject({
      reason: "InvalidImageName",
    });
  });

  test("the log has whole lines, both streams, and the last words", async () => {
    const one = config(client, { command: ["sh", "-c", "echo a; echo b >&2; printf c; exit 4"] });
    const container = await rt.start(client, one);
    expect(await container.exit).toMatchObject({ code: 4, reason: "Error" });
    expect(log(one).toSorted()).toEqual(["stderr F b", "stdout F a", "stdout F c"]);
  });

  test("stopping asks first: a handler decides the exit code", async () => {
    const command = ["sh", "-c", "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done"];
    const one = config(client, { command });
    const container = await rt.start(client, one);
    while (log(one).length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await rt.stop(container, 5_000)).toMatchObject({ code: 9 });
  });

  test("process 1 that handles no signal lives out its grace, and dies with all its children", async () => {
    const container = await rt.start(
      client,
      config(client, { command: ["sh", "-c", "sleep 500 & exec sleep 501"] }),
    );
    const before = performance.now();
    expect(await rt.stop(container, 200)).toMatchObject({ code: 137, signal: "SIGKILL" });
    expect(performance.now() - before).toBeGreaterThan(190);
    await expect(run(container, ["true"])).rejects.toMatchObject({ reason: "RunContainerError" });
  });

  test("attached streams reach the main process, and nobody else's", async () => {
    const container = await rt.start(
      client,
      config(client, { command: ["sh"], tty: true, stdin: true, stdinOnce: true }),
    );
    const out = collect();
    const stdin = new PassThrough();
    const attached = rt.attach(container, { stdin, stdout: out.stream, tty: true });
    stdin.write("echo one$((1+1))\nexit 5\n");
    await attached;
    expect(out.text()).toContain("one2");
    expect((await container.exit).code).toBe(5);
  });

  test("files and folders of the machine are mounted, read-only where asked", async () => {
    const source = path.join(directory, "volume");
    mkdirSync(source);
    writeFileSync(path.join(source, "index.html"), "from a volume\n");
    const mounts = [
      { source, target: "/data", readOnly: true },
      { source: path.join(source, "index.html"), target: "/usr/share/some/where/page", readOnly: false },
    ];
    const script =
      "cat /data/index.html /usr/share/some/where/page; touch /data/x 2>/dev/null || echo read-only";
    const one = config(client, { mounts, command: ["sh", "-c", script] });
    await (await rt.start(client, one)).exit;
    expect(log(one)).toEqual(["stdout F from a volume", "stdout F from a volume", "stdout F read-only"]);
  });

  test("a link that a container made leads nowhere out of its volume", async () => {
    const source = path.join(directory, "shared");
    mkdirSync(source);
    symlinkSync("/", path.join(source, "out"));
    const mounts = [{ source, subPath: "out/etc/ssl", target: "/data", readOnly: false }];
    const one = config(client, { mounts, command: ["sh", "-c", "ls -A /data; echo mine > /data/x"] });
    await (await rt.start(client, one)).exit;
    expect(log(one)).toEqual([]);
    expect(readFileSync(path.join(source, "etc/ssl/x"), "utf8")).toBe("mine\n");
    // Nor for who reads it without a process of its own.
    symlinkSync("/etc/passwd", path.join(source, "passwd"));
    const pages = [{ source, target: "/usr/share/nginx/html", readOnly: true }];
    const pagesConfig = config(client, { image: "nginx", mounts: pages });
    const web = await rt.start(client, pagesConfig);
    expect((await sh("wget -qO- http://127.0.0.1/passwd 2>&1")).stdout).toContain("404");
    expect((await sh("wget -qO- http://127.0.0.1/etc/ssl/x")).stdout).toBe("mine\n");
    await rt.stop(web, 0);
  });

  test("what is the machine's is not a container's to change", async () => {
    const { stdout } = await sh(
      "(echo x > /proc/sys/kernel/core_pattern) 2>&1; mknod /tmp/disk b 8 0 2>&1; chmod 777 /dev/null /opt/tortie/node 2>&1; cat /proc/sys/kernel/ostype",
    );
    expect(stdout.match(/Read-only file system/g)).toHaveLength(3);
    expect(stdout).toMatch(/Operation not permitted\n/);
    expect(stdout).toMatch(/Linux\n$/);
  });

  test("a command that is not wanted any more is killed", async () => {
    const began = performance.now();
    const { code, signal } = await rt.exec(shell, ["sleep", "1000"], {
      tty: false,
      signal: AbortSignal.timeout(50),
    });
    expect({ code, signal }).toEqual({ code: 137, signal: "SIGKILL" });
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  test("ping prints what tutorials show", async () => {
    const { stdout } = await sh("ping -c 2 -i 0.1 10.7.0.2");
    expect(stdout.replace(/time=[\d.]+ ms/g, "time=T ms").replace(/= [\d./]+ ms/, "= R ms")).toBe(
      `PING 10.7.0.2 (10.7.0.2): 56 data bytes
64 bytes from 10.7.0.2: seq=0 ttl=64 time=T ms
64 bytes from 10.7.0.2: seq=1 ttl=64 time=T ms

--- 10.7.0.2 ping statistics ---
2 packets transmitted, 2 packets received, 0% packet loss
round-trip min/avg/max = R ms
`,
    );
    const silent = await sh("ping -w 1 10.6.0.1");
    expect(silent.exit.code).toBe(1);
    expect(silent.stdout).toMatch(
      /^PING 10\.6\.0\.1 .*\n\n--- .* ---\n\d packets transmitted, 0 packets received, 100% packet loss\n$/,
    );
  });

  describe("stand-ins", () => {
    let web: RunningContainer;
    let webConfig: ContainerConfig;

    beforeAll(async () => {
      webConfig = config(server, { image: "nginx:1.27" });
      web = await rt.start(server, webConfig);
      await rt.start(server, config(server, { image: "mysql:5.7" }));
      await rt.start(server, config(server, { image: "redis" }));
      await rt.start(server, config(server, { image: "me/app", ports: [{ port: 8888, protocol: "TCP" }] }));
      const image = "registry.k8s.io/e2e-test-images/agnhost:2.53";
      await rt.start(server, config(server, { image, args: ["netexec", "--http-port=8080"] }));
      const env = [["SERVE_PORT_81", "foo"] as const, ["SERVE_UDP_PORT_82", "bar"] as const];
      await rt.start(server, config(server, { image, args: ["porter"], env }));
    });

    test.each([
      [
        "wget -q --timeout=5 http://interpoddemo/index.html -O - | grep title",
        "<title>Welcome to nginx!</title>\n",
      ],
      [
        "wget -q -T 1 -O - web:8888/index.php | head -2",
        "Hello from pod default/server (10.7.0.2), port 8888, image me/app\nGET /index.php\n",
      ],
      [
        "wget -O /dev/null http://web/none 2>&1",
        "Connecting to web (10.7.0.2:80)\nwget: server returned error: HTTP/1.1 404 Not Found\n",
      ],
      ["wget -T 1 http://10.6.0.1 2>&1", "Connecting to 10.6.0.1 (10.6.0.1:80)\nwget: download timed out\n"],
      [
        "wget http://web:99 2>&1",
        "Connecting to web:99 (10.7.0.2:99)\nwget: can't connect to remote host (10.7.0.2): Connection refused\n",
      ],
      ["wget nosuch 2>&1", "wget: bad address 'nosuch'\n"],
      ["wget --spider -q web; echo $?", "0\n"],
      ["nc -zv web 80 2>&1", "web (10.7.0.2:80) open\n"],
      ["nc -zv -w 1 10.6.0.1 80 2>&1; echo $?", "nc: 10.6.0.1 (10.6.0.1:80): Connection timed out\n1\n"],
      ["timeout 5 nc -z web 99; echo $?", "1\n"],
      ["printf 'PING\\r\\nQUIT\\r\\n' | nc web 6379 | tr -d '\\r'", "+PONG\n+OK\n"],
      ["nc -w 1 web 3306 </dev/null | tr '\\0' '\\n' | sed -n 5p", "5.7\n"],
      ["curl -s -o /dev/null -w '%{http_code}' web/none", "404"],
      [
        "curl -m 1 10.6.0.1 2>&1 | sed 's/[0-9]* mill/N mill/'",
        "curl: (28) Connection timed out after N milliseconds\n",
      ],
      ["curl -s web:8080/hostname", "server"],
      [
        "curl -s 'web:8080/dial?host=10.7.0.2&port=8081&protocol=udp&request=hostname'",
        '{"responses":["server"]}',
      ],
      ["curl -s web:81", "foo"],
      ["echo x | nc -u -w 1 web 82", "bar"],
    ])("%s", async (script, expected) => {
      expect((await sh(script)).stdout).toBe(expected);
    });

    test("agnhost connect says how it ended", async () => {
      const image = "agnhost/agnhost:2";
      const container = await rt.start(client, config(client, { image, args: ["pause"] }));
      const ends: string[] = [];
      for (const words of [
        "10.7.0.2:80",
        "10.7.0.2:99",
        "10.6.0.1:80 --timeout=1s",
        "nosuch:80",
        "10.7.0.2:8081 --protocol=udp --timeout=1s",
      ]) {
        const { exit, stderr } = await run(container, ["/agnhost", "connect", ...words.split(" ")]);
        ends.push(`${exit.code} ${stderr.split(":")[0]?.trim()}`);
      }
      expect(ends).toEqual(["0 ", "1 REFUSED", "1 TIMEOUT", "1 DNS", "0 "]);
    });

    test("what is written in the container is what it serves", async () => {
      await run(web, ["sh", "-c", "echo mine > /usr/share/nginx/html/index.html"]);
      expect((await sh("wget -qO- web")).stdout).toBe("mine\n");
    });

    test("requests are logged as nginx logs them", () => {
      expect(log(webConfig).at(-1)).toMatch(
        /^stdout F 10\.7\.0\.1 - - \[\d\d\/\w{3}\/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET \/ HTTP\/1\.1" 200 5 "-" "Wget" "-"$/,
      );
    });

    test("port-forward's connection comes from inside the pod", async () => {
      const socket = await rt.connect(server, 81);
      socket.write("GET / HTTP/1.0\r\n\r\n");
      const chunks: Buffer[] = [];
      for await (const chunk of socket) chunks.push(chunk as Buffer);
      expect(Buffer.concat(chunks).toString()).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*foo$/);
    });

    test("an absurd length ends that connection, and nobody else's", async () => {
      const { pid, restarts } = rt.standIns;
      expect((await sh("printf '*99999999\\r\\n$-7\\r\\n' | nc -w 3 web 6379; echo over")).stdout).toBe(
        "over\n",
      );
      expect((await sh("printf 'PING\\r\\nQUIT\\r\\n' | nc web 6379 | tr -d '\\r'")).stdout).toBe(
        "+PONG\n+OK\n",
      );
      expect(rt.standIns).toEqual({ pid, restarts });
    });

    test("what answers has no right and sees nothing of the machine", () => {
      const status = readFileSync(`/proc/${rt.standIns.pid}/status`, "utf8");
      for (const field of ["CapPrm", "CapEff", "CapBnd"])
        expect(BigInt(`0x${new RegExp(`^${field}:\\s+(\\w+)`, "m").exec(status)?.[1]}`)).toBe(0n);
      expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
      for (const space of ["mnt", "net", "pid"])
        expect(readlinkSync(`/proc/${rt.standIns.pid}/ns/${space}`)).not.toBe(
          readlinkSync(`/proc/self/ns/${space}`),
        );
    });

    test.each([
      ["killed", "SIGKILL"],
      ["stopped for good", "SIGSTOP"],
    ] as const)("one that is %s is followed by another, with the same sockets", async (_what, signal) => {
      const { pid, restarts } = rt.standIns;
      process.kill(pid ?? 0, signal);
      // Whoever connects meanwhile waits in the socket's queue.
      expect((await sh("wget -q -T 30 http://web/ -O /dev/null; echo $?")).stdout).toBe("0\n");
      expect(rt.standIns.restarts).toBe(restarts + 1);
      expect(rt.standIns.pid).not.toBe(pid);
    });

    test("a second server on the port fails, and a stopped one leaves it", async () => {
      const second = await rt.start(server, config(server, { image: "nginx" }));
      expect(await second.exit).toMatchObject({ code: 1, reason: "Error" });
      expect(await rt.stop(web, 1_000)).toMatchObject({ code: 0, reason: "Completed" });
      expect((await sh("nc -zv web 80 2>&1")).stdout).toContain("Connection refused");
    });
  });

  test("two hundred containers without a process cost less than 30 kB each", async () => {
    const before = process.memoryUsage().rss;
    const all: RunningContainer[] = [];
    for (let index = 0; index < 200; index++)
      all.push(
        await rt.start(
          server,
          config(server, { image: "x/y", ports: [{ port: 20_000 + index, protocol: "TCP" }] }),
        ),
      );
    expect((process.memoryUsage().rss - before) / all.length).toBeLessThan(30_000);
    expect((await sh("nc -z web 20199; echo $?")).stdout).toBe("0\n");
    await Promise.all(all.map((one) => rt.stop(one, 0)));
  });
});
