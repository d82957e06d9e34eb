/**
 * @module The table of one node, kept in step with the graph: which chains and sets this node needs, and the steps that
 * lead from what it had to what it needs now.
 *
 * ```
 *  local endpoint ─► program chain ─► policy chain ─► sets
 *        │ element of the maps `egress` and `ingress`      (each counted by its users; gone with the last one)
 * ```
 */
import { must } from "../base/errors.ts";
import { type Family, formatIp } from "../base/ip.ts";
import type { PolicyGraph } from "../calc/graph.ts";
import { DIRECTIONS, type DirectionProgram, type EndpointState, type GraphDelta } from "../calc/types.ts";
import type { Direction, Endpoint } from "../policy/model.ts";
import type { ServiceMapping } from "../policy/services.ts";
import { baseChains, compilePolicy, compileProgram, passes, verdictOf } from "./compile-chains.ts";
import type { DenyWith, SetNeed } from "./compile-rule.ts";
import { HOST_SET_NEEDS, type HostStage, hostBaseChains } from "./host-chains.ts";
import { hostStagesOf } from "./host-stages.ts";
import { BASE, policyChain, programChain, selfSet, sourceSet } from "./names.ts";
import { NodeSets } from "./node-sets.ts";
import { ServiceChains } from "./service-chains.ts";
import { type NftChange, type NftTable, type NftType, TABLE_NAME } from "./table.ts";
import { TableEditor } from "./table-editor.ts";

export interface NodeRulesetOptions {
  readonly node: string;
  /** The name of the host's side of a pod's link. */
  readonly interfaceOf: (endpointId: string) => string;
  /** What all such names begin with. */
  readonly podPrefix: string;
  readonly families: readonly Family[];
  /** The name of the node's link to others and to the world. */
  readonly uplink: string;
  /** "drop" where left out. */
  readonly denyWith?: DenyWith;
  /** CIDRs that only Services have addresses in; none when left out. */
  readonly serviceNetworks?: readonly string[];
}

interface LocalEndpoint {
  readonly interfaceName: string;
  readonly addresses: Endpoint["addresses"];
  readonly programs: Readonly<Record<Direction, string>>;
}

interface UsedProgram {
  users: number;
  readonly direction: Direction;
  readonly chains: readonly string[];
  readonly policies: readonly string[];
}

interface UsedPolicy {
  users: number;
  readonly direction: Direction;
  readonly id: string;
  needs: readonly SetNeed[];
  /** Whether a rule of it may pass, which shapes the chains that call it. */
  mayPass: boolean;
}

const MAP: Readonly<Record<Direction, string>> = { ingress: BASE.ingressMap, egress: BASE.egressMap };

export class NodeRuleset {
  readonly #graph: PolicyGraph;
  readonly #options: NodeRulesetOptions;
  readonly #denyWith: DenyWith;
  readonly #editor = new TableEditor(TABLE_NAME);
  readonly #services: ServiceChains;
  readonly #local = new Map<string, LocalEndpoint>();
  /** Local endpoints by element of the address sets. */
  readonly #elementUsers = new Map<string, number>();
  readonly #programs = new Map<string, UsedProgram>();
  readonly #policies = new Map<string, UsedPolicy>();
  readonly #sets: NodeSets;
  /** Programs in which a policy began or ceased to pass. */
  readonly #reshaped = new Set<string>();
  /** Stages of host endpoints in force, and their base chains. */
  #hostStages: readonly HostStage[] = [];
  #hostChains: readonly string[] = [];
  readonly #hostIds = new Set<string>();
  #hostsChanged = false;
  /** What fell out of use in this update; kept until its end, since it may be wanted again. */
  readonly #unused = { programs: new Set<string>(), policies: new Set<string>() };

  constructor(graph: PolicyGraph, options: NodeRulesetOptions) {
    this.#graph = graph;
    this.#options = options;
    this.#denyWith = options.denyWith ?? "drop";
    this.#sets = new NodeSets(graph, this.#editor, options.families);
    for (const family of options.families) {
      const address: NftType = `address${family}`;
      this.#editor.createSet({
        kind: "set",
        name: selfSet(family),
        key: [address, address],
        interval: false,
      });
      this.#editor.createSet({
        kind: "set",
        name: sourceSet(family),
        key: ["interface", address],
        interval: false,
      });
    }
    for (const name of [BASE.egressMap, BASE.ingressMap]) {
      this.#editor.createSet({ kind: "verdict-map", name, key: ["interface"] });
    }
    for (const chain of baseChains(options.families, options.podPrefix)) this.#editor.putChain(chain);
    this.#services = new ServiceChains(this.#editor, options.families, options.serviceNetworks);
  }

  /** What the kernel should have. */
  get table(): NftTable {
    return this.#editor.table;
  }

  /** Everything the graph has, for a ruleset that starts now. The first steps begin with the table itself. */
  start(): NftChange[] {
    for (const id of this.#graph.endpoints.keys()) this.#updateEndpoint(id);
    return [{ change: "create-table", table: TABLE_NAME }, ...this.#commit()];
  }

  /**
   * Follows the graph. Cost: what the delta names and this node uses.
   * @param delta - from the graph's latest flush; each flush must be given once, in order
   * @returns one transaction; empty when nothing on this node changes
   */
  update(delta: GraphDelta): NftChange[] {
    for (const [selector, changes] of delta.selectors) this.#sets.updateAddresses(selector, changes);
    for (const [key, changes] of delta.namedPorts) this.#sets.updateNamedPort(key, changes);
    this.#updateNetworkSets(delta.networkSets);
    for (const id of delta.policies) this.#updatePolicy(id);
    for (const id of delta.endpoints) this.#updateEndpoint(id);
    return this.#commit();
  }

  /** @param mappings - all of them; those not named any more go */
  setServices(mappings: readonly ServiceMapping[]): NftChange[] {
    this.#services.set(mappings);
    return this.#commit();
  }

  /** Lets go of what the graph keeps for this node. */
  close(): void {
    this.#sets.close();
  }

  // ── endpoints ─────────────────────────────────────────────────────────────────────────────────────────────────

  #updateEndpoint(id: string): void {
    const state = this.#graph.endpoints.get(id);
    if (state?.endpoint.kind === "host" || this.#hostIds.has(id)) {
      this.#updateHost(id, state?.endpoint);
      return;
    }
    const before = this.#local.get(id);
    const isLocal =
      state !== undefined &&
      state.endpoint.node === this.#options.node &&
      state.endpoint.addresses.length > 0;
    if (!isLocal && !before) return;
    if (isLocal && before && this.#isUnchanged(before, state)) return;
    const after = isLocal ? this.#addLocal(id, state.endpoint) : undefined;
    if (before) this.#removeLocal(before, after);
    if (after) this.#local.set(id, after);
    else this.#local.delete(id);
  }

  /** An endpoint may be named by a delta because its identity is another one, with the same program. */
  #isUnchanged(before: LocalEndpoint, { endpoint, labelClass }: EndpointState): boolean {
    const program = this.#graph.programOf(labelClass.identity);
    return (
      before.programs.ingress === program.ingress.key &&
      before.programs.egress === program.egress.key &&
      before.addresses.length === endpoint.addresses.length &&
      before.addresses.every((ip, index) => {
        const now = endpoint.addresses[index];
        return now?.family === ip.family && now.bits === ip.bits;
      })
    );
  }

  #addLocal(id: string, endpoint: Endpoint): LocalEndpoint {
    const { identity } = must(this.#graph.endpoints.get(id), `endpoint ${id}`).labelClass;
    const program = this.#graph.programOf(identity);
    const interfaceName = this.#options.interfaceOf(id);
    for (const direction of DIRECTIONS) {
      this.#acquireProgram(program[direction], direction);
      this.#editor.setVerdict(MAP[direction], interfaceName, verdictOf(program[direction], direction));
    }
    const local: LocalEndpoint = {
      interfaceName,
      addresses: endpoint.addresses,
      programs: { ingress: program.ingress.key, egress: program.egress.key },
    };
    for (const [set, key] of this.#addressElements(local)) this.#countElement(set, key, 1);
    return local;
  }

  #removeLocal(before: LocalEndpoint, after: LocalEndpoint | undefined): void {
    for (const direction of DIRECTIONS) {
      this.#releaseProgram(before.programs[direction], direction);
      if (!after) this.#editor.deleteElement(MAP[direction], before.interfaceName);
    }
    for (const [set, key] of this.#addressElements(before)) this.#countElement(set, key, -1);
  }

  /** For a while two pods may have one address, when the one's deletion is heard of after the other's creation. */
  #countElement(set: string, key: string, by: 1 | -1): void {
    const id = `${set} ${key}`;
    const count = (this.#elementUsers.get(id) ?? 0) + by;
    if (count === 0) {
      this.#elementUsers.delete(id);
      this.#editor.deleteElement(set, key);
    } else {
      this.#elementUsers.set(id, count);
      this.#editor.addElement(set, key);
    }
  }

  #addressElements(local: LocalEndpoint): [set: string, key: string][] {
    return local.addresses
      .filter(({ family }) => this.#options.families.includes(family))
      .flatMap((ip): [string, string][] => {
        const text = formatIp(ip);
        return [
          [selfSet(ip.family), `${text} . ${text}`],
          [sourceSet(ip.family), `${local.interfaceName} . ${text}`],
        ];
      });
  }

  // ── host endpoints ────────────────────────────────────────────────────────────────────────────────────────────

  #updateHost(id: string, endpoint: Endpoint | undefined): void {
    const isOurs = endpoint?.kind === "host" && endpoint.node === this.#options.node;
    if (!isOurs && !this.#hostIds.has(id)) return;
    if (isOurs) this.#hostIds.add(id);
    else this.#hostIds.delete(id);
    this.#hostsChanged = true;
  }

  /** Which host endpoint governs depends on all of the node's: they are few, and looked at together. */
  #updateHostChains(): void {
    if (!this.#hostsChanged) return;
    this.#hostsChanged = false;
    const before = this.#hostStages;
    const after = hostStagesOf(this.#graph, this.#options.node);
    for (const { program, direction } of after) this.#acquireProgram(program, direction);
    for (const { program, direction } of before) this.#releaseProgram(program.key, direction);
    if (before.length === 0 && after.length > 0) for (const need of HOST_SET_NEEDS) this.#sets.acquire(need);
    const addresses = this.#graph.nodes.get(this.#options.node) ?? [];
    const chains = hostBaseChains(after, { ...this.#options, addresses });
    for (const chain of chains) this.#editor.putChain(chain);
    const wanted = new Set(chains.map(({ name }) => name));
    for (const name of this.#hostChains) if (!wanted.has(name)) this.#editor.deleteChain(name);
    if (before.length > 0 && after.length === 0) for (const need of HOST_SET_NEEDS) this.#sets.release(need);
    this.#hostStages = after;
    this.#hostChains = [...wanted];
  }

  // ── programs and policies ─────────────────────────────────────────────────────────────────────────────────────

  #acquireProgram(program: DirectionProgram, direction: Direction): void {
    if (program.key === "") return;
    const name = programChain(direction, program.key);
    const known = this.#programs.get(name);
    if (known) {
      known.users++;
      this.#unused.programs.delete(name);
      return;
    }
    const policies = [...program.tiers.flatMap((tier) => tier.policies), ...program.profiles].map(
      ({ policy }) => policy.id,
    );
    for (const id of policies) this.#acquirePolicy(id, direction);
    const chains = compileProgram(program, direction, this.#denyWith);
    for (const chain of chains) this.#editor.putChain(chain);
    this.#programs.set(name, { users: 1, direction, chains: chains.map((chain) => chain.name), policies });
  }

  #releaseProgram(key: string, direction: Direction): void {
    if (key === "") return;
    const name = programChain(direction, key);
    const used = must(this.#programs.get(name), `program ${name}`);
    used.users--;
    if (used.users === 0) this.#unused.programs.add(name);
  }

  #acquirePolicy(id: string, direction: Direction): void {
    const key = policyKey(id, direction);
    const known = this.#policies.get(key);
    if (known) {
      known.users++;
      this.#unused.policies.delete(key);
      return;
    }
    const used: UsedPolicy = { users: 1, direction, id, needs: [], mayPass: false };
    this.#policies.set(key, used);
    this.#compile(used);
  }

  #compile(used: UsedPolicy): void {
    const state = must(this.#graph.policies.get(used.id), `policy ${used.id}`);
    const { chain, needs } = compilePolicy(state, used.direction, {
      families: this.#options.families,
      denyWith: this.#denyWith,
    });
    for (const need of needs) this.#sets.acquire(need);
    for (const need of used.needs) this.#sets.release(need);
    used.needs = needs;
    this.#editor.putChain(chain);
    const before = used.mayPass;
    used.mayPass = passes(state, used.direction);
    if (used.mayPass === before) return;
    for (const [name, program] of this.#programs) {
      if (program.direction === used.direction && program.policies.includes(used.id))
        this.#reshaped.add(name);
    }
  }

  /** A policy that is gone is let go by the programs that had it; their endpoints are named by the same delta. */
  #updatePolicy(id: string): void {
    const state = this.#graph.policies.get(id);
    if (!state) return;
    for (const direction of DIRECTIONS) {
      const used = this.#policies.get(policyKey(id, direction));
      if (used) this.#compile(used);
    }
  }

  /** Called when all endpoints are up to date: each program in use has one that can tell its policies. */
  #recompileProgram(name: string): void {
    const used = this.#programs.get(name);
    if (!used) return;
    for (const program of this.#programsOf(used.direction)) {
      if (program.key === "" || programChain(used.direction, program.key) !== name) continue;
      const chains = compileProgram(program, used.direction, this.#denyWith);
      for (const chain of chains) this.#editor.putChain(chain);
      const now = new Set(chains.map((chain) => chain.name));
      for (const old of used.chains) if (!now.has(old)) this.#editor.deleteChain(old);
      this.#programs.set(name, { ...used, chains: [...now] });
      return;
    }
  }

  *#programsOf(direction: Direction): Iterable<DirectionProgram> {
    for (const local of this.#local.keys()) {
      const state = this.#graph.endpoints.get(local);
      if (state) yield this.#graph.programOf(state.labelClass.identity)[direction];
    }
    // Asked anew: a program may be another object with the same key.
    for (const stage of hostStagesOf(this.#graph, this.#options.node))
      if (stage.direction === direction) yield stage.program;
  }

  /** Whether a selector has network sets at all shapes the rules that use it. Cost: the needs of the policies in use. */
  #updateNetworkSets(selectors: ReadonlySet<string>): void {
    if (selectors.size === 0) return;
    for (const used of this.#policies.values()) {
      const uses = used.needs.some((need) => "selector" in need && selectors.has(need.selector.key));
      if (uses && this.#graph.policies.has(used.id)) this.#compile(used);
    }
    for (const selector of selectors) this.#sets.updateNetworkSets(selector);
  }

  // ── ending an update ──────────────────────────────────────────────────────────────────────────────────────────

  #commit(): NftChange[] {
    this.#updateHostChains();
    for (const name of this.#unused.programs) {
      const { chains, policies, direction } = must(this.#programs.get(name), `program ${name}`);
      for (const chain of chains) this.#editor.deleteChain(chain);
      for (const id of policies) this.#releasePolicy(id, direction);
      this.#programs.delete(name);
    }
    for (const key of this.#unused.policies) {
      const { needs, id, direction } = must(this.#policies.get(key), `policy ${key}`);
      this.#editor.deleteChain(policyChain(direction, id));
      for (const need of needs) this.#sets.release(need);
      this.#policies.delete(key);
    }
    this.#sets.dropUnused();
    for (const kind of Object.values(this.#unused)) kind.clear();
    for (const name of this.#reshaped) this.#recompileProgram(name);
    this.#reshaped.clear();
    return this.#editor.commit();
  }

  #releasePolicy(id: string, direction: Direction): void {
    const key = policyKey(id, direction);
    const used = must(this.#policies.get(key), `policy ${key}`);
    used.users--;
    if (used.users === 0) this.#unused.policies.add(key);
  }
}

function policyKey(id: string, direction: Direction): string {
  return `${direction} ${id}`;
}
