/** @module The processes that a cluster is made of. Nobody starts them by hand; each runs until it is ended. */
import { parseArgs } from "node:util";
import { layoutOf } from "../../cluster/layout.ts";
import { VERSION } from "../version.ts";

/** Options have been written by ourselves: there is no help, and one that lacks is a fault. */
type Words = Readonly<Record<string, string | undefined>>;

/** Each loads what it needs and no more: they start one after another before a cluster is there, and stay in memory. */
const PROCESSES: Readonly<Record<string, (words: Words) => Promise<void>>> = {
  machine: async ({ name = "" }) => (await import("../../cluster/run-machine.ts")).runMachine(name, VERSION),
  "control-plane": async ({ name = "" }) =>
    (await import("../../cluster/run-control-plane.ts")).runControlPlane(name),
  agent: async ({ name = "", node = "" }) =>
    (await import("../../cluster/run-agent.ts")).runAgent(name, node),
  "etcd-relay": async ({ name = "", store = "", machine }) => {
    const { runEtcdRelay } = await import("../../cluster/etcd-relay.ts");
    runEtcdRelay(layoutOf(name), store, Number(machine));
  },
};

/** @returns undefined when the words are no process's */
export function processOf([first = "", ...rest]: readonly string[]): (() => Promise<number>) | undefined {
  const run = Object.hasOwn(PROCESSES, first) ? PROCESSES[first] : undefined;
  if (!run) return undefined;
  return async () => {
    const text = { type: "string" } as const;
    const { values } = parseArgs({
      args: rest,
      options: { name: text, node: text, store: text, machine: text },
    });
    await run(values);
    return new Promise(() => undefined);
  };
}
