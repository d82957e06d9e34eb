/** @module `tortie up` and kubectl: pods, Services, names and policies, with packets. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { clustersRun, TestCluster, until } from "../support/cluster.ts";

const NODES = ["172.18.0.2", "172.18.0.3"];

const NETEXEC =
  "{name: c, image: registry.k8s.io/e2e-test-images/agnhost:2.53, args: [netexec, --http-port=8080]}";

function service(name: string, more: string, ports = "[{port: 80, targetPort: 8080}]"): string {
  return `---\napiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {selector: {app: web}, ports: ${ports}, ${more}}\n`;
}

function pod(name: string, options: { node?: string; namespace?: string; labels?: string } = {}): string {
  const { node, namespace = "default", labels = `{app: ${name}}` } = options;
  return `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: ${namespace}, labels: ${labels}}
spec:
  terminationGracePeriodSeconds: 0
  ${node === undefined ? "" : `nodeName: ${node}`}
  containers: [{name: c, image: busybox, command: [sleep, "100000"]}]
`;
}

const WEB = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [${NETEXEC}]}
`;

describe.runIf(clustersRun())("a cluster on this machine", { timeout: 60_000 }, () => {
  const cluster = new TestCluster();
  const get = async (from: string, url: string): Promise<string> => {
    const { status, stdout } = await cluster.shell(from, `wget -qO- -T 1 ${url}`);
    return status === 0 ? stdout.trim() : `exit ${status}`;
  };

  beforeAll(async () => {
    const said = await cluster.up();
    expect(said).toMatch(/^cluster t\w+: 2 nodes Ready after [\d.]+ s; API at https:\/\/127\.0\.0\.1:\d+\n/);
    await cluster.apply(
      WEB +
        service("web", "type: ClusterIP") +
        service("ports", "type: NodePort", "[{port: 80, targetPort: 8080, nodePort: 30080}]") +
        service("headless", "clusterIP: None") +
        service("sticky", "sessionAffinity: ClientIP") +
        service("balanced", "type: LoadBalancer") +
        "---\napiVersion: v1\nkind: Service\nmetadata: {name: other}\nspec: {type: ExternalName, externalName: web.default.svc.cluster.local}\n" +
        pod("client1", { node: "node1" }) +
        pod("client2", { node: "node2" }),
    );
    await cluster.ask("rollout", "status", "deployment", "web", "--timeout=30s");
    await cluster.ask("wait", "--for=condition=Ready", "pod", "--all", "--timeout=30s");
  }, 60_000);
  afterAll(() => cluster.close(), 60_000);

  const webPods = async (): Promise<{ name: string; address: string; node: string }[]> =>
    (
      await cluster.ask(
        "get",
        "pods",
        "-l",
        "app=web",
        "-o",
        'jsonpath={range .items[*]}{.metadata.name} {.status.podIP} {.spec.nodeName}{"\\n"}{end}',
      )
    )
      .trim()
      .split("\n")
      .map((line) => {
        const [name = "", address = "", node = ""] = line.split(" ");
        return { name, address, node };
      });

  test("`up` returns when the nodes are Ready", async () => {
    const lines = (await cluster.ask("get", "nodes", "--no-headers")).trim().split("\n");
    expect(lines.map((line) => line.split(/\s+/).slice(0, 2))).toEqual([
      ["node1", "Ready"],
      ["node2", "Ready"],
    ]);
  });

  test("pods of both nodes reach each other by address", async () => {
    const pods = await webPods();
    expect(new Set(pods.map(({ node }) => node))).toEqual(new Set(["node1", "node2"]));
    for (const client of ["client1", "client2"])
      for (const { name, address } of pods)
        expect(await get(client, `http://${address}:8080/hostname`)).toBe(name);
  });

  test("a Service is reached by its name, short and whole, from a pod that kubectl run made", async () => {
    const names = (await webPods()).map(({ name }) => name);
    for (const url of ["http://web/hostname", "http://web.default.svc.cluster.local/hostname"]) {
      const told = await cluster.ask(
        ...["run", "asker", "--rm", "-i", "--restart=Never", "--image=busybox", "--grace-period=0"],
        ...["--", "wget", "-qO-", "-T", "3", url],
      );
      expect(names).toContain(/web-\w+-\w{5}/.exec(told)?.[0]);
    }
  });

  test("a node port answers on every node, from every pod", async () => {
    const names = (await webPods()).map(({ name }) => name);
    for (const client of ["client1", "client2"])
      for (const node of NODES) expect(names).toContain(await get(client, `http://${node}:30080/hostname`));
  });

  test("a host port leads to its pod, at the pod's own node only, as long as the pod is there", async () => {
    const port = "ports: [{containerPort: 8080, hostPort: 8088}]";
    await cluster.apply(`---
apiVersion: v1
kind: Pod
metadata: {name: atnode2}
spec:
  terminationGracePeriodSeconds: 0
  nodeName: node2
  containers: [${NETEXEC.replace(/}$/, `, ${port}}`)}]
`);
    await cluster.ask("wait", "--for=condition=Ready", "pod/atnode2", "--timeout=20s");
    const [other, own] = NODES;
    for (const client of ["client1", "client2"])
      expect(await get(client, `http://${own}:8088/hostname`)).toBe("atnode2");
    expect(await get("client2", `http://${other}:8088/hostname`)).toBe("exit 1");
    await cluster.ask("delete", "pod", "atnode2");
    await until(
      "it is closed",
      async () => (await get("client1", `http://${own}:8088/`)) === "exit 1" || undefined,
    );
  });

  test("a Service without pods refuses at once, in words that tell it from a policy", async () => {
    await cluster.ask("create", "service", "clusterip", "nobody", "--tcp=80:80");
    const refused = "Connection refused";
    await until("it refuses", async () => {
      const { stderr } = await cluster.shell("client1", "nc -zv -w 3 nobody 80");
      return stderr.includes(refused) || undefined;
    });
    const { stderr } = await cluster.shell("client2", "wget -qO- -T 3 http://nobody");
    expect(stderr).toContain(refused);
  });

  test("the name of a headless Service is its pods' addresses", async () => {
    const { stdout } = await cluster.shell("client1", "nslookup headless.default.svc.cluster.local");
    const found = [...stdout.matchAll(/Address: (192\.168\.[\d.]+)/g)].map(([, address]) => address).sort();
    expect(found).toEqual((await webPods()).map(({ address }) => address).sort());
  });

  test("an ExternalName is an alias", async () => {
    const { stdout } = await cluster.shell("client1", "nslookup other.default.svc.cluster.local");
    expect(stdout).toMatch(/Name:\tweb\.default\.svc\.cluster\.local\nAddress: 10\.\d/);
    expect(await get("client1", "http://other/hostname")).toMatch(/^web-/);
  });

  test("names that there are not are NXDOMAIN, and outside names do not hang", async () => {
    const missing = await cluster.shell("client1", "nslookup nothing.default.svc.cluster.local");
    expect(missing.stdout + missing.stderr).toContain("NXDOMAIN");
    expect(missing.status).toBe(1);
  });

  test("with session affinity one client stays at one pod", async () => {
    const loop = (url: string): string => `for i in $(seq 20); do wget -qO- -T 2 ${url}; echo; done`;
    const sticky = await cluster.shell("client1", loop("http://sticky/hostname"));
    const lines = sticky.stdout.trim().split("\n");
    expect({ count: lines.length, pods: new Set(lines).size }).toEqual({ count: 20, pods: 1 });
    const free = await cluster.shell("client1", loop("http://web/hostname"));
    expect(new Set(free.stdout.trim().split("\n")).size).toBeGreaterThan(1);
  });

  test("a pod reaches itself through its own Service", async () => {
    await cluster.apply(
      "---\napiVersion: v1\nkind: Service\nmetadata: {name: own}\nspec: {selector: {app: own}, ports: [{port: 80, targetPort: 8080}]}\n" +
        `---\napiVersion: v1\nkind: Pod\nmetadata: {name: own, labels: {app: own}}\nspec: {terminationGracePeriodSeconds: 0, containers: [${NETEXEC}]}\n`,
    );
    await cluster.ask("wait", "--for=condition=Ready", "pod/own", "--timeout=20s");
    expect(
      await until("own answers", async () => (await get("own", "http://own.default/hostname")) === "own"),
    ).toBe(true);
  });

  test("a LoadBalancer gets an address, which answers", async () => {
    const address = await cluster.ask(
      ...["get", "service", "balanced", "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}"],
    );
    expect(address).toMatch(/^172\.19\.0\.\d+$/);
    const names = (await webPods()).map(({ name }) => name);
    expect(names).toContain(await get("client2", `http://${address}/hostname`));
  });

  test("deny-all is in force on both nodes, and taking it away opens again", async () => {
    expect(await get("client1", "http://web/hostname")).toMatch(/^web-/);
    await cluster.apply(
      "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny-all}\nspec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress]}\n",
    );
    await inForce("deny-all");
    expect(await get("client1", "http://web/hostname")).toBe("exit 1");
    const [one] = await webPods();
    expect(await get("client2", `http://${one?.address}:8080/hostname`)).toBe("exit 1");
    // By the name of a port, and only for whom the label says.
    await cluster.apply(
      "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: allow}\nspec: {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: client2}}}], ports: [{port: 8080}]}]}\n",
    );
    await inForce("allow");
    expect(await get("client2", "http://web/hostname")).toMatch(/^web-/);
    expect(await get("client1", "http://web/hostname")).toBe("exit 1");
    await cluster.ask("delete", "netpol", "deny-all", "allow");
    await until("it is open again", async () =>
      (await get("client1", "http://web/hostname")).startsWith("web-"),
    );
  });

  async function inForce(policy: string): Promise<void> {
    await until(`${policy} is in force`, async () =>
      (await cluster.ask("get", "netpol", policy, "-o", "wide")).includes("2/2 nodes"),
    );
  }

  test("what a pod may not send to, it cannot ask for names either", async () => {
    await cluster.apply(
      "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: quiet}\nspec: {podSelector: {matchLabels: {app: client1}}, policyTypes: [Egress]}\n",
    );
    await inForce("quiet");
    const { status, stdout, stderr } = await cluster.shell("client1", "timeout 2 nslookup web");
    expect(status).not.toBe(0);
    expect(stdout + stderr).not.toContain("10.96.0.10:53\n\nName");
    await cluster.apply(
      "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: names}\nspec: {podSelector: {matchLabels: {app: client1}}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}], ports: [{port: 53, protocol: UDP}, {port: 53}]}]}\n",
    );
    await inForce("names");
    expect((await cluster.shell("client1", "nslookup web")).stdout).toContain("Name:\tweb.default");
    expect(await get("client1", "http://web/hostname")).toBe("exit 1");
    await cluster.ask("delete", "netpol", "--all");
  });

  test("our own commands answer for it", async () => {
    const context = `tortie-${cluster.name}`;
    await cluster.ask("create", "namespace", "shop");
    await cluster.apply(
      "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: shut, namespace: shop}\nspec: {podSelector: {}, policyTypes: [Ingress]}\n" +
        pod("till", { namespace: "shop" }),
    );
    await cluster.ask("wait", "-n", "shop", "--for=condition=Ready", "pod/till", "--timeout=20s");
    await until("shut is in force", async () =>
      (await cluster.ask("get", "netpol", "-n", "shop", "-o", "wide")).includes("2/2 nodes"),
    );
    const explained = await cluster.plain(
      "explain",
      "--context",
      context,
      "default/client1",
      "shop/till",
      "--port",
      "80",
    );
    expect({ status: explained.status, names: explained.stdout.includes("shut") }).toEqual({
      status: 1,
      names: true,
    });
    const matrix = await cluster.plain("matrix", "--context", context);
    expect({ status: matrix.status, stderr: matrix.stderr }).toEqual({ status: 0, stderr: "" });
    expect(matrix.stdout).toContain("shop/till");
    const probed = await cluster.plain(
      "probe",
      "--context",
      context,
      "default/client1",
      "shop/till",
      "--port",
      "80",
    );
    expect(probed.stdout + probed.stderr).not.toContain("disagree");
    expect(probed.status).toBe(1);
    const both = await cluster.plain(
      ...["explain", "default/client1", "shop/till", "--port", "80", "--context", context, "--probe"],
    );
    expect(both.stdout).toMatch(/: DENIED\n[\s\S]*shut[\s\S]*\n {2}packets: DENIED {2}silent\n$/);
    expect(both.status).toBe(1);
    const pairs = await cluster.plain("matrix", "--context", context, "--port", "8080", "--probe");
    expect(pairs.stdout + pairs.stderr).toMatch(/packets say the same of all \d+ pairs/);
    expect(pairs.status).toBe(0);
    expect((await cluster.tortie("status")).stdout).toMatch(
      /^NetworkPolicy shop\/shut\s+2\/2 nodes(, \d+ ms)?$/m,
    );
    const status = JSON.parse((await cluster.tortie("status", "-o", "json")).stdout) as {
      state: string;
      details: { processes: { name: string; restarts: number }[] };
    };
    expect(status.state).toBe("running");
    expect(status.details.processes.map(({ name, restarts }) => `${name} ${restarts}`)).toEqual([
      "machine 0",
      "control-plane 0",
      "agent-node1 0",
      "agent-node2 0",
      "stand-ins 0",
    ]);
    expect((await cluster.tortie("kubeconfig")).stdout).toContain(`current-context: ${context}`);
    const nodes = await cluster.tortie("kubectl", "get", "nodes", "-o", "name");
    expect(nodes.stdout).toBe("node/node1\nnode/node2\n");
  });
});
