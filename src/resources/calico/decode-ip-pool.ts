/** @module IPPool: which addresses are the cluster's own. */
import { type Cidr, cidrCovers, formatCidr, parseCidr } from "../../base/ip.ts";
import { BAD, type Cursor, fieldNames, orAbsent, orElse } from "../decode/cursor.ts";
import { decodeMetadata, type ObjectInput } from "../decode/metadata.ts";
import { decodeNet } from "./decode-net.ts";
import type { IPPool } from "./types.ts";

const OBJECT: ReadonlySet<string> = fieldNames("apiVersion kind metadata spec status");
const SPEC: ReadonlySet<string> = fieldNames(`
  allowedUses assignmentMode blockSize cidr disableBGPExport disabled ipip ipipMode namespaceSelector nat-outgoing
  natOutgoing nodeSelector vxlanMode`);
const LINK_LOCAL: readonly Cidr[] = ["169.254.0.0/16", "fe80::/10"].flatMap(
  (text) => parseCidr(text)?.cidr ?? [],
);

/** @returns undefined for a pool without a block: no address is known to be of it */
export function decodeIpPool(input: ObjectInput): IPPool | undefined {
  const { head, isNamed } = decodeMetadata(input, { scope: "cluster" });
  input.root.reportUnknown(OBJECT);
  const cursor = input.root.at("spec");
  const spec = orAbsent(cursor.fields(SPEC));
  if (cursor.isAbsent) cursor.required("cidr");
  if (!spec) return undefined;
  const cidr = decodePoolCidr(spec.at("cidr"));
  const disabled = orElse(spec.at("disabled").boolean(), false);
  const natOutgoing = orElse(spec.at("natOutgoing").boolean(), false);
  if (cidr === BAD || !isNamed) return undefined;
  return { kind: "IPPool", ...head, cidr: formatCidr(cidr), disabled, natOutgoing };
}

function decodePoolCidr(cursor: Cursor): Cidr | typeof BAD {
  const net = decodeNet(cursor);
  if (net === BAD) return BAD;
  const { cidr, hasHostBits } = net;
  if (hasHostBits) {
    const hint = `write ${formatCidr(cidr)}`;
    return cursor.invalid("cidr-host-bits", "must not have bits set beyond its prefix", hint);
  }
  const local = LINK_LOCAL.find((block) => cidrCovers(block, cidr) || cidrCovers(cidr, block));
  if (!local) return cidr;
  return cursor.invalid("link-local-pool", `must not overlap ${formatCidr(local)}, which is link-local`);
}
