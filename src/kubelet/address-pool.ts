/** @module The addresses of one node: each of its CIDRs, handed out in turn so that one just given back rests longest. */
import { OpError } from "../base/errors.ts";
import { type Cidr, cidrContains, formatCidr, formatIp, parseCidr, parseIp } from "../base/ip.ts";

interface Range {
  readonly cidr: Cidr;
  readonly first: bigint;
  readonly size: bigint;
  next: bigint;
  readonly taken: Set<bigint>;
}

export class AddressPool {
  readonly #ranges: readonly Range[];

  /** @param cidrs - one a family. @throws OpError `input-invalid` */
  constructor(cidrs: readonly string[]) {
    this.#ranges = cidrs.map((text) => {
      const cidr = parseCidr(text)?.cidr;
      if (!cidr) throw new OpError(`${text} is not a CIDR`, { code: "input-invalid", facts: { cidr: text } });
      const bits = BigInt((cidr.family === 4 ? 32 : 128) - cidr.prefix);
      const all = 1n << bits;
      // Neither the first nor, in IPv4, the last address, where there are others.
      const spare = all > 2n ? (cidr.family === 4 ? 2n : 1n) : 0n;
      return { cidr, first: spare > 0n ? 1n : 0n, size: all - spare, next: 0n, taken: new Set<bigint>() };
    });
  }

  /**
   * One address of each family.
   * @param wanted - taken where they are ours and free: what a pod had before
   * @throws OpError `address-space-full`
   */
  take(wanted: readonly string[] = []): readonly string[] {
    const given: string[] = [];
    for (const range of this.#ranges) {
      const offset = this.#wanted(range, wanted) ?? this.#free(range);
      if (offset === undefined) {
        for (const address of given) this.release(address);
        const text = formatCidr(range.cidr);
        throw new OpError(`no addresses available in range ${text}`, {
          code: "address-space-full",
          facts: { cidr: text },
        });
      }
      range.taken.add(offset);
      given.push(formatIp({ family: range.cidr.family, bits: range.cidr.bits + offset }));
    }
    return given;
  }

  #wanted(range: Range, wanted: readonly string[]): bigint | undefined {
    for (const text of wanted) {
      const ip = parseIp(text);
      if (!ip || !cidrContains(range.cidr, ip)) continue;
      const offset = ip.bits - range.cidr.bits;
      if (!range.taken.has(offset) && offset >= range.first) return offset;
    }
    return undefined;
  }

  #free(range: Range): bigint | undefined {
    if (BigInt(range.taken.size) >= range.size) return undefined;
    for (;;) {
      const offset = range.first + (range.next % range.size);
      range.next++;
      if (!range.taken.has(offset)) return offset;
    }
  }

  release(address: string): void {
    const ip = parseIp(address);
    for (const { cidr, taken } of this.#ranges)
      if (ip && cidrContains(cidr, ip)) taken.delete(ip.bits - cidr.bits);
  }
}
