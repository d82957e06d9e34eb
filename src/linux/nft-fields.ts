/**
 * @module How each field of a packet is loaded into a register, and how its values are written as bytes. The one table
 * that the encoder, the decoder and the elements of sets share.
 */
import { BugError, must, unreachable } from "../base/errors.ts";
import { formatIp, ipBytes, ipFromBytes, parseIp } from "../base/ip.ts";
import type { NftField, NftKey, NftType } from "../nft/table.ts";
import { IFNAMSIZ } from "./constants.ts";
import {
  NFPROTO_IPV4,
  NFPROTO_IPV6,
  NFT_META_IIFNAME,
  NFT_META_L4PROTO,
  NFT_META_MARK,
  NFT_META_NFPROTO,
  NFT_META_OIFNAME,
  NFT_PAYLOAD_NETWORK_HEADER,
  NFT_PAYLOAD_TRANSPORT_HEADER,
} from "./nft-names.ts";

export type FieldLoad =
  | { readonly from: "meta"; readonly key: number }
  | { readonly from: "payload"; readonly base: number; readonly offset: number };

/** What must hold before a field's bytes mean what they say. */
export interface FieldGuard {
  readonly field: "family" | "protocol";
  readonly value: number;
}

type FieldForm = "interface" | "address4" | "address6" | "port" | "byte" | "mark";

export interface FieldDefinition {
  readonly load: FieldLoad;
  /** Bytes. */
  readonly width: number;
  readonly form: FieldForm;
  readonly guard?: FieldGuard;
}

const meta = (key: number): FieldLoad => ({ from: "meta", key });
const network = (offset: number): FieldLoad => ({
  from: "payload",
  base: NFT_PAYLOAD_NETWORK_HEADER,
  offset,
});
const transport = (offset: number): FieldLoad => ({
  from: "payload",
  base: NFT_PAYLOAD_TRANSPORT_HEADER,
  offset,
});

const IPV4: FieldGuard = { field: "family", value: NFPROTO_IPV4 };
const IPV6: FieldGuard = { field: "family", value: NFPROTO_IPV6 };
const ICMP: FieldGuard = { field: "protocol", value: 1 };
const ICMPV6: FieldGuard = { field: "protocol", value: 58 };

/** Offsets from RFC 791 §3.1, RFC 8200 §3, and the first four bytes that TCP, UDP and SCTP share. */
export const FIELDS: Readonly<Record<NftField, FieldDefinition>> = {
  "in-interface": { load: meta(NFT_META_IIFNAME), width: IFNAMSIZ, form: "interface" },
  "out-interface": { load: meta(NFT_META_OIFNAME), width: IFNAMSIZ, form: "interface" },
  family: { load: meta(NFT_META_NFPROTO), width: 1, form: "byte" },
  protocol: { load: meta(NFT_META_L4PROTO), width: 1, form: "byte" },
  "source-address4": { load: network(12), width: 4, form: "address4", guard: IPV4 },
  "destination-address4": { load: network(16), width: 4, form: "address4", guard: IPV4 },
  "source-address6": { load: network(8), width: 16, form: "address6", guard: IPV6 },
  "destination-address6": { load: network(24), width: 16, form: "address6", guard: IPV6 },
  "source-port": { load: transport(0), width: 2, form: "port" },
  "destination-port": { load: transport(2), width: 2, form: "port" },
  "icmp-type": { load: transport(0), width: 1, form: "byte", guard: ICMP },
  "icmp-code": { load: transport(1), width: 1, form: "byte", guard: ICMP },
  "icmp6-type": { load: transport(0), width: 1, form: "byte", guard: ICMPV6 },
  "icmp6-code": { load: transport(1), width: 1, form: "byte", guard: ICMPV6 },
  mark: { load: meta(NFT_META_MARK), width: 4, form: "mark" },
};

function addressBytes(text: string, family: 4 | 6): Uint8Array {
  const ip = parseIp(text);
  if (ip?.family !== family) throw new BugError(`not an IPv${family} address: ${text}`);
  return ipBytes(ip);
}

function interfaceBytes(name: string): Uint8Array {
  const bytes = Buffer.alloc(IFNAMSIZ);
  if (bytes.write(name, "latin1") !== name.length || name.length >= IFNAMSIZ) {
    throw new BugError(`not an interface name: ${name}`);
  }
  return bytes;
}

function numberBytes(value: number, width: number, form: FieldForm): Uint8Array {
  const bytes = Buffer.alloc(width);
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** (8 * width)) {
    throw new BugError(`${value} does not fit into ${width} bytes`);
  }
  // The mark is a number of this machine; everything in a packet is in network byte order.
  if (form === "mark") bytes.writeUInt32LE(value);
  else bytes.writeUIntBE(value, 0, width);
  return bytes;
}

/** The bytes that the kernel compares a loaded field with. */
export function fieldBytes(field: NftField, value: string | number): Uint8Array {
  const { form, width } = FIELDS[field];
  switch (form) {
    case "interface":
      return interfaceBytes(String(value));
    case "address4":
      return addressBytes(String(value), 4);
    case "address6":
      return addressBytes(String(value), 6);
    case "port":
    case "byte":
    case "mark":
      return numberBytes(Number(value), width, form);
    default:
      return unreachable(form);
  }
}

/** The inverse of {@link fieldBytes}. */
export function fieldValue(field: NftField, bytes: Buffer): string | number {
  const { form, width } = FIELDS[field];
  switch (form) {
    case "interface":
      return bytes.toString("latin1").replace(/\0.*$/s, "");
    case "address4":
    case "address6":
      return formatIp(must(ipFromBytes(bytes), "an address of 4 or 16 bytes"));
    case "mark":
      return bytes.readUInt32LE(0);
    case "port":
    case "byte":
      return bytes.readUIntBE(0, width);
    default:
      return unreachable(form);
  }
}

/** Bytes of a key part, before padding. */
export const TYPE_WIDTH: Readonly<Record<NftType, number>> = {
  address4: 4,
  address6: 16,
  port: 2,
  protocol: 1,
  interface: IFNAMSIZ,
};

/** A concatenation's parts start at multiples of a 4-byte register; a single part is as wide as it is. */
export function keyWidth(types: readonly NftType[]): number {
  const [only] = types;
  if (types.length === 1 && only) return TYPE_WIDTH[only];
  return types.reduce((sum, type) => sum + ((TYPE_WIDTH[type] + 3) & ~3), 0);
}

/** Dotted quads are most of all elements, and read four times faster this way than through bigint. */
function writeQuad(text: string, into: Uint8Array, at: number): void {
  let byte = 0;
  let place = at;
  for (let index = 0; index < text.length; index++) {
    const digit = text.charCodeAt(index);
    if (digit === 46) {
      into[place++] = byte;
      byte = 0;
    } else if (digit >= 48 && digit <= 57) byte = byte * 10 + digit - 48;
    else throw new BugError(`not an IPv4 address: ${text}`);
  }
  into[place] = byte;
  if (place !== at + 3) throw new BugError(`not an IPv4 address: ${text}`);
}

function writePart(type: NftType, text: string, into: Uint8Array, at: number): void {
  switch (type) {
    case "address4":
      writeQuad(text, into, at);
      return;
    case "address6":
      into.set(addressBytes(text, 6), at);
      return;
    case "port":
      into.set(numberBytes(Number(text), 2, "port"), at);
      return;
    case "protocol":
      into.set(numberBytes(Number(text), 1, "byte"), at);
      return;
    case "interface":
      into.set(interfaceBytes(text), at);
      return;
    default:
      unreachable(type);
  }
}

/** The bytes of a set's key. Not for interval sets, whose keys are CIDRs. */
export function keyBytes(types: readonly NftType[], key: NftKey): Uint8Array {
  const bytes = new Uint8Array(keyWidth(types));
  const [only] = types;
  if (types.length === 1 && only) {
    writePart(only, key, bytes, 0);
    return bytes;
  }
  const parts = key.split(" . ");
  if (parts.length !== types.length)
    throw new BugError(`a key of ${types.length} parts was expected: ${key}`);
  let at = 0;
  for (const [index, type] of types.entries()) {
    writePart(type, must(parts[index], "a part of a key"), bytes, at);
    at += (TYPE_WIDTH[type] + 3) & ~3;
  }
  return bytes;
}

/** The inverse of {@link keyBytes}. */
export function keyText(types: readonly NftType[], bytes: Buffer): NftKey {
  let at = 0;
  const parts = types.map((type) => {
    const width = TYPE_WIDTH[type];
    const part = bytes.subarray(at, at + width);
    at += (width + 3) & ~3;
    switch (type) {
      case "address4":
        return `${part[0]}.${part[1]}.${part[2]}.${part[3]}`;
      case "address6":
        return formatIp(must(ipFromBytes(part), "16 bytes"));
      case "port":
      case "protocol":
        return String(part.readUIntBE(0, width));
      case "interface":
        return part.toString("latin1").replace(/\0.*$/s, "");
      default:
        return unreachable(type);
    }
  });
  return parts.join(" . ");
}
