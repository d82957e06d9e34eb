/**
 * @module The ipBlock of a policy's peer.
 * @see https://github.com/kubernetes/kubernetes pkg/apis/networking/validation ValidateIPBlock
 */
import { type Cidr, cidrCovers, formatCidr, parseCidr } from "../../base/ip.ts";
import { BAD, type Cursor, fieldNames } from "../decode/cursor.ts";

const IP_BLOCK: ReadonlySet<string> = fieldNames("cidr except");

/** @returns canonical, masked blocks; BAD as a whole where one exception cannot be read, for without it more is allowed */
export function decodeIpBlock(cursor: Cursor): { cidr: string; except: readonly string[] } | typeof BAD {
  const fields = cursor.fields(IP_BLOCK);
  if (fields === BAD || fields === undefined) return BAD;
  const at = fields.at("cidr");
  const cidr = at.isAbsent || at.value === "" ? at.required() : decodeCidr(at);
  const items = fields.at("except").list();
  if (cidr === BAD || items === BAD) return BAD;
  const except = (items ?? []).map((item) => decodeException(item, cidr));
  const readable = except.filter((one) => one !== BAD);
  if (readable.length < except.length) return BAD;
  if (except.length === 0 && fields.hasUnknown(IP_BLOCK)) {
    const whole = formatCidr(cidr);
    cursor.warn(
      "wide-rule",
      `the API server ignores unknown fields, so without \`except\` this is all of ${whole}`,
    );
  }
  return { cidr: formatCidr(cidr), except: readable.map(formatCidr) };
}

function decodeException(cursor: Cursor, outer: Cidr): Cidr | typeof BAD {
  const inner = cursor.isAbsent ? cursor.required() : decodeCidr(cursor);
  if (inner === BAD) return BAD;
  if (!cidrCovers(outer, inner) || inner.prefix === outer.prefix) {
    return cursor.invalid("except-outside-cidr", "must be a strict subset of `cidr`");
  }
  return inner;
}

/** As the API server takes it: what is beyond the prefix is masked, with a warning. */
export function decodeCidr(cursor: Cursor): Cidr | typeof BAD {
  const text = cursor.string();
  if (text === BAD || text === undefined) return BAD;
  const parsed = parseCidr(text);
  if (!parsed) {
    return cursor.invalid("invalid-cidr", "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
  }
  if (parsed.hostBits) {
    const masked = formatCidr(parsed.cidr);
    cursor.warn(
      "cidr-host-bits",
      `CIDR value ${JSON.stringify(text)} is ambiguous in this context (should be ${JSON.stringify(masked)}?)`,
      `it is taken as ${masked}`,
    );
  }
  return parsed.cidr;
}
