/**
 * @module One spelling for rules that are the same to the kernel, so that a table read back can be compared with the
 * table wanted.
 */
import { formatCidr, formatIp, parseCidr, parseIp, WIDTH } from "../base/ip.ts";
import { commentText } from "../nft/render.ts";
import type { NftField, NftRule, NftStatement, NftTable } from "../nft/table.ts";
import type { FieldGuard } from "./nft-fields.ts";
import { FIELDS } from "./nft-fields.ts";

/** What a statement implies about the packet, and the encoder states before it. */
export function guardOf(statement: NftStatement): FieldGuard | undefined {
  switch (statement.kind) {
    case "compare":
    case "range":
    case "prefix":
      return FIELDS[statement.field].guard;
    case "lookup":
    case "verdict-map":
      return statement.fields
        .map((field: NftField) => FIELDS[field].guard)
        .find((guard) => guard !== undefined);
    default:
      return undefined;
  }
}

const STATE_ORDER = ["established", "related", "new", "invalid"] as const;

function canonicalStatement(statement: NftStatement): NftStatement {
  switch (statement.kind) {
    case "prefix": {
      const parsed = parseCidr(statement.cidr);
      if (!parsed) return statement;
      if (parsed.cidr.prefix === WIDTH[parsed.cidr.family]) {
        return {
          kind: "compare",
          field: statement.field,
          equal: statement.inside,
          value: formatIp(parsed.cidr),
        };
      }
      return { ...statement, cidr: formatCidr(parsed.cidr) };
    }
    case "compare": {
      if (!FIELDS[statement.field].form.startsWith("address")) return statement;
      const ip = parseIp(String(statement.value));
      return ip ? { ...statement, value: formatIp(ip) } : statement;
    }
    case "range":
      if (statement.first !== statement.last) return statement;
      return { kind: "compare", field: statement.field, equal: statement.inside, value: statement.first };
    case "ct-state":
      return { kind: "ct-state", states: STATE_ORDER.filter((state) => statement.states.includes(state)) };
    case "mark-set":
      return {
        kind: "mark-set",
        mask: statement.mask >>> 0,
        value: (statement.value & statement.mask) >>> 0,
      };
    case "mark-test":
      return { kind: "mark-test", mask: statement.mask >>> 0, value: statement.value >>> 0 };
    default:
      return statement;
  }
}

/** A family or protocol said right before a field that implies it is not said. */
export function canonicalRule(rule: NftRule): NftRule {
  const statements = rule.statements.map(canonicalStatement).filter((statement, index, all) => {
    if (statement.kind !== "compare" || !statement.equal) return true;
    const next = all[index + 1];
    const guard = next && guardOf(next);
    return !(guard && guard.field === statement.field && guard.value === statement.value);
  });
  if (rule.comment === undefined || rule.comment === "") return { statements };
  return { statements, comment: commentText(rule.comment) };
}

/** Maps and sets keep their order; deep comparison does not look at it. */
export function canonicalTable(table: NftTable): NftTable {
  const chains = [...table.chains].map(
    ([name, chain]) => [name, { ...chain, rules: chain.rules.map(canonicalRule) }] as const,
  );
  return { name: table.name, sets: table.sets, chains: new Map(chains) };
}
