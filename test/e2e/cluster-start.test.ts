/** @module How a cluster starts, and what is left when it does not. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { clustersRun, finished, TestCluster, until } from "../support/cluster.ts";
import { Etcd, hasEtcd } from "../support/etcd.ts";

describe.runIf(clustersRun())("a start", { timeout: 60_000 }, () => {
  let cluster: TestCluster;
  afterEach(() => cluster.close(), 60_000);

  const nothingIsLeft = (): void => {
    expect([...cluster.pids().keys()]).toEqual([]);
    expect(existsSync(path.join(cluster.stateFolder, "cluster.json"))).toBe(false);
    expect(existsSync(cluster.kubeconfig)).toBe(false);
  };

  test.each([
    [["--pod-cidr", "foo"], "foo is not a CIDR"],
    [["--pod-cidr", "10.1.2.3/16"], "did you mean 10.1.0.0/16?"],
    [["--pod-cidr", "10.96.0.0/16"], "overlap"],
    [["--pod-cidr", "172.18.0.0/16"], "where nodes have their addresses"],
    [["--pod-cidr", "127.0.0.0/8"], "loopback"],
    [["--pod-cidr", "10.0.0.0/30", "--nodes", "9"], "too small for 9 nodes"],
    [["--service-cidr", "10.96.0.0/31"], "too small for Services"],
    [["--store", "floppy"], "there is no store"],
  ])("with %j is refused, and forgotten", async (words, reason) => {
    cluster = new TestCluster();
    const { status, stderr } = await cluster.tortie("up", "--detach", ...words);
    expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringContaining(reason) as string });
    nothingIsLeft();
  });

  test("with a kubeconfig that is none is refused before anything runs", async () => {
    cluster = new TestCluster();
    const file = path.join(cluster.folder, "broken");
    writeFileSync(file, "a: [b");
    const args = ["up", "--name", cluster.name, "--detach"];
    const command = path.join(import.meta.dirname, "../../dist/bin/tortie.js");
    const ended = await cluster.run(process.execPath, [command, ...args], { env: { KUBECONFIG: file } });
    expect(ended).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("is not a kubeconfig") as string,
    });
    expect(readFileSync(file, "utf8")).toBe("a: [b");
    nothingIsLeft();
  });

  test.each([50, 250, 600])("that is interrupted after %i ms leaves nothing", async (milliseconds) => {
    cluster = new TestCluster();
    const up = cluster.startUp("--detach", "--store", "memory");
    const ended = finished(up);
    await sleep(milliseconds);
    up.kill("SIGTERM");
    const { status } = await ended;
    // On a fast machine it may have been up already.
    if (status === 0) return;
    await until("nothing runs", () => cluster.pids().size === 0);
    expect(existsSync(cluster.runFolder)).toBe(false);
    nothingIsLeft();
  });

  test("is one of two at once, of one name; of two names both", async () => {
    cluster = new TestCluster();
    const other = new TestCluster({ beside: cluster });
    const [first, second, third] = await Promise.all([
      cluster.tortie("up", "--detach", "--nodes", "1"),
      cluster.tortie("up", "--detach", "--nodes", "1"),
      other.tortie("up", "--detach", "--nodes", "1"),
    ]);
    expect([first.status, second.status].sort()).toEqual([0, 2]);
    expect(first.stderr + second.stderr).toMatch(/is being started by process|is running already/);
    expect(third.status).toBe(0);
    for (const one of [cluster, other])
      expect(await one.ask("get", "nodes", "-o", "name")).toBe("node/node1\n");
    await other.close(false);
  });

  test("finds a machine that does not answer, and `down` ends it", async () => {
    cluster = new TestCluster();
    await cluster.up("--nodes", "1");
    process.kill(cluster.pid("machine"), "SIGSTOP");
    expect((await cluster.tortie("down")).status).toBe(0);
    await until("nothing runs", () => cluster.pids().size === 0);
  });

  test.runIf(hasEtcd())(
    "with etcd keeps its objects there, and the way to it ends with the cluster",
    async () => {
      cluster = new TestCluster();
      const etcd = await Etcd.start();
      const relays = (): number => [...cluster.pids().keys()].filter((name) => name === "etcd-relay").length;
      try {
        await cluster.up("--nodes", "1", "--store", `etcd://127.0.0.1:${etcd.port}/lab`);
        await cluster.ask("create", "configmap", "kept");
        expect(relays()).toBe(1);
        expect((await cluster.tortie("down")).status).toBe(0);
        await until("the way is closed", () => relays() === 0);
        await cluster.up();
        expect(await cluster.ask("get", "configmap", "kept", "-o", "name")).toBe("configmap/kept\n");
      } finally {
        await cluster.tortie("reset");
        await etcd.close();
      }
    },
  );
});
