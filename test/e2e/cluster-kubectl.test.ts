/** @module What people type: every verb of the real kubectl, its older versions, and the JavaScript client. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { get as httpGet } from "node:http";
import path from "node:path";
import { PassThrough } from "node:stream";
import { AppsV1Api, CoreV1Api, Exec, KubeConfig, makeInformer } from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { clustersRun, TestCluster, until } from "../support/cluster.ts";
import { type KubectlVersion, kubectlPath } from "../support/kubectl.ts";

const BUSYBOX = (name: string, script: string): string => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: c, image: busybox, command: [sh, -c, ${JSON.stringify(script)}]}]
`;

const DEPLOYMENT = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {terminationGracePeriodSeconds: 0, containers: [{name: nginx, image: "nginx:1.27", ports: [{containerPort: 80}]}]}
`;

const ROLES = `
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: robot-views}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{kind: ServiceAccount, name: robot, namespace: default}]
`;

const CRD = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boats.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: boats, singular: boat, kind: Boat}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {length: {type: integer}}}}}}
    additionalPrinterColumns: [{name: Length, type: integer, jsonPath: .spec.length}]
`;

const OLDER: readonly KubectlVersion[] = [
  ...(["v30", "v33", "v35"] as const),
  // Where there is no Debian to have it from, npm test has said so.
  ...(existsSync(kubectlPath("debian")) || process.env["TORTIE_REQUIRE_KERNEL"] === "1"
    ? (["debian"] as const)
    : []),
];

describe.runIf(clustersRun())("kubectl", { timeout: 60_000 }, () => {
  const cluster = new TestCluster();
  beforeAll(async () => {
    await cluster.up("--nodes", "1");
    await cluster.apply(BUSYBOX("box", "echo started; while :; do date +%s; sleep 0.2; done"));
    await cluster.apply(DEPLOYMENT);
    await cluster.ask("wait", "--for=condition=Ready", "pod/box", "--timeout=30s");
    await cluster.ask("rollout", "status", "deployment/web", "--timeout=30s");
  }, 60_000);
  afterAll(() => cluster.close(), 60_000);

  test("exec brings output, input and the exit status through", async () => {
    expect((await cluster.shell("box", "exit 7")).status).toBe(7);
    const both = await cluster.shell("box", "echo out; echo err >&2");
    expect({ out: both.stdout, err: both.stderr }).toEqual({ out: "out\n", err: "err\n" });
    const input = "line\n".repeat(20_000);
    const cat = await cluster.kubectlWith({ input }, "exec", "-i", "box", "--", "cat");
    expect(cat.stdout === input).toBe(true);
  });

  test("logs follow, and begin where they are asked to", async () => {
    expect(await cluster.ask("logs", "box")).toMatch(/^started\n/);
    expect((await cluster.ask("logs", "box", "--tail=2")).trim().split("\n")).toHaveLength(2);
    const following = cluster.start(String(cluster.env["KUBECTL"]), ["logs", "-f", "box", "--tail=1"]);
    let text = "";
    following.stdout?.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    await until("four lines came", () => text.split("\n").length > 4);
    following.kill();
  });

  test("port-forward leads to a pod and to a Service", async () => {
    await cluster.ask("expose", "deployment", "web", "--port=80");
    for (const target of ["deployment/web", "service/web"]) {
      const forwarding = cluster.start(String(cluster.env["KUBECTL"]), ["port-forward", target, ":80"]);
      let text = "";
      forwarding.stdout?.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      const port = await until("it listens", () => /127\.0\.0\.1:(\d+)/.exec(text)?.[1]);
      const page = await new Promise<string>((resolve, reject) => {
        httpGet(`http://127.0.0.1:${port}/`, (response) => {
          let body = "";
          response.on("data", (chunk: Buffer) => {
            body += chunk.toString();
          });
          response.on("end", () => resolve(body));
        }).on("error", reject);
      });
      forwarding.kill();
      expect(page).toContain("Welcome to nginx!");
    }
  });

  test("cp brings files there and back", async () => {
    const there = path.join(cluster.folder, "there.txt");
    const back = path.join(cluster.folder, "back.txt");
    writeFileSync(there, "0123456789\n".repeat(10_000));
    await cluster.ask("cp", there, "box:/tmp/file.txt");
    await cluster.ask("cp", "box:/tmp/file.txt", back);
    expect(readFileSync(back, "utf8")).toBe(readFileSync(there, "utf8"));
  });

  test("debug adds a container to a pod that runs, which stays as it was added", async () => {
    const input = "wget -qO- http://localhost; exit\n";
    const pod = (await cluster.ask("get", "pods", "-l", "app=web", "-o", "name")).split("\n")[0] ?? "";
    const words = [pod, "-i", "--image=busybox", "--container=look"];
    const { stdout } = await cluster.kubectlWith({ input }, "debug", ...words, "--", "sh");
    expect(stdout).toContain("Welcome to nginx!");
    await until(
      "its end is told",
      async () =>
        (await cluster.ask("describe", pod)).includes("Ephemeral Containers:\n  look:") || undefined,
    );
    const refused = async (patch: object): Promise<string> =>
      (
        await cluster.kubectl(
          ...["patch", pod, "--subresource=ephemeralcontainers", "--type=merge", "-p", JSON.stringify(patch)],
        )
      ).stderr;
    expect(await refused({ spec: { ephemeralContainers: [] } })).toContain('"look" may not be removed');
    const ports = [{ containerPort: 80 }];
    const other = { name: "other", image: "busybox", ports };
    expect(await refused({ spec: { ephemeralContainers: [other] } })).toContain(
      "spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container",
    );
  });

  test("a rollout goes on, back and anew", async () => {
    const image = (): Promise<string> =>
      cluster.ask("get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.containers[0].image}");
    const done = (): Promise<string> => cluster.ask("rollout", "status", "deployment/web", "--timeout=30s");
    await cluster.ask("set", "image", "deployment/web", "nginx=nginx:1.28");
    expect(await done()).toContain("successfully rolled out");
    expect(await image()).toBe("nginx:1.28");
    expect(await cluster.ask("rollout", "history", "deployment/web")).toMatch(/^2\s/m);
    await cluster.ask("rollout", "undo", "deployment/web");
    await done();
    expect(await image()).toBe("nginx:1.27");
    await cluster.ask("rollout", "restart", "deployment/web");
    await done();
    await cluster.ask("scale", "deployment/web", "--replicas=3");
    await cluster.ask("wait", "--for=jsonpath={.status.readyReplicas}=3", "deployment/web", "--timeout=20s");
    expect(await cluster.ask("describe", "deployment", "web")).toMatch(/Replicas:\s+3 desired/);
    expect(await cluster.ask("describe", "pod", "box")).toMatch(/Normal\s+Started\s/);
    expect(await cluster.ask("describe", "node", "node1")).toContain("Non-terminated Pods:");
  });

  test("apply: what is the same stays, what another owns is a conflict, and diff shows what would change", async () => {
    const map = (value: string): string =>
      `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {key: ${value}}\n`;
    expect(await cluster.apply(map("one"))).toBe("configmap/m created\n");
    expect(await cluster.apply(map("one"))).toBe("configmap/m unchanged\n");
    expect(await cluster.apply(map("two"))).toBe("configmap/m configured\n");
    const server = ["apply", "--server-side", "--field-manager=other", "-f", "-"];
    const conflict = await cluster.kubectlWith({ input: map("three") }, ...server);
    expect(conflict.status).toBe(1);
    expect(conflict.stderr).toContain('conflict with "kubectl-client-side-apply" using v1: .data.key');
    const forced = await cluster.kubectlWith({ input: map("three") }, ...server, "--force-conflicts");
    expect(forced.stdout).toBe("configmap/m serverside-applied\n");
    const diff = await cluster.kubectlWith({ input: map("four") }, "diff", "-f", "-");
    expect(diff.status).toBe(1);
    expect(diff.stdout).toMatch(/^-\s+key: three$/m);
    expect(diff.stdout).toMatch(/^\+\s+key: four$/m);
    const edited = await cluster.kubectlWith(
      { env: { KUBE_EDITOR: "sed -i s/three/five/" } },
      ...["edit", "configmap", "m"],
    );
    expect(edited.stdout).toBe("configmap/m edited\n");
    await cluster.ask("label", "configmap", "m", "tier=low");
    await cluster.ask("annotate", "configmap", "m", "note=said");
    expect(
      await cluster.ask(
        "get",
        "cm",
        "-l",
        "tier=low",
        "-o",
        "jsonpath={.items[*].data.key} {.items[*].metadata.annotations.note}",
      ),
    ).toBe("five said");
    expect(await cluster.ask("explain", "networkpolicy.spec.podSelector")).toContain("FIELD: podSelector");
  });

  test("a kind of one's own is served at once", async () => {
    await cluster.apply(CRD);
    await cluster.ask("wait", "--for=condition=Established", "crd/boats.example.com", "--timeout=10s");
    await cluster.apply(
      "apiVersion: example.com/v1\nkind: Boat\nmetadata: {name: dory}\nspec: {length: 4}\n",
    );
    expect(await cluster.ask("get", "boats")).toMatch(/^NAME\s+LENGTH\ndory\s+4\n$/);
    const wrong = await cluster.kubectlWith(
      { input: "apiVersion: example.com/v1\nkind: Boat\nmetadata: {name: x}\nspec: {length: long}\n" },
      ...["apply", "-f", "-"],
    );
    expect(wrong.stderr).toContain('spec.length: Invalid value: "string"');
  });

  test("a service account may do nothing before somebody says so", async () => {
    await cluster.ask("create", "serviceaccount", "robot");
    const token = (await cluster.ask("create", "token", "robot")).trim();
    writeFileSync(path.join(cluster.folder, "empty"), "");
    const { api } = JSON.parse((await cluster.tortie("status", "-o", "json")).stdout) as { api: string };
    const asRobot = (...args: string[]) =>
      cluster.run(String(cluster.env["KUBECTL"]), [
        ...["--kubeconfig", path.join(cluster.folder, "empty"), "--server", api],
        ...["--insecure-skip-tls-verify", "--token", token, ...args],
      ]);
    expect((await asRobot("get", "pods")).stderr).toContain(
      'pods is forbidden: User "system:serviceaccount:default:robot" cannot list resource "pods" in API group "" in the namespace "default"',
    );
    const robot = "--as=system:serviceaccount:default:robot";
    expect((await cluster.kubectl("auth", "can-i", "list", "pods", robot)).stdout).toBe("no\n");
    await cluster.apply(ROLES);
    expect((await cluster.kubectl("auth", "can-i", "list", "pods", robot)).stdout).toBe("yes\n");
    expect((await asRobot("get", "pods")).stdout).toContain("box");
    expect((await asRobot("delete", "pod", "box")).status).toBe(1);
    expect((await asRobot("get", "pods", "-n", "kube-system")).status).toBe(1);
    // Acting as another is a right of its own.
    expect((await asRobot("get", "pods", "--as=admin", "--as-group=system:masters")).stderr).toContain(
      'users "admin" is forbidden: User "system:serviceaccount:default:robot" cannot impersonate resource "users"',
    );
    expect((await cluster.kubectl("auth", "can-i", "delete", "nodes")).stdout).toContain("yes\n");
  });

  test.each(OLDER)("kubectl %s does the usual", async (version) => {
    const ask = async (input: string, ...args: string[]): Promise<string> => {
      const { status, stdout, stderr } = await cluster.kubectlWith({ version, input }, ...args);
      expect({ args, status, stderr }).toEqual({ args, status: 0, stderr: "" });
      return stdout;
    };
    const name = `old-${version}`;
    expect(await ask(BUSYBOX(name, "echo here; exec sleep 100000"), "apply", "-f", "-")).toContain("created");
    await ask("", "wait", "--for=condition=Ready", `pod/${name}`, "--timeout=20s");
    expect(await ask("", "get", "pod", name)).toMatch(/1\/1\s+Running/);
    expect(await ask("", "logs", name)).toBe("here\n");
    expect(await ask("through\n", "exec", "-i", name, "--", "cat")).toBe("through\n");
    expect(await ask("", "delete", "pod", name)).toContain("deleted");
  });

  test("@kubernetes/client-node lists, watches, creates and executes", async () => {
    const config = new KubeConfig();
    config.loadFromFile(cluster.kubeconfig);
    const core = config.makeApiClient(CoreV1Api);
    const deployments = await config
      .makeApiClient(AppsV1Api)
      .listNamespacedDeployment({ namespace: "default" });
    expect(deployments.items.map(({ metadata }) => metadata?.name)).toEqual(["web"]);
    const seen: string[] = [];
    const informer = makeInformer(config, "/api/v1/namespaces/default/configmaps", () =>
      core.listNamespacedConfigMap({ namespace: "default" }),
    );
    for (const verb of ["add", "delete"] as const)
      informer.on(verb, ({ metadata }) => void seen.push(`${verb} ${metadata?.name}`));
    await informer.start();
    await core.createNamespacedConfigMap({ namespace: "default", body: { metadata: { name: "mine" } } });
    await core.deleteNamespacedConfigMap({ namespace: "default", name: "mine" });
    await until("both were seen", () => seen.includes("add mine") && seen.includes("delete mine"));
    await informer.stop();
    let output = "";
    const stdout = new PassThrough().on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    const status = await new Promise<{ status?: string }>((resolve, reject) => {
      new Exec(config)
        .exec("default", "box", "c", ["echo", "spoken"], stdout, null, null, false, resolve)
        .catch(reject);
    });
    expect({ output, status: status.status }).toEqual({ output: "spoken\n", status: "Success" });
  });
});
