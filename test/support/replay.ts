/** @module Plays changes on a table in memory, as strictly as a kernel would: what is not there cannot be deleted. */
import { BugError, must } from "../../src/base/errors.ts";
import type { NftChain, NftChange, NftSet, NftTable } from "../../src/nft/table.ts";

export class ReplayedTable {
  readonly sets = new Map<string, NftSet>();
  readonly chains = new Map<string, NftChain>();

  apply(changes: readonly NftChange[]): void {
    for (const change of changes) this.#step(change);
    for (const chain of this.chains.values()) this.#checkTargets(chain);
  }

  #step(change: NftChange): void {
    switch (change.change) {
      case "create-table":
      case "delete-table":
        return;
      case "create-set": {
        if (this.sets.has(change.set.name)) throw new BugError(`set ${change.set.name} exists`);
        const { set } = change;
        this.sets.set(
          set.name,
          set.kind === "set" ? { ...set, elements: new Set() } : { ...set, elements: new Map() },
        );
        return;
      }
      case "delete-set":
        if (!this.sets.delete(change.name)) throw new BugError(`no set ${change.name}`);
        return;
      case "add-elements":
      case "delete-elements":
        this.#elements(change);
        return;
      case "create-chain":
        if (this.chains.has(change.chain.name)) throw new BugError(`chain ${change.chain.name} exists`);
        this.chains.set(change.chain.name, { ...change.chain, rules: [] });
        return;
      case "replace-rules":
        must(this.chains.get(change.chain.name), `chain ${change.chain.name}`);
        this.chains.set(change.chain.name, change.chain);
        this.#checkTargets(change.chain);
        return;
      case "delete-chain":
        if (!this.chains.delete(change.name)) throw new BugError(`no chain ${change.name}`);
        for (const chain of this.chains.values()) this.#checkTargets(chain);
        return;
    }
  }

  #elements(change: Extract<NftChange, { change: "add-elements" | "delete-elements" }>): void {
    const set = must(this.sets.get(change.set.name), `set ${change.set.name}`);
    for (const key of change.keys) {
      if (change.change === "delete-elements") {
        if (!(set.elements as Set<string>).delete(key))
          throw new BugError(`no element ${key} in ${set.name}`);
      } else if (set.elements.has(key)) {
        throw new BugError(`element ${key} is in ${set.name}`);
      } else if (set.kind === "set") {
        (set.elements as Set<string>).add(key);
      } else if (change.set.kind === "verdict-map") {
        const verdict = must(change.set.elements.get(key), `verdict of ${key}`);
        if ("chain" in verdict) must(this.chains.get(verdict.chain), `chain ${verdict.chain}`);
        (set.elements as Map<string, unknown>).set(key, verdict);
      }
    }
  }

  #checkTargets(chain: NftChain): void {
    for (const { statements } of chain.rules) {
      for (const statement of statements) {
        if (statement.kind === "verdict" && "chain" in statement.to)
          must(this.chains.get(statement.to.chain), `chain ${statement.to.chain}`);
        if (statement.kind === "lookup") must(this.sets.get(statement.set), `set ${statement.set}`);
        if (statement.kind === "verdict-map") must(this.sets.get(statement.map), `map ${statement.map}`);
      }
    }
  }
}

/** Plain data without order, for comparing tables however they came to be. */
export function plainTable(table: Pick<NftTable, "sets" | "chains">): unknown {
  return {
    sets: Object.fromEntries(
      [...table.sets.values()].map((set) => [
        set.name,
        { ...set, elements: set.kind === "set" ? [...set.elements].sort() : [...set.elements].sort() },
      ]),
    ),
    chains: Object.fromEntries(table.chains),
  };
}
