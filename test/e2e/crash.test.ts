/** @module However the command ends, nothing of it is left: no process, namespace, link or file. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { kernelProblem } from "../../src/cli/enter-kernel.ts";
import { builtCommand, ROOT } from "../support/cli.ts";

const DEMO = path.join(ROOT, "examples/go-demo-2/go-demo-2.test.yaml");

function available(): boolean {
  const problem = kernelProblem();
  if (problem === undefined) return true;
  if (process.env["TORTIE_REQUIRE_KERNEL"] === "1")
    throw new Error(`namespaces are required, but: ${problem}`);
  process.stderr.write(`crash tests are skipped: ${problem}\n`);
  return false;
}

/** Everything that a run may leave on the machine, outside of its own folder. */
function machine(): unknown {
  const run = (command: string, args: readonly string[]): string =>
    spawnSync(command, [...args], { encoding: "utf8" }).stdout;
  return {
    links: run("ip", ["-br", "link"]),
    named: run("ip", ["netns", "list"]),
    mounted: readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .filter((line) => line.includes("nsfs")),
  };
}

function link(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    // The process has ended meanwhile, or is another user's.
    return "";
  }
}

/** Processes that have this in their environment: the command and whatever it started. */
function processesWith(mark: string): string[] {
  return readdirSync("/proc").filter((entry) => {
    if (!/^[0-9]+$/.test(entry)) return false;
    try {
      return readFileSync(`/proc/${entry}/environ`, "latin1").includes(mark);
    } catch {
      return false;
    }
  });
}

function namespacesInUse(): Set<string> {
  return new Set(
    readdirSync("/proc")
      .filter((entry) => /^[0-9]+$/.test(entry))
      .map((entry) => link(`/proc/${entry}/ns/net`)),
  );
}

interface Run {
  readonly child: ChildProcess;
  readonly ended: Promise<{ readonly status: number | null; readonly signal: string | null }>;
  output(): string;
}

async function until(what: string, holds: () => boolean, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe.skipIf(!available())("the command with real packets", () => {
  let folder = "";
  let mark = "";
  let before: unknown;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "tortie-crash."));
    for (const name of ["home", "tmp", "work"]) mkdirSync(path.join(folder, name));
    mark = `tortie-crash-${randomUUID()}`;
    before = machine();
  });

  afterEach(() => {
    for (const pid of processesWith(mark)) process.kill(Number(pid), "SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });

  const environment = (): NodeJS.ProcessEnv => ({
    ...process.env,
    HOME: path.join(folder, "home"),
    TMPDIR: path.join(folder, "tmp"),
    TORTIE_TEST_MARK: mark,
  });

  const start = (args: readonly string[]): Run => {
    const child = spawn(process.execPath, [builtCommand(), ...args], {
      cwd: path.join(folder, "work"),
      env: environment(),
      stdio: ["ignore", "pipe", "pipe"],
    });
    let text = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (data: Buffer) => (text += String(data)));
    const ended = new Promise<{ status: number | null; signal: string | null }>((resolve) => {
      child.on("close", (status, signal) => resolve({ status, signal }));
    });
    return { child, ended, output: () => text };
  };

  const run = (args: readonly string[], input = ""): ReturnType<typeof spawnSync> & { stdout: string } =>
    spawnSync(process.execPath, [builtCommand(), ...args], {
      cwd: path.join(folder, "work"),
      env: environment(),
      encoding: "utf8",
      maxBuffer: 1 << 26,
      input,
    });

  const expectNothingLeft = async (namespace: string): Promise<void> => {
    expect(processesWith(mark)).toEqual([]);
    expect(machine()).toEqual(before);
    for (const name of ["home", "tmp", "work"]) expect(readdirSync(path.join(folder, name))).toEqual([]);
    // Other tests make namespaces too, and the kernel gives a number out again at once.
    if (namespace !== "")
      await until("the namespace is gone", () => !namespacesInUse().has(namespace), 5_000);
  };

  const COMMANDS: readonly (readonly [string, readonly string[]])[] = [
    ["tortie demo", ["demo", "--on", "kernel"]],
    ["tortie test --on kernel", ["test", "--on", "kernel", DEMO]],
  ];

  describe.each(COMMANDS)("%s", (_name, args) => {
    test.each(["SIGINT", "SIGTERM", "SIGKILL"] as const)(
      "killed by %s leaves nothing behind",
      async (signal) => {
        const { child, ended } = start(args);
        const { pid } = child;
        const home = link("/proc/self/ns/net");
        let namespace = "";
        // In the middle: it is in its own network, and holds the namespaces of the lab.
        await until(
          "the lab is built",
          () => {
            namespace = link(`/proc/${pid}/ns/net`);
            const files = namespace === home ? [] : readdirSync(`/proc/${pid}/fd`);
            return files.filter((fd) => link(`/proc/${pid}/fd/${fd}`).startsWith("net:[")).length >= 5;
          },
          10_000,
        );
        const asked = performance.now();
        child.kill(signal);
        const { status, signal: by } = await ended;
        expect(performance.now() - asked).toBeLessThan(2_000);
        expect({ status, by }).toEqual(
          signal === "SIGINT" ? { status: 130, by: null } : { status: null, by: signal },
        );
        await expectNothingLeft(namespace);
        const again = run(args);
        expect({ status: again.status, err: again.stderr }).toEqual({ status: 0, err: "" });
        await expectNothingLeft("");
      },
    );
  });

  const testOf = (expected: string): string =>
    `apiVersion: tortie.dev/v1alpha1\nkind: ConnectivityTest\nmetadata: {name: t}\nspec:\n  cluster: {pods: [{namespace: x, name: a}, {namespace: x, name: b}]}\n  probes: [{from: x/a, to: x/b, port: 80, expect: ${expected}}]\n`;

  test.each([
    ["yes is 0", () => testOf("allow"), 0],
    ["no is 1", () => testOf("deny"), 1],
    ["bad input is 2", () => "kind: Nonsense\napiVersion: v1\n", 2],
  ])("the exit status comes through the change of network: %s", async (_why, input, status) => {
    expect(run(["test", "--on", "kernel", "-"], input()).status).toBe(status);
    await expectNothingLeft("");
  });

  test("standard input and output come through whole, however slow the reader", async () => {
    const shell = spawnSync(
      "sh",
      [
        "-c",
        `"$1" "$2" test --on kernel --json "$3" | { sleep 1; cat; } | wc -c; "$1" "$2" test --on kernel --json "$3" | head -c 10`,
        "sh",
        process.execPath,
        builtCommand(),
        DEMO,
      ],
      { encoding: "utf8", env: environment(), cwd: path.join(folder, "work") },
    );
    const whole = run(["test", "--on", "kernel", "--json", DEMO]).stdout.length;
    expect(shell.stderr).toBe("");
    const [size = "", start_ = ""] = shell.stdout.split("\n");
    expect(Number(size)).toBe(whole);
    expect(start_).toBe("{");
    await expectNothingLeft("");
  });
});
