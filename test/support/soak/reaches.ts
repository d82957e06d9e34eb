/** @module Who is reached, asked of packets without a pause: a pod that is denied never, one that is allowed again and again. */
import { setTimeout as sleep } from "node:timers/promises";
import { askMachine } from "../../../src/cluster/control-socket.ts";
import type { ProbeResult } from "../../../src/linux/probe.ts";
import { eventually } from "./disturbance.ts";
import type { Scene } from "./scene.ts";
import { addressOf } from "./setting.ts";

const PORT = 80;
const PAUSE_MS = 50;

export class Reaches {
  readonly #scene: Scene;
  #denied = "";
  #allowed = "";
  probes = 0;
  violations = 0;
  /** Probes of the allowed pod that nobody answered: what it costs to be disturbed, no fault in itself. */
  unanswered = 0;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  async start(): Promise<void> {
    this.#denied = await addressOf(this.#scene, "denied");
    this.#allowed = await addressOf(this.#scene, "allowed");
    await this.isRight("before anything has happened");
  }

  /** The machine sends them, so they are sent while there is no API too. */
  async #probe(): Promise<{ readonly denied: boolean; readonly allowed: boolean }> {
    const [denied, allowed] = await askMachine<readonly ProbeResult[]>(this.#scene.layout, {
      do: "probe",
      probes: [this.#denied, this.#allowed].map((to) => ({
        from: { pod: "default/client", family: 4 },
        to,
        protocol: "tcp",
        port: PORT,
      })),
    });
    if (!denied || !allowed) throw new Error("the machine answered no probe");
    this.probes++;
    if (denied.reachable) this.violations++;
    if (allowed.outcome !== "open") this.unanswered++;
    return { denied: denied.reachable, allowed: allowed.outcome === "open" };
  }

  async run(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await this.#probe();
      await sleep(PAUSE_MS);
    }
  }

  async isRight(when: string): Promise<void> {
    await eventually(
      `the allowed pod answers ${when}`,
      async () => (await this.#probe()).allowed || undefined,
    );
  }
}
