/** @module What one write of a Service takes of addresses and ports, and what it gives back, once it is known how it went. */
import type { Store } from "../store/store.ts";
import type { Allocation } from "./allocation.ts";
import { arrayAt, at } from "./json.ts";
import { objectOf } from "./objects.ts";
import type { Draft } from "./served.ts";
import type { Admitted } from "./storage.ts";

export type Allocations = Readonly<Record<"address" | "port", Allocation>>;

interface Claim {
  readonly of: keyof Allocations;
  readonly value: string;
}

export class Claims {
  readonly #store: Store;
  readonly #allocations: Allocations;
  readonly #object: Readonly<Draft>;
  readonly #dryRun: boolean;
  readonly #taken: Claim[] = [];

  /** @param object - whose they are; @param dryRun - takes nothing, and says what it would take */
  constructor(store: Store, allocations: Allocations, object: Readonly<Draft>, dryRun: boolean) {
    this.#store = store;
    this.#allocations = allocations;
    this.#object = object;
    this.#dryRun = dryRun;
  }

  get #owner(): string {
    return this.#object.metadata.uid ?? "";
  }

  /** @returns whether it was free, or was the Service's already */
  async take(of: Claim["of"], value: string): Promise<boolean> {
    if (this.#dryRun) return this.#allocations[of].isFree(value, this.#owner);
    const taken = await this.#allocations[of].take(value, this.#owner);
    if (taken === "taken") this.#taken.push({ of, value });
    return taken !== "refused";
  }

  /** @returns undefined when none was free */
  async takeAny(of: Claim["of"], candidates: () => string): Promise<string | undefined> {
    if (this.#dryRun) return candidates();
    const value = await this.#allocations[of].takeAny(candidates, this.#owner);
    if (value !== undefined) this.#taken.push({ of, value });
    return value;
  }

  of(before: Readonly<Draft> | undefined): Admitted {
    return {
      written: () => (before ? this.release(heldBy(before)) : Promise.resolve()),
      undone: () => this.release(this.#taken),
    };
  }

  /** Gives back what the Service, as it is in the store by now, does not have. */
  async release(claims: readonly Claim[]): Promise<void> {
    if (this.#dryRun || claims.length === 0) return;
    const { namespace = "", name } = this.#object.metadata;
    const entry = await this.#store.get(`/registry/core/services/${namespace}/${name}`);
    const current = entry && objectOf(entry);
    const held = current?.metadata.uid === this.#owner ? heldBy(current as Readonly<Draft>) : [];
    const kept = new Set(held.map(({ of, value }) => `${of} ${value}`));
    for (const { of, value } of claims)
      if (!kept.has(`${of} ${value}`)) await this.#allocations[of].release(value, this.#owner);
  }
}

/** What a Service has. */
export function heldBy(service: Readonly<Draft>): Claim[] {
  const addresses = arrayAt(service, "spec", "clusterIPs").map(String);
  return [
    ...addresses.filter((one) => one !== "None").map((value): Claim => ({ of: "address", value })),
    ...nodePortsOf(service).map((port): Claim => ({ of: "port", value: String(port) })),
  ];
}

export function nodePortsOf(object: Readonly<Draft>): number[] {
  return arrayAt(object, "spec", "ports").flatMap((port) => {
    const nodePort = at(port, "nodePort");
    return typeof nodePort === "number" && nodePort > 0 ? [nodePort] : [];
  });
}
