/** @module Disks that are full for some seconds: to the last byte, and free again. */
import { setTimeout as sleep } from "node:timers/promises";
import { CONFIG_MAPS, type ConfigMap } from "../../../src/client/kinds.ts";
import { type Disturbance, eventually } from "./disturbance.ts";
import type { Scene } from "./scene.ts";
import { allThere } from "./setting.ts";

const LARGE = "x".repeat(200_000);

function large(scene: Scene): Promise<ConfigMap> {
  const map = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: scene.name("large"), namespace: "writes", labels: { large: "yes" } },
    data: { value: LARGE },
  };
  return scene.client.create(CONFIG_MAPS, map as unknown as ConfigMap);
}

async function deleteLarge({ client }: Scene): Promise<void> {
  const { items } = await client.list(CONFIG_MAPS, { namespace: "writes", labelSelector: "large" });
  for (const { metadata } of items)
    await client.delete(CONFIG_MAPS, { namespace: "writes", name: metadata.name });
}

const missing = ({ disks }: Scene): string | undefined =>
  disks ? undefined : "this user can mount no small disks";

const STATE: Disturbance = {
  what: "a full state disk",
  missing,
  async run(scene, random) {
    const { disks, stateDisk } = scene;
    disks?.fill(stateDisk);
    try {
      await eventually("a refusal for want of room", async () => {
        try {
          await large(scene);
          return undefined;
        } catch (error) {
          if (error instanceof Error && error.message.includes("no space left on device")) return true;
          throw error;
        }
      });
      await sleep(random.between(500, 4000));
    } finally {
      disks?.free(stateDisk);
    }
    await eventually("a write after there is room", async () => {
      await large(scene);
      await deleteLarge(scene);
      return true;
    });
  },
};

const RUN: Disturbance = {
  what: "a full run disk",
  missing,
  async run(scene, random) {
    const { disks, runDisk } = scene;
    disks?.fill(runDisk);
    try {
      await sleep(random.between(2000, 6000));
    } finally {
      disks?.free(runDisk);
    }
    await allThere(scene);
  },
};

export const FULL_DISKS: readonly Disturbance[] = [STATE, RUN];
