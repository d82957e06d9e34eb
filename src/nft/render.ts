/** @module Prints tables, and changes to them, in the syntax that `nft -f` reads. */
import { unreachable } from "../base/errors.ts";
import type {
  NftChain,
  NftChange,
  NftField,
  NftKey,
  NftRule,
  NftSet,
  NftStatement,
  NftTable,
  NftType,
  NftVerdict,
} from "./table.ts";

const FIELD: Readonly<Record<NftField, string>> = {
  "in-interface": "iifname",
  "out-interface": "oifname",
  family: "meta nfproto",
  protocol: "meta l4proto",
  "source-address4": "ip saddr",
  "destination-address4": "ip daddr",
  "source-address6": "ip6 saddr",
  "destination-address6": "ip6 daddr",
  "source-port": "th sport",
  "destination-port": "th dport",
  "icmp-type": "icmp type",
  "icmp-code": "icmp code",
  "icmp6-type": "icmpv6 type",
  "icmp6-code": "icmpv6 code",
  mark: "meta mark",
};

const TYPE: Readonly<Record<NftType, string>> = {
  address4: "ipv4_addr",
  address6: "ipv6_addr",
  port: "inet_service",
  protocol: "inet_proto",
  interface: "ifname",
};

/**
 * The whole table, in text that replaces it in one transaction: a packet sees either the old rules or the new ones.
 * @returns text ending in a newline; equal tables give equal bytes, since names, elements and chains are sorted
 */
export function render(table: NftTable): string {
  const id = `inet ${table.name}`;
  const sets = sorted(table.sets.values(), ({ name }) => name).map(renderSet);
  // A chain may be jumped to before it is described, since nft reads the whole table first.
  const chains = sorted(table.chains.values(), ({ name }) => name).map(renderChain);
  return `table ${id}\ndelete table ${id}\ntable ${id} {\n${[...sets, ...chains].join("\n")}}\n`;
}

function sorted<T>(values: Iterable<T>, key: (value: T) => string): T[] {
  return [...values].sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
}

function renderSet(set: NftSet): string {
  const lines = [
    `\ttype ${set.key.map((type) => TYPE[type]).join(" . ")}${set.kind === "verdict-map" ? " : verdict" : ""}`,
  ];
  if (set.kind === "set" && set.interval) lines.push("\tflags interval");
  const keys = [...set.elements.keys()].sort();
  if (keys.length > 0) lines.push(`\telements = { ${renderElements(set, keys)} }`);
  const word = set.kind === "set" ? "set" : "map";
  return `\t${word} ${set.name} {\n${lines.map((line) => `\t${line}\n`).join("")}\t}\n`;
}

function renderElements(set: NftSet, keys: readonly NftKey[]): string {
  return keys.map((key) => renderElement(set, key)).join(", ");
}

function renderElement(set: NftSet, key: NftKey): string {
  const text = key
    .split(" . ")
    .map((part, index) => (set.key[index] === "interface" ? `"${part}"` : part))
    .join(" . ");
  if (set.kind === "set") return text;
  const verdict = set.elements.get(key);
  return verdict ? `${text} : ${renderVerdict(verdict)}` : text;
}

function renderChain(chain: NftChain): string {
  const { hook } = chain;
  const head = hook
    ? [`\t\ttype ${hook.type} hook ${hook.hook} priority ${hook.priority}; policy ${hook.policy};\n`]
    : [];
  const rules = chain.rules.map((rule) => `\t\t${renderRule(rule)}\n`);
  return `\tchain ${chain.name} {\n${[...head, ...rules].join("")}\t}\n`;
}

export function renderRule(rule: NftRule): string {
  const comment = rule.comment === undefined ? [] : [`comment "${commentText(rule.comment)}"`];
  return [...rule.statements.map(renderStatement), ...comment].join(" ");
}

/** nft ends a comment at the first quote and knows no escape; 128 bytes with the terminating zero is its limit. */
export function commentText(text: string): string {
  return text.replace(/[^\x20-\x7e]|["\\]/g, "?").slice(0, 127);
}

function renderVerdict(verdict: NftVerdict): string {
  return "chain" in verdict ? `${verdict.verdict} ${verdict.chain}` : verdict.verdict;
}

function renderStatement(statement: NftStatement): string {
  switch (statement.kind) {
    case "compare": {
      const quoted = statement.field === "in-interface" || statement.field === "out-interface";
      const value = quoted
        ? `"${statement.value}"`
        : statement.field === "family"
          ? familyName(statement.value)
          : statement.value;
      return `${FIELD[statement.field]} ${statement.equal ? "" : "!= "}${value}`;
    }
    case "interface-prefix":
      return `${FIELD[statement.field]} "${statement.prefix}*"`;
    case "range":
      return `${FIELD[statement.field]} ${statement.inside ? "" : "!= "}${statement.first}-${statement.last}`;
    case "prefix":
      return `${FIELD[statement.field]} ${statement.inside ? "" : "!= "}${statement.cidr}`;
    case "ct-state":
      return `ct state ${statement.states.join(",")}`;
    case "ct-dnat":
      return "ct status dnat";
    case "lookup":
      return `${renderFields(statement.fields)} ${statement.present ? "" : "!= "}@${statement.set}`;
    case "verdict-map":
      return `${renderFields(statement.fields)} vmap @${statement.map}`;
    case "mark-test":
      return `meta mark & 0x${hex(statement.mask)} == 0x${hex(statement.value)}`;
    case "mark-set":
      return `meta mark set meta mark & 0x${hex(~statement.mask)} | 0x${hex(statement.value)}`;
    case "counter":
      return "counter";
    case "log":
      return `limit rate ${statement.perSecond}/second log prefix "${commentText(statement.prefix)}"`;
    case "reject":
      return `reject with icmpx ${statement.saying}`;
    case "notrack":
      return "notrack";
    case "dnat":
      return renderDnat(statement);
    case "masquerade":
      return "masquerade";
    case "verdict":
      return renderVerdict(statement.to);
    default:
      return unreachable(statement);
  }
}

function renderFields(fields: readonly NftField[]): string {
  return fields.map((field) => FIELD[field]).join(" . ");
}

function familyName(value: string | number): string {
  return Number(value) === 2 ? "ipv4" : "ipv6";
}

function hex(value: number): string {
  return (value >>> 0).toString(16).padStart(8, "0");
}

function renderDnat({ family, by, backends }: Extract<NftStatement, { kind: "dnat" }>): string {
  const word = family === 4 ? "ip" : "ip6";
  const [only] = backends;
  const bracket = (address: string): string => (family === 6 ? `[${address}]` : address);
  if (only && backends.length === 1) return `dnat ${word} to ${bracket(only.address)}:${only.port}`;
  const choices = backends.map(({ address, port }, index) => `${index} : ${address} . ${port}`);
  const source = family === 4 ? "ip saddr" : "ip6 saddr";
  const pick =
    by === "source"
      ? `jhash ${source} mod ${backends.length} seed 0x1`
      : `numgen random mod ${backends.length}`;
  return `dnat ${word} addr . port to ${pick} map { ${choices.join(", ")} }`;
}

/** One transaction as text. */
export function renderChanges(tableName: string, changes: readonly NftChange[]): string {
  return changes.map((change) => `${renderChange(`inet ${tableName}`, change)}\n`).join("");
}

function renderChange(id: string, change: NftChange): string {
  switch (change.change) {
    case "create-table":
      return `add table ${id}`;
    case "delete-table":
      return `delete table ${id}`;
    case "create-set": {
      const { set } = change;
      const type = `type ${set.key.map((part) => TYPE[part]).join(" . ")}`;
      if (set.kind === "verdict-map") return `add map ${id} ${set.name} { ${type} : verdict; }`;
      return `add set ${id} ${set.name} { ${type};${set.interval ? " flags interval;" : ""} }`;
    }
    case "delete-set":
      return `delete set ${id} ${change.name}`;
    case "add-elements":
      return `add element ${id} ${change.set.name} { ${renderElements(change.set, change.keys)} }`;
    case "delete-elements":
      return `delete element ${id} ${change.set.name} { ${change.keys.map((key) => renderKey(change.set, key)).join(", ")} }`;
    case "create-chain": {
      const { name, hook } = change.chain;
      if (!hook) return `add chain ${id} ${name}`;
      return `add chain ${id} ${name} { type ${hook.type} hook ${hook.hook} priority ${hook.priority}; policy ${hook.policy}; }`;
    }
    case "replace-rules": {
      const { name, rules } = change.chain;
      return [
        `flush chain ${id} ${name}`,
        ...rules.map((rule) => `add rule ${id} ${name} ${renderRule(rule)}`),
      ].join("\n");
    }
    case "delete-chain":
      return `delete chain ${id} ${change.name}`;
    default:
      return unreachable(change);
  }
}

function renderKey(set: NftSet, key: NftKey): string {
  return renderElement({ ...set, kind: "set", interval: false, elements: new Set() }, key);
}
