/** @module `tortie doctor --security`: what keeps pods of a cluster apart from this machine, tried and not assumed. */
import { spawnSync } from "node:child_process";
import { closeSync, readFileSync } from "node:fs";
import { delegateCgroup, removeCgroups } from "../linux/cgroups.ts";
import type { KernelCheck } from "../linux/kernel-support.ts";
import { koffiModule } from "../linux/libc.ts";
import { canMap, createUserNamespace, userRangeOf } from "./user-namespace.ts";

const NAME = `doctor-${process.pid}`;

async function userNamespace(): Promise<KernelCheck> {
  const name = "root in a pod is nobody on the machine";
  const users = userRangeOf(NAME);
  if (canMap(users)) {
    try {
      closeSync(await createUserNamespace(users));
      const detail = `a cluster has ${users.count} users of its own, from ${users.first} on`;
      return { name, required: true, ok: true, detail };
    } catch (error) {
      return {
        name,
        required: true,
        ok: false,
        detail: error instanceof Error ? error.message : String(error),
      };
    }
  }
  const { status, stderr } = spawnSync("unshare", ["--user", "--map-root-user", "true"], {
    encoding: "utf8",
  });
  if (status === 0) {
    const uid = process.geteuid?.() ?? 0;
    const detail =
      uid === 0
        ? "it is this container's root, without capabilities outside of the cluster"
        : `it is user ${uid}, without capabilities outside of the cluster`;
    return { name, required: true, ok: uid !== 0, detail };
  }
  return {
    name,
    required: true,
    ok: false,
    detail: stderr.trim(),
    fix: "sysctl -w user.max_user_namespaces=15000",
  };
}

function users(): KernelCheck {
  const name = "runAsUser and runAsNonRoot";
  return canMap(userRangeOf(NAME))
    ? { name, required: false, ok: true, detail: "hold: each user of a pod is another one" }
    : {
        name,
        required: false,
        ok: false,
        detail: "do not hold: a cluster has one user only, and events of pods say so",
        fix: "start the cluster as root",
      };
}

function files(): KernelCheck {
  const name = "the cluster's own process sees";
  return process.geteuid?.() === 0
    ? {
        name,
        required: false,
        ok: true,
        detail: "programs of the machine, read-only, and its own two folders",
      }
    : {
        name,
        required: false,
        ok: false,
        detail: "the files that you see, as you do; containers see none of them",
        fix: "start the cluster as root, or as a user that has no other files",
      };
}

function seccomp(): KernelCheck {
  const name = "seccomp profile RuntimeDefault";
  const hasFilters = /^Seccomp:/m.test(readFileSync("/proc/self/status", "utf8"));
  if (!hasFilters)
    return {
      name,
      required: false,
      ok: false,
      detail: "refused to pods that ask for it",
      fix: "a kernel with CONFIG_SECCOMP_FILTER",
    };
  try {
    koffiModule().load("libseccomp.so.2");
    return {
      name,
      required: false,
      ok: true,
      detail: "for containers that ask for it; others have none, as in Kubernetes",
    };
  } catch {
    return {
      name,
      required: false,
      ok: false,
      detail: "refused to pods that ask for it",
      fix: "apt-get install libseccomp2",
    };
  }
}

function limits(): KernelCheck {
  const name = "limits of processes and memory";
  const user = canMap(userRangeOf(NAME)) ? userRangeOf(NAME).first : undefined;
  const root = delegateCgroup({ name: `tortie-${NAME}`, user, processes: 1000 });
  if (root) {
    removeCgroups(root);
    return { name, required: false, ok: true, detail: `by control groups of version ${root.version}` };
  }
  return {
    name,
    required: false,
    ok: false,
    detail: "none: no control groups can be had here, and events say so",
    fix: "start the cluster as root, or in a delegated group: systemd-run --user --scope -p Delegate=yes",
  };
}

/** Changes nothing: what is tried ends at once. */
export async function checkSecurity(): Promise<readonly KernelCheck[]> {
  return [await userNamespace(), users(), files(), seccomp(), limits()];
}
