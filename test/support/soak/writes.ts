/** @module Writes whose acknowledgements are kept: what the API said it has, it must have, whatever happened since. */
import { setTimeout as sleep } from "node:timers/promises";
import { isReason } from "../../../src/client/client.ts";
import { CONFIG_MAPS, type ConfigMap } from "../../../src/client/kinds.ts";
import { eventually } from "./disturbance.ts";
import type { Scene } from "./scene.ts";

const NAMESPACE = "writes";
/** So many objects are there at most; older ones get greater numbers, again and again. */
const OBJECTS = 500;
const PAUSE_MS = 50;

interface Kept {
  /** The greatest number that was acknowledged; undefined when none was. */
  acknowledged: number | undefined;
  /** The greatest number that was sent: it may be there although nobody said so. */
  sent: number;
}

/** @returns what is wrong with the value that an object has now; undefined where it is right */
export function lossOf({ acknowledged, sent }: Kept, found: number | undefined): string | undefined {
  if (found === undefined)
    return acknowledged === undefined ? undefined : `acknowledged ${acknowledged}, and it is not there`;
  if (found < (acknowledged ?? 0)) return `acknowledged ${acknowledged}, and it has ${found}`;
  return found > sent ? `sent ${sent} at most, and it has ${found}` : undefined;
}

export class Writes {
  readonly #scene: Scene;
  readonly #kept = new Map<string, Kept>();
  #number = 0;
  acknowledged = 0;
  refused = 0;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  async run(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await this.#write(`w${this.#number % OBJECTS}`, this.#number);
      this.#number++;
      await sleep(PAUSE_MS);
    }
  }

  async #write(name: string, number: number): Promise<void> {
    const { client } = this.#scene;
    const kept = this.#kept.get(name) ?? { acknowledged: undefined, sent: number };
    kept.sent = number;
    this.#kept.set(name, kept);
    const data = { number: String(number) };
    try {
      if (kept.acknowledged === undefined) {
        const map = { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: NAMESPACE }, data };
        await client.create(CONFIG_MAPS, map as ConfigMap).catch((error: unknown) => {
          // Of an attempt that nobody acknowledged.
          if (!isReason(error, "AlreadyExists")) throw error;
          return client.patch(CONFIG_MAPS, { namespace: NAMESPACE, name }, { data }, { type: "merge" });
        });
      } else await client.patch(CONFIG_MAPS, { namespace: NAMESPACE, name }, { data }, { type: "merge" });
      kept.acknowledged = number;
      this.acknowledged++;
    } catch {
      this.refused++;
    }
  }

  /** What was acknowledged and is not there. Nothing may be written meanwhile. */
  async losses(): Promise<readonly string[]> {
    const { items } = await eventually("all writes are listed", () =>
      this.#scene.client.list(CONFIG_MAPS, { namespace: NAMESPACE }),
    );
    const found = new Map(items.map(({ metadata, data }) => [metadata.name, Number(data?.["number"])]));
    return [...this.#kept].flatMap(([name, kept]) => {
      const loss = lossOf(kept, found.get(name));
      return loss === undefined ? [] : [`${name}: ${loss}`];
    });
  }
}
