/** @module Pods that come and go, as anybody's do. */
import { DEPLOYMENTS, type Deployment } from "../../../src/client/kinds.ts";
import type { Random } from "../random.ts";
import { type Disturbance, eventually } from "./disturbance.ts";
import { createPod, deletePod, EXTRA, isReady, isRunning, type PodWish, podThat, withPod } from "./pods.ts";
import type { Scene } from "./scene.ts";
import { SERVERS } from "./setting.ts";

function wishOf(random: Random): PodWish {
  const image = random.pick([...Object.keys(SERVERS), "busybox", "alpine"]);
  const isProcess = !(image in SERVERS);
  return { kind: image, container: { image, ...(isProcess && { command: ["sleep", "1000000"] }) } };
}

const CREATED: Disturbance = {
  what: "pods created and deleted",
  async run(scene, random) {
    const wishes = Array.from({ length: random.between(1, 5) }, () => wishOf(random));
    const names = await Promise.all(wishes.map((wish) => createPod(scene, wish)));
    for (const name of names) await podThat(scene, name, "runs", isRunning);
    await Promise.all(names.map((name) => deletePod(scene, name)));
  },
};

const DELETED_AT_ONCE: Disturbance = {
  what: "pods deleted while they start",
  async run(scene, random) {
    const names = await Promise.all(
      Array.from({ length: random.between(1, 5) }, () => createPod(scene, wishOf(random))),
    );
    await Promise.all(names.map((name) => deletePod(scene, name)));
  },
};

async function isRolledOut(scene: Scene, name: string): Promise<void> {
  await eventually(`${name} is rolled out`, async () => {
    const { metadata, spec, status } = await scene.client.get(DEPLOYMENTS, { namespace: EXTRA, name });
    const wanted = spec.replicas ?? 1;
    const isNew = (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0);
    const counts = [status?.replicas, status?.updatedReplicas, status?.readyReplicas].map((one) => one ?? 0);
    return (isNew && counts.every((count) => count === wanted)) || undefined;
  });
}

const SCALED: Disturbance = {
  what: "deployments scaled and restarted",
  async run(scene, random) {
    const name = scene.name("scaled");
    const labels = { app: name };
    const { container } = wishOf(random);
    const at = { namespace: EXTRA, name };
    const template = {
      metadata: { labels },
      spec: { terminationGracePeriodSeconds: 0, containers: [{ name: "c", ...container }] },
    };
    const deployment = {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: at,
      spec: { replicas: random.between(1, 4), selector: { matchLabels: labels }, template },
    };
    await scene.client.create(DEPLOYMENTS, deployment as unknown as Deployment);
    await isRolledOut(scene, name);
    const annotations = { "soak/restarted": String(random.next()) };
    for (const spec of [
      { replicas: random.between(0, 8) },
      { replicas: random.between(1, 3), template: { metadata: { annotations } } },
    ]) {
      await scene.client.patch(DEPLOYMENTS, at, { spec }, { type: "merge" });
      await isRolledOut(scene, name);
    }
    await scene.client.delete(DEPLOYMENTS, at, { propagationPolicy: "Background" });
  },
};

const PROBED: Disturbance = {
  what: "pods with probes and lifecycle hooks",
  run: (scene, random) =>
    withPod(
      scene,
      {
        kind: "probed",
        container: {
          command: ["sh", "-c", "echo up > /tmp/up; httpd -p 8080; exec sleep 1000000"],
          startupProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1, failureThreshold: 60 },
          readinessProbe: { exec: { command: ["cat", "/tmp/up"] }, periodSeconds: 1 },
          livenessProbe: { httpGet: { port: 8080, path: "/" }, periodSeconds: 1, failureThreshold: 60 },
          lifecycle: {
            postStart: { exec: { command: ["sh", "-c", "echo begun > /tmp/begun"] } },
            preStop: { exec: { command: ["sh", "-c", `sleep 0.${random.below(10)}`] } },
          },
        },
        spec: { terminationGracePeriodSeconds: 2 },
      },
      (name) => podThat(scene, name, "is ready", isReady),
    ),
};

export const ORDINARY_PODS: readonly Disturbance[] = [CREATED, DELETED_AT_ONCE, SCALED, PROBED];
