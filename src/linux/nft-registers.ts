/** @module What the registers of nf_tables' machine hold while a dumped rule is read. */
import type { NftField } from "../nft/table.ts";
import { FIELDS } from "./nft-fields.ts";
import * as N from "./nft-names.ts";

/** What a register holds: fields side by side from its first byte, or what a statement has made of it. */
export type Slot =
  | { readonly holds: "fields"; readonly fields: readonly NftField[] }
  | { readonly holds: "prefix"; readonly field: NftField; readonly length: number }
  | { readonly holds: "masked"; readonly of: Slot; readonly mask: Buffer; readonly xor: Buffer }
  | { readonly holds: "ct"; readonly key: number }
  | { readonly holds: "bytes"; readonly bytes: Buffer }
  | { readonly holds: "random"; readonly modulus: number; readonly by?: "source" }
  | { readonly holds: "backends"; readonly map: string; readonly by?: "source" | undefined };

/** Something that our vocabulary cannot say. */
export class Foreign extends Error {}

export function foreign(): never {
  throw new Foreign();
}

/** Registers have two names, by 16 and by 4 bytes. */
export function slotIndex(register: number | undefined): number {
  if (register === undefined) foreign();
  return register <= N.NFT_REG_4 ? (register - N.NFT_REG_1) * 4 : register - N.NFT_REG32_00;
}

export function isAddress(
  field: NftField,
): field is "source-address4" | "destination-address4" | "source-address6" | "destination-address6" {
  return FIELDS[field].form === "address4" || FIELDS[field].form === "address6";
}

/** How many leading bits a mask has. */
export function maskLength(mask: Buffer): number {
  let length = 0;
  for (const byte of mask) {
    const ones = 8 - Math.ceil(Math.log2(256 - byte));
    length += byte === 255 ? 8 : ones;
    if (byte !== 255) break;
  }
  return length;
}
