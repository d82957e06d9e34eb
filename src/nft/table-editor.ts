/**
 * @module A table that is being edited: takes changes in any order and any number, and says at the end which steps
 * lead from the last committed state to this one. What was done and undone in between leaves no step.
 */
import { BugError, must } from "../base/errors.ts";
import type { NftChain, NftChange, NftKey, NftSet, NftTable, NftVerdict } from "./table.ts";

type EditableSet = Extract<NftSet, { kind: "set" }> & { readonly elements: Set<NftKey> };
type EditableMap = Extract<NftSet, { kind: "verdict-map" }> & { readonly elements: Map<NftKey, NftVerdict> };

export class TableEditor {
  readonly #name: string;
  readonly #sets = new Map<string, EditableSet | EditableMap>();
  readonly #chains = new Map<string, NftChain>();
  /** As they were at the last commit; undefined: not there. Only what was touched since. */
  readonly #chainsBefore = new Map<string, NftChain | undefined>();
  readonly #setsBefore = new Map<string, NftSet | undefined>();
  /** Elements touched since the last commit, of sets that were there then: what they were. */
  readonly #elementsBefore = new Map<string, Map<NftKey, NftVerdict | true | undefined>>();

  /** @param committed - what is there already; nothing where left out */
  constructor(name: string, committed?: NftTable) {
    this.#name = name;
    for (const set of committed?.sets.values() ?? []) this.#sets.set(set.name, editable(set));
    for (const chain of committed?.chains.values() ?? []) this.#chains.set(chain.name, chain);
  }

  get table(): NftTable {
    return { name: this.#name, sets: this.#sets, chains: this.#chains };
  }

  /** Creates a set, empty. @throws BugError when one of that name is there */
  createSet(
    set:
      | Omit<Extract<NftSet, { kind: "set" }>, "elements">
      | Omit<Extract<NftSet, { kind: "verdict-map" }>, "elements">,
  ): void {
    if (this.#sets.has(set.name)) throw new BugError(`set ${set.name} exists`);
    if (!this.#setsBefore.has(set.name)) this.#setsBefore.set(set.name, undefined);
    this.#sets.set(
      set.name,
      set.kind === "set" ? { ...set, elements: new Set() } : { ...set, elements: new Map() },
    );
  }

  deleteSet(name: string): void {
    const set = must(this.#sets.get(name), `set ${name}`);
    if (!this.#setsBefore.has(name)) this.#setsBefore.set(name, set);
    this.#elementsBefore.delete(name);
    this.#sets.delete(name);
  }

  addElement(name: string, key: NftKey): void {
    const set = must(this.#sets.get(name), `set ${name}`);
    if (set.kind !== "set") throw new BugError(`${name} is a map`);
    this.#touch(name, key, set.elements.has(key) || undefined);
    set.elements.add(key);
  }

  setVerdict(name: string, key: NftKey, verdict: NftVerdict): void {
    const map = must(this.#sets.get(name), `map ${name}`);
    if (map.kind !== "verdict-map") throw new BugError(`${name} is a set`);
    this.#touch(name, key, map.elements.get(key));
    map.elements.set(key, verdict);
  }

  deleteElement(name: string, key: NftKey): void {
    const set = must(this.#sets.get(name), `set ${name}`);
    this.#touch(name, key, set.kind === "set" ? set.elements.has(key) || undefined : set.elements.get(key));
    set.elements.delete(key);
  }

  /** Creates the chain or replaces its rules. */
  putChain(chain: NftChain): void {
    this.#touchChain(chain.name);
    this.#chains.set(chain.name, chain);
  }

  deleteChain(name: string): void {
    this.#touchChain(name);
    this.#chains.delete(name);
  }

  /** @returns one transaction's steps, in an order that the kernel takes; none when nothing changed */
  commit(): NftChange[] {
    const created: NftChange[] = [];
    const filled: NftChange[] = [];
    const elementsGone: NftChange[] = [];
    const elementsAdded: NftChange[] = [];
    const setsGone: NftChange[] = [];
    for (const [name, before] of this.#setsBefore) {
      const after = this.#sets.get(name);
      if (before && after)
        throw new BugError(`set ${name} was deleted and made again within one transaction`);
      if (before) setsGone.push({ change: "delete-set", name });
      if (after) {
        created.push({ change: "create-set", set: withoutElements(after) });
        // New sets are filled before rules look at them; a map's targets must exist first.
        const elements: NftChange = { change: "add-elements", set: after, keys: [...after.elements.keys()] };
        if (after.elements.size > 0) (after.kind === "set" ? filled : elementsAdded).push(elements);
      }
    }
    for (const [name, touched] of this.#elementsBefore) {
      if (this.#setsBefore.has(name)) continue;
      const set = must(this.#sets.get(name), `set ${name}`);
      const gone: NftKey[] = [];
      const added: NftKey[] = [];
      for (const [key, before] of touched) {
        const after = set.kind === "set" ? set.elements.has(key) || undefined : set.elements.get(key);
        if (sameElement(before, after)) continue;
        if (before !== undefined) gone.push(key);
        if (after !== undefined) added.push(key);
      }
      if (gone.length > 0) elementsGone.push({ change: "delete-elements", set, keys: gone });
      if (added.length > 0) elementsAdded.push({ change: "add-elements", set, keys: added });
    }
    const { chainsCreated, rulesReplaced, chainsGone } = this.#chainSteps();
    this.#chainsBefore.clear();
    this.#setsBefore.clear();
    this.#elementsBefore.clear();
    // A map's element changes by going and coming back, so what goes precedes what is added.
    return [
      ...created,
      ...filled,
      ...chainsCreated,
      ...rulesReplaced,
      ...elementsGone,
      ...elementsAdded,
      ...chainsGone,
      ...setsGone,
    ];
  }

  #chainSteps(): { chainsCreated: NftChange[]; rulesReplaced: NftChange[]; chainsGone: NftChange[] } {
    const chainsCreated: NftChange[] = [];
    const rulesReplaced: NftChange[] = [];
    const gone: NftChain[] = [];
    for (const [name, before] of this.#chainsBefore) {
      const after = this.#chains.get(name);
      if (after && !before) chainsCreated.push({ change: "create-chain", chain: after });
      if (after && (!before ? after.rules.length > 0 : !sameRules(before, after))) {
        rulesReplaced.push({ change: "replace-rules", chain: after });
      }
      if (before && !after) gone.push(before);
    }
    return {
      chainsCreated,
      rulesReplaced,
      chainsGone: referrersFirst(gone).map(({ name }) => ({ change: "delete-chain", name })),
    };
  }

  #touch(set: string, key: NftKey, before: NftVerdict | true | undefined): void {
    if (this.#setsBefore.has(set)) return;
    let touched = this.#elementsBefore.get(set);
    if (!touched) {
      touched = new Map();
      this.#elementsBefore.set(set, touched);
    }
    if (!touched.has(key)) touched.set(key, before);
  }

  #touchChain(name: string): void {
    if (!this.#chainsBefore.has(name)) this.#chainsBefore.set(name, this.#chains.get(name));
  }
}

function editable(set: NftSet): EditableSet | EditableMap {
  return set.kind === "set"
    ? { ...set, elements: new Set(set.elements) }
    : { ...set, elements: new Map(set.elements) };
}

function withoutElements(set: NftSet): NftSet {
  return set.kind === "set" ? { ...set, elements: new Set() } : { ...set, elements: new Map() };
}

function sameElement(a: NftVerdict | true | undefined, b: NftVerdict | true | undefined): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object") return false;
  return a.verdict === b.verdict && ("chain" in a ? a.chain : "") === ("chain" in b ? b.chain : "");
}

/** Rules are small plain data; equal text is equal rules, once their keys stand in one order. */
function sameRules(a: NftChain, b: NftChain): boolean {
  return a.rules === b.rules || orderedText(a.rules) === orderedText(b.rules);
}

function orderedText(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([x], [y]) => (x < y ? -1 : 1)))
      : inner,
  );
}

function targets(chain: NftChain): string[] {
  return chain.rules.flatMap((rule) =>
    rule.statements.flatMap((statement) =>
      statement.kind === "verdict" && "chain" in statement.to ? [statement.to.chain] : [],
    ),
  );
}

/** The kernel refuses to delete a chain that another one jumps to. */
function referrersFirst(chains: readonly NftChain[]): NftChain[] {
  const byName = new Map(chains.map((chain) => [chain.name, chain]));
  const ordered: NftChain[] = [];
  const seen = new Set<string>();
  const visit = (chain: NftChain): void => {
    if (seen.has(chain.name)) return;
    seen.add(chain.name);
    for (const target of targets(chain)) {
      const next = byName.get(target);
      if (next) visit(next);
    }
    ordered.push(chain);
  };
  for (const chain of chains) visit(chain);
  return ordered.reverse();
}
