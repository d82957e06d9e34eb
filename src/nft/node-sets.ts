/** @module The sets that a node's rules use: made when first used, filled and followed, gone with their last user. */
import { uncovered } from "../base/cidr-set.ts";
import { must } from "../base/errors.ts";
import { type Family, formatCidr } from "../base/ip.ts";
import type { PolicyGraph } from "../calc/graph.ts";
import type { AddressDelta, SelectorState } from "../calc/types.ts";
import type { SetNeed } from "./compile-rule.ts";
import { namedPortSet } from "./names.ts";
import type { TableEditor } from "./table-editor.ts";

interface UsedSet {
  users: number;
  need: SetNeed;
}

export class NodeSets {
  readonly #graph: PolicyGraph;
  readonly #editor: TableEditor;
  readonly #families: readonly Family[];
  readonly #used = new Map<string, UsedSet>();
  readonly #bySelector = new Map<string, Set<string>>();
  /** Kept until the update's end, since they may be wanted again. */
  readonly #unused = new Set<string>();

  constructor(graph: PolicyGraph, editor: TableEditor, families: readonly Family[]) {
    this.#graph = graph;
    this.#editor = editor;
    this.#families = families;
  }

  /** A rule uses the set from now on. */
  acquire(need: SetNeed): void {
    const known = this.#used.get(need.name);
    if (known) {
      known.users++;
      this.#unused.delete(need.name);
      this.#rebind(known, need);
      return;
    }
    this.#used.set(need.name, { users: 1, need });
    this.#create(need);
  }

  /**
   * A selector that nobody used for a moment is another one to the graph when it comes back, under the same name: the
   * set must follow the new one.
   */
  #rebind(used: UsedSet, need: SetNeed): void {
    const before = used.need;
    if (!("selector" in before && "selector" in need) || before.selector === need.selector) return;
    used.need = need;
    if (need.kind === "selector-nets") {
      this.#replaceElements(need.name, netElements(need));
      return;
    }
    this.#graph.unwatchAddresses(before.selector);
    this.#replaceElements(need.name, this.#watchedElements(need.selector, need.family));
  }

  #watchedElements(selector: SelectorState, family: Family): string[] {
    const elements: string[] = [];
    for (const [text, { ip }] of this.#graph.watchAddresses(selector).counts)
      if (ip.family === family) elements.push(text);
    return elements;
  }

  #create(need: SetNeed): void {
    const { name } = need;
    switch (need.kind) {
      case "selector": {
        this.#editor.createSet({ kind: "set", name, key: [`address${need.family}`], interval: false });
        this.#indexSelector(need.selector.key, name);
        for (const key of this.#watchedElements(need.selector, need.family))
          this.#editor.addElement(name, key);
        return;
      }
      case "selector-nets":
        this.#editor.createSet({ kind: "set", name, key: [`address${need.family}`], interval: true });
        this.#indexSelector(need.selector.key, name);
        for (const key of netElements(need)) this.#editor.addElement(name, key);
        return;
      case "cidrs":
        this.#editor.createSet({ kind: "set", name, key: [`address${need.family}`], interval: true });
        for (const cidr of need.cidrs) this.#editor.addElement(name, cidr);
        return;
      case "ports":
        this.#editor.createSet({ kind: "set", name, key: ["port"], interval: false });
        for (const port of need.ports) this.#editor.addElement(name, String(port));
        return;
      case "named-port":
        this.#editor.createSet({
          kind: "set",
          name,
          key: [`address${need.family}`, "port"],
          interval: false,
        });
        for (const key of this.#namedPortElements(need)) this.#editor.addElement(name, key);
        return;
    }
  }

  /** The inverse of {@link acquire}. A set that nobody uses goes with {@link dropUnused}. */
  release(need: SetNeed): void {
    const used = must(this.#used.get(need.name), `set ${need.name}`);
    used.users--;
    if (used.users === 0) this.#unused.add(need.name);
  }

  #indexSelector(selector: string, set: string): void {
    const known = this.#bySelector.get(selector);
    if (known) known.add(set);
    else this.#bySelector.set(selector, new Set([set]));
  }

  updateAddresses(selector: string, changes: AddressDelta): void {
    for (const name of this.#bySelector.get(selector) ?? []) {
      const { need } = must(this.#used.get(name), `set ${name}`);
      if (need.kind === "selector") this.#applyAddresses(name, need.family, changes);
    }
  }

  #applyAddresses(name: string, family: Family, changes: AddressDelta): void {
    for (const [element, ip] of changes.removed)
      if (ip.family === family) this.#editor.deleteElement(name, element);
    for (const [element, ip] of changes.added)
      if (ip.family === family) this.#editor.addElement(name, element);
  }

  updateNamedPort(key: string, changes: AddressDelta): void {
    for (const family of this.#families) {
      const name = namedPortSet(key, family);
      if (this.#used.has(name)) this.#applyAddresses(name, family, changes);
    }
  }

  #namedPortElements(need: Extract<SetNeed, { kind: "named-port" }>): string[] {
    const elements: string[] = [];
    for (const [element, { ip }] of this.#graph.namedPort(need.key))
      if (ip.family === need.family) elements.push(element);
    return elements;
  }

  /** The selector's network sets are others now. */
  updateNetworkSets(selector: string): void {
    for (const name of this.#bySelector.get(selector) ?? []) {
      const { need } = must(this.#used.get(name), `set ${name}`);
      if (need.kind === "selector-nets") this.#replaceElements(name, netElements(need));
    }
  }

  #replaceElements(name: string, wanted: readonly string[]): void {
    const set = must(this.#editor.table.sets.get(name), `set ${name}`);
    const keep = new Set(wanted);
    for (const key of [...set.elements.keys()]) if (!keep.has(key)) this.#editor.deleteElement(name, key);
    for (const key of wanted) if (!set.elements.has(key)) this.#editor.addElement(name, key);
  }

  dropUnused(): void {
    for (const name of this.#unused) {
      const { need } = must(this.#used.get(name), `set ${name}`);
      this.#used.delete(name);
      this.#editor.deleteSet(name);
      if (need.kind !== "selector" && need.kind !== "selector-nets") continue;
      const siblings = this.#bySelector.get(need.selector.key);
      siblings?.delete(name);
      if (siblings?.size === 0) this.#bySelector.delete(need.selector.key);
      if (need.kind === "selector") this.#graph.unwatchAddresses(need.selector);
    }
    this.#unused.clear();
  }

  /** Lets go of what the graph keeps for these sets. */
  close(): void {
    for (const { need } of this.#used.values())
      if (need.kind === "selector") this.#graph.unwatchAddresses(need.selector);
    this.#used.clear();
  }
}

function netElements(need: Extract<SetNeed, { kind: "selector-nets" }>): string[] {
  const nets = [...need.selector.networkSets]
    .flatMap((set) => set.nets)
    .filter((net) => net.family === need.family);
  return uncovered(nets).map(formatCidr);
}
