/** @module Sets of small integers as words of 32 bits. */

export type Words = Uint32Array;

export function emptyWords(count: number): Words {
  return new Uint32Array((count + 31) >>> 5);
}

export function fullWords(count: number): Words {
  const words = emptyWords(count).fill(0xffffffff);
  const rest = count & 31;
  if (rest !== 0 && words.length > 0) words[words.length - 1] = (1 << rest) - 1;
  return words;
}

export function setBit(words: Words, index: number): void {
  const word = index >>> 5;
  words[word] = (words[word] ?? 0) | (1 << (index & 31));
}

export function unsetBit(words: Words, index: number): void {
  words[index >>> 5] = (words[index >>> 5] ?? 0) & ~(1 << (index & 31));
}

export function hasBit(words: Words, index: number): boolean {
  return (((words[index >>> 5] ?? 0) >>> (index & 31)) & 1) === 1;
}

export function orInto(target: Words, source: Words): void {
  for (let index = 0; index < target.length; index++)
    target[index] = (target[index] ?? 0) | (source[index] ?? 0);
}

export function andInto(target: Words, source: Words): void {
  for (let index = 0; index < target.length; index++)
    target[index] = (target[index] ?? 0) & (source[index] ?? 0);
}

export function andNotInto(target: Words, source: Words): void {
  for (let index = 0; index < target.length; index++)
    target[index] = (target[index] ?? 0) & ~(source[index] ?? 0);
}

export function isEmpty(words: Words): boolean {
  return words.every((word) => word === 0);
}

export function countBits(words: Words): number {
  let count = 0;
  for (let index = 0; index < words.length; index++) {
    let word = words[index] ?? 0;
    word -= (word >>> 1) & 0x55555555;
    word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
    count += Math.imul((word + (word >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
  }
  return count;
}

export function eachBit(words: Words, visit: (index: number) => void): void {
  for (let at = 0; at < words.length; at++) {
    let word = words[at] ?? 0;
    while (word !== 0) {
      const bit = 31 - Math.clz32(word & -word);
      visit((at << 5) + bit);
      word &= word - 1;
    }
  }
}
