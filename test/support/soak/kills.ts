/** @module Processes of the cluster that are killed. The machine is not one of them: it holds everything else. */
import { commandLine } from "../cluster.ts";
import { type Disturbance, eventually } from "./disturbance.ts";
import type { Scene } from "./scene.ts";

export const STAND_INS = "stand-ins";

/** Of the process that answers for containers without one. */
export function standInsPid({ cluster }: Scene): number | undefined {
  return cluster
    .everything()
    .find(({ pid }) => commandLine(pid).some((word) => word.endsWith("stand-ins.mjs")))?.pid;
}

export function pidOf(scene: Scene, name: string): number | undefined {
  return name === STAND_INS ? standInsPid(scene) : scene.cluster.pids().get(name);
}

async function isBack(scene: Scene, name: string, before: number): Promise<void> {
  await eventually(`${name} is back`, () => {
    const pid = pidOf(scene, name);
    return (pid !== undefined && pid !== before) || undefined;
  });
}

async function answers(scene: Scene): Promise<void> {
  await eventually("the API answers", async () => {
    const { status, stderr } = await scene.cluster.kubectl("get", "--raw", "/readyz");
    if (status === 0) return true;
    throw new Error(stderr);
  });
}

function kill(name: string): Disturbance {
  return {
    what: `SIGKILL of ${name}`,
    async run(scene) {
      const pid = await eventually(`${name} runs`, () => pidOf(scene, name));
      process.kill(pid, "SIGKILL");
      await isBack(scene, name, pid);
      await answers(scene);
    },
  };
}

const RESTART: Disturbance = {
  what: "tortie restart",
  async run(scene) {
    const before = scene.cluster.pids();
    const { status, stderr } = await scene.cluster.tortie("restart");
    if (status !== 0) throw new Error(`tortie restart: ${stderr}`);
    for (const name of ["control-plane", "agent-node1", "agent-node2"])
      await isBack(scene, name, before.get(name) ?? 0);
    await answers(scene);
  },
};

export const KILLS: readonly Disturbance[] = [
  ...["control-plane", "agent-node1", "agent-node2", STAND_INS].map(kill),
  RESTART,
];
