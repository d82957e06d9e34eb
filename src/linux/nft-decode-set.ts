/** @module Types and intervals of sets as the kernel dumps them, back into data. */

import type { Ip } from "../base/ip.ts";
import { formatCidr, formatIp, WIDTH } from "../base/ip.ts";
import type { NftKey, NftType } from "../nft/table.ts";
import * as N from "./nft-names.ts";

export function text(bytes: Buffer | undefined): string {
  return bytes?.toString("latin1").replace(/\0.*$/s, "") ?? "";
}

const TYPES = ["address4", "address6", "protocol", "port", "interface"] as const satisfies readonly NftType[];

/** @returns undefined for a type we do not use */
export function decodeKeyTypes(number: number): readonly [NftType, ...NftType[]] | undefined {
  const types: NftType[] = [];
  for (let rest = number; rest > 0; rest >>>= N.NFT_TYPE_BITS) {
    const type = TYPES.find((one) => N.NFT_TYPE_NUMBER[one] === (rest & ((1 << N.NFT_TYPE_BITS) - 1)));
    if (!type) return undefined;
    types.unshift(type);
  }
  const [first, ...others] = types;
  return first ? [first, ...others] : undefined;
}

/** One end of an interval, in whatever order the kernel's tree has them. */
export interface IntervalEdge {
  readonly bits: bigint;
  readonly end: boolean;
}

/** Puts starts and ends together to CIDRs. A range that is no single CIDR is written `first-last`. */
export function decodeIntervals(edges: readonly IntervalEdge[], family: 4 | 6): NftKey[] {
  const sorted = [...edges].sort((a, b) =>
    a.bits < b.bits ? -1 : a.bits > b.bits ? 1 : Number(b.end) - Number(a.end),
  );
  const limit = 1n << BigInt(WIDTH[family]);
  const keys: NftKey[] = [];
  let start: bigint | undefined;
  const close = (end: bigint): void => {
    if (start !== undefined) keys.push(rangeText({ family, bits: start }, end));
    start = undefined;
  };
  for (const edge of sorted) {
    // An end, or the next start where nft has left the end between two neighbours out.
    close(edge.bits);
    if (!edge.end) start = edge.bits;
  }
  close(limit);
  return keys;
}

function rangeText(first: Ip, end: bigint): NftKey {
  const size = end - first.bits;
  const prefix = WIDTH[first.family] - (size.toString(2).length - 1);
  if ((size & (size - 1n)) === 0n && (first.bits & (size - 1n)) === 0n)
    return formatCidr({ ...first, prefix });
  return `${formatIp(first)}-${formatIp({ family: first.family, bits: end - 1n })}`;
}
