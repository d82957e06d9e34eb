/**
 * @module Graph node: selectors × identities → members. Each distinct selector is held and evaluated once, however
 * many policies use it, and only against identities that its anchors allow.
 */

import { must } from "../base/errors.ts";
import { formatIp } from "../base/ip.ts";
import type { Endpoint, NetworkSet } from "../policy/model.ts";
import { eachLabel, formatSelector, type Selectable, type Selector, selects } from "../policy/selector.ts";
import { AddressDeltas } from "./address-deltas.ts";
import { type Anchor, anchorBounds, anchorsOf } from "./anchors.ts";
import { MultiMap } from "./multi-map.ts";
import type { AddressDelta, Counters, Identity, SelectorState, WatchedAddresses } from "./types.ts";

export interface SelectorSink {
  /** An identity began or ceased to be a member. */
  membershipChanged(selector: SelectorState, identity: Identity): void;
  networkSetsChanged(selector: SelectorState): void;
}

/** The label keys of endpoints that a selector mentions, each once. */
export function mentionedLabels(selector: Selector): Set<string> {
  const keys = new Set<string>();
  eachLabel(selector, (of, key) => {
    if (of === "endpoint") keys.add(key);
  });
  return keys;
}

export class SelectorIndex {
  readonly #sink: SelectorSink;
  readonly #counters: Counters;
  readonly #selectors = new Map<string, SelectorState>();
  readonly #identitiesByAnchor = new MultiMap<Anchor, Identity>();
  readonly #anchors = new Map<Identity, readonly Anchor[]>();
  readonly #selectorsByAnchor = new MultiMap<Anchor, SelectorState>();
  /** Selectors of which nothing is known beforehand: every identity must be asked. */
  readonly #unanchored = new Set<SelectorState>();
  readonly #networkSets = new Map<string, { set: NetworkSet; selectable: Selectable }>();
  readonly #deltas = new AddressDeltas();

  constructor(sink: SelectorSink, counters: Counters) {
    this.#sink = sink;
    this.#counters = counters;
  }

  get selectors(): ReadonlyMap<string, SelectorState> {
    return this.#selectors;
  }

  /** @returns the state, and whether it is new: its label keys must be mentioned before {@link fill} is called */
  intern(selector: Selector): { state: SelectorState; created: boolean } {
    const key = formatSelector(selector);
    const known = this.#selectors.get(key);
    if (known) {
      known.uses++;
      return { state: known, created: false };
    }
    const state: SelectorState = {
      key,
      selector,
      uses: 1,
      members: new Set(),
      networkSets: new Set(),
      subjectOf: new Set(),
      addresses: undefined,
    };
    this.#selectors.set(key, state);
    return { state, created: true };
  }

  /** Finds the members of a new selector. Cost: identities that carry its best anchor. */
  fill(state: SelectorState): void {
    const [bound] = anchorBounds(state.selector);
    if (bound) for (const anchor of bound) this.#selectorsByAnchor.add(anchor, state);
    else this.#unanchored.add(state);
    for (const identity of this.#candidates(state.selector)) {
      if (this.#selects(state, identity.selectable)) this.#join(state, identity);
    }
    for (const { set, selectable } of this.#networkSets.values()) {
      if (this.#selects(state, selectable)) state.networkSets.add(set);
    }
  }

  /** @returns whether it was the last use: then its members are forgotten, and its keys must be unmentioned */
  release(state: SelectorState): boolean {
    state.uses--;
    if (state.uses > 0) return false;
    for (const identity of [...state.members]) this.#leave(state, identity);
    const [bound] = anchorBounds(state.selector);
    if (bound) for (const anchor of bound) this.#selectorsByAnchor.delete(anchor, state);
    else this.#unanchored.delete(state);
    this.#selectors.delete(state.key);
    return true;
  }

  addIdentity(identity: Identity, like: Identity | undefined): void {
    this.#indexAnchors(identity);
    if (like) {
      for (const state of like.selectors) this.#join(state, identity);
      return;
    }
    for (const state of this.#selectorsThatMay(identity)) {
      if (this.#selects(state, identity.selectable)) this.#join(state, identity);
    }
  }

  removeIdentity(identity: Identity): void {
    for (const state of [...identity.selectors]) this.#leave(state, identity);
    this.#unindexAnchors(identity);
  }

  /** The identity's namespace or service account has other labels now. Cost: selectors that share an anchor with it. */
  refreshIdentity(identity: Identity): void {
    this.#unindexAnchors(identity);
    this.#indexAnchors(identity);
    const after = new Set<SelectorState>();
    for (const state of this.#selectorsThatMay(identity)) {
      if (this.#selects(state, identity.selectable)) after.add(state);
    }
    for (const state of [...identity.selectors]) if (!after.has(state)) this.#leave(state, identity);
    for (const state of after) if (!identity.selectors.has(state)) this.#join(state, identity);
  }

  endpointJoined(identity: Identity, endpoint: Endpoint): void {
    for (const state of identity.selectors)
      if (state.addresses) this.#count(state, state.addresses, endpoint, 1);
  }

  endpointLeft(identity: Identity, endpoint: Endpoint): void {
    for (const state of identity.selectors)
      if (state.addresses) this.#count(state, state.addresses, endpoint, -1);
  }

  /** Cost: every selector, once. Network sets are few. */
  setNetworkSet(id: string, entry: { set: NetworkSet; selectable: Selectable } | null): void {
    const before = this.#networkSets.get(id);
    if (entry) this.#networkSets.set(id, entry);
    else this.#networkSets.delete(id);
    for (const state of this.#selectors.values()) {
      const had = before ? state.networkSets.delete(before.set) : false;
      const has = entry ? this.#selects(state, entry.selectable) : false;
      if (entry && has) state.networkSets.add(entry.set);
      if (had || has) this.#sink.networkSetsChanged(state);
    }
  }

  /** From now on the addresses of the selector's members are kept, and their changes reported. */
  watch(state: SelectorState): WatchedAddresses {
    if (state.addresses) {
      state.addresses.watchers++;
      return state.addresses;
    }
    const counts: WatchedAddresses["counts"] = new Map();
    for (const identity of state.members) {
      for (const { endpoints } of identity.classes) {
        for (const { endpoint } of endpoints) {
          for (const ip of endpoint.addresses) {
            const text = formatIp(ip);
            const known = counts.get(text);
            if (known) known.count++;
            else counts.set(text, { ip, count: 1 });
          }
        }
      }
    }
    state.addresses = { watchers: 1, counts };
    return state.addresses;
  }

  unwatch(state: SelectorState): void {
    const watched = must(state.addresses, `watched addresses of ${state.key}`);
    watched.watchers--;
    if (watched.watchers === 0) {
      state.addresses = undefined;
      this.#deltas.forget(state.key);
    }
  }

  takeDeltas(): ReadonlyMap<string, AddressDelta> {
    return this.#deltas.take();
  }

  #selects(state: SelectorState, subject: Selectable): boolean {
    this.#counters.selectorEvaluations++;
    return selects(state.selector, subject);
  }

  #candidates(selector: Selector): Iterable<Identity> {
    let best: { anchors: readonly Anchor[]; size: number } | undefined;
    for (const anchors of anchorBounds(selector)) {
      let size = 0;
      for (const anchor of anchors) size += this.#identitiesByAnchor.count(anchor);
      if (!best || size < best.size) best = { anchors, size };
    }
    if (!best) return this.#anchors.keys();
    const [only] = best.anchors;
    if (best.anchors.length === 1 && only !== undefined) return this.#identitiesByAnchor.get(only);
    const union = new Set<Identity>();
    for (const anchor of best.anchors)
      for (const identity of this.#identitiesByAnchor.get(anchor)) union.add(identity);
    return union;
  }

  #selectorsThatMay(identity: Identity): Set<SelectorState> {
    const states = new Set(this.#unanchored);
    for (const anchor of this.#anchors.get(identity) ?? []) {
      for (const state of this.#selectorsByAnchor.get(anchor)) states.add(state);
    }
    return states;
  }

  #join(state: SelectorState, identity: Identity): void {
    state.members.add(identity);
    identity.selectors.add(state);
    this.#membershipChanged(state, identity, 1);
  }

  #leave(state: SelectorState, identity: Identity): void {
    state.members.delete(identity);
    identity.selectors.delete(state);
    this.#membershipChanged(state, identity, -1);
  }

  #membershipChanged(state: SelectorState, identity: Identity, by: 1 | -1): void {
    this.#counters.membershipChanges++;
    if (state.addresses) {
      for (const { endpoints } of identity.classes) {
        for (const { endpoint } of endpoints) this.#count(state, state.addresses, endpoint, by);
      }
    }
    this.#sink.membershipChanged(state, identity);
  }

  #count(state: SelectorState, watched: WatchedAddresses, endpoint: Endpoint, by: 1 | -1): void {
    for (const ip of endpoint.addresses) {
      const text = formatIp(ip);
      const known = watched.counts.get(text);
      if (known) {
        known.count += by;
        if (known.count === 0) {
          watched.counts.delete(text);
          this.#deltas.record(state.key, "removed", text, ip);
        }
      } else {
        watched.counts.set(text, { ip, count: 1 });
        this.#deltas.record(state.key, "added", text, ip);
      }
    }
  }

  #indexAnchors(identity: Identity): void {
    const anchors = anchorsOf(identity.selectable);
    this.#anchors.set(identity, anchors);
    for (const anchor of anchors) this.#identitiesByAnchor.add(anchor, identity);
  }

  #unindexAnchors(identity: Identity): void {
    for (const anchor of this.#anchors.get(identity) ?? []) this.#identitiesByAnchor.delete(anchor, identity);
    this.#anchors.delete(identity);
  }
}
