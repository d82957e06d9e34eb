/** @module The hundred pods that are there from the first moment to the last, and the policy that keeps one of them shut. */
import { DEPLOYMENTS, PODS, type Pod } from "../../../src/client/kinds.ts";
import { eventually } from "./disturbance.ts";
import { EXTRA, isReady } from "./pods.ts";
import type { Scene } from "./scene.ts";

/** Servers that answer without a process, with the port of each. */
export const SERVERS = {
  nginx: 80,
  redis: 6379,
  mysql: 3306,
  postgres: 5432,
  mongo: 27_017,
  memcached: 11_211,
} as const;

const COPIES: Readonly<Record<string, number>> = {
  nginx: 24,
  redis: 6,
  mysql: 6,
  postgres: 6,
  mongo: 6,
  memcached: 6,
};
const SLEEPERS = 40;
export const PODS_IN_ALL = 100;

/** Streams of hostile clients lead to it: it says more than anyone reads, and starts no process that comes and goes. */
const VICTIM = "nc -lk -p 8080 -e 'cat /dev/zero' & httpd -p 8081; exec top -b -d 1";

function deployment(name: string, replicas: number, container: object): string {
  const manifest = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { terminationGracePeriodSeconds: 0, containers: [{ name: "c", ...container }] },
      },
    },
  };
  return JSON.stringify(manifest);
}

/** A node's disk that is full costs those pods their lives that keep files: of these three, none does. */
function server(name: string): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, labels: { app: name } },
    spec: { containers: [{ name: "c", image: "nginx" }] },
  });
}

const POLICY = JSON.stringify({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name: "denied" },
  spec: { podSelector: { matchLabels: { app: "denied" } }, policyTypes: ["Ingress"] },
});

export async function applySetting(scene: Scene): Promise<void> {
  const namespaces = [EXTRA, "writes"].map((name) =>
    JSON.stringify({ apiVersion: "v1", kind: "Namespace", metadata: { name } }),
  );
  const manifests = [
    ...namespaces,
    POLICY,
    ...["denied", "allowed", "client"].map(server),
    ...Object.entries(COPIES).map(([image, replicas]) => deployment(image, replicas, { image })),
    deployment("sleeper", SLEEPERS, { image: "busybox", command: ["sleep", "1000000"] }),
    deployment("toolbox", 2, { image: "busybox", command: ["sleep", "1000000"] }),
    deployment("victim", 1, { image: "busybox", stdin: true, command: ["sh", "-c", VICTIM] }),
  ];
  await scene.cluster.apply(manifests.join("\n---\n"));
  await allThere(scene);
}

/** Those that a full disk has cost their lives are replaced; what is left of them is deleted. */
export async function allThere(scene: Scene): Promise<void> {
  await eventually(`${PODS_IN_ALL} pods are ready`, async () => {
    const all = (await scene.client.list(PODS)).items.filter(({ metadata }) => metadata.namespace !== EXTRA);
    for (const { metadata, status } of all)
      if (status?.phase === "Failed") await scene.client.delete(PODS, metadata);
    const items = all.filter(({ metadata }) => metadata.namespace === "default");
    const ready = items.filter((pod) => isReady(pod) && !pod.metadata.deletionTimestamp);
    if (items.length === PODS_IN_ALL && ready.length === PODS_IN_ALL) return true;
    throw new Error(`${items.length} pods, ${ready.length} of them ready`);
  });
}

/** One of the hundred. */
export async function oneOf(scene: Scene, app: string): Promise<Pod> {
  return await eventually(`a pod of ${app}`, async () => {
    const { items } = await scene.client.list(PODS, { namespace: "default", labelSelector: `app=${app}` });
    return items.find((pod) => isReady(pod) && !pod.metadata.deletionTimestamp);
  });
}

export async function addressOf(scene: Scene, name: string): Promise<string> {
  const pod = await scene.client.get(PODS, { namespace: "default", name });
  return pod.status?.podIP ?? "";
}

/** Everything that is not of the hundred. */
export async function deleteExtras(scene: Scene): Promise<void> {
  await eventually("what was made beside the hundred is gone", async () => {
    for (const { metadata } of (await scene.client.list(DEPLOYMENTS, { namespace: EXTRA })).items)
      await scene.client.delete(
        DEPLOYMENTS,
        { namespace: EXTRA, name: metadata.name },
        { propagationPolicy: "Background" },
      );
    const { items } = await scene.client.list(PODS, { namespace: EXTRA });
    for (const { metadata } of items)
      if (!metadata.deletionTimestamp)
        await scene.client.delete(PODS, { namespace: EXTRA, name: metadata.name });
    return items.length === 0 || undefined;
  });
}
