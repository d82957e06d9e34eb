/**
 * @module Statements to nf_tables expressions, the same ones that `nft` makes of its text, so that `nft list ruleset`
 * prints them in words.
 */
import { BugError, unreachable } from "../base/errors.ts";
import type { Cidr } from "../base/ip.ts";
import { ipBytes, parseCidr, WIDTH } from "../base/ip.ts";
import { commentText } from "../nft/render.ts";
import type { NftField, NftRule, NftStatement, NftVerdict } from "../nft/table.ts";
import type { NetlinkWriter } from "./netlink.ts";
import { guardOf } from "./nft-canonical.ts";
import { FIELDS, fieldBytes } from "./nft-fields.ts";
import * as N from "./nft-names.ts";

/** Where the first 4-byte slot at `index` is named. nft uses the 16-byte names for slots that start one. */
function register(slot: number): number {
  if (slot >= N.REGISTER_SLOTS) throw new BugError("the kernel's 64 bytes of registers do not hold this key");
  return slot % 4 === 0 ? N.NFT_REG_1 + slot / 4 : N.NFT_REG32_00 + slot;
}

export function verdictCode(verdict: NftVerdict): number {
  switch (verdict.verdict) {
    case "accept":
      return N.NF_ACCEPT;
    case "drop":
      return N.NF_DROP;
    case "return":
      return N.NFT_RETURN;
    case "jump":
      return N.NFT_JUMP;
    case "goto":
      return N.NFT_GOTO;
    default:
      return unreachable(verdict);
  }
}

export function writeVerdict(w: NetlinkWriter, attribute: number, verdict: NftVerdict): void {
  const data = w.open(attribute);
  const body = w.open(N.NFTA_DATA_VERDICT);
  w.be32(N.NFTA_VERDICT_CODE, verdictCode(verdict));
  if (verdict.verdict === "jump" || verdict.verdict === "goto") w.string(N.NFTA_VERDICT_CHAIN, verdict.chain);
  w.close(body);
  w.close(data);
}

export function writeValue(w: NetlinkWriter, attribute: number, bytes: Uint8Array): void {
  const data = w.open(attribute);
  w.attribute(N.NFTA_DATA_VALUE, bytes);
  w.close(data);
}

function host32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}

/** The anonymous map of a dnat statement with several backends: `numgen random mod N` → address and port. */
export interface BackendMap {
  readonly id: number;
  readonly family: 4 | 6;
  readonly backends: readonly { readonly address: string; readonly port: number }[];
}

/** The name that the kernel numbers. */
export const BACKEND_MAP_NAME = "__map%d";

/** Backend address and port, in the slots where nat reads them. */
export function backendBytes(
  family: 4 | 6,
  backend: { readonly address: string; readonly port: number },
): Uint8Array {
  const address = fieldBytes(family === 4 ? "destination-address4" : "destination-address6", backend.address);
  const bytes = Buffer.alloc(address.length + 4);
  bytes.set(address);
  bytes.writeUInt16BE(backend.port, address.length);
  return bytes;
}

/** Writes one rule's expressions; what the rule has already made sure of is not checked again. */
class RuleWriter {
  readonly #w: NetlinkWriter;
  readonly #mapIds: Iterator<number>;
  readonly #known = new Map<string, number>();

  constructor(w: NetlinkWriter, mapIds: Iterator<number>) {
    this.#w = w;
    this.#mapIds = mapIds;
  }

  #expression(name: string, body: (w: NetlinkWriter) => void): void {
    const w = this.#w;
    const element = w.open(N.NFTA_LIST_ELEM);
    w.string(N.NFTA_EXPR_NAME, name);
    const data = w.open(N.NFTA_EXPR_DATA);
    body(w);
    w.close(data);
    w.close(element);
  }

  #payload(base: number, offset: number, length: number, slot: number): void {
    this.#expression("payload", (w) => {
      w.be32(N.NFTA_PAYLOAD_DREG, register(slot));
      w.be32(N.NFTA_PAYLOAD_BASE, base);
      w.be32(N.NFTA_PAYLOAD_OFFSET, offset);
      w.be32(N.NFTA_PAYLOAD_LEN, length);
    });
  }

  #meta(key: number, slot = 0): void {
    this.#expression("meta", (w) => {
      w.be32(N.NFTA_META_KEY, key);
      w.be32(N.NFTA_META_DREG, register(slot));
    });
  }

  #load(field: NftField, slot = 0): void {
    const { load, width } = FIELDS[field];
    if (load.from === "meta") this.#meta(load.key, slot);
    else this.#payload(load.base, load.offset, width, slot);
  }

  /** Loads fields side by side. */
  #loadAll(fields: readonly NftField[]): void {
    let slot = 0;
    for (const field of fields) {
      this.#load(field, slot);
      slot += (FIELDS[field].width + 3) >> 2;
    }
  }

  #compare(op: number, bytes: Uint8Array): void {
    this.#expression("cmp", (w) => {
      w.be32(N.NFTA_CMP_SREG, register(0));
      w.be32(N.NFTA_CMP_OP, op);
      writeValue(w, N.NFTA_CMP_DATA, bytes);
    });
  }

  #bitwise(mask: Uint8Array, xor: Uint8Array): void {
    this.#expression("bitwise", (w) => {
      w.be32(N.NFTA_BITWISE_SREG, register(0));
      w.be32(N.NFTA_BITWISE_DREG, register(0));
      w.be32(N.NFTA_BITWISE_LEN, mask.length);
      writeValue(w, N.NFTA_BITWISE_MASK, mask);
      writeValue(w, N.NFTA_BITWISE_XOR, xor);
    });
  }

  #ct(key: number): void {
    this.#expression("ct", (w) => {
      w.be32(N.NFTA_CT_KEY, key);
      w.be32(N.NFTA_CT_DREG, register(0));
    });
  }

  #ctAny(key: number, bits: number): void {
    this.#ct(key);
    this.#bitwise(host32(bits), host32(0));
    this.#compare(N.NFT_CMP_NEQ, host32(0));
  }

  #guard(statement: NftStatement): void {
    const guard = guardOf(statement);
    if (!guard || this.#known.get(guard.field) === guard.value) return;
    this.#load(guard.field);
    this.#compare(N.NFT_CMP_EQ, Uint8Array.of(guard.value));
    this.#known.set(guard.field, guard.value);
  }

  #prefix(cidr: Cidr, field: NftField, inside: boolean): void {
    const op = inside ? N.NFT_CMP_EQ : N.NFT_CMP_NEQ;
    const { load } = FIELDS[field];
    if (load.from !== "payload") throw new BugError(`${field} is no address`);
    const bytes = ipBytes(cidr);
    // A prefix of whole bytes is a shorter load; nft does and prints the same.
    if (cidr.prefix > 0 && cidr.prefix % 8 === 0) {
      this.#payload(load.base, load.offset, cidr.prefix / 8, 0);
      this.#compare(op, bytes.subarray(0, cidr.prefix / 8));
      return;
    }
    const mask = ipBytes({ family: cidr.family, bits: maskOf(cidr) });
    this.#load(field);
    this.#bitwise(mask, new Uint8Array(mask.length));
    this.#compare(op, bytes);
  }

  #lookup(set: string, extra: (w: NetlinkWriter) => void): void {
    this.#expression("lookup", (w) => {
      w.string(N.NFTA_LOOKUP_SET, set);
      w.be32(N.NFTA_LOOKUP_SREG, register(0));
      extra(w);
    });
  }

  #immediate(slot: number, bytes: Uint8Array): void {
    this.#expression("immediate", (w) => {
      w.be32(N.NFTA_IMMEDIATE_DREG, register(slot));
      writeValue(w, N.NFTA_IMMEDIATE_DATA, bytes);
    });
  }

  #random(modulus: number): void {
    this.#expression("numgen", (w) => {
      w.be32(N.NFTA_NG_DREG, register(0));
      w.be32(N.NFTA_NG_MODULUS, modulus);
      w.be32(N.NFTA_NG_TYPE, N.NFT_NG_RANDOM);
      w.be32(N.NFTA_NG_OFFSET, 0);
    });
  }

  /** The seed is fixed: each node, and the same node after a restart, chooses alike. */
  #hashSource(family: 4 | 6, modulus: number): void {
    const field = family === 4 ? "source-address4" : "source-address6";
    const { width: length } = FIELDS[field];
    this.#load(field, 4);
    this.#expression("hash", (w) => {
      w.be32(N.NFTA_HASH_SREG, register(4));
      w.be32(N.NFTA_HASH_DREG, register(0));
      w.be32(N.NFTA_HASH_LEN, length);
      w.be32(N.NFTA_HASH_MODULUS, modulus);
      w.be32(N.NFTA_HASH_SEED, N.HASH_SEED);
      w.be32(N.NFTA_HASH_TYPE, N.NFT_HASH_JENKINS);
    });
  }

  #dnat(statement: Extract<NftStatement, { kind: "dnat" }>): void {
    const { family, by, backends } = statement;
    const portSlot = family === 4 ? 1 : 4;
    const [first] = backends;
    if (!first) throw new BugError("a dnat statement needs a backend");
    if (backends.length === 1) {
      const bytes = backendBytes(family, first);
      this.#immediate(0, bytes.subarray(0, portSlot * 4));
      this.#immediate(portSlot, bytes.subarray(portSlot * 4, portSlot * 4 + 2));
    } else {
      if (by === "source") this.#hashSource(family, backends.length);
      else this.#random(backends.length);
      const id = this.#mapIds.next();
      if (id.done) throw new BugError("a dnat statement was written without its map");
      this.#lookup(BACKEND_MAP_NAME, (w) => {
        w.be32(N.NFTA_LOOKUP_DREG, register(0));
        w.be32(N.NFTA_LOOKUP_SET_ID, id.value);
      });
    }
    this.#expression("nat", (w) => {
      w.be32(N.NFTA_NAT_TYPE, N.NFT_NAT_DNAT);
      w.be32(N.NFTA_NAT_FAMILY, family === 4 ? N.NFPROTO_IPV4 : N.NFPROTO_IPV6);
      w.be32(N.NFTA_NAT_REG_ADDR_MIN, register(0));
      w.be32(N.NFTA_NAT_REG_PROTO_MIN, register(portSlot));
    });
  }

  write(statement: NftStatement): void {
    this.#guard(statement);
    switch (statement.kind) {
      case "compare":
        this.#load(statement.field);
        this.#compare(
          statement.equal ? N.NFT_CMP_EQ : N.NFT_CMP_NEQ,
          fieldBytes(statement.field, statement.value),
        );
        if (statement.equal && typeof statement.value === "number")
          this.#known.set(statement.field, statement.value);
        return;
      case "interface-prefix":
        this.#load(statement.field);
        this.#compare(N.NFT_CMP_EQ, Buffer.from(statement.prefix, "latin1"));
        return;
      case "range": {
        const first = fieldBytes(statement.field, statement.first);
        const last = fieldBytes(statement.field, statement.last);
        this.#load(statement.field);
        if (statement.inside) {
          this.#compare(N.NFT_CMP_GTE, first);
          this.#compare(N.NFT_CMP_LTE, last);
          return;
        }
        this.#expression("range", (w) => {
          w.be32(N.NFTA_RANGE_SREG, register(0));
          w.be32(N.NFTA_RANGE_OP, N.NFT_RANGE_NEQ);
          writeValue(w, N.NFTA_RANGE_FROM_DATA, first);
          writeValue(w, N.NFTA_RANGE_TO_DATA, last);
        });
        return;
      }
      case "prefix": {
        const parsed = parseCidr(statement.cidr);
        if (!parsed) throw new BugError(`not a CIDR: ${statement.cidr}`);
        this.#prefix(parsed.cidr, statement.field, statement.inside);
        return;
      }
      case "ct-state":
        this.#ctAny(
          N.NFT_CT_STATE,
          statement.states.reduce((bits, state) => bits | N.CT_STATE_BITS[state], 0),
        );
        return;
      case "ct-dnat":
        this.#ctAny(N.NFT_CT_STATUS, N.IPS_DST_NAT);
        return;
      case "lookup":
        this.#loadAll(statement.fields);
        this.#lookup(statement.set, (w) => {
          if (!statement.present) w.be32(N.NFTA_LOOKUP_FLAGS, N.NFT_LOOKUP_F_INV);
        });
        return;
      case "verdict-map":
        this.#loadAll(statement.fields);
        this.#lookup(statement.map, (w) => w.be32(N.NFTA_LOOKUP_DREG, N.NFT_REG_VERDICT));
        return;
      case "mark-test":
        this.#meta(N.NFT_META_MARK);
        this.#bitwise(host32(statement.mask), host32(0));
        this.#compare(N.NFT_CMP_EQ, host32(statement.value));
        return;
      case "mark-set":
        if (statement.mask >>> 0 === 0xffffffff) this.#immediate(0, host32(statement.value));
        else {
          this.#meta(N.NFT_META_MARK);
          this.#bitwise(host32(~statement.mask), host32(statement.value & statement.mask));
        }
        this.#expression("meta", (w) => {
          w.be32(N.NFTA_META_KEY, N.NFT_META_MARK);
          w.be32(N.NFTA_META_SREG, register(0));
        });
        return;
      case "counter":
        this.#expression("counter", (w) => {
          w.be64(N.NFTA_COUNTER_BYTES, 0n);
          w.be64(N.NFTA_COUNTER_PACKETS, 0n);
        });
        return;
      case "log":
        this.#expression("limit", (w) => {
          w.be64(N.NFTA_LIMIT_RATE, BigInt(statement.perSecond));
          w.be64(N.NFTA_LIMIT_UNIT, 1n);
          w.be32(N.NFTA_LIMIT_BURST, 5);
          w.be32(N.NFTA_LIMIT_TYPE, N.NFT_LIMIT_PKTS);
          w.be32(N.NFTA_LIMIT_FLAGS, 0);
        });
        this.#expression("log", (w) => w.string(N.NFTA_LOG_PREFIX, statement.prefix));
        return;
      case "reject":
        this.#expression("reject", (w) => {
          w.be32(N.NFTA_REJECT_TYPE, N.NFT_REJECT_ICMPX_UNREACH);
          w.u8(N.NFTA_REJECT_ICMP_CODE, N.NFT_REJECT_ICMPX[statement.saying]);
        });
        return;
      case "notrack":
        this.#expression("notrack", () => undefined);
        return;
      case "dnat":
        this.#dnat(statement);
        return;
      case "masquerade":
        this.#expression("masq", () => undefined);
        return;
      case "verdict":
        this.#expression("immediate", (w) => {
          w.be32(N.NFTA_IMMEDIATE_DREG, N.NFT_REG_VERDICT);
          writeVerdict(w, N.NFTA_IMMEDIATE_DATA, statement.to);
        });
        return;
      default:
        unreachable(statement);
    }
  }
}

function maskOf(cidr: Cidr): bigint {
  const width = BigInt(WIDTH[cidr.family]);
  const host = width - BigInt(cidr.prefix);
  return ((1n << width) - 1n) ^ ((1n << host) - 1n);
}

/** libnftnl's type-length-value, the text with its terminating zero. */
function commentUserdata(comment: string): Uint8Array {
  const text = commentText(comment);
  return Buffer.concat([
    Uint8Array.of(N.NFTNL_UDATA_RULE_COMMENT, text.length + 1),
    Buffer.from(`${text}\0`, "latin1"),
  ]);
}

/**
 * Writes NFTA_RULE_EXPRESSIONS and NFTA_RULE_USERDATA.
 * @param mapIds - ids of the anonymous maps of the rule's dnat statements with several backends, in order
 */
export function writeRuleBody(w: NetlinkWriter, rule: NftRule, mapIds: Iterator<number>): void {
  const expressions = w.open(N.NFTA_RULE_EXPRESSIONS);
  const rules = new RuleWriter(w, mapIds);
  for (const statement of rule.statements) rules.write(statement);
  w.close(expressions);
  if (rule.comment) w.attribute(N.NFTA_RULE_USERDATA, commentUserdata(rule.comment));
}
