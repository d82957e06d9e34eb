/** @module What goes wrong for people: their manifests, images and names, in Kubernetes' own words. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { clustersRun, finished, stillThere, TestCluster, until } from "../support/cluster.ts";

const IMAGES = `
images:
- {image: shop/missing, exists: false}
- {image: shop/web, serves: [{port: 8080, answers: http, body: "hello from {pod}\\n"}]}
`;

function pod(name: string, container: string, more = ""): string {
  return `---\napiVersion: v1\nkind: Pod\nmetadata: {name: ${name}}\nspec: {terminationGracePeriodSeconds: 0, ${more} containers: [{name: c, ${container}}]}\n`;
}

const SLEEP = 'image: busybox, command: [sleep, "100000"]';

/** Events about an object, as "Reason: message". */
async function eventsOf(cluster: TestCluster, name: string): Promise<string> {
  return await cluster.ask(
    ...["get", "events", "--field-selector", `involvedObject.name=${name}`],
    ...["-o", 'jsonpath={range .items[*]}{.reason}: {.message}{"\\n"}{end}'],
  );
}

const waitingReason = (cluster: TestCluster, name: string): Promise<string> =>
  cluster.ask("get", "pod", name, "-o", "jsonpath={.status.containerStatuses[0].state.waiting.reason}");

describe.runIf(clustersRun())("bad days", { timeout: 60_000 }, () => {
  describe("with manifests and images", () => {
    const cluster = new TestCluster();
    beforeAll(async () => {
      const file = path.join(cluster.folder, "images.yaml");
      writeFileSync(file, IMAGES);
      await cluster.up("--images", file);
      await cluster.apply(pod("needy", `${SLEEP}, envFrom: [{configMapRef: {name: later}}]`));
    }, 60_000);
    afterAll(() => cluster.close(), 60_000);

    test("a typo is refused in kubectl's words", async () => {
      const { status, stderr } = await cluster.kubectlWith(
        { input: pod("typo", "image: nginx, prots: [{containerPort: 80}]") },
        ...["apply", "-f", "-"],
      );
      expect(status).toBe(1);
      expect(stderr).toContain('strict decoding error: unknown field "spec.containers[0].prots"');
      expect((await cluster.kubectl("get", "pod", "typo")).stderr).toBe(
        'Error from server (NotFound): pods "typo" not found\n',
      );
    });

    test("what is not valid is refused with every reason", async () => {
      const { stderr } = await cluster.kubectlWith(
        {
          input:
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: wrong}\nspec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/33}}], ports: [{port: 70000}]}]}\n",
        },
        ...["apply", "-f", "-"],
      );
      expect(stderr).toContain('The NetworkPolicy "wrong" is invalid:');
      expect(stderr).toContain("* spec.ingress[0].ports[0].port: Invalid value: 70000");
      expect(stderr).toContain("spec.ingress[0].from[0].ipBlock.cidr: Invalid value");
    });

    test("a pod that no node takes is Pending, and an event says why", async () => {
      await cluster.apply(pod("picky", SLEEP, "nodeSelector: {disk: ssd},"));
      const words = await until("an event", async () => (await eventsOf(cluster, "picky")) || undefined);
      expect(words).toContain(
        "FailedScheduling: 0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.",
      );
      expect(await cluster.ask("get", "pod", "picky", "-o", "jsonpath={.status.phase}")).toBe("Pending");
      await cluster.ask("label", "node", "node2", "disk=ssd");
      await cluster.ask("wait", "--for=condition=Ready", "pod/picky", "--timeout=20s");
    });

    test("a command that fails is started again and again, and the log of the last time is kept", async () => {
      await cluster.apply(pod("failing", 'image: busybox, command: [sh, -c, "echo said; exit 3"]'));
      await until("it waits", async () => (await waitingReason(cluster, "failing")) === "CrashLoopBackOff");
      expect(await cluster.ask("logs", "-p", "failing")).toBe("said\n");
      const code = "jsonpath={.status.containerStatuses[0].lastState.terminated.exitCode}";
      expect(await cluster.ask("get", "pod", "failing", "-o", code)).toBe("3");
      expect(await eventsOf(cluster, "failing")).toContain("BackOff: Back-off restarting failed container c");
    });

    test("a program that is not in the image says so", async () => {
      await cluster.apply(pod("nothing", "image: busybox, command: [no-such-program]"));
      await until("it waits", async () => (await waitingReason(cluster, "nothing")) !== "");
      expect(
        await until("an event", async () => /no-such-program/.exec(await eventsOf(cluster, "nothing"))?.[0]),
      ).toBe("no-such-program");
    });

    test("an image that is not there is not pulled", async () => {
      await cluster.apply(pod("absent", "image: shop/missing") + pod("present", "image: shop/web"));
      await until("it is refused", async () => (await waitingReason(cluster, "absent")) === "ErrImagePull");
      expect(await eventsOf(cluster, "absent")).toContain('Failed to pull image "shop/missing"');
      await cluster.ask("wait", "--for=condition=Ready", "pod/present", "--timeout=20s");
    });

    test("a second cluster of that name is refused", async () => {
      const { status, stderr } = await cluster.tortie("up", "--detach");
      expect({ status, stderr }).toEqual({
        status: 2,
        stderr: expect.stringContaining(`cluster ${cluster.name} is running already`) as string,
      });
    });

    test("two clusters live side by side, and nobody's contexts are lost", async () => {
      const config = (...args: string[]): Promise<string> => cluster.ask("config", ...args);
      await config("set-cluster", "mine", "--server=https://example.com");
      await config("set-context", "mine", "--cluster=mine");
      const other = new TestCluster({ beside: cluster });
      try {
        await other.up("--nodes", "1");
        await other.ask("create", "configmap", "only-there");
        expect((await cluster.kubectl("get", "configmap", "only-there")).status).toBe(1);
        expect((await config("get-contexts", "-o", "name")).trim().split("\n").sort()).toEqual(
          ["mine", `tortie-${cluster.name}`, `tortie-${other.name}`].sort(),
        );
        const status = await cluster.plain("status");
        expect(status.stdout).toMatch(new RegExp(`^${other.name}\\s+running\\s+1\\s`, "m"));
      } finally {
        await other.close(false);
      }
      expect((await config("get-contexts", "-o", "name")).trim().split("\n").sort()).toEqual(
        ["mine", `tortie-${cluster.name}`].sort(),
      );
    });

    // The last of these: a kubelet tries every ten seconds, which the others have passed.
    test("a ConfigMap that is not there holds its pod up, until it is", async () => {
      await until(
        "it waits",
        async () => (await waitingReason(cluster, "needy")) === "CreateContainerConfigError",
      );
      expect(await eventsOf(cluster, "needy")).toContain('configmap "later" not found');
      await cluster.ask("create", "configmap", "later", "--from-literal=WORD=there");
      await cluster.ask("wait", "--for=condition=Ready", "pod/needy", "--timeout=30s");
      expect((await cluster.shell("needy", "echo $WORD")).stdout).toBe("there\n");
    });
  });

  describe("at the start and the end", () => {
    let cluster: TestCluster;
    afterEach(() => cluster.close(), 60_000);

    test("with no address left a pod waits for one that is given back", async () => {
      cluster = new TestCluster();
      await cluster.up("--nodes", "1", "--pod-cidr", "10.9.0.0/28");
      // 14 addresses; one is the DNS server's.
      const names = Array.from({ length: 13 }, (_, index) => `p${index}`);
      await cluster.apply(names.map((name) => pod(name, "image: registry.k8s.io/pause:3.10")).join(""));
      await cluster.ask("wait", "--for=condition=Ready", "pod", "--all", "--timeout=30s");
      await cluster.apply(pod("late", "image: registry.k8s.io/pause:3.10"));
      const words = await until(
        "it is told",
        async () => /FailedCreatePodSandBox: .*/.exec(await eventsOf(cluster, "late"))?.[0],
      );
      expect(words).toContain("no addresses available in range 10.9.0.0/28");
      expect(await cluster.ask("get", "pod", "late")).toContain("ContainerCreating");
      await cluster.ask("delete", "pod", "p5");
      await cluster.ask("wait", "--for=condition=Ready", "pod/late", "--timeout=20s");
    });

    test("a port that another has is named", async () => {
      cluster = new TestCluster();
      const server = createServer();
      const port = await new Promise<number>((resolve) => {
        server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port));
      });
      const { status, stderr } = await cluster.tortie("up", "--detach", "--port", String(port));
      server.close();
      expect(stderr).toContain(`port ${port} of 127.0.0.1 is in use; name another one with --port`);
      expect(status).toBe(7);
      expect(existsSync(cluster.kubeconfig)).toBe(false);
    });

    test("`down` leaves nothing that runs, `up` brings all back, `reset` forgets", async () => {
      cluster = new TestCluster();
      await cluster.up("--nodes", "1");
      await cluster.apply(pod("kept", SLEEP));
      await cluster.ask("wait", "--for=condition=Ready", "pod/kept", "--timeout=20s");
      const processes = cluster.everything();
      expect((await cluster.tortie("down")).status).toBe(0);
      expect(stillThere(processes)).toEqual([]);
      expect([...cluster.pids().keys()]).toEqual([]);
      expect(existsSync(cluster.runFolder)).toBe(false);
      expect(readFileSync(cluster.kubeconfig, "utf8")).not.toContain(cluster.name);
      expect((await cluster.tortie("status")).stdout).toMatch(/\sdown\s/);
      const again = await cluster.tortie("down");
      expect({ status: again.status, stderr: again.stderr }).toEqual({
        status: 2,
        stderr: expect.stringContaining("is not running; start it with: tortie up") as string,
      });
      await cluster.up();
      await cluster.ask("wait", "--for=condition=Ready", "pod/kept", "--timeout=20s");
      expect((await cluster.shell("kept", "echo here")).stdout).toBe("here\n");
      expect((await cluster.tortie("reset")).status).toBe(0);
      expect(existsSync(cluster.stateFolder)).toBe(false);
      await cluster.up("--nodes", "1");
      expect((await cluster.kubectl("get", "pod", "kept")).status).toBe(1);
    });

    test.each(["SIGINT", "SIGTERM"] as const)("%s ends a cluster in the foreground", async (signal) => {
      cluster = new TestCluster();
      const up = cluster.startUp("--nodes", "1");
      let said = "";
      up.stderr?.on("data", (chunk: Buffer) => {
        said += chunk.toString();
      });
      const ended = finished(up);
      await until("it is up", () => said.includes("Ctrl-C ends the cluster"));
      const processes = cluster.everything();
      up.kill(signal);
      expect((await ended).status).toBe(0);
      expect(stillThere(processes)).toEqual([]);
      expect(existsSync(cluster.runFolder)).toBe(false);
    });

    // Only root can become somebody else. Who runs this without being root tests it with all the others.
    test.runIf(process.getuid?.() === 0)("nobody in particular can have a cluster", async () => {
      cluster = new TestCluster({ unprivileged: true });
      await cluster.up();
      await cluster.apply(
        `${pod("web", "image: shop/any, ports: [{containerPort: 8080}]")}${pod("asker", SLEEP)}`,
      );
      await cluster.ask("wait", "--for=condition=Ready", "pod", "--all", "--timeout=20s");
      const address = await cluster.ask("get", "pod", "web", "-o", "jsonpath={.status.podIP}");
      const reach = async (): Promise<number | null> =>
        (await cluster.shell("asker", `nc -z -w 1 ${address} 8080`)).status;
      expect(await reach()).toBe(0);
      await cluster.apply(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: shut}\nspec: {podSelector: {}, policyTypes: [Ingress]}\n",
      );
      await until("it is in force", async () =>
        (await cluster.ask("get", "netpol", "-o", "wide")).includes("2/2 nodes"),
      );
      expect(await reach()).toBe(1);
      const processes = cluster.everything();
      expect((await cluster.tortie("down")).status).toBe(0);
      expect(stillThere(processes)).toEqual([]);
    });
  });
});
