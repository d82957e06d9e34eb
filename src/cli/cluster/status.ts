/** @module `tortie status`: clusters of this machine, their nodes and processes, and where policies are in force. */
import { existsSync, readdirSync } from "node:fs";
import { askMachine, type MachineStatus } from "../../cluster/control-socket.ts";
import { fullDiskText } from "../../cluster/disk-space.ts";
import { layoutOf, stateRoot } from "../../cluster/layout.ts";
import { readSettings } from "../../cluster/settings.ts";
import type { Io } from "../io.ts";
import { structured } from "../output.ts";
import { textTable } from "../table.ts";
import { type PolicyInForce, policiesInForce } from "./in-force.ts";

interface ClusterLine {
  readonly name: string;
  readonly state: "running" | "down";
  readonly nodes: number;
  readonly api: string;
  readonly memoryBytes: number;
  readonly details?: MachineStatus;
  /** Of a running cluster whose API answers. */
  readonly policies?: readonly PolicyInForce[];
}

export async function runStatus(
  io: Io,
  { name, output }: { name?: string; output?: "json" | "yaml" | "wide" },
): Promise<number> {
  const names = name === undefined ? known() : [name];
  const clusters = await Promise.all(names.map(look));
  const found = clusters.filter((cluster) => cluster !== undefined);
  if (output === "json" || output === "yaml") {
    io.out(structured(output, name === undefined ? found : found[0]));
    return found.length > 0 ? 0 : 1;
  }
  if (found.length === 0) {
    io.err(
      name === undefined ? "there are no clusters; start one with: tortie up" : `there is no cluster ${name}`,
    );
    return name === undefined ? 0 : 1;
  }
  io.out(
    table(
      ["NAME", "STATUS", "NODES", "API", "MEMORY"],
      found.map((one) => [
        one.name,
        one.state,
        String(one.nodes),
        one.api,
        one.memoryBytes > 0 ? megabytes(one.memoryBytes) : "-",
      ]),
    ),
  );
  for (const { name: cluster, details } of found)
    for (const disk of details?.fullDisks ?? []) io.err(`${cluster}: ${fullDiskText(disk)}`);
  for (const one of found)
    if (one.details && (name !== undefined || output === "wide")) showDetails(io, one.details, one.policies);
  return found.every(({ state }) => state === "running") ? 0 : 1;
}

function known(): string[] {
  if (!existsSync(stateRoot())) return [];
  const entries = readdirSync(stateRoot(), { withFileTypes: true });
  return entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])).sort();
}

async function look(name: string): Promise<ClusterLine | undefined> {
  const layout = layoutOf(name);
  const settings = readSettings(layout);
  if (!settings) return undefined;
  const details = await askMachine<MachineStatus>(layout, { do: "status" }).catch(() => undefined);
  // The control plane may be on its way back: the rest is told all the same.
  const policies = details && (await policiesInForce(layout).catch(() => undefined));
  return {
    name,
    state: details ? "running" : "down",
    nodes: settings.nodes,
    api: `https://127.0.0.1:${settings.port}`,
    memoryBytes: details?.processes.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0) ?? 0,
    ...(details && { details }),
    ...(policies && { policies }),
  };
}

function showDetails(
  io: Io,
  { nodes, processes }: MachineStatus,
  policies: readonly PolicyInForce[] | undefined,
): void {
  io.out("");
  io.out(
    table(
      ["NODE", "ADDRESSES", "PODS IN"],
      nodes.map((node) => [node.name, node.addresses.join(","), node.podCidrs.join(",")]),
    ),
  );
  io.out("");
  io.out(
    table(
      ["PROCESS", "STATUS", "RESTARTS", "MEMORY"],
      processes.map((one) => [
        one.name,
        one.pid === undefined ? "starting" : "running",
        String(one.restarts),
        megabytes(one.memoryBytes),
      ]),
    ),
  );
  if (!policies) io.err("the API does not answer: where policies are in force is not known");
  else if (policies.length > 0) {
    io.out("");
    io.out(
      table(
        ["POLICY", "IN FORCE"],
        policies.map(({ policy, inForce }) => [policy, inForce]),
      ),
    );
  }
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1_048_576)} MB`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return textTable(head, rows).join("\n");
}
