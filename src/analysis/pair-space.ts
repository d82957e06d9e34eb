/** @module Units as bits: the sets of units that selectors and CIDRs mean, each made once. */
import { andNotInto, emptyWords, fullWords, setBit, type Words } from "../base/bitset.ts";
import { type Cidr, cidrRange, type Family, formatCidr } from "../base/ip.ts";
import type { PolicyGraph } from "../calc/graph.ts";
import type { DirectionProgram, SelectorState } from "../calc/types.ts";
import { addressesOf } from "../calc/verdict.ts";
import type { Direction, NetworkSet } from "../policy/model.ts";
import { type Unit, unitsOf } from "./units.ts";

/** Units and sets of units that do not depend on the packet. Valid until the graph changes. */
export class PairSpace {
  readonly units: readonly Unit[];
  readonly all: Words;
  readonly #family: Family;
  readonly #unitsOfIdentity = new Map<object, number[]>();
  readonly #selectors = new Map<SelectorState, Words>();
  /** By the CIDR's text: thousands of rules name the same few. */
  readonly #nets = new Map<string, Words>();
  #byAddress: readonly { readonly index: number; readonly address: bigint }[] | undefined;
  readonly #scratch: Words[] = [];
  readonly #ownSide = new Map<DirectionProgram, boolean>();

  constructor(graph: PolicyGraph, family: Family) {
    this.#family = family;
    this.units = unitsOf(graph, family);
    this.all = fullWords(this.units.length);
    for (const [index, { identity }] of this.units.entries()) {
      const known = this.#unitsOfIdentity.get(identity);
      if (known) known.push(index);
      else this.#unitsOfIdentity.set(identity, [index]);
    }
  }

  selected(selector: SelectorState): Words {
    const known = this.#selectors.get(selector);
    if (known) return known;
    const words = emptyWords(this.units.length);
    for (const identity of selector.members) {
      for (const index of this.#unitsOfIdentity.get(identity) ?? []) setBit(words, index);
    }
    for (const set of selector.networkSets) this.#addSet(words, set);
    this.#selectors.set(selector, words);
    return words;
  }

  /** Cost: units × log of the set's CIDRs. */
  #addSet(words: Words, set: NetworkSet): void {
    const addresses = addressesOf(set);
    for (const [index, { address }] of this.units.entries())
      if (addresses.has({ family: this.#family, bits: address })) setBit(words, index);
  }

  inAny(nets: readonly Cidr[]): Words {
    const [only] = nets;
    if (only && nets.length === 1) return this.#inNet(only);
    const words = emptyWords(this.units.length);
    for (const net of nets) this.#addNet(words, net);
    return words;
  }

  ownSideMatters(program: DirectionProgram, direction: Direction): boolean {
    const known = this.#ownSide.get(program);
    if (known !== undefined) return known;
    const matters = ownSideMatters(program, direction);
    this.#ownSide.set(program, matters);
    return matters;
  }

  /** A buffer that is used again and again, filled with a copy. */
  scratch(place: number, content: Words): Words {
    let words = this.#scratch[place];
    if (!words) {
      words = emptyWords(this.units.length);
      this.#scratch[place] = words;
    }
    words.set(content);
    return words;
  }

  without(set: Words): Words {
    const rest = this.all.slice();
    andNotInto(rest, set);
    return rest;
  }

  #inNet(net: Cidr): Words {
    const key = formatCidr(net);
    const known = this.#nets.get(key);
    if (known) return known;
    const words = emptyWords(this.units.length);
    this.#addNet(words, net);
    this.#nets.set(key, words);
    return words;
  }

  /** Cost: log of the units, and those inside: a rule that names a Service has a CIDR for each pod behind it. */
  #addNet(words: Words, net: Cidr): void {
    if (net.family !== this.#family) return;
    const { first, last } = cidrRange(net);
    this.#byAddress ??= [...this.units.entries()]
      .map(([index, { address }]) => ({ index, address }))
      .sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
    let low = 0;
    let high = this.#byAddress.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#byAddress[middle]?.address ?? first) < first) low = middle + 1;
      else high = middle;
    }
    for (; low < this.#byAddress.length; low++) {
      const unit = this.#byAddress[low];
      if (!unit || unit.address > last) return;
      setBit(words, unit.index);
    }
  }
}

/** Whether a rule looks at its own side's address or labels: equal programs may then differ by unit. */
function ownSideMatters(program: DirectionProgram, direction: Direction): boolean {
  const own = direction === "ingress" ? "destination" : "source";
  const policies = [...program.tiers.flatMap((tier) => tier.policies), ...program.profiles];
  return policies.some((state) =>
    (state[direction] ?? []).some(({ rule: { match } }) => {
      const side = match[own];
      return (
        side.selector !== undefined ||
        side.notSelector !== undefined ||
        side.nets !== undefined ||
        side.notNets !== undefined
      );
    }),
  );
}
