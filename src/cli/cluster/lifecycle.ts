/** @module up, down, restart, reset, kubeconfig. */

import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { load } from "js-yaml";
import { OpError } from "../../base/errors.ts";
import { ownValue } from "../../base/own.ts";
import { askMachine } from "../../cluster/control-socket.ts";
import { readCredentials } from "../../cluster/credentials.ts";
import { contextOf, kubeconfigOf, kubeconfigText } from "../../cluster/kubeconfig.ts";
import { launch } from "../../cluster/launch.ts";
import { layoutOf } from "../../cluster/layout.ts";
import { DEFAULTS, IPV6, readSettings, type Settings } from "../../cluster/settings.ts";
import { bringDown, deleteState, missing } from "../../cluster/take-down.ts";
import type { Io } from "../io.ts";
import type { UpFlags } from "./up-flags.ts";

export async function runUp(io: Io, flags: UpFlags): Promise<number> {
  const began = performance.now();
  const layout = layoutOf(flags.name);
  const asked = {
    ...(flags.config !== undefined && readConfig(flags.config)),
    ...fromFlags(flags, io.folder),
  };
  io.progress(`starting cluster ${flags.name} …`);
  const interrupted = new AbortController();
  const asksToEnd = new Promise<number>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => resolve(0));
  });
  void asksToEnd.then(() => interrupted.abort());
  const { signal } = interrupted;
  const { settings, child } = await launch({ layout, asked, kubeconfig: flags.kubeconfig, signal });
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const nodes = settings.nodes === 1 ? "1 node" : `${settings.nodes} nodes`;
  io.out(
    `cluster ${flags.name}: ${nodes} Ready after ${seconds} s; API at https://127.0.0.1:${settings.port}`,
  );
  if (flags.kubeconfig)
    io.out(
      `kubectl's context is ${contextOf(flags.name)}; end the cluster with: tortie down --name ${flags.name}`,
    );
  if (flags.detach) {
    child.unref();
    return 0;
  }
  io.err("Ctrl-C ends the cluster; its objects stay for the next up");
  const ended = new Promise<number>((resolve) => child.once("exit", () => resolve(1)));
  const status = await Promise.race([ended, asksToEnd]);
  if (status !== 0)
    throw new OpError(`the cluster ended by itself; its log is ${path.join(layout.logs, "machine.log")}`, {
      code: "kernel-refused",
    });
  await bringDown(layout);
  return 0;
}

function fromFlags(flags: UpFlags, folder: string): Partial<Settings> {
  const withIpv6 = (
    given: readonly string[],
    usual: readonly string[],
    six: string,
  ): readonly string[] | undefined => {
    if (!flags.ipv6) return given.length > 0 ? given : undefined;
    const base = given.length > 0 ? given : usual;
    return base.some((cidr) => cidr.includes(":")) ? base : [...base, six];
  };
  const podNetworks = withIpv6(flags.podCidr, DEFAULTS.podNetworks, IPV6.podNetwork);
  const serviceNetworks = withIpv6(flags.serviceCidr, DEFAULTS.serviceNetworks, IPV6.serviceNetwork);
  return {
    ...(flags.nodes !== undefined && { nodes: flags.nodes }),
    ...(podNetworks && { podNetworks }),
    ...(serviceNetworks && { serviceNetworks }),
    ...(flags.ipv6 && { loadBalancers: [...DEFAULTS.loadBalancers, IPV6.loadBalancers] }),
    ...(flags.port !== undefined && { port: flags.port }),
    ...(flags.store !== undefined && { store: flags.store }),
    ...(flags.denyWith !== undefined && { denyWith: flags.denyWith }),
    ...(flags.images !== undefined && { images: path.resolve(folder, flags.images) }),
  };
}

const KEYS: Readonly<Record<string, "number" | "string" | "list">> = {
  nodes: "number",
  podNetworks: "list",
  serviceNetworks: "list",
  loadBalancers: "list",
  port: "number",
  store: "string",
  denyWith: "string",
  images: "string",
};

/** @throws OpError `input-invalid`, `file-unreadable` */
function readConfig(file: string): Partial<Settings> {
  if (!existsSync(file))
    throw new OpError(`${file} is not there`, { code: "file-unreadable", facts: { file } });
  const refuse = (why: string): never => {
    throw new OpError(`${file}: ${why}`, { code: "input-invalid", facts: { file } });
  };
  const value: unknown = load(readFileSync(file, "utf8"));
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return refuse("expected a mapping of settings");
  for (const [key, given] of Object.entries(value)) {
    const type = ownValue(KEYS, key);
    if (!type) refuse(`${key} is no setting; there are ${Object.keys(KEYS).join(", ")}`);
    const fits =
      type === "list"
        ? Array.isArray(given) && given.every((one) => typeof one === "string")
        : typeof given === type;
    if (!fits) refuse(`${key} must be a ${type === "list" ? "list of texts" : type}`);
  }
  return value as Partial<Settings>;
}

export async function runDown(io: Io, name: string): Promise<number> {
  await bringDown(layoutOf(name));
  io.out(`cluster ${name} is down; its objects stay (tortie reset forgets them)`);
  return 0;
}

export async function runRestart(io: Io, name: string): Promise<number> {
  await askMachine(layoutOf(name), { do: "restart" });
  io.out(`cluster ${name}: the control plane and the agents start anew`);
  return 0;
}

export async function runReset(io: Io, name: string): Promise<number> {
  const layout = layoutOf(name);
  const known = existsSync(layout.state);
  try {
    await bringDown(layout);
  } catch (error) {
    if (!(error instanceof OpError && error.code === "cluster-missing")) throw error;
  }
  deleteState(layout);
  io.out(known ? `cluster ${name} is gone, with all its objects` : `there was no cluster ${name}`);
  return 0;
}

export function runKubeconfig(io: Io, name: string): Promise<number> {
  const layout = layoutOf(name);
  const settings = readSettings(layout);
  const credentials = readCredentials(layout);
  if (!settings || !credentials) throw missing(name);
  io.out(kubeconfigText(kubeconfigOf(name, settings.port, credentials)).trimEnd());
  return Promise.resolve(0);
}
