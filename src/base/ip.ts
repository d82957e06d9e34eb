/**
 * @module IPv4 and IPv6 addresses and CIDRs as numbers. Text is parsed once, at the edge.
 *
 * An address is `{ family, bits }` with `bits` a bigint of 32 or 128 significant bits, so that ranges of either
 * family are plain comparisons.
 */

export type Family = 4 | 6;

export interface Ip {
  readonly family: Family;
  readonly bits: bigint;
}

/** A block of addresses. `bits` has no bit set below `prefix`. */
export interface Cidr {
  readonly family: Family;
  readonly bits: bigint;
  readonly prefix: number;
}

export const WIDTH: Readonly<Record<Family, number>> = { 4: 32, 6: 128 };

/** Strict dotted quad, as Go's `netip` takes it: no leading zeros, four parts. */
function parseV4(text: string): bigint | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  let value = 0;
  for (const part of parts) {
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part)) return undefined;
    const byte = Number(part);
    if (byte > 255) return undefined;
    value = value * 256 + byte;
  }
  return BigInt(value);
}

/** @param isLast - whether the address ends with these groups: then the last two may be written as an IPv4 address */
function parseGroups(text: string, isLast: boolean): number[] | undefined {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    if (part.includes(".")) {
      const v4 = isLast && index === parts.length - 1 ? parseV4(part) : undefined;
      if (v4 === undefined) return undefined;
      groups.push(Number(v4 >> 16n), Number(v4 & 0xffffn));
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return undefined;
      groups.push(Number.parseInt(part, 16));
    }
  }
  return groups;
}

function parseV6(text: string): bigint | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] ?? "", halves.length === 1);
  if (!head) return undefined;
  let groups = head;
  if (halves.length === 2) {
    const tail = parseGroups(halves[1] ?? "", true);
    if (!tail || head.length + tail.length > 7) return undefined;
    groups = [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail];
  }
  if (groups.length !== 8) return undefined;
  let bits = 0n;
  for (const group of groups) bits = (bits << 16n) | BigInt(group);
  return bits;
}

/** @returns undefined for anything that is not exactly one address (no zone, no prefix, no blanks) */
export function parseIp(text: string): Ip | undefined {
  if (text.includes(":")) {
    const bits = parseV6(text);
    if (bits === undefined) return undefined;
    // An IPv4-mapped address is the IPv4 address, as Go's net.ParseIP has it.
    if (bits >> 32n === 0xffffn) return { family: 4, bits: bits & 0xffffffffn };
    return { family: 6, bits };
  }
  const bits = parseV4(text);
  return bits === undefined ? undefined : { family: 4, bits };
}

export function formatIp(ip: Ip): string {
  if (ip.family === 4) {
    const value = Number(ip.bits);
    return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
  }
  const groups: number[] = [];
  for (let index = 7; index >= 0; index--) groups.push(Number((ip.bits >> BigInt(index * 16)) & 0xffffn));
  // RFC 5952: the longest run of two or more zero groups is shortened, the first of equals.
  let best = { start: -1, length: 1 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  const hex = groups.map((group) => group.toString(16));
  if (best.start < 0) return hex.join(":");
  return `${hex.slice(0, best.start).join(":")}::${hex.slice(best.start + best.length).join(":")}`;
}

export type CidrProblem = "not-a-cidr" | "host-bits";

/**
 * @returns the block, and whether the text had bits set beyond the prefix (`10.0.0.1/8`); undefined when the text is
 *   no CIDR at all. The block returned is always masked.
 */
export function parseCidr(text: string): { cidr: Cidr; hostBits: boolean } | undefined {
  const slash = text.indexOf("/");
  if (slash < 0) return undefined;
  const address = text.slice(0, slash);
  const prefixText = text.slice(slash + 1);
  const ip = parseIp(address);
  if (!ip || !/^(0|[1-9][0-9]{0,2})$/.test(prefixText)) return undefined;
  // A mapped address keeps IPv6 prefix lengths, which Kubernetes' validation refuses; so do we.
  if (ip.family === 4 && address.includes(":")) return undefined;
  const prefix = Number(prefixText);
  if (prefix > WIDTH[ip.family]) return undefined;
  const bits = maskBits(ip.bits, ip.family, prefix);
  return { cidr: { family: ip.family, bits, prefix }, hostBits: bits !== ip.bits };
}

function maskBits(bits: bigint, family: Family, prefix: number): bigint {
  const drop = BigInt(WIDTH[family] - prefix);
  return (bits >> drop) << drop;
}

export function formatCidr(cidr: Cidr): string {
  return `${formatIp(cidr)}/${cidr.prefix}`;
}

/** First and last address of a block, both included. */
export function cidrRange(cidr: Cidr): { first: bigint; last: bigint } {
  const size = 1n << BigInt(WIDTH[cidr.family] - cidr.prefix);
  return { first: cidr.bits, last: cidr.bits + size - 1n };
}

export function cidrContains(cidr: Cidr, ip: Ip): boolean {
  if (cidr.family !== ip.family) return false;
  const drop = BigInt(WIDTH[cidr.family] - cidr.prefix);
  return ip.bits >> drop === cidr.bits >> drop;
}

/** Whether every address of `inner` is in `outer`. */
export function cidrCovers(outer: Cidr, inner: Cidr): boolean {
  return outer.prefix <= inner.prefix && cidrContains(outer, inner);
}

export function hostCidr(ip: Ip): Cidr {
  return { family: ip.family, bits: ip.bits, prefix: WIDTH[ip.family] };
}

export function compareIp(a: Ip, b: Ip): number {
  if (a.family !== b.family) return a.family - b.family;
  return a.bits < b.bits ? -1 : a.bits > b.bits ? 1 : 0;
}

/** Network byte order: 4 or 16 bytes. */
export function ipBytes(ip: Ip): Uint8Array {
  const length = ip.family === 4 ? 4 : 16;
  const bytes = new Uint8Array(length);
  let bits = ip.bits;
  for (let index = length - 1; index >= 0; index--) {
    bytes[index] = Number(bits & 0xffn);
    bits >>= 8n;
  }
  return bytes;
}

/** The inverse of {@link ipBytes}; undefined for any other length. */
export function ipFromBytes(bytes: Uint8Array): Ip | undefined {
  if (bytes.length !== 4 && bytes.length !== 16) return undefined;
  let bits = 0n;
  for (const byte of bytes) bits = (bits << 8n) | BigInt(byte);
  return { family: bytes.length === 4 ? 4 : 6, bits };
}
