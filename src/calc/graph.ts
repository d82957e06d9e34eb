/**
 * @module The incremental graph: the model's objects, in any order → identities, selector members, one program an
 * identity. Its output is a function of the current objects, never of the way that led to them.
 *
 * ```
 *  endpoints ──► Identities ──(identity created, gone)──► SelectorIndex ──(membership changed)──► programs
 *                   ▲  endpoint joined, left ──────────────►  watched addresses                      ▲
 *                   └──────── label keys mentioned ◄────── setPolicy: intern selectors ──────────────┘
 * ```
 *
 * All calls are synchronous. `flush` says what changed since the last one; whoever follows asks the graph for the
 * state of what is named there. `null` means "does not exist", whether it was deleted or never known.
 */
import { must } from "../base/errors.ts";
import type { Ip } from "../base/ip.ts";
import { type Endpoint, type NetworkSet, type Policy, PROFILE_TIER, type Tier } from "../policy/model.ts";
import type { Selectable, Selector } from "../policy/selector.ts";
import { completeTiers, selectableEndpoint, selectableNetworkSet, type World } from "../policy/world.ts";
import type { Labels } from "../resources/object.ts";
import { compilePolicy, selectorsOf } from "./compiled-policy.ts";
import { HostEndpoints } from "./host-endpoints.ts";
import { Identities, type IdentitySink } from "./identities.ts";
import { NamedPorts } from "./named-ports.ts";
import { computeProgram, programText } from "./programs.ts";
import { mentionedLabels, SelectorIndex, type SelectorSink } from "./selector-index.ts";
import type {
  Counters,
  EndpointState,
  GraphDelta,
  Identity,
  PolicyState,
  Program,
  SelectorState,
  WatchedAddresses,
} from "./types.ts";

export class PolicyGraph {
  readonly counters: Counters = {
    selectorEvaluations: 0,
    membershipChanges: 0,
    programsComputed: 0,
    classesRekeyed: 0,
  };
  readonly #namespaces = new Map<string, Labels>();
  readonly #serviceAccounts = new Map<string, Labels>();
  readonly #nodes = new Map<string, readonly Ip[]>();
  readonly #tiers = new Map<string, Tier>();
  readonly #networkSets = new Map<string, NetworkSet>();
  readonly #policies = new Map<string, PolicyState>();
  readonly #policiesByTier = new Map<string, number>();
  readonly #identitiesByNamespace = new Map<string, Set<Identity>>();
  readonly #namedPorts = new NamedPorts();
  readonly #hosts = new HostEndpoints();
  #orderedTiers: readonly Tier[] | undefined;
  #changedPolicies = new Set<string>();
  #changedEndpoints = new Set<string>();
  #changedNetworkSets = new Set<string>();
  readonly #stale = new Map<Identity, Program | undefined>();

  readonly #selectorSink: SelectorSink = {
    membershipChanged: (selector, identity) => {
      if (selector.subjectOf.size > 0) this.#invalidate(identity);
    },
    networkSetsChanged: (selector) => this.#changedNetworkSets.add(selector.key),
  };
  readonly #selectors = new SelectorIndex(this.#selectorSink, this.counters);
  readonly #identitySink: IdentitySink = {
    identityCreated: (identity, like) => {
      const { namespace } = identity.selectable;
      const known = this.#identitiesByNamespace.get(namespace);
      if (known) known.add(identity);
      else this.#identitiesByNamespace.set(namespace, new Set([identity]));
      this.#selectors.addIdentity(identity, like);
    },
    identityGone: (identity) => {
      this.#selectors.removeIdentity(identity);
      this.#stale.delete(identity);
      const { namespace } = identity.selectable;
      const known = this.#identitiesByNamespace.get(namespace);
      known?.delete(identity);
      if (known?.size === 0) this.#identitiesByNamespace.delete(namespace);
    },
    endpointJoined: (identity, endpoint) => {
      this.#changedEndpoints.add(endpoint.id);
      this.#selectors.endpointJoined(identity, endpoint);
    },
    endpointLeft: (identity, endpoint) => {
      this.#changedEndpoints.add(endpoint.id);
      this.#selectors.endpointLeft(identity, endpoint);
    },
    selectableOf: (endpoint, labels) => this.#selectable(endpoint, labels),
  };
  readonly #identities = new Identities(this.#identitySink, this.counters);

  // ── objects in ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Cost: identities of the namespace × selectors that may select them. */
  setNamespace(name: string, labels: Labels | null): void {
    if (labels) this.#namespaces.set(name, labels);
    else this.#namespaces.delete(name);
    for (const identity of this.#identitiesByNamespace.get(name) ?? []) this.#refresh(identity);
    for (const [id, set] of this.#networkSets) if (set.namespace === name) this.#indexNetworkSet(id, set);
  }

  /** @param key - `namespace/name` */
  setServiceAccount(key: string, labels: Labels | null): void {
    if (labels) this.#serviceAccounts.set(key, labels);
    else this.#serviceAccounts.delete(key);
    const [namespace = "", name = ""] = key.split("/");
    for (const identity of this.#identitiesByNamespace.get(namespace) ?? []) {
      if (identity.selectable.serviceAccount === name) this.#refresh(identity);
    }
  }

  /** Which host endpoint governs a node depends on its addresses, so those of the node count as changed. */
  setNode(name: string, addresses: readonly Ip[] | null): void {
    if (addresses) this.#nodes.set(name, addresses);
    else this.#nodes.delete(name);
    for (const { id } of this.#hosts.ofNode(name)) this.#changedEndpoints.add(id);
  }

  /** Cost: O(labels of the endpoint) where an endpoint with equal labels is known. */
  setEndpoint(id: string, endpoint: Endpoint | null): void {
    const before = this.#identities.endpoints.get(id)?.endpoint;
    if (endpoint) this.#namedPorts.count(endpoint, 1);
    if (before) this.#namedPorts.count(before, -1);
    if (before?.kind === "host" || endpoint?.kind === "host") this.#hosts.set(id, endpoint);
    this.#identities.setEndpoint(id, endpoint);
  }

  /** Tiers change seldom: every program is looked at again. */
  setTier(name: string, tier: Tier | null): void {
    if (tier) this.#tiers.set(name, tier);
    else this.#tiers.delete(name);
    this.#invalidateAll();
  }

  setNetworkSet(id: string, set: NetworkSet | null): void {
    if (set) {
      this.#networkSets.set(id, set);
      this.#indexNetworkSet(id, set);
    } else {
      this.#networkSets.delete(id);
      this.#selectors.setNetworkSet(id, null);
    }
  }

  /** Cost: its new selectors' candidates, and a program an identity that it selects. */
  setPolicy(id: string, policy: Policy | null): void {
    const before = this.#policies.get(id);
    // The new one's selectors are interned before the old one's are let go: those in common stay as they are.
    if (policy) {
      const after = compilePolicy(policy, (selector) => this.#intern(selector));
      this.#policies.set(id, after);
      after.subject.subjectOf.add(after);
      this.#countTier(policy.tier, 1);
      for (const identity of after.subject.members) this.#invalidate(identity);
    } else {
      this.#policies.delete(id);
    }
    if (before) {
      before.subject.subjectOf.delete(before);
      this.#countTier(before.policy.tier, -1);
      for (const identity of before.subject.members) this.#invalidate(identity);
      for (const selector of selectorsOf(before)) this.#releaseSelector(selector);
    }
    if ((policy ?? before?.policy)?.tier === PROFILE_TIER) this.#invalidateProfile(id);
    if (before || policy) this.#changedPolicies.add(id);
  }

  /** @returns what changed since the last call, and forgets it. Cost: programs that may have changed. */
  flush(): GraphDelta {
    for (const [identity, before] of this.#stale) {
      const after = this.programOf(identity);
      if (before && programText(before) === programText(after)) continue;
      for (const { endpoints } of identity.classes) {
        for (const { endpoint } of endpoints) this.#changedEndpoints.add(endpoint.id);
      }
    }
    this.#stale.clear();
    const delta: GraphDelta = {
      policies: this.#changedPolicies,
      endpoints: this.#changedEndpoints,
      selectors: this.#selectors.takeDeltas(),
      namedPorts: this.#namedPorts.takeDeltas(),
      networkSets: this.#changedNetworkSets,
    };
    this.#changedPolicies = new Set();
    this.#changedEndpoints = new Set();
    this.#changedNetworkSets = new Set();
    return delta;
  }

  // ── state out ─────────────────────────────────────────────────────────────────────────────────────────────────

  get endpoints(): ReadonlyMap<string, EndpointState> {
    return this.#identities.endpoints;
  }

  get identities(): ReadonlyMap<string, Identity> {
    return this.#identities.identities;
  }

  get policies(): ReadonlyMap<string, PolicyState> {
    return this.#policies;
  }

  get selectors(): ReadonlyMap<string, SelectorState> {
    return this.#selectors.selectors;
  }

  get nodes(): ReadonlyMap<string, readonly Ip[]> {
    return this.#nodes;
  }

  get namespaces(): ReadonlyMap<string, Labels> {
    return this.#namespaces;
  }

  get hosts(): HostEndpoints {
    return this.#hosts;
  }

  /** Who holds a named port (`6:http`): `10.0.0.1 . 80` → address and number. */
  namedPort(key: string): ReadonlyMap<string, { readonly ip: Ip; readonly port: number }> {
    return this.#namedPorts.holders(key);
  }

  programOf(identity: Identity): Program {
    if (!identity.program) {
      this.counters.programsComputed++;
      identity.program = computeProgram(identity, {
        tiers: this.orderedTiers(),
        policies: this.#policies,
      });
    }
    return identity.program;
  }

  orderedTiers(): readonly Tier[] {
    this.#orderedTiers ??= completeTiers(
      [...this.#tiers.values()],
      [...this.#policiesByTier.keys()].map((tier) => ({ tier })),
    );
    return this.#orderedTiers;
  }

  watchAddresses(selector: SelectorState): WatchedAddresses {
    return this.#selectors.watch(selector);
  }

  unwatchAddresses(selector: SelectorState): void {
    this.#selectors.unwatch(selector);
  }

  /** The same state in the form that the reference evaluator reads. Cost: a copy of the maps. */
  world(): World {
    return {
      tiers: [...this.#tiers.values()],
      policies: [...this.#policies.values()].map(({ policy }) => policy),
      namespaces: this.#namespaces,
      serviceAccounts: this.#serviceAccounts,
      endpoints: new Map([...this.endpoints].map(([id, { endpoint }]) => [id, endpoint])),
      networkSets: [...this.#networkSets.values()],
      nodes: this.#nodes,
    };
  }

  // ── inside ────────────────────────────────────────────────────────────────────────────────────────────────────

  #selectable(endpoint: Endpoint, labels: Labels): Selectable {
    const lookups = { namespaces: this.#namespaces, serviceAccounts: this.#serviceAccounts };
    return selectableEndpoint(lookups, { ...endpoint, labels });
  }

  #refresh(identity: Identity): void {
    this.#identities.refreshSelectable(identity);
    this.#selectors.refreshIdentity(identity);
  }

  #indexNetworkSet(id: string, set: NetworkSet): void {
    const lookups = { namespaces: this.#namespaces, serviceAccounts: this.#serviceAccounts };
    this.#selectors.setNetworkSet(id, { set, selectable: selectableNetworkSet(lookups, set) });
  }

  #invalidate(identity: Identity): void {
    if (!this.#stale.has(identity)) this.#stale.set(identity, identity.program);
    identity.program = undefined;
  }

  /** Profiles are named, not found by a selector. They change seldom. */
  #invalidateProfile(id: string): void {
    for (const identity of this.identities.values())
      if (identity.sample.profiles?.includes(id)) this.#invalidate(identity);
  }

  #invalidateAll(): void {
    this.#orderedTiers = undefined;
    for (const identity of this.identities.values()) this.#invalidate(identity);
  }

  /** A policy may be the first or last to name a tier that nobody created. */
  #countTier(tier: string, by: 1 | -1): void {
    const count = (this.#policiesByTier.get(tier) ?? 0) + by;
    if (count === 0) this.#policiesByTier.delete(tier);
    else this.#policiesByTier.set(tier, count);
    if (count <= 1) this.#orderedTiers = undefined;
  }

  #intern(selector: Selector): SelectorState {
    const { state, created } = this.#selectors.intern(selector);
    if (created) {
      this.#identities.mention(mentionedLabels(selector));
      this.#selectors.fill(state);
    }
    return state;
  }

  #releaseSelector(state: SelectorState): void {
    if (this.#selectors.release(state)) this.#identities.unmention(mentionedLabels(state.selector));
  }

  /** A canonical picture of the whole state, for tests: equal objects give equal pictures. */
  picture(): unknown {
    const identityNames = new Map([...this.identities.values()].map((identity) => [identity, identity.key]));
    const name = (identity: Identity): string => must(identityNames.get(identity), "identity of a member");
    return {
      identities: [...this.identities.values()]
        .map((identity) => ({
          key: identity.key,
          endpoints: [...identity.classes]
            .flatMap((c) => [...c.endpoints].map(({ endpoint }) => endpoint.id))
            .sort(),
          selectors: [...identity.selectors].map((selector) => selector.key).sort(),
          ingress: this.programOf(identity).ingress.key,
          egress: this.programOf(identity).egress.key,
          program: programText(this.programOf(identity)),
        }))
        .sort((a, b) => (a.key < b.key ? -1 : 1)),
      selectors: [...this.selectors.values()]
        .map((selector) => ({
          key: selector.key,
          uses: selector.uses,
          members: [...selector.members].map(name).sort(),
          networkSets: [...selector.networkSets].map((set) => set.id).sort(),
        }))
        .sort((a, b) => (a.key < b.key ? -1 : 1)),
      namedPorts: this.#namedPorts.picture(),
    };
  }
}
