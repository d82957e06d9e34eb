/**
 * @module What a pod tries to get out of its container. Each attack is a script that prints ESCAPED where it succeeds, and has
 * its control: the same script with nothing in its way has to succeed, or it would prove nothing.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { clustersRun, type Result, TestCluster, until } from "../support/cluster.ts";

const isRoot = process.getuid?.() === 0;
const SOCKET = `tortie-escape-${process.pid}`;
const MARK = `of the machine ${process.pid}`;

/** A file of the machine, outside of all that a cluster may see. */
const folder = mkdtempSync(path.join(tmpdir(), "tortie-escape."));
const markFile = path.join(folder, "mark");
writeFileSync(markFile, MARK);

/** `name_to_handle_at`, `open_by_handle_at` and `setxattr` on x86-64 and arm64. */
const [NAME_TO_HANDLE, OPEN_BY_HANDLE, SETXATTR, PTRACE] =
  process.arch === "x64" ? [303, 304, 188, 101] : [264, 265, 5, 117];

/** A handle of the mark's, as bytes in hexadecimal digits: whoever may open handles needs no path. */
function handleOfMark(): string {
  const script = `my $h = pack("Ii", 128, 0) . "\\0" x 128; my $m = pack("i", 0);
    syscall(${NAME_TO_HANDLE}, -100, $ARGV[0], $h, $m, 0) == 0 or die "$!"; print unpack("H*", $h);`;
  return execFileSync("perl", ["-e", script, markFile], { encoding: "utf8" });
}

interface Attack {
  readonly name: string;
  /** Prints ESCAPED. */
  readonly script: string;
  /** What it needs where nothing is in its way: as in the container where left out. */
  readonly control?: string;
}

function attacks(): readonly Attack[] {
  const handle = handleOfMark();
  const byHandle = (file: string): string => `perl -e 'open(my $m, "<", "${file}") or die;
    my $h = pack("H*", "${handle}"); my $fd = syscall(${OPEN_BY_HANDLE}, fileno($m), $h, 0);
    if ($fd >= 0) { open(my $f, "<&=", $fd); print "ESCAPED\\n" if join("", <$f>) eq "${MARK}"; }'`;
  return [
    {
      name: "sees processes of the machine",
      // A pattern, so that it does not find itself.
      script: `for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline | grep -q 'vi[t]est' && echo ESCAPED; done`,
      control: `perl -e '$0 = "vitest"; sleep 3' & sleep 0.1; for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline | grep -q 'vi[t]est' && echo ESCAPED; done`,
    },
    {
      name: "reads files through the root of other processes",
      script: `for p in /proc/[0-9]*; do cat $p/root${markFile} $p/cwd${markFile}; done 2>/dev/null | grep -q "${MARK}" && echo ESCAPED`,
    },
    {
      name: "writes the machine's core_pattern",
      script: `( : >> /proc/sys/kernel/core_pattern ) 2>/dev/null && echo ESCAPED`,
    },
    {
      name: "opens a fresh /proc/sys, mounted again",
      script: `mkdir -p $T/again && mount -t proc again $T/again && ( : >> $T/again/sys/kernel/core_pattern ) 2>/dev/null && echo ESCAPED`,
    },
    {
      name: "opens a fresh /proc/sys in a user namespace of its own",
      script: `unshare -Urmpf sh -c 'mkdir -p $T/mine && mount -t proc mine $T/mine && ( : >> $T/mine/sys/kernel/core_pattern )' 2>/dev/null && echo ESCAPED`,
      control: `unshare -mpf sh -c 'mkdir -p $T/mine && mount -t proc mine $T/mine && ( : >> $T/mine/sys/kernel/core_pattern )' && echo ESCAPED`,
    },
    {
      name: "makes /proc/sys writable again",
      script: `umount /proc/sys; mount -o remount,rw /proc/sys; ( : >> /proc/sys/kernel/core_pattern ) 2>/dev/null && echo ESCAPED`,
    },
    {
      name: "opens a file of the machine by its handle",
      script: byHandle("/etc/hosts"),
      control: byHandle(markFile),
    },
    {
      name: "makes a device node and reads it",
      script: `mknod $T/mem c 1 1 && dd if=$T/mem of=/dev/null bs=1 count=1 2>/dev/null; [ -c $T/mem ] && echo ESCAPED`,
    },
    {
      name: "mounts control groups",
      script: `mkdir -p $T/groups && mount -t cgroup2 groups $T/groups && echo ESCAPED`,
    },
    {
      name: "connects to an abstract socket of the machine",
      script: `perl -MSocket -e 'socket(my $s, AF_UNIX, SOCK_STREAM, 0); connect($s, pack("S a*", AF_UNIX, "\\0${SOCKET}")) and print "ESCAPED\\n"'`,
    },
    {
      name: "traces a process of another mount namespace",
      script: `me=$(readlink /proc/self/ns/mnt); for p in /proc/[0-9]*; do
        [ "$(readlink $p/ns/mnt)" != "$me" ] && perl -e 'syscall(${PTRACE}, 0x4206, $ARGV[0] + 0, 0, 0) == 0 and print "ESCAPED\\n"' "\${p#/proc/}"; done`,
      control: `unshare -m sleep 2 & sleep 0.2; me=$(readlink /proc/self/ns/mnt); for p in /proc/[0-9]*; do
        [ "$(readlink $p/ns/mnt)" != "$me" ] && perl -e 'syscall(${PTRACE}, 0x4206, $ARGV[0] + 0, 0, 0) == 0 and print "ESCAPED\\n"' "\${p#/proc/}"; done`,
    },
    {
      name: "signals a process of another PID namespace",
      script: `me=$(readlink /proc/self/ns/pid); for p in /proc/[0-9]*; do
        [ "$(readlink $p/ns/pid)" != "$me" ] && kill -0 "\${p#/proc/}" && echo ESCAPED; done`,
      control: `unshare -pf sleep 2 & sleep 0.2; me=$(readlink /proc/self/ns/pid); for p in /proc/[0-9]*; do
        [ "$(readlink $p/ns/pid)" != "$me" ] && kill -0 "\${p#/proc/}" && echo ESCAPED; done`,
    },
  ];
}

/** A file that gives its program what the container may not have: root of a container may write it. */
const FILE_CAPABILITIES = `cp /usr/bin/perl $T/perl && perl -e 'my $v = pack("I5", 0x02000001, 1 << 21, 0, 0, 0);
  syscall(${SETXATTR}, "$ENV{T}/perl", "security.capability", $v, length($v), 0) == 0 or die "$!";'
  $T/perl -e 'open(F, "/proc/self/status"); for (<F>) { /^CapEff:\\s+(\\w+)/ and hex($1) & (1 << 21) and print "ESCAPED\\n" }' 2>/dev/null`;

const CONTAINERS = {
  ordinary: "{}",
  hardened:
    "{runAsUser: 1000, allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}",
  privileged: "{privileged: true}",
  "given every capability": "{capabilities: {add: [ALL]}}",
} as const;
type Kind = keyof typeof CONTAINERS;
const KINDS = Object.keys(CONTAINERS) as Kind[];
const nameOf = (kind: Kind): string => kind.replaceAll(" ", "-");

function setting(): string {
  const pods = KINDS.map(
    (kind) => `
apiVersion: v1
kind: Pod
metadata: {name: ${nameOf(kind)}}
spec:
  hostPID: ${kind === "privileged"}
  terminationGracePeriodSeconds: 0
  containers: [{name: c, image: busybox, command: [sleep, "100000"], securityContext: ${CONTAINERS[kind]}, volumeMounts: [{name: tmp, mountPath: /tmp}]}]
  volumes: [{name: tmp, emptyDir: {}}]
`,
  );
  const preload = `
apiVersion: v1
kind: Pod
metadata: {name: preloaded}
spec:
  terminationGracePeriodSeconds: 0
  initContainers: [{name: i, image: busybox, command: [mkfifo, /shared/lib], volumeMounts: [{name: shared, mountPath: /shared}]}]
  containers:
  - name: c
    image: busybox
    command: [/usr/bin/env, sleep, "100000"]
    env: [{name: LD_PRELOAD, value: /shared/lib}]
    securityContext: {runAsUser: 0, allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL], add: [CHOWN]}}
    volumeMounts: [{name: shared, mountPath: /shared}]
  volumes: [{name: shared, emptyDir: {}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: preload}
data: {list: "/tmp/lib\\n"}
---
apiVersion: v1
kind: Pod
metadata: {name: probed}
spec:
  terminationGracePeriodSeconds: 0
  initContainers: [{name: i, image: busybox, command: [mkfifo, /tmp/lib], volumeMounts: [{name: tmp, mountPath: /tmp}]}]
  containers:
  - name: c
    image: busybox
    command: [/bin/busybox, sleep, "100000"]
    readinessProbe: {exec: {command: [/usr/bin/env]}, periodSeconds: 1, timeoutSeconds: 30}
    volumeMounts: [{name: tmp, mountPath: /tmp}, {name: preload, mountPath: /etc/ld.so.preload, subPath: list}]
  volumes: [{name: tmp, emptyDir: {}}, {name: preload, configMap: {name: preload}}]
---
apiVersion: v1
kind: Pod
metadata: {name: linked}
spec:
  terminationGracePeriodSeconds: 0
  initContainers:
  - {name: i, image: busybox, command: [sh, -c, "ln -s / /shared/slash; ln -s ../../../../../../../../../.. /shared/up; ln -s /proc/1/root /shared/proc; mkfifo /shared/index.html"], volumeMounts: [{name: shared, mountPath: /shared}]}
  containers:
  - {name: slash, image: busybox, command: [sleep, "100000"], volumeMounts: [{name: shared, mountPath: /there, subPath: slash${folder}}]}
  - {name: up, image: busybox, command: [sleep, "100000"], volumeMounts: [{name: shared, mountPath: /there, subPath: up${folder}}]}
  - {name: web, image: nginx, ports: [{containerPort: 80}], volumeMounts: [{name: shared, mountPath: /usr/share/nginx/html}]}
  volumes: [{name: shared, emptyDir: {}}]
---
apiVersion: v1
kind: Pod
metadata: {name: last-words}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 0
  containers: [{name: c, image: busybox, terminationMessagePath: /tmp/words, command: [sh, -c, "ln -s ${markFile} /tmp/words; ln -s /proc/1/root${markFile} /tmp/other; exit 1"]}]
---
${["/proc/self/fd/3", "/proc/self/fd/10", "/proc/self/fd/20", "/proc/self/cwd", "/proc/1/root"]
  .map(
    (cwd, index) => `apiVersion: v1
kind: Pod
metadata: {name: somewhere${index}}
spec:
  terminationGracePeriodSeconds: 0
  restartPolicy: Never
  containers: [{name: c, image: busybox, workingDir: "${cwd}", command: [sh, -c, 'cat ../../../../../../../../..${markFile} ; sleep 100000']}]
`,
  )
  .join("---\n")}`;
  return [...pods, preload].join("---");
}

/** Processes in the mount namespace of a process, but for those that the machine's own threads are. */
function capabilitiesOf(pids: readonly number[], mount: string): string[] {
  return pids.flatMap((pid) => {
    try {
      if (readlinkSync(`/proc/${pid}/ns/mnt`) !== mount) return [];
      return [/^CapBnd:\s+(\w+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? ""];
    } catch {
      return [];
    }
  });
}

/** Of the containers' processes whose command line is like this. */
function processesWith(
  cluster: TestCluster,
  pattern: RegExp,
): { readonly pid: number; readonly mount: string }[] {
  return cluster.everything().flatMap(({ pid }) => {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      return pattern.test(words) ? [{ pid, mount: readlinkSync(`/proc/${pid}/ns/mnt`) }] : [];
    } catch {
      return [];
    }
  });
}

const MORE_THAN_ORDINARY = ~0xa00425fbn;
let tried = 0;
let controls = 0;
let listener: ChildProcess;

beforeAll(async () => {
  const script = `socket(my $s, AF_UNIX, SOCK_STREAM, 0); bind($s, pack("S a*", AF_UNIX, "\\0${SOCKET}")) or die "$!";
    listen($s, 100); $| = 1; print "ready\\n"; accept(my $c, $s) while 1`;
  listener = spawn("perl", ["-MSocket", "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise((resolve) => listener.stdout?.once("data", resolve));
});
afterAll(() => {
  listener.kill();
  rmSync(folder, { recursive: true, force: true });
  process.stdout.write(`escapes: ${tried} attacks, ${controls} controls\n`);
});

/** Nothing in its way: root, in namespaces that end with it. */
function unguarded(script: string): string {
  const words = ["--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c"];
  // Files are made in a file system that goes with it.
  const inside = `mount -t tmpfs tmp /mnt && cd /mnt; export T=/mnt; ${script}`;
  return spawnSync("unshare", [...words, inside], { encoding: "utf8", timeout: 30_000 }).stdout;
}

describe.runIf(isRoot && clustersRun())("with nothing in its way, a script that", () => {
  test.each(attacks())("$name succeeds", ({ script, control = script }) => {
    controls++;
    expect(unguarded(control)).toContain("ESCAPED");
  });

  test("gives a file capabilities succeeds", () => {
    controls++;
    expect(unguarded(FILE_CAPABILITIES)).toContain("ESCAPED");
  });

  test("is preloaded before its limits has every capability", () => {
    controls++;
    // As a container was once started: through a program of its own, which takes its capabilities away.
    const out =
      unguarded(`mkfifo /mnt/lib; LD_PRELOAD=/mnt/lib setpriv --bounding-set=-all --inh-caps=-all true & sleep 0.3
      for p in /proc/[0-9]*; do grep -qz LD_PRELOAD $p/environ 2>/dev/null && grep CapBnd $p/status; done`);
    const bounding = BigInt(`0x${/CapBnd:\s+(\w+)/.exec(out)?.[1] ?? "0"}`);
    expect(bounding & MORE_THAN_ORDINARY).not.toBe(0n);
  });

  test("reads a volume's file through a link of the pod's reads the machine's", () => {
    controls++;
    expect(unguarded(`ln -s / /mnt/slash; cat /mnt/slash${markFile}`)).toBe(MARK);
  });

  test("has a working directory of the machine's reads its files from there", () => {
    controls++;
    expect(unguarded(`cd /proc/1/root && cat ../../../../../../../../..${markFile}`)).toBe(MARK);
  });

  test("executes a setuid program is its owner", () => {
    controls++;
    const script =
      "cp /usr/bin/id /mnt/id; chmod 4755 /mnt/id; setpriv --reuid 1000 --clear-groups /mnt/id -u";
    expect(unguarded(script).trim()).toBe("0");
  });

  test("is root is root of the machine", () => {
    controls++;
    expect(unguarded("cat /proc/self/uid_map").trim().split(/\s+/)).toEqual(
      readFileSync("/proc/self/uid_map", "utf8").trim().split(/\s+/),
    );
  });

  test("opens a pipe waits for who writes to it", () => {
    controls++;
    expect(unguarded("mkfifo /mnt/pipe; timeout 1 cat /mnt/pipe; echo $?")).toContain("124");
  });
});

const USERS = isRoot ? (["root", "an ordinary user"] as const) : (["an ordinary user"] as const);

describe.runIf(clustersRun()).each(USERS)("a cluster of %s", (user) => {
  const cluster = new TestCluster({ unprivileged: isRoot && user !== "root" });
  beforeAll(async () => {
    await cluster.up();
    await cluster.apply(setting());
    const names = KINDS.map((kind) => `pod/${nameOf(kind)}`);
    await cluster.ask("wait", "--for=condition=Ready", ...names, "--timeout=40s");
  }, 90_000);
  afterAll(() => cluster.close(), 60_000);

  const sh = (kind: Kind, script: string): Promise<Result> =>
    cluster.shell(nameOf(kind), `export T=/tmp; ${script}`);

  describe.each(KINDS)("a container that is %s", (kind) => {
    test.each(attacks())("$name in vain", async ({ script }) => {
      tried++;
      const { stdout } = await sh(kind, script);
      expect(stdout).not.toContain("ESCAPED");
    });

    test("is nobody on the machine", async () => {
      tried++;
      const { stdout } = await sh(kind, "cut -c1-40 /proc/self/uid_map");
      const [inside, outside] = stdout.trim().split(/\s+/).map(Number);
      expect(inside).toBe(0);
      expect(outside).not.toBe(0);
    });
  });

  test("a file's capabilities are not more than the container's", async () => {
    tried++;
    expect((await sh("ordinary", FILE_CAPABILITIES)).stdout).not.toContain("ESCAPED");
  });

  test("a setuid program gives nobody who wants no new privileges another user", async () => {
    tried++;
    const { stdout } = await sh("hardened", "cp /usr/bin/id /tmp/id; chmod 4755 /tmp/id; /tmp/id -u");
    expect(stdout.trim()).toBe(user === "root" ? "1000" : "0");
    expect((await sh("hardened", "grep NoNewPrivs /proc/self/status")).stdout).toContain("1");
  });

  test.each([
    ["LD_PRELOAD in the pod's environment", "preloaded"],
    ["/etc/ld.so.preload, and a probe", "probed"],
  ])("%s meets no process with more than the container's capabilities", async (_what, pod) => {
    tried++;
    // The loader waits for a pipe that nobody writes to: whoever loads is there to be looked at.
    const seen = await until("somebody loads it", () => {
      const waiting = processesWith(cluster, /^(?:\/usr\/bin\/env|\/bin\/dash|\S*setpriv)\0/);
      return waiting.length > 0 ? waiting : undefined;
    });
    const everything = cluster.everything().map(({ pid }) => pid);
    for (const { mount } of seen)
      for (const bounding of capabilitiesOf(everything, mount))
        expect(BigInt(`0x${bounding}`) & MORE_THAN_ORDINARY).toBe(0n);
    await cluster.ask("delete", "pod", pod, "--grace-period=0", "--force");
  });

  test("links in a volume lead nowhere out of it", async () => {
    tried++;
    for (const container of ["slash", "up"]) {
      const { stdout } = await cluster.kubectl("exec", "linked", "-c", container, "--", "cat", "/there/mark");
      expect(stdout).not.toContain(MARK);
    }
  });

  test("a pipe as a page is not waited for", async () => {
    tried++;
    await until("the others are served", async () => {
      const { stdout } = await sh("ordinary", "wget -qO- -T 2 $(hostname -i) ; echo asked");
      return stdout.includes("asked") || undefined;
    });
    const address = await cluster.ask("get", "pod", "linked", "-o", "jsonpath={.status.podIP}");
    const { stdout } = await sh("ordinary", `wget -qO- -T 5 http://${address}/ 2>&1; echo over`);
    expect(stdout).toContain("over");
  });

  test("last words are not read through a link", async () => {
    tried++;
    const words = await until("it has ended", async () => {
      const { stdout } = await cluster.kubectl(
        ...["get", "pod", "last-words", "-o", "jsonpath={.status.containerStatuses[0].state.terminated}"],
      );
      return stdout || undefined;
    });
    expect(words).not.toContain(MARK);
  });

  test("a working directory leads to no file of the machine", async () => {
    tried++;
    for (let index = 0; index < 5; index++) {
      const { stdout } = await cluster.kubectl("logs", `somewhere${index}`);
      expect(stdout).not.toContain(MARK);
      const there = await cluster.shell(
        `somewhere${index}`,
        `cat ../../../../../../../../..${markFile} .${markFile}`,
      );
      expect(there.stdout).not.toContain(MARK);
    }
  });

  test("devices that are pipes stop nobody else", async () => {
    tried++;
    await sh(
      "ordinary",
      "rm -f /dev/ptmx; mkfifo /dev/ptmx; umount /dev/null; rm -f /dev/null; mkfifo /dev/null",
    );
    await cluster.kubectlWith({ timeoutMs: 5000 }, "exec", "-t", "ordinary", "--", "true");
    await cluster.kubectlWith({ timeoutMs: 5000 }, "exec", "ordinary", "--", "true");
    expect((await sh("hardened", "echo here")).stdout).toBe("here\n");
  });

  test("the machine is as it was", async () => {
    const before = cluster.pid("machine");
    expect((await cluster.ask("get", "nodes")).match(/ Ready /g)).toHaveLength(2);
    expect(cluster.pid("machine")).toBe(before);
  });
});
