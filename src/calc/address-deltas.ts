/** @module What came and went since the last flush; what came and went again is no change. */
import type { Ip } from "../base/ip.ts";
import type { AddressDelta } from "./types.ts";

export class AddressDeltas {
  #deltas = new Map<string, AddressDelta>();

  record(key: string, how: "added" | "removed", element: string, ip: Ip): void {
    let delta = this.#deltas.get(key);
    if (!delta) {
      delta = { added: new Map(), removed: new Map() };
      this.#deltas.set(key, delta);
    }
    const opposite = how === "added" ? delta.removed : delta.added;
    if (!opposite.delete(element)) delta[how].set(element, ip);
  }

  forget(key: string): void {
    this.#deltas.delete(key);
  }

  take(): ReadonlyMap<string, AddressDelta> {
    const deltas = this.#deltas;
    this.#deltas = new Map();
    return deltas;
  }
}
