/** @module The machine's socket: what it is asked from outside. One request a connection, one answer, JSON. */
import { rmSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { OpError } from "../base/errors.ts";
import { type FullDisk, fullDisks } from "./disk-space.ts";
import type { Layout } from "./layout.ts";
import { type Machine, memoryOf } from "./machine.ts";
import type { MachineProbe } from "./machine-probe.ts";

export type MachineRequest =
  | { readonly do: "status" }
  | { readonly do: "down" }
  | { readonly do: "restart" }
  | { readonly do: "probe"; readonly probes: readonly MachineProbe[] };

export interface MachineStatus {
  readonly pid: number;
  readonly nodes: readonly {
    readonly name: string;
    readonly addresses: readonly string[];
    readonly podCidrs: readonly string[];
  }[];
  /** Where nothing can be written: objects are read there, and enforced, and not changed. */
  readonly fullDisks: readonly FullDisk[];
  readonly processes: readonly {
    readonly name: string;
    readonly pid: number | undefined;
    readonly restarts: number;
    readonly memoryBytes: number;
  }[];
}

export function serveMachine(layout: Layout, machine: Machine, end: () => void): Promise<Server> {
  rmSync(layout.machineSocket, { force: true });
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    let text = "";
    socket.setEncoding("utf8");
    socket.on("error", () => socket.destroy());
    socket.on("data", (chunk: string) => {
      text += chunk;
      if (!text.includes("\n")) return;
      void answer(layout, machine, text, end).then(
        (value) => socket.end(JSON.stringify(value)),
        (error: unknown) =>
          socket.end(JSON.stringify({ error: error instanceof Error ? error.message : String(error) })),
      );
    });
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(layout.machineSocket, () => resolve(server));
  });
}

async function answer(layout: Layout, machine: Machine, text: string, end: () => void): Promise<unknown> {
  const request = JSON.parse(text) as MachineRequest;
  switch (request.do) {
    case "status":
      return statusOf(layout, machine);
    case "restart":
      machine.restart();
      return {};
    case "probe":
      return await machine.probe(request.probes);
    case "down":
      setImmediate(end);
      return {};
    default:
      return request satisfies never;
  }
}

function statusOf(layout: Layout, machine: Machine): MachineStatus {
  const processes = machine.processes.flatMap(({ name, pid, restarts }) => [
    { name, pid, restarts, memoryBytes: pid === undefined ? 0 : memoryOf(pid) },
  ]);
  return {
    pid: process.pid,
    nodes: machine.nodes,
    fullDisks: fullDisks(layout),
    processes: [
      { name: "machine", pid: process.pid, restarts: 0, memoryBytes: memoryOf(process.pid) },
      ...processes,
    ],
  };
}

const SILENCE_MS = 5000;

/** @throws OpError `cluster-missing` when no machine answers there */
export function askMachine<T>(layout: Layout, request: MachineRequest): Promise<T> {
  return new Promise((resolve, reject) => {
    const socket = connect(layout.machineSocket);
    // A probe waits for packets that do not come; all else is answered at once.
    if (request.do !== "probe") socket.setTimeout(SILENCE_MS, () => socket.destroy(new Error("no answer")));
    let text = "";
    socket.setEncoding("utf8");
    socket.on("connect", () => socket.write(`${JSON.stringify(request)}\n`));
    socket.on("data", (chunk: string) => {
      text += chunk;
    });
    socket.on("end", () => {
      const told = JSON.parse(text === "" ? "{}" : text) as T & { readonly error?: string };
      if (told.error === undefined) resolve(told);
      else reject(new OpError(told.error, { code: "kernel-refused" }));
    });
    socket.on("error", (cause) => {
      reject(
        new OpError(`cluster ${layout.name} is not running; start it with: tortie up --name ${layout.name}`, {
          code: "cluster-missing",
          cause,
          facts: { name: layout.name },
        }),
      );
    });
  });
}
