/** @module What a cluster survives: each of its processes killed, and connections and policies that outlive them. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { clustersRun, commandLine, stillThere, TestCluster, until } from "../support/cluster.ts";

const SETTING = `
apiVersion: v1
kind: Pod
metadata: {name: echo, labels: {app: echo}}
spec:
  nodeName: node2
  terminationGracePeriodSeconds: 0
  containers: [{name: c, image: busybox, command: [sh, -c, "nc -lk -p 9000 -e cat"]}]
---
apiVersion: v1
kind: Service
metadata: {name: echo}
spec: {selector: {app: echo}, ports: [{port: 9000}]}
---
apiVersion: v1
kind: Pod
metadata: {name: shut, labels: {app: shut}}
spec:
  nodeName: node2
  terminationGracePeriodSeconds: 0
  containers: [{name: c, image: registry.k8s.io/e2e-test-images/agnhost:2.53, args: [netexec, --http-port=8080]}]
---
apiVersion: v1
kind: Pod
metadata: {name: client, labels: {app: client}}
spec:
  nodeName: node1
  terminationGracePeriodSeconds: 0
  containers: [{name: c, image: busybox, command: [sleep, "100000"]}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: shut}
spec: {podSelector: {matchLabels: {app: shut}}, policyTypes: [Ingress]}
`;

/** Says a number ten times a second through the Service, and logs what comes back. */
const TALKER = `
apiVersion: v1
kind: Pod
metadata: {name: talker}
spec:
  nodeName: node1
  restartPolicy: Never
  terminationGracePeriodSeconds: 0
  containers:
  - name: c
    image: busybox
    command: [sh, -c, "(i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done) | nc echo.default 9000; echo broken"]
`;

describe.runIf(clustersRun())("a cluster goes on when", { timeout: 60_000 }, () => {
  const cluster = new TestCluster();
  let shutAddress = "";
  let echoAddress = "";
  const address = (name: string): Promise<string> =>
    cluster.ask("get", "pod", name, "-o", "jsonpath={.status.podIP}");

  beforeAll(async () => {
    await cluster.up();
    await cluster.apply(SETTING);
    await cluster.ask("wait", "--for=condition=Ready", "pod", "--all", "--timeout=30s");
    await cluster.ask("rollout", "status", "-n", "kube-system", "deployment/coredns", "--timeout=20s");
    await until("the policy is in force", () => isInForce("shut"));
    [shutAddress, echoAddress] = await Promise.all([address("shut"), address("echo")]);
    await until("the echo listens", async () => (await reaches(echoAddress, 9000)) || undefined);
    await cluster.apply(TALKER);
    await until("it talks", async () => (await heard()) > 3);
  }, 60_000);
  afterAll(() => cluster.close(), 60_000);

  async function isInForce(policy: string): Promise<boolean> {
    const { stdout } = await cluster.kubectl("get", "netpol", policy, "-o", "wide");
    return stdout.includes("2/2 nodes");
  }

  async function reaches(to: string, port: number): Promise<boolean> {
    return (await cluster.shell("client", `nc -z -w 1 ${to} ${port}`)).status === 0;
  }

  /** The last number that came back. @throws Error when one was lost, or the connection ended */
  async function heard(): Promise<number> {
    const numbers = (await cluster.ask("logs", "talker"))
      .trim()
      .split("\n")
      .filter((line) => line !== "");
    expect(numbers).toEqual(numbers.map((_line, index) => String(index + 1)));
    return numbers.length;
  }

  async function stillTalks(): Promise<void> {
    const before = await heard();
    await until("more is heard", async () => (await heard()) > before + 5);
  }

  const isBack = (name: string, before: number): Promise<number> =>
    until(`${name} is back`, () => {
      const pid = cluster.pids().get(name);
      return pid !== undefined && pid !== before && pid;
    });

  const answers = (): Promise<true> =>
    until(
      "the API answers",
      async () => (await cluster.kubectl("get", "--raw", "/readyz")).status === 0 || undefined,
    );

  test("its control plane is killed: nothing that was acknowledged is lost, connections and policies stay", async () => {
    for (let round = 0; round < 3; round++) {
      const before = cluster.pid("control-plane");
      await cluster.ask("create", "configmap", `kept-${round}`, "--from-literal=a=b");
      process.kill(before, "SIGKILL");
      await isBack("control-plane", before);
      await answers();
      expect(await cluster.ask("get", "configmap", `kept-${round}`, "-o", "jsonpath={.data.a}")).toBe("b");
    }
    await stillTalks();
    expect(await reaches(shutAddress, 8080)).toBe(false);
    expect(await reaches(echoAddress, 9000)).toBe(true);
    const names = await cluster.ask("get", "pods", "-o", "name");
    expect(names).toBe("pod/client\npod/echo\npod/shut\npod/talker\n");
    // And it works on: a new pod runs.
    await cluster.ask("run", "fresh", "--image=registry.k8s.io/pause:3.10");
    await cluster.ask("wait", "--for=condition=Ready", "pod/fresh", "--timeout=20s");
    await cluster.ask("delete", "pod", "fresh", "--now");
  });

  test("an agent is down: what was denied is denied, and what it missed is in force when it is back", async () => {
    const before = cluster.pid("agent-node2");
    // Stopped, not ended: as long as we want.
    process.kill(before, "SIGSTOP");
    try {
      expect(await reaches(shutAddress, 8080)).toBe(false);
      expect(await reaches(echoAddress, 9000)).toBe(true);
      await cluster.apply(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: missed}\nspec: {podSelector: {matchLabels: {app: late}}, policyTypes: [Ingress]}\n---\n" +
          "apiVersion: v1\nkind: Pod\nmetadata: {name: late, labels: {app: late}}\nspec: {nodeName: node2, terminationGracePeriodSeconds: 0, containers: [{name: c, image: registry.k8s.io/e2e-test-images/agnhost:2.53, args: [netexec, --http-port=8080]}]}\n",
      );
      await sleep(700);
      expect(await isInForce("missed")).toBe(false);
      expect(await cluster.ask("get", "pod", "late")).not.toMatch(/1\/1\s+Running/);
    } finally {
      process.kill(before, "SIGKILL");
    }
    await isBack("agent-node2", before);
    await until("the missed policy is in force", () => isInForce("missed"));
    await cluster.ask("wait", "--for=condition=Ready", "pod/late", "--timeout=20s");
    expect(await reaches(await address("late"), 8080)).toBe(false);
    await cluster.ask("delete", "netpol", "missed");
    await until("late is open", async () => (await reaches(await address("late"), 8080)) || undefined);
    expect(await reaches(shutAddress, 8080)).toBe(false);
    await stillTalks();
  });

  test("its DNS server is killed: names work again", async () => {
    const servers = cluster.everything().filter(({ pid }) => commandLine(pid)[1]?.endsWith("/coredns"));
    expect(servers.length).toBeGreaterThan(0);
    for (const { pid } of servers) process.kill(pid, "SIGKILL");
    const restarts = "jsonpath={.items[0].status.containerStatuses[0].restartCount}";
    await until(
      "it was started again",
      async () =>
        (await cluster.ask("get", "pods", "-n", "kube-system", "-l", "k8s-app=kube-dns", "-o", restarts)) ===
        "1",
    );
    await until("names work", async () => {
      const { stdout } = await cluster.shell("client", "timeout 2 nslookup echo.default.svc.cluster.local");
      return stdout.includes("Name:") || undefined;
    });
  });

  test("it is told to restart: connections stay", async () => {
    const before = new Map(cluster.pids());
    expect((await cluster.tortie("restart")).status).toBe(0);
    for (const name of ["control-plane", "agent-node1", "agent-node2"])
      await isBack(name, before.get(name) ?? 0);
    await answers();
    expect(cluster.pid("machine")).toBe(before.get("machine"));
    await stillTalks();
    expect(await reaches(shutAddress, 8080)).toBe(false);
    // Restarting is no failure: nothing waits for minutes after it.
    await until("policies are reported again", () => isInForce("shut"));
  });

  test("its machine is killed: nothing is left of it, and `up` brings everything back", async () => {
    const processes = cluster.everything();
    process.kill(cluster.pid("machine"), "SIGKILL");
    await until("all has ended", () => stillThere(processes).length === 0);
    expect([...cluster.pids().keys()]).toEqual([]);
    const status = await cluster.tortie("status");
    expect(status.stdout).toMatch(new RegExp(`^${cluster.name}\\s+down\\s`, "m"));
    await cluster.up();
    expect(await cluster.ask("get", "configmap", "kept-2", "-o", "jsonpath={.data.a}")).toBe("b");
    for (const name of ["client", "echo", "shut"])
      await cluster.ask("wait", "--for=condition=Ready", `pod/${name}`, "--timeout=20s");
    await until("the policy is in force", () => isInForce("shut"));
    const [shut, echo] = await Promise.all([address("shut"), address("echo")]);
    await until("the echo listens", async () => (await reaches(echo, 9000)) || undefined);
    expect(await reaches(shut, 8080)).toBe(false);
  });
});
