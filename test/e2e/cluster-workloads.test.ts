/** @module What runs in a cluster: sets, jobs, volumes, probes, and what pods are told of themselves. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { clustersRun, TestCluster, until } from "../support/cluster.ts";

const SHELL = (script: string): string =>
  `{name: c, image: busybox, command: [sh, -c, ${JSON.stringify(script)}]}`;

const STATEFUL = `
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {clusterIP: None, selector: {app: db}, ports: [{port: 3306}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {terminationGracePeriodSeconds: 0, containers: [{name: c, image: mysql}]}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: each}
spec:
  selector: {matchLabels: {app: each}}
  template:
    metadata: {labels: {app: each}}
    spec: {terminationGracePeriodSeconds: 0, containers: [{name: c, image: registry.k8s.io/pause:3.10}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: sum}
spec: {completions: 2, parallelism: 2, template: {spec: {restartPolicy: Never, containers: [${SHELL("echo $((6 * 7))")}]}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec: {schedule: "0 3 * * *", jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [${SHELL("echo night")}]}}}}}
`;

const TOLD = `
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: green, "app.conf": "a = 1\\n"}
---
apiVersion: v1
kind: Secret
metadata: {name: key}
stringData: {password: hidden}
---
apiVersion: v1
kind: Pod
metadata: {name: told, labels: {tier: top}}
spec:
  terminationGracePeriodSeconds: 0
  initContainers:
  - {name: first, image: busybox, command: [sh, -c, "echo made > /shared/file"], volumeMounts: [{name: shared, mountPath: /shared}]}
  containers:
  - name: c
    image: busybox
    command: [sleep, "100000"]
    env:
    - {name: COLOUR, valueFrom: {configMapKeyRef: {name: settings, key: colour}}}
    - {name: PASSWORD, valueFrom: {secretKeyRef: {name: key, key: password}}}
    - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
    - {name: BOTH, value: $(COLOUR) on $(NODE)}
    volumeMounts:
    - {name: shared, mountPath: /shared}
    - {name: conf, mountPath: /etc/app}
    - {name: secret, mountPath: /etc/key, readOnly: true}
    - {name: labels, mountPath: /etc/pod}
  volumes:
  - {name: shared, emptyDir: {}}
  - {name: conf, configMap: {name: settings, items: [{key: app.conf, path: app.conf}]}}
  - {name: secret, secret: {secretName: key}}
  - {name: labels, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}
`;

const PROBED = `
apiVersion: v1
kind: Service
metadata: {name: probed}
spec: {selector: {app: probed}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: probed, labels: {app: probed}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: c
    image: busybox
    command: [sleep, "100000"]
    readinessProbe: {exec: {command: [test, -f, /tmp/ready]}, periodSeconds: 1}
    livenessProbe: {exec: {command: [sh, -c, "! test -f /tmp/dead"]}, periodSeconds: 1, failureThreshold: 1}
`;

const SIDECAR = `
apiVersion: batch/v1
kind: Job
metadata: {name: helped}
spec:
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 2
      initContainers:
      - {name: helper, image: busybox, restartPolicy: Always, command: [sh, -c, "trap 'exit 0' TERM; touch /shared/up; while :; do sleep 0.1; done"], startupProbe: {exec: {command: [test, -f, /shared/up]}, periodSeconds: 1}, volumeMounts: [{name: shared, mountPath: /shared}]}
      containers:
      - {name: work, image: busybox, command: [sh, -c, "test -f /shared/up && until test -f /shared/go; do sleep 0.1; done"], volumeMounts: [{name: shared, mountPath: /shared}]}
      volumes: [{name: shared, emptyDir: {}}]
---
apiVersion: v1
kind: Pod
metadata: {name: never-up}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - {name: c, image: busybox, command: [sleep, "100000"], startupProbe: {exec: {command: ["false"]}, periodSeconds: 1, failureThreshold: 100}}
`;

const CONFINED = `
apiVersion: v1
kind: Pod
metadata: {name: confined}
spec:
  terminationGracePeriodSeconds: 0
  securityContext: {runAsUser: 1000, runAsGroup: 2000, fsGroup: 3000}
  containers:
  - name: c
    image: busybox
    command: [sh, -c, "echo begun > /dev/stdout; exec sleep 100000"]
    securityContext: {readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL], add: [NET_RAW]}}
    volumeMounts: [{name: own, mountPath: /own}]
  volumes: [{name: own, emptyDir: {}}]
---
apiVersion: v1
kind: Pod
metadata: {name: brief}
spec:
  activeDeadlineSeconds: 2
  terminationGracePeriodSeconds: 0
  containers: [{name: c, image: busybox, command: [sleep, "100000"]}]
---
apiVersion: v1
kind: Pod
metadata: {name: deaf}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - {name: c, image: busybox, command: [nc, -lk, -s, 127.0.0.1, -p, "8080"], readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}}
`;

const HOOKED = `
apiVersion: v1
kind: Pod
metadata: {name: hooked}
spec:
  terminationGracePeriodSeconds: 5
  containers:
  - name: c
    image: busybox
    command: [sh, -c, "trap 'echo ended; exit 0' TERM; while :; do sleep 0.1; done"]
    lifecycle:
      postStart: {exec: {command: [sh, -c, "echo after start > /proc/1/fd/1"]}}
      preStop: {exec: {command: [sh, -c, "echo before stop > /proc/1/fd/1; sleep 0.3"]}}
    livenessProbe: {exec: {command: [sh, -c, "! test -f /tmp/sick"]}, periodSeconds: 1, failureThreshold: 1}
---
apiVersion: v1
kind: Pod
metadata: {name: unhooked}
spec:
  terminationGracePeriodSeconds: 1
  restartPolicy: Never
  containers:
  - name: c
    image: busybox
    command: [sleep, "1000"]
    lifecycle: {postStart: {exec: {command: ["false"]}}}
`;

describe.runIf(clustersRun())("workloads", { timeout: 60_000 }, () => {
  const cluster = new TestCluster();
  beforeAll(async () => {
    await cluster.up();
    await cluster.apply(STATEFUL);
    await cluster.apply(TOLD);
    await cluster.apply(PROBED);
    await cluster.ask("wait", "--for=condition=Ready", "pod/told", "--timeout=30s");
  }, 60_000);
  afterAll(() => cluster.close(), 60_000);

  test("the pods of a StatefulSet have names that stay, and DNS knows each", async () => {
    await cluster.ask("rollout", "status", "statefulset/db", "--timeout=30s");
    expect(await cluster.ask("get", "pods", "-l", "app=db", "-o", "name")).toBe("pod/db-0\npod/db-1\n");
    const addressOf = (): Promise<string> =>
      cluster.ask("get", "pod", "db-1", "-o", "jsonpath={.status.podIP}");
    const asked = async (): Promise<string> =>
      (await cluster.shell("told", "timeout 3 nslookup db-1.db.default.svc.cluster.local")).stdout;
    const first = await addressOf();
    await until("DNS knows it", async () => (await asked()).includes(`Address: ${first}\n`));
    await cluster.ask("delete", "pod", "db-1");
    await cluster.ask("rollout", "status", "statefulset/db", "--timeout=30s");
    const second = await until("it is there again", async () => (await addressOf()) || undefined);
    await until("DNS follows", async () => (await asked()).includes(`Address: ${second}\n`));
  });

  test("a sidecar starts first, counts as a container, and ends when the work is done", async () => {
    await cluster.apply(SIDECAR);
    const pod = async (): Promise<string> => cluster.ask("get", "pods", "-l", "job-name=helped");
    await until("both run", async () => /2\/2\s+Running/.test(await pod()));
    const name = await cluster.ask(
      ...["get", "pods", "-l", "job-name=helped", "-o", "jsonpath={.items[0].metadata.name}"],
    );
    await cluster.ask("exec", name, "-c", "work", "--", "touch", "/shared/go");
    await cluster.ask("wait", "--for=condition=Complete", "job/helped", "--timeout=20s");
    expect(await pod()).toMatch(/0\/2\s+Completed/);
    // Meanwhile the other one has failed its startup probe, more than once and not often enough.
    await until("its startup probe has failed", async () =>
      (await cluster.ask("describe", "pod", "never-up")).includes("Startup probe failed"),
    );
    expect(await cluster.ask("get", "pod", "never-up")).toMatch(/0\/1\s+Running\s+0\s/);
  });

  test("what only answers on ports has a token once somebody looks inside", async () => {
    await cluster.ask("run", "point", "--image=nginx");
    await cluster.ask("wait", "--for=condition=Ready", "pod/point", "--timeout=20s");
    const token = await cluster.shell("point", "cat /var/run/secrets/kubernetes.io/serviceaccount/token");
    expect(token.stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
  });

  test("who a container is and what it may do is as its securityContext says", async () => {
    await cluster.apply(CONFINED);
    await cluster.ask("wait", "--for=condition=Ready", "pod/confined", "--timeout=20s");
    const script =
      "id -u; id -g; id -G; grep -E 'NoNewPrivs|CapBnd' /proc/self/status; touch /own/x && echo wrote; touch /x";
    const { stdout, stderr } = await cluster.shell("confined", script);
    if (process.getuid?.() === 0)
      expect(stdout).toBe("1000\n2000\n2000 3000\nCapBnd:\t0000000000002000\nNoNewPrivs:\t1\nwrote\n");
    // Whoever cannot have what was asked for is told.
    else expect(await cluster.ask("describe", "pod", "confined")).toContain("OnlyUser");
    expect(stderr).toContain("Read-only file system");
    expect(await cluster.ask("logs", "confined")).toBe("begun\n");
  });

  test("a pod that may be active for two seconds is Failed then; one that hears itself alone is not ready", async () => {
    await until(
      "it has failed",
      async () =>
        (await cluster.ask("get", "pod", "brief", "-o", "jsonpath={.status.phase} {.status.reason}")) ===
          "Failed DeadlineExceeded" || undefined,
    );
    expect(await cluster.ask("get", "pod", "deaf")).toMatch(/0\/1\s+Running/);
  });

  test("hooks run after the start and before the end; one that fails after the start ends its container", async () => {
    await cluster.apply(HOOKED);
    await cluster.ask("wait", "--for=condition=Ready", "pod/hooked", "--timeout=20s");
    await cluster.shell("hooked", "touch /tmp/sick");
    const restarts = "jsonpath={.status.containerStatuses[0].restartCount}";
    await until(
      "it is begun anew",
      async () => (await cluster.ask("get", "pod", "hooked", "-o", restarts)) === "1" || undefined,
    );
    expect(await cluster.ask("logs", "hooked", "--previous")).toBe("after start\nbefore stop\nended\n");
    await until(
      "it has failed",
      async () =>
        (await cluster.ask("get", "pod", "unhooked", "-o", "jsonpath={.status.phase}")) === "Failed" ||
        undefined,
    );
    expect(await cluster.ask("describe", "pod", "unhooked")).toContain("PostStartHook failed");
  });

  test("what is said of a pod in its kubelet's stead is put right", async () => {
    const address = (): Promise<string> =>
      cluster.ask("get", "pod", "told", "-o", "jsonpath={.status.podIP} {.status.podIPs[*].ip}");
    const before = await address();
    const forged = '{"status":{"podIP":"192.168.99.99","podIPs":[{"ip":"192.168.99.99"}]}}';
    await cluster.ask("patch", "pod", "told", "--subresource=status", "--type=merge", "-p", forged);
    await until("it is as before", async () => (await address()) === before);
  });

  test("a DaemonSet has a pod on each node, a Job ends, a CronJob makes Jobs", async () => {
    await cluster.ask("rollout", "status", "daemonset/each", "--timeout=30s");
    const nodes = await cluster.ask(
      ...["get", "pods", "-l", "app=each", "-o", "jsonpath={.items[*].spec.nodeName}"],
    );
    expect(nodes.split(" ").sort()).toEqual(["node1", "node2"]);
    await cluster.ask("wait", "--for=condition=Complete", "job/sum", "--timeout=30s");
    expect(await cluster.ask("logs", "-l", "job-name=sum")).toBe("42\n42\n");
    await cluster.ask("create", "job", "now", "--from=cronjob/nightly");
    await cluster.ask("wait", "--for=condition=Complete", "job/now", "--timeout=30s");
    expect(await cluster.ask("logs", "job/now")).toBe("night\n");
  });

  test("a pod is told what it asked for: settings, secrets, itself, and what its first container made", async () => {
    const read = async (command: string): Promise<string> => (await cluster.shell("told", command)).stdout;
    expect(await read("echo $COLOUR $PASSWORD; cat /shared/file /etc/app/app.conf /etc/key/password")).toBe(
      "green hidden\nmade\na = 1\nhidden",
    );
    expect(await read("cat /etc/pod/labels")).toBe('tier="top"');
    expect(await read("echo $BOTH")).toMatch(/^green on node[12]\n$/);
    expect(await read("ls /var/run/secrets/kubernetes.io/serviceaccount")).toBe("ca.crt\nnamespace\ntoken\n");
    const api = "https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/version";
    expect(
      await read(
        `curl -s --cacert /var/run/secrets/kubernetes.io/serviceaccount/ca.crt -H "Authorization: Bearer $(cat /var/run/secrets/kubernetes.io/serviceaccount/token)" ${api}`,
      ),
    ).toContain('"major":"1"');
  });

  test("files of a ConfigMap follow it", async () => {
    await cluster.ask("patch", "configmap", "settings", "-p", '{"data":{"app.conf":"changed"}}');
    await until(
      "the pod sees it",
      async () => (await cluster.shell("told", "cat /etc/app/app.conf")).stdout === "changed",
    );
    expect((await cluster.shell("told", "echo x > /etc/app/app.conf")).stderr).toContain("Read-only");
  });

  test("who is not ready gets no packets of a Service, and who is not alive is started anew", async () => {
    const endpoints = async (): Promise<string> =>
      await cluster.ask(
        "get",
        "endpointslices",
        "-l",
        "kubernetes.io/service-name=probed",
        "-o",
        "jsonpath={.items[*].endpoints[*].conditions.ready}",
      );
    await until("it runs", async () =>
      (await cluster.ask("get", "pod", "probed")).includes("0/1     Running"),
    );
    expect(await endpoints()).toBe("false");
    await cluster.shell("probed", "touch /tmp/ready");
    await cluster.ask("wait", "--for=condition=Ready", "pod/probed", "--timeout=20s");
    await until("it is an endpoint", async () => (await endpoints()) === "true");
    await cluster.shell("probed", "touch /tmp/dead");
    await until("it was started anew", async () => /\s1 \(/.test(await cluster.ask("get", "pod", "probed")));
    expect(
      await cluster.ask(
        "get",
        "events",
        "--field-selector",
        "involvedObject.name=probed,reason=Killing",
        "-o",
        "jsonpath={.items[*].message}",
      ),
    ).toBe("Container c failed liveness probe, will be restarted");
  });
});
