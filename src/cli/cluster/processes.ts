/** @module The processes of a cluster: each runs until it is ended. */
import { runAgent } from "../../cluster/run-agent.ts";
import { runControlPlane } from "../../cluster/run-control-plane.ts";
import { runMachine } from "../../cluster/run-machine.ts";
import { VERSION } from "../version.ts";

const forever = (): Promise<number> => new Promise(() => undefined);

export async function runMachineProcess(name: string): Promise<number> {
  await runMachine(name, VERSION);
  return forever();
}

export async function runControlPlaneProcess(name: string): Promise<number> {
  await runControlPlane(name);
  return forever();
}

export async function runAgentProcess(name: string, node: string): Promise<number> {
  await runAgent(name, node);
  return forever();
}
