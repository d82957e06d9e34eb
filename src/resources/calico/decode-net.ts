/** @module CIDRs and addresses as Calico takes them: an address alone is the block that holds nothing else. */
import { type Cidr, formatCidr, hostCidr, parseCidr, parseIp } from "../../base/ip.ts";
import { BAD, type Cursor } from "../decode/cursor.ts";

const RULE = "must be a valid CIDR or IP address, (e.g. 10.9.8.0/24 or 2001:db8::/64)";

export interface Net {
  readonly cidr: Cidr;
  /** The text had bits set beyond its prefix, which are masked in `cidr`. */
  readonly hasHostBits: boolean;
}

export function parseNet(text: string): Net | undefined {
  const parsed = parseCidr(text);
  if (parsed) return { cidr: parsed.cidr, hasHostBits: parsed.hostBits };
  const ip = parseIp(text);
  return ip && { cidr: hostCidr(ip), hasHostBits: false };
}

/** @param note - what follows from leaving it out */
export function decodeNet(cursor: Cursor, note = ""): Net | typeof BAD {
  const text = cursor.isAbsent ? cursor.required() : cursor.string();
  if (text === BAD || text === undefined) return BAD;
  return parseNet(text) ?? cursor.invalid("invalid-cidr", `${RULE}${note}`);
}

/** A net of a rule. As in a Kubernetes policy, what is beyond the prefix is masked, with a warning. */
export function decodeMaskedNet(cursor: Cursor): Cidr | typeof BAD {
  const net = decodeNet(cursor);
  if (net === BAD) return BAD;
  if (net.hasHostBits) {
    cursor.warn(
      "cidr-host-bits",
      `CIDR value ${JSON.stringify(cursor.value)} has bits set beyond its prefix, which Calico refuses in rules`,
      `it is taken as ${formatCidr(net.cidr)}`,
    );
  }
  return net.cidr;
}
