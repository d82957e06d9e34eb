/** @module What limits a container's processes, from its securityContext. */
import { readFileSync } from "node:fs";
import {
  ALL_CAPABILITIES,
  type CapabilitySet,
  capabilityNumber,
  type Identity,
} from "../../linux/capabilities.ts";
import type { Security } from "./container.ts";
import { ContainerError } from "./container.ts";
import type { Confinement, Rights } from "./launcher/protocol.ts";

/** What container engines leave to a container's root, but for mknod: volumes are on the machine's own file systems. */
const DEFAULT_CAPABILITIES: readonly string[] =
  "chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw sys_chroot audit_write setfcap".split(
    " ",
  );

export const ORDINARY: Security = {
  privileged: false,
  groups: [],
  readOnlyRoot: false,
  noNewPrivileges: false,
  seccomp: "Unconfined",
  addCapabilities: [],
  dropCapabilities: [],
};

function setOf(names: readonly string[]): CapabilitySet {
  let set = 0n;
  for (const name of names) {
    if (name.toLowerCase() === "all") return ALL_CAPABILITIES;
    const number = capabilityNumber(name);
    if (number === undefined)
      throw new ContainerError("CreateContainerError", `unknown capability ${JSON.stringify(name)}`);
    set |= 1n << BigInt(number);
  }
  return set;
}

/** What is dropped and added stays: `drop: [ALL], add: [NET_RAW]`. */
function capabilities({ privileged, addCapabilities, dropCapabilities }: Security): CapabilitySet {
  if (privileged) return ALL_CAPABILITIES;
  const add = setOf(addCapabilities);
  const drop = setOf(dropCapabilities);
  if (add === ALL_CAPABILITIES && drop !== ALL_CAPABILITIES) return add & ~drop;
  return (setOf(DEFAULT_CAPABILITIES) & ~drop) | add;
}

/** @throws ContainerError where a capability is none */
export function confinementOf(security: Security = ORDINARY): Confinement {
  return {
    capabilities: capabilities(security),
    noNewPrivileges: security.noNewPrivileges && !security.privileged,
    seccomp: security.seccomp === "RuntimeDefault" && !security.privileged,
  };
}

let manyUsers: boolean | undefined;

/** Whether there is another user than root here: without privileges outside, a user namespace has one only. */
export function hasManyUsers(): boolean {
  manyUsers ??= readFileSync("/proc/self/uid_map", "utf8")
    .trim()
    .split("\n")
    .some((line) => Number(line.trim().split(/\s+/)[2]) > 1);
  return manyUsers;
}

function identityOf({ user, group, groups }: Security): Identity | undefined {
  if (!hasManyUsers() || (user === undefined && group === undefined && groups.length === 0)) return undefined;
  return { user: user ?? 0, group: group ?? 0, groups };
}

/** @throws ContainerError where a capability is none */
export function rightsOf(security: Security = ORDINARY): Rights {
  return { identity: identityOf(security), usable: capabilities(security) };
}

/** Whose the streams of a container are, so that /dev/stdout can be opened; root's where undefined. */
export function ownerOf(security: Security = ORDINARY): number | undefined {
  return hasManyUsers() ? security.user : undefined;
}
