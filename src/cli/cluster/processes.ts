/** @module The processes of a cluster: each runs until it is ended. */
import { runEtcdRelay } from "../../cluster/etcd-relay.ts";
import { layoutOf } from "../../cluster/layout.ts";
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

export function runEtcdRelayProcess(options: {
  readonly name: string;
  readonly store: string;
  readonly machine: string;
}): Promise<number> {
  runEtcdRelay(layoutOf(options.name), options.store, Number(options.machine));
  return forever();
}

export async function runAgentProcess(name: string, node: string): Promise<number> {
  await runAgent(name, node);
  return forever();
}
