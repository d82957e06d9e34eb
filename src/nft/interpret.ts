/**
 * @module Runs a table on a packet, in memory: the judge that says what the compiled rules do without a kernel. It
 * follows nftables' rules of evaluation (nft(8), "verdict statements"): accept ends the base chain, drop ends the
 * packet, return goes back to the calling chain or to the base chain's policy, goto does not come back.
 */
import { BugError, must, unreachable } from "../base/errors.ts";
import { cidrContains, formatIp, type Ip, parseCidr, parseIp } from "../base/ip.ts";
import { hasPorts, PROTOCOL } from "../policy/model.ts";
import type { NftChain, NftField, NftRule, NftSet, NftStatement, NftTable, NftVerdict } from "./table.ts";

export interface Packet {
  readonly inInterface: string;
  readonly outInterface: string;
  readonly source: Ip;
  readonly destination: Ip;
  readonly protocol: number;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly icmp?: { readonly type: number; readonly code: number };
  readonly state: "new" | "established" | "related" | "invalid" | "untracked";
  /** Stays on the packet from hook to hook of one node. */
  readonly mark?: number;
  /** Whether the destination was translated on the way here. */
  readonly translated?: boolean;
}

export interface Outcome {
  readonly verdict: "accept" | "drop";
  /** The packet as it leaves: translated where a nat chain did so. */
  readonly packet: Packet;
  /** Comments of the rules that decided, in the order of the base chains. */
  readonly because: readonly string[];
}

export type Hook = "prerouting" | "input" | "forward" | "output" | "postrouting";

/** @param pick - which of n backends a dnat statement takes; the kernel throws dice */
export function runHook(
  table: NftTable,
  hook: Hook,
  packet: Packet,
  pick: (count: number) => number,
): Outcome {
  const chains = [...table.chains.values()]
    .filter((chain) => chain.hook?.hook === hook)
    .sort((a, b) => (a.hook?.priority ?? 0) - (b.hook?.priority ?? 0));
  const run: Run = { table, pick, packet, mark: packet.mark ?? 0, because: [] };
  const leaving = (): Packet => ({ ...run.packet, mark: run.mark });
  for (const chain of chains) {
    // Only the first packet of a connection goes through nat chains.
    if (chain.hook?.type === "nat" && run.packet.state !== "new") continue;
    const ended = runChain(run, chain);
    const verdict =
      ended.kind === "verdict" ? ended.verdict : must(chain.hook, "hook of a base chain").policy;
    if (verdict === "drop") return { verdict, packet: leaving(), because: run.because };
  }
  return { verdict: "accept", packet: leaving(), because: run.because };
}

interface Run {
  readonly table: NftTable;
  readonly pick: (count: number) => number;
  packet: Packet;
  mark: number;
  readonly because: string[];
}

type ChainEnd = { kind: "verdict"; verdict: "accept" | "drop" } | { kind: "end" };

/** nftables allows jumps 16 deep. */
const DEEPEST = 16;

function runChain(run: Run, chain: NftChain, depth = 0): ChainEnd {
  if (depth > DEEPEST) throw new BugError(`chains are nested more than ${DEEPEST} deep at ${chain.name}`);
  for (const rule of chain.rules) {
    const verdict = runRule(run, rule);
    if (!verdict) continue;
    switch (verdict.verdict) {
      case "accept":
      case "drop":
        run.because.push(rule.comment ?? chain.name);
        return { kind: "verdict", verdict: verdict.verdict };
      case "return":
        return { kind: "end" };
      case "jump": {
        const ended = runChain(run, chainOf(run, verdict.chain), depth + 1);
        if (ended.kind === "verdict") return ended;
        break;
      }
      case "goto":
        return runChain(run, chainOf(run, verdict.chain), depth + 1);
      default:
        return unreachable(verdict);
    }
  }
  return { kind: "end" };
}

function chainOf(run: Run, name: string): NftChain {
  return must(run.table.chains.get(name), `chain ${name}`);
}

/** @returns undefined when a statement does not match, or none gives a verdict */
function runRule(run: Run, rule: NftRule): NftVerdict | undefined {
  for (const statement of rule.statements) {
    const result = runStatement(run, statement);
    if (result === false) return undefined;
    if (result !== true) return result;
  }
  return undefined;
}

/** @returns whether the rule goes on, or the verdict that ends it */
function runStatement(run: Run, statement: NftStatement): boolean | NftVerdict {
  const { packet } = run;
  switch (statement.kind) {
    case "compare": {
      const value = fieldText(run, statement.field);
      return value !== undefined && (value === String(statement.value)) === statement.equal;
    }
    case "interface-prefix":
      return (fieldText(run, statement.field) ?? "").startsWith(statement.prefix);
    case "range": {
      const value = fieldText(run, statement.field);
      if (value === undefined) return false;
      return (statement.first <= Number(value) && Number(value) <= statement.last) === statement.inside;
    }
    case "prefix": {
      const address = addressOf(packet, statement.field);
      const parsed = must(parseCidr(statement.cidr), `CIDR ${statement.cidr}`);
      return address !== undefined && cidrContains(parsed.cidr, address) === statement.inside;
    }
    case "ct-state":
      return statement.states.some((state) => state === packet.state);
    case "ct-dnat":
      return packet.translated === true;
    case "lookup": {
      const key = keyText(run, statement.fields);
      return key !== undefined && contains(setOf(run, statement.set), key) === statement.present;
    }
    case "verdict-map": {
      const key = keyText(run, statement.fields);
      const map = setOf(run, statement.map);
      if (map.kind !== "verdict-map") throw new BugError(`${statement.map} is no map`);
      return (key === undefined ? undefined : map.elements.get(key)) ?? true;
    }
    case "mark-test":
      return (run.mark & statement.mask) >>> 0 === statement.value;
    case "mark-set":
      run.mark = ((run.mark & ~statement.mask) | statement.value) >>> 0;
      return true;
    case "counter":
    case "log":
    case "masquerade":
      return true;
    case "notrack":
      run.packet = { ...packet, state: "untracked" };
      return true;
    case "reject":
      return { verdict: "drop" };
    case "dnat": {
      const backend = must(statement.backends[run.pick(statement.backends.length)], "backend");
      const destination = must(parseIp(backend.address), `address ${backend.address}`);
      run.packet = { ...packet, destination, destinationPort: backend.port, translated: true };
      return { verdict: "accept" };
    }
    case "verdict":
      return statement.to;
    default:
      return unreachable(statement);
  }
}

function setOf(run: Run, name: string): NftSet {
  return must(run.table.sets.get(name), `set ${name}`);
}

function contains(set: NftSet, key: string): boolean {
  if (set.kind === "verdict-map" || !set.interval) return set.elements.has(key);
  const address = parseIp(key);
  if (!address) return false;
  for (const element of set.elements) {
    const parsed = parseCidr(element);
    if (parsed && cidrContains(parsed.cidr, address)) return true;
  }
  return false;
}

function keyText(run: Run, fields: readonly NftField[]): string | undefined {
  const parts: string[] = [];
  for (const field of fields) {
    const text = fieldText(run, field);
    if (text === undefined) return undefined;
    parts.push(text);
  }
  return parts.join(" . ");
}

function addressOf(packet: Packet, field: NftField): Ip | undefined {
  const address = field.startsWith("source") ? packet.source : packet.destination;
  return address.family === (field.endsWith("4") ? 4 : 6) ? address : undefined;
}

/** @returns undefined where the packet has no such field; nothing can match then, neither `==` nor `!=` */
function fieldText(run: Run, field: NftField): string | undefined {
  const { packet } = run;
  switch (field) {
    case "in-interface":
      return packet.inInterface;
    case "out-interface":
      return packet.outInterface;
    case "family":
      return packet.destination.family === 4 ? "2" : "10";
    case "protocol":
      return String(packet.protocol);
    case "source-address4":
    case "source-address6":
    case "destination-address4":
    case "destination-address6": {
      const address = addressOf(packet, field);
      return address && formatIp(address);
    }
    case "source-port":
      return hasPorts(packet.protocol) ? text(packet.sourcePort) : undefined;
    case "destination-port":
      return hasPorts(packet.protocol) ? text(packet.destinationPort) : undefined;
    case "icmp-type":
      return packet.protocol === PROTOCOL.ICMP ? text(packet.icmp?.type) : undefined;
    case "icmp-code":
      return packet.protocol === PROTOCOL.ICMP ? text(packet.icmp?.code) : undefined;
    case "icmp6-type":
      return packet.protocol === PROTOCOL.ICMPv6 ? text(packet.icmp?.type) : undefined;
    case "icmp6-code":
      return packet.protocol === PROTOCOL.ICMPv6 ? text(packet.icmp?.code) : undefined;
    case "mark":
      return String(run.mark);
    default:
      return unreachable(field);
  }
}

function text(value: number | undefined): string | undefined {
  return value === undefined ? undefined : String(value);
}
