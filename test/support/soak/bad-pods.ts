/** @module Pods that take more than they may, or never stay up. */
import type { Pod } from "../../../src/client/kinds.ts";
import type { Disturbance } from "./disturbance.ts";
import { podThat, withPod } from "./pods.ts";
import type { Scene } from "./scene.ts";

const FORKS = 3000;

const unlimited = ({ hasLimits }: Scene): string | undefined =>
  hasLimits ? undefined : "this user may make no control groups";

function isOver({ status }: Pod): boolean {
  return status?.phase === "Succeeded" || status?.phase === "Failed";
}

const EVICTED: Disturbance = {
  what: "emptyDirs over their limit",
  run: (scene) =>
    withPod(
      scene,
      {
        kind: "writes",
        container: {
          command: ["sh", "-c", "head -c 8388608 /dev/zero > /v/f; exec sleep 1000000"],
          volumeMounts: [{ name: "v", mountPath: "/v" }],
        },
        spec: { volumes: [{ name: "v", emptyDir: { sizeLimit: "1Mi" } }] },
      },
      (name) => podThat(scene, name, "is evicted", ({ status }) => status?.reason === "Evicted"),
    ),
};

const OUT_OF_MEMORY: Disturbance = {
  what: "memory over its limit",
  missing: unlimited,
  run: (scene) =>
    withPod(
      scene,
      {
        kind: "eats",
        container: {
          // A shell that reads a line without an end keeps all of it.
          command: ["sh", "-c", "tr '\\0' x < /dev/zero | busybox tail -n 1"],
          resources: { limits: { memory: "24Mi" } },
        },
      },
      (name) =>
        podThat(scene, name, "is out of memory", ({ status }) =>
          (status?.containerStatuses ?? []).some(({ state }) => state?.terminated?.reason === "OOMKilled"),
        ),
    ),
};

const FORK_BOMB: Disturbance = {
  what: "fork bombs",
  missing: unlimited,
  run: (scene) =>
    withPod(
      scene,
      {
        kind: "forks",
        container: {
          command: ["sh", "-c", `i=0; while [ $i -lt ${FORKS} ]; do sleep 1000 & i=$((i+1)); done; exit 0`],
        },
      },
      (name) =>
        podThat(scene, name, "cannot fork", (pod) => {
          if (pod.status?.phase === "Succeeded") throw new Error(`it has ${FORKS} processes`);
          return isOver(pod);
        }),
    ),
};

const CRASH_LOOP: Disturbance = {
  what: "crash loops",
  run: (scene, random) =>
    withPod(
      scene,
      {
        kind: "crashes",
        container: { command: ["sh", "-c", random.pick(["exit 3", "kill -9 $$", "nosuchprogram"])] },
        spec: { restartPolicy: "Always" },
      },
      (name) =>
        podThat(scene, name, "is restarted", ({ status }) =>
          (status?.containerStatuses ?? []).some(({ restartCount }) => restartCount > 0),
        ),
    ),
};

export const BAD_PODS: readonly Disturbance[] = [EVICTED, OUT_OF_MEMORY, FORK_BOMB, CRASH_LOOP];
