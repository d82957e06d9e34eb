/**
 * @module Rules as the kernel dumps them, back into data. What our vocabulary cannot say makes the rule "foreign",
 * which equals no wanted rule: it is replaced, never guessed at.
 */
import { must } from "../base/errors.ts";
import { formatCidr, formatIp, ipFromBytes } from "../base/ip.ts";
import type { NftField, NftRule, NftStatement, NftVerdict } from "../nft/table.ts";
import { eachAttribute, parseAttributes } from "./netlink.ts";
import { canonicalRule } from "./nft-canonical.ts";
import { text } from "./nft-decode-set.ts";
import { FIELDS, fieldValue } from "./nft-fields.ts";
import * as N from "./nft-names.ts";
import type { Slot } from "./nft-registers.ts";
import { Foreign, foreign, isAddress, maskLength, slotIndex } from "./nft-registers.ts";

/** Backends of the anonymous maps that the kernel has, in order. */
export type BackendMaps = ReadonlyMap<string, readonly { readonly address: string; readonly port: number }[]>;

export function decodeVerdict(bytes: Buffer): NftVerdict | undefined {
  const attributes = parseAttributes(bytes);
  const code = attributes.get(N.NFTA_VERDICT_CODE)?.readInt32BE(0);
  const chain = text(attributes.get(N.NFTA_VERDICT_CHAIN));
  switch (code) {
    case N.NF_ACCEPT:
      return { verdict: "accept" };
    case N.NF_DROP:
      return { verdict: "drop" };
    case N.NFT_RETURN:
      return { verdict: "return" };
    case N.NFT_JUMP:
      return { verdict: "jump", chain };
    case N.NFT_GOTO:
      return { verdict: "goto", chain };
    default:
      return undefined;
  }
}

const REJECTIONS = ["admin-prohibited", "port-unreachable"] as const;

function rejectionOf(code: number | undefined): (typeof REJECTIONS)[number] | undefined {
  return REJECTIONS.find((words) => N.NFT_REJECT_ICMPX[words] === code);
}

const FIELD_NAMES = Object.keys(FIELDS) as NftField[];

class RuleReader {
  readonly statements: NftStatement[] = [];
  readonly #slots = new Map<number, Slot>();
  readonly #backends: BackendMaps;
  #protocol: number | undefined;
  #limit: number | undefined;
  counter: { packets: number; bytes: number } | undefined;

  constructor(backends: BackendMaps) {
    this.#backends = backends;
  }

  #metaField(key: number): NftField {
    const field = FIELD_NAMES.find((name) => {
      const { load } = FIELDS[name];
      return load.from === "meta" && load.key === key;
    });
    return field ?? foreign();
  }

  /** Several fields where nft has merged neighbouring comparisons into one load. */
  #payload(base: number, offset: number, length: number): Slot {
    const fields: NftField[] = [];
    let at = offset;
    while (at < offset + length) {
      const field = FIELD_NAMES.find((name) => {
        const { load, guard, width } = FIELDS[name];
        if (load.from !== "payload" || load.base !== base || load.offset !== at) return false;
        if (guard?.field === "protocol" ? guard.value !== this.#protocol : this.#icmp() && base === 2)
          return false;
        return at + width <= offset + length || fields.length === 0;
      });
      if (!field) foreign();
      const { width } = FIELDS[field];
      if (at + width > offset + length) return { holds: "prefix", field, length };
      fields.push(field);
      at += width;
    }
    return { holds: "fields", fields };
  }

  #icmp(): boolean {
    return this.#protocol === 1 || this.#protocol === 58;
  }

  #slot(register: number | undefined): Slot {
    return this.#slots.get(slotIndex(register)) ?? foreign();
  }

  #fieldsFrom(register: number | undefined): readonly NftField[] {
    // A lookup does not say how wide its key is: it is what was loaded since the last use.
    const fields: NftField[] = [];
    for (let index = slotIndex(register); ; ) {
      const slot = this.#slots.get(index);
      if (slot?.holds !== "fields") break;
      fields.push(...slot.fields);
      index += slot.fields.reduce((sum, field) => sum + ((FIELDS[field].width + 3) >> 2), 0);
    }
    this.#slots.clear();
    return fields.length > 0 ? fields : foreign();
  }

  #compareFields(fields: readonly NftField[], equal: boolean, data: Buffer): void {
    if (fields.length > 1 && !equal) foreign();
    let at = 0;
    for (const field of fields) {
      const { width, form } = FIELDS[field];
      if (form === "interface" && data.length < width) {
        if (!equal || (field !== "in-interface" && field !== "out-interface")) foreign();
        this.statements.push({ kind: "interface-prefix", field, prefix: data.toString("latin1") });
        return;
      }
      const value = fieldValue(field, data.subarray(at, at + width));
      this.statements.push({ kind: "compare", field, equal, value });
      if (field === "protocol" && equal) this.#protocol = Number(value);
      at += width;
    }
  }

  #comparePrefix(field: NftField, inside: boolean, bytes: Buffer, prefix: number): void {
    if (!isAddress(field)) foreign();
    const { width } = FIELDS[field];
    const full = Buffer.alloc(width);
    full.set(bytes);
    const ip = must(ipFromBytes(full), "an address");
    this.statements.push({ kind: "prefix", field, cidr: formatCidr({ ...ip, prefix }), inside });
  }

  #compareMasked(slot: Extract<Slot, { holds: "masked" }>, op: number, data: Buffer): void {
    const { of, mask, xor } = slot;
    if (!xor.every((byte) => byte === 0)) foreign();
    if (of.holds === "ct") {
      const bits = mask.readUInt32LE(0);
      if (op !== N.NFT_CMP_NEQ || data.readUInt32LE(0) !== 0) foreign();
      if (of.key === N.NFT_CT_STATUS) {
        if (bits !== N.IPS_DST_NAT) foreign();
        this.statements.push({ kind: "ct-dnat" });
        return;
      }
      const states = (["established", "related", "new", "invalid"] as const).filter(
        (state) => (bits & N.CT_STATE_BITS[state]) !== 0,
      );
      if (states.reduce((sum, state) => sum | N.CT_STATE_BITS[state], 0) !== bits) foreign();
      this.statements.push({ kind: "ct-state", states });
      return;
    }
    const field = of.holds === "fields" && of.fields.length === 1 ? of.fields[0] : undefined;
    if (field === undefined || (op !== N.NFT_CMP_EQ && op !== N.NFT_CMP_NEQ)) foreign();
    if (field === "mark") {
      if (op !== N.NFT_CMP_EQ) foreign();
      this.statements.push({ kind: "mark-test", mask: mask.readUInt32LE(0), value: data.readUInt32LE(0) });
      return;
    }
    this.#comparePrefix(field, op === N.NFT_CMP_EQ, data, maskLength(mask));
  }

  #range(field: NftField | undefined, first: Buffer, last: Buffer, inside: boolean): void {
    switch (field) {
      case "destination-port":
      case "source-port":
      case "protocol":
      case "icmp-type":
      case "icmp6-type":
        this.statements.push({
          kind: "range",
          field,
          first: Number(fieldValue(field, first)),
          last: Number(fieldValue(field, last)),
          inside,
        });
        return;
      default:
        foreign();
    }
  }

  #lower: { readonly slot: Slot; readonly first: Buffer } | undefined;

  #compare(slot: Slot, op: number, data: Buffer): void {
    if (op === N.NFT_CMP_GTE) {
      this.#lower = { slot, first: data };
      return;
    }
    if (op === N.NFT_CMP_LTE) {
      const lower = this.#lower;
      this.#lower = undefined;
      if (lower?.slot !== slot || slot.holds !== "fields" || slot.fields.length !== 1) foreign();
      this.#range(slot.fields[0], lower.first, data, true);
      return;
    }
    if (op !== N.NFT_CMP_EQ && op !== N.NFT_CMP_NEQ) foreign();
    switch (slot.holds) {
      case "fields":
        this.#compareFields(slot.fields, op === N.NFT_CMP_EQ, data);
        return;
      case "prefix":
        this.#comparePrefix(slot.field, op === N.NFT_CMP_EQ, data, slot.length * 8);
        return;
      case "masked":
        this.#compareMasked(slot, op, data);
        return;
      default:
        foreign();
    }
  }

  #nat(at: (type: number) => number | undefined): void {
    if (at(N.NFTA_NAT_TYPE) !== N.NFT_NAT_DNAT) foreign();
    const family = at(N.NFTA_NAT_FAMILY) === N.NFPROTO_IPV4 ? 4 : 6;
    const address = this.#slot(at(N.NFTA_NAT_REG_ADDR_MIN));
    if (address.holds === "backends") {
      const backends = this.#backends.get(address.map) ?? foreign();
      this.statements.push({ kind: "dnat", family, ...(address.by && { by: address.by }), backends });
      return;
    }
    const port = this.#slot(at(N.NFTA_NAT_REG_PROTO_MIN));
    if (address.holds !== "bytes" || port.holds !== "bytes") foreign();
    const ip = must(ipFromBytes(address.bytes), "a backend's address");
    const backends = [{ address: formatIp(ip), port: port.bytes.readUInt16BE(0) }];
    this.statements.push({ kind: "dnat", family, backends });
  }

  #metaSet(register: number | undefined, key: number | undefined): void {
    if (key !== N.NFT_META_MARK) foreign();
    const slot = this.#slot(register);
    if (slot.holds === "bytes") {
      this.statements.push({ kind: "mark-set", mask: 0xffffffff, value: slot.bytes.readUInt32LE(0) });
      return;
    }
    if (slot.holds !== "masked" || slot.of.holds !== "fields" || slot.of.fields[0] !== "mark") foreign();
    // (mark & keep) ^ xor; nft folds the bits set by `or` out of the mask it keeps, we leave them in: same meaning.
    const keep = slot.mask.readUInt32LE(0);
    const value = slot.xor.readUInt32LE(0);
    this.statements.push({ kind: "mark-set", mask: ~keep >>> 0, value });
  }

  expression(name: string, body: Buffer): void {
    const attributes = parseAttributes(body);
    const at = (type: number): number | undefined => attributes.get(type)?.readUInt32BE(0);
    const value = (type: number): Buffer =>
      parseAttributes(attributes.get(type) ?? foreign()).get(N.NFTA_DATA_VALUE) ?? foreign();
    const put = (type: number, slot: Slot): void => {
      this.#slots.set(slotIndex(at(type)), slot);
    };
    switch (name) {
      case "meta":
        if (attributes.has(N.NFTA_META_SREG)) {
          this.#metaSet(at(N.NFTA_META_SREG), at(N.NFTA_META_KEY));
          return;
        }
        put(N.NFTA_META_DREG, {
          holds: "fields",
          fields: [this.#metaField(at(N.NFTA_META_KEY) ?? -1)],
        });
        return;
      case "payload":
        put(
          N.NFTA_PAYLOAD_DREG,
          this.#payload(
            at(N.NFTA_PAYLOAD_BASE) ?? -1,
            at(N.NFTA_PAYLOAD_OFFSET) ?? -1,
            at(N.NFTA_PAYLOAD_LEN) ?? -1,
          ),
        );
        return;
      case "ct":
        put(N.NFTA_CT_DREG, { holds: "ct", key: at(N.NFTA_CT_KEY) ?? -1 });
        return;
      case "bitwise":
        put(N.NFTA_BITWISE_DREG, {
          holds: "masked",
          of: this.#slot(at(N.NFTA_BITWISE_SREG)),
          mask: value(N.NFTA_BITWISE_MASK),
          xor: value(N.NFTA_BITWISE_XOR),
        });
        return;
      case "cmp": {
        const slot = this.#slot(at(N.NFTA_CMP_SREG));
        this.#compare(slot, at(N.NFTA_CMP_OP) ?? -1, value(N.NFTA_CMP_DATA));
        // The slot stays for the second half of a range only.
        if (at(N.NFTA_CMP_OP) !== N.NFT_CMP_GTE) this.#slots.clear();
        return;
      }
      case "range": {
        const slot = this.#slot(at(N.NFTA_RANGE_SREG));
        const field = slot.holds === "fields" && slot.fields.length === 1 ? slot.fields[0] : undefined;
        const inside = at(N.NFTA_RANGE_OP) === N.NFT_RANGE_EQ;
        this.#range(field, value(N.NFTA_RANGE_FROM_DATA), value(N.NFTA_RANGE_TO_DATA), inside);
        this.#slots.clear();
        return;
      }
      case "lookup":
        this.#lookup(attributes, at);
        return;
      case "numgen":
        if (at(N.NFTA_NG_TYPE) !== N.NFT_NG_RANDOM || at(N.NFTA_NG_OFFSET) !== 0) foreign();
        put(N.NFTA_NG_DREG, { holds: "random", modulus: at(N.NFTA_NG_MODULUS) ?? 0 });
        return;
      case "hash":
        if (at(N.NFTA_HASH_SEED) !== N.HASH_SEED) foreign();
        put(N.NFTA_HASH_DREG, { holds: "random", modulus: at(N.NFTA_HASH_MODULUS) ?? 0, by: "source" });
        return;
      case "immediate": {
        if (at(N.NFTA_IMMEDIATE_DREG) !== N.NFT_REG_VERDICT) {
          put(N.NFTA_IMMEDIATE_DREG, { holds: "bytes", bytes: value(N.NFTA_IMMEDIATE_DATA) });
          return;
        }
        const data = parseAttributes(attributes.get(N.NFTA_IMMEDIATE_DATA) ?? foreign());
        const to = decodeVerdict(data.get(N.NFTA_DATA_VERDICT) ?? foreign()) ?? foreign();
        this.statements.push({ kind: "verdict", to });
        return;
      }
      case "counter": {
        const number = (type: number): number => Number(attributes.get(type)?.readBigUInt64BE(0) ?? 0n);
        this.counter = { packets: number(N.NFTA_COUNTER_PACKETS), bytes: number(N.NFTA_COUNTER_BYTES) };
        this.statements.push({ kind: "counter" });
        return;
      }
      case "limit":
        if (attributes.get(N.NFTA_LIMIT_UNIT)?.readBigUInt64BE(0) !== 1n) foreign();
        this.#limit = Number(attributes.get(N.NFTA_LIMIT_RATE)?.readBigUInt64BE(0) ?? 0n);
        return;
      case "log":
        if (this.#limit === undefined) foreign();
        this.statements.push({
          kind: "log",
          prefix: text(attributes.get(N.NFTA_LOG_PREFIX)),
          perSecond: this.#limit,
        });
        this.#limit = undefined;
        return;
      case "reject":
        this.statements.push({
          kind: "reject",
          saying: rejectionOf(attributes.get(N.NFTA_REJECT_ICMP_CODE)?.readUInt8(0)) ?? foreign(),
        });
        return;
      case "notrack":
        this.statements.push({ kind: "notrack" });
        return;
      case "nat":
        this.#nat(at);
        return;
      case "masq":
        this.statements.push({ kind: "masquerade" });
        return;
      default:
        foreign();
    }
  }

  #lookup(attributes: ReadonlyMap<number, Buffer>, at: (type: number) => number | undefined): void {
    const set = text(attributes.get(N.NFTA_LOOKUP_SET));
    const to = at(N.NFTA_LOOKUP_DREG);
    if (to !== undefined && to !== N.NFT_REG_VERDICT) {
      const choice = this.#slot(at(N.NFTA_LOOKUP_SREG));
      if (choice.holds !== "random") foreign();
      this.#slots.set(slotIndex(to), { holds: "backends", map: set, by: choice.by });
      return;
    }
    const fields = this.#fieldsFrom(at(N.NFTA_LOOKUP_SREG));
    if (to === N.NFT_REG_VERDICT) this.statements.push({ kind: "verdict-map", fields, map: set });
    else {
      const present = ((at(N.NFTA_LOOKUP_FLAGS) ?? 0) & N.NFT_LOOKUP_F_INV) === 0;
      this.statements.push({ kind: "lookup", fields, set, present });
    }
  }
}

export interface DecodedRule {
  readonly rule: NftRule;
  readonly counter: { readonly packets: number; readonly bytes: number } | undefined;
}

/** For rules that cannot be said in our vocabulary. */
const FOREIGN_RULE: NftRule = { statements: [], comment: "(not understood)" };

/** Decodes one rule from the attributes of an NFT_MSG_NEWRULE. */
export function decodeRule(attributes: ReadonlyMap<number, Buffer>, backends: BackendMaps): DecodedRule {
  const reader = new RuleReader(backends);
  try {
    for (const [, element] of eachAttribute(attributes.get(N.NFTA_RULE_EXPRESSIONS) ?? Buffer.alloc(0))) {
      const expression = parseAttributes(element);
      reader.expression(
        text(expression.get(N.NFTA_EXPR_NAME)),
        expression.get(N.NFTA_EXPR_DATA) ?? Buffer.alloc(0),
      );
    }
  } catch (error) {
    if (!(error instanceof Foreign)) throw error;
    return { rule: FOREIGN_RULE, counter: reader.counter };
  }
  const comment = decodeComment(attributes.get(N.NFTA_RULE_USERDATA));
  const rule =
    comment === undefined ? { statements: reader.statements } : { statements: reader.statements, comment };
  return { rule: canonicalRule(rule), counter: reader.counter };
}

function decodeComment(userdata: Buffer | undefined): string | undefined {
  if (!userdata) return undefined;
  for (let at = 0; at + 2 <= userdata.length; ) {
    const length = userdata[at + 1] ?? 0;
    if (userdata[at] === N.NFTNL_UDATA_RULE_COMMENT) return text(userdata.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return undefined;
}
