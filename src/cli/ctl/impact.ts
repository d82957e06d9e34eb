/**
 * @module What one policy does: which endpoints it selects, and which connections between workloads it closes and opens,
 * found by asking for all pairs with it and without it.
 */
import { allPairs, type Cluster, type Matrix, matrixOf, PairSpace } from "../../analysis/index.ts";
import { enforcedFrom, isStaged } from "../../analysis/staged.ts";
import type { PolicyState } from "../../calc/types.ts";
import { type Direction, hasPorts, PROTOCOL } from "../../policy/model.ts";
import { type KubernetesObject, objectName } from "../../resources/object.ts";
import { OTHER_PORT, type Packet, packetKey, packetsOf } from "./packets.ts";

export interface Impact {
  readonly tier: string;
  /** undefined: not set, which is last. */
  readonly order: number | undefined;
  /** Pods as `namespace/name`, then `HostEndpoint name`; sorted. */
  readonly selects: readonly string[];
  readonly governs: readonly Direction[];
  /** Ways of changing, each with the packets that are changed so; none where nothing changes. */
  readonly changes: readonly Change[];
  /** What was compared. Empty where the folder is too big to compare. */
  readonly compared: readonly Packet[];
  /** Packets that policies of the folder name and that were not compared. */
  readonly left: number;
}

export interface Change {
  readonly packets: readonly Packet[];
  /** Ordered pairs of workloads, those inside a workload of several pods among them. */
  readonly connections: number;
  readonly closed: readonly Pair[];
  readonly opened: readonly Pair[];
}

export interface Pair {
  readonly from: string;
  readonly to: string;
  /** Only some of the two workloads' pods. */
  readonly isPartial: boolean;
}

/** Packets compared for one policy. */
const MAX_PACKETS = 8;
/** Cells of truth tables made in one call: some seconds' worth. */
const MAX_CELLS = 100_000_000;
const RANK = { deny: 0, mixed: 1, allow: 2 } as const;

/** Asks about one cluster, policy by policy. The cluster is changed and put back. */
export class ImpactStudy {
  readonly #cluster: Cluster;
  readonly #folderPackets: readonly Packet[];
  /** Truth tables of the cluster as it is. */
  readonly #known = new Map<string, Matrix>();
  /** Of one truth table. */
  readonly #cells: number;
  /** Truth tables that may still be made, and how many of them one policy may have. */
  #budget: number;
  readonly #share: number;

  /**
   * @param cluster - synced, with every policy in force
   * @param policies - how many will be asked about
   */
  constructor(cluster: Cluster, policies: number) {
    this.#cluster = cluster;
    const endpoints = [...cluster.graph.endpoints.values()];
    const groups = new Set(endpoints.map(({ endpoint }) => endpoint.workload ?? endpoint.id));
    this.#cells = Math.max(1, groups.size ** 2);
    this.#budget = Math.floor(MAX_CELLS / this.#cells);
    this.#share = Math.min(MAX_PACKETS, Math.max(1, Math.floor(this.#budget / Math.max(1, policies))));
    const counts = new Map<string, { packet: Packet; uses: number }>();
    for (const state of cluster.graph.policies.values()) {
      for (const packet of packetsOf(state)) {
        const key = packetKey(packet);
        counts.set(key, { packet, uses: (counts.get(key)?.uses ?? 0) + 1 });
      }
    }
    // What most policies name says most about the rest.
    this.#folderPackets = [...counts.values()].sort((a, b) => b.uses - a.uses).map(({ packet }) => packet);
  }

  /**
   * @param before - what stands in the policy's place without it: an older one, or nothing
   * @returns undefined for what is no policy in force, and cannot be previewed
   */
  of(policy: KubernetesObject, before?: KubernetesObject): Impact | undefined {
    return isStaged(policy) ? this.#ofStaged(policy) : this.#ofEnforced(policy, before);
  }

  #ofEnforced(policy: KubernetesObject, before: KubernetesObject | undefined): Impact | undefined {
    const state = this.#cluster.graph.policies.get(objectName(policy));
    if (!state) return undefined;
    const facts = factsOf(state);
    const { packets, left } = this.#packets(state);
    if (packets.length === 0) return { ...facts, compared: [], left, changes: [] };
    const after = packets.map((packet) => this.#current(packet));
    const restore = this.#put(policy, before);
    const without = packets.map((packet) => this.#table(packet));
    restore();
    return { ...facts, compared: packets, left, changes: changesOf(packets, without, after) };
  }

  /** As if it were enforced; what it stands for is there before. */
  #ofStaged(policy: Extract<KubernetesObject, { stagedAction: unknown }>): Impact | undefined {
    if (policy.stagedAction !== "Set" && policy.stagedAction !== "Delete") return undefined;
    const enforced = enforcedFrom(policy);
    const target = this.#cluster.object(enforced);
    if (policy.stagedAction === "Delete") {
      const state = target && this.#cluster.graph.policies.get(objectName(target));
      if (!target || !state) return undefined;
      return this.#compare(state, factsOf(state), () => this.#put(target, undefined));
    }
    const restore = this.#put(enforced, enforced);
    const state = this.#cluster.graph.policies.get(objectName(enforced));
    // It selects only while it is in force.
    const facts = state && factsOf(state);
    restore();
    return state && facts && this.#compare(state, facts, () => this.#put(enforced, enforced));
  }

  #compare(state: PolicyState, facts: Facts, enforce: () => () => void): Impact {
    const { packets, left } = this.#packets(state);
    const before = packets.map((packet) => this.#current(packet));
    const restore = enforce();
    const after = packets.map((packet) => this.#table(packet));
    restore();
    return { ...facts, compared: packets, left, changes: changesOf(packets, before, after) };
  }

  /** Puts another object, or nothing, where one is. @returns what undoes that */
  #put(place: KubernetesObject, wanted: KubernetesObject | undefined): () => void {
    const was = this.#cluster.object(place);
    const set = (object: KubernetesObject | undefined): void => {
      if (object) this.#cluster.apply([object]);
      else this.#cluster.delete(place);
      this.#cluster.sync();
    };
    set(wanted);
    return () => set(was);
  }

  /** The policy's own first, then the folder's, and one that nobody names; within what may be spent. */
  #packets(state: PolicyState): { packets: readonly Packet[]; left: number } {
    const own = packetsOf(state);
    const wanted = new Map(
      [...own, OTHER_PORT, ...this.#folderPackets].map((packet) => [packetKey(packet), packet]),
    );
    const packets = [...wanted.values()].slice(0, Math.min(this.#share, this.#budget));
    this.#budget -= packets.length;
    return { packets, left: wanted.size - packets.length };
  }

  #current(packet: Packet): Matrix {
    const key = packetKey(packet);
    const known = this.#known.get(key) ?? this.#table(packet);
    this.#known.set(key, known);
    return known;
  }

  #table(packet: Packet): Matrix {
    const { graph } = this.#cluster;
    const family = this.#cluster.plan.podNetworks.some((net) => !net.includes(":")) ? 4 : 6;
    const { protocol, port } = packet;
    const icmp = protocol === PROTOCOL.ICMP ? { icmp: { type: family === 4 ? 8 : 128, code: 0 } } : {};
    const asked = protocol === PROTOCOL.ICMP && family === 6 ? PROTOCOL.ICMPv6 : protocol;
    const kind = {
      family,
      protocol: asked,
      ...(port !== undefined && hasPorts(asked) && { port }),
      ...icmp,
    } as const;
    return matrixOf(allPairs(graph, kind, new PairSpace(graph, family)), false);
  }
}

type Facts = Pick<Impact, "tier" | "order" | "selects" | "governs">;

function factsOf(state: PolicyState): Facts {
  const { policy, subject } = state;
  const endpoints = [...subject.members].flatMap(({ classes }) =>
    [...classes].flatMap((one) => [...one.endpoints].map(({ endpoint }) => endpoint)),
  );
  // What is asked before connections are tracked says nothing about workloads.
  const meant = policy.stage === undefined ? endpoints : endpoints.filter(({ kind }) => kind === "host");
  return {
    tier: policy.tier,
    order: Number.isFinite(policy.order) ? policy.order : undefined,
    selects: meant.map(({ id }) => id).sort(),
    governs: (["ingress", "egress"] as const).filter((direction) => state[direction] !== undefined),
  };
}

/** Packets that are changed alike are told together. */
function changesOf(
  packets: readonly Packet[],
  before: readonly Matrix[],
  after: readonly Matrix[],
): readonly Change[] {
  const changes = new Map<string, { packets: Packet[]; change: Omit<Change, "packets"> }>();
  for (const [index, packet] of packets.entries()) {
    const old = before[index];
    const now = after[index];
    if (!old || !now) continue;
    const change = difference(old, now);
    if (change.closed.length + change.opened.length === 0) continue;
    const key = JSON.stringify(change);
    const known = changes.get(key);
    if (known) known.packets.push(packet);
    else changes.set(key, { packets: [packet], change });
  }
  return [...changes.values()].map((entry) => ({ packets: entry.packets, ...entry.change }));
}

/**
 * Both have the same groups in the same order: a policy makes no pods. Groups that both treat alike are compared once.
 * Cost: kinds of groups squared, and the pairs that differ.
 */
function difference(before: Matrix, after: Matrix): Omit<Change, "packets"> {
  const closed: (readonly [number, number])[] = [];
  const opened: (readonly [number, number])[] = [];
  const compare = (from: number, to: number, alike: readonly (readonly [number, number])[]): void => {
    const old = RANK[before.cell(from, to)];
    const now = RANK[after.cell(from, to)];
    if (old !== now) (now < old ? closed : opened).push(...alike);
  };
  const classes = alikeGroups(before, after);
  for (const sources of classes) {
    for (const destinations of classes) {
      const from = sources[0] ?? 0;
      const to = destinations.find((other) => other !== from);
      if (to === undefined || before.cell(from, to) === after.cell(from, to)) continue;
      compare(from, to, pairsOf(sources, destinations));
    }
  }
  const several = after.groups.flatMap(({ pods }, index) => (pods.length > 1 ? index : []));
  for (const index of several) compare(index, index, [[index, index]]);
  const count = after.groups.length;
  const named = (pairs: readonly (readonly [number, number])[]): Pair[] =>
    [...pairs]
      .sort(([a, b], [c, d]) => a - c || b - d)
      .map(([from, to]) => ({
        from: after.groups[from]?.name ?? "",
        to: after.groups[to]?.name ?? "",
        isPartial: before.cell(from, to) === "mixed" || after.cell(from, to) === "mixed",
      }));
  return { connections: count * (count - 1) + several.length, closed: named(closed), opened: named(opened) };
}

function pairsOf(sources: readonly number[], destinations: readonly number[]): (readonly [number, number])[] {
  return sources.flatMap((from) => destinations.flatMap((to) => (from === to ? [] : [[from, to] as const])));
}

/** Groups that are of one kind before, and of one kind after. */
function alikeGroups(before: Matrix, after: Matrix): readonly (readonly number[])[] {
  const classes = new Map<string, number[]>();
  for (const index of after.groups.keys()) {
    const key = `${before.kinds[index]} ${after.kinds[index]}`;
    const known = classes.get(key);
    if (known) known.push(index);
    else classes.set(key, [index]);
  }
  return [...classes.values()];
}
