/** @module A cluster whose disks are full: what is there is read and enforced, what cannot be written is told, nothing is lost. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { MachineStatus } from "../../src/cluster/control-socket.ts";
import { clustersRun, type Result, TestCluster, until } from "../support/cluster.ts";
import { SmallDisks } from "../support/small-disks.ts";

const HUNDREDS = 1000;

const PODS = `
apiVersion: v1
kind: Pod
metadata: {name: open, labels: {app: open}}
spec: {containers: [{name: c, image: nginx}]}
---
apiVersion: v1
kind: Pod
metadata: {name: shut, labels: {app: shut}}
spec: {containers: [{name: c, image: nginx}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client, labels: {app: client}}
spec: {containers: [{name: c, image: busybox, command: [sleep, "100000"]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: shut}
spec: {podSelector: {matchLabels: {app: shut}}, policyTypes: [Ingress]}
`;

interface Status {
  readonly details: MachineStatus;
}

describe.skipIf(!clustersRun())("on small disks", () => {
  const folder = mkdtempSync("/tmp/tt.");
  const [state, run] = [path.join(folder, "state"), path.join(folder, "run")];
  let disks: SmallDisks | undefined;
  let cluster: TestCluster | undefined;
  /** Names of ConfigMaps that were acknowledged, and of those that were refused. */
  const acknowledged: string[] = [];
  const refused: string[] = [];
  let count = 0;

  function there(): { readonly disks: SmallDisks; readonly cluster: TestCluster } {
    if (!disks || !cluster) throw new Error("there are no disks");
    return { disks, cluster };
  }

  async function create(hundreds: number): Promise<Result> {
    const name = `m${count++}`;
    const { cluster: own } = there();
    const result = await own.kubectl(
      "create",
      "configmap",
      name,
      `--from-literal=k=${"x".repeat(hundreds * 100)}`,
    );
    (result.status === 0 ? acknowledged : refused).push(name);
    return result;
  }

  async function names(): Promise<string[]> {
    const text = await there().cluster.ask("get", "configmaps", "-o", "name");
    return text
      .trim()
      .split("\n")
      .map((one) => one.replace("configmap/", ""))
      .filter((one) => /^m\d+$/.test(one));
  }

  async function status(): Promise<MachineStatus> {
    const { stdout } = await there().cluster.tortie("status", "-o", "json");
    return (JSON.parse(stdout) as Status).details;
  }

  async function reach(pod: string): Promise<boolean> {
    const { cluster: own } = there();
    const address = await own.ask("get", "pod", pod, "-o", "jsonpath={.status.podIP}");
    return (await own.shell("client", `wget -q -O /dev/null -T 1 http://${address}`)).status === 0;
  }

  beforeAll(async () => {
    for (const one of [state, run]) mkdirSync(one);
    disks = await SmallDisks.mount([
      { folder: state, megabytes: 24 },
      { folder: run, megabytes: 64 },
    ]);
    cluster = new TestCluster({ within: disks.within, folder });
  });

  afterAll(async () => {
    await cluster?.close(false);
    disks?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test.each([
    ["state", state],
    ["run", run],
  ])(
    "tortie up on a full %s disk fails with its name, and leaves nothing in the way",
    async (_which, full) => {
      const { disks: own, cluster: tried } = there();
      own.fill(full);
      const { status: exit, stderr } = await tried.tortie("up", "--detach");
      own.free(full);
      expect([exit, stderr]).toEqual([3, expect.stringContaining("no space left on device")]);
      expect(stderr).toContain(full);
      expect(stderr).not.toMatch(/^\s+at /m);
      expect(own.run(`find ${state} -name '*.lock*'`)).toBe("");
    },
  );

  test("an empty lock file, as a full disk leaves it, is in nobody's way", async () => {
    const { disks: own, cluster: tried } = there();
    own.run(`mkdir -p ${state}/tortie && : > ${state}/tortie/${tried.name}.lock`);
    await tried.up();
  });

  test("a full state disk refuses writes by name, and ends nobody", async () => {
    const { disks: own, cluster: full } = there();
    await full.apply(PODS);
    await full.ask("wait", "--for=condition=Ready", "pod", "--all", "--timeout=30s");
    expect([await reach("open"), await reach("shut")]).toEqual([true, false]);
    const before = full.pids();
    for (let made = 0; made < 5; made++) await create(1);
    own.fill(state);
    const failed = await until("a refusal", async () => {
      const result = await create(HUNDREDS);
      return result.status !== 0 && result;
    });
    expect(failed.stderr).toContain("Internal error occurred");
    expect(failed.stderr).toContain("no space left on device");
    expect((await names()).toSorted()).toEqual(acknowledged.toSorted());
    expect([await reach("open"), await reach("shut")]).toEqual([true, false]);
    expect((await full.tortie("status")).stderr).toContain(
      `${state}/tortie/${full.name} (objects, keys and logs) is full`,
    );
    expect((await status()).fullDisks.map((disk) => disk.folder)).toEqual([`${state}/tortie/${full.name}`]);
    expect(full.pids()).toEqual(before);
  });

  test("what was acknowledged is there after the control plane is killed on the full disk, and is read", async () => {
    const { cluster: full } = there();
    const killed = full.pid("control-plane");
    process.kill(killed, "SIGKILL");
    const found = await until("the API", async () => {
      if (full.pids().get("control-plane") === killed) return undefined;
      return await names().catch(() => undefined);
    });
    expect(found.toSorted()).toEqual(acknowledged.toSorted());
    expect((await create(HUNDREDS)).stderr).toContain("no space left on device");
    expect([await reach("open"), await reach("shut")]).toEqual([true, false]);
  });

  test("it takes writes again when there is room, and watchers hear of them", async () => {
    const { disks: own, cluster: full } = there();
    const watch = full.start(process.env["KUBECTL"] ?? full.env["KUBECTL"] ?? "", [
      `--context=tortie-${full.name}`,
      ...["get", "configmaps", "-o", "name", "--watch-only"],
    ]);
    let heard = "";
    watch.stdout?.on("data", (chunk: Buffer) => {
      heard += chunk.toString();
    });
    await create(1);
    own.free(state);
    const first = await until("a write", async () => (await create(1)).status === 0 && acknowledged.at(-1));
    await until("the watcher", () => heard.includes(`configmap/${first}\n`));
    watch.kill("SIGKILL");
    expect((await names()).toSorted()).toEqual(acknowledged.toSorted());
    for (const name of refused) expect(heard).not.toContain(`configmap/${name}\n`);
    expect((await full.tortie("status")).stderr).not.toContain("is full");
  });

  test("a full run disk ends nobody, and the agents come back on it", async () => {
    const { disks: own, cluster: full } = there();
    own.fill(run);
    const before = full.pids();
    expect((await full.tortie("status")).stderr).toContain(
      `${run}/tortie/${full.name} (sockets and containers) is full`,
    );
    expect((await create(1)).status).toBe(0);
    process.kill(full.pid("agent-node1"), "SIGKILL");
    await until("the agent", () => {
      const now = full.pids().get("agent-node1");
      return now !== undefined && now !== before.get("agent-node1");
    });
    await full.ask("delete", "networkpolicy", "shut");
    await until("the policy's end", () => reach("shut"));
    await full.ask("run", "late", "--image=nginx");
    const sandbox = "involvedObject.name=late,reason=FailedCreatePodSandBox";
    // More than once: each attempt begins with nothing of the one before.
    await until("two attempts", async () => {
      const counts = await full.ask(
        "get",
        "events",
        `--field-selector=${sandbox}`,
        "-o",
        "jsonpath={.items[*].count}",
      );
      return counts.split(" ").reduce((sum, count) => sum + Number(count), 0) >= 2;
    });
    expect(full.pids().get("machine")).toBe(before.get("machine"));
    expect(full.pids().get("control-plane")).toBe(before.get("control-plane"));
    own.free(run);
    await full.ask("wait", "--for=condition=Ready", "pod/late", "--timeout=20s");
    expect(await reach("late")).toBe(true);
  });
});
