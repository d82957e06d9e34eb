/** @module Pods with a securityContext: each says itself whether it is held to it. */
import type { Disturbance } from "./disturbance.ts";
import { type Json, podThat, withPod } from "./pods.ts";

/** A program that ends with 0 where the context holds; anything else fails the soak. */
function confined(what: string, securityContext: Json, script: string): Disturbance {
  return {
    what,
    run: (scene) =>
      withPod(
        scene,
        { kind: "confined", container: { command: ["sh", "-ec", script], securityContext } },
        (name) =>
          podThat(scene, name, "succeeds", ({ status }) => {
            if (status?.phase === "Failed") throw new Error(`it failed: ${what}`);
            return status?.phase === "Succeeded";
          }),
      ),
  };
}

const field = (name: string): string => `$(sed -n 's/^${name}:[[:space:]]*//p' /proc/self/status)`;

export const CONFINED_PODS: readonly Disturbance[] = [
  confined(
    "hardened pods",
    {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
      seccompProfile: { type: "RuntimeDefault" },
    },
    `test "${field("CapEff")}" = 0000000000000000; test "${field("NoNewPrivs")}" = 1; test "${field("Seccomp")}" = 2; ! touch /x`,
  ),
  confined(
    "privileged pods",
    { privileged: true },
    "mount -t tmpfs none /mnt; ! sh -c 'echo x > /proc/sys/kernel/core_pattern'",
  ),
  {
    ...confined(
      "pods of another user",
      { runAsUser: 1234, runAsGroup: 1234 },
      'test "$(id -u):$(id -g)" = 1234:1234',
    ),
    missing: () => (process.geteuid?.() === 0 ? undefined : "a user's cluster has one user"),
  },
  confined(
    "pods with RuntimeDefault",
    { seccompProfile: { type: "RuntimeDefault" } },
    `test "${field("Seccomp")}" = 2`,
  ),
];
