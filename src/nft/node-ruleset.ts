/**
 * @module The table of one node, kept in step with the graph: which chains and sets this node needs, and the steps that
 * lead from what it had to what it needs now.
 *
 * ```
 *  local endpoint ─► program chain ─► policy chain ─► sets
 *        │ element of the maps `egress` and `ingress`      (each counted by its users; gone with the last one)
 * ```
 */
import { uncovered } from "../base/cidr-set.ts";
import { must } from "../base/errors.ts";
import { type Family, formatCidr, formatIp } from "../base/ip.ts";
import type { PolicyGraph } from "../calc/graph.ts";
import {
  type AddressDelta,
  DIRECTIONS,
  type DirectionProgram,
  type GraphDelta,
  type SelectorState,
} from "../calc/types.ts";
import type { Direction, Endpoint } from "../policy/model.ts";
import type { ServiceMapping } from "../policy/services.ts";
import { baseChains, compilePolicy, compileProgram, passes, verdictOf } from "./compile-chains.ts";
import type { SetNeed } from "./compile-rule.ts";
import { BASE, namedPortSet, policyChain, programChain, selfSet, sourceSet } from "./names.ts";
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

interface UsedSet {
  users: number;
  need: SetNeed;
}

const MAP: Readonly<Record<Direction, string>> = { ingress: BASE.ingressMap, egress: BASE.egressMap };

export class NodeRuleset {
  readonly #graph: PolicyGraph;
  readonly #options: NodeRulesetOptions;
  readonly #editor = new TableEditor(TABLE_NAME);
  readonly #services: ServiceChains;
  readonly #local = new Map<string, LocalEndpoint>();
  /** Local endpoints by element of the address sets. */
  readonly #elementUsers = new Map<string, number>();
  readonly #programs = new Map<string, UsedProgram>();
  readonly #policies = new Map<string, UsedPolicy>();
  readonly #sets = new Map<string, UsedSet>();
  readonly #setsBySelector = new Map<string, Set<string>>();
  /** Programs in which a policy began or ceased to pass. */
  readonly #reshaped = new Set<string>();
  /** What fell out of use in this update; kept until its end, since it may be wanted again. */
  readonly #unused = { programs: new Set<string>(), policies: new Set<string>(), sets: new Set<string>() };

  constructor(graph: PolicyGraph, options: NodeRulesetOptions) {
    this.#graph = graph;
    this.#options = options;
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
    this.#services = new ServiceChains(this.#editor, options.families);
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
    for (const [selector, changes] of delta.selectors) this.#updateAddresses(selector, changes);
    for (const [key, changes] of delta.namedPorts) this.#updateNamedPort(key, changes);
    for (const selector of delta.networkSets) this.#updateNetworkSets(selector);
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
    for (const { need } of this.#sets.values())
      if (need.kind === "selector") this.#graph.unwatchAddresses(need.selector);
    this.#sets.clear();
  }

  // ── endpoints ─────────────────────────────────────────────────────────────────────────────────────────────────

  #updateEndpoint(id: string): void {
    const state = this.#graph.endpoints.get(id);
    const before = this.#local.get(id);
    const isLocal =
      state !== undefined &&
      state.endpoint.node === this.#options.node &&
      state.endpoint.addresses.length > 0;
    if (!isLocal && !before) return;
    const after = isLocal ? this.#addLocal(id, state.endpoint) : undefined;
    if (before) this.#removeLocal(before, after);
    if (after) this.#local.set(id, after);
    else this.#local.delete(id);
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
    const policies = program.tiers.flatMap((tier) => tier.policies.map(({ policy }) => policy.id));
    for (const id of policies) this.#acquirePolicy(id, direction);
    const chains = compileProgram(program, direction);
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
    const { chain, needs } = compilePolicy(state, used.direction, this.#options.families);
    for (const need of needs) this.#acquireSet(need);
    for (const need of used.needs) this.#releaseSet(need);
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
    for (const local of this.#local.keys()) {
      const state = this.#graph.endpoints.get(local);
      if (!state) continue;
      const program = this.#graph.programOf(state.labelClass.identity)[used.direction];
      if (program.key === "" || programChain(used.direction, program.key) !== name) continue;
      const chains = compileProgram(program, used.direction);
      for (const chain of chains) this.#editor.putChain(chain);
      const now = new Set(chains.map((chain) => chain.name));
      for (const old of used.chains) if (!now.has(old)) this.#editor.deleteChain(old);
      this.#programs.set(name, { ...used, chains: [...now] });
      return;
    }
  }

  // ── sets ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #acquireSet(need: SetNeed): void {
    const known = this.#sets.get(need.name);
    if (known) {
      known.users++;
      this.#unused.sets.delete(need.name);
      this.#rebind(known, need);
      return;
    }
    this.#sets.set(need.name, { users: 1, need });
    this.#createSet(need);
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

  #createSet(need: SetNeed): void {
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

  #releaseSet(need: SetNeed): void {
    const used = must(this.#sets.get(need.name), `set ${need.name}`);
    used.users--;
    if (used.users === 0) this.#unused.sets.add(need.name);
  }

  #indexSelector(selector: string, set: string): void {
    const known = this.#setsBySelector.get(selector);
    if (known) known.add(set);
    else this.#setsBySelector.set(selector, new Set([set]));
  }

  #updateAddresses(selector: string, changes: AddressDelta): void {
    for (const name of this.#setsBySelector.get(selector) ?? []) {
      const { need } = must(this.#sets.get(name), `set ${name}`);
      if (need.kind === "selector") this.#applyAddresses(name, need.family, changes);
    }
  }

  #applyAddresses(name: string, family: Family, changes: AddressDelta): void {
    for (const [element, ip] of changes.removed)
      if (ip.family === family) this.#editor.deleteElement(name, element);
    for (const [element, ip] of changes.added)
      if (ip.family === family) this.#editor.addElement(name, element);
  }

  #updateNamedPort(key: string, changes: AddressDelta): void {
    for (const family of this.#options.families) {
      const name = namedPortSet(key, family);
      if (this.#sets.has(name)) this.#applyAddresses(name, family, changes);
    }
  }

  #namedPortElements(need: Extract<SetNeed, { kind: "named-port" }>): string[] {
    const elements: string[] = [];
    for (const [element, { ip }] of this.#graph.namedPort(need.key))
      if (ip.family === need.family) elements.push(element);
    return elements;
  }

  /** Whether a selector has network sets at all shapes the rules that use it. */
  #updateNetworkSets(selector: string): void {
    for (const used of this.#policies.values()) {
      const uses = used.needs.some((need) => "selector" in need && need.selector.key === selector);
      if (uses && this.#graph.policies.has(used.id)) this.#compile(used);
    }
    for (const name of this.#setsBySelector.get(selector) ?? []) {
      const { need } = must(this.#sets.get(name), `set ${name}`);
      if (need.kind === "selector-nets") this.#replaceElements(name, netElements(need));
    }
  }

  #replaceElements(name: string, wanted: readonly string[]): void {
    const set = must(this.#editor.table.sets.get(name), `set ${name}`);
    const keep = new Set(wanted);
    for (const key of [...set.elements.keys()]) if (!keep.has(key)) this.#editor.deleteElement(name, key);
    for (const key of wanted) this.#editor.addElement(name, key);
  }

  // ── ending an update ──────────────────────────────────────────────────────────────────────────────────────────

  #commit(): NftChange[] {
    for (const name of this.#unused.programs) {
      const { chains, policies, direction } = must(this.#programs.get(name), `program ${name}`);
      for (const chain of chains) this.#editor.deleteChain(chain);
      for (const id of policies) this.#releasePolicy(id, direction);
      this.#programs.delete(name);
    }
    for (const key of this.#unused.policies) {
      const { needs, id, direction } = must(this.#policies.get(key), `policy ${key}`);
      this.#editor.deleteChain(policyChain(direction, id));
      for (const need of needs) this.#releaseSet(need);
      this.#policies.delete(key);
    }
    for (const name of this.#unused.sets) {
      const { need } = must(this.#sets.get(name), `set ${name}`);
      this.#sets.delete(name);
      this.#editor.deleteSet(name);
      if (need.kind !== "selector" && need.kind !== "selector-nets") continue;
      const siblings = this.#setsBySelector.get(need.selector.key);
      siblings?.delete(name);
      if (siblings?.size === 0) this.#setsBySelector.delete(need.selector.key);
      if (need.kind === "selector") this.#graph.unwatchAddresses(need.selector);
    }
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

function netElements(need: Extract<SetNeed, { kind: "selector-nets" }>): string[] {
  const nets = [...need.selector.networkSets]
    .flatMap((set) => set.nets)
    .filter((net) => net.family === need.family);
  return uncovered(nets).map(formatCidr);
}
