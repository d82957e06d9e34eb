/** @module The states that the graph's nodes share. Only this room writes to them; others read. */
import type { Ip } from "../base/ip.ts";
import type { Direction, Endpoint, NetworkSet, Policy, Rule } from "../policy/model.ts";
import type { Selectable, Selector } from "../policy/selector.ts";

/**
 * Endpoints that nobody could ever tell apart: same namespace, service account, labels, named ports and profile.
 * Replicas of one workload are one class, so what must look at endpoints one by one looks at classes instead.
 */
export interface LabelClass {
  readonly key: string;
  /** Any endpoint of the class. */
  readonly sample: Endpoint;
  readonly endpoints: Set<EndpointState>;
  identity: Identity;
}

/** Classes that no selector in force tells apart. */
export interface Identity {
  /** Content: namespace, service account, values of the label keys that selectors mention, named ports, profile. */
  readonly key: string;
  selectable: Selectable;
  readonly sample: Endpoint;
  readonly classes: Set<LabelClass>;
  /** Every interned selector that selects it. */
  readonly selectors: Set<SelectorState>;
  /** undefined: to be computed when next asked for. */
  program: Program | undefined;
}

export interface EndpointState {
  readonly endpoint: Endpoint;
  readonly labelClass: LabelClass;
}

/** A selector in force, held once however many policies use it. */
export interface SelectorState {
  /** The selector's canonical text. */
  readonly key: string;
  readonly selector: Selector;
  uses: number;
  readonly members: Set<Identity>;
  readonly networkSets: Set<NetworkSet>;
  /** Policies whose subject this is. */
  readonly subjectOf: Set<PolicyState>;
  /** Addresses by text, with the number of endpoints that have it; kept only while somebody watches. */
  addresses: WatchedAddresses | undefined;
}

export interface WatchedAddresses {
  watchers: number;
  readonly counts: Map<string, { readonly ip: Ip; count: number }>;
}

/** Every field is there on every rule, so that a verdict's loop over thousands of them meets one shape. */
export interface CompiledRule {
  readonly rule: Rule;
  readonly sourceSelector: SelectorState | undefined;
  readonly sourceNotSelector: SelectorState | undefined;
  readonly destinationSelector: SelectorState | undefined;
  readonly destinationNotSelector: SelectorState | undefined;
  /** `ANY`: no protocol of its own. */
  readonly protocol: number;
  /** Whether the match says more of the packet than its protocol. */
  readonly readsPacket: boolean;
  readonly readsAddresses: boolean;
  readonly readsPorts: boolean;
}

export const ANY_PROTOCOL = -1;

export interface PolicyState {
  readonly policy: Policy;
  readonly subject: SelectorState;
  /** undefined: the policy does not govern the direction. */
  readonly ingress: readonly CompiledRule[] | undefined;
  readonly egress: readonly CompiledRule[] | undefined;
}

export interface TierProgram {
  readonly tier: string;
  /** Equal keys mean equal behaviour. */
  readonly key: string;
  readonly defaultAction: "deny" | "pass";
  /** In order; never empty. */
  readonly policies: readonly PolicyState[];
}

/** What is enforced at the endpoints of an identity. Equal keys mean equal behaviour for a direction. */
export interface Program {
  readonly ingress: DirectionProgram;
  readonly egress: DirectionProgram;
  /** What a host endpoint enforces besides, by stage. */
  readonly host?: HostProgram;
}

export interface HostProgram {
  readonly forward: Readonly<Record<Direction, DirectionProgram>>;
  readonly untracked: Readonly<Record<Direction, DirectionProgram>>;
  readonly preDnat: DirectionProgram;
}

export interface DirectionProgram {
  /** "" when nothing is enforced and the profile allows. */
  readonly key: string;
  readonly tiers: readonly TierProgram[];
  /** Asked after all tiers, in order. */
  readonly profiles: readonly PolicyState[];
  /** What happens when nothing decided. `none`: the stage has no last word, and the next one is asked. */
  readonly profile: "allow" | "deny" | "none";
}

/** How much work the graph did; tests gate on these, since time on a shared machine says little. */
export interface Counters {
  selectorEvaluations: number;
  membershipChanges: number;
  programsComputed: number;
  classesRekeyed: number;
}

/** What changed since the last flush, by key. Whether something was added, changed or removed is asked of the graph. */
export interface GraphDelta {
  readonly policies: ReadonlySet<string>;
  /** Endpoints that came, went, moved to another node or address, or whose program changed. */
  readonly endpoints: ReadonlySet<string>;
  /** Watched selectors whose addresses changed. */
  readonly selectors: ReadonlyMap<string, AddressDelta>;
  /** Named ports (`6:http`) whose holders changed. */
  readonly namedPorts: ReadonlyMap<string, AddressDelta>;
  /** Selectors whose network sets changed. */
  readonly networkSets: ReadonlySet<string>;
}

/** By element: an address, or an address with a port (`10.0.0.1 . 80`). */
export interface AddressDelta {
  readonly added: Map<string, Ip>;
  readonly removed: Map<string, Ip>;
}

export const DIRECTIONS: readonly Direction[] = ["ingress", "egress"];
