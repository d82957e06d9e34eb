/** @module Sets of CIDRs without overlap. */
import { type Cidr, cidrCovers } from "./ip.ts";

/**
 * CIDRs nest or are disjoint, so a union without overlap is those that no other covers.
 * @returns sorted by family, address, prefix; equal unions of nested blocks give equal lists. Cost: n log n
 */
export function uncovered(cidrs: readonly Cidr[]): Cidr[] {
  const sorted = [...cidrs].sort(
    (a, b) => a.family - b.family || (a.bits < b.bits ? -1 : a.bits > b.bits ? 1 : 0) || a.prefix - b.prefix,
  );
  const kept: Cidr[] = [];
  for (const cidr of sorted) {
    const last = kept.at(-1);
    if (!last || last.family !== cidr.family || !cidrCovers(last, cidr)) kept.push(cidr);
  }
  return kept;
}
