/** @module Short stable names for long texts. Not for secrets. */

/**
 * 64 bits of a text as 13 letters and digits, the same on every machine and in every version: kernel objects are named
 * by it and must be found again after a restart. Two rounds of a multiply-and-xor hash (cyrb) with different seeds.
 */
export function shortHash(text: string): string {
  const value = (BigInt(hash32(text, 0x9e3779b9)) << 32n) | BigInt(hash32(text, 0x85ebca6b));
  return value.toString(36).padStart(13, "0");
}

function hash32(text: string, seed: number): number {
  let a = 0xdeadbeef ^ seed;
  let b = 0x41c6ce57 ^ seed;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    a = Math.imul(a ^ code, 2654435761);
    b = Math.imul(b ^ code, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  return (a ^ (a >>> 13)) >>> 0;
}
