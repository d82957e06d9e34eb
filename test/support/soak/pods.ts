/** @module Pods that a soak makes beside the hundred: in a namespace of their own, and gone when it ends. */
import { isReason } from "../../../src/client/client.ts";
import { PODS, type Pod } from "../../../src/client/kinds.ts";
import { eventually } from "./disturbance.ts";
import type { Scene } from "./scene.ts";

export const EXTRA = "extra";

export type Json = { readonly [key: string]: unknown };

export interface PodWish {
  readonly kind: string;
  readonly container: Json;
  readonly spec?: Json;
}

/** @returns its name */
export async function createPod(scene: Scene, { kind, container, spec }: PodWish): Promise<string> {
  const name = scene.name(kind);
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: EXTRA, labels: { kind } },
    spec: {
      terminationGracePeriodSeconds: 0,
      restartPolicy: "Never",
      ...spec,
      containers: [{ name: "c", image: "busybox", ...container }],
    },
  };
  await scene.client.create(PODS, pod as unknown as Pod);
  return name;
}

export async function podThat(
  scene: Scene,
  name: string,
  what: string,
  holds: (pod: Pod) => boolean,
): Promise<Pod> {
  let last: Pod | undefined;
  try {
    return await eventually(`${name} ${what}`, async () => {
      last = await scene.client.get(PODS, { namespace: EXTRA, name });
      return holds(last) ? last : undefined;
    });
  } catch (error) {
    throw new Error(`${name} ${what}; it is ${JSON.stringify(last?.status ?? {}).slice(0, 600)}`, {
      cause: error,
    });
  }
}

export async function deletePod(scene: Scene, name: string): Promise<void> {
  const at = { namespace: EXTRA, name };
  await scene.client.delete(PODS, at).catch((error: unknown) => {
    if (!isReason(error, "NotFound")) throw error;
  });
  await eventually(`${name} is gone`, async () => {
    try {
      await scene.client.get(PODS, at);
      return undefined;
    } catch (error) {
      if (isReason(error, "NotFound")) return true;
      throw error;
    }
  });
}

/** Makes a pod, waits until it is as it should be, and deletes it, however that ends. */
export async function withPod(
  scene: Scene,
  wish: PodWish,
  body: (name: string) => Promise<unknown>,
): Promise<void> {
  const name = await createPod(scene, wish);
  try {
    await body(name);
  } catch (error) {
    await deletePod(scene, name).catch(() => undefined);
    throw error;
  }
  await deletePod(scene, name);
}

export const isRunning = (pod: Pod): boolean => pod.status?.phase === "Running";

export const isReady = ({ status }: Pod): boolean =>
  (status?.conditions ?? []).some(({ type, status: is }) => type === "Ready" && is === "True");
